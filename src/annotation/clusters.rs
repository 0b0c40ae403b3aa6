//! Which members are watched at the moment.

use std::collections::BTreeMap;

use promoter_api::karmada::{Cluster, cluster::ClusterSpec};
use promoter_kubernetes::clusters::Change;
use tokio::{sync::mpsc, task::AbortHandle};

use crate::{Key, promotions::Recheck};

/// The members that are watched.
#[derive(Default)]
pub(crate) struct Clusters {
    watched: BTreeMap<String, Watched>,
}

struct Watched {
    rechecks: mpsc::UnboundedSender<Key>,
    /// The way to the member when the watch began.
    spec: ClusterSpec,
    task: AbortHandle,
}

/// What is to be done about a member.
#[derive(Debug, Eq, PartialEq)]
enum Step {
    Begin,
    BeginAnew,
    End,
    Keep,
}

impl Clusters {
    /// Begins or ends the watch of a member, as its Cluster wants it.
    pub(crate) fn follow(
        &mut self,
        change: Change,
        begin: impl FnOnce(Cluster, mpsc::UnboundedReceiver<Key>) -> AbortHandle,
    ) {
        let name = name(&change).to_owned();
        let watched = self.watched.get(&name).map(|watched| &watched.spec);
        let step = step(watched, &change);
        if step == Step::Keep {
            return;
        }
        if let Some(watched) = self.watched.remove(&name) {
            tracing::info!(cluster = name, "no longer watching its Deployments");
            watched.task.abort();
        }
        let Change::Seen(cluster) = change else {
            return;
        };
        if step != Step::End {
            let (rechecks, receiver) = mpsc::unbounded_channel();
            let spec = cluster.spec.clone();
            let task = begin(*cluster, receiver);
            let watched = Watched {
                rechecks,
                spec,
                task,
            };
            self.watched.insert(name, watched);
        }
    }

    /// Has a Deployment looked at, in the members where it is meant and there is one.
    ///
    /// A member that is not watched now lists all of its Deployments when it is.
    pub(crate) fn recheck(&self, recheck: &Recheck) {
        for (cluster, watched) in &self.watched {
            if recheck.is_in(cluster) {
                // Nobody listens where the member can never be reached.
                let _ = watched.rechecks.send(recheck.key.clone());
            }
        }
    }
}

/// A watch begins when the member is ready and outlives what interrupts it: only a Cluster that is
/// removed, or another way to the member, ends it.
fn step(watched: Option<&ClusterSpec>, change: &Change) -> Step {
    let Change::Seen(cluster) = change else {
        return if watched.is_some() {
            Step::End
        } else {
            Step::Keep
        };
    };
    let leaving = cluster.metadata.deletion_timestamp.is_some();
    match watched {
        Some(_) if leaving => Step::End,
        Some(spec) if *spec == cluster.spec => Step::Keep,
        Some(_) if cluster.is_ready() => Step::BeginAnew,
        Some(_) => Step::End,
        None if cluster.is_ready() => Step::Begin,
        None => Step::Keep,
    }
}

fn name(change: &Change) -> &str {
    match change {
        Change::Seen(cluster) => cluster.metadata.name.as_deref().unwrap_or_default(),
        Change::Gone(name) => name,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::promotions::Place;

    fn cluster(ready: &str, endpoint: &str) -> Change {
        let cluster = serde_json::from_value(json!({
            "apiVersion": "cluster.karmada.io/v1alpha1",
            "kind": "Cluster",
            "metadata": {"name": "member1"},
            "spec": {"apiEndpoint": endpoint, "syncMode": "Push"},
            "status": {"conditions": [{
                "type": "Ready",
                "status": ready,
                "reason": "ClusterReady",
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }]},
        }))
        .unwrap();
        Change::Seen(Box::new(cluster))
    }

    fn leaving(mut change: Change) -> Change {
        if let Change::Seen(cluster) = &mut change {
            cluster.metadata.deletion_timestamp =
                serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        }
        change
    }

    #[test]
    fn only_removal_and_another_way_end_a_watch() {
        let spec = ClusterSpec {
            api_endpoint: Some("https://one".to_owned()),
            sync_mode: "Push".to_owned(),
            ..ClusterSpec::default()
        };
        let gone = || Change::Gone("member1".to_owned());
        let cases = [
            (None, cluster("True", "https://one"), Step::Begin),
            (None, cluster("False", "https://one"), Step::Keep),
            (None, leaving(cluster("True", "https://one")), Step::Keep),
            (None, gone(), Step::Keep),
            (Some(&spec), cluster("True", "https://one"), Step::Keep),
            (Some(&spec), cluster("False", "https://one"), Step::Keep),
            (Some(&spec), cluster("True", "https://two"), Step::BeginAnew),
            (Some(&spec), cluster("False", "https://two"), Step::End),
            (
                Some(&spec),
                leaving(cluster("True", "https://one")),
                Step::End,
            ),
            (Some(&spec), gone(), Step::End),
        ];
        for (watched, change, expected) in cases {
            assert_eq!(step(watched, &change), expected, "{watched:?} {change:?}");
        }
    }

    #[tokio::test]
    async fn a_removed_members_task_ends_and_others_hear_of_rechecks() {
        let mut clusters = Clusters::default();
        let mut receivers = Vec::new();
        let task = tokio::spawn(std::future::pending::<()>());
        let handle = task.abort_handle();
        clusters.follow(cluster("True", "https://one"), |_, receiver| {
            receivers.push(receiver);
            handle
        });
        let key = Key {
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
        };
        let recheck = |place| Recheck {
            key: key.clone(),
            place,
        };
        clusters.recheck(&recheck(Place::Origin(vec!["member2".to_owned()])));
        assert!(receivers[0].try_recv().is_err());
        clusters.recheck(&recheck(Place::Everywhere));
        assert_eq!(receivers[0].try_recv().unwrap(), key);
        clusters.follow(Change::Gone("member1".to_owned()), |_, _| {
            unreachable!("nothing begins for what is gone")
        });
        assert!(task.await.unwrap_err().is_cancelled());
    }
}
