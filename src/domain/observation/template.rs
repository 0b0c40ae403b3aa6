//! What is seen of a resource template: whose it is, and who has claimed it.

use promoter_api::marks;
use serde_json::Value;

/// The resource template under an object's name.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum TemplateState {
    /// There is none.
    Absent,
    /// We made it, and another policy has it; or none, and it is staged no more.
    Captured,
    /// It is claimed by our policy.
    Claimed(TemplateSettings),
    /// It is claimed by our policy while that is being staged, and somebody else made it: it is not
    /// ours to be changed or deleted.
    ClaimedForeign,
    /// It is on its way out.
    Deleting,
    /// Somebody else made it.
    Foreign,
    /// It is under our hold; or lost our claim while it is staged, and is to be claimed again.
    Held,
}

/// What decides how Karmada renders a template.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TemplateSettings {
    /// The number of replicas, for a workload.
    pub replicas: Option<i64>,
    /// Whether the members' own number of replicas is kept.
    pub retains_replicas: bool,
}

impl TemplateState {
    /// Reads it off a template, given the policy that should have claimed it.
    #[must_use]
    pub fn of(template: Option<&Value>, policy: Option<&Value>) -> Self {
        let Some(template) = template else {
            return Self::Absent;
        };
        let metadata = &template["metadata"];
        if metadata["deletionTimestamp"].is_string() {
            return Self::Deleting;
        }
        let labels = &metadata["labels"];
        if labels[marks::HOLD] == marks::HOLD_VALUE {
            return Self::Held;
        }
        let ours = is_ours(metadata, policy);
        let staged = policy
            .is_some_and(|policy| policy["metadata"]["annotations"][marks::STAGED_BY].is_string());
        let claim = labels[marks::POLICY_ID].as_str();
        let policy_id =
            policy.and_then(|policy| policy["metadata"]["labels"][marks::POLICY_ID].as_str());
        if claim.is_some() && claim == policy_id {
            // Our policy selects by name, and Karmada claims whatever has that name. What is
            // promoted may be created anew by whoever it belongs to; what is staged is ours alone.
            return if ours || !staged {
                Self::Claimed(TemplateSettings {
                    replicas: template["spec"]["replicas"].as_i64(),
                    retains_replicas: labels[marks::RETAIN_REPLICAS] == "true",
                })
            } else {
                Self::ClaimedForeign
            };
        }
        // Karmada takes a claim off whose policy it has not heard of yet, as after a restart.
        let unclaimed = claim.is_none() && labels[marks::CLUSTER_POLICY_ID].is_null();
        match (ours, unclaimed && staged) {
            (true, true) => Self::Held,
            (true, false) => Self::Captured,
            (false, _) => Self::Foreign,
        }
    }
}

/// Whether we made a template.
///
/// The policy says so of the one that it was made for. Where somebody has deleted the policy, the
/// API server still remembers who wrote the content first. That alone would not do: of an empty
/// ConfigMap we have written nothing but the claim, and Karmada may take that off.
fn is_ours(metadata: &Value, policy: Option<&Value>) -> bool {
    let recorded = policy
        .and_then(|policy| policy["metadata"]["annotations"][marks::STAGED_TEMPLATE].as_str());
    if recorded.is_some() && metadata["uid"].as_str() == recorded {
        return true;
    }
    let entries = metadata["managedFields"].as_array();
    entries.into_iter().flatten().any(|entry| {
        let fields = entry["fieldsV1"].as_object();
        let mut fields = fields.into_iter().flatten();
        entry["manager"] == marks::FIELD_MANAGER
            && fields.any(|(field, _)| !matches!(field.as_str(), "f:metadata" | "f:status"))
    })
}

#[cfg(test)]
mod tests;
