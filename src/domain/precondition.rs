//! What must hold before a workload is promoted, found before anything is written.

use promoter_api::{
    marks,
    promotion::{ManagedWorkload, StaleMarks, WorkloadReference},
    reason::Reason,
};
use serde_json::Value;

use crate::{
    manager::Manager,
    object::ObjectKey,
    plan::{Existing, Live, Refusal, Request},
};

/// Refuses what is no Deployment, by what the spec says alone.
pub fn check_kind(
    workload: &WorkloadReference,
    namespace: &str,
    cluster: &str,
) -> Result<(), Refusal> {
    let WorkloadReference {
        api_version,
        kind,
        name,
    } = workload;
    if *workload == WorkloadReference::deployment(name) {
        return Ok(());
    }
    Err(Refusal::new(
        Reason::UnsupportedKind,
        format!(
            "{kind}/{name} of namespace {namespace} in cluster {cluster}: {kind} of {api_version} \
             is not supported; Deployments of apps/v1 are, promote one of those"
        ),
    ))
}

/// Checks everything that can be told without writing.
pub fn check(request: &Request<'_>, live: &Live, existing: &Existing) -> Result<(), Refusal> {
    namespace(request)?;
    if !request.workload.names_fit() {
        return Err(Refusal::new(
            Reason::NameTooLong,
            name_too_long(request, request.workload),
        ));
    }
    federated(request, live, existing)?;
    owner(request, live)?;
    tool(request, live)?;
    rollout(request, &live.deployment)
}

/// What is said of a name that is too long.
pub(crate) fn name_too_long(request: &Request<'_>, key: &ObjectKey) -> String {
    let Request {
        cluster, namespace, ..
    } = request;
    format!(
        "{key} of namespace {namespace} in cluster {cluster}: the names that Karmada and the \
         promoter make of it would be longer than the 253 characters that Kubernetes allows; give \
         it a shorter name"
    )
}

/// Namespaces whose templates Karmada never propagates.
///
/// Source: Karmada's `pkg/util/names/names.go`, `IsReservedNamespace`, and the default of its
/// flag `--skipped-propagating-namespaces`.
#[must_use]
pub fn is_reserved_namespace(namespace: &str) -> bool {
    namespace == "karmada-system"
        || namespace == "karmada-cluster"
        || namespace.starts_with("karmada-es-")
        || namespace.starts_with("kube-")
}

fn namespace(request: &Request<'_>) -> Result<(), Refusal> {
    let Request {
        cluster,
        namespace,
        workload,
        ..
    } = request;
    if is_reserved_namespace(namespace) {
        return Err(Refusal::new(
            Reason::NamespaceReserved,
            format!(
                "{workload} of cluster {cluster} is in namespace {namespace}, which is kept for \
                 the system: Karmada never propagates what is in it; promote workloads of other \
                 namespaces"
            ),
        ));
    }
    Ok(())
}

/// Refuses what Karmada has already, and what bears marks that only another Karmada can explain.
fn federated(request: &Request<'_>, live: &Live, existing: &Existing) -> Result<(), Refusal> {
    let Request {
        cluster,
        namespace,
        workload,
        ..
    } = request;
    let template = existing
        .objects
        .iter()
        .find(|object| object.key == **workload)
        .and_then(|object| object.template.as_ref());
    let policy = template.map(|template| claimed_by(template, namespace));
    if existing.work.is_some() {
        return Err(Refusal::new(
            Reason::AlreadyFederated,
            format!(
                "{workload} in namespace {namespace} of cluster {cluster} is federated already, \
                 by {} and ResourceBinding {namespace}/{}; edit it in the control plane",
                policy.as_deref().unwrap_or("a Work of this control plane"),
                workload.binding_name()
            ),
        ));
    }
    if let Some(policy) = policy {
        // What a promotion that was given up has left of somebody else's template goes nowhere.
        let is_left = |binding: &&Value| {
            binding["spec"]["suspension"]["dispatching"] == true
                && binding["metadata"]["labels"][marks::POLICY_ID].is_null()
        };
        let binding = existing.binding.as_ref();
        let binding = binding.filter(|binding| !is_left(binding));
        let bound = binding.and_then(|binding| binding["spec"]["clusters"].as_array());
        let here =
            bound.is_some_and(|clusters| clusters.iter().any(|bound| bound["name"] == *cluster));
        return Err(if here {
            Refusal::new(
                Reason::AlreadyFederated,
                format!(
                    "{workload} of namespace {namespace} is federated to cluster {cluster} \
                     already, by {policy} and ResourceBinding {namespace}/{}; edit it in the \
                     control plane",
                    workload.binding_name()
                ),
            )
        } else {
            Refusal::new(
                Reason::ConflictingTemplate,
                format!(
                    "the control plane has another {workload} in namespace {namespace} than \
                     cluster {cluster}, claimed by {policy}; rename one of them, or delete that \
                     template"
                ),
            )
        });
    }
    if is_marked(&live.deployment) && request.spec.stale_marks == StaleMarks::Refuse {
        return Err(stale(request, workload));
    }
    Ok(())
}

/// What is said of an object that bears marks of which this control plane knows nothing.
pub(crate) fn stale(request: &Request<'_>, key: &ObjectKey) -> Refusal {
    let Request {
        cluster, namespace, ..
    } = request;
    Refusal::new(
        Reason::ManagedByOther,
        format!(
            "{key} in namespace {namespace} of cluster {cluster} bears the marks of a Karmada, \
             but no Work of this control plane is behind them; release it in the Karmada that it \
             belongs to, or, if that is no more, set spec.staleMarks to Strip"
        ),
    )
}

/// Whether an object bears the mark by which Karmada takes it for its own: it writes to such an
/// object without being told to, and deletes it with the Work.
pub(crate) fn is_marked(live: &Value) -> bool {
    live["metadata"]["labels"][marks::MANAGED] == "true"
}

/// The policy that has claimed a template, in words.
pub(crate) fn claimed_by(template: &Value, namespace: &str) -> String {
    let annotations = &template["metadata"]["annotations"];
    match (
        annotations[marks::POLICY_NAME].as_str(),
        &annotations["clusterpropagationpolicy.karmada.io/name"],
    ) {
        (Some(name), _) => format!("PropagationPolicy {namespace}/{name}"),
        (None, Value::String(name)) => format!("ClusterPropagationPolicy {name}"),
        _ => "no policy".to_owned(),
    }
}

fn owner(request: &Request<'_>, live: &Live) -> Result<(), Refusal> {
    let owners: Vec<_> = live.deployment["metadata"]["ownerReferences"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|owner| {
            let word = |key: &str| owner[key].as_str().unwrap_or_default();
            format!("{}/{}", word("kind"), word("name"))
        })
        .collect();
    if owners.is_empty() {
        return Ok(());
    }
    let Request {
        cluster,
        namespace,
        workload,
        ..
    } = request;
    Err(Refusal::new(
        Reason::OwnedByController,
        format!(
            "{workload} in namespace {namespace} of cluster {cluster} is owned by {}, which would \
             go on writing to it; promote what its owner is made from instead",
            owners.join(", ")
        ),
    ))
}

fn tool(request: &Request<'_>, live: &Live) -> Result<(), Refusal> {
    if request.spec.managed_workload == ManagedWorkload::Allow {
        return Ok(());
    }
    let Some(manager) = Manager::of_workload(&live.deployment) else {
        return Ok(());
    };
    let Request {
        cluster,
        namespace,
        workload,
        ..
    } = request;
    Err(Refusal::new(
        Reason::ManagedByOther,
        format!(
            "{workload} in namespace {namespace} of cluster {cluster} is managed by {} ({}), \
             which would undo what Karmada writes; stop it there first and take its mark off, or \
             set spec.managedWorkload of the \
             Promotion to Allow",
            manager.name, manager.mark
        ),
    ))
}

/// Refuses while pods are being replaced: what is compared afterwards would be a moving target.
///
/// A Deployment that never became ready may be promoted; it only must not be on its way from one
/// pod template to another. Source: Kubernetes' "Deployments", "Complete Deployment".
fn rollout(request: &Request<'_>, deployment: &Value) -> Result<(), Refusal> {
    let number = |value: &Value| value.as_i64().unwrap_or_default();
    let status = &deployment["status"];
    let wanted = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
    let seen =
        number(&status["observedGeneration"]) >= number(&deployment["metadata"]["generation"]);
    let updated = number(&status["updatedReplicas"]);
    let paused = deployment["spec"]["paused"] == true;
    // A paused Deployment makes no progress, and so its pods stay as they are.
    let there = number(&status["replicas"]);
    if seen && (paused || (updated >= wanted && there <= updated)) {
        return Ok(());
    }
    let Request {
        cluster,
        namespace,
        workload,
        ..
    } = request;
    Err(Refusal::new(
        Reason::RolloutInProgress,
        format!(
            "{workload} in namespace {namespace} of cluster {cluster} was changed or is being rolled out \
             ({updated} of {wanted} replicas updated, {there} pods in all); it is promoted when the roll-out is \
             done, and `kubectl rollout status` there says what that waits for"
        ),
    ))
}

#[cfg(test)]
mod tests;
