//! The probes of a container, asked as a kubelet asks them.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// The probes of a container. Each look asks once: how often and how many times in vain is the
/// kubelet's affair.
#[derive(Debug)]
pub(crate) struct Probes {
    live: Option<Probe>,
    ready: Option<Probe>,
}

/// A request that a container has to answer.
#[derive(Debug)]
struct Probe {
    address: SocketAddr,
    path: String,
    patience: Duration,
}

impl Probes {
    /// The probes of a container with an address.
    pub(super) fn of(container: &Value, address: Ipv4Addr) -> Result<Self> {
        let probe = |of: &str| {
            let probe = &container[of];
            let wanted = !probe.is_null();
            wanted
                .then(|| Probe::of(probe, container, address))
                .transpose()
                .with_context(|| format!("the container's {of}"))
        };
        // What is started lives: both ask the same of a container that answers.
        probe("startupProbe")?;
        Ok(Self {
            live: probe("livenessProbe")?,
            ready: probe("readinessProbe")?,
        })
    }

    /// Whether the container is ready. One without a probe is as soon as it runs.
    pub(crate) async fn is_ready(&self) -> bool {
        match &self.ready {
            Some(probe) => probe.ask().await.is_ok(),
            None => true,
        }
    }

    /// Fails where a container that was ready does not live any more.
    pub(super) async fn assert_live(&self) -> Result<()> {
        match &self.live {
            Some(probe) => probe.ask().await.context("the liveness probe failed"),
            None => Ok(()),
        }
    }
}

impl Probe {
    fn of(probe: &Value, container: &Value, address: Ipv4Addr) -> Result<Self> {
        let get = &probe["httpGet"];
        ensure!(get.is_object(), "it is no httpGet");
        let port = port(container, &get["port"])?;
        Ok(Self {
            address: SocketAddr::from((address, port)),
            path: get["path"].as_str().unwrap_or("/").to_owned(),
            patience: Duration::from_secs(probe["timeoutSeconds"].as_u64().unwrap_or(1).max(5)),
        })
    }

    async fn ask(&self) -> Result<()> {
        let asked = async {
            let mut stream = TcpStream::connect(self.address).await?;
            let Self { address, path, .. } = self;
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            let answer = String::from_utf8_lossy(&answer).into_owned();
            let status = answer
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok());
            match status {
                Some(200..400) => Ok(()),
                _ => bail!("{path} answers {answer}"),
            }
        };
        timeout(self.patience, asked).await?
    }
}

/// The number of a container's port, which may be named.
pub(super) fn port(container: &Value, port: &Value) -> Result<u16> {
    let number = match port.as_str() {
        None => port.as_u64(),
        Some(name) => {
            let ports = container["ports"].as_array().into_iter().flatten();
            let mut named = ports.filter(|port| port["name"] == name);
            named.next().and_then(|port| port["containerPort"].as_u64())
        }
    };
    let number = number.with_context(|| format!("the container has no port {port}"))?;
    Ok(u16::try_from(number)?)
}
