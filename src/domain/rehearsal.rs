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

/// How many differences of a promotion are told.
pub const MOST_DIFFERENCES: usize = 100;
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
/// annotation of `kubectl apply` holds their data, too.
#[must_use]
pub fn differences(key: &ObjectKey, live: &Value, answer: &Value) -> Vec<Difference> {
    compare(key, &comparable(live), &comparable(answer))
}

/// Whether among the differences is one that makes the Deployment controller replace the pods.
#[must_use]
pub fn restarts_pods(differences: &[Difference]) -> bool {
    differences.iter().any(is_in_pod_template)
}

/// As many differences as a status may hold, among them those that [replace pods](restarts_pods),
/// and how many there are besides.
#[must_use]
pub fn most_telling(mut differences: Vec<Difference>) -> (Vec<Difference>, usize) {
    let remaining = differences.len().saturating_sub(MOST_DIFFERENCES);
    if remaining > 0 {
        // Which the verdict depends on must not be what is cut off.
        differences.sort_by_key(|difference| !is_in_pod_template(difference));
        differences.truncate(MOST_DIFFERENCES);
    }
    (differences, remaining)
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
    comparison.differences
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
mod tests;
