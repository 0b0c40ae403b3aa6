//! Whether hub and webhook use every right that they are given, and so are given no more than that.
//!
//! The control plane's API server of the fleet that the tests share tells in its audit log what the
//! two users asked, and each verb of their roles has to be among it.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use promoter_fleet::Fleet;
use promoter_installation::control_plane::{ControlPlane, HUB_USER, WEBHOOK_USER};
use serde_json::Value;

use super::parts::Parts;

/// Whose requests are told.
pub(super) const USERS: [&str; 2] = [HUB_USER, WEBHOOK_USER];

/// A verb on a resource, by a user.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Right {
    user: String,
    verb: String,
    group: String,
    /// With its subresource.
    resource: String,
}

/// Looks for every right in the audit log, as a part of the run.
pub(super) async fn check(fleet: &Fleet, parts: &mut Parts) -> anyhow::Result<()> {
    let work = async {
        let path = fleet.audit_log("karmada");
        let log = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let (granted, used) = (granted(), used(&log));
        let unused: Vec<_> = granted.difference(&used).map(told).collect();
        ensure!(
            unused.is_empty(),
            "nobody needs these rights, or no test does: {}",
            unused.join("; ")
        );
        Ok(((), format!("all {} are used", granted.len())))
    };
    parts.part("rights", work).await
}

/// What the roles allow.
fn granted() -> BTreeSet<Right> {
    let installed = ControlPlane {
        hub_user: HUB_USER.to_owned(),
        webhook: None,
        webhook_user: WEBHOOK_USER.to_owned(),
    }
    .objects();
    let of = |kind: &'static str| {
        installed
            .iter()
            .filter(move |object| object["kind"] == kind)
    };
    let mut rights = BTreeSet::new();
    for binding in of("ClusterRoleBinding") {
        let user = word(&binding["subjects"][0]["name"]);
        let roles =
            of("ClusterRole").filter(|role| role["metadata"]["name"] == binding["roleRef"]["name"]);
        for rule in roles.flat_map(|role| list(&role["rules"])) {
            for group in list(&rule["apiGroups"]) {
                for resource in list(&rule["resources"]) {
                    rights.extend(list(&rule["verbs"]).iter().map(|verb| Right {
                        user: user.clone(),
                        verb: word(verb),
                        group: word(group),
                        resource: word(resource),
                    }));
                }
            }
        }
    }
    rights
}

/// What was asked, by an audit log. The last line may not have been written to its end.
fn used(log: &str) -> BTreeSet<Right> {
    let events = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    events
        .map(|event: Value| {
            let asked = &event["objectRef"];
            let mut resource = word(&asked["resource"]);
            if let Some(subresource) = asked["subresource"].as_str() {
                resource = format!("{resource}/{subresource}");
            }
            Right {
                user: word(&event["user"]["username"]),
                verb: word(&event["verb"]),
                group: word(&asked["apiGroup"]),
                resource,
            }
        })
        .collect()
}

fn told(right: &Right) -> String {
    let Right {
        user,
        verb,
        group,
        resource,
    } = right;
    format!("{user} may {verb} {resource} of group \"{group}\"")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn right(user: &str, verb: &str, group: &str, resource: &str) -> Right {
        let [user, verb, group, resource] = [user, verb, group, resource].map(str::to_owned);
        Right {
            user,
            verb,
            group,
            resource,
        }
    }

    #[test]
    fn both_users_have_rights() {
        let granted = granted();
        for right in [
            right(HUB_USER, "update", "apps", "deployments"),
            right(HUB_USER, "patch", "promote.karmada.io", "promotions/status"),
            right(HUB_USER, "create", "", "namespaces"),
            right(WEBHOOK_USER, "watch", "work.karmada.io", "works"),
        ] {
            assert!(granted.contains(&right), "{}", told(&right));
        }
        assert!(
            granted
                .iter()
                .all(|right| USERS.contains(&right.user.as_str()))
        );
    }

    #[test]
    fn what_was_asked_is_read_from_the_audit_log() {
        let event = |verb: &str, asked: &Value| {
            json!({"user": {"username": "hub"}, "verb": verb, "objectRef": asked}).to_string()
        };
        let status = json!({
            "apiGroup": "promote.karmada.io",
            "resource": "promotions",
            "subresource": "status",
        });
        let log = [
            event("get", &json!({"resource": "namespaces", "name": "shop"})),
            event("get", &json!({"resource": "namespaces", "name": "depot"})),
            event("patch", &status),
            "{\"user\":{\"usern".to_owned(),
        ]
        .join("\n");

        let expected = [
            right("hub", "get", "", "namespaces"),
            right("hub", "patch", "promote.karmada.io", "promotions/status"),
        ];
        assert_eq!(used(&log), expected.into());
    }
}
