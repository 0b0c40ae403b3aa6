//! What goes wrong, and when.

use std::{collections::BTreeMap, fmt};

use super::{Asked, Write};
use crate::support::sample;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
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

impl Fault {
    /// What API servers and networks do to a hub that lives on.
    pub(crate) const SURVIVED: [Self; 5] = [
        Self::Cut,
        Self::LoseAnswer,
        Self::Refuse(409),
        Self::Refuse(429),
        Self::Refuse(500),
    ];

    /// Whether it means nothing to what is only read.
    const fn is_of_writes(self) -> bool {
        matches!(self, Self::LoseAnswer | Self::Refuse(409))
    }
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
    /// At so many requests, one after the other, from now on.
    First(usize, Fault),
    /// At one write everything stands still, until the test lets it go on.
    HoldAt(Point),
    /// Never.
    Never,
    /// By chance, until it was so often. Whatever can go wrong does, in turn.
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
    /// It waits for the test, and whatever comes after it.
    Wait,
}

/// The rule that holds, and what it has come to.
pub(super) struct Rules {
    /// The hub has had its last answer.
    doomed: bool,
    /// What goes wrong next waits for a write.
    due: bool,
    faults: BTreeMap<Fault, usize>,
    /// How many watches may not go on from where they have ended.
    expired: usize,
    ordinals: BTreeMap<Write, usize>,
    rule: Rule,
    /// What is to go wrong, the next one last.
    turns: Vec<Fault>,
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

    pub(super) const fn faults(&self) -> &BTreeMap<Fault, usize> {
        &self.faults
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
        if let Rule::HoldAt(at) = &self.rule
            && point.as_ref() == Some(at)
        {
            self.rule = Rule::Never;
            return Course::Wait;
        }
        let Some(fault) = self.fault(asked, point.as_ref()) else {
            return Course::Pass;
        };
        *self.faults.entry(fault).or_default() += 1;
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
            Rule::At(..) | Rule::HoldAt(_) | Rule::Never => None,
            Rule::First(most, fault) => {
                (self.faults.values().sum::<usize>() < *most).then_some(*fault)
            }
            Rule::Random { most, one_in, seed } => {
                if self.faults.values().sum::<usize>() >= *most || asked.is_watch() {
                    return None;
                }
                *seed = sample::next(*seed);
                if !self.due && !seed.is_multiple_of(*one_in) {
                    return None;
                }
                if self.turns.is_empty() {
                    let mut left = Fault::SURVIVED.to_vec();
                    while !left.is_empty() {
                        *seed = sample::next(*seed);
                        let index = usize::try_from(*seed % left.len() as u64).unwrap_or_default();
                        self.turns.push(left.swap_remove(index));
                    }
                }
                self.due = point.is_none() && self.turns.last().is_some_and(|it| it.is_of_writes());
                if self.due {
                    return None;
                }
                self.turns.pop()
            }
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            doomed: false,
            due: false,
            faults: BTreeMap::new(),
            expired: 0,
            ordinals: BTreeMap::new(),
            rule: Rule::Never,
            turns: Vec::new(),
            writes: Vec::new(),
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (number {})", self.write, self.ordinal)
    }
}
