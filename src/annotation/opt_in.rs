//! How a Deployment of a member opts in: by its own annotation, or else by its Namespace's label.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ObjectMeta};
use promoter_api::marks::{ENABLED, REQUESTED_BY};

/// What is asked for a Deployment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct OptIn {
    pub(crate) by: OptInBy,
    /// Who asked, as it is written beside; whether that is believed is another question.
    pub(crate) stamp: Option<String>,
    pub(crate) value: String,
}

/// What says so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OptInBy {
    /// The Deployment's own annotation.
    Deployment,
    /// The label of the Namespace that it is in.
    Namespace,
}

impl OptIn {
    /// What is asked for a Deployment, given what its Namespace asks for.
    ///
    /// The Deployment's own annotation wins, whatever it says.
    pub(crate) fn of(deployment: &ObjectMeta, namespace: Option<&Self>) -> Option<Self> {
        let own = text(deployment.annotations.as_ref(), ENABLED).map(|value| Self {
            by: OptInBy::Deployment,
            stamp: stamp(deployment, "f:annotations"),
            value,
        });
        own.or_else(|| namespace.cloned())
    }

    /// What a Namespace asks for its Deployments.
    ///
    /// Only "true" counts: a Deployment says itself what it wants, for a Namespace there is nothing
    /// to be said about each of its Deployments but that.
    pub(crate) fn of_namespace(namespace: &ObjectMeta) -> Option<Self> {
        let value = text(namespace.labels.as_ref(), ENABLED)?;
        (value == "true" && namespace.deletion_timestamp.is_none()).then(|| Self {
            by: OptInBy::Namespace,
            stamp: stamp(namespace, "f:labels"),
            value,
        })
    }

    /// Whether anything is asked for, or should be told that it is asked wrongly.
    pub(crate) fn asks(&self) -> bool {
        self.value != "false"
    }
}

/// Whoever the stamp names, if it was somebody of the member who has opted in: what Karmada writes
/// comes from a template, and a stamp that is beside it names who asked at another time.
///
/// Who has written a field the API server remembers by the program that did. Whoever edits an object
/// can have it forget or mistake that; but they cannot write a stamp of somebody else, which the
/// member's policy refuses to all of them, and to Karmada.
fn stamp(metadata: &ObjectMeta, field: &str) -> Option<String> {
    let opted_in: Vec<_> = writers(metadata, field, ENABLED).collect();
    let by_karmada = writers(metadata, "f:annotations", REQUESTED_BY)
        .chain(opted_in.iter().copied())
        .any(is_karmada);
    let by_somebody = opted_in.iter().any(|manager| !is_forgotten(manager));
    text(metadata.annotations.as_ref(), REQUESTED_BY).filter(|_| by_somebody && !by_karmada)
}

/// What has written a label or an annotation.
fn writers<'a>(
    metadata: &'a ObjectMeta,
    field: &'a str,
    key: &str,
) -> impl Iterator<Item = &'a str> {
    let key = format!("f:{key}");
    let entries = metadata.managed_fields.iter().flatten();
    entries
        .filter(move |entry| {
            let fields = entry.fields_v1.as_ref();
            fields.is_some_and(|FieldsV1(fields)| fields["f:metadata"][field].get(&key).is_some())
        })
        .filter_map(|entry| entry.manager.as_deref())
}

/// Whether what has set a field is Karmada, as the API server knows it by its user agent. Its own
/// annotations do not tell: it takes them off when it lets go, and leaves the others.
///
/// Source: the names of the programs under Karmada's `cmd`.
fn is_karmada(manager: &str) -> bool {
    matches!(manager, "karmada-agent" | "karmada-controller-manager")
}

/// Whether the API server no longer remembers who it was.
///
/// Source: `k8s.io/apimachinery`, `pkg/util/managedfields/internal/capmanagers.go` and
/// `skipnonapplied.go`.
fn is_forgotten(manager: &str) -> bool {
    matches!(manager, "" | "ancient-changes" | "before-first-apply")
}

fn text(entries: Option<&BTreeMap<String, String>>, key: &str) -> Option<String> {
    entries?.get(key).cloned()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, Time};
    use serde_json::json;

    use super::*;

    fn entries(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn deployment(annotations: &[(&str, &str)]) -> ObjectMeta {
        ObjectMeta {
            annotations: Some(entries(annotations)),
            managed_fields: Some(vec![written("kubectl", "annotations", ENABLED)]),
            ..ObjectMeta::default()
        }
    }

    fn namespace(value: &str) -> ObjectMeta {
        ObjectMeta {
            annotations: Some(entries(&[(REQUESTED_BY, "0a1b2c3d:alice")])),
            labels: Some(entries(&[(ENABLED, value)])),
            managed_fields: Some(vec![written("kubectl", "labels", ENABLED)]),
            ..ObjectMeta::default()
        }
    }

    fn written(manager: &str, field: &str, key: &str) -> ManagedFieldsEntry {
        let fields = json!({(format!("f:{field}")): {(format!("f:{key}")): {}}});
        ManagedFieldsEntry {
            fields_v1: Some(FieldsV1(json!({"f:metadata": fields}))),
            manager: Some(manager.to_owned()),
            ..ManagedFieldsEntry::default()
        }
    }

    #[test]
    fn a_deployments_own_annotation_wins() {
        let asked = OptIn::of_namespace(&namespace("true")).unwrap();
        assert_eq!(asked.by, OptInBy::Namespace);
        assert_eq!(asked.stamp.as_deref(), Some("0a1b2c3d:alice"));
        for value in ["true", "false", "yes"] {
            let own = OptIn::of(&deployment(&[(ENABLED, value)]), Some(&asked)).unwrap();
            assert_eq!(own.by, OptInBy::Deployment);
            assert_eq!(own.value, value);
            // Whoever labelled the Namespace has not asked for this.
            assert_eq!(own.stamp, None);
            assert_eq!(own.asks(), value != "false");
        }
        let silent = deployment(&[("team", "a"), (REQUESTED_BY, "0a1b2c3d:bob")]);
        assert_eq!(OptIn::of(&silent, Some(&asked)), Some(asked));
        assert_eq!(OptIn::of(&silent, None), None);
    }

    #[test]
    fn a_stamp_is_that_of_whoever_in_the_member_has_opted_in() {
        let karmada = "karmada-controller-manager";
        let annotation = |manager, key| written(manager, "annotations", key);
        let stamped = deployment(&[(ENABLED, "true"), (REQUESTED_BY, "0a1b2c3d:bob")]);
        for (entries, believed) in [
            (vec![annotation("kubectl", ENABLED)], true),
            (
                vec![
                    annotation("kubectl", ENABLED),
                    annotation("curl", REQUESTED_BY),
                ],
                true,
            ),
            // Bob asked some other time, and what asks now is a template.
            (
                vec![
                    annotation(karmada, ENABLED),
                    annotation("kubectl", REQUESTED_BY),
                ],
                false,
            ),
            (
                vec![
                    annotation("kubectl", ENABLED),
                    annotation(karmada, REQUESTED_BY),
                ],
                false,
            ),
            // Who says the same besides makes it no better.
            (
                vec![annotation("kubectl", ENABLED), annotation(karmada, ENABLED)],
                false,
            ),
            // Nobody remembers.
            (vec![annotation("ancient-changes", ENABLED)], false),
            (vec![annotation("kubectl", "team")], false),
            (vec![], false),
        ] {
            let metadata = ObjectMeta {
                managed_fields: Some(entries),
                ..stamped.clone()
            };
            let asked = OptIn::of(&metadata, None).unwrap();
            assert_eq!(asked.stamp.is_some(), believed, "{metadata:?}");
        }
    }

    #[test]
    fn a_namespaces_stamp_is_that_of_whoever_has_labelled_it() {
        for (entry, believed) in [
            (written("kubectl-label", "labels", ENABLED), true),
            (written("karmada-agent", "labels", ENABLED), false),
            (written("kubectl-annotate", "annotations", ENABLED), false),
        ] {
            let mut metadata = namespace("true");
            metadata.managed_fields = Some(vec![entry]);
            let asked = OptIn::of_namespace(&metadata).unwrap();
            assert_eq!(asked.stamp.is_some(), believed, "{metadata:?}");
        }
    }

    #[test]
    fn a_namespace_asks_by_its_label_while_it_lasts() {
        for value in ["false", "yes", ""] {
            assert_eq!(OptIn::of_namespace(&namespace(value)), None, "{value}");
        }
        assert_eq!(OptIn::of_namespace(&deployment(&[(ENABLED, "true")])), None);
        let going = ObjectMeta {
            deletion_timestamp: Some(Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH)),
            ..namespace("true")
        };
        assert_eq!(OptIn::of_namespace(&going), None);
    }
}
