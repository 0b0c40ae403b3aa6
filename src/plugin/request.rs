//! What is to be written so that the engine does what is wished, given the Promotion that is
//! there already.

use anyhow::anyhow;
use jiff::Timestamp;
use promoter_api::{
    marks,
    promotion::{
        DependencyKind, DesiredState, ManagedDependencies, ManagedWorkload, OnClusterRemoval,
        Phase, Promotion, PromotionSpec, Requester, StaleMarks, WorkloadReference,
    },
    reason::Reason,
};
use promoter_domain::{merge_patch::replacing, object::ObjectKey};
use serde_json::{Value, json};

use crate::failure::Failure;

/// What is wished for a workload. What is not said stays as it is.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// The cluster to promote it from; nothing to release it.
    pub(crate) cluster: Option<String>,
    /// The kinds of dependencies that go along.
    pub(crate) dependencies: Option<Vec<DependencyKind>>,
    /// How far to go.
    pub(crate) desired_state: DesiredState,
    /// What is done about dependencies that something in the member keeps writing.
    pub(crate) managed_dependencies: Option<ManagedDependencies>,
    /// What is done about a workload that another tool manages.
    pub(crate) managed_workload: Option<ManagedWorkload>,
    /// What happens in a cluster that leaves the placement.
    pub(crate) on_cluster_removal: Option<OnClusterRemoval>,
    /// Who wishes it.
    pub(crate) requester: Requester,
    /// What is done about marks of another Karmada.
    pub(crate) stale_marks: Option<StaleMarks>,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Step {
    /// There is nothing left to do; what else there is to say about it.
    Already(Option<String>),
    /// Create the Promotion.
    Create(Box<Promotion>),
    /// It is under way; wait for it.
    Follow,
    /// Change the Promotion by a merge patch.
    Patch(Value),
}

/// Tells what is to be done.
pub(crate) fn step(
    workload: &ObjectKey,
    namespace: &str,
    wish: &Wish,
    found: Option<&Promotion>,
    now: Timestamp,
) -> Result<Step, Failure> {
    let Some(found) = found else {
        return Ok(Step::Create(Box::new(new(workload, namespace, wish))));
    };
    let name = format!("{namespace}/{}", workload.name);
    if found.metadata.deletion_timestamp.is_some() {
        return Err(anyhow!("Promotion {name} is being deleted; try again when it is gone").into());
    }
    let phase = phase(found);
    let rests = answers_request(found) && phase.is_at_rest();
    let spec = changed(&found.spec, wish);
    let releases = wish.desired_state == DesiredState::Released;
    if rests && phase == Phase::Promoted && !releases {
        return federated(&name, found, wish, &spec);
    }
    if spec == found.spec {
        return Ok(if !rests {
            Step::Follow
        } else if releases && phase == Phase::Released {
            Step::Already(None)
        } else {
            Step::Patch(patch(found, wish, None, Some(now)))
        });
    }
    if rests || releases || matches!(phase, Phase::Pending | Phase::Waiting) {
        return Ok(Step::Patch(patch(found, wish, Some(&spec), None)));
    }
    Err(anyhow!(
        "Promotion {name} is under way with another wish ({}, from {}; {phase}); wait until it is \
         done, see `kubectl promote status`",
        found.spec.desired_state,
        found.spec.clusters.join(", ")
    )
    .into())
}

/// Where a Promotion stands, by its status.
pub(crate) fn phase(promotion: &Promotion) -> Phase {
    promotion
        .status
        .as_ref()
        .map(|status| status.phase)
        .unwrap_or_default()
}

/// Whether a Promotion's status is about what its spec asks for now, and about the last retry.
pub(crate) fn answers_request(promotion: &Promotion) -> bool {
    let Some(status) = &promotion.status else {
        return false;
    };
    let requested = promotion
        .metadata
        .annotations
        .as_ref()
        .and_then(|annotations| annotations.get(marks::REQUESTED_AT));
    status.observed_generation == promotion.metadata.generation
        && (requested.is_none() || requested == status.requested_at.as_ref())
}

/// The phase in which what is wished is done.
pub(crate) const fn goal(desired_state: DesiredState) -> Phase {
    match desired_state {
        DesiredState::Observed => Phase::Observed,
        DesiredState::Promoted => Phase::Promoted,
        DesiredState::Rehearsed => Phase::Rehearsed,
        DesiredState::Released => Phase::Released,
    }
}

fn new(workload: &ObjectKey, namespace: &str, wish: &Wish) -> Promotion {
    let spec = PromotionSpec {
        clusters: wish.cluster.clone().into_iter().collect(),
        dependencies: wish
            .dependencies
            .clone()
            .unwrap_or_else(DependencyKind::all),
        desired_state: wish.desired_state,
        managed_dependencies: wish.managed_dependencies.unwrap_or_default(),
        managed_workload: wish.managed_workload.unwrap_or_default(),
        on_cluster_removal: wish.on_cluster_removal.unwrap_or_default(),
        requester: Some(wish.requester.clone()),
        stale_marks: wish.stale_marks.unwrap_or_default(),
        suspend: false,
        workload: WorkloadReference::deployment(&workload.name),
    };
    let mut promotion = Promotion::new(&workload.name, spec);
    promotion.metadata.namespace = Some(namespace.to_owned());
    promotion
}

fn changed(spec: &PromotionSpec, wish: &Wish) -> PromotionSpec {
    let mut spec = spec.clone();
    if let Some(cluster) = &wish.cluster {
        spec.clusters = vec![cluster.clone()];
    }
    if let Some(dependencies) = &wish.dependencies {
        let mut present = spec.dependencies.clone();
        present.sort_unstable();
        if present != *dependencies {
            spec.dependencies.clone_from(dependencies);
        }
    }
    if let Some(on_cluster_removal) = wish.on_cluster_removal {
        spec.on_cluster_removal = on_cluster_removal;
    }
    spec.managed_dependencies = wish
        .managed_dependencies
        .unwrap_or(spec.managed_dependencies);
    spec.managed_workload = wish.managed_workload.unwrap_or(spec.managed_workload);
    spec.stale_marks = wish.stale_marks.unwrap_or(spec.stale_marks);
    spec.desired_state = wish.desired_state;
    spec
}

/// What is to be done, or said, when the workload is Karmada's already.
fn federated(
    name: &str,
    found: &Promotion,
    wish: &Wish,
    spec: &PromotionSpec,
) -> Result<Step, Failure> {
    let status = found.status.clone().unwrap_or_default();
    // What somebody was denied stands in the spec, and is not where it was promoted from.
    let from = match &status.clusters[..] {
        [] => found.spec.clusters.clone(),
        clusters => clusters.iter().map(|it| it.name.clone()).collect(),
    };
    if spec.clusters != from || wish.desired_state != DesiredState::Promoted {
        return Err(Failure::refused(
            Reason::AlreadyFederated,
            format!(
                "{name} has been promoted from cluster {} already; edit its template and its \
                 PropagationPolicy in the control plane, or let it go first by `kubectl promote \
                 release`",
                from.join(", ")
            ),
        ));
    }
    let kept = PromotionSpec {
        clusters: from,
        desired_state: DesiredState::Promoted,
        on_cluster_removal: status
            .authorized
            .map_or(found.spec.on_cluster_removal, |it| it.on_cluster_removal),
        ..found.spec.clone()
    };
    if kept != found.spec {
        // Left there, it would be what the next one to edit the spec asks for, too.
        let spec = changed(&kept, wish);
        return Ok(Step::Patch(patch(found, wish, Some(&spec), None)));
    }
    if *spec == kept {
        return Ok(Step::Already(None));
    }
    Ok(Step::Already(Some(
        "--dependencies, --managed-dependencies, --managed-workload, --on-cluster-removal and \
         --stale-marks count while a workload is being promoted, and change nothing now; edit its \
         PropagationPolicy"
            .to_owned(),
    )))
}

/// The patch fails if the Promotion has changed meanwhile: then it is decided anew.
///
/// Whoever wishes it takes the place of whoever has asked before, for a retry too: what it comes
/// to depends on what they may do.
fn patch(
    found: &Promotion,
    wish: &Wish,
    spec: Option<&PromotionSpec>,
    retry: Option<Timestamp>,
) -> Value {
    let mut patch = json!({ "metadata": { "resourceVersion": found.metadata.resource_version } });
    if let Some(now) = retry {
        patch["metadata"]["annotations"] = json!({ (marks::REQUESTED_AT): now.to_string() });
    }
    if let Some(spec) = spec {
        patch["spec"] = json!({
            "clusters": spec.clusters,
            "dependencies": spec.dependencies,
            "desiredState": spec.desired_state,
            "managedDependencies": spec.managed_dependencies,
            "managedWorkload": spec.managed_workload,
            "onClusterRemoval": spec.on_cluster_removal,
            "staleMarks": spec.stale_marks,
        });
    }
    let (before, requester) = (json!(found.spec.requester), json!(wish.requester));
    patch["spec"]["requester"] = replacing(&before, &requester);
    patch
}

#[cfg(test)]
mod tests;
