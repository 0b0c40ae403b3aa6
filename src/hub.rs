//! The hub: the engine and the annotation door, beside the Karmada control plane.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Args;
use kube::Client;
use promoter_annotation::Unstamped;
use promoter_domain::opt_in::{OptIn, OptIns};
use promoter_engine::{Context, Limits, controller};
use promoter_kubernetes::{events::Events, members::Members, objects::Objects, resource::Resource};
use tokio::time::sleep;

use crate::{
    connect::connect,
    election::{ElectionArguments, while_leading},
    stopped::Stopped,
};

/// The flags of the hub.
#[derive(Args)]
pub(crate) struct HubArguments {
    /// Promote what opted in before anything in its member recorded who did, or while nothing does,
    /// for an unknown user of that member. Without it, such a Deployment is held until somebody
    /// opts in anew.
    #[arg(long)]
    adopt_unstamped: bool,

    /// How long a member may refuse Karmada's write, in seconds, before it is rolled back.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    commit_timeout: u64,

    /// How many Promotions are carried out at a time.
    #[arg(long, value_name = "COUNT", default_value_t = 32)]
    concurrency: u16,

    /// The context of the kubeconfig.
    #[arg(long)]
    context: Option<String>,

    #[command(flatten)]
    election: ElectionArguments,

    /// The kubeconfig of the Karmada control plane. Without it, `KUBECONFIG` and the usual places.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,

    /// Which clusters may opt in to which namespaces; may be repeated. Names may end
    /// in *, for everything that begins so.
    #[arg(
        long,
        value_name = "CLUSTER=NAMESPACE[,NAMESPACE]",
        default_value = "*=*"
    )]
    opt_in: Vec<OptIn>,

    /// How long Karmada may take to render what is staged, in seconds, before it is given up.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    staging_timeout: u64,
}

/// Runs until it is told to stop.
pub(crate) async fn run(arguments: HubArguments) -> anyhow::Result<()> {
    let HubArguments {
        adopt_unstamped,
        commit_timeout,
        concurrency,
        context,
        election,
        kubeconfig,
        opt_in,
        staging_timeout,
    } = arguments;
    let client = connect(kubeconfig, context).await?;
    let control_plane = Objects::new(client.clone(), "the control plane");
    let stopped = Stopped::listen()?;
    tokio::select! {
        served = until_served(&control_plane) => served?,
        () = stopped.wait() => return Ok(()),
    }
    let instance = std::env::var("HOSTNAME").unwrap_or_default();
    let election = election.election(&control_plane, &instance)?;
    let hub = Hub {
        client,
        concurrency,
        limits: Limits {
            commit: Duration::from_secs(commit_timeout),
            staging: Duration::from_secs(staging_timeout),
        },
        members: Arc::new(Members::new(control_plane.clone())),
        control_plane,
        instance,
        opt_ins: Arc::new(OptIns::from(opt_in)),
        stopped,
        unstamped: if adopt_unstamped {
            Unstamped::Adopt
        } else {
            Unstamped::Hold
        },
    };
    match &election {
        Some(election) => while_leading(election, || hub.act(), &hub.stopped).await,
        None => hub.act().await,
    }
}

/// Waits until the control plane answers. An answer that asking again does not change is an error,
/// so that whoever has just started the hub learns of it.
async fn until_served(control_plane: &Objects) -> anyhow::Result<()> {
    const LONGEST: Duration = Duration::from_secs(30);

    let mut delay = Duration::from_secs(1);
    loop {
        let listed = control_plane.list(Resource::PROMOTION, Some("default"), None);
        let Err(error) = listed.await else {
            return Ok(());
        };
        if error.is_unauthorized() {
            return Err(error).context(
                "the control plane does not know this user; give the hub the kubeconfig of one \
                 that it knows",
            );
        }
        if error.is_forbidden() || error.is_not_found() {
            return Err(error).context(
                "the control plane does not serve Promotions to this user; `kubectl promote \
                 control-plane enable` installs there what the hub needs",
            );
        }
        tracing::warn!("the hub cannot begin yet, trying again in {delay:?}: {error}");
        sleep(delay).await;
        delay = delay.saturating_mul(2).min(LONGEST);
    }
}

/// What the hub acts with, whenever it leads.
struct Hub {
    client: Client,
    concurrency: u16,
    control_plane: Objects,
    instance: String,
    limits: Limits,
    members: Arc<Members>,
    opt_ins: Arc<OptIns>,
    stopped: Stopped,
    unstamped: Unstamped,
}

impl Hub {
    /// Carries Promotions out, and has what opts in promoted, until the process is told to stop.
    async fn act(&self) -> anyhow::Result<()> {
        let stopped = self.stopped.clone();
        let engine = controller::run(
            Context {
                control_plane: self.control_plane.clone(),
                events: Events::new(self.client.clone(), &self.instance),
                instance: self.instance.clone(),
                limits: self.limits,
                members: Arc::clone(&self.members),
                opt_ins: Arc::clone(&self.opt_ins),
                started: Instant::now(),
            },
            self.concurrency,
            async move { stopped.wait().await },
        );
        tracing::info!(
            unstamped = ?self.unstamped,
            concurrency = self.concurrency,
            "the hub is running"
        );
        let (control_plane, members) = (self.control_plane.clone(), Arc::clone(&self.members));
        let opt_ins = Arc::clone(&self.opt_ins);
        let door = promoter_annotation::run(
            control_plane,
            members,
            opt_ins,
            self.unstamped,
            &self.instance,
        );
        tokio::select! {
            () = engine => Ok(()),
            result = door => result.context("the annotation door has closed"),
        }
    }
}
