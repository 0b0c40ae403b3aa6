//! The servers that are compared, each a process of the fleet.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use hyper::Uri;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind},
};
use promoter_api::reason::Reason;
use promoter_fleet::{Fleet, Program, ServerCertificate};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{
    bare,
    bodies::{self, Review, Subject},
    index,
    load::{self, Question},
    process::Observed,
};
use crate::workspace;

/// What is in an index is there within this.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// What is compared.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Contestant {
    /// A server that decides nothing.
    Echo,
    /// Our webhook, on what does not concern it.
    Unrelated,
    /// Our webhook, on what opts in.
    OptIn,
    /// Karmada's webhook, on a Work.
    KarmadaWebhook,
}

impl Contestant {
    pub(super) const ALL: [Self; 4] = [
        Self::Echo,
        Self::Unrelated,
        Self::OptIn,
        Self::KarmadaWebhook,
    ];
}

/// The processes.
pub(super) struct Servers {
    bare: Server,
    karmada: Server,
    webhook: Server,
}

/// One of them.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) authority: Vec<u8>,
    pub(super) process: Observed,
}

impl Servers {
    /// Starts those that do not run yet. The index of our webhook has a number of entries.
    pub(super) async fn start(fleet: &Fleet, entries: usize) -> anyhow::Result<Self> {
        let certificate = fleet.add_server("karmada", "bench")?;
        Ok(Self {
            bare: bare(fleet, &certificate).await?,
            karmada: karmada(fleet).await?,
            webhook: webhook(fleet, &certificate, entries).await?,
        })
    }

    pub(super) fn of(&self, contestant: Contestant) -> &Server {
        match contestant {
            Contestant::Echo => &self.bare,
            Contestant::Unrelated | Contestant::OptIn => &self.webhook,
            Contestant::KarmadaWebhook => &self.karmada,
        }
    }

    /// Ends those that were started.
    pub(super) async fn stop(fleet: &Fleet) -> anyhow::Result<()> {
        for name in [BARE, WEBHOOK] {
            fleet.kill(name).await?;
        }
        Ok(())
    }
}

const BARE: &str = "bench-bare";
const WEBHOOK: &str = "bench-webhook";

/// Who decides on a Deployment that may opt in. Both are asked about one that does.
const MUTATE: &str = "/admit/member1/mutate?timeout=5s";
const VALIDATE: &str = "/admit/member1/validate?timeout=5s";

/// What a contestant is asked, in reviews of about so many bytes.
pub(super) fn questions(contestant: Contestant, bytes: usize) -> anyhow::Result<Arc<[Question]>> {
    let (subject, paths): (_, &[(&str, bool)]) = match contestant {
        Contestant::Echo => (Subject::Unrelated, &[("/?timeout=5s", false)]),
        Contestant::Unrelated => (Subject::Unrelated, &[(MUTATE, false), (VALIDATE, false)]),
        Contestant::OptIn => (Subject::OptIn, &[(MUTATE, true), (VALIDATE, false)]),
        Contestant::KarmadaWebhook => (Subject::Work, &[("/mutate-work?timeout=3s", true)]),
    };
    let mut questions = Vec::new();
    for review in bodies::reviews(subject, bytes) {
        for (path, patched) in paths {
            let mut question = question(&review, path, *patched)?;
            if contestant == Contestant::Echo {
                bare::UID.clone_into(&mut question.uid);
            }
            questions.push(question);
        }
    }
    Ok(questions.into())
}

fn question(review: &Review, path: &str, patched: bool) -> anyhow::Result<Question> {
    Ok(Question {
        body: review.body.clone(),
        patched,
        uid: review.uid.clone(),
        uri: path.parse()?,
    })
}

async fn bare(fleet: &Fleet, certificate: &ServerCertificate) -> anyhow::Result<Server> {
    let address = free_address()?;
    let program = Program::new(std::env::current_exe()?)
        .arguments(["bench", "bare-server"])
        .argument(format!("--listen={address}"))
        .argument(flag("certificate", &certificate.certificate))
        .argument(flag("key", &certificate.key));
    run(fleet, BARE, program, address, certificate).await
}

async fn webhook(
    fleet: &Fleet,
    certificate: &ServerCertificate,
    entries: usize,
) -> anyhow::Result<Server> {
    let address = free_address()?;
    let program = Program::new(workspace::binaries()?.join("karmada-promoter"))
        .argument("webhook")
        .argument(format!("--listen={address}"))
        .argument(format!("--health-listen={}", free_address()?))
        .argument(flag("kubeconfig", fleet.kubeconfig()))
        .argument(flag("tls-cert-file", &certificate.certificate))
        .argument(flag("tls-private-key-file", &certificate.key));
    let server = run(fleet, WEBHOOK, program, address, certificate).await?;
    until_indexed(&server, entries).await?;
    Ok(server)
}

/// The server that Karmada's API server asks about Works.
async fn karmada(fleet: &Fleet) -> anyhow::Result<Server> {
    let gvk = GroupVersionKind::gvk(
        "admissionregistration.k8s.io",
        "v1",
        "MutatingWebhookConfiguration",
    );
    let resource = ApiResource::from_gvk(&gvk);
    let api: Api<DynamicObject> = Api::all_with(index::client(fleet).await?, &resource);
    let configuration = api.get("mutating-config").await?;
    let webhooks = configuration.data["webhooks"].as_array();
    let found = webhooks
        .and_then(|webhooks| {
            let mut webhooks = webhooks.iter();
            webhooks.find(|webhook| webhook["name"] == "work.karmada.io")
        })
        .context("Karmada has no webhook for Works")?;
    let client = &found["clientConfig"];
    let (url, authority) = (client["url"].as_str(), client["caBundle"].as_str());
    let url: Uri = url.context("Karmada's webhook has no URL")?.parse()?;
    let address = url.authority().context("its URL names no server")?.as_str();
    Ok(Server {
        address: address.parse()?,
        authority: BASE64_STANDARD.decode(authority.context("it has no authority")?)?,
        process: Observed(fleet.process("karmada-webhook")?.pid()?),
    })
}

async fn run(
    fleet: &Fleet,
    name: &str,
    program: Program,
    address: SocketAddr,
    certificate: &ServerCertificate,
) -> anyhow::Result<Server> {
    let authority = std::fs::read(&certificate.authority)?;
    let process = fleet.run(name, program).await?;
    let began = Instant::now();
    loop {
        let Err(error) = load::connect(address, &authority, 1).await else {
            break;
        };
        if !process.is_running()? || began.elapsed() > PATIENCE {
            let log = std::fs::read_to_string(process.log()).unwrap_or_default();
            bail!(
                "{name} does not answer: {error:#}; it said:\n{}",
                log.trim()
            );
        }
        sleep(PAUSE).await;
    }
    Ok(Server {
        address,
        authority,
        process: Observed(process.pid()?),
    })
}

/// Waits until the webhook knows the last of what is federated, by asking for it.
async fn until_indexed(server: &Server, entries: usize) -> anyhow::Result<()> {
    let last = index::name(entries.saturating_sub(1));
    let review = bodies::opt_in_of(index::NAMESPACE, &last);
    let question = question(&review, VALIDATE, false)?;
    let mut connections = load::connect(server.address, &server.authority, 1).await?;
    let connection = connections.first_mut().context("there is no connection")?;
    let federated = Reason::AlreadyFederated.to_string();
    let began = Instant::now();
    while connection.denial(&question).await? != Some(federated.clone()) {
        ensure!(
            began.elapsed() < PATIENCE,
            "the webhook does not know that {last} is federated"
        );
        sleep(PAUSE).await;
    }
    Ok(())
}

fn flag(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

fn free_address() -> anyhow::Result<SocketAddr> {
    let local = std::net::Ipv4Addr::LOCALHOST;
    Ok(SocketAddr::from((local, Fleet::free_port()?)))
}
