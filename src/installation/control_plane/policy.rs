//! The ValidatingAdmissionPolicy that pins whom a Promotion acts as.
//!
//! The promoter does for a requester what that requester may do, and asks before it does. That is
//! worth nothing unless nobody can be named but by themselves. So the API server itself checks it,
//! with nobody of ours running: whoever creates a Promotion, or changes what one asks for, is
//! its requester. Only the hub may name another, who is a user of a member.

use promoter_api::marks;
use serde_json::{Value, json};

use crate::{
    cel::{literal, not_by},
    metadata,
};

pub(super) const NAME: &str = "promotions.promote.karmada.io";

/// Whether something is asked for, be it the same once more.
pub(super) const ASKS: &str = "\
oldObject == null || object.?spec.orValue(null) != oldObject.?spec.orValue(null) || \
object.metadata.?annotations[?'promote.karmada.io/requested-at'] != \
oldObject.metadata.?annotations[?'promote.karmada.io/requested-at']";

const STATUS: &str = "request.?subResource.orValue('') == 'status'";

const REMEDY: &str = "the promoter's admission, which sets it, is away: try again, or use \
                      `kubectl promote`, which names you by itself";

/// Authenticators need not tell a user's groups in the same order each time.
const SAME_GROUPS: &str = "\
variables.named.?groups.orValue([]) == request.userInfo.?groups.orValue([]) || \
(variables.named.?groups.orValue([]).all(group, group in request.userInfo.?groups.orValue([])) && \
request.userInfo.?groups.orValue([]).all(group, group in variables.named.?groups.orValue([])))";

const SAME_USER: &str = "\
variables.named.?username.orValue('') == request.userInfo.username && \
variables.named.?uid.orValue('') == request.userInfo.?uid.orValue('') && \
variables.named.?extra.orValue({}) == request.userInfo.?extra.orValue({})";

/// A user of a member is somebody else, whatever the name.
const OF_CONTROL_PLANE: &str = "variables.named.?cluster.orValue(null) == null";

pub(super) fn policy(hub_user: &str) -> Value {
    let named = "object.?spec.?requester.orValue(null)";
    let is_requester =
        format!("variables.named != null && {OF_CONTROL_PLANE} && {SAME_USER} && ({SAME_GROUPS})");
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": metadata(NAME),
        "spec": {
            "failurePolicy": "Fail",
            "matchConditions": [{"name": "not-by-the-hub", "expression": not_by(hub_user)}],
            "matchConstraints": {
                "matchPolicy": "Equivalent",
                "resourceRules": [rule(&["promotions", "promotions/status"])],
            },
            "variables": [
                {"name": "named", "expression": named},
                {"name": "isRequester", "expression": is_requester},
            ],
            "validations": [
                {
                    "expression": format!("!({STATUS})"),
                    "message": "the status of a Promotion is written by the promoter alone; to \
                                ask for something else, change its spec",
                    "reason": "Forbidden",
                },
                {
                    "expression": format!("{STATUS} || !({ASKS}) || variables.isRequester"),
                    "message": format!("spec.requester is not you; {REMEDY}"),
                    "messageExpression": format!(
                        "'a Promotion acts as whoever asks for it, but its spec.requester ' + \
                         (variables.named == null ? 'is absent' : 'is not you, ' + \
                         request.userInfo.username + ', as the API server knows you') + \
                         {}",
                        literal(&format!("; {REMEDY}")),
                    ),
                    "reason": "Forbidden",
                },
            ],
        },
    })
}

/// A rule for what is created and updated of our resources.
pub(super) fn rule(resources: &[&str]) -> Value {
    json!({
        "apiGroups": [marks::OUR_DOMAIN],
        "apiVersions": ["v1alpha1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": resources,
        "scope": "Namespaced",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_again_is_told_by_its_annotation() {
        let annotation = format!("annotations[?'{}']", marks::REQUESTED_AT);
        assert_eq!(ASKS.matches(&annotation).count(), 2, "{ASKS}");
    }

    #[test]
    fn everything_of_a_promotion_is_covered_and_the_policy_fails_closed() {
        let policy = policy("hub");
        let spec = &policy["spec"];
        assert_eq!(spec["failurePolicy"], "Fail");
        let rule = &spec["matchConstraints"]["resourceRules"][0];
        assert_eq!(
            rule["resources"],
            json!(["promotions", "promotions/status"])
        );
        assert_eq!(rule["operations"], json!(["CREATE", "UPDATE"]));
    }
}
