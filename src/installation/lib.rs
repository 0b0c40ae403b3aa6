//! What an administrator installs, as pure values: whoever applies or prints them decides nothing.
//!
//! - [`control_plane`]: the types, rights and admission of Promotions, in the control plane;
//! - [`member`]: the guard and the admission of opt-ins, in a member cluster;
//! - [`webhook`]: where either of them calls the webhook.

mod cel;
pub mod control_plane;
pub mod member;
pub mod webhook;

use promoter_api::marks::{FIELD_MANAGER, MANAGED_BY};
use serde_json::{Value, json};

const ADMISSION: &str = "admissionregistration.k8s.io/v1";
const RBAC: &str = "rbac.authorization.k8s.io";

fn metadata(name: &str) -> Value {
    json!({"name": name, "labels": {(MANAGED_BY): FIELD_MANAGER}})
}

/// Puts a ValidatingAdmissionPolicy in force everywhere.
fn binding(policy: &str, action: &str) -> Value {
    json!({
        "apiVersion": ADMISSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": metadata(policy),
        "spec": {"policyName": policy, "validationActions": [action]},
    })
}

/// A role that the cluster adds to Kubernetes' own ones.
fn aggregated(name: &str, to: &[&str], rule: &Value) -> Value {
    let mut metadata = metadata(&format!("{FIELD_MANAGER}-{name}"));
    for role in to {
        metadata["labels"][format!("{RBAC}/aggregate-to-{role}")] = json!("true");
    }
    json!({
        "apiVersion": format!("{RBAC}/v1"),
        "kind": "ClusterRole",
        "metadata": metadata,
        "rules": [rule],
    })
}
