//! What goes wrong, and when.

use std::{collections::BTreeMap, fmt};

use super::{Asked, Write};
use crate::support::sample;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// Nothing reaches the API server, and the connection is cut.
    Cut,
    /// The API server does what is asked, and the hub does not live to hear of it.
    KillUnanswered,
    /// The hub hears of it, and dies before it asks for anything else.
    KillAnswered,
    /// The API server does what is asked, and the connection is cut before it has said so.
    LoseAnswer,
    /// It is refused with this HTTP status.
    Refuse(u16),
}

/// One API write among those of a run.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Point {
    /// Which one of its sort it is, from 1.
    pub(crate) ordinal: usize,
    pub(crate) write: Write,
}

/// When something goes wrong.
#[derive(Clone, Debug)]
pub(crate) enum Rule {
    /// At one write.
    At(Point, Fault),
    /// Never.
    Never,
    /// By chance, until it was so often.
    Random {
        /// How often at the most.
        most: usize,
        /// One request in so many.
        one_in: u64,
        /// From where chance takes its course.
        seed: u64,
    },
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Course {
    /// The API server answers, and the answer is passed on.
    Pass,
    /// This happens to it.
    Fail(Fault),
    /// The hub dies before it is heard.
    Die,
}

/// The rule that holds, and what it has come to.
pub(super) struct Rules {
    /// The hub has had its last answer.
    doomed: bool,
    faults: usize,
    /// How many watches may not go on from where they have ended.
    expired: usize,
    ordinals: BTreeMap<Write, usize>,
    rule: Rule,
    writes: Vec<Point>,
}

impl Rules {
    pub(super) fn set(&mut self, rule: Rule) {
        *self = Self {
            rule,
            ..Self::default()
        };
    }

    pub(super) fn writes(&self) -> &[Point] {
        &self.writes
    }

    pub(super) const fn faults(&self) -> usize {
        self.faults
    }

    pub(super) const fn expire(&mut self, watches: usize) {
        self.expired = watches;
    }

    /// Decides about a request, and counts it.
    pub(super) fn course(&mut self, asked: &Asked) -> Course {
        if asked.resumes && self.expired > 0 {
            self.expired -= 1;
            return Course::Fail(Fault::Refuse(410));
        }
        if std::mem::take(&mut self.doomed) {
            return Course::Die;
        }
        let point = asked.write().map(|write| {
            let ordinal = self.ordinals.entry(write.clone()).or_default();
            *ordinal += 1;
            let point = Point {
                ordinal: *ordinal,
                write,
            };
            self.writes.push(point.clone());
            point
        });
        let Some(fault) = self.fault(asked, point.as_ref()) else {
            return Course::Pass;
        };
        self.faults += 1;
        if fault == Fault::KillAnswered {
            self.doomed = true;
            return Course::Pass;
        }
        Course::Fail(fault)
    }

    fn fault(&mut self, asked: &Asked, point: Option<&Point>) -> Option<Fault> {
        match &mut self.rule {
            Rule::At(at, fault) if point == Some(at) => {
                let fault = *fault;
                // A hub that is killed and started again counts on; it is killed once.
                self.rule = Rule::Never;
                Some(fault)
            }
            Rule::At(..) | Rule::Never => None,
            Rule::Random { most, one_in, seed } => {
                if self.faults >= *most || asked.is_watch() {
                    return None;
                }
                *seed = sample::next(*seed);
                if !seed.is_multiple_of(*one_in) {
                    return None;
                }
                *seed = sample::next(*seed);
                let all = [
                    Fault::Cut,
                    Fault::Refuse(429),
                    Fault::Refuse(500),
                    Fault::Refuse(409),
                    Fault::LoseAnswer,
                    Fault::LoseAnswer,
                ];
                // What is only read is in nobody's way.
                let possible = if point.is_some() { &all[..] } else { &all[..3] };
                let index = usize::try_from(*seed % possible.len() as u64).unwrap_or_default();
                Some(possible[index])
            }
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            doomed: false,
            faults: 0,
            expired: 0,
            ordinals: BTreeMap::new(),
            rule: Rule::Never,
            writes: Vec::new(),
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (number {})", self.write, self.ordinal)
    }
}
