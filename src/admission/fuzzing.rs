//! What must be so whatever comes: one function for each thing that reads what others have written.
//!
//! The tests beside this module call them for some seconds with mutated examples, `fuzz` for as
//! long as one likes with what a fuzzer comes upon. They fail by panicking.

#[cfg(test)]
mod tests;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use json_patch::Patch;
use serde_json::Value;

use crate::{routes::Routes, server};

/// Every path, and whether what is answered there may have a patch.
const PATHS: [(&str, bool); 1] = [("/mutate/promotions", true)];

/// A body of any kind, sent to every path.
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
            once_is_enough(path, review);
        }
    }
}

/// What is patched is right from then on, as when another webhook has changed something else.
fn once_is_enough(path: &str, mut review: Value) {
    let Some(patch) =
        answered(path, review.to_string().as_bytes()).and_then(|answer| patch(&answer))
    else {
        return;
    };
    let applied = json_patch::patch(&mut review["request"]["object"], &patch);
    assert!(applied.is_ok(), "{applied:?}: {review}");
    let again = answered(path, review.to_string().as_bytes());
    let again = again.and_then(|answer| patch_text(&answer));
    assert_eq!(again, None, "patched twice: {review}");
}

/// What is to be a certificate, its key, and the authorities of clients.
pub fn pem(bytes: &[u8]) {
    // Whether it can be used is for the library to say.
    let _ = server::can_serve(bytes, bytes, None);
    let _ = server::can_serve(bytes, bytes, Some(bytes));
}

fn answered(path: &str, body: &[u8]) -> Option<Value> {
    let routes = Routes {
        hub_user: "hub".to_owned(),
    };
    let answer = routes.answer(Routes::find(path)?, body).ok()?;
    let answer = serde_json::from_slice(&answer);
    assert!(answer.is_ok(), "{path} is answered by {answer:?}");
    answer.ok()
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
