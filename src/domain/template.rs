//! A member's object made into a resource template of Karmada, and what makes two equal.

use promoter_api::{
    marks::{
        HOLD, HOLD_VALUE, LAST_APPLIED, RETAIN_REPLICAS, REVISION, REVISION_HISTORY, is_karmada_key,
    },
    promotion::Difference,
};
use serde_json::{Map, Value, json};

use crate::{
    object::{ObjectKey, ObjectKind},
    rehearsal::compare,
};

/// A member's object as a resource template for the control plane.
///
/// Name, namespace, labels and annotations are all that remains of `metadata`, without Karmada's
/// keys, ours, and what the member's controllers and clients remember there; `status` goes. The
/// rest is kept as it is, fields that we do not know included.
///
/// - `key` gives `apiVersion` and `kind`, which items of a list lack.
/// - A Deployment retains the member's replicas: people and autoscalers go on scaling it while
///   it is taken over.
/// - A `ServiceAccount` loses `secrets`: they are the member's own, and Karmada keeps those that
///   it finds (`pkg/util/lifted/retain.go`, `RetainServiceAccountFields`).
/// - With `hold`, Karmada's detector ignores the template until the claim lifts the hold.
///
/// Source of what is stripped: Karmada's `prune.RemoveIrrelevantFields`
/// (`pkg/resourceinterpreter/default/native/prune/prune.go`), which leaves stale marks in.
#[must_use]
pub fn resource_template(live: &Value, key: &ObjectKey, namespace: &str, hold: bool) -> Value {
    let mut template = live.as_object().cloned().unwrap_or_default();
    template.remove("status");
    if key.kind == ObjectKind::ServiceAccount {
        template.remove("secrets");
    }
    template.insert("apiVersion".to_owned(), json!(key.kind.api_version()));
    template.insert("kind".to_owned(), json!(key.kind.as_str()));

    let mut labels = own_entries(live, "/metadata/labels");
    if key.kind == ObjectKind::Deployment {
        labels.insert(RETAIN_REPLICAS.to_owned(), json!("true"));
    }
    if hold {
        labels.insert(HOLD.to_owned(), json!(HOLD_VALUE));
    }
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), json!(key.name));
    metadata.insert("namespace".to_owned(), json!(namespace));
    for (field, entries) in [
        ("labels", labels),
        ("annotations", own_entries(live, "/metadata/annotations")),
    ] {
        if !entries.is_empty() {
            metadata.insert(field.to_owned(), Value::Object(entries));
        }
    }
    template.insert("metadata".to_owned(), Value::Object(metadata));
    Value::Object(template)
}

/// What makes two dependencies equal: what pods can see of them, with what is absent and what is
/// empty the same. Labels and annotations do not count, nor does a `ServiceAccount`'s `secrets`.
///
/// For a Deployment, its whole `spec`.
#[must_use]
pub fn content(object: &Value, kind: ObjectKind) -> Value {
    let fields: &[&str] = match kind {
        ObjectKind::ConfigMap => &["binaryData", "data", "immutable"],
        ObjectKind::Deployment => &["spec"],
        ObjectKind::Secret => &["data", "immutable", "type"],
        ObjectKind::ServiceAccount => &["automountServiceAccountToken"],
    };
    let mut content: Map<String, Value> = fields
        .iter()
        .filter_map(|field| Some(((*field).to_owned(), object.get(field)?.clone())))
        .filter(|(field, value)| !is_default(field, value))
        .collect();
    if kind == ObjectKind::ServiceAccount {
        let names = pull_secret_names(object);
        if !names.is_empty() {
            content.insert("imagePullSecrets".to_owned(), json!(names));
        }
    }
    Value::Object(content)
}

/// How the content of a dependency in the control plane differs from the live one's: nothing
/// when they are [equal](content).
///
/// Of Secrets the paths are told, and never a value.
#[must_use]
pub fn content_differences(
    key: &ObjectKey,
    in_control_plane: &Value,
    live: &Value,
) -> Vec<Difference> {
    compare(
        key,
        &content(live, key.kind),
        &content(in_control_plane, key.kind),
    )
}

/// The labels or annotations that are a person's own.
fn own_entries(live: &Value, pointer: &str) -> Map<String, Value> {
    let entries = live.pointer(pointer).and_then(Value::as_object);
    entries
        .into_iter()
        .flatten()
        .filter(|(key, _)| {
            !is_karmada_key(key)
                && !matches!(key.as_str(), LAST_APPLIED | REVISION | REVISION_HISTORY)
        })
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Whether a field of a dependency says no more than its absence would.
fn is_default(field: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(entries) => entries.is_empty(),
        Value::Bool(value) => field == "immutable" && !value,
        Value::String(value) => field == "type" && matches!(value.as_str(), "" | "Opaque"),
        Value::Array(_) | Value::Number(_) => false,
    }
}

/// The names of a `ServiceAccount`'s `imagePullSecrets`, each once, in their order.
fn pull_secret_names(account: &Value) -> Vec<&str> {
    let mut names = Vec::new();
    let secrets = account.get("imagePullSecrets").and_then(Value::as_array);
    for secret in secrets.into_iter().flatten() {
        if let Some(name) = secret.get("name").and_then(Value::as_str)
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests;
