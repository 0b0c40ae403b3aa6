//! A member's object without the marks that Karmada left.
//!
//! When Karmada lets go, it leaves `work.karmada.io/conflict-resolution` and the labels of the
//! template on each object (`pkg/controllers/execution/execution_controller.go`,
//! `cleanupPolicyClaimMetadata`), and knows nothing of the ReplicaSets: the Deployment controller
//! has copied the annotations to them (`pkg/controller/deployment/util/deployment_util.go`,
//! `copyDeploymentAnnotationsToReplicaSet`), and a `rollout undo` would copy them back.
//!
//! Strip the objects first, then their ReplicaSets, or the marks are copied once more. Each patch
//! is a JSON merge patch and carries the object's UID: where another object has taken the name
//! meanwhile, the API server answers 422, as a UID cannot be changed. (409 is for a PUT or DELETE.)

use promoter_api::marks::{ENABLED, is_karmada_key, is_our_key};
use serde_json::{Map, Value, json};

use crate::object::ObjectKind;

/// The patch that takes every label and annotation of Karmada from an object; nothing where there
/// is nothing to do.
///
/// With `disable`, our own go as well, and a Deployment is marked so that no automatic front door
/// takes it again until a person opts in anew.
///
/// Not for an object that is federated: Karmada would no longer know it as its own.
#[must_use]
pub fn strip_patch(object: &Value, kind: ObjectKind, disable: bool) -> Option<Value> {
    let labels = removals(object, "/metadata/labels", disable);
    let mut annotations = removals(object, "/metadata/annotations", disable);
    if disable && kind == ObjectKind::Deployment {
        set_disabled(object, &mut annotations);
    }
    patch(object, labels, annotations)
}

/// The patch by which a Deployment asks for its promotion no more: the mark instead of whatever else of
/// ours it bears. Nothing for one that bears nothing of ours, or has the mark.
///
/// For a Deployment that nothing was promoted of. Karmada's keys are not ours to take off it.
#[must_use]
pub fn opt_out_patch(deployment: &Value) -> Option<Value> {
    let entries = deployment.pointer("/metadata/annotations")?.as_object()?;
    if entries.get(ENABLED).and_then(Value::as_str) == Some("false") {
        return None;
    }
    let ours = entries.keys().filter(|key| is_our_key(key));
    let mut annotations: Map<_, _> = ours.map(|key| (key.clone(), Value::Null)).collect();
    if annotations.is_empty() {
        return None;
    }
    set_disabled(deployment, &mut annotations);
    patch(deployment, Map::new(), annotations)
}

/// What [`strip_patch`] is, for a ReplicaSet of a released Deployment.
///
/// With `disable` it is marked as the Deployment is: a `rollout undo` replaces the Deployment's
/// annotations by the ReplicaSet's (`SetDeploymentAnnotationsTo` in the same file), and must
/// neither opt in again nor lose the mark.
///
/// Its labels stay: they are the pod template's and never Karmada's, the Deployment's selector may
/// need them, and the pods of a ReplicaSet that it no longer selects are replaced.
#[must_use]
pub fn replica_set_patch(replica_set: &Value, disable: bool) -> Option<Value> {
    let mut annotations = removals(replica_set, "/metadata/annotations", disable);
    if disable {
        set_disabled(replica_set, &mut annotations);
    }
    patch(replica_set, Map::new(), annotations)
}

/// Whether an object bears marks of Karmada, ours apart.
#[must_use]
pub fn has_marks(object: &Value) -> bool {
    !marks(object).is_empty()
}

/// The marks of Karmada that an object bears, ours apart, in words: what the patch takes off.
#[must_use]
pub fn marks(object: &Value) -> Vec<String> {
    [
        ("label", "/metadata/labels"),
        ("annotation", "/metadata/annotations"),
    ]
    .into_iter()
    .flat_map(|(field, pointer)| {
        let removals = removals(object, pointer, false);
        removals
            .into_iter()
            .map(move |(key, _)| format!("{field} {key}"))
    })
    .collect()
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

/// Sets our opt-in to `"false"`, unless it is that already.
fn set_disabled(object: &Value, annotations: &mut Map<String, Value>) {
    let enabled = object
        .pointer("/metadata/annotations")
        .and_then(|it| it.get(ENABLED));
    if enabled.and_then(Value::as_str) == Some("false") {
        annotations.remove(ENABLED);
    } else {
        annotations.insert(ENABLED.to_owned(), json!("false"));
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn karmada_keys_go_and_the_rest_stays() {
        let object = json!({"metadata": {
            "uid": "u1",
            "labels": {"app": "web", "karmada.io/managed": "true", "resourcetemplate.karmada.io/retain-replicas": "true"},
            "annotations": {
                "team": "a",
                "clusterpropagationpolicy.karmada.io/name": "all",
                "work.karmada.io/conflict-resolution": "abort",
                "promote.karmada.io/enabled": "true",
            },
        }});
        assert!(has_marks(&object));
        assert_eq!(
            marks(&object),
            [
                "label karmada.io/managed",
                "label resourcetemplate.karmada.io/retain-replicas",
                "annotation clusterpropagationpolicy.karmada.io/name",
                "annotation work.karmada.io/conflict-resolution",
            ]
        );
        assert_eq!(
            strip_patch(&object, ObjectKind::Deployment, false),
            Some(json!({"metadata": {
                "uid": "u1",
                "labels": {"karmada.io/managed": null, "resourcetemplate.karmada.io/retain-replicas": null},
                "annotations": {
                    "clusterpropagationpolicy.karmada.io/name": null,
                    "work.karmada.io/conflict-resolution": null,
                },
            }}))
        );
    }

    #[test]
    fn only_a_disabled_deployment_is_marked() {
        let object = json!({"metadata": {"uid": "u1", "annotations": {
            "promote.karmada.io/enabled": "true",
            "promote.karmada.io/requested-by": "jane",
        }}});
        assert!(!has_marks(&object));
        assert_eq!(marks(&object), [""; 0]);
        assert_eq!(strip_patch(&object, ObjectKind::Deployment, false), None);
        assert_eq!(
            strip_patch(&object, ObjectKind::Deployment, true),
            Some(json!({"metadata": {"uid": "u1", "annotations": {
                "promote.karmada.io/enabled": "false",
                "promote.karmada.io/requested-by": null,
            }}}))
        );
        let unmarked = json!({"metadata": {"uid": "u2"}});
        assert_eq!(strip_patch(&unmarked, ObjectKind::ConfigMap, true), None);
        assert_eq!(
            strip_patch(&unmarked, ObjectKind::Deployment, true),
            Some(
                json!({"metadata": {"uid": "u2", "annotations": {"promote.karmada.io/enabled": "false"}}})
            )
        );
    }

    #[test]
    fn a_replica_set_keeps_its_labels_and_opts_out_with_its_deployment() {
        let replica_set = json!({"metadata": {
            "uid": "r1",
            "labels": {"app.karmada.io/part": "web", "pod-template-hash": "5d"},
            "annotations": {
                "deployment.kubernetes.io/revision": "1",
                "promote.karmada.io/enabled": "true",
                "promote.karmada.io/phase": "Promoted",
                "work.karmada.io/name": "web-1",
            },
        }});
        assert_eq!(
            replica_set_patch(&replica_set, false),
            Some(json!({"metadata": {"uid": "r1", "annotations": {"work.karmada.io/name": null}}}))
        );
        assert_eq!(
            replica_set_patch(&replica_set, true),
            Some(json!({"metadata": {"uid": "r1", "annotations": {
                "promote.karmada.io/enabled": "false",
                "promote.karmada.io/phase": null,
                "work.karmada.io/name": null,
            }}}))
        );
    }

    #[test]
    fn after_the_patch_nothing_is_left_to_do() {
        let mut object = json!({"metadata": {
            "uid": "u1",
            "labels": {"app": "web", "karmada.io/managed": "true"},
            "annotations": {"promote.karmada.io/enabled": "true", "work.karmada.io/name": "web-1"},
        }});
        for disable in [false, true] {
            let patch = strip_patch(&object, ObjectKind::Deployment, disable).unwrap();
            merge(&mut object, &patch);
            assert_eq!(strip_patch(&object, ObjectKind::Deployment, disable), None);
            assert!(!has_marks(&object));
        }
        assert_eq!(replica_set_patch(&object, true), None);
    }

    /// RFC 7386.
    fn merge(target: &mut Value, patch: &Value) {
        let Value::Object(patch) = patch else {
            target.clone_from(patch);
            return;
        };
        if !target.is_object() {
            *target = json!({});
        }
        let target = target.as_object_mut().unwrap();
        for (key, value) in patch {
            if value.is_null() {
                target.remove(key);
            } else {
                merge(target.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
    }
    #[test]
    fn what_asks_is_marked_and_keeps_what_is_not_ours() {
        let deployment = json!({"metadata": {
            "uid": "u1",
            "labels": {"karmada.io/managed": "true"},
            "annotations": {
                "promote.karmada.io/enabled": "true",
                "promote.karmada.io/phase": "Waiting",
                "team": "a",
                "work.karmada.io/name": "web",
            },
        }});
        let expected = json!({"metadata": {
            "uid": "u1",
            "annotations": {
                "promote.karmada.io/enabled": "false",
                "promote.karmada.io/phase": null,
            },
        }});
        assert_eq!(opt_out_patch(&deployment), Some(expected));
        for nothing in [
            json!({}),
            json!({"team": "a", "work.karmada.io/name": "web"}),
            json!({"promote.karmada.io/enabled": "false", "promote.karmada.io/phase": "Released"}),
        ] {
            let deployment = json!({"metadata": {"annotations": nothing}});
            assert_eq!(opt_out_patch(&deployment), None, "{deployment}");
        }
        assert_eq!(opt_out_patch(&json!({"metadata": {}})), None);
    }
}
