//! What is written for a wish, by what is there already.

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
