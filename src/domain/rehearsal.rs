//! What Karmada's write into a member will be, and what it would change.
//!
//! The write is a PUT of the Work's manifest, in which Karmada has kept some of what the member
//! has (`pkg/util/objectwatcher/objectwatcher.go`, `Update`). The same PUT with `dryRun=All` is
//! answered with the object as it would be, which is compared with the object as it is.
//!
//! Retention that somebody has customized for these kinds by a
//! `ResourceInterpreterCustomization` or a webhook is not known here.

use std::collections::BTreeSet;

use promoter_api::{
    marks::{
        HOLD, MANAGED_ANNOTATIONS, MANAGED_LABELS, RETAIN_REPLICAS, REVISION, REVISION_HISTORY,
        is_karmada_key,
    },
    promotion::Difference,
};
use serde_json::{Map, Value};

use crate::object::{ObjectKey, ObjectKind};

/// How many differences are told of one object.
const MOST_DIFFERENCES: usize = 100;
/// How many characters are told of one value.
const LONGEST_VALUE: usize = 256;

/// The body of the PUT with which Karmada will bring a Work's manifest into a member, where
/// `live` is.
///
/// Sources: `retainClusterFields` in `pkg/util/objectwatcher/objectwatcher.go`, and
/// `pkg/resourceinterpreter/default/native/retain.go`.
#[must_use]
pub fn body(manifest: &Value, live: &Value, kind: ObjectKind) -> Value {
    let mut body = manifest.as_object().cloned().unwrap_or_default();
    let mut metadata = take_object(&mut body, "metadata");
    for field in ["resourceVersion", "finalizers", "ownerReferences"] {
        set(
            &mut metadata,
            field,
            live.pointer("/metadata").and_then(|it| it.get(field)),
        );
    }
    for (field, record) in [
        ("labels", MANAGED_LABELS),
        ("annotations", MANAGED_ANNOTATIONS),
    ] {
        let entries = retained_entries(take_object(&mut metadata, field), live, field, record);
        if !entries.is_empty() {
            metadata.insert(field.to_owned(), Value::Object(entries));
        }
    }
    body.insert("metadata".to_owned(), Value::Object(metadata));

    let mut body = Value::Object(body);
    match kind {
        ObjectKind::ConfigMap => {}
        ObjectKind::Deployment => retain_replicas(&mut body, live),
        ObjectKind::Secret => retain_token(&mut body, live),
        ObjectKind::ServiceAccount => {
            retain_secrets(&mut body, live, "secrets");
            retain_secrets(&mut body, live, "imagePullSecrets");
        }
    }
    body
}

/// What Karmada's write would change of `live`, by the member's `answer` to its rehearsal.
///
/// `status`, what the API server writes into `metadata` with every write, and Karmada's and our
/// labels and annotations do not count. Paths are JSON pointers, in the order of the document,
/// values compact JSON, cut after 256 characters. Of Secrets no value is told at all: the
/// annotation of `kubectl apply` holds their data, too. At most 100 differences are told, among
/// them those that [replace pods](restarts_pods).
#[must_use]
pub fn differences(key: &ObjectKey, live: &Value, answer: &Value) -> Vec<Difference> {
    compare(key, &comparable(live), &comparable(answer))
}

/// Whether among the differences is one that makes the Deployment controller replace the pods.
#[must_use]
pub fn restarts_pods(differences: &[Difference]) -> bool {
    differences.iter().any(is_in_pod_template)
}

/// The manifest that Karmada would render of a resource template that is not held, but for its
/// own marks, which no comparison looks at.
///
/// `template` may be one that we have made, or one read from the control plane.
///
/// Source: `prune.RemoveIrrelevantFields` in
/// `pkg/resourceinterpreter/default/native/prune/prune.go`.
#[must_use]
pub fn predicted_manifest(template: &Value) -> Value {
    let mut manifest = template.as_object().cloned().unwrap_or_default();
    manifest.remove("status");
    let mut metadata = take_object(&mut manifest, "metadata");
    for field in [
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    ] {
        metadata.remove(field);
    }
    for (field, left_out) in [
        ("labels", &[HOLD][..]),
        ("annotations", &[REVISION, REVISION_HISTORY]),
    ] {
        let mut entries = take_object(&mut metadata, field);
        entries.retain(|key, _| !left_out.contains(&key.as_str()));
        if !entries.is_empty() {
            metadata.insert(field.to_owned(), Value::Object(entries));
        }
    }
    manifest.insert("metadata".to_owned(), Value::Object(metadata));
    Value::Object(manifest)
}

/// How `rendered` differs from `live`, told as [`differences`] does, but of everything.
pub(crate) fn compare(key: &ObjectKey, live: &Value, rendered: &Value) -> Vec<Difference> {
    let mut comparison = Comparison {
        differences: Vec::new(),
        object: key.to_string(),
        path: String::new(),
        tells_values: key.kind != ObjectKind::Secret,
    };
    comparison.compare(Some(live), Some(rendered));
    let mut differences = comparison.differences;
    if differences.len() > MOST_DIFFERENCES {
        // Which the verdict depends on must not be what is cut off.
        differences.sort_by_key(|difference| !is_in_pod_template(difference));
        differences.truncate(MOST_DIFFERENCES);
    }
    differences
}

/// `pkg/util/label.go`, `RetainLabels`, and `pkg/util/annotation.go`, `RetainAnnotations`: what
/// the member has besides stays, unless it came from an earlier manifest.
fn retained_entries(
    mut entries: Map<String, Value>,
    live: &Value,
    field: &str,
    record: &str,
) -> Map<String, Value> {
    let metadata = live.get("metadata");
    // Both records are annotations, that of the labels, too.
    let recorded: BTreeSet<&str> = metadata
        .and_then(|it| it.get("annotations")?.get(record)?.as_str())
        .map(|keys| keys.split(',').collect())
        .unwrap_or_default();
    let existing = metadata.and_then(|it| it.get(field)?.as_object());
    for (key, value) in existing.into_iter().flatten() {
        if !recorded.contains(key.as_str()) && !entries.contains_key(key) {
            entries.insert(key.clone(), value.clone());
        }
    }
    entries
}

/// `retainWorkloadReplicas`. Karmada looks at the labels when they are merged already, so that a
/// label which somebody has put on the member's object counts as the manifest's does.
fn retain_replicas(body: &mut Value, live: &Value) {
    let retained = body
        .pointer("/metadata/labels")
        .and_then(|it| it.get(RETAIN_REPLICAS));
    if retained.and_then(Value::as_str) == Some("true")
        && let Some(replicas) = live.pointer("/spec/replicas")
        && let Some(spec) = body.get_mut("spec").and_then(Value::as_object_mut)
    {
        spec.insert("replicas".to_owned(), replicas.clone());
    }
}

/// `retainSecretServiceAccountToken`: the member's controller has written the token.
fn retain_token(body: &mut Value, live: &Value) {
    let is_token =
        body.get("type").and_then(Value::as_str) == Some("kubernetes.io/service-account-token");
    if is_token
        && let Some(data) = live.get("data")
        && let Some(body) = body.as_object_mut()
    {
        body.insert("data".to_owned(), data.clone());
    }
}

/// `RetainServiceAccountFields` in `pkg/util/lifted/retain.go`: the manifest's references in
/// their order, then those that only the member has.
fn retain_secrets(body: &mut Value, live: &Value, field: &str) {
    let Some(body) = body.as_object_mut() else {
        return;
    };
    let mut merged: Vec<Value> = match body.remove(field) {
        Some(Value::Array(secrets)) => secrets,
        _ => Vec::new(),
    };
    for secret in live
        .get(field)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if !merged.iter().any(|it| it.get("name") == secret.get("name")) {
            merged.push(secret.clone());
        }
    }
    if !merged.is_empty() {
        body.insert(field.to_owned(), Value::Array(merged));
    }
}

/// An object without what Karmada's write may change, and without what only tells its type.
fn comparable(object: &Value) -> Value {
    let mut object = object.as_object().cloned().unwrap_or_default();
    for field in ["apiVersion", "kind", "status"] {
        object.remove(field);
    }
    let mut metadata = take_object(&mut object, "metadata");
    for field in [
        "creationTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
    ] {
        metadata.remove(field);
    }
    for field in ["labels", "annotations"] {
        let mut entries = take_object(&mut metadata, field);
        entries.retain(|key, _| !is_karmada_key(key));
        if !entries.is_empty() {
            metadata.insert(field.to_owned(), Value::Object(entries));
        }
    }
    object.insert("metadata".to_owned(), Value::Object(metadata));
    Value::Object(object)
}

/// Whether a difference is the pod template's or contains it. The selector belongs to it: pods
/// that it no longer selects are replaced.
fn is_in_pod_template(difference: &Difference) -> bool {
    let path = difference.path.as_str();
    difference.object.starts_with("Deployment/")
        && (path.is_empty()
            || path == "/spec"
            || ["/spec/template", "/spec/selector"]
                .into_iter()
                .any(|field| {
                    path.strip_prefix(field)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                }))
}

/// A comparison that is under way.
struct Comparison {
    differences: Vec<Difference>,
    object: String,
    path: String,
    tells_values: bool,
}

impl Comparison {
    fn compare(&mut self, live: Option<&Value>, rendered: Option<&Value>) {
        // API servers of some versions write null where others write nothing.
        let live = live.filter(|value| !value.is_null());
        let rendered = rendered.filter(|value| !value.is_null());
        match (live, rendered) {
            (Some(Value::Object(live)), Some(Value::Object(rendered))) => {
                let keys: BTreeSet<&String> = live.keys().chain(rendered.keys()).collect();
                for key in keys {
                    let step = key.replace('~', "~0").replace('/', "~1");
                    self.compare_below(&step, live.get(key), rendered.get(key));
                }
            }
            (Some(Value::Array(live)), Some(Value::Array(rendered))) => {
                for index in 0..live.len().max(rendered.len()) {
                    self.compare_below(&index.to_string(), live.get(index), rendered.get(index));
                }
            }
            _ if live == rendered => {}
            _ => self.differences.push(Difference {
                live: self.told(live),
                object: self.object.clone(),
                path: self.path.clone(),
                rendered: self.told(rendered),
            }),
        }
    }

    fn compare_below(&mut self, step: &str, live: Option<&Value>, rendered: Option<&Value>) {
        let length = self.path.len();
        self.path.push('/');
        self.path.push_str(step);
        self.compare(live, rendered);
        self.path.truncate(length);
    }

    fn told(&self, value: Option<&Value>) -> Option<String> {
        let mut text = value.filter(|_| self.tells_values)?.to_string();
        if text.chars().count() > LONGEST_VALUE
            && let Some((end, _)) = text.char_indices().nth(LONGEST_VALUE - 1)
        {
            text.truncate(end);
            text.push('…');
        }
        Some(text)
    }
}

/// Takes an object's field out, as an object; an empty one where there is none.
fn take_object(object: &mut Map<String, Value>, field: &str) -> Map<String, Value> {
    match object.remove(field) {
        Some(Value::Object(value)) => value,
        _ => Map::new(),
    }
}

/// Sets a field, or removes it.
fn set(object: &mut Map<String, Value>, field: &str, value: Option<&Value>) {
    match value {
        Some(value) => object.insert(field.to_owned(), value.clone()),
        None => object.remove(field),
    };
}

#[cfg(test)]
mod tests {
    use promoter_api::promotion::DependencyKind;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_body_keeps_what_the_members_controllers_wrote() {
        let manifest = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": "web",
                "finalizers": ["example.com/of-the-template"],
                "labels": {"app": "web", "tier": "front", "karmada.io/managed": "true"},
                "annotations": {"team": "b"},
            },
            "spec": {"replicas": 3},
        });
        let live = json!({
            "metadata": {
                "name": "web",
                "uid": "d1",
                "resourceVersion": "7",
                "ownerReferences": [{"uid": "o1"}],
                "labels": {"app": "shop", "dropped": "a", "local": "a"},
                "annotations": {
                    "dropped-too": "a",
                    "team": "a",
                    "deployment.kubernetes.io/revision": "2",
                    "resourcetemplate.karmada.io/managed-labels": "app,dropped",
                    "resourcetemplate.karmada.io/managed-annotations": "dropped-too,resourcetemplate.karmada.io/managed-annotations,resourcetemplate.karmada.io/managed-labels,team",
                },
            },
            "spec": {"replicas": 5},
            "status": {"replicas": 5},
        });
        assert_eq!(
            body(&manifest, &live, ObjectKind::Deployment),
            json!({
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {
                    "name": "web",
                    "resourceVersion": "7",
                    "ownerReferences": [{"uid": "o1"}],
                    "labels": {
                        "app": "web", "karmada.io/managed": "true", "local": "a", "tier": "front",
                    },
                    "annotations": {"deployment.kubernetes.io/revision": "2", "team": "b"},
                },
                "spec": {"replicas": 3},
            })
        );
    }

    #[test]
    fn replicas_are_retained_where_the_label_says_so() {
        let deployment = |label: Option<&str>, replicas: u32| {
            let labels = label.map(|value| json!({(RETAIN_REPLICAS): value}));
            json!({"metadata": {"labels": labels}, "spec": {"replicas": replicas}})
        };
        let replicas = |manifest: &Value, live: &Value| {
            body(manifest, live, ObjectKind::Deployment)["spec"]["replicas"].clone()
        };
        let live = deployment(None, 5);
        assert_eq!(replicas(&deployment(Some("true"), 3), &live), json!(5));
        assert_eq!(replicas(&deployment(Some("false"), 3), &live), json!(3));
        assert_eq!(replicas(&deployment(None, 3), &live), json!(3));
        // Karmada looks after the member's labels were merged in.
        let mut labelled = deployment(Some("true"), 5);
        assert_eq!(replicas(&deployment(None, 3), &labelled), json!(5));
        assert_eq!(replicas(&deployment(Some("false"), 3), &labelled), json!(3));
        // A label that came with an earlier manifest goes before that.
        labelled["metadata"]["annotations"] = json!({(MANAGED_LABELS): RETAIN_REPLICAS});
        assert_eq!(replicas(&deployment(None, 3), &labelled), json!(3));
    }

    #[test]
    fn a_service_accounts_references_are_merged_in_order() {
        let manifest = json!({"imagePullSecrets": [{"name": "b"}, {"name": "a"}], "metadata": {}});
        let live = json!({
            "imagePullSecrets": [{"name": "a"}, {"name": "c"}],
            "secrets": [{"name": "web-token-abcde"}],
        });
        let merged = body(&manifest, &live, ObjectKind::ServiceAccount);
        assert_eq!(
            merged["imagePullSecrets"],
            json!([{"name": "b"}, {"name": "a"}, {"name": "c"}])
        );
        assert_eq!(merged["secrets"], live["secrets"]);
        let merged = body(&manifest, &json!({}), ObjectKind::ServiceAccount);
        assert_eq!(merged.get("secrets"), None);
    }

    #[test]
    fn only_a_tokens_data_is_the_members() {
        let secret =
            |secret_type: &str, data: &str| json!({"type": secret_type, "data": {"a": data}});
        for (secret_type, expected) in [
            ("kubernetes.io/service-account-token", "live"),
            ("Opaque", "manifest"),
        ] {
            let (manifest, live) = (secret(secret_type, "manifest"), secret(secret_type, "live"));
            assert_eq!(
                body(&manifest, &live, ObjectKind::Secret)["data"]["a"],
                json!(expected)
            );
        }
        let config_map = json!({"data": {"a": "manifest"}, "metadata": {}});
        assert_eq!(
            body(
                &config_map,
                &json!({"data": {"a": "live"}}),
                ObjectKind::ConfigMap
            ),
            config_map
        );
    }

    #[test]
    fn a_body_of_a_body_is_the_same() {
        let manifest = json!({
            "metadata": {"labels": {"app": "web", (RETAIN_REPLICAS): "true"}},
            "spec": {"replicas": 3},
        });
        let live = json!({
            "metadata": {"resourceVersion": "7", "labels": {"local": "a"}},
            "spec": {"replicas": 5},
        });
        for kind in [
            ObjectKind::Deployment,
            ObjectKind::ServiceAccount,
            ObjectKind::ConfigMap,
        ] {
            let once = body(&manifest, &live, kind);
            assert_eq!(body(&once, &live, kind), once, "{kind:?}");
        }
    }

    #[test]
    fn marks_and_bookkeeping_are_no_differences() {
        let live = json!({
            "metadata": {"name": "web", "resourceVersion": "7", "generation": 1},
            "spec": {"template": {"metadata": {"creationTimestamp": null}}},
            "status": {"replicas": 1},
        });
        let answer = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": "web",
                "resourceVersion": "8",
                "generation": 2,
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [],
                "labels": {"karmada.io/managed": "true"},
                "annotations": {"work.karmada.io/name": "web-1", "promote.karmada.io/guard": "p1"},
            },
            "spec": {"template": {"metadata": {}}},
        });
        assert_eq!(
            differences(&ObjectKey::deployment("web"), &live, &answer),
            []
        );
    }

    #[test]
    fn everything_else_is_a_difference() {
        let live = json!({
            "metadata": {"labels": {"app": "web", "a/b~c": "1"}},
            "spec": {"replicas": 2, "template": {"spec": {"containers": [
                {"image": "nginx", "imagePullPolicy": "Always"},
            ]}}},
        });
        let answer = json!({
            "metadata": {"labels": {"app": "web", "a/b~c": "2"}},
            "spec": {"template": {"spec": {"containers": [
                {"image": "nginx:1.27", "imagePullPolicy": "Always"},
                {"image": "proxy"},
            ]}}},
        });
        let found = differences(&ObjectKey::deployment("web"), &live, &answer);
        let told: Vec<_> = found
            .iter()
            .map(|it| (it.path.as_str(), it.live.as_deref(), it.rendered.as_deref()))
            .collect();
        assert_eq!(
            told,
            [
                ("/metadata/labels/a~1b~0c", Some("\"1\""), Some("\"2\"")),
                ("/spec/replicas", Some("2"), None),
                (
                    "/spec/template/spec/containers/0/image",
                    Some("\"nginx\""),
                    Some("\"nginx:1.27\"")
                ),
                (
                    "/spec/template/spec/containers/1",
                    None,
                    Some(r#"{"image":"proxy"}"#)
                ),
            ]
        );
        assert!(restarts_pods(&found));
        assert!(!restarts_pods(&found[..2]));
    }

    #[test]
    fn pods_restart_for_the_template_and_the_selector_alone() {
        for (object, path, expected) in [
            ("Deployment/web", "/spec/template/metadata/labels/app", true),
            ("Deployment/web", "/spec/template", true),
            ("Deployment/web", "/spec/selector/matchLabels/app", true),
            ("Deployment/web", "/spec", true),
            ("Deployment/web", "", true),
            ("Deployment/web", "/spec/templates", false),
            ("Deployment/web", "/spec/replicas", false),
            ("Deployment/web", "/metadata/labels/app", false),
            ("ConfigMap/web", "/spec/template", false),
        ] {
            let difference = Difference {
                live: None,
                object: object.to_owned(),
                path: path.to_owned(),
                rendered: None,
            };
            assert_eq!(restarts_pods(&[difference]), expected, "{object} {path}");
        }
    }

    #[test]
    fn no_value_of_a_secret_is_told() {
        let key = ObjectKey::dependency(DependencyKind::Secret, "web");
        let secret = |value: &str| {
            json!({
                "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": value}},
                "data": {"password": value, (value): "a"},
                "stringData": {"password": value},
                "type": value,
            })
        };
        let found = differences(&key, &secret("one"), &secret("two"));
        assert_eq!(found.len(), 6);
        assert!(
            found
                .iter()
                .all(|it| it.live.is_none() && it.rendered.is_none())
        );
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let key = ObjectKey::dependency(DependencyKind::ConfigMap, "web");
        let config_map = |value: String| json!({"data": {"a": value}});
        for (length, expected) in [(254, 256), (255, 256), (1000, 256)] {
            let found = differences(
                &key,
                &config_map("ü".repeat(length)),
                &config_map("b".to_owned()),
            );
            let told = found[0].live.as_deref().unwrap();
            assert_eq!(told.chars().count(), expected);
            assert_eq!(told.ends_with('…'), length > 254);
        }
    }

    #[test]
    fn what_replaces_pods_is_not_cut_off() {
        let labels: Map<String, Value> = (0..150)
            .map(|index| (format!("label-{index}"), json!("a")))
            .collect();
        let live = json!({"metadata": {"labels": labels}, "spec": {"template": 1}});
        let found = differences(
            &ObjectKey::deployment("web"),
            &live,
            &json!({"metadata": {"labels": {"a": "b"}}, "spec": {}}),
        );
        assert_eq!(found.len(), MOST_DIFFERENCES);
        assert!(restarts_pods(&found));
    }

    #[test]
    fn a_predicted_manifest_is_the_template_without_hold_and_server_fields() {
        let template = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": "web",
                "uid": "t1",
                "resourceVersion": "3",
                "managedFields": [],
                "labels": {(HOLD): "promote.karmada.io", (RETAIN_REPLICAS): "true"},
                "annotations": {(REVISION): "1"},
            },
            "spec": {"replicas": 2},
            "status": {},
        });
        let manifest = predicted_manifest(&template);
        assert_eq!(
            manifest,
            json!({
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "web", "labels": {(RETAIN_REPLICAS): "true"}},
                "spec": {"replicas": 2},
            })
        );
        assert_eq!(predicted_manifest(&manifest), manifest);
    }

    #[test]
    fn a_template_of_a_live_object_changes_nothing() {
        let live = json!({
            "metadata": {
                "name": "web",
                "namespace": "shop",
                "uid": "d1",
                "resourceVersion": "7",
                "labels": {"app": "web"},
                "annotations": {"deployment.kubernetes.io/revision": "2", "team": "a"},
                "finalizers": ["example.com/wait"],
            },
            "spec": {"replicas": 4, "template": {"metadata": {"labels": {"app": "web"}}}},
            "status": {"replicas": 4},
        });
        let key = ObjectKey::deployment("web");
        let template = crate::template::resource_template(&live, &key, "shop", true);
        let mut answer = body(&predicted_manifest(&template), &live, key.kind);
        answer["metadata"]["uid"] = live["metadata"]["uid"].clone();
        assert_eq!(differences(&key, &live, &answer), []);
    }
}
