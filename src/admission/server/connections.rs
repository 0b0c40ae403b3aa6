//! The connections of clients: how many there are, and which of them make way.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{EXHAUSTED, Limits, body::Budget, http};
use crate::{Routes, metrics::Metrics};

/// How much of a header is read, and how much of a body at a time.
const BUFFER: usize = 64 << 10;

/// How long a body may take while others wait for the place. An API server sends it together with
/// the header, and is gone itself when it has waited for a place for a few seconds.
const UNDISTURBED: Duration = Duration::from_millis(250);

/// All connections of the server.
pub(super) struct Connections {
    shared: Arc<Shared>,
    stop: CancellationToken,
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

/// The connections that wait for their clients.
#[derive(Default)]
struct Waiting(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    /// In the order in which they make way.
    by_place: BTreeMap<Place, CancellationToken>,
    next: u64,
}

/// What a connection waits for. Who asks for nothing makes way before who has begun to ask, and of
/// either the one that does so the longest.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Place {
    /// A request, or the rest of a handshake or a header.
    Request { number: u64 },
    /// The rest of a body.
    Body { since: Instant, number: u64 },
}

/// One connection.
pub(super) struct Connection {
    /// Its place among those that wait, if it does.
    place: Mutex<Option<Place>>,
    pub(super) shared: Arc<Shared>,
    /// It has to make way.
    way: CancellationToken,
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
                waiting: Waiting::default(),
            }),
            stop: CancellationToken::new(),
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
            let stop = self.stop.clone();
            self.tasks.spawn(async move {
                let _slot = slot;
                let way = connection.way.clone();
                way.run_until_cancelled(serve(connection, stream, acceptor, stop))
                    .await;
            });
        }
    }

    /// Sends clients elsewhere: each answer is the last of its connection. One that was let go of
    /// while a request is on its way would lose that request.
    pub(super) fn leave(&self) {
        self.shared.leaving.store(true, Ordering::Relaxed);
    }

    /// Lets go of the connections that wait, and waits for the others.
    pub(super) async fn drain(&self) {
        self.stop.cancel();
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
        let connection = Self {
            place: Mutex::new(None),
            shared: Arc::clone(shared),
            way: CancellationToken::new(),
        };
        shared.metrics.connections.inc();
        connection.waits(|number| Place::Request { number });
        connection
    }

    /// A request has begun to come.
    pub(super) fn is_asking(&self, since: Instant) {
        self.waits(|number| Place::Body { since, number });
    }

    /// All of it has come.
    pub(super) fn is_busy(&self) {
        if let Some(place) = self.place().take() {
            self.shared.waiting.leave(place);
        }
    }

    /// It has been answered. Tells whether the connection may stay.
    pub(super) fn is_idle(&self) -> bool {
        self.waits(|number| Place::Request { number });
        let Shared {
            crowded, leaving, ..
        } = &*self.shared;
        !crowded.load(Ordering::Relaxed) && !leaving.load(Ordering::Relaxed)
    }

    fn waits(&self, at: impl FnOnce(u64) -> Place) {
        let mut place = self.place();
        *place = Some(self.shared.waiting.enter(*place, &self.way, at));
    }

    fn place(&self) -> MutexGuard<'_, Option<Place>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.is_busy();
        self.shared.metrics.connections.dec();
    }
}

impl Waiting {
    /// Takes a place in the stead of the one before, if there was one.
    fn enter(
        &self,
        before: Option<Place>,
        way: &CancellationToken,
        at: impl FnOnce(u64) -> Place,
    ) -> Place {
        let mut queue = self.queue();
        let left = before.and_then(|place| queue.by_place.remove(&place));
        let place = at(queue.next);
        queue.next += 1;
        queue
            .by_place
            .insert(place, left.unwrap_or_else(|| way.clone()));
        place
    }

    fn leave(&self, place: Place) {
        self.queue().by_place.remove(&place);
    }

    /// Has the first make way. Tells whether there is one that may be sent away.
    fn dismiss(&self) -> bool {
        let mut queue = self.queue();
        let Some(first) = queue.by_place.first_entry() else {
            return false;
        };
        if let Place::Body { since, .. } = first.key()
            && since.elapsed() < UNDISTURBED
        {
            return false;
        }
        first.remove().cancel();
        true
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves one connection until it ends. What goes wrong with it is the client's affair: whoever
/// it was will come again.
async fn serve(
    connection: Arc<Connection>,
    stream: TcpStream,
    acceptor: TlsAcceptor,
    stop: CancellationToken,
) {
    let limits = connection.shared.limits;
    // Answers are small and waited for.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let handshake = timeout(limits.handshake, acceptor.accept(stream));
    let stream = match stop.run_until_cancelled(handshake).await {
        Some(Ok(Ok(stream))) => stream,
        Some(Ok(Err(error))) => {
            connection.shared.metrics.no_handshake(true);
            return tracing::debug!("a handshake has failed: {error}");
        }
        Some(Err(_)) => {
            connection.shared.metrics.no_handshake(false);
            return tracing::debug!("no handshake within {:?}", limits.handshake);
        }
        None => return,
    };
    let service = service_fn(move |request| http::answer(Arc::clone(&connection), request));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection has ended early: {error}");
    }
}
