//! Which connections wait for their clients, and which of them makes way where there is no room.
//!
//! A request costs no more than a few stores to a word of its connection's own. Only who needs room
//! looks at all of them.

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use futures::task::AtomicWaker;

/// How long a body may take while others wait for the place. An API server sends it together with
/// the header, and is gone itself when it has waited for a place for a few seconds.
pub(super) const UNDISTURBED: Duration = Duration::from_millis(250);

/// All connections.
pub(super) struct Waiting {
    places: Mutex<HashMap<u64, Arc<Place>>>,
    next: AtomicU64,
    start: Instant,
}

/// What one connection waits for.
pub(super) struct Place {
    number: u64,
    start: Instant,
    /// A [`State`].
    state: AtomicU64,
    /// An [`End`].
    end: AtomicU8,
    /// Whoever serves it, who has to learn of its end.
    server: AtomicWaker,
}

/// Whether a connection has to end. It never has to any later than it had before.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub(super) enum End {
    /// It may stay.
    Open,
    /// When what has begun is answered.
    Soon,
    /// At once.
    Now,
}

/// What is waited for, and since when. Who asks for nothing makes way before who has begun to ask,
/// and of either the one that does so the longest.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum State {
    /// A request, or the rest of a handshake or a header.
    Request { since: u64 },
    /// The rest of a body.
    Body { since: u64 },
    /// Nothing: it is ours to answer, or it has been sent away.
    Nothing,
}

impl Waiting {
    pub(super) fn new() -> Self {
        Self {
            places: Mutex::default(),
            next: AtomicU64::new(0),
            start: Instant::now(),
        }
    }

    /// A connection begins, and waits for a request.
    pub(super) fn enter(&self) -> Arc<Place> {
        let place = Arc::new(Place {
            number: self.next.fetch_add(1, Ordering::Relaxed),
            start: self.start,
            state: AtomicU64::default(),
            end: AtomicU8::new(End::Open as u8),
            server: AtomicWaker::new(),
        });
        place.waits_for_request(Instant::now());
        self.places().insert(place.number, Arc::clone(&place));
        place
    }

    /// A connection has ended.
    pub(super) fn leave(&self, place: &Place) {
        self.places().remove(&place.number);
    }

    /// Has the first make way. Tells whether there was one that may be sent away.
    pub(super) fn dismiss(&self) -> bool {
        let places = self.places();
        // Another try where a client has done meanwhile what it was waited for.
        loop {
            let first = places
                .values()
                .map(|place| (place.state(), place))
                .min_by_key(|(state, _)| *state);
            let (seen, place) = match first {
                None | Some((State::Nothing, _)) => return false,
                Some((State::Body { since }, _)) if !self.is_over(since, UNDISTURBED) => {
                    return false;
                }
                Some(first) => first,
            };
            if place.change(seen, State::Nothing) {
                place.tell(End::Now);
                return true;
            }
        }
    }

    /// Has those end that have waited for a request for so long.
    ///
    /// One look at all of them now and then, instead of a timer for each request of each.
    pub(super) fn dismiss_idle(&self, limit: Duration) {
        for place in self.places().values() {
            let seen = place.state();
            let is_idle = match seen {
                State::Request { since } => self.is_over(since, limit),
                State::Body { .. } | State::Nothing => false,
            };
            if is_idle && place.change(seen, State::Nothing) {
                place.tell(End::Now);
            }
        }
    }

    /// Has all of them end when they have answered what has begun.
    pub(super) fn close(&self) {
        for place in self.places().values() {
            place.tell(End::Soon);
        }
    }

    /// Whether so much time has gone by since then.
    fn is_over(&self, since: u64, time: Duration) -> bool {
        self.start.elapsed() >= Duration::from_micros(since).saturating_add(time)
    }

    fn places(&self) -> MutexGuard<'_, HashMap<u64, Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Nothing has been asked yet, or all of it was answered.
    pub(super) fn waits_for_request(&self, since: Instant) {
        let since = self.micros(since);
        self.set(State::Request { since });
    }

    /// A request has begun to come.
    pub(super) fn waits_for_body(&self, since: Instant) {
        let since = self.micros(since);
        self.set(State::Body { since });
    }

    /// All of it has come.
    pub(super) fn is_busy(&self) {
        self.set(State::Nothing);
    }

    /// Done when it has to end so soon, or sooner. Only one may wait for that at a time.
    ///
    /// It is looked at whenever something comes on the connection, so it takes no lock.
    pub(super) async fn ends(&self, end: End) {
        poll_fn(|context| {
            if self.has_to(end) {
                return Poll::Ready(());
            }
            self.server.register(context.waker());
            // It may have been told in between.
            if self.has_to(end) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    fn has_to(&self, end: End) -> bool {
        self.end.load(Ordering::Acquire) >= end as u8
    }

    fn tell(&self, end: End) {
        self.end.fetch_max(end as u8, Ordering::AcqRel);
        self.server.wake();
    }

    fn micros(&self, then: Instant) -> u64 {
        let micros = then.saturating_duration_since(self.start).as_micros();
        u64::try_from(micros).unwrap_or(u64::MAX)
    }

    fn state(&self) -> State {
        State::of(self.state.load(Ordering::Relaxed))
    }

    fn set(&self, state: State) {
        self.state.store(state.word(), Ordering::Relaxed);
    }

    /// Tells whether it still was as it had been seen.
    fn change(&self, from: State, to: State) -> bool {
        let (from, to) = (from.word(), to.word());
        self.state
            .compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

impl State {
    const BODY: u64 = 1;
    const NOTHING: u64 = u64::MAX;

    /// All of it in one word, which is written at once.
    const fn word(self) -> u64 {
        match self {
            Self::Request { since } => since << 1,
            Self::Body { since } => since << 1 | Self::BODY,
            Self::Nothing => Self::NOTHING,
        }
    }

    const fn of(word: u64) -> Self {
        let since = word >> 1;
        match word {
            Self::NOTHING => Self::Nothing,
            _ if word & Self::BODY == 0 => Self::Request { since },
            _ => Self::Body { since },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ago(seconds: u64) -> Instant {
        Instant::now()
            .checked_sub(Duration::from_secs(seconds))
            .unwrap()
    }

    /// Connections of a server that has run for a while.
    fn waiting() -> Waiting {
        Waiting {
            start: ago(100),
            ..Waiting::new()
        }
    }

    #[test]
    fn who_asks_for_nothing_the_longest_makes_way_first() {
        let waiting = waiting();
        let places: Vec<_> = (0..4).map(|_| waiting.enter()).collect();
        let gone = || -> Vec<bool> {
            let all = places.iter();
            all.map(|place| place.has_to(End::Now)).collect()
        };
        places[0].waits_for_body(ago(9));
        places[1].waits_for_request(ago(2));
        places[2].waits_for_request(ago(3));
        places[3].is_busy();
        assert!(waiting.dismiss());
        assert_eq!(gone(), [false, false, true, false]);
        assert!(waiting.dismiss());
        assert_eq!(gone(), [false, true, true, false]);
        assert!(waiting.dismiss());
        assert_eq!(gone(), [true, true, true, false]);
        // Who waits for us is not sent away.
        assert!(!waiting.dismiss());
        assert_eq!(gone(), [true, true, true, false]);
    }

    #[test]
    fn a_body_is_given_time() {
        let waiting = waiting();
        let place = waiting.enter();
        place.waits_for_body(Instant::now());
        assert!(!waiting.dismiss());
        place.waits_for_body(Instant::now().checked_sub(UNDISTURBED).unwrap());
        assert!(waiting.dismiss());
    }

    #[test]
    fn who_has_left_is_not_sent_away_again() {
        let waiting = waiting();
        let place = waiting.enter();
        waiting.leave(&place);
        assert!(!waiting.dismiss());
        assert!(!place.has_to(End::Soon));
    }
    #[test]
    fn only_who_waits_for_a_request_is_idle() {
        let waiting = waiting();
        let places: Vec<_> = (0..4).map(|_| waiting.enter()).collect();
        places[0].waits_for_request(ago(9));
        places[1].waits_for_request(ago(2));
        places[2].waits_for_body(ago(9));
        places[3].is_busy();
        waiting.dismiss_idle(Duration::from_secs(5));
        let ends = places.iter().map(|place| place.has_to(End::Soon));
        assert_eq!(ends.collect::<Vec<_>>(), [true, false, false, false]);
    }

    #[tokio::test]
    async fn an_end_is_never_put_off() {
        let waiting = waiting();
        let place = waiting.enter();
        let told = tokio::spawn({
            let place = Arc::clone(&place);
            async move { place.ends(End::Soon).await }
        });
        tokio::task::yield_now().await;
        waiting.close();
        told.await.unwrap();
        assert!(!place.has_to(End::Now));
        assert!(waiting.dismiss());
        waiting.close();
        place.ends(End::Now).await;
    }
}
