//! What the application is in one cluster at one moment: whether its pods were left alone, and
//! whether anything bears Karmada's marks.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use serde_json::Value;

use super::kubectl::Kubectl;

/// The application in one cluster.
pub(super) struct Evidence {
    /// Each Deployment's whole spec.
    specs: BTreeMap<String, Value>,
    /// Each ReplicaSet's UID and pod template hash.
    replica_sets: BTreeMap<String, (String, String)>,
    pods: BTreeMap<String, Pod>,
}

struct Pod {
    uid: String,
    /// How often its containers were started again.
    restarts: i64,
}

impl Evidence {
    pub(super) async fn gather(kubectl: &Kubectl, cluster: &str) -> anyhow::Result<Self> {
        let list = |kind: &str| format!("--context {cluster} -n shop get {kind}");
        let deployments = kubectl.list(&list("deployments")).await?;
        let replica_sets = kubectl.list(&list("replicasets")).await?;
        let pods = kubectl.list(&list("pods")).await?;
        Ok(Self {
            specs: by_name(&deployments, |deployment| deployment["spec"].clone()),
            replica_sets: by_name(&replica_sets, |replica_set| {
                let hash = &replica_set["metadata"]["labels"]["pod-template-hash"];
                (uid(replica_set), text(hash))
            }),
            pods: by_name(&pods, |pod| Pod {
                uid: uid(pod),
                restarts: ["initContainerStatuses", "containerStatuses"]
                    .into_iter()
                    .filter_map(|field| pod["status"][field].as_array())
                    .flatten()
                    .filter_map(|container| container["restartCount"].as_i64())
                    .sum(),
            }),
        })
    }

    /// How many Deployments, ReplicaSets and pods there are, in words.
    pub(super) fn count(&self) -> String {
        format!(
            "{} Deployments, {} ReplicaSets, {} pods",
            self.specs.len(),
            self.replica_sets.len(),
            self.pods.len()
        )
    }

    /// An error that says what differs later on, if anything does.
    pub(super) fn ensure_same(&self, later: &Self) -> anyhow::Result<()> {
        for (kind, before, after) in [
            ("Deployments", names(&self.specs), names(&later.specs)),
            (
                "ReplicaSets",
                names(&self.replica_sets),
                names(&later.replica_sets),
            ),
            ("pods", names(&self.pods), names(&later.pods)),
        ] {
            ensure!(
                before == after,
                "the {kind} were {before}, and now are {after}"
            );
        }
        for (name, spec) in &self.specs {
            ensure!(
                later.specs.get(name) == Some(spec),
                "the spec of Deployment {name} has changed"
            );
        }
        for (name, replica_set) in &self.replica_sets {
            ensure!(
                later.replica_sets.get(name) == Some(replica_set),
                "ReplicaSet {name} is another one now"
            );
        }
        for (name, pod) in &self.pods {
            let Some(now) = later.pods.get(name) else {
                bail!("pod {name} is gone");
            };
            ensure!(pod.uid == now.uid, "pod {name} was replaced");
            ensure!(
                pod.restarts == now.restarts,
                "a container of pod {name} was restarted"
            );
        }
        Ok(())
    }

    /// A row for each ReplicaSet and each pod, with its UID then and now.
    pub(super) fn table(&self, later: &Self) -> Vec<Vec<String>> {
        let replica_sets = self.replica_sets.iter().map(|(name, (uid, _))| {
            let now = later.replica_sets.get(name).map(|(uid, _)| uid);
            (format!("replicaset/{name}"), uid, now, None)
        });
        let pods = self.pods.iter().map(|(name, pod)| {
            let now = later.pods.get(name);
            let restarts = now.map(|now| now.restarts);
            (
                format!("pod/{name}"),
                &pod.uid,
                now.map(|now| &now.uid),
                restarts,
            )
        });
        let heading = ["object", "UID before", "UID now", "restarts"].map(str::to_owned);
        let rows = replica_sets
            .chain(pods)
            .map(|(name, before, now, restarts)| {
                vec![
                    name,
                    short(before),
                    now.map_or_else(|| "gone".to_owned(), |uid| short(uid)),
                    restarts.map_or_else(String::new, |count| count.to_string()),
                ]
            });
        std::iter::once(heading.to_vec()).chain(rows).collect()
    }
}

/// An error that names a mark of Karmada's on an object of the application, if there is one. The
/// note that it is not to be taken again is none.
pub(super) async fn ensure_unmarked(kubectl: &Kubectl, cluster: &str) -> anyhow::Result<()> {
    let kinds = "deployments,replicasets,pods,configmaps,secrets,serviceaccounts";
    let objects = kubectl
        .list(&format!("--context {cluster} -n shop get {kinds}"))
        .await?;
    ensure!(
        !objects.is_empty(),
        "nothing of the application is left in {cluster}"
    );
    for object in &objects {
        let kind = text(&object["kind"]);
        let name = text(&object["metadata"]["name"]);
        for field in ["labels", "annotations"] {
            let marks = object["metadata"][field].as_object().into_iter().flatten();
            for (key, value) in marks {
                let opted_out = key == "promote.karmada.io/enabled" && value == "false";
                ensure!(
                    opted_out || !is_mark(key),
                    "{kind} {name} in {cluster} bears {key}={value}"
                );
            }
        }
    }
    Ok(())
}

fn is_mark(key: &str) -> bool {
    key.split_once('/')
        .is_some_and(|(owner, _)| owner == "karmada.io" || owner.ends_with(".karmada.io"))
}

fn by_name<T>(objects: &[Value], read: impl Fn(&Value) -> T) -> BTreeMap<String, T> {
    objects
        .iter()
        .map(|object| (text(&object["metadata"]["name"]), read(object)))
        .collect()
}

fn names<T>(objects: &BTreeMap<String, T>) -> String {
    objects.keys().cloned().collect::<Vec<_>>().join(", ")
}

fn uid(object: &Value) -> String {
    text(&object["metadata"]["uid"])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// As much of a UID as tells it from the others.
fn short(uid: &str) -> String {
    uid.chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(uid: &str, restarts: i64) -> Evidence {
        Evidence {
            specs: BTreeMap::new(),
            replica_sets: BTreeMap::new(),
            pods: BTreeMap::from([(
                "web-1".to_owned(),
                Pod {
                    uid: uid.to_owned(),
                    restarts,
                },
            )]),
        }
    }

    #[test]
    fn a_replaced_or_restarted_pod_is_told() {
        let before = evidence("a", 0);
        before.ensure_same(&evidence("a", 0)).unwrap();
        let replaced = before.ensure_same(&evidence("b", 0)).unwrap_err();
        assert_eq!(replaced.to_string(), "pod web-1 was replaced");
        before.ensure_same(&evidence("a", 1)).unwrap_err();
    }

    #[test]
    fn marks_are_told_by_their_owner() {
        assert!(is_mark("work.karmada.io/name"));
        assert!(is_mark("karmada.io/managed"));
        assert!(!is_mark("notkarmada.io/managed"));
        assert!(!is_mark("app"));
    }
}
