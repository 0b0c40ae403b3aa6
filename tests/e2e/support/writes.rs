//! The proof that nothing was written to what a promotion was refused for, not even for a moment.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};
use promoter_api::marks::{FIELD_MANAGER, MESSAGE, PHASE, REASON};
use serde_json::Value;

use super::{Cluster, Kind, LIMIT, Recording, eventually};

/// The annotations that say what became of an opt-in.
const ANSWER: [&str; 3] = [MESSAGE, PHASE, REASON];

/// Everything that is written to Deployments, and to what they need, in one namespace of a member.
pub(crate) struct Writes {
    cluster: Cluster,
    recordings: Vec<(Kind, Recording)>,
}

/// Who may have written to what a promotion was refused for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Allowed {
    /// Karmada, too: somebody else has it federate what is there.
    Karmada,
    /// The member's own controllers, and no one else.
    Kubernetes,
}

impl Writes {
    /// Records every write from now on.
    pub(crate) async fn record(cluster: &Cluster) -> Result<Self> {
        let mut recordings = Vec::new();
        for kind in [
            Kind::config_map(),
            Kind::deployment(),
            Kind::pod(),
            Kind::replica_set(),
            Kind::secret(),
            Kind::service_account(),
        ] {
            let recording = Recording::start_in(cluster, &kind).await?;
            recordings.push((kind, recording));
        }
        Ok(Self {
            cluster: cluster.clone(),
            recordings,
        })
    }

    /// Fails if anybody but those who are allowed to has written since a version of the cluster to a
    /// Deployment, its ReplicaSets and pods, or to anything that it could need. What is said in
    /// answer to an opt-in does not count.
    pub(crate) async fn assert_none(
        &self,
        workload: &str,
        since: u64,
        allowed: Allowed,
    ) -> Result<()> {
        for (kind, recording) in &self.recordings {
            let what = format!("every {} is recorded as it is", kind.name());
            let mut states = eventually(&what, LIMIT, async || {
                let live = self.cluster.list(kind).await?;
                let states = recording.objects()?;
                assert_newest(&states, &live, &recording.gone())?;
                Ok(states)
            })
            .await?;
            states.retain(|state| concerns(kind, state, workload));
            let mut latest = BTreeMap::new();
            for state in &states {
                let before: Option<&Value> = latest.insert(uid(state), state);
                if version(state)? <= since {
                    continue;
                }
                if let Some(writer) = writer(before, state, allowed) {
                    let name = &state["metadata"]["name"];
                    let before = before.unwrap_or(&Value::Null);
                    bail!(
                        "{} {name} of {} was written by {writer}\nfrom {before}\nto   {state}",
                        kind.name(),
                        self.cluster.name()
                    );
                }
            }
            // A person may delete the workload meanwhile, and its pods with it.
            let needed = !matches!(kind.name(), "Deployment" | "Pod" | "ReplicaSet");
            for (uid, last) in latest {
                let deleted = recording.gone().contains(uid) && version(last)? > since;
                ensure!(!(needed && deleted), "it was deleted: {last}");
            }
        }
        Ok(())
    }
}

/// Fails as long as what was recorded is older than what is there.
fn assert_newest(states: &[Value], live: &[Value], gone: &BTreeSet<String>) -> Result<()> {
    let latest: BTreeMap<_, _> = states.iter().map(|state| (uid(state), state)).collect();
    for object in live {
        let seen = latest.get(uid(object));
        let seen = seen.with_context(|| format!("not seen: {}", object["metadata"]))?;
        ensure!(version(seen)? >= version(object)?, "{}", object["metadata"]);
    }
    let live: BTreeSet<_> = live.iter().map(uid).collect();
    let mut left = latest.keys().filter(|uid| !live.contains(*uid));
    ensure!(left.all(|uid| gone.contains(*uid)), "one has gone");
    Ok(())
}

/// Whether an object belongs to a Deployment, or could be needed by it.
fn concerns(kind: &Kind, object: &Value, workload: &str) -> bool {
    let metadata = &object["metadata"];
    let owners = metadata["ownerReferences"].as_array();
    let is_of = |owner: &str| {
        let mut owners = owners.into_iter().flatten();
        owners.any(|reference| reference["name"] == owner)
    };
    match kind.name() {
        "Deployment" => metadata["name"] == workload,
        "ReplicaSet" => is_of(workload),
        "Pod" => {
            let hash = metadata["labels"]["pod-template-hash"].as_str();
            hash.is_some_and(|hash| is_of(&format!("{workload}-{hash}")))
        }
        _ => true,
    }
}

/// Who has written an object that was like this before, if it is anybody who may not.
fn writer(before: Option<&Value>, after: &Value, allowed: Allowed) -> Option<String> {
    let Some(before) = before else {
        // What this Deployment does not need may be created meanwhile, by whom it may.
        let wrote = entries(after).iter().filter(|entry| !is_answer(entry));
        let mut ours = wrote.filter_map(manager);
        return ours.find(|name| is_ours(name, allowed)).map(str::to_owned);
    };
    let wrote = entries(after)
        .iter()
        .filter(|entry| !entries(before).contains(entry));
    let mut explained = false;
    for entry in wrote.filter(|entry| !is_answer(entry)) {
        let name = manager(entry).unwrap_or_default();
        let is_karmadas = name.starts_with("karmada") && name != FIELD_MANAGER;
        let is_known = name.starts_with("kube-")
            || (is_karmadas && allowed == Allowed::Karmada)
            // Pods are told of by their nodes.
            || (!is_ours(name, allowed) && entry["subresource"] == "status");
        if !is_known {
            return Some(name.to_owned());
        }
        explained = true;
    }
    // Whoever takes something off is not remembered by it.
    let taken_off = !explained && content(before) != content(after);
    taken_off.then(|| "somebody who took something off".to_owned())
}

fn is_ours(manager: &str, allowed: Allowed) -> bool {
    match allowed {
        Allowed::Karmada => manager == FIELD_MANAGER,
        Allowed::Kubernetes => manager.starts_with("karmada"),
    }
}

/// An object without what API servers write there, its status, and the answer to an opt-in.
fn content(object: &Value) -> Value {
    let mut object = object.clone();
    for field in ["apiVersion", "kind", "status"] {
        object[field].take();
    }
    for field in [
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
    ] {
        object["metadata"][field].take();
    }
    let annotations = &mut object["metadata"]["annotations"];
    if let Some(all) = annotations.as_object_mut() {
        all.retain(|key, _| !ANSWER.contains(&key.as_str()));
        if all.is_empty() {
            annotations.take();
        }
    }
    object
}

/// Whether fields of an object are what the promoter says there of its opt-in, and nothing else.
fn is_answer(entry: &Value) -> bool {
    let only = |fields: &Value, known: &[&str]| {
        let fields = fields.as_object();
        fields.is_some_and(|fields| fields.keys().all(|field| known.contains(&field.as_str())))
    };
    let fields = &entry["fieldsV1"];
    let answer = ANSWER.map(|key| format!("f:{key}"));
    manager(entry) == Some(FIELD_MANAGER)
        && entry["operation"] == "Apply"
        && only(fields, &["f:metadata"])
        && only(&fields["f:metadata"], &["f:annotations"])
        && only(
            &fields["f:metadata"]["f:annotations"],
            &answer.each_ref().map(String::as_str),
        )
}

fn entries(object: &Value) -> &[Value] {
    let entries = object["metadata"]["managedFields"].as_array();
    entries.map_or(&[], Vec::as_slice)
}

fn manager(entry: &Value) -> Option<&str> {
    entry["manager"].as_str()
}

fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

fn version(object: &Value) -> Result<u64> {
    let version = object["metadata"]["resourceVersion"].as_str();
    Ok(version.context("an object has a version")?.parse()?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GUARD: &str = "promote.karmada.io/guard";

    /// A Deployment as it is after these writes.
    fn written(labels: &Value, annotations: &Value, by: &[Value]) -> Value {
        json!({
            "metadata": {"labels": labels, "annotations": annotations, "managedFields": by},
            "spec": {"replicas": 2},
        })
    }

    fn by(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": operation, "fieldsV1": {"f:metadata": fields}})
    }

    #[test]
    fn what_is_written_and_undone_is_found() {
        let owner = by("kubectl", "Update", &json!({"f:labels": {"f:app": {}}}));
        let label = format!("f:{GUARD}");
        let guard = by(
            "karmada-promoter",
            "Update",
            &json!({"f:labels": { (label): {} }}),
        );
        let app = json!({"app": "web"});
        let untouched = written(&app, &Value::Null, std::slice::from_ref(&owner));
        let guarded = written(
            &json!({"app": "web", (GUARD): "on"}),
            &Value::Null,
            &[owner.clone(), guard],
        );
        for allowed in [Allowed::Karmada, Allowed::Kubernetes] {
            let found = |before, after| writer(Some(before), after, allowed);
            assert_eq!(found(&untouched, &untouched), None);
            let on = found(&untouched, &guarded);
            assert_eq!(on.as_deref(), Some("karmada-promoter"));
            assert!(found(&guarded, &untouched).is_some(), "taken off");
        }
        // A mark that was there before is nobody's afterwards.
        let marked = written(
            &app,
            &json!({"work.karmada.io/name": "web"}),
            std::slice::from_ref(&owner),
        );
        assert!(writer(Some(&marked), &untouched, Allowed::Kubernetes).is_some());
    }

    #[test]
    fn answers_and_what_kubernetes_writes_are_nobodys_business() {
        let answer = by(
            "karmada-promoter",
            "Apply",
            &json!({"f:annotations": {format!("f:{PHASE}"): {}}}),
        );
        let untouched = written(&Value::Null, &Value::Null, &[]);
        let answered = written(&Value::Null, &json!({(PHASE): "Refused"}), &[answer]);
        let found = |before, after| writer(Some(before), after, Allowed::Kubernetes);
        assert_eq!(found(&untouched, &answered), None);
        assert_eq!(found(&answered, &untouched), None);
        let revision = by("kube-controller-manager", "Update", &json!({}));
        let rolled_out = written(&Value::Null, &json!({"revision": "2"}), &[revision]);
        assert_eq!(found(&untouched, &rolled_out), None);
        // By another's hand, an answer is none.
        let answer = by(
            "karmada-agent",
            "Apply",
            &json!({"f:annotations": {format!("f:{PHASE}"): {}}}),
        );
        let forged = written(&Value::Null, &json!({(PHASE): "Refused"}), &[answer]);
        assert!(found(&untouched, &forged).is_some());
    }

    #[test]
    fn karmada_may_write_where_it_has_been_before() {
        let stamp = by(
            "karmada-controller-manager",
            "Update",
            &json!({"f:annotations": {}}),
        );
        let untouched = written(&Value::Null, &Value::Null, &[]);
        let stamped = written(&Value::Null, &json!({"stamp": "1"}), &[stamp]);
        let found = |allowed| writer(Some(&untouched), &stamped, allowed);
        assert_eq!(found(Allowed::Karmada), None);
        let karmada = Some("karmada-controller-manager".to_owned());
        assert_eq!(found(Allowed::Kubernetes), karmada);
        assert_eq!(writer(None, &stamped, Allowed::Kubernetes), karmada);
        assert_eq!(writer(None, &stamped, Allowed::Karmada), None);
    }
}
