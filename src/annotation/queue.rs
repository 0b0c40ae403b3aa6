//! What is to be looked at in a member, now or later.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    time::Duration,
};

use tokio::time::Instant;

/// How long it takes until what failed is tried again, at first and at the most.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_mins(1);

/// What is to be done, each thing once at a time.
///
/// Something added while it is in hand is done once more afterwards: what is in hand may have read
/// what was before. Something added while it waits for its next try goes on waiting, so that a
/// busy object does not escape its delay.
pub(crate) struct Queue<K> {
    /// What waits, in the order of its time and, at the same time, of its coming.
    due: BTreeMap<(Instant, u64), K>,
    entries: HashMap<K, Entry>,
    next: u64,
}

struct Entry {
    failures: u32,
    state: State,
}

enum State {
    InHand { again: bool },
    Waiting,
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// Wants something done.
    pub(crate) fn add(&mut self, key: K, now: Instant) {
        match self.entries.get_mut(&key) {
            Some(entry) => {
                if let State::InHand { again } = &mut entry.state {
                    *again = true;
                }
            }
            None => self.wait(key, 0, now),
        }
    }

    /// Takes what has been due the longest into hand.
    pub(crate) fn take(&mut self, now: Instant) -> Option<K> {
        let first = self.due.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let key = first.remove();
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.state = State::InHand { again: false };
        }
        Some(key)
    }

    /// When the next thing is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((due, _), _)| *due)
    }

    /// Wants everything that is in hand done once more.
    pub(crate) fn again(&mut self) {
        for entry in self.entries.values_mut() {
            if let State::InHand { again } = &mut entry.state {
                *again = true;
            }
        }
    }

    /// What was in hand is done.
    pub(crate) fn done(&mut self, key: K, now: Instant) {
        if let Some(Entry {
            state: State::InHand { again: true },
            ..
        }) = self.entries.remove(&key)
        {
            self.wait(key, 0, now);
        }
    }

    /// What was in hand has failed; the answer is when it is tried again.
    pub(crate) fn failed(&mut self, key: K, now: Instant) -> Duration {
        let failures = self.entries.remove(&key).map_or(0, |entry| entry.failures);
        let delay = FIRST_DELAY
            .saturating_mul(2_u32.saturating_pow(failures))
            .min(LONGEST_DELAY);
        self.wait(key, failures.saturating_add(1), now + delay);
        delay
    }

    fn wait(&mut self, key: K, failures: u32, due: Instant) {
        self.due.insert((due, self.next), key.clone());
        self.next += 1;
        let state = State::Waiting;
        self.entries.insert(key, Entry { failures, state });
    }
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self {
            due: BTreeMap::new(),
            entries: HashMap::new(),
            next: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_taken_in_their_order_and_once() {
        let now = Instant::now();
        let mut queue = Queue::default();
        for key in ["b", "a", "b"] {
            queue.add(key, now);
        }
        assert_eq!(queue.take(now), Some("b"));
        assert_eq!(queue.take(now), Some("a"));
        assert_eq!(queue.take(now), None);
        queue.done("a", now);
        queue.done("b", now);
        assert_eq!(queue.next_due(), None);
        assert!(queue.entries.is_empty());
    }

    #[test]
    fn what_is_added_while_in_hand_is_done_once_more() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.add("a", now);
        assert_eq!(queue.take(now), Some("a"));
        queue.add("a", now);
        queue.add("a", now);
        assert_eq!(queue.take(now), None);
        queue.done("a", now);
        assert_eq!(queue.take(now), Some("a"));
        queue.done("a", now);
        assert_eq!(queue.take(now), None);

        queue.add("b", now);
        assert_eq!(queue.take(now), Some("b"));
        queue.add("c", now);
        queue.again();
        queue.done("b", now);
        assert_eq!(queue.take(now), Some("c"));
        queue.done("c", now);
        assert_eq!(queue.take(now), Some("b"));
    }

    #[test]
    fn failures_delay_only_what_failed() {
        let mut now = Instant::now();
        let mut queue = Queue::default();
        queue.add("a", now);
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(queue.take(now), Some("a"));
            let delay = queue.failed("a", now);
            assert_eq!(delay, Duration::from_secs(seconds));
            assert_eq!(queue.next_due(), Some(now + delay));
            // An event does not shorten the delay, and others do not wait for it.
            queue.add("a", now);
            queue.add("b", now);
            assert_eq!(queue.take(now), Some("b"));
            queue.done("b", now);
            assert_eq!(queue.take(now), None);
            now += delay;
        }
        // Once it has succeeded, all is forgotten.
        assert_eq!(queue.take(now), Some("a"));
        queue.done("a", now);
        queue.add("a", now);
        assert_eq!(queue.take(now), Some("a"));
        assert_eq!(queue.failed("a", now), FIRST_DELAY);
    }
}
