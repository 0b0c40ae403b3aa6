//! A member's object without the marks that Karmada left.
//!
//! When Karmada lets go, it leaves `work.karmada.io/conflict-resolution` and the labels of the
//! template on each object (`pkg/controllers/execution/execution_controller.go`,
//! `cleanupPolicyClaimMetadata`), and knows nothing of the ReplicaSets: the Deployment controller
//! has copied the annotations to them (`pkg/controller/deployment/util/deployment_util.go`,
//! `copyDeploymentAnnotationsToReplicaSet`), and a `rollout undo` would copy them back.
//!
//! Strip the objects first, then their ReplicaSets, or the marks are copied once more. Each patch
//! is a JSON merge patch and carries the object's UID, so that the API server answers 409 where
//! another object has taken the name meanwhile.

use promoter_api::marks::{ENABLED, is_karmada_key, is_our_key};
use serde_json::{Map, Value, json};

/// The patch that takes every label and annotation of Karmada from an object; nothing where there
/// is nothing to do.
///
/// With `disable`, our own go as well, and a Deployment is marked so that no automatic front door
/// takes it again until a person opts in anew.
///
/// Not for an object that is federated: Karmada would no longer know it as its own.
#[must_use]
pub fn strip_patch(object: &Value, disable: bool) -> Option<Value> {
    let labels = removals(object, "/metadata/labels", disable);
    let mut annotations = removals(object, "/metadata/annotations", disable);
    if disable && object.get("kind").and_then(Value::as_str) == Some("Deployment") {
        annotations.remove(ENABLED);
        if annotation(object, ENABLED) != Some("false") {
            annotations.insert(ENABLED.to_owned(), json!("false"));
        }
    } else if disable && annotations.is_empty() && labels.is_empty() {
        return None;
    }
    patch(object, labels, annotations)
}

/// The same for a ReplicaSet of a released Deployment; with `disable` our own annotations go as
/// well, an opt-in among them.
///
/// Its labels are the pod template's and never Karmada's: the Deployment's selector may need
/// them, and a ReplicaSet that it no longer selects loses its pods to a new one.
#[must_use]
pub fn replica_set_patch(replica_set: &Value, disable: bool) -> Option<Value> {
    patch(
        replica_set,
        Map::new(),
        removals(replica_set, "/metadata/annotations", disable),
    )
}

/// Whether an object bears marks of Karmada, ours apart.
#[must_use]
pub fn has_marks(object: &Value) -> bool {
    ["/metadata/labels", "/metadata/annotations"]
        .into_iter()
        .any(|pointer| !removals(object, pointer, false).is_empty())
}

/// A null for each of Karmada's keys, and for each of ours if so wanted.
fn removals(object: &Value, pointer: &str, ours: bool) -> Map<String, Value> {
    let entries = object.pointer(pointer).and_then(Value::as_object);
    entries
        .into_iter()
        .flat_map(Map::keys)
        .filter(|key| is_karmada_key(key) && (ours || !is_our_key(key)))
        .map(|key| (key.clone(), Value::Null))
        .collect()
}

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.pointer("/metadata/annotations")?.get(key)?.as_str()
}

fn patch(
    object: &Value,
    labels: Map<String, Value>,
    annotations: Map<String, Value>,
) -> Option<Value> {
    if labels.is_empty() && annotations.is_empty() {
        return None;
    }
    let mut metadata = Map::new();
    if let Some(uid) = object.pointer("/metadata/uid") {
        metadata.insert("uid".to_owned(), uid.clone());
    }
    for (field, entries) in [("labels", labels), ("annotations", annotations)] {
        if !entries.is_empty() {
            metadata.insert(field.to_owned(), Value::Object(entries));
        }
    }
    Some(json!({ "metadata": metadata }))
}
