//! The Services of a namespace, as kube-proxy has them: whoever connects to a Service's address is
//! connected with one of its pods that are ready.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// The Services of a namespace, by the addresses that they have in the cluster.
#[derive(Default)]
pub(super) struct Services(BTreeMap<SocketAddr, Service>);

/// One port of a Service.
struct Service {
    pods: Arc<Mutex<Vec<SocketAddr>>>,
    serving: JoinHandle<()>,
}

impl Services {
    /// Has each address lead to these pods from now on. What is open stays open.
    pub(super) async fn set(
        &mut self,
        wanted: BTreeMap<SocketAddr, Vec<SocketAddr>>,
    ) -> Result<()> {
        self.0.retain(|address, _| wanted.contains_key(address));
        for (address, pods) in wanted {
            if let Some(service) = self.0.get(&address) {
                *service.pods.lock().unwrap_or_else(PoisonError::into_inner) = pods;
                continue;
            }
            let listener = TcpListener::bind(address)
                .await
                .with_context(|| format!("a Service cannot be served at {address}"))?;
            let pods = Arc::new(Mutex::new(pods));
            let serving = tokio::spawn(serve(listener, Arc::clone(&pods)));
            self.0.insert(address, Service { pods, serving });
        }
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The addresses of a Service, each with the port of its pods, which may be named.
pub(super) fn ports(service: &Value) -> Result<Vec<(SocketAddr, Value)>> {
    let address: IpAddr = match service["spec"]["clusterIP"].as_str() {
        None | Some("None") => return Ok(Vec::new()),
        Some(address) => address.parse()?,
    };
    let ports = service["spec"]["ports"].as_array().into_iter().flatten();
    ports
        .map(|port| {
            let number = port["port"].as_u64().context("a Service has no port")?;
            let address = SocketAddr::new(address, u16::try_from(number)?);
            Ok((address, port["targetPort"].clone()))
        })
        .collect()
}

async fn serve(listener: TcpListener, pods: Arc<Mutex<Vec<SocketAddr>>>) {
    let turn = AtomicUsize::new(0);
    while let Ok((mut from, _)) = listener.accept().await {
        let pod = {
            let pods = pods.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = turn.fetch_add(1, Ordering::Relaxed);
            pods.get(turn % pods.len().max(1)).copied()
        };
        // Where there is none, the connection ends here.
        let Some(pod) = pod else { continue };
        tokio::spawn(async move {
            if let Ok(mut to) = TcpStream::connect(pod).await {
                // Whoever hangs up ends it for both.
                let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
            }
        });
    }
}
