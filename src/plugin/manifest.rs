//! Objects as text for programs.

use std::collections::BTreeSet;

use promoter_api::marks;
use serde_json::{Value, json};

use crate::arguments::Format;

/// What stands in the place of a Secret's value.
pub(crate) const REDACTED: &str = "<redacted>";

/// Objects that were read, as kubectl prints them: one as itself, several as a List.
pub(crate) fn listed(objects: &[Value], format: Format) -> anyhow::Result<String> {
    let mut objects = objects.to_vec();
    for object in &mut objects {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
    }
    match <[Value; 1]>::try_from(objects) {
        Ok([object]) => written(&object, format),
        Err(objects) => written(&list(&objects), format),
    }
}

/// Objects that would be created: several documents, or a List.
pub(crate) fn documents(objects: &[Value], format: Format) -> anyhow::Result<String> {
    match format {
        Format::Json => written(&list(objects), format),
        Format::Yaml => {
            let documents = objects
                .iter()
                .map(|object| written(object, format))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(documents.join("---\n"))
        }
    }
}

/// Each object once, by kind and name: dependencies that workloads share are planned for each.
pub(crate) fn unique(objects: Vec<Value>) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    objects
        .into_iter()
        .filter(|object| {
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            seen.insert((word(&object["kind"]), word(&object["metadata"]["name"])))
        })
        .collect()
}

/// Takes the values out of a Secret. Tells whether there were any.
pub(crate) fn redact(object: &mut Value) -> bool {
    if object["kind"] != "Secret" {
        return false;
    }
    let mut redacted = false;
    for field in ["data", "stringData"] {
        for (_, value) in object[field].as_object_mut().into_iter().flatten() {
            *value = json!(REDACTED);
            redacted = true;
        }
    }
    // `object[field]` leaves null where there was nothing.
    if let Some(object) = object.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    if let Some(Value::String(applied)) = object
        .pointer_mut("/metadata/annotations")
        .and_then(|it| it.get_mut(marks::LAST_APPLIED))
    {
        REDACTED.clone_into(applied);
        redacted = true;
    }
    redacted
}

fn list(objects: &[Value]) -> Value {
    json!({ "apiVersion": "v1", "kind": "List", "items": objects })
}

fn written(object: &Value, format: Format) -> anyhow::Result<String> {
    Ok(match format {
        Format::Json => format!("{}\n", serde_json::to_string_pretty(object)?),
        Format::Yaml => {
            let mut text = serde_saphyr::to_string(object)?;
            if !text.ends_with('\n') {
                text.push('\n');
            }
            text
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_map(name: &str) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name},
            "data": {"answer": "no", "port": "8080", "text": "a: b\nc\n"},
        })
    }

    #[test]
    fn no_value_of_a_secret_is_printed() {
        let mut secret = json!({
            "kind": "Secret",
            "metadata": {
                "name": "key",
                "annotations": {(marks::LAST_APPLIED): "{\"data\":{\"a\":\"c2VjcmV0\"}}"},
            },
            "data": {"a": "c2VjcmV0"},
            "stringData": {"b": "c2VjcmV0"},
        });
        assert!(redact(&mut secret));
        assert!(!secret.to_string().contains("c2VjcmV0"));
        assert_eq!(secret["data"]["a"], REDACTED);

        let mut empty = json!({"kind": "Secret", "metadata": {"name": "key"}});
        assert!(!redact(&mut empty));
        assert_eq!(
            empty,
            json!({"kind": "Secret", "metadata": {"name": "key"}})
        );
        assert!(!redact(&mut config_map("a")));
    }

    #[test]
    fn documents_are_read_back_as_they_were() {
        let objects = [config_map("a"), config_map("b")];
        let yaml = documents(&objects, Format::Yaml).unwrap();
        let read: Vec<Value> = serde_saphyr::from_multiple(&yaml).unwrap();
        assert_eq!(read, objects);
        let json = documents(&objects, Format::Json).unwrap();
        let read: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["items"], json!(objects));
    }

    #[test]
    fn one_object_is_printed_as_itself() {
        let mut object = config_map("a");
        object["metadata"]["managedFields"] = json!([{}]);
        let text = listed(&[object], Format::Json).unwrap();
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read, config_map("a"));
        assert!(listed(&[], Format::Yaml).unwrap().contains("kind: List"));
    }

    #[test]
    fn what_is_shared_is_printed_once() {
        let objects = vec![config_map("a"), config_map("b"), config_map("a")];
        assert_eq!(unique(objects), [config_map("a"), config_map("b")]);
    }
}
