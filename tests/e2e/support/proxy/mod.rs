//! The API servers of a fleet as a hub sees them through a proxy that can be told to fail.
//!
//! The hub reaches the control plane by [`Proxy::kubeconfig`], and its members too, because the
//! proxy puts its own addresses into the Clusters that pass. It shows the hub the Promotions and the
//! members' Deployments of one namespace only, and of the Namespaces that one, so that several hubs can be broken side by side in one fleet.
//!
//! - [`Asked`]: what a request is about;
//! - [`Rule`] and [`Fault`]: what goes wrong, and when;
//! - `forward`: how a request gets to the API server, and its answer back;
//! - `watched`: the answers that do not end.

mod asked;
mod forward;
mod rule;
mod watched;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use anyhow::{Context as _, Result};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::{Client, Config, config::Kubeconfig};
use promoter_fleet::Fleet;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

pub(crate) use self::{
    asked::{Asked, Write},
    rule::{Fault, Point, Rule},
    watched::Ending,
};
use self::{forward::Upstream, rule::Rules};
use crate::support::LIMIT;

/// A proxy before every API server of a fleet. It is there as long as this value.
pub(crate) struct Proxy {
    kubeconfig: PathBuf,
    servers: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

/// A request that came, and when.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) asked: Asked,
    pub(crate) at: Instant,
}

/// What passes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Gate {
    /// Everything.
    Open,
    /// Nothing.
    Shut,
    /// The write at which it was shut.
    ShutBehind,
}

/// What the connections share.
struct Shared {
    fleet: Arc<Fleet>,
    gate: watch::Sender<Gate>,
    /// Whether the hub is told that no member is ready.
    hidden: AtomicBool,
    /// The addresses of the members, as Karmada knows them, and those to be known instead.
    members: Vec<(String, String)>,
    /// The hub's name among the fleet's processes.
    process: String,
    state: Mutex<State>,
    /// The namespace whose Promotions and Deployments the hub is to see.
    namespace: String,
    watches: watched::Endings,
}

struct State {
    /// How often the hub was killed.
    killed: watch::Sender<usize>,
    rules: Rules,
    seen: Vec<Seen>,
}

impl Proxy {
    /// A proxy for the hub that is the fleet's process of this name.
    pub(crate) async fn start(fleet: &Arc<Fleet>, process: &str, namespace: &str) -> Result<Self> {
        promoter_kubernetes::install_crypto_provider();
        let mut listeners = Vec::new();
        let mut members = Vec::new();
        for cluster in std::iter::once("karmada").chain(fleet.members().iter().map(String::as_str))
        {
            let upstream = Upstream::of(fleet, cluster).await?;
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            if cluster != "karmada" {
                let own = format!("https://{}", listener.local_addr()?);
                members.push((upstream.address().to_owned(), own));
            }
            listeners.push((upstream, listener, acceptor(fleet, cluster)?));
        }
        let kubeconfig = write_kubeconfig(fleet, listeners[0].1.local_addr()?)?;
        let shared = Arc::new(Shared {
            fleet: Arc::clone(fleet),
            gate: watch::Sender::new(Gate::Open),
            hidden: AtomicBool::new(false),
            members,
            process: process.to_owned(),
            state: Mutex::new(State {
                killed: watch::Sender::new(0),
                rules: Rules::default(),
                seen: Vec::new(),
            }),
            namespace: namespace.to_owned(),
            watches: watched::Endings::default(),
        });
        let servers = listeners
            .into_iter()
            .map(|(upstream, listener, acceptor)| {
                let shared = Arc::clone(&shared);
                tokio::spawn(serve(listener, acceptor, Arc::new(upstream), shared))
            })
            .collect();
        Ok(Self {
            kubeconfig,
            servers,
            shared,
        })
    }

    /// The kubeconfig by which the control plane is reached through the proxy.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// From now on, this goes wrong, and writes are counted anew.
    pub(crate) fn set(&self, rule: Rule) {
        self.shared.lock().rules.set(rule);
    }

    /// The API writes since a rule was set, in their order, each with its ordinal.
    pub(crate) fn writes(&self) -> Vec<Point> {
        self.shared.lock().rules.writes().to_vec()
    }

    /// How often a rule has made each thing go wrong since it was set.
    pub(crate) fn faults(&self) -> BTreeMap<Fault, usize> {
        self.shared.lock().rules.faults().clone()
    }

    /// Waits until the hub stands still where a rule holds it.
    pub(crate) async fn until_held(&self) -> Result<()> {
        let mut gate = self.shared.gate.subscribe();
        let held = gate.wait_for(|gate| *gate == Gate::Shut);
        let held = tokio::time::timeout(LIMIT, held).await;
        held.context("the hub does not come to where it is held")??;
        Ok(())
    }

    /// Lets the write pass at which the hub is held, and nothing after it.
    pub(crate) fn pass_held(&self) {
        self.shared.gate.send_replace(Gate::ShutBehind);
    }

    /// Lets everything pass.
    pub(crate) fn open(&self) {
        self.shared.gate.send_replace(Gate::Open);
    }

    /// From now on, the hub is told that no member is ready, or the truth again.
    pub(crate) fn hide_members(&self, hidden: bool) {
        self.shared.hidden.store(hidden, Ordering::SeqCst);
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.lock().seen.clone()
    }

    /// Ends every watch that is open, and returns how many were.
    pub(crate) fn end_watches(&self, ending: Ending) -> usize {
        let open = self.shared.watches.open();
        if ending == Ending::CutAndExpire {
            self.shared.lock().rules.expire(open);
        }
        self.shared.watches.end(ending);
        open
    }

    /// Tells each time when the hub was killed: how often it was by then.
    pub(crate) fn kills(&self) -> watch::Receiver<usize> {
        self.shared.lock().killed.subscribe()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
        // What is left of it is nobody's, in the folder for what tests leave.
        let _ = std::fs::remove_file(&self.kubeconfig);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a request may pass, or the write that shuts the gate.
    async fn pass(&self, shuts: bool) {
        if shuts {
            self.gate.send_replace(Gate::Shut);
        }
        let mut gate = self.gate.subscribe();
        let passes = |gate: &Gate| match gate {
            Gate::Open => true,
            Gate::Shut => false,
            Gate::ShutBehind => shuts,
        };
        let opened = gate.wait_for(passes).await;
        opened.expect("the gate is there as long as its requests");
    }

    /// Kills the hub, and returns when it is gone.
    async fn kill(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        // By itself: whoever answers the hub is dropped with the connection, as soon as it dies.
        let killing = tokio::spawn(async move {
            let killed = shared.fleet.kill(&shared.process).await;
            killed.expect("the hub is a process of the fleet");
            shared.lock().killed.send_modify(|count| *count += 1);
        });
        killing.await.expect("killing does not panic");
    }
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    upstream: Arc<Upstream>,
    shared: Arc<Shared>,
) {
    // They end with this future.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, upstream) = (acceptor.clone(), Arc::clone(&upstream));
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(|request| forward::answer(&upstream, &shared, request));
            // One request at a time on each connection, so that cutting it loses one answer. A
            // service that fails cuts it.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// The cluster's own servers' certificate: for whoever trusts them, the proxy is one of them.
fn acceptor(fleet: &Fleet, cluster: &str) -> Result<TlsAcceptor> {
    let (certificate, key) = fleet.server_certificate(cluster);
    let chain = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read {}", certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(&key)
        .with_context(|| format!("cannot read {}", key.display()))?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A kubeconfig that leads to the proxy of the control plane, which has the credentials.
fn write_kubeconfig(fleet: &Fleet, address: SocketAddr) -> Result<PathBuf> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!(
        "proxy-{}-{}.yaml",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let real = Kubeconfig::read_from(fleet.kubeconfig())?;
    let real = real.clusters.first().and_then(|real| real.cluster.as_ref());
    let authority = real.and_then(|real| real.certificate_authority_data.as_deref());
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "proxy",
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        "clusters": [{"name": "proxy", "cluster": {
            "server": format!("https://{address}"),
            "certificate-authority-data": authority,
        }}],
        "users": [{"name": "proxy", "user": {}}],
    });
    std::fs::write(&path, kubeconfig.to_string())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// A client that sends what it is given as it is.
fn client(mut config: Config) -> Result<Client> {
    config.default_retry = false;
    config.read_timeout = None;
    Ok(Client::try_from(config)?)
}
