//! The plan of a promotion: what will be created, what is reused, what stays, or why not.

mod dependency;

use std::collections::BTreeSet;

use promoter_api::{
    marks,
    promotion::{
        DependencyAction, DependencyStatus, Difference, PromotionSpec, Snapshot, StaleMarks,
    },
    reason::Reason,
};
use serde_json::{Value, json};

use self::dependency::{Busy, Found};

use crate::{
    closure::Reference, manager::Manager, object::ObjectKey, policy, precondition, snapshot,
    template,
};

/// A workload of a member with everything around it, as it was read.
#[derive(Clone, Debug)]
pub struct Live {
    /// The names of what scales it.
    pub autoscalers: Vec<String>,
    /// What it refers to, sorted, each once.
    pub dependencies: Vec<LiveDependency>,
    /// The Deployment.
    pub deployment: Value,
    /// Its namespace, where it could be read.
    pub namespace: Option<Value>,
    /// The pods that its selector selects.
    pub pods: Vec<Value>,
    /// The ReplicaSets that its selector selects.
    pub replica_sets: Vec<Value>,
}

/// Something that a workload refers to.
#[derive(Clone, Debug)]
pub struct LiveDependency {
    /// The object, where there is one and its kind is wanted.
    pub object: Option<Value>,
    /// How it is referred to.
    pub reference: Reference,
}

/// What the control plane holds under the names that a promotion needs.
#[derive(Clone, Debug, Default)]
pub struct Existing {
    /// Whether the namespace is there.
    pub namespace: bool,
    /// Policies and templates of those names.
    pub objects: Vec<ExistingObject>,
    /// The UIDs of the namespace's Promotions, where a policy is marked by one.
    pub promotions: BTreeSet<String>,
    /// The workload's binding.
    pub binding: Option<Value>,
    /// The Work of this control plane that the live workload's marks name.
    pub work: Option<Value>,
}

/// What the control plane holds under one object's names.
#[derive(Clone, Debug)]
pub struct ExistingObject {
    /// The object.
    pub key: ObjectKey,
    /// A policy of the name that ours would have.
    pub policy: Option<Value>,
    /// A resource template of that name.
    pub template: Option<Value>,
    /// The Work by which Karmada keeps a dependency in the cluster.
    pub work: Option<Value>,
}

/// For what a plan is made.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The cluster that the workload is promoted from.
    pub cluster: &'a str,
    /// The namespace.
    pub namespace: &'a str,
    /// The UID of the Promotion; a preview without one gives any word.
    pub promotion: &'a str,
    /// What is asked for.
    pub spec: &'a PromotionSpec,
    /// The workload.
    pub workload: &'a ObjectKey,
}

/// What is going to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The workload as it is now.
    pub before: Snapshot,
    /// Every dependency, with what is done about it.
    pub dependencies: Vec<DependencyStatus>,
    /// The namespace to be created, where it is missing.
    pub namespace: Option<Value>,
    /// The objects to be federated, dependencies first and the workload last.
    pub objects: Vec<PlannedObject>,
    /// Those of them that bear marks of another Karmada, which must be taken off before anything
    /// is staged: Karmada would delete a marked object if the promotion were given up.
    pub stale: Vec<ObjectKey>,
}

/// An object to be federated.
#[derive(Clone, Debug)]
pub struct PlannedObject {
    /// The object.
    pub key: ObjectKey,
    /// Its policy.
    pub policy: Value,
    /// Its resource template.
    pub template: Value,
}

/// Why a promotion cannot go on.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Every dependency, with what was found.
    pub dependencies: Vec<DependencyStatus>,
    /// What differs.
    pub differences: Vec<Difference>,
    /// What happened, to which object, and what to do.
    pub message: String,
    /// The stable word.
    pub reason: Reason,
}

/// What planning comes to.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A dependency is being staged or released by another Promotion; it will be done soon.
    Busy(ObjectKey),
    /// It can be done.
    Plan(Box<Plan>),
    /// It cannot.
    Refused(Refusal),
}

/// Plans a promotion.
#[must_use]
pub fn plan(request: &Request<'_>, live: &Live, existing: &Existing) -> Outcome {
    if let Err(refusal) = precondition::check(request, live, existing) {
        return Outcome::Refused(refusal);
    }
    let mut dependencies = Vec::new();
    let mut differences = Vec::new();
    let mut created = Vec::new();
    let mut missing = Vec::new();
    let mut stale = Vec::new();
    for dependency in &live.dependencies {
        let key = &dependency.reference.key;
        let found = match Found::new(request, dependency, existing) {
            Ok(found) => found,
            Err(Busy) => return Outcome::Busy(key.clone()),
        };
        let mut managed_by = None;
        let (action, message) = match found {
            Found::Conflict(found) => {
                let message = format!("{key} of the control plane differs at {}", paths(&found));
                differences.extend(found);
                (DependencyAction::Conflict, Some(message))
            }
            Found::Elsewhere(policy) => {
                return Outcome::Refused(Refusal::new(
                    Reason::DependencyConflict,
                    format!(
                        "{key} of namespace {} is federated from another cluster than {}, by \
                         PropagationPolicy {policy}; in this version {} must be promoted from \
                         that cluster, or without it (spec.dependencies)",
                        request.namespace, request.cluster, request.workload
                    ),
                ));
            }
            Found::Unclaimed => {
                return Outcome::Refused(Refusal::new(
                    Reason::DependencyConflict,
                    format!(
                        "{key} of namespace {} is federated from cluster {}, but somebody has \
                         deleted its PropagationPolicy {}; create a policy that claims it, and ask \
                         again",
                        request.namespace,
                        request.cluster,
                        key.policy_name()
                    ),
                ));
            }
            Found::Create(object) => {
                if precondition::is_marked(object) {
                    if request.spec.stale_marks == StaleMarks::Refuse {
                        return Outcome::Refused(precondition::stale(request, key));
                    }
                    stale.push(key.clone());
                }
                let follows = !dependency.reference.followed_by_karmada();
                created.push(planned(request, key, object, follows));
                (DependencyAction::Created, None)
            }
            Found::Missing => {
                missing.push(key.to_string());
                (
                    DependencyAction::Skipped,
                    Some("it does not exist in the member".to_owned()),
                )
            }
            Found::Managed(manager) => {
                let message = kept_up_to_date(request, key, &manager);
                managed_by = Some(manager.name);
                (DependencyAction::Skipped, Some(message))
            }
            Found::NotKept(why) => {
                return Outcome::Refused(Refusal::new(Reason::DependencyConflict, why));
            }
            Found::Reuse => (DependencyAction::Reused, None),
            Found::Skip(why) => (DependencyAction::Skipped, Some(why.to_owned())),
            Found::TooLong => {
                return Outcome::Refused(Refusal::new(
                    Reason::NameTooLong,
                    precondition::name_too_long(request, key),
                ));
            }
        };
        if let Some(kind) = key.kind.as_dependency() {
            dependencies.push(DependencyStatus {
                action,
                kind,
                managed_by,
                message,
                name: key.name.clone(),
                through_service_account: !dependency.reference.followed_by_karmada(),
            });
        }
    }
    if let Some((reason, message)) = unmet(request, &differences, &missing) {
        return Outcome::Refused(Refusal {
            dependencies,
            differences,
            message,
            reason,
        });
    }
    created.push(planned(request, request.workload, &live.deployment, false));
    if precondition::is_marked(&live.deployment) {
        stale.push(request.workload.clone());
    }
    Outcome::Plan(Box::new(Plan {
        before: snapshot::snapshot(
            &live.deployment,
            &live.replica_sets,
            &live.pods,
            !live.autoscalers.is_empty(),
        ),
        dependencies,
        namespace: (!existing.namespace)
            .then(|| namespace(request.namespace, live.namespace.as_ref())),
        objects: created,
        stale,
    }))
}

/// What is said of a dependency that something in the member keeps writing.
fn kept_up_to_date(request: &Request<'_>, key: &ObjectKey, manager: &Manager) -> String {
    let Request {
        cluster, namespace, ..
    } = request;
    format!(
        "{key} of namespace {namespace} in cluster {cluster} is kept up to date there by {} ({}), \
         and stays as it is; have that make it in other clusters too, or set \
         spec.managedDependencies to Copy",
        manager.name, manager.mark
    )
}

/// Why a workload cannot be promoted with its dependencies as they are.
fn unmet(
    request: &Request<'_>,
    differences: &[Difference],
    missing: &[String],
) -> Option<(Reason, String)> {
    if !differences.is_empty() {
        Some((
            Reason::DependencyConflict,
            format!(
                "what {} needs in cluster {} differs from its namesake in namespace {} of the \
                 control plane: {}; make them equal, rename one, or leave dependencies out",
                request.workload,
                request.cluster,
                request.namespace,
                paths(differences)
            ),
        ))
    } else if !missing.is_empty() {
        Some((
            Reason::DependencyMissing,
            format!(
                "{} refers to {}, which namespace {} of cluster {} does not have; create it, or \
                 mark the reference as optional",
                request.workload,
                missing.join(", "),
                request.namespace,
                request.cluster
            ),
        ))
    } else {
        None
    }
}

/// A namespace for the control plane, with the labels it has in the member, that Karmada does not
/// create in other members.
///
/// The label must be there from the first moment: taken away later, or put on later, Karmada
/// would create the namespace everywhere.
#[must_use]
pub fn namespace(name: &str, live: Option<&Value>) -> Value {
    let mut labels: serde_json::Map<String, Value> = live
        .and_then(|live| live["metadata"]["labels"].as_object())
        .into_iter()
        .flatten()
        .filter(|(key, _)| !marks::is_karmada_key(key) && *key != "kubernetes.io/metadata.name")
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    labels.insert(marks::SKIP_AUTO_PROPAGATION.to_owned(), json!("true"));
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
    })
}

impl Refusal {
    /// A refusal without details.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            dependencies: Vec::new(),
            differences: Vec::new(),
            message: message.into(),
            reason,
        }
    }
}

fn planned(request: &Request<'_>, key: &ObjectKey, live: &Value, follows: bool) -> PlannedObject {
    let Request {
        cluster,
        namespace,
        promotion,
        ..
    } = request;
    PlannedObject {
        key: key.clone(),
        policy: policy::staged_policy(key, namespace, cluster, promotion, follows),
        template: template::resource_template(live, key, namespace, true),
    }
}

fn paths(differences: &[Difference]) -> String {
    const SHOWN: usize = 5;
    let mut shown: Vec<_> = differences
        .iter()
        .take(SHOWN)
        .map(|difference| format!("{} {}", difference.object, difference.path))
        .collect();
    if differences.len() > SHOWN {
        shown.push(format!("{} more", differences.len() - SHOWN));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests;
