//! The promoter's webhook as a process of a fleet, and how often it is asked.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use promoter_fleet::{Fleet, Program};
use promoter_installation::control_plane::WEBHOOK_USER;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{LIMIT, eventually, fleet::WEBHOOK, kept};

/// The webhook of a fleet, or one that a test has started besides.
pub(crate) struct Promoter {
    authority: PathBuf,
    health: u16,
    pub(crate) name: String,
    port: u16,
}

impl Promoter {
    /// Starts a webhook, as the user that it has everywhere else.
    pub(crate) async fn start(fleet: &Fleet, name: &str, flags: &[&str]) -> Result<Self> {
        let (port, health) = (Fleet::free_port()?, Fleet::free_port()?);
        let certificate = fleet.add_server("karmada", name)?;
        let kubeconfig = fleet.user_kubeconfig("karmada", WEBHOOK_USER, None)?;
        let program = Program::new(env!("CARGO_BIN_EXE_karmada-promoter"))
            .argument("webhook")
            .argument(format!("--listen=127.0.0.1:{port}"))
            .argument(format!("--health-listen=127.0.0.1:{health}"))
            .argument(format!("--kubeconfig={}", kubeconfig.display()))
            .argument(format!(
                "{CERTIFICATE}={}",
                certificate.certificate.display()
            ))
            .argument(format!(
                "--tls-private-key-file={}",
                certificate.key.display()
            ))
            .arguments(flags.iter().copied());
        fleet.run(name, program).await?;
        kept::log(fleet, name);
        Ok(Self {
            authority: certificate.authority,
            health,
            name: name.to_owned(),
            port,
        })
    }

    /// The webhook that every fleet has, by the command line of its process: the fleet may have
    /// been started by another program.
    pub(crate) fn of(fleet: &Fleet) -> Result<Self> {
        let processes = fleet.processes();
        let found = processes.iter().find(|process| process.name == WEBHOOK);
        let pid = found.context("the fleet has no webhook")?.pid;
        let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline"))?;
        let flag = |flag: &str| {
            let mut words = words.split('\0');
            let value = words.find_map(|word| word.strip_prefix(flag)?.strip_prefix('='));
            value.with_context(|| format!("the webhook has no {flag}: {words:?}"))
        };
        let port = |name: &str| -> Result<u16> {
            let (_, port) = flag(name)?.rsplit_once(':').context("no port")?;
            Ok(port.parse()?)
        };
        Ok(Self {
            authority: Path::new(flag(CERTIFICATE)?).with_file_name("ca.crt"),
            health: port("--health-listen")?,
            name: WEBHOOK.to_owned(),
            port: port("--listen")?,
        })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// The authority of its certificate.
    pub(crate) fn authority(&self) -> &Path {
        &self.authority
    }

    /// The flags that tell `kubectl promote member enable` where it is.
    pub(crate) fn flags(&self) -> [String; 2] {
        [
            format!("--webhook-url={}", self.url()),
            format!("--ca-file={}", self.authority.display()),
        ]
    }

    /// Waits until it says that it is ready.
    pub(crate) async fn until_ready(&self) -> Result<()> {
        eventually("the webhook is ready", LIMIT, async || {
            let answer = self.ask("/readyz").await?;
            ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            Ok(())
        })
        .await
    }

    /// Ends it, unless it has ended.
    pub(crate) async fn kill(&self, fleet: &Fleet) -> Result<()> {
        let processes = fleet.processes();
        let mut running = processes.iter().filter(|process| process.running);
        if running.any(|process| process.name == self.name) {
            fleet.kill(&self.name).await?;
        }
        Ok(())
    }

    /// How often API servers have asked it about something of a member, since it was started.
    pub(crate) async fn calls(&self) -> Result<u64> {
        let metrics = self.ask("/metrics").await?;
        ensure!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
        // Of a counter by another name, nothing would ever be counted.
        let declared = format!("# TYPE {REQUESTS} counter");
        let is_there = metrics.lines().any(|line| line == declared);
        ensure!(is_there, "no {declared:?} in: {metrics}");
        let total = format!("{REQUESTS}_total{{");
        let counted = metrics
            .lines()
            .filter(|line| line.starts_with(&total) && !line.contains(PROMOTIONS))
            .map(|line| {
                let count = line.rsplit(' ').next().unwrap_or_default();
                count.parse::<u64>().with_context(|| line.to_owned())
            });
        counted.sum()
    }

    /// What its port for health says.
    async fn ask(&self, path: &str) -> Result<String> {
        let asked = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.health)).await?;
            let request =
                format!("GET {path} HTTP/1.1\r\nhost: webhook\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            anyhow::Ok(answer)
        };
        timeout(Duration::from_secs(10), asked).await?
    }
}

const CERTIFICATE: &str = "--tls-cert-file";

/// The counter of requests.
const REQUESTS: &str = "promoter_webhook_requests";

/// The route of the control plane.
const PROMOTIONS: &str = "route=\"promotions\"";
