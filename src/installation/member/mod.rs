//! What a member cluster needs, each part of it of use without the other:
//!
//! - [`guard`]: its API server refuses a write of Karmada's that would undo an edit;
//! - the admission of opt-ins: [`opt_in`], the policy that pins who has opted in and asks whether
//!   they may; `webhooks`, by which our webhook stamps them and answers at once; `federated`, the
//!   policy that warns whoever edits what Karmada will undo.

mod federated;
pub mod guard;
pub mod opt_in;
mod webhooks;

use promoter_api::marks::{FEDERATED_POLICY, GUARD_POLICY, OPT_IN_POLICY};
use serde_json::{Value, json};

use crate::{aggregated, binding, webhook::Webhook};

/// What is installed in a member cluster.
#[derive(Clone, Debug)]
pub struct Member {
    /// The admission of opt-ins.
    pub admission: Option<Admission>,
    /// Whether it is guarded.
    pub guard: bool,
    /// The user as whom Karmada, and with it the hub, writes to the member.
    pub karmada_user: String,
}

/// The admission of opt-ins.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The name of this installation, which every stamp begins with: random, so that nobody can
    /// have written a stamp before it was there.
    pub installation: String,
    /// The webhook, where the member's API server is to call it.
    pub webhook: Option<Calls>,
}

/// How the member's API server calls the webhook.
#[derive(Clone, Debug)]
pub struct Calls {
    /// The member's name in Karmada.
    pub cluster: String,
    /// What becomes of an opt-in that the webhook does not stamp.
    pub mutating: FailurePolicy,
    /// What becomes of an opt-in that the webhook gives no verdict on.
    pub validating: FailurePolicy,
    /// Where it is.
    pub webhook: Webhook,
}

/// What an API server does where a webhook does not answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FailurePolicy {
    /// It refuses the request.
    Fail,
    /// It goes on without.
    Ignore,
}

/// A policy of ours is not in force as this version installs it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Problem {
    /// There is none.
    #[error("it is not installed")]
    Absent,
    /// It is bound in a way that lets writes pass.
    #[error("ValidatingAdmissionPolicyBinding {0} is not as this version installs it")]
    Binding(&'static str),
    /// It is of another version, for another identity, or was changed.
    #[error("ValidatingAdmissionPolicy {name} is not what this version installs for {user}")]
    Policy {
        /// The policy.
        name: &'static str,
        /// The user as whom Karmada writes.
        user: String,
    },
}

impl Member {
    /// Every object, in the order in which they are to be applied: nobody is refused what they may
    /// have not been given yet, and the webhook that fails closed comes last.
    #[must_use]
    pub fn objects(&self) -> Vec<Value> {
        let user = &self.karmada_user;
        let mut objects = Vec::new();
        if self.guard {
            objects.extend([guard::policy(user), binding(GUARD_POLICY, "Deny")]);
        }
        let Some(admission) = &self.admission else {
            return objects;
        };
        objects.extend([
            role(),
            opt_in::policy(&admission.installation, user),
            binding(OPT_IN_POLICY, "Deny"),
            federated::policy(user),
            binding(FEDERATED_POLICY, "Warn"),
        ]);
        if let Some(calls) = &admission.webhook {
            objects.push(webhooks::mutating(calls, &admission.installation, user));
            objects.push(webhooks::validating(calls, user));
        }
        objects
    }
}

impl FailurePolicy {
    /// As Kubernetes has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "Fail",
            Self::Ignore => "Ignore",
        }
    }
}

/// The user as whom Karmada writes to a member that was joined with Karmada's defaults.
///
/// Source: Karmada's `pkg/karmadactl/join/join.go` and `pkg/util/names/names.go`,
/// `GenerateServiceAccountName`.
#[must_use]
pub fn default_karmada_user(cluster: &str) -> String {
    format!("system:serviceaccount:karmada-cluster:karmada-{cluster}")
}

/// Who may edit Deployments may promote them, unless an administrator has it otherwise.
fn role() -> Value {
    let rule = json!({"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["promote"]});
    aggregated("promote", &["edit", "admin"], &rule)
}

/// Whether a policy and its binding, which denies, are what is wanted.
fn check(
    name: &'static str,
    (policy, wanted): (&Value, &Value),
    bound: &Value,
    karmada_user: &str,
) -> Result<(), Problem> {
    if policy["spec"] != wanted["spec"] {
        return Err(Problem::Policy {
            name,
            user: karmada_user.to_owned(),
        });
    }
    if bound["spec"] != binding(name, "Deny")["spec"] {
        return Err(Problem::Binding(name));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
