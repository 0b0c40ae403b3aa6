//! What the watches of a member have shown so far, and what is to be looked at because of it.

use std::{collections::HashMap, fmt, time::Duration};

use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{core::PartialObjectMeta, runtime::watcher::Event};
use promoter_api::marks;
use promoter_domain::verdict::Rejection;
use tokio::time::Instant;

use crate::{
    Door, Key,
    answer::Answer,
    decide::{Decision, Deployment, decide},
    look::{Held, Looked},
    namespaces::Namespaces,
    opt_in::{OptIn, OptInBy},
    queue::Queue,
    requester::Unknown,
};

/// What is to be looked at.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Task {
    Deployment(Key),
    /// All Deployments of a Namespace, by its name.
    Namespace(String),
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    Deployment(Looked),
    /// These are the Namespace's.
    Namespace(Vec<ObjectMeta>),
}

/// A member as its watches have shown it.
pub(crate) struct Seen<'a> {
    cluster: &'a str,
    door: &'a Door,
    /// What is looked at again when the member's admission changes.
    held: HashMap<Key, Held>,
    pub(crate) namespaces: Namespaces,
    pub(crate) queue: Queue<Task>,
}

impl<'a> Seen<'a> {
    pub(crate) fn new(door: &'a Door, cluster: &'a str) -> Self {
        Self {
            cluster,
            door,
            held: HashMap::new(),
            namespaces: Namespaces::default(),
            queue: Queue::default(),
        }
    }

    /// A Deployment is there, or has changed.
    ///
    /// Most changes are about Deployments that never asked, or whose Promotion is in hand or done:
    /// they cost no request.
    pub(crate) fn deployment(&mut self, metadata: &ObjectMeta) {
        if let Some(key) = self.wanted(metadata) {
            self.recheck(key);
        }
    }

    /// A Deployment is gone.
    pub(crate) fn deployment_gone(&mut self, metadata: &ObjectMeta) {
        self.door
            .forget(metadata.uid.as_deref().unwrap_or_default());
        if let Some(key) = key(metadata) {
            self.held.remove(&key);
        }
    }

    /// A Deployment is to be looked at in any case.
    pub(crate) fn recheck(&mut self, key: Key) {
        self.queue.add(Task::Deployment(key), Instant::now());
    }

    /// A Namespace that bears the label is there, has changed, or is gone.
    pub(crate) fn namespace(&mut self, event: Event<PartialObjectMeta<Namespace>>) {
        // The Deployments are listed after the Namespaces are, and need not be listed twice.
        let first = !self.namespaces.are_listed();
        for name in self.namespaces.apply(event) {
            if first {
                continue;
            }
            self.queue.add(Task::Namespace(name), Instant::now());
        }
    }

    /// The member's admission has changed: what was not believed may be believed now.
    pub(crate) fn admission(&mut self) {
        self.queue.again();
        for key in std::mem::take(&mut self.held).into_keys() {
            self.recheck(key);
        }
    }

    /// Something was looked at.
    pub(crate) fn done(&mut self, task: Task, outcome: Outcome) {
        match outcome {
            Outcome::Deployment(looked) => {
                if let Task::Deployment(key) = &task {
                    match looked {
                        Looked::Done => self.held.remove(key),
                        Looked::Held(held) => self.held.insert(key.clone(), held),
                    };
                }
            }
            Outcome::Namespace(deployments) => {
                for metadata in &deployments {
                    self.deployment(metadata);
                }
            }
        }
        self.queue.done(task, Instant::now());
    }

    /// Something could not be looked at; the answer is when it is tried again.
    pub(crate) fn failed(&mut self, task: Task) -> Duration {
        self.queue.failed(task, Instant::now())
    }

    fn wanted(&mut self, metadata: &ObjectMeta) -> Option<Key> {
        let key = key(metadata)?;
        let opt_in = OptIn::of(metadata, self.namespaces.get(&key.namespace));
        let deployment = Deployment {
            cluster: self.cluster,
            metadata,
            opt_in: opt_in.as_ref(),
        };
        let uid = deployment.uid();
        let Some(opt_in) = opt_in.as_ref().filter(|opt_in| opt_in.asks()) else {
            // Should it ask again, it is told again.
            self.door.forget(uid);
            self.held.remove(&key);
            return deployment.concerns().then_some(key);
        };
        let said = Answer::read(metadata);
        let promotion = self.door.promotions.get(&key);
        match decide(deployment, &self.door.opt_ins, promotion.as_ref(), false) {
            Decision::Nothing => None,
            Decision::Answer(_) => Some(key),
            Decision::Warn(rejection) => {
                let in_hand = promotion.is_some_and(|known| known.is_in_hand(self.cluster));
                let message = rejection.message(&deployment.subject());
                let told = in_hand || said == Answer::refused(rejection.reason(), &message);
                let warned = self.door.has_warned(uid, rejection.reason());
                (!warned || !told).then_some(key)
            }
            Decision::Create | Decision::Reopen => {
                let held = self.held.get(&key).is_some_and(|held| {
                    held.opt_in == *opt_in
                        && held.uid == metadata.uid
                        && said.reason.as_deref() == Some(Unknown::REASON)
                });
                let reason = Rejection::AlreadyFederated.reason();
                let federated = is_managed(metadata)
                    && self.door.has_warned(uid, reason)
                    && (opt_in.by == OptInBy::Namespace || said.reason.as_deref() == Some(reason));
                (!held && !federated).then_some(key)
            }
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deployment(key) => write!(formatter, "Deployment {key}"),
            Self::Namespace(name) => write!(formatter, "the Deployments of Namespace {name}"),
        }
    }
}

/// Whether Karmada says that it keeps a Deployment; that it does was found before.
fn is_managed(metadata: &ObjectMeta) -> bool {
    let labels = metadata.labels.as_ref();
    labels.is_some_and(|labels| labels.contains_key(marks::MANAGED))
}

fn key(metadata: &ObjectMeta) -> Option<Key> {
    Some(Key {
        namespace: metadata.namespace.clone()?,
        name: metadata.name.clone()?,
    })
}

#[cfg(test)]
mod tests;
