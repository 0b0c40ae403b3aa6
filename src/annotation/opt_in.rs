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
            stamp: stamp(deployment),
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
            stamp: stamp(namespace),
            value,
        })
    }

    /// Whether anything is asked for, or should be told that it is asked wrongly.
    pub(crate) fn asks(&self) -> bool {
        self.value != "false"
    }
}

/// The stamp, unless Karmada has written it: that came from a template, and whoever may write one
/// could name anybody. Karmada's writes are the only ones that the member's policy lets pass.
fn stamp(metadata: &ObjectMeta) -> Option<String> {
    let key = format!("f:{REQUESTED_BY}");
    let by_karmada = metadata
        .managed_fields
        .iter()
        .flatten()
        .filter(|entry| is_karmada(entry.manager.as_deref()))
        .filter_map(|entry| entry.fields_v1.as_ref())
        .any(|FieldsV1(fields)| !fields["f:metadata"]["f:annotations"][&key].is_null());
    text(metadata.annotations.as_ref(), REQUESTED_BY).filter(|_| !by_karmada)
}

/// Whether what has set a field is Karmada, as the API server knows it by its user agent. Its own
/// annotations do not tell: it takes them off when it lets go, and leaves the others.
///
/// Source: the names of the programs under Karmada's `cmd`.
fn is_karmada(manager: Option<&str>) -> bool {
    matches!(
        manager,
        Some("karmada-agent" | "karmada-controller-manager")
    )
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
            ..ObjectMeta::default()
        }
    }

    fn namespace(value: &str) -> ObjectMeta {
        ObjectMeta {
            annotations: Some(entries(&[(REQUESTED_BY, "0a1b2c3d:alice")])),
            labels: Some(entries(&[(ENABLED, value)])),
            ..ObjectMeta::default()
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
    fn a_stamp_from_a_template_is_nobodys() {
        let entry = |manager: &str, key: &str| {
            let annotations = json!({(format!("f:{key}")): {}});
            ManagedFieldsEntry {
                fields_v1: Some(FieldsV1(
                    json!({"f:metadata": {"f:annotations": annotations}}),
                )),
                manager: Some(manager.to_owned()),
                ..ManagedFieldsEntry::default()
            }
        };
        let karmada = "karmada-controller-manager";
        let stamped = deployment(&[(ENABLED, "true"), (REQUESTED_BY, "0a1b2c3d:bob")]);
        for (entries, believed) in [
            (vec![entry("kubectl", REQUESTED_BY)], true),
            (
                vec![entry(karmada, ENABLED), entry("kubectl", REQUESTED_BY)],
                true,
            ),
            (vec![entry(karmada, REQUESTED_BY)], false),
            // Who says the same besides makes it no better.
            (
                vec![entry("kubectl", REQUESTED_BY), entry(karmada, REQUESTED_BY)],
                false,
            ),
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
