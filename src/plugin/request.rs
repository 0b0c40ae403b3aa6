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
mod tests {
    use promoter_api::promotion::{Authorized, ClusterStatus, ClusterVerdict, PromotionStatus};

    use super::*;
    use crate::exit::Exit;

    fn wish(desired_state: DesiredState) -> Wish {
        Wish {
            cluster: Some("member1".into()),
            dependencies: None,
            desired_state,
            managed_dependencies: None,
            managed_workload: None,
            on_cluster_removal: None,
            requester: requester("alice"),
            stale_marks: None,
        }
    }

    fn requester(username: &str) -> Requester {
        Requester {
            username: username.to_owned(),
            ..Requester::default()
        }
    }

    fn found(desired_state: DesiredState, phase: Phase) -> Promotion {
        let mut promotion = new(&ObjectKey::deployment("web"), "shop", &wish(desired_state));
        promotion.metadata.generation = Some(2);
        promotion.metadata.resource_version = Some("7".into());
        promotion.status = Some(PromotionStatus {
            observed_generation: Some(2),
            phase,
            ..PromotionStatus::default()
        });
        promotion
    }

    fn decided(wish: &Wish, found: Option<&Promotion>) -> Result<Step, Failure> {
        step(
            &ObjectKey::deployment("web"),
            "shop",
            wish,
            found,
            Timestamp::UNIX_EPOCH,
        )
    }

    #[test]
    fn without_a_promotion_one_is_created() {
        let Ok(Step::Create(promotion)) = decided(&wish(DesiredState::Observed), None) else {
            panic!("not created");
        };
        assert_eq!(promotion.metadata.namespace.as_deref(), Some("shop"));
        assert_eq!(promotion.spec.desired_state, DesiredState::Observed);
        assert_eq!(promotion.spec.dependencies, DependencyKind::all());
    }

    #[test]
    fn what_is_done_or_under_way_is_not_written_again() {
        let promoted = found(DesiredState::Promoted, Phase::Promoted);
        let step = decided(&wish(DesiredState::Promoted), Some(&promoted));
        assert!(matches!(step, Ok(Step::Already(None))));
        for phase in [Phase::Pending, Phase::Waiting, Phase::Committing] {
            let under_way = found(DesiredState::Promoted, phase);
            let step = decided(&wish(DesiredState::Promoted), Some(&under_way));
            assert!(matches!(step, Ok(Step::Follow)), "{phase}");
        }
        let mut unseen = found(DesiredState::Promoted, Phase::Refused);
        unseen.metadata.generation = Some(3);
        let step = decided(&wish(DesiredState::Promoted), Some(&unseen));
        assert!(matches!(step, Ok(Step::Follow)));
    }

    #[test]
    fn the_same_wish_again_is_a_retry() {
        for (state, phase) in [
            (DesiredState::Promoted, Phase::Refused),
            (DesiredState::Promoted, Phase::Failed),
            (DesiredState::Observed, Phase::Observed),
            (DesiredState::Released, Phase::Failed),
        ] {
            let Ok(Step::Patch(patch)) = decided(&wish(state), Some(&found(state, phase))) else {
                panic!("{phase} is not retried");
            };
            assert_eq!(
                patch["metadata"]["annotations"][marks::REQUESTED_AT],
                "1970-01-01T00:00:00Z"
            );
            assert_eq!(patch["metadata"]["resourceVersion"], "7");
            assert_eq!(patch["spec"], json!({"requester": {"username": "alice"}}));
        }
    }

    #[test]
    fn another_wish_changes_what_is_at_rest() {
        for (state, phase) in [
            (DesiredState::Observed, Phase::Observed),
            (DesiredState::Released, Phase::Released),
            (DesiredState::Observed, Phase::Waiting),
        ] {
            let promotion = found(state, phase);
            let Ok(Step::Patch(patch)) = decided(&wish(DesiredState::Promoted), Some(&promotion))
            else {
                panic!("{phase} is not changed");
            };
            assert_eq!(patch["spec"]["desiredState"], "Promoted");
            assert!(patch["metadata"].get("annotations").is_none());
        }
        let under_way = found(DesiredState::Rehearsed, Phase::Staging);
        let failure = decided(&wish(DesiredState::Promoted), Some(&under_way)).unwrap_err();
        assert_eq!(failure.exit(), Exit::Error);
    }

    #[test]
    fn whoever_wishes_it_is_the_requester() {
        let bob = Wish {
            requester: Requester {
                groups: vec!["shop".into()],
                ..requester("bob")
            },
            ..wish(DesiredState::Promoted)
        };
        let Ok(Step::Create(promotion)) = decided(&bob, None) else {
            panic!("not created");
        };
        assert_eq!(promotion.spec.requester, Some(bob.requester.clone()));

        // The same wish of somebody else is no other one: what is under way goes on.
        let under_way = found(DesiredState::Promoted, Phase::Staging);
        assert!(matches!(decided(&bob, Some(&under_way)), Ok(Step::Follow)));
        let mut refused = found(DesiredState::Promoted, Phase::Refused);
        refused.spec.requester = Some(bob.requester);
        let Ok(Step::Patch(patch)) = decided(&wish(DesiredState::Promoted), Some(&refused)) else {
            panic!("not retried");
        };
        assert_eq!(
            patch["spec"]["requester"],
            json!({"username": "alice", "groups": null})
        );
    }

    #[test]
    fn what_is_promoted_is_only_ever_released() {
        let promoted = found(DesiredState::Promoted, Phase::Promoted);
        let failure = decided(&wish(DesiredState::Observed), Some(&promoted)).unwrap_err();
        assert_eq!(failure.exit(), Exit::Refused);
        let elsewhere = Wish {
            cluster: Some("member2".into()),
            ..wish(DesiredState::Promoted)
        };
        let failure = decided(&elsewhere, Some(&promoted)).unwrap_err();
        assert_eq!(failure.exit(), Exit::Refused);
        let late = Wish {
            on_cluster_removal: Some(OnClusterRemoval::Preserve),
            ..wish(DesiredState::Promoted)
        };
        let step = decided(&late, Some(&promoted));
        assert!(matches!(step, Ok(Step::Already(Some(_)))));

        let release = Wish {
            cluster: None,
            ..wish(DesiredState::Released)
        };
        for phase in [Phase::Promoted, Phase::Committing] {
            let promotion = found(DesiredState::Promoted, phase);
            let step = decided(&release, Some(&promotion));
            assert!(
                matches!(step, Ok(Step::Patch(patch)) if patch["spec"]["desiredState"] == "Released")
            );
        }
    }

    #[test]
    fn what_was_denied_of_what_is_promoted_is_set_back() {
        // Bob may not have it released, nor anything else that he has asked for with that.
        let mut denied = found(DesiredState::Released, Phase::Promoted);
        denied.spec.clusters = vec!["member2".into()];
        denied.spec.on_cluster_removal = OnClusterRemoval::Preserve;
        denied.spec.requester = Some(requester("bob"));
        let status = denied.status.as_mut().unwrap();
        status.authorized = Some(Authorized {
            generation: 1,
            on_cluster_removal: OnClusterRemoval::Delete,
        });
        status.clusters = vec![ClusterStatus {
            differences: Vec::new(),
            name: "member1".into(),
            remaining_difference_count: None,
            verdict: ClusterVerdict::Unchanged,
        }];
        status.reason = Some(Reason::NotAuthorized);

        let step = decided(&wish(DesiredState::Promoted), Some(&denied));

        let Ok(Step::Patch(patch)) = step else {
            panic!("not set back: {step:?}");
        };
        assert_eq!(patch["metadata"], json!({"resourceVersion": "7"}));
        assert_eq!(patch["spec"]["clusters"], json!(["member1"]));
        assert_eq!(patch["spec"]["desiredState"], "Promoted");
        assert_eq!(patch["spec"]["onClusterRemoval"], "Delete");
        assert_eq!(patch["spec"]["requester"], json!({"username": "alice"}));

        let preserve = Wish {
            on_cluster_removal: Some(OnClusterRemoval::Preserve),
            ..wish(DesiredState::Promoted)
        };
        let Ok(Step::Patch(patch)) = decided(&preserve, Some(&denied)) else {
            panic!("not set back");
        };
        assert_eq!(patch["spec"]["onClusterRemoval"], "Preserve");
        // Nor is anything else left of what he was denied.
        denied.spec.clusters = vec!["member1".into()];
        denied.spec.desired_state = DesiredState::Promoted;
        let Ok(Step::Patch(patch)) = decided(&wish(DesiredState::Promoted), Some(&denied)) else {
            panic!("not set back");
        };
        assert_eq!(patch["spec"]["onClusterRemoval"], "Delete");
        denied.spec.on_cluster_removal = OnClusterRemoval::Delete;
        let step = decided(&wish(DesiredState::Promoted), Some(&denied));
        assert!(matches!(step, Ok(Step::Already(None))));
        // It was promoted from member1, whatever bob has written.
        let elsewhere = Wish {
            cluster: Some("member2".into()),
            ..wish(DesiredState::Promoted)
        };
        let failure = decided(&elsewhere, Some(&denied)).unwrap_err();
        assert_eq!(failure.exit(), Exit::Refused);
    }

    #[test]
    fn a_status_must_answer_the_retry_too() {
        let mut promotion = found(DesiredState::Promoted, Phase::Refused);
        assert!(answers_request(&promotion));
        let annotation = (marks::REQUESTED_AT.to_owned(), "now".to_owned());
        promotion.metadata.annotations = Some([annotation].into());
        assert!(!answers_request(&promotion));
        promotion.status.as_mut().unwrap().requested_at = Some("now".into());
        assert!(answers_request(&promotion));
        promotion.status = None;
        assert!(!answers_request(&promotion));
    }
}
