//! What must be so whatever comes: one function for each thing that reads what others have written.
//!
//! The tests beside this module call them for some seconds with mutated examples, `fuzz` for as
//! long as one likes with what a fuzzer comes upon. They fail by panicking.

#[cfg(test)]
mod tests;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use json_patch::Patch;
use promoter_api::marks::{ENABLED, REQUESTED_BY};
use promoter_domain::{
    opt_in::{OptIn, OptIns},
    stamp,
};
use serde_json::{Value, json};

use crate::{Routes, review::Answered, routes::Route, server};

const INSTALLATION: &str = "0a1b2c3d4e5f6071";
const MUTATE: &str = "/admit/member1/mutate/0a1b2c3d4e5f6071";
const VALIDATE: &str = "/admit/member1/validate";

/// Every path, and whether what is answered there may have a patch.
const PATHS: [(&str, bool); 4] = [
    ("/mutate/promotions", true),
    ("/admit/member1/mutate", true),
    (MUTATE, true),
    (VALIDATE, false),
];

/// A body of any kind, sent to every path.
///
/// # Panics
///
/// Where an answer is not what an API server takes.
pub fn review(body: &[u8]) {
    for (path, mutating) in PATHS {
        let Some(answer) = answered(path, body) else {
            continue;
        };
        let response = &answer["response"];
        assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(answer["kind"], "AdmissionReview");
        assert!(response["allowed"].is_boolean(), "{answer}");
        assert!(response["uid"].as_str().is_some_and(|uid| !uid.is_empty()));
        // Both or none; and what is refused is not changed.
        let has_patch = response.get("patch").is_some();
        assert_eq!(has_patch, response.get("patchType").is_some(), "{answer}");
        assert!(!has_patch || (mutating && response["allowed"] == true));
        // In a body that says something twice, it is not sure what is meant.
        if let Ok(review) = serde_json::from_slice::<Value>(body) {
            skimmed_is_read(path, &review);
            once_is_enough(path, review);
        }
    }
}

/// Whoever reads only what matters answers as whoever reads it all.
fn skimmed_is_read(path: &str, review: &Value) {
    let routes = routes();
    let Some(route) = routes.find(path) else {
        return;
    };
    let body = written_by_go(&review["request"]);
    let (skimmed, read) = answers_of(&routes, route, body.as_bytes());
    assert!(skimmed.is_none() || skimmed == read, "{path}: {body}");
}

/// The answers to a review by its skimming, if it can be skimmed, and by its parser.
pub(crate) fn answers_of(
    routes: &Routes,
    route: Route<'_>,
    body: &[u8],
) -> (Option<String>, Option<String>) {
    let text = |answered: Answered| {
        let Answered { body, outcome } = answered;
        format!("{outcome:?}: {}", String::from_utf8_lossy(&body))
    };
    (
        routes.skimmed(route, body).map(text),
        routes.read(route, body).ok().map(text),
    )
}

/// A review of a request as an API server writes it.
pub(crate) fn written_by_go(request: &Value) -> String {
    const REQUEST: [&str; 12] = [
        "uid",
        "kind",
        "resource",
        "requestKind",
        "requestResource",
        "name",
        "namespace",
        "operation",
        "userInfo",
        "object",
        "oldObject",
        "dryRun",
    ];
    const OBJECT: [&str; 3] = ["kind", "apiVersion", "metadata"];
    const METADATA: [&str; 4] = ["name", "deletionTimestamp", "labels", "annotations"];

    fn written(value: &Value, orders: &[&[&str]]) -> String {
        let (Value::Object(members), [order, inner @ ..]) = (value, orders) else {
            return value.to_string();
        };
        let place = |key: &str| order.iter().position(|first| *first == key);
        let mut members: Vec<_> = members.iter().collect();
        members.sort_by_key(|(key, _)| place(key).unwrap_or(usize::MAX));
        let member = |(key, value): (&String, &Value)| {
            // Only objects have such an order inside.
            let inner = match key.as_str() {
                "object" | "oldObject" | "metadata" => inner,
                _ => &[],
            };
            format!("{}:{}", Value::from(key.as_str()), written(value, inner))
        };
        let members: Vec<_> = members.into_iter().map(member).collect();
        format!("{{{}}}", members.join(","))
    }

    let mut request = written(request, &[&REQUEST, &OBJECT, &METADATA]);
    // These stand in strings only, and Go escapes them for browsers' sake.
    for (character, escape) in [
        ("<", r"\u003c"),
        (">", r"\u003e"),
        ("&", r"\u0026"),
        ("\u{2028}", r"\u2028"),
        ("\u{2029}", r"\u2029"),
    ] {
        request = request.replace(character, escape);
    }
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{request}}}"#
    )
}

/// What is patched is right from then on, as when another webhook has changed something else.
fn once_is_enough(path: &str, mut review: Value) {
    let answer = answered(path, review.to_string().as_bytes());
    let Some(first) = answer.as_ref().and_then(patch) else {
        return;
    };
    let applied = json_patch::patch(&mut review["request"]["object"], &first);
    assert!(applied.is_ok(), "{applied:?}: {review}");
    let again = answered(path, review.to_string().as_bytes());
    let again = again.and_then(|answer| patch_text(&answer));
    assert_eq!(again, None, "patched twice: {review}");
}

/// A text as an opt-in's value, as a stamp, as an installation, and as a setting of the hub.
///
/// # Panics
///
/// Where it gets somebody more than it should.
pub fn opt_in(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    if let Ok(opt_in) = text.parse::<OptIn>() {
        let (cluster, namespaces) = text.split_once('=').unwrap_or_default();
        let allowed = OptIns::from(vec![opt_in]);
        for namespace in namespaces.split(',').filter(|name| !name.ends_with('*')) {
            assert!(
                cluster.ends_with('*') || allowed.allow(cluster, namespace),
                "{text}"
            );
        }
        only_what_is_covered(&text, cluster, namespaces, allowed);
    }
    let path = format!("/admit/member1/mutate/{text}");
    assert_eq!(
        routes().find(&path).is_some(),
        stamp::is_installation(&text)
    );

    // One of two values, and only newly.
    let (plain, valued) = (deployment(&json!({})), deployment(&json!({ENABLED: text})));
    let newly = review_of(&valued, &plain).to_string();
    let answer = answered(VALIDATE, newly.as_bytes());
    let allowed = answer.map(|answer| answer["response"]["allowed"] == true);
    assert_eq!(allowed, Some(text == "true" || text == "false"), "{text}");
    let still = answered(VALIDATE, review_of(&valued, &valued).to_string().as_bytes());
    assert!(still.is_some_and(|answer| answer["response"]["allowed"] == true));

    // Whatever stamp somebody writes, it is theirs who opts in, and else nobody's.
    let stamped = |value: &str| deployment(&json!({ENABLED: value, REQUESTED_BY: text}));
    let after = admitted(&stamped("true"), &plain);
    let own = stamp::stamp(INSTALLATION, "alice");
    assert_eq!(stamp_of(&after), Some(own.as_str()), "{text}");
    for value in ["true", "false"] {
        let after = admitted(&stamped(value), &deployment(&json!({ENABLED: value})));
        assert_eq!(stamp_of(&after), None, "{text}");
    }
    let theirs = stamped("true");
    assert_eq!(admitted(&theirs, &theirs), theirs);
}

/// What no pattern of a setting covers may not opt in, and what one does may.
fn only_what_is_covered(text: &str, cluster: &str, namespaces: &str, opt_ins: OptIns) {
    let covers = |pattern: &str, name: &str| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    };
    let covered =
        covers(cluster, "member1") && namespaces.split(',').any(|pattern| covers(pattern, "shop"));
    let routes = Routes {
        opt_ins,
        ..routes()
    };
    let plain = deployment(&json!({}));
    let review = review_of(&deployment(&json!({ENABLED: "true"})), &plain);
    let answer = answered_by(&routes, VALIDATE, review.to_string().as_bytes());
    let allowed = answer.map(|answer| answer["response"]["allowed"] == true);
    assert_eq!(allowed, Some(covered), "{text}");
}

/// The object as the mutating webhook leaves it.
fn admitted(new: &Value, old: &Value) -> Value {
    let mut object = new.clone();
    let answer = answered(MUTATE, review_of(new, old).to_string().as_bytes());
    if let Some(patch) = answer.as_ref().and_then(patch) {
        let applied = json_patch::patch(&mut object, &patch);
        assert!(applied.is_ok(), "{applied:?}: {new}");
    }
    object
}

fn deployment(annotations: &Value) -> Value {
    json!({"metadata": {"name": "web", "namespace": "shop", "annotations": annotations}})
}

fn review_of(new: &Value, old: &Value) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "1",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "name": "web",
        "namespace": "shop",
        "object": new,
        "oldObject": old,
        "operation": "UPDATE",
        "userInfo": {"username": "alice"},
    }})
}

fn stamp_of(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"][REQUESTED_BY].as_str()
}

/// What is to be a certificate, its key, and the authorities of clients.
pub fn pem(bytes: &[u8]) {
    // Whether it can be used is for the library to say.
    let _ = server::can_serve(bytes, bytes, None);
    let _ = server::can_serve(bytes, bytes, Some(bytes));
}

fn answered(path: &str, body: &[u8]) -> Option<Value> {
    answered_by(&routes(), path, body)
}

fn answered_by(routes: &Routes, path: &str, body: &[u8]) -> Option<Value> {
    let answer = routes.answer(routes.find(path)?, body).ok()?;
    let answer = serde_json::from_slice(&answer.body);
    assert!(answer.is_ok(), "{path} is answered by {answer:?}");
    answer.ok()
}

/// For every member and namespace, and knowing nothing of the control plane.
pub(crate) fn routes() -> Routes {
    Routes {
        clusters: Vec::new(),
        hub_user: "hub".to_owned(),
        index: None,
        opt_ins: OptIns::from("*=*".parse::<OptIn>().into_iter().collect::<Vec<_>>()),
    }
}

fn patch(answer: &Value) -> Option<Patch> {
    let patch = serde_json::from_str(&patch_text(answer)?);
    assert!(patch.is_ok(), "{patch:?}");
    patch.ok()
}

fn patch_text(answer: &Value) -> Option<String> {
    let patch = BASE64_STANDARD.decode(answer["response"]["patch"].as_str()?);
    assert!(patch.is_ok(), "{answer}");
    String::from_utf8(patch.ok()?).ok()
}
