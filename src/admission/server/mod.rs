//! The server around the decisions: what an API server needs, and what nobody else may do to it.
//!
//! An API server speaks HTTP/1.1 over TLS, keeps up to 25 idle connections for 90 s, opens more
//! while it has more to ask, and never resumes a session. So idle connections are kept for longer
//! than that, and nothing but the number of connections is limited: when they are too many,
//! those make way that have been idle the longest, and when none is idle, those that announce a body
//! and do not send it.

mod body;
mod certificates;
mod connections;
mod http;
#[cfg(test)]
mod tests;
mod waiting;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustls::sign::CertifiedKey;
use tokio::{
    net::TcpListener,
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

pub use certificates::CertificateError;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use certificates::can_serve;

use prometheus_client::registry::Registry;

use crate::{
    Routes,
    health::Health,
    metrics::Metrics,
    server::{certificates::Certificates, connections::Connections},
};

/// How long no connection is accepted after the system has refused one: it has no more files to
/// give, and would say so again at once.
pub(crate) const EXHAUSTED: Duration = Duration::from_millis(100);

/// How the server is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it shows, and to whom it talks.
    pub certificates: CertificateSettings,
    /// Where it says over plain HTTP whether it lives and is ready.
    pub health_address: SocketAddr,
    /// What nobody may exceed.
    pub limits: Limits,
    /// What is decided.
    pub routes: Routes,
}

/// What the server shows, and to whom it talks. It is looked at again and again.
#[derive(Clone, Debug)]
pub struct CertificateSettings {
    /// What it shows.
    pub certificate: Certificate,
    /// Authorities of clients, in PEM. With them, only clients with a certificate are served.
    pub client_authorities: Option<PathBuf>,
    /// How often it is looked at whether something has changed.
    pub interval: Duration,
}

/// Where the server's certificate is from.
#[derive(Clone, Debug)]
pub enum Certificate {
    /// From files, which somebody else changes.
    Files {
        /// The chain, in PEM, the server's own certificate first.
        certificate: PathBuf,
        /// The private key, in PEM.
        key: PathBuf,
    },
    /// From whoever keeps it in this program.
    Kept(watch::Receiver<Arc<CertifiedKey>>),
}

/// What nobody may exceed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a body may be. A review has an object twice, of 3 MiB at the most.
    pub body: usize,
    /// How long a body may take, from the end of the header.
    pub body_timeout: Duration,
    /// How many connections there are at a time.
    pub connections: usize,
    /// How long requests that have begun may take when the server stops.
    pub drain: Duration,
    /// How long a handshake may take.
    pub handshake: Duration,
    /// How long a connection is kept without a request, or with half a header: the one costs no
    /// more than the other.
    pub idle: Duration,
    /// How many bytes all long bodies together may have in memory.
    pub long_bodies: usize,
    /// How long the server goes on after it has said that it is not ready, until nobody is sent
    /// to it any more.
    pub shutdown_delay: Duration,
}

/// The server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address is taken, or is not this machine's.
    #[error("cannot listen on {address}: {source}; choose another address")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// There is no certificate to begin with.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// A server that listens, and does not yet answer.
pub struct Server {
    address: SocketAddr,
    certificates: Certificates,
    health: TcpListener,
    health_address: SocketAddr,
    listener: TcpListener,
    settings: Settings,
}

impl Server {
    /// Reads the certificate and listens.
    pub async fn bind(settings: Settings) -> Result<Self, Error> {
        let certificates = Certificates::read(settings.certificates.clone()).await?;
        let (listener, address) = bind(settings.address).await?;
        let (health, health_address) = bind(settings.health_address).await?;
        Ok(Self {
            address,
            certificates,
            health,
            health_address,
            listener,
            settings,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it says how it is.
    #[must_use]
    pub const fn health_address(&self) -> SocketAddr {
        self.health_address
    }

    /// Serves until it is told to stop, and until what it had begun by then is answered.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self {
            certificates,
            health,
            listener,
            settings,
            ..
        } = self;
        let limits = settings.limits;
        let draining = Arc::new(AtomicBool::new(false));
        // These two end with this future.
        let background = CancellationToken::new();
        let _guard = background.clone().drop_guard();
        let mut registry = Registry::default();
        let index = settings.routes.index.clone();
        let metrics = Arc::new(Metrics::register(&mut registry, index.clone()));
        let acceptors = certificates.watch(background.clone(), Arc::clone(&metrics));
        let is_draining = Arc::clone(&draining);
        let unready = move || {
            if is_draining.load(Ordering::Relaxed) {
                Some("asked to stop; what has begun is finished")
            } else if index.as_ref().is_some_and(|index| !index.is_listed()) {
                Some("what the control plane has is not listed yet")
            } else {
                None
            }
        };
        let health_of_this = Health {
            registry,
            unready: Box::new(unready),
        };
        health_of_this.serve(health, background);

        let connections = Connections::new(limits, Arc::new(settings.routes), metrics);
        let stopping = async {
            stop.await;
            draining.store(true, Ordering::Relaxed);
            connections.leave();
            sleep(limits.shutdown_delay).await;
        };
        tokio::select! {
            () = connections.accept(&listener, acceptors) => {}
            () = connections.dismiss_idle() => {}
            () = stopping => {}
        }
        drop(listener);
        if timeout(limits.drain, connections.drain()).await.is_err() {
            tracing::warn!("requests were still open after {:?}", limits.drain);
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 7 << 20,
            body_timeout: Duration::from_secs(10),
            connections: 512,
            drain: Duration::from_secs(20),
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(150),
            long_bodies: 64 << 20,
            shutdown_delay: Duration::from_secs(5),
        }
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
