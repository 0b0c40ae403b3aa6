//! What the control plane has, as far as it decides on opt-ins: names, and a few words of each
//! Promotion.
//!
//! It is fed by watches (`feed`) and read by every opt-in. What it knows may be a moment old, and
//! is older while a watch is interrupted: the hub decides again on what it reads itself. Only
//! before everything was listed once, nothing is known.

mod feed;
mod table;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use promoter_api::karmada::{execution_namespace, work_name};
use promoter_domain::{
    object::ObjectKind,
    verdict::{Existing, Record, Subject},
};

use self::table::{Table, key};

pub use self::feed::{FeedError, feed};

/// What is known of a control plane.
#[derive(Debug)]
pub struct Index {
    /// The clusters that are answered for; empty where it is all of them.
    clusters: Vec<String>,
    state: RwLock<State>,
}

/// How much is known of one kind of object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Count {
    pub(crate) entries: usize,
    pub(crate) kind: &'static str,
    /// Whether all were listed, once.
    pub(crate) listed: bool,
}

/// All that is known, for as long as it is looked at; nothing changes meanwhile.
pub(crate) struct Known<'a>(RwLockReadGuard<'a, State>);

#[derive(Debug)]
struct State {
    promotions: Table<Record>,
    /// The Deployments of the control plane.
    templates: Table<()>,
    /// The Works of each watch: of one for all clusters, or of one for each.
    works: Vec<Table<()>>,
}

impl Index {
    /// An index of nothing yet. With `clusters`, only the Works of these are wanted.
    #[must_use]
    pub fn new(clusters: &[String]) -> Self {
        let watches = clusters.len().max(1);
        Self {
            clusters: clusters.to_vec(),
            state: RwLock::new(State {
                promotions: Table::default(),
                templates: Table::default(),
                works: (0..watches).map(|_| Table::default()).collect(),
            }),
        }
    }

    /// Whether everything was listed, once.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.read().is_listed()
    }

    /// What is known, once everything was listed.
    pub(crate) fn known(&self) -> Option<Known<'_>> {
        let state = self.read();
        state.is_listed().then_some(Known(state))
    }

    /// How much is known.
    pub(crate) fn counts(&self) -> [Count; 3] {
        let state = self.read();
        [
            Count {
                entries: state.promotions.len(),
                kind: "Promotion",
                listed: state.promotions.is_listed(),
            },
            Count {
                entries: state.templates.len(),
                kind: "Deployment",
                listed: state.templates.is_listed(),
            },
            Count {
                entries: state.works.iter().map(Table::len).sum(),
                kind: "Work",
                listed: state.works.iter().all(Table::is_listed),
            },
        ]
    }

    /// As if everything had been listed, and there were nothing.
    #[cfg(test)]
    pub(crate) fn list_nothing(&self) {
        let mut state = self.write();
        state.promotions.end();
        state.templates.end();
        for works in &mut state.works {
            works.end();
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known<'_> {
    /// What there is under the name of a Deployment.
    pub(crate) fn existing(&self, subject: &Subject<'_>) -> Existing<'_> {
        let Subject {
            cluster,
            name,
            namespace,
            ..
        } = *subject;
        let Self(state) = self;
        let object = key(namespace, name);
        let work = work_name(ObjectKind::Deployment.as_str(), name, namespace);
        let work = key(&execution_namespace(cluster), &work);
        Existing {
            federated: state.works.iter().any(|works| works.get(&work).is_some()),
            promotion: state.promotions.get(&object),
            template: state.templates.get(&object).is_some(),
        }
    }
}

impl State {
    fn is_listed(&self) -> bool {
        self.promotions.is_listed()
            && self.templates.is_listed()
            && self.works.iter().all(Table::is_listed)
    }
}

#[cfg(test)]
mod tests;
