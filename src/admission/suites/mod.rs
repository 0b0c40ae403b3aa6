//! What others have written down about reviews and patches, tried on ours: the JSON patch test
//! suite, the API server's own patch library, and the fixtures of Kubernetes' types.
//!
//! The last two come with the Go modules that the fleet is built from. Where Go is missing, these
//! tests fail.

mod apiserver;
mod fixtures;
mod json_patch;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use ::json_patch::Patch;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::fuzzing::routes;

const PROMOTIONS: &str = "/mutate/promotions";
const MUTATE: &str = "/admit/member1/mutate/0a1b2c3d4e5f6071";
const VALIDATE: &str = "/admit/member1/validate";

/// Runs Go in the module that the fleet is built from, and returns what it prints.
fn go(arguments: &[&str], input: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fleet/karmada");
    let mut child = Command::new("go")
        .args(arguments)
        .current_dir(folder)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-buildvcs=false")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Go is needed for this test");
    let mut stdin = child.stdin.take().unwrap();
    // It may print before it has read everything.
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input.as_bytes()).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "go {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The folder of a Go module, in the version that the fleet is built from.
fn module(name: &str) -> PathBuf {
    go(&["mod", "download", name], "");
    PathBuf::from(go(&["list", "-m", "-f", "{{.Dir}}", name], "").trim())
}

/// What is answered to a review, if it is one.
fn answer(path: &str, body: &str) -> Result<Value, String> {
    let routes = routes();
    let route = routes.find(path).unwrap();
    match routes.answer(route, body.as_bytes()) {
        Ok(answer) => Ok(serde_json::from_slice(&answer.body).unwrap()),
        Err((status, why)) => Err(format!("{status}: {why}")),
    }
}

/// A review of an object that alice creates or changes.
fn review(new: &Value, old: Option<&Value>) -> Value {
    let api_version = new["apiVersion"].as_str().unwrap_or_default();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let of_kind = json!({"group": group, "version": version, "kind": new["kind"]});
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": of_kind,
            "operation": if old.is_some() { "UPDATE" } else { "CREATE" },
            "userInfo": {"username": "alice", "groups": ["shop", "system:authenticated"]},
            "name": new["metadata"]["name"],
            "namespace": new["metadata"]["namespace"],
            "object": new,
            "oldObject": old,
        },
    })
}

/// The patch of an answer that allows something. It is there with its type, or neither is.
fn patch(answer: &Value) -> Patch {
    let response = &answer["response"];
    assert_eq!(response["allowed"], true, "{answer}");
    let Some(patch) = response.get("patch") else {
        assert!(response.get("patchType").is_none(), "{answer}");
        return Patch(Vec::new());
    };
    assert_eq!(response["patchType"], "JSONPatch", "{answer}");
    let patch = BASE64_STANDARD.decode(patch.as_str().unwrap()).unwrap();
    serde_json::from_slice(&patch).unwrap()
}

/// The object after the patch.
fn patched(object: &Value, patch: &Patch) -> Value {
    let mut object = object.clone();
    ::json_patch::patch(&mut object, patch).unwrap();
    object
}
