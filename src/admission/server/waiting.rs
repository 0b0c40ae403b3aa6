//! Which connections wait for their clients, and which of them makes way where there is no room.
//!
//! A request costs no more than a few stores to a word of its connection's own. Only who needs room
//! looks at all of them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

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
    /// It has to make way.
    way: CancellationToken,
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
            way: CancellationToken::new(),
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
                Some((State::Body { since }, _)) if !self.is_over(since) => return false,
                Some(first) => first,
            };
            if place.change(seen, State::Nothing) {
                place.way.cancel();
                return true;
            }
        }
    }

    /// Whether a body that began to come then has had its time.
    fn is_over(&self, since: u64) -> bool {
        self.start.elapsed() >= Duration::from_micros(since) + UNDISTURBED
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

    /// Cancelled when it has to make way.
    pub(super) const fn way(&self) -> &CancellationToken {
        &self.way
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
            all.map(|place| place.way().is_cancelled()).collect()
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
        assert!(!place.way().is_cancelled());
    }
}
