//! Who may do what in the control plane.

use promoter_api::marks;
use serde_json::{Value, json};

use super::LEASE;
use crate::{RBAC, aggregated, metadata};

/// The name of the webhook's role.
pub(super) const WEBHOOK: &str = "karmada-promoter-webhook";

/// What the hub does in the control plane, verb by verb.
///
/// It reads Karmada's credentials of the members, so whoever has the hub's identity has the
/// members too; a shorter list of verbs keeps nobody from that, but says what it does.
pub(super) fn of_hub() -> Value {
    json!({
        "apiVersion": format!("{RBAC}/v1"),
        "kind": "ClusterRole",
        "metadata": metadata(marks::FIELD_MANAGER),
        "rules": [
            // Annotated Deployments become Promotions; finalizers are metadata.
            rule(marks::OUR_DOMAIN, &["promotions"], &["create", "get", "list", "patch", "watch"]),
            rule(marks::OUR_DOMAIN, &["promotions/status"], &["patch"]),
            rule("cluster.karmada.io", &["clusters"], &["get", "list", "watch"]),
            rule(
                "policy.karmada.io",
                &["propagationpolicies"],
                &["create", "delete", "get", "list", "patch", "watch"],
            ),
            rule("work.karmada.io", &["resourcebindings"], &["get", "list", "watch"]),
            rule("work.karmada.io", &["works"], &["get", "list", "patch", "watch"]),
            rule("", &["namespaces"], &["create", "get"]),
            // Templates; and the Secrets by which Karmada reaches its members.
            rule(
                "",
                &["configmaps", "secrets", "serviceaccounts"],
                &["create", "delete", "get", "patch"],
            ),
            // A late edit takes the place of what the template says.
            rule("apps", &["deployments"], &["create", "delete", "get", "patch", "update"]),
            // Of several hubs, the one that has the Lease acts.
            rule("coordination.k8s.io", &["leases"], &["create"]),
            named("coordination.k8s.io", &["leases"], LEASE, &["get", "update"]),
            // What a requester may do is asked before it is done.
            rule("authorization.k8s.io", &["subjectaccessreviews"], &["create"]),
            rule("events.k8s.io", &["events"], &["create"]),
        ],
    })
}

/// What the webhook reads in the control plane: what is federated. It writes nothing.
///
/// It asks for metadata only, but rights know no such difference, and Works carry Secrets.
pub(super) fn of_webhook() -> Value {
    let read = ["list", "watch"];
    json!({
        "apiVersion": format!("{RBAC}/v1"),
        "kind": "ClusterRole",
        "metadata": metadata(WEBHOOK),
        "rules": [
            rule(marks::OUR_DOMAIN, &["promotions"], &read),
            rule("apps", &["deployments"], &read),
            rule("work.karmada.io", &["works"], &read),
        ],
    })
}

/// Gives a role to a user.
pub(super) fn binding(role: &str, user: &str) -> Value {
    json!({
        "apiVersion": format!("{RBAC}/v1"),
        "kind": "ClusterRoleBinding",
        "metadata": metadata(role),
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
    })
}

/// Promotions for those who have Kubernetes' own roles, in the namespaces where they have them.
pub(super) fn of_people() -> [Value; 2] {
    let read = ["get", "list", "watch"];
    let write = ["create", "delete", "deletecollection", "patch", "update"];
    let promotions = |verbs: &[&str]| rule(marks::OUR_DOMAIN, &["promotions"], verbs);
    [
        aggregated("view", &["view", "edit", "admin"], &promotions(&read)),
        aggregated("edit", &["edit", "admin"], &promotions(&write)),
    ]
}

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": [group], "resources": resources, "verbs": verbs})
}

fn named(group: &str, resources: &[&str], name: &str, verbs: &[&str]) -> Value {
    let mut rule = rule(group, resources, verbs);
    rule["resourceNames"] = json!([name]);
    rule
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hub_has_no_verb_by_a_wildcard_and_no_right_to_more_rights() {
        let text = of_hub().to_string();
        for word in ["*", "escalate", "bind", "impersonate", "roles", "webhook"] {
            let quoted = format!("\"{word}\"");
            assert!(!text.contains(&quoted), "{word}");
        }
    }

    #[test]
    fn the_hub_may_carry_an_edit_into_a_template() {
        let role = of_hub();
        let mut rules = role["rules"].as_array().into_iter().flatten();
        let deployments = rules.find(|rule| rule["resources"] == json!(["deployments"]));
        let verbs = deployments.and_then(|rule| rule["verbs"].as_array());
        // A whole object that is written (PUT) is `update`, which no patch needs.
        assert!(verbs.is_some_and(|verbs| verbs.contains(&json!("update"))));
    }

    #[test]
    fn the_webhook_reads_and_writes_nothing() {
        let role = of_webhook();
        for rule in role["rules"].as_array().unwrap() {
            assert_eq!(rule["verbs"], json!(["list", "watch"]));
        }
        let text = role.to_string();
        for word in ["*", "secrets", "configmaps", "clusters"] {
            assert!(!text.contains(&format!("\"{word}\"")), "{word}");
        }
    }

    #[test]
    fn people_with_kubernetes_own_roles_get_promotions() {
        let [view, edit] = of_people();
        let label = |role: &Value, to: &str| {
            role["metadata"]["labels"][format!("{RBAC}/aggregate-to-{to}")] == "true"
        };
        assert!(label(&view, "view") && label(&view, "edit") && label(&view, "admin"));
        assert!(!label(&edit, "view") && label(&edit, "edit") && label(&edit, "admin"));
        // The status is the hub's.
        assert!(!edit.to_string().contains("promotions/status"));
    }
}
