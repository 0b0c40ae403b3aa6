//! The annotation door: a Deployment of a member that says `promote.karmada.io/enabled: "true"`, or
//! whose Namespace bears that as a label, gets a Promotion in the control plane.
//!
//! Every member that has joined and is ready is watched, by the Cluster's own endpoint and
//! credentials, for the metadata of its Deployments and of the Namespaces that bear the label. The
//! opt-in itself is the durable request: what is read here is only where to look, nothing of it is
//! kept but what is being worked on, and after a restart the first list of each member finds
//! everything again.
//!
//! - [`opt_in`]: how a Deployment opts in, itself or by its Namespace;
//! - [`decide`]: the pure rule, from a Deployment and a Promotion to what is to be done;
//! - [`answer`]: what a Deployment says of what became of it;
//! - [`promotions`]: the Promotions of the control plane, in so far as the rule needs them;
//! - [`clusters`]: which members are watched at the moment;
//! - [`member`]: the watches of one member, and [`seen`], what they have shown so far;
//! - [`namespaces`]: the Namespaces of a member that opt in;
//! - [`queue`]: what is to be looked at in a member, now or later;
//! - [`look`]: one look at a Deployment, and what is done about it: [`requester`] finds out who
//!   asked, [`create`] asks for the Promotion, [`tell`] tells whoever opted in.
//!
//! Who opted in is what a stamp says that the member's admission pins. What it creates is asked for
//! by a user of that member, never by one of the control plane.

mod answer;
mod clusters;
mod create;
mod decide;
mod look;
mod member;
mod namespaces;
mod opt_in;
mod promotions;
mod queue;
mod requester;
mod seen;
mod tell;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use futures::StreamExt as _;
use promoter_domain::opt_in::OptIns;
use promoter_kubernetes::{clusters::Change, members::Members, objects::Objects};
use tokio::task::{JoinError, JoinSet};

pub use self::requester::Unstamped;
use crate::{clusters::Clusters, promotions::Promotions};

/// The door cannot be kept open.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A watch that goes on for ever came to its end.
    #[error("the watch of {0} has ended; restart the process")]
    Ended(&'static str),
    /// A member's task stopped by itself.
    #[error("the watch of a member has failed: {0}; restart the process")]
    Task(#[from] JoinError),
}

/// Keeps the door open, until the future is dropped.
///
/// `opt_ins` says which clusters may opt in to which namespaces, `unstamped` what becomes of an
/// opt-in of which nobody can say who asked; `instance` is the name under which this process
/// publishes events: its pod's, or its machine's. It ends only by an error, after which the process should be started again; interruptions of
/// API servers are no such errors.
pub async fn run(
    control_plane: Objects,
    members: Arc<Members>,
    opt_ins: Arc<OptIns>,
    unstamped: Unstamped,
    instance: &str,
) -> Result<(), Error> {
    let door = Arc::new(Door {
        control_plane,
        instance: instance.to_owned(),
        members,
        opt_ins,
        promotions: Promotions::default(),
        unstamped,
        warned: Mutex::default(),
    });
    let mut rechecks = pin!(promotions::watch(Arc::clone(&door)));
    // Before all Promotions are known, every Deployment that opted in would look as if it had none.
    while !door.promotions.are_listed() {
        rechecks.next().await.ok_or(Error::Ended("Promotions"))?;
    }
    let mut changes = pin!(promoter_kubernetes::clusters::watch(&door.control_plane));
    let mut clusters = Clusters::default();
    // Dropped with this future, and every task with it.
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            change = changes.next() => {
                let change = change.ok_or(Error::Ended("Clusters"))?;
                if let Change::Gone(name) = &change {
                    // Should it join again, then with other credentials.
                    door.members.forget(name);
                }
                clusters.follow(change, |cluster, rechecks| {
                    tasks.spawn(member::serve(Arc::clone(&door), cluster, rechecks))
                });
            }
            told = rechecks.next() => {
                for recheck in told.ok_or(Error::Ended("Promotions"))? {
                    clusters.recheck(&recheck);
                }
            }
            Some(ended) = tasks.join_next() => match ended {
                Err(error) if !error.is_cancelled() => return Err(error.into()),
                // It was told to end, or the member can never be reached.
                _ => {}
            },
        }
    }
}

/// What the tasks of all members share.
struct Door {
    control_plane: Objects,
    instance: String,
    members: Arc<Members>,
    opt_ins: Arc<OptIns>,
    promotions: Promotions,
    unstamped: Unstamped,
    /// The reasons that each Deployment was warned of already, by its UID.
    warned: Mutex<HashMap<String, BTreeSet<&'static str>>>,
}

/// A Deployment of a member, and the Promotion that is named after it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct Key {
    namespace: String,
    name: String,
}

impl Door {
    /// Whether a Deployment was warned of something already, by this process.
    fn has_warned(&self, uid: &str, reason: &'static str) -> bool {
        let warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        warned
            .get(uid)
            .is_some_and(|reasons| reasons.contains(reason))
    }

    /// Remembers that a Deployment is warned of something, and tells whether that is new.
    fn warns_first(&self, uid: &str, reason: &'static str) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        warned.entry(uid.to_owned()).or_default().insert(reason)
    }

    /// Forgets a Deployment that is gone, or that asks no more.
    fn forget(&self, uid: &str) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        warned.remove(uid);
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}
