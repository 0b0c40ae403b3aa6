use std::path::Path;

use promoter_api::marks;
use proptest::{collection::vec, option, prelude::*, sample::Index};
use serde_json::{Map, Value, json};

use crate::{
    fuzzing::{answers_of, routes, written_by_go},
    opt_in::tests::{anything, objects},
    routes::Route,
};

const ROUTES: [Route<'static>; 3] = [
    Route::Stamp(""),
    Route::Stamp("0a1b2c3d4e5f6071"),
    Route::Verdict("member1"),
];

/// An object with all that Go writes before and after what is looked for, and with what looks like
/// something that is.
fn full(mut object: Value, other: &Value, text: &str) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.insert("namespace".to_owned(), json!("shop"));
        metadata.insert("managedFields".to_owned(), other.clone());
        let annotations = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut);
        if let Some(marks) = annotations {
            marks.insert("oldObject".to_owned(), json!(text));
            marks.insert("note".to_owned(), json!(format!("{other}{text}\\")));
        }
    }
    object["spec"] = json!({"metadata": other, "oldObject": other, marks::ENABLED: text});
    object["status"] = other.clone();
    object
}

fn request(kind: &str, operation: &str, new: &Value, old: &Value) -> Value {
    let group = if kind == "Deployment" { "apps" } else { "" };
    json!({
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": group, "version": "v1", "kind": kind},
        "resource": {"group": group, "version": "v1", "resource": "any"},
        "name": "web",
        "namespace": "shop",
        "operation": operation,
        "userInfo": {"username": "alice \"<", "groups": ["system:authenticated"]},
        "object": new,
        "oldObject": old,
        "dryRun": false,
        "options": {"kind": "UpdateOptions"},
    })
}

/// Whether a review is read without looking at all of it, on each route. The answers must be the
/// same.
fn is_skimmed(body: &[u8]) -> bool {
    let skimmed = ROUTES.map(|route| {
        let (skimmed, read) = answers_of(&routes(), route, body);
        if let Some(skimmed) = &skimmed {
            assert_eq!(Some(skimmed), read.as_ref(), "{}", body.escape_ascii());
        }
        skimmed.is_some()
    });
    assert_eq!(skimmed, [skimmed[0]; 3]);
    skimmed[0]
}

/// The members in another order.
fn shuffled(value: &Value, order: &[Index]) -> String {
    let Value::Object(members) = value else {
        return value.to_string();
    };
    let mut members: Vec<_> = members.iter().collect();
    for (place, index) in order.iter().enumerate() {
        if place < members.len() {
            let other = index.index(members.len());
            members.swap(place, other);
        }
    }
    let member = |(key, value)| format!("{}:{}", json!(key), shuffled(value, order));
    let members: Vec<_> = members.into_iter().map(member).collect();
    format!("{{{}}}", members.join(","))
}

#[test]
fn what_an_api_server_writes_is_skimmed() {
    let object = |annotations: &Value| {
        let metadata = json!({"name": "web", "labels": {}, "annotations": annotations});
        full(
            json!({"metadata": metadata}),
            &json!({"f:spec": {"k:{\"}": {}}}),
            "x",
        )
    };
    let new = object(&json!({marks::ENABLED: "true"}));
    for old in [
        json!(null),
        object(&json!({"a": "b"})),
        object(&json!(null)),
    ] {
        for operation in ["CREATE", "UPDATE", "DELETE"] {
            for kind in ["Deployment", "Namespace"] {
                let body = written_by_go(&request(kind, operation, &new, &old));
                assert!(is_skimmed(body.as_bytes()), "{body}");
                assert!(is_skimmed(format!("{body}\n").as_bytes()), "{body}");
            }
        }
    }
}

/// With what the fuzzer begins.
#[test]
fn the_examples_of_an_api_server_are_skimmed() {
    for name in [
        "deployment-created-opted-in",
        "deployment-opts-in",
        "deployment-opts-out",
        "deployment-stamp-forged",
        "deployment-wrong-value",
        "namespace-opts-in",
        "namespace-stamp-forged",
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/review");
        let body = std::fs::read(folder.join(name).with_extension("json")).unwrap();
        assert!(is_skimmed(&body), "{name}");
    }
}

#[test]
fn what_is_missing_or_there_twice_is_left_to_the_parser() {
    let object = json!({"metadata": {"name": "web", "annotations": {marks::ENABLED: "true"}}});
    let request = request("Deployment", "UPDATE", &object, &object);
    let body = written_by_go(&request);
    assert!(is_skimmed(body.as_bytes()));
    for member in [
        "uid",
        "kind",
        "name",
        "namespace",
        "operation",
        "userInfo",
        "object",
        "oldObject",
    ] {
        let mut less = request.clone();
        less.as_object_mut().unwrap().remove(member);
        assert!(!is_skimmed(written_by_go(&less).as_bytes()), "{member}");
        let twice = format!("\"{member}\":{},\"object\":", request[member]);
        let twice = body.replacen("\"object\":", &twice, 1);
        assert!(!is_skimmed(twice.as_bytes()), "{twice}");
    }
    for (usual, unusual) in [
        (
            r#"{"kind":"AdmissionReview","#,
            r#"{ "kind":"AdmissionReview","#,
        ),
        (r#""uid":"7"#, r#""uid": "7"#),
        (r#""metadata":{"#, r#""metadata":[],"metadata":{"#),
        (r#""metadata":{"#, r#""metadata":{"labels":{},"labels":{},"#),
        (r#""metadata":{"#, r#""meta":{"#),
        (r#""name":"web""#, r#""name":null"#),
        (marks::ENABLED, r"promote.karmada.io\/enabled"),
        (r#""object":{"#, r#""object":["#),
        (
            r#""uid":"705ab4f5-6393-11e8-b7cc-42010a800002""#,
            r#""uid":"""#,
        ),
    ] {
        assert!(body.contains(usual), "{usual}");
        let changed = body.replacen(usual, unusual, 1);
        assert!(!is_skimmed(changed.as_bytes()), "{changed}");
    }
}

proptest! {
    #[test]
    fn nobody_is_answered_otherwise(
        new in objects(),
        old in option::of(objects()),
        other in anything(),
        text in "\\PC{0,80}",
        namespace in any::<bool>(),
    ) {
        let kind = if namespace { "Namespace" } else { "Deployment" };
        let new = full(new, &other, &text);
        let old = old.map_or(Value::Null, |old| full(old, &other, &text));
        for operation in ["CREATE", "UPDATE", "DELETE"] {
            is_skimmed(written_by_go(&request(kind, operation, &new, &old)).as_bytes());
        }
    }

    #[test]
    fn nobody_is_answered_otherwise_for_the_order(
        new in objects(),
        old in objects(),
        other in anything(),
        order in vec(any::<Index>(), 0..12),
        gone in any::<Index>(),
    ) {
        let (new, old) = (full(new, &other, "x"), full(old, &json!({}), "y"));
        let mut request = request("Deployment", "UPDATE", &new, &old);
        for part in ["/oldObject/metadata", "/object/metadata", "/object", ""] {
            let members = request.pointer_mut(part).and_then(Value::as_object_mut);
            let members: &mut Map<_, _> = members.unwrap();
            let key = members.keys().nth(gone.index(2 * members.len())).cloned();
            if let Some(key) = key.filter(|key| !key.contains("bject")) {
                members.remove(&key);
            }
        }
        let body = format!(
            r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{}}}"#,
            shuffled(&request, &order),
        );
        is_skimmed(body.as_bytes());
    }

    #[test]
    fn anything_in_place_of_an_object_is_left_or_answered_alike(new in anything(), old in anything()) {
        for (new, old) in [
            (&new, &old),
            (&json!({"metadata": new}), &json!({"metadata": old})),
            (&json!({"metadata": {"annotations": new}}), &json!({"metadata": {"labels": old}})),
        ] {
            is_skimmed(written_by_go(&request("Deployment", "UPDATE", new, old)).as_bytes());
        }
    }

    #[test]
    fn no_broken_review_is_too_much(
        new in objects(),
        at in any::<Index>(),
        bytes in vec(prop::sample::select(&b"\"\\{}[],: anull\xff\x00"[..]), 0..4),
        cut in any::<bool>(),
    ) {
        let new = full(new, &json!({"a": [{}]}), "\"");
        let body = written_by_go(&request("Deployment", "UPDATE", &new, &new));
        let mut body = body.into_bytes();
        let at = at.index(body.len());
        body.splice(at..(at + 1).min(body.len()), bytes);
        if cut {
            body.truncate(at);
        }
        for route in ROUTES {
            // Read is what is JSON. It may be said twice then, or else behind what is skimmed.
            answers_of(&routes(), route, &body);
        }
    }
}
