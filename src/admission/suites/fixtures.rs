//! The fixtures of Kubernetes' own types: everything that can be in an object is in them.

use std::path::PathBuf;

use serde_json::Value;

use super::{PROMOTIONS, answer, module, patch, patched, review};

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
        let answer = answer(PROMOTIONS, &review.to_string()).unwrap();
        let response = &answer["response"];
        assert_eq!(response["uid"], "uidValue", "{}", path.display());
        assert_eq!(response["allowed"], true, "{}", path.display());
    }
}

#[test]
fn reviews_of_another_version_are_not_guessed() {
    for (path, review) in fixtures("admission.k8s.io.v1beta1.AdmissionReview.json") {
        let error = answer(PROMOTIONS, &review.to_string()).unwrap_err();
        assert!(error.contains("v1beta1"), "{}: {error}", path.display());
    }
}

#[test]
fn every_deployment_is_decided_on() {
    for (path, deployment) in fixtures("apps.v1.Deployment.json") {
        let told = path.display();
        let created = answer(PROMOTIONS, &review(&deployment, None).to_string()).unwrap();
        let after = patched(&deployment, &patch(&created));
        let again = answer(PROMOTIONS, &review(&after, None).to_string()).unwrap();
        assert!(patch(&again).0.is_empty(), "{told}: patched twice");
        let same = answer(PROMOTIONS, &review(&after, Some(&after)).to_string()).unwrap();
        assert!(patch(&same).0.is_empty(), "{told}: nothing has changed");
    }
}
