//! What the control plane needs: the type `Promotion`, who may use it, and whom each one acts as.
//!
//! - the CustomResourceDefinition;
//! - the hub's rights, each verb of them used, and nothing more;
//! - rights on Promotions for whoever has `view`, `edit` or `admin`;
//! - [`policy`]: the ValidatingAdmissionPolicy that pins `spec.requester`, whoever is up or down;
//! - the MutatingWebhookConfiguration by which our webhook fills it in.

mod policy;
mod rights;

use kube::CustomResourceExt as _;
use promoter_api::{marks, promotion::Promotion};
use serde_json::{Value, json};

use crate::{binding, cel::not_by, metadata, webhook::Webhook};

/// The path under which the webhook decides on Promotions.
pub const PROMOTIONS_PATH: &str = "/mutate/promotions";

/// The user as whom the hub reaches the control plane, unless it is told otherwise.
pub const HUB_USER: &str = "karmada-promoter";

/// The user as whom the webhook reaches the control plane, unless it is told otherwise.
pub const WEBHOOK_USER: &str = "karmada-promoter-webhook";

/// The Lease that hubs compete for.
pub const LEASE: &str = "karmada-promoter-hub";

/// What is installed in a control plane.
#[derive(Clone, Debug)]
pub struct ControlPlane {
    /// The user as whom the hub reaches the control plane.
    pub hub_user: String,
    /// The webhook that names who asks; without one, whoever asks has to say so.
    pub webhook: Option<Webhook>,
    /// The user as whom the webhook reaches the control plane.
    pub webhook_user: String,
}

impl ControlPlane {
    /// Every object, in the order in which they are to be applied: the hub gets its rights when it
    /// can no longer be made to act as somebody else, and what it does is seen by the webhook last.
    #[must_use]
    pub fn objects(&self) -> Vec<Value> {
        let mut objects = vec![
            definition(),
            policy::policy(&self.hub_user),
            binding(policy::NAME, "Deny"),
        ];
        if let Some(webhook) = &self.webhook {
            objects.push(configuration(webhook, &self.hub_user));
        }
        objects.extend(rights::of_people());
        objects.push(rights::of_hub());
        objects.push(rights::binding(marks::FIELD_MANAGER, &self.hub_user));
        objects.push(rights::of_webhook());
        objects.push(rights::binding(rights::WEBHOOK, &self.webhook_user));
        objects
    }
}

/// Fails open: the policy refuses what the webhook should have named.
fn configuration(webhook: &Webhook, hub_user: &str) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": metadata(marks::FIELD_MANAGER),
        "webhooks": [{
            "name": "promotions.promote.karmada.io",
            "admissionReviewVersions": ["v1"],
            "clientConfig": webhook.client(PROMOTIONS_PATH),
            "failurePolicy": "Ignore",
            "matchConditions": [
                {"name": "not-by-the-hub", "expression": not_by(hub_user)},
                {"name": "asks-for-something", "expression": policy::ASKS},
            ],
            "matchPolicy": "Equivalent",
            // Another webhook may change the spec after ours.
            "reinvocationPolicy": "IfNeeded",
            "rules": [policy::rule(&["promotions"])],
            "sideEffects": "None",
            "timeoutSeconds": 5,
        }],
    })
}

/// The same as the chart's file, which is generated from the same type.
fn definition() -> Value {
    let mut definition = json!(Promotion::crd());
    definition["metadata"]["labels"] = json!({(marks::MANAGED_BY): marks::FIELD_MANAGER});
    definition
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::Address;

    fn installed(webhook: Option<Webhook>) -> Vec<Value> {
        ControlPlane {
            hub_user: HUB_USER.to_owned(),
            webhook,
            webhook_user: WEBHOOK_USER.to_owned(),
        }
        .objects()
    }

    fn kinds(objects: &[Value]) -> Vec<&str> {
        objects
            .iter()
            .map(|object| object["kind"].as_str().unwrap())
            .collect()
    }

    #[test]
    fn the_hub_and_the_webhook_get_their_rights_last() {
        let objects = installed(None);
        assert_eq!(
            kinds(&objects),
            [
                "CustomResourceDefinition",
                "ValidatingAdmissionPolicy",
                "ValidatingAdmissionPolicyBinding",
                "ClusterRole",
                "ClusterRole",
                "ClusterRole",
                "ClusterRoleBinding",
                "ClusterRole",
                "ClusterRoleBinding",
            ]
        );
        for (index, name) in [(6, "karmada-promoter"), (8, "karmada-promoter-webhook")] {
            assert_eq!(objects[index]["subjects"][0]["name"], name);
            assert_eq!(objects[index]["roleRef"]["name"], name);
        }
        for object in &objects {
            assert!(object["apiVersion"].is_string(), "{object}");
            let manager = &object["metadata"]["labels"][marks::MANAGED_BY];
            assert_eq!(manager, marks::FIELD_MANAGER);
        }
    }

    #[test]
    fn the_webhook_is_called_by_its_url_and_fails_open() {
        let objects = installed(Some(Webhook {
            address: Address::Url("https://webhook.example:9443/".to_owned()),
            authorities: Some("PEM".to_owned()),
        }));
        let configuration = objects
            .iter()
            .find(|object| object["kind"] == "MutatingWebhookConfiguration");
        let webhook = &configuration.unwrap()["webhooks"][0];
        let client = &webhook["clientConfig"];
        assert_eq!(
            client["url"],
            "https://webhook.example:9443/mutate/promotions"
        );
        assert_eq!(client["caBundle"], "UEVN");
        assert_eq!(webhook["failurePolicy"], "Ignore");
        assert_eq!(webhook["sideEffects"], "None");
        assert_eq!(webhook["rules"][0]["resources"], json!(["promotions"]));
    }
}
