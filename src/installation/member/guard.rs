//! The guard: a member's API server refuses a write of Karmada's that would undo an edit.
//!
//! It is in force for a Deployment only while that bears the label [`GUARD`], which the promoter
//! sets while Karmada takes the Deployment over or lets go of it, and only for the identity that
//! Karmada writes with. Nobody else is ever refused anything, nor is Karmada but for a change of
//! the spec.

use promoter_api::marks::{GUARD, GUARD_POLICY};
use serde_json::{Value, json};

use super::Problem;
use crate::{ADMISSION, cel::literal, metadata};

/// What people read in a Work that the guard has refused.
const MESSAGE: &str = "this write of Karmada's would undo a change that was made to the Deployment \
    in this cluster while Karmada is taking it over or letting go of it; karmada-promoter carries \
    the change into the control plane's template first";

/// The policy for the user as whom Karmada writes to the member.
///
/// Replicas may change: they are retained while they are not the template's to decide on.
pub(super) fn policy(karmada_user: &str) -> Value {
    json!({
        "apiVersion": ADMISSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": metadata(GUARD_POLICY),
        "spec": {
            "failurePolicy": "Fail",
            "matchConditions": [{
                "expression": format!("request.userInfo.username == {}", literal(karmada_user)),
                "name": "karmada",
            }],
            // With the API server's defaults, so that what is installed can be compared with it.
            "matchConstraints": {
                "matchPolicy": "Equivalent",
                "namespaceSelector": {},
                "objectSelector": {"matchExpressions": [{"key": GUARD, "operator": "Exists"}]},
                "resourceRules": [{
                    "apiGroups": ["apps"],
                    "apiVersions": ["v1"],
                    "operations": ["UPDATE"],
                    "resources": ["deployments"],
                    "scope": "*",
                }],
            },
            "validations": [{ "expression": same_spec(), "message": MESSAGE }],
        },
    })
}

/// Whether what is installed is the guard, for that user.
pub fn check(
    policy: Option<&Value>,
    binding: Option<&Value>,
    karmada_user: &str,
) -> Result<(), Problem> {
    let (Some(found), Some(binding)) = (policy, binding) else {
        return Err(Problem::Absent);
    };
    let wanted = self::policy(karmada_user);
    super::check(GUARD_POLICY, (found, &wanted), binding, karmada_user)
}

/// The CEL expression for a Deployment's spec being what it was, the replicas apart.
pub(super) fn same_spec() -> String {
    const REQUIRED: [&str; 2] = ["template", "selector"];
    const OPTIONAL: [&str; 5] = [
        "minReadySeconds",
        "paused",
        "progressDeadlineSeconds",
        "revisionHistoryLimit",
        "strategy",
    ];
    let same = |field: String| format!("object.spec.{field} == oldObject.spec.{field}");
    let required = REQUIRED.iter().map(|field| same((*field).to_owned()));
    let optional = OPTIONAL.iter().map(|field| same(format!("?{field}")));
    required.chain(optional).collect::<Vec<_>>().join(" && ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{binding, member::default_karmada_user};

    const USER: &str = "system:serviceaccount:karmada-cluster:karmada-member1";

    #[test]
    fn the_guard_is_for_karmadas_updates_of_marked_deployments_only() {
        let policy = policy(&default_karmada_user("member1"));
        let spec = &policy["spec"];
        assert_eq!(spec["failurePolicy"], "Fail");
        assert_eq!(
            spec["matchConditions"],
            json!([{"name": "karmada", "expression": format!("request.userInfo.username == \"{USER}\"")}])
        );
        let constraints = &spec["matchConstraints"];
        assert_eq!(
            constraints["resourceRules"][0]["operations"],
            json!(["UPDATE"])
        );
        assert_eq!(
            constraints["objectSelector"]["matchExpressions"][0]["key"],
            "promote.karmada.io/guard"
        );
    }

    #[test]
    fn everything_but_the_replicas_is_kept() {
        let expression = same_spec();
        assert!(expression.starts_with(
            "object.spec.template == oldObject.spec.template && \
             object.spec.selector == oldObject.spec.selector"
        ));
        assert!(expression.contains("object.spec.?paused == oldObject.spec.?paused"));
        assert!(!expression.contains("replicas"));
    }

    #[test]
    fn a_guard_that_is_not_ours_does_not_count() {
        let (policy, binding) = (policy(USER), binding(GUARD_POLICY, "Deny"));
        let ours = |policy: &Value, binding: &Value| check(Some(policy), Some(binding), USER);
        assert_eq!(ours(&policy, &binding), Ok(()));
        assert_eq!(check(None, Some(&binding), USER), Err(Problem::Absent));
        assert_eq!(check(Some(&policy), None, USER), Err(Problem::Absent));

        let changed = |object: &Value, pointer: &str, value: Value| {
            let mut object = object.clone();
            *object.pointer_mut(pointer).unwrap() = value;
            object
        };
        let others = super::policy("somebody");
        let lax = changed(&policy, "/spec/failurePolicy", json!("Ignore"));
        let mut excluding = policy.clone();
        excluding["spec"]["matchConstraints"]["excludeResourceRules"] = json!([{}]);
        for wrong in [others, lax, excluding] {
            assert_eq!(
                ours(&wrong, &binding),
                Err(Problem::Policy {
                    name: GUARD_POLICY,
                    user: USER.to_owned(),
                })
            );
        }
        let warns = changed(&binding, "/spec/validationActions", json!(["Warn"]));
        assert_eq!(ours(&policy, &warns), Err(Problem::Binding(GUARD_POLICY)));
    }
}
