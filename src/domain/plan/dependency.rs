//! What is to be done about one dependency.

use promoter_api::{
    marks,
    promotion::{Difference, ManagedDependencies},
};
use serde_json::Value;

use super::{Existing, ExistingObject, LiveDependency, Request};
use crate::{
    closure::{self, ReferenceSource},
    manager::Manager,
    object::ObjectKind,
    observation::{PolicyState, TemplateState, WorkState},
    precondition, template,
};

/// What is to be done about a dependency.
pub(super) enum Found<'a> {
    /// Its namesake in the control plane is different.
    Conflict(Vec<Difference>),
    /// It is federated with the workload.
    Create(&'a Value),
    /// A policy of ours has it from another cluster.
    Elsewhere(String),
    /// Something in the member keeps writing it.
    Managed(Manager),
    /// The pods cannot start without it, and it is not there.
    Missing,
    /// It is equal, but Karmada does not keep the member's.
    NotKept(String),
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
            .is_some_and(|kind| request.spec.dependencies.contains(&kind))
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
        let found = existing
            .objects
            .iter()
            .find(|existing| existing.key == *key);
        let kept = found.is_some_and(|found| is_kept(found, live, request.cluster));
        if !kept
            && request.spec.managed_dependencies == ManagedDependencies::Skip
            && let Some(manager) = Manager::of_dependency(live)
        {
            return Ok(Self::Managed(manager));
        }
        if !key.names_fit() {
            return Ok(Self::TooLong);
        }
        let Some(found) = found else {
            return Ok(Self::Create(live));
        };
        let policy = PolicyState::of(found.policy.as_ref(), request.promotion, |by| {
            !existing.promotions.contains(by)
        });
        match policy {
            PolicyState::InHand => return Err(Busy),
            // What a Promotion that is no more has left is cleared away while staging; with what
            // this one has staged it goes on.
            PolicyState::Ours(settings) if settings.is_left_over() || settings.staged_by_us => {
                return Ok(Self::Create(live));
            }
            PolicyState::Absent | PolicyState::Foreign | PolicyState::Ours(_) => {}
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
                Ok(if !differences.is_empty() {
                    Self::Conflict(differences)
                } else if kept {
                    Self::Reuse
                } else {
                    Self::NotKept(not_kept(request, found, template))
                })
            }
            (_, None) => Ok(Self::Create(live)),
        }
    }
}

/// Whether Karmada keeps the member's object by the Work that it has for it.
fn is_kept(found: &ExistingObject, live: &Value, cluster: &str) -> bool {
    let (template, live) = (found.template.as_ref(), Some(live));
    let work = found.work.as_ref();
    work.and_then(|work| WorkState::of(work, cluster, template, live))
        .is_some_and(|work| work.taken_over && !work.deleting)
}

/// What is said of a template that is equal to the member's object and does not keep it: what is
/// edited there would never arrive.
fn not_kept(request: &Request<'_>, found: &ExistingObject, template: &Value) -> String {
    let Request {
        cluster, namespace, ..
    } = request;
    let (key, claim) = (&found.key, precondition::claimed_by(template, namespace));
    let work = found.work.as_ref();
    let message = work
        .and_then(|work| WorkState::of(work, cluster, None, None))
        .and_then(|work| work.message);
    let why = match (work, message) {
        (None, _) => format!("{claim} places it there"),
        (Some(_), None) => format!("{claim} has it, and Karmada has not taken it over there"),
        (Some(_), Some(message)) => format!("{claim} has it, and Karmada says: {message}"),
    };
    let why = match (work, claim.as_str()) {
        (None, claim) if claim != "no policy" => format!("{claim} does not place it there"),
        _ => why,
    };
    format!(
        "{key} of namespace {namespace} is in the control plane, equal to that of cluster \
         {cluster}, but Karmada does not keep the one there: {why}; have a policy place it there \
         with conflictResolution Overwrite, or delete that template, and ask again"
    )
}

/// Whether a policy of ours places what it claims in a cluster.
pub(super) fn places(policy: &Value, cluster: &str) -> bool {
    policy["spec"]["placement"]["clusterAffinity"]["clusterNames"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|name| name == cluster)
}
