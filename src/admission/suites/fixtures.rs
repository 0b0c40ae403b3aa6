//! The fixtures of Kubernetes' own types: everything that can be in an object is in them.

use std::path::PathBuf;

use promoter_api::marks::{ENABLED, REQUESTED_BY};
use serde_json::{Value, json};

use super::{MUTATE, PROMOTIONS, VALIDATE, answer, module, patch, patched, review};

const PATHS: [&str; 3] = [MUTATE, PROMOTIONS, VALIDATE];

/// All versions of a fixture that the module has: its own and those before.
fn fixtures(name: &str) -> Vec<(PathBuf, Value)> {
    let folder = module("k8s.io/api").join("testdata");
    let mut found = Vec::new();
    for version in std::fs::read_dir(&folder).unwrap() {
        let path = version.unwrap().path().join(name);
        if path.is_file() {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, serde_json::from_str(&text).unwrap()));
        }
    }
    // The present one, and at least one before.
    assert!(found.len() > 1, "{} has {found:?}", folder.display());
    found
}

#[test]
fn every_review_is_read() {
    for (path, review) in fixtures("admission.k8s.io.v1.AdmissionReview.json") {
        for asked in PATHS {
            let answer = answer(asked, &review.to_string()).unwrap();
            let response = &answer["response"];
            assert_eq!(response["uid"], "uidValue", "{}", path.display());
            assert_eq!(response["allowed"], true, "{}", path.display());
        }
    }
}

#[test]
fn reviews_of_another_version_are_not_guessed() {
    for (path, mut review) in fixtures("admission.k8s.io.v1beta1.AdmissionReview.json") {
        // Nothing is read of what names nothing of ours.
        review["request"]["object"] = json!({"metadata": {"annotations": {ENABLED: "true"}}});
        for asked in PATHS {
            let error = answer(asked, &review.to_string()).unwrap_err();
            assert!(error.contains("v1beta1"), "{}: {error}", path.display());
        }
    }
}

#[test]
fn every_deployment_is_decided_on() {
    for (path, deployment) in fixtures("apps.v1.Deployment.json") {
        let told = path.display();
        for asked in PATHS {
            let answer = answer(asked, &review(&deployment, None).to_string()).unwrap();
            // It has a spec, as a Promotion has, and opts in to nothing.
            assert_eq!(
                patch(&answer).0.is_empty(),
                asked != PROMOTIONS,
                "{told}: {asked}"
            );
        }
        let mut opted_in = deployment.clone();
        opted_in["metadata"]["annotations"][ENABLED] = json!("true");
        let opts_in = review(&opted_in, Some(&deployment)).to_string();
        let after = patched(&opted_in, &patch(&answer(MUTATE, &opts_in).unwrap()));
        let annotations = &after["metadata"]["annotations"];
        assert_eq!(
            annotations[REQUESTED_BY], "0a1b2c3d4e5f6071:alice",
            "{told}"
        );
        // Nothing else is touched, and once is enough.
        let mut rest = after.clone();
        rest["metadata"]["annotations"][REQUESTED_BY].take();
        opted_in["metadata"]["annotations"][REQUESTED_BY].take();
        assert_eq!(rest, opted_in, "{told}");
        let again = review(&after, Some(&deployment)).to_string();
        assert!(
            patch(&answer(MUTATE, &again).unwrap()).0.is_empty(),
            "{told}"
        );
        // In the fixture it is being deleted, and what is goes nowhere any more.
        let silent = answer(VALIDATE, &again).unwrap();
        assert!(silent["response"].get("warnings").is_none(), "{silent}");
        let mut living = after.clone();
        living["metadata"]["deletionTimestamp"].take();
        let living = review(&living, Some(&deployment)).to_string();
        let verdict = answer(VALIDATE, &living).unwrap();
        assert!(patch(&verdict).0.is_empty(), "{told}");
        let warnings = verdict["response"]["warnings"].as_array();
        assert!(
            warnings.is_some_and(|warnings| !warnings.is_empty()),
            "{verdict}"
        );
    }
}
