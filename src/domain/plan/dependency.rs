//! What is to be done about one dependency.

use promoter_api::{marks, promotion::Difference};
use serde_json::Value;

use super::{Existing, LiveDependency, Request};
use crate::{
    closure::{self, ReferenceSource},
    object::ObjectKind,
    observation::TemplateState,
    template,
};

/// What is to be done about a dependency.
pub(super) enum Found<'a> {
    /// Its namesake in the control plane is different.
    Conflict(Vec<Difference>),
    /// It is federated with the workload.
    Create(&'a Value),
    /// A policy of ours has it from another cluster.
    Elsewhere(String),
    /// The pods cannot start without it, and it is not there.
    Missing,
    /// It is federated already.
    Reuse,
    /// It was federated by us, and somebody has deleted its policy.
    Unclaimed,
    /// It stays where it is, for this reason.
    Skip(&'static str),
    /// Karmada's names for it would be too long.
    TooLong,
}

/// Another Promotion has it in hand.
pub(super) struct Busy;

impl<'a> Found<'a> {
    pub(super) fn new(
        request: &Request<'_>,
        dependency: &'a LiveDependency,
        existing: &Existing,
    ) -> Result<Self, Busy> {
        let LiveDependency { object, reference } = dependency;
        let key = &reference.key;
        if !key
            .kind
            .as_dependency()
            .is_some_and(|kind| request.wanted.contains(&kind))
        {
            return Ok(Self::Skip("its kind is left out by spec.dependencies"));
        }
        let Some(live) = object else {
            return Ok(match (reference.required, &reference.source) {
                (true, _) => Self::Missing,
                (false, ReferenceSource::ServiceAccount | ReferenceSource::ImagePull) => {
                    Self::Skip("it does not exist in the member; pods start without it")
                }
                (false, _) => Self::Skip("it is optional and does not exist in the member"),
            });
        };
        if key.kind == ObjectKind::Secret && closure::is_token_secret(live) {
            return Ok(Self::Skip("it holds a token of this one cluster"));
        }
        if !key.names_fit() {
            return Ok(Self::TooLong);
        }
        let found = existing
            .objects
            .iter()
            .find(|existing| existing.key == *key);
        let Some(found) = found else {
            return Ok(Self::Create(live));
        };
        if found
            .policy
            .as_ref()
            .is_some_and(|policy| in_hand(policy, request.promotion))
        {
            return Err(Busy);
        }
        if let Some(policy) = &found.policy
            && policy["metadata"]["labels"][marks::MANAGED_BY] == marks::FIELD_MANAGER
            && found.template.is_some()
            && !places(policy, request.cluster)
        {
            return Ok(Self::Elsewhere(key.policy_name()));
        }
        match (&found.policy, &found.template) {
            (None, Some(template))
                if TemplateState::of(Some(template), None) == TemplateState::Captured =>
            {
                Ok(Self::Unclaimed)
            }
            (_, Some(template)) => {
                let differences = template::content_differences(key, template, live);
                Ok(if differences.is_empty() {
                    Self::Reuse
                } else {
                    Self::Conflict(differences)
                })
            }
            (_, None) => Ok(Self::Create(live)),
        }
    }
}

/// Whether a policy is being staged or released by another Promotion than this one.
fn in_hand(policy: &Value, promotion: &str) -> bool {
    if policy["metadata"]["labels"][marks::MANAGED_BY] != marks::FIELD_MANAGER {
        return false;
    }
    [marks::STAGED_BY, marks::RELEASED_BY]
        .iter()
        .filter_map(|mark| policy["metadata"]["annotations"][mark].as_str())
        .any(|by| by != promotion)
}

/// Whether a policy of ours places what it claims in a cluster.
pub(super) fn places(policy: &Value, cluster: &str) -> bool {
    policy["spec"]["placement"]["clusterAffinity"]["clusterNames"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|name| name == cluster)
}
