//! How the member's API server calls our webhook, which is for opt-ins and nothing else: no other
//! request waits for it.

use promoter_api::marks::OPT_IN_POLICY;
use serde_json::{Value, json};

use super::{Calls, FailurePolicy, opt_in};
use crate::{ADMISSION, cel::not_by, metadata};

/// The webhook's answer names who opted in. What forges a stamp without opting in is put right, too.
pub(super) fn mutating(calls: &Calls, installation: &str, karmada_user: &str) -> Value {
    let path = format!("/admit/{}/mutate/{installation}", calls.cluster);
    let concerns = opt_in::opts_in_or_stamps(installation, karmada_user);
    let mut webhook = webhook("stamp.promote.karmada.io", calls, &path, calls.mutating);
    webhook["matchConditions"] = json!([{"name": "opts-in-or-stamps", "expression": concerns}]);
    // Another webhook may change the opt-in or the stamp after ours. When everything is called anew
    // for that, nothing is called for the first time: what another opts in that ours was not called
    // for bears no stamp, and the hub holds it.
    webhook["reinvocationPolicy"] = json!("IfNeeded");
    configuration("MutatingWebhookConfiguration", &webhook)
}

/// The webhook's answer is the verdict.
pub(super) fn validating(calls: &Calls, karmada_user: &str) -> Value {
    let path = format!("/admit/{}/validate", calls.cluster);
    let mut webhook = webhook("verdict.promote.karmada.io", calls, &path, calls.validating);
    webhook["matchConditions"] = json!([
        {"name": "not-by-karmada", "expression": not_by(karmada_user)},
        {"name": "opts-in", "expression": opt_in::opts_in()},
    ]);
    configuration("ValidatingWebhookConfiguration", &webhook)
}

fn webhook(name: &str, calls: &Calls, path: &str, failure_policy: FailurePolicy) -> Value {
    json!({
        "name": name,
        "admissionReviewVersions": ["v1"],
        "clientConfig": calls.webhook.client(path),
        "failurePolicy": failure_policy.as_str(),
        "matchPolicy": "Equivalent",
        "rules": opt_in::rules(),
        "sideEffects": "None",
        "timeoutSeconds": 5,
    })
}

fn configuration(kind: &str, webhook: &Value) -> Value {
    json!({
        "apiVersion": ADMISSION,
        "kind": kind,
        "metadata": metadata(OPT_IN_POLICY),
        "webhooks": [webhook],
    })
}
