//! The connections of clients: how many there are, and which of them make way.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{interval, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::{
    EXHAUSTED, Limits,
    body::Budget,
    http,
    waiting::{End, Place, UNDISTURBED, Waiting},
};
use crate::{Routes, metrics::Metrics};

/// How much of a header is read, and how much of a body at a time.
const BUFFER: usize = 64 << 10;

/// How often it is looked who is idle, at the most and at the least.
const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(1);

/// All connections of the server.
pub(super) struct Connections {
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

/// What the tasks of all connections share.
pub(super) struct Shared {
    pub(super) budget: Budget,
    /// Whether somebody waits for room.
    crowded: AtomicBool,
    /// Whether clients are to go elsewhere, each after its next answer.
    leaving: AtomicBool,
    pub(super) limits: Limits,
    pub(super) metrics: Arc<Metrics>,
    pub(super) routes: Arc<Routes>,
    slots: Arc<Semaphore>,
    waiting: Waiting,
}

/// One connection.
pub(super) struct Connection {
    /// What it waits for.
    pub(super) place: Arc<Place>,
    pub(super) shared: Arc<Shared>,
}

impl Connections {
    pub(super) fn new(limits: Limits, routes: Arc<Routes>, metrics: Arc<Metrics>) -> Self {
        Self {
            shared: Arc::new(Shared {
                budget: Budget::new(limits.long_bodies),
                crowded: AtomicBool::new(false),
                leaving: AtomicBool::new(false),
                limits,
                metrics,
                routes,
                slots: Arc::new(Semaphore::new(limits.connections)),
                waiting: Waiting::new(),
            }),
            tasks: TaskTracker::new(),
        }
    }

    /// Accepts connections for as long as it is asked to.
    pub(super) async fn accept(
        &self,
        listener: &TcpListener,
        acceptors: watch::Receiver<TlsAcceptor>,
    ) {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    self.shared.metrics.not_accepted();
                    tokio::time::sleep(EXHAUSTED).await;
                    continue;
                }
            };
            let Some(slot) = self.slot().await else {
                return;
            };
            let connection = Arc::new(Connection::new(&self.shared));
            let acceptor = acceptors.borrow().clone();
            self.tasks.spawn(async move {
                let _slot = slot;
                serve(connection, stream, acceptor).await;
            });
        }
    }

    /// Lets go of those that ask for nothing any more, for as long as it is asked to.
    pub(super) async fn dismiss_idle(&self) {
        let limit = self.shared.limits.idle;
        // An eighth more or less matters to nobody.
        let mut looks = interval((limit / 8).clamp(SHORTEST, LONGEST));
        loop {
            looks.tick().await;
            self.shared.waiting.dismiss_idle(limit);
        }
    }

    /// Sends clients elsewhere: each answer is the last of its connection. One that was let go of
    /// while a request is on its way would lose that request.
    pub(super) fn leave(&self) {
        self.shared.leaving.store(true, Ordering::Relaxed);
    }

    /// Lets go of the connections that wait, and waits for the others.
    pub(super) async fn drain(&self) {
        self.shared.waiting.close();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Room for one connection more. If there is none, the one that waits longest makes way; if
    /// none waits, the next that has its answer.
    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        let Shared {
            crowded,
            slots,
            waiting,
            ..
        } = &*self.shared;
        if let Ok(slot) = Arc::clone(slots).try_acquire_owned() {
            return Some(slot);
        }
        crowded.store(true, Ordering::Relaxed);
        let mut room = pin!(Arc::clone(slots).acquire_owned());
        let slot = loop {
            if waiting.dismiss() {
                break room.await;
            }
            // A body that comes now may not be whole then.
            if let Ok(slot) = timeout(UNDISTURBED, room.as_mut()).await {
                break slot;
            }
        };
        crowded.store(false, Ordering::Relaxed);
        slot.ok()
    }
}

impl Connection {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.metrics.connections.inc();
        Self {
            place: shared.waiting.enter(),
            shared: Arc::clone(shared),
        }
    }

    /// Whether it may stay when a request has been answered.
    pub(super) fn may_stay(&self) -> bool {
        let Shared {
            crowded, leaving, ..
        } = &*self.shared;
        !crowded.load(Ordering::Relaxed) && !leaving.load(Ordering::Relaxed)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.waiting.leave(&self.place);
        self.shared.metrics.connections.dec();
    }
}

/// Serves one connection until it ends. What goes wrong with it is the client's affair: whoever
/// it was will come again.
async fn serve(connection: Arc<Connection>, stream: TcpStream, acceptor: TlsAcceptor) {
    let limits = connection.shared.limits;
    // Answers are small and waited for.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let accepted = tokio::select! {
        accepted = timeout(limits.handshake, acceptor.accept(stream)) => accepted,
        () = connection.place.ends(End::Soon) => return,
    };
    let stream = match accepted {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            connection.shared.metrics.no_handshake(true);
            return tracing::debug!("a handshake has failed: {error}");
        }
        Err(_) => {
            connection.shared.metrics.no_handshake(false);
            return tracing::debug!("no handshake within {:?}", limits.handshake);
        }
    };
    let place = Arc::clone(&connection.place);
    let service = service_fn(move |request| http::answer(Arc::clone(&connection), request));
    let serving = http1::Builder::new()
        // Who waits for a header is told by `place`.
        .header_read_timeout(None)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let mut ended = tokio::select! {
        biased;
        ended = serving.as_mut() => Some(ended),
        () = place.ends(End::Soon) => None,
    };
    if ended.is_none() {
        serving.as_mut().graceful_shutdown();
        ended = tokio::select! {
            biased;
            () = place.ends(End::Now) => None,
            ended = serving => Some(ended),
        };
    }
    if let Some(Err(error)) = ended {
        tracing::debug!("a connection has ended early: {error}");
    }
}
