//! Which process a process id means: ids are used again, a start time besides tells them apart.

use serde::{Deserialize, Serialize};

/// A process, whoever started it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    /// In clock ticks since the machine started; none where the system does not tell.
    started: Option<u64>,
}

impl Identity {
    pub(super) fn of(pid: u32) -> Self {
        Self {
            pid,
            started: Stat::of(pid).map(|stat| stat.started),
        }
    }

    /// Whether this very process still runs. One that has ended but whose parent has not noticed
    /// does not.
    pub(crate) fn is_alive(self) -> bool {
        Stat::of(self.pid)
            .is_some_and(|stat| Some(stat.started) == self.started && !stat.has_ended())
    }
}

struct Stat {
    state: char,
    threads: u32,
    started: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name, in parentheses, may contain anything; the fields count from behind it.
    fn parse(text: &str) -> Option<Self> {
        let (_, fields) = text.rsplit_once(") ")?;
        let mut fields = fields.split(' ');
        Some(Self {
            state: fields.next()?.chars().next()?,
            threads: fields.nth(16)?.parse().ok()?,
            started: fields.nth(1)?.parse().ok()?,
        })
    }

    /// The first thread may be a zombie while others are still ending, with all that they hold.
    fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X') && self.threads <= 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let text = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 12 0 4242 9 9 9";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.state, stat.threads, stat.started), ('S', 12, 4242));
    }

    #[test]
    fn this_process_is_alive_and_its_namesake_is_not() {
        let own = Identity::of(std::process::id());
        assert!(own.is_alive());
        let other = Identity {
            started: own.started.map(|started| started + 1),
            ..own
        };
        assert!(!other.is_alive());
    }
}
