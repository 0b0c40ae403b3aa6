//! What a Promotion's status says after each phase.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use promoter_api::{
    promotion::{DependencyKind, DesiredState, OnClusterRemoval, PromotionSpec, Snapshot},
    reason::Reason,
};

use super::*;

/// Every phase, with the conditions that it brings when there were none, as `Type=Status Reason`.
const CONDITIONS: [(Phase, &[&str]); 15] = [
    (Phase::Pending, &["Promoted=Unknown Pending"]),
    (Phase::Waiting, &["Promoted=False Waiting"]),
    (
        Phase::Staging,
        &["Planned=True PlanAccepted", "Promoted=Unknown Staging"],
    ),
    (Phase::Abandoning, &["Promoted=False Abandoning"]),
    (
        Phase::Committing,
        &[
            "Guarded=False GuardNotInstalled",
            "Promoted=Unknown Committing",
            "Rehearsed=True Unchanged",
        ],
    ),
    (Phase::Verifying, &["Promoted=Unknown Verifying"]),
    (Phase::Settling, &["Promoted=Unknown Settling"]),
    (
        Phase::Promoted,
        &["Promoted=True Verified", "Released=False Promoted"],
    ),
    (Phase::RollingBack, &["Promoted=False RollingBack"]),
    (Phase::Releasing, &["Released=False Releasing"]),
    (
        Phase::Observed,
        &["Planned=True PlanAccepted", "Rehearsed=Unknown Predicted"],
    ),
    (
        Phase::Rehearsed,
        &["Promoted=False Rehearsed", "Rehearsed=True Unchanged"],
    ),
    (Phase::Refused, &["Promoted=False Refused"]),
    (Phase::Failed, &["Promoted=False Failed"]),
    (
        Phase::Released,
        &["Promoted=False Released", "Released=True Released"],
    ),
];

#[test]
fn each_phase_brings_its_conditions() {
    for (phase, expected) in CONDITIONS {
        let status = record(PromotionStatus::default()).entered(phase, None, at(5));
        assert_eq!(told(&status), expected, "{phase}");
        for condition in &status.conditions {
            assert_eq!(condition.observed_generation, Some(2), "{phase}");
            assert_eq!(condition.last_transition_time, Time(at(5)), "{phase}");
        }
    }
}

#[test]
fn the_reason_is_the_conditions_reason_where_it_was_not_promoted() {
    for (phase, without) in CONDITIONS {
        let status = record(PromotionStatus::default()).entered(phase, Some(&restarts()), at(5));
        assert_eq!(status.reason, Some(Reason::WouldRestartPods), "{phase}");
        assert_eq!(status.message.as_deref(), Some("it would"), "{phase}");
        match phase {
            Phase::Failed | Phase::RollingBack => {
                assert_eq!(
                    told(&status),
                    ["Promoted=False WouldRestartPods"],
                    "{phase}"
                );
            }
            Phase::Abandoning | Phase::Refused | Phase::Waiting => {
                assert_eq!(
                    told(&status),
                    [
                        "Promoted=False WouldRestartPods",
                        "Rehearsed=False WouldRestartPods"
                    ],
                    "{phase}"
                );
                assert_eq!(status.conditions[0].message, "it would", "{phase}");
            }
            _ => assert_eq!(told(&status), without, "{phase}"),
        }
    }
}

#[test]
fn a_promotion_collects_its_conditions_on_the_way() {
    let status = walk(
        PromotionStatus::default(),
        &[
            Phase::Pending,
            Phase::Staging,
            Phase::Committing,
            Phase::Verifying,
            Phase::Settling,
            Phase::Promoted,
        ],
    );
    assert_eq!(
        told(&status),
        [
            "Guarded=False GuardNotInstalled",
            "Planned=True PlanAccepted",
            "Promoted=True Verified",
            "Rehearsed=True Unchanged",
            "Released=False Promoted",
        ]
    );
    let status = walk(status, &[Phase::Releasing]);
    // Karmada keeps it until it has let go.
    assert!(told(&status).contains(&"Promoted=True Verified".to_owned()));
    let status = walk(status, &[Phase::Released]);
    assert!(told(&status).contains(&"Promoted=False Released".to_owned()));
    assert!(told(&status).contains(&"Released=True Released".to_owned()));
}

#[test]
fn a_new_attempt_leaves_nothing_of_the_last_one_standing() {
    for last in [Phase::Promoted, Phase::Released, Phase::Failed] {
        let status = walk(
            PromotionStatus::default(),
            &[Phase::Staging, Phase::Committing, last],
        );
        let status = walk(status, &[Phase::Pending]);
        assert_eq!(told(&status), ["Promoted=Unknown Pending"], "{last}");
        let refused = record(status).entered(Phase::Refused, Some(&restarts()), at(9));
        assert_eq!(
            told(&refused),
            [
                "Promoted=False WouldRestartPods",
                "Rehearsed=False WouldRestartPods"
            ],
            "{last}"
        );
    }
}

#[test]
fn the_reason_is_kept_while_what_was_begun_is_undone() {
    for (path, kept) in [
        (&[Phase::Abandoning, Phase::Refused][..], true),
        (&[Phase::Abandoning, Phase::Waiting], true),
        (&[Phase::RollingBack, Phase::Failed], true),
        (
            &[Phase::Abandoning, Phase::Abandoning, Phase::Refused],
            true,
        ),
        (&[Phase::Abandoning, Phase::Pending], false),
        (&[Phase::Abandoning, Phase::Waiting, Phase::Staging], false),
        (&[Phase::Abandoning, Phase::Rehearsed], false),
        (&[Phase::Abandoning, Phase::Refused, Phase::Released], false),
    ] {
        let begun = walk(
            PromotionStatus::default(),
            &[Phase::Pending, Phase::Staging],
        );
        let undone = record(begun).entered(path[0], Some(&restarts()), at(5));
        let status = walk(undone, &path[1..]);
        let expected = kept.then_some(Reason::WouldRestartPods);
        assert_eq!(status.reason, expected, "{path:?}");
        let expected = kept.then_some("it would");
        assert_eq!(status.message.as_deref(), expected, "{path:?}");
        if kept {
            let promoted = condition(&status, "Promoted");
            assert_eq!(promoted.reason, "WouldRestartPods", "{path:?}");
            assert_eq!(promoted.message, "it would", "{path:?}");
        }
    }
}

#[test]
fn the_latest_reason_counts() {
    let late = Outcome {
        message: "changed".to_owned(),
        reason: Reason::LateEdit,
    };
    let status =
        record(PromotionStatus::default()).entered(Phase::Waiting, Some(&restarts()), at(1));
    let status = record(status).entered(Phase::Waiting, Some(&late), at(2));
    assert_eq!(status.reason, Some(Reason::LateEdit));
    assert_eq!(told(&status), ["Promoted=False LateEdit"]);
}

#[test]
fn phases_are_listed_once_each_and_anew_for_a_new_attempt() {
    let list = |status: &PromotionStatus| -> Vec<(Phase, i64)> {
        let phases = status.phases.iter();
        phases
            .map(|it| (it.phase, it.since.0.as_second()))
            .collect()
    };
    // What has no status yet is pending already.
    let status = record(PromotionStatus::default()).entered(Phase::Pending, None, at(0));
    assert_eq!(list(&status), []);
    let status = record(status).entered(Phase::Waiting, Some(&restarts()), at(1));
    let status = record(status).entered(Phase::Waiting, Some(&restarts()), at(2));
    let status = record(status).entered(Phase::Staging, None, at(3));
    assert_eq!(list(&status), [(Phase::Waiting, 1), (Phase::Staging, 3)]);
    assert_eq!(record(status.clone()).phase_age(at(10)), 7);
    let status = record(status).entered(Phase::Abandoning, None, at(4));
    let status = record(status).entered(Phase::Pending, None, at(5));
    assert_eq!(list(&status), [(Phase::Pending, 5)]);
    assert_eq!(record(PromotionStatus::default()).phase_age(at(10)), 0);
}

#[test]
fn a_condition_tells_since_when_it_is_so() {
    let since = |status: &PromotionStatus, kind: &str| {
        condition(status, kind).last_transition_time.0.as_second()
    };
    let status = record(PromotionStatus::default()).entered(Phase::Pending, None, at(1));
    let status = record(status).entered(Phase::Staging, None, at(2));
    assert_eq!(since(&status, "Promoted"), 1);
    assert_eq!(since(&status, "Planned"), 2);
    let status = record(status).entered(Phase::Committing, None, at(3));
    assert_eq!(since(&status, "Promoted"), 1);
    assert_eq!(condition(&status, "Promoted").reason, "Committing");
    let status = record(status).entered(Phase::RollingBack, Some(&restarts()), at(4));
    assert_eq!(since(&status, "Promoted"), 4);
    let status = record(status).entered(Phase::Failed, None, at(5));
    assert_eq!(since(&status, "Promoted"), 4);
    assert_eq!(since(&status, "Planned"), 2);
    let status = record(status).entered(Phase::Pending, None, at(6));
    assert_eq!(since(&status, "Promoted"), 6);
}

#[test]
fn only_some_phases_answer_what_was_asked() {
    for (phase, _) in CONDITIONS {
        let mut record = record(PromotionStatus {
            observed_generation: Some(1),
            requested_at: Some("monday".to_owned()),
            ..PromotionStatus::default()
        });
        request_at(&mut record, Some("tuesday"));
        assert!(record.intent().renewed);
        record.promotion.status = Some(record.entered(phase, None, at(1)));
        let answers = matches!(
            phase,
            Phase::Pending | Phase::Released | Phase::Releasing | Phase::Settling
        );
        assert_eq!(record.intent().renewed, !answers, "{phase}");
        if answers {
            let status = record.status();
            assert_eq!(status.observed_generation, Some(2), "{phase}");
            assert_eq!(status.requested_at.as_deref(), Some("tuesday"), "{phase}");
        }
    }
}

#[test]
fn a_request_is_new_until_the_status_is_about_it() {
    for (seen, answered, requested, renewed) in [
        (None, None, None, true),
        (Some(1), None, None, true),
        (Some(2), None, None, false),
        (Some(2), None, Some("monday"), true),
        (Some(2), Some("monday"), Some("monday"), false),
        (Some(2), Some("monday"), Some("tuesday"), true),
        (Some(1), Some("monday"), Some("monday"), true),
        // Taking the annotation away is a change, too.
        (Some(2), Some("monday"), None, true),
    ] {
        let mut record = record(PromotionStatus {
            observed_generation: seen,
            requested_at: answered.map(str::to_owned),
            ..PromotionStatus::default()
        });
        request_at(&mut record, requested);
        assert_eq!(
            record.intent().renewed,
            renewed,
            "{seen:?} {answered:?} {requested:?}"
        );
    }
    let mut new = record(PromotionStatus::default());
    new.promotion.status = None;
    assert!(new.intent().renewed);
    assert_eq!(new.phase(), Phase::Pending);
}

#[test]
fn the_intent_is_that_of_the_spec() {
    let mut record = record(PromotionStatus::default());
    record
        .promotion
        .status
        .as_mut()
        .unwrap()
        .observed_generation = Some(2);
    let plain = Intent {
        deleted: false,
        desired: DesiredState::Promoted,
        on_cluster_removal: OnClusterRemoval::Delete,
        renewed: false,
        suspended: false,
    };
    assert_eq!(record.intent(), plain);
    record.promotion.metadata.deletion_timestamp = Some(Time(at(1)));
    record.promotion.spec.desired_state = DesiredState::Released;
    record.promotion.spec.on_cluster_removal = OnClusterRemoval::Preserve;
    record.promotion.spec.suspend = true;
    assert_eq!(
        record.intent(),
        Intent {
            deleted: true,
            desired: DesiredState::Released,
            on_cluster_removal: OnClusterRemoval::Preserve,
            renewed: false,
            suspended: true,
        }
    );
}

#[test]
fn what_was_before_is_forgotten_by_a_new_attempt_alone() {
    for (phase, _) in CONDITIONS {
        let status = record(begun("member2")).entered(phase, None, at(1));
        let forgotten = phase == Phase::Pending;
        assert_eq!(status.before.is_none(), forgotten, "{phase}");
        assert_eq!(status.rehearsed.is_none(), forgotten, "{phase}");
        // Promoted: where it was promoted from, not what the spec says meanwhile.
        let placed: &[&str] = match phase {
            Phase::Promoted => &["member2"],
            _ => &[],
        };
        assert_eq!(status.placed, placed, "{phase}");
    }
}

#[test]
fn the_origin_is_what_was_planned_for() {
    assert_eq!(record(PromotionStatus::default()).origin(), "member1");
    assert_eq!(record(begun("member2")).origin(), "member2");
    // Nothing is staged for a cluster whose refusal alone was recorded.
    let refused = PromotionStatus {
        before: None,
        ..begun("member2")
    };
    assert_eq!(record(refused).origin(), "member1");
    let unknown = PromotionStatus {
        clusters: Vec::new(),
        ..begun("member2")
    };
    assert_eq!(record(unknown).origin(), "member1");
}

#[test]
fn a_status_stays_small_and_says_what_it_leaves_out() {
    let difference = |object: &str, index: usize| Difference {
        live: None,
        object: object.to_owned(),
        path: format!("/data/{index}"),
        rendered: None,
    };
    // Of two objects, and too many only together.
    let differences = (0..70)
        .flat_map(|index| {
            [
                difference("ConfigMap/a", index),
                difference("Secret/b", index),
            ]
        })
        .collect();
    let [told] = &cluster("member1", ClusterVerdict::WouldChange, differences)[..] else {
        panic!("one cluster")
    };
    assert_eq!(told.differences.len(), 100);
    assert_eq!(told.remaining_difference_count, Some(40));
    let few = cluster(
        "member1",
        ClusterVerdict::Unknown,
        vec![difference("Secret/b", 1)],
    );
    assert_eq!(few[0].remaining_difference_count, None);
}

#[test]
fn a_condition_says_what_is_kept_up_to_date_in_the_member() {
    let dependency = |managed_by: Option<&str>| DependencyStatus {
        action: DependencyAction::Skipped,
        kind: DependencyKind::Secret,
        managed_by: managed_by.map(str::to_owned),
        message: None,
        name: "tls".to_owned(),
        through_service_account: false,
    };
    let mut status = PromotionStatus {
        dependencies: vec![dependency(None), dependency(Some("cert-manager"))],
        ..PromotionStatus::default()
    };
    conditions::update_dependencies(&mut status, Some(2), at(1));
    let [condition] = &status.conditions[..] else {
        panic!("{:?}", status.conditions)
    };
    assert_eq!(condition.type_, "DependenciesFederated");
    assert_eq!(
        (condition.status.as_str(), condition.reason.as_str()),
        ("False", "ManagedInMember")
    );
    assert!(
        condition.message.contains(": Secret/tls by cert-manager;"),
        "{}",
        condition.message
    );

    // Nothing is said where there is nothing to say, nor goes on being said.
    status.dependencies.pop();
    conditions::update_dependencies(&mut status, Some(2), at(2));
    assert_eq!(status.conditions, []);
}

#[test]
fn only_what_goes_along_is_an_object_of_the_promotion() {
    let dependency = |action, name: &str| DependencyStatus {
        action,
        kind: DependencyKind::Secret,
        managed_by: None,
        message: None,
        name: name.to_owned(),
        through_service_account: false,
    };
    let record = record(PromotionStatus {
        dependencies: vec![
            dependency(DependencyAction::Reused, "reused"),
            dependency(DependencyAction::Skipped, "skipped"),
            dependency(DependencyAction::Created, "created"),
            dependency(DependencyAction::Conflict, "conflict"),
        ],
        ..PromotionStatus::default()
    });
    let objects: Vec<_> = record.objects().iter().map(ToString::to_string).collect();
    assert_eq!(
        objects,
        ["Secret/reused", "Secret/created", "Deployment/web"]
    );
}

#[test]
fn a_status_is_applied_to_the_promotion_as_it_was_read() {
    let mut record = record(PromotionStatus::default());
    record.promotion.metadata.resource_version = Some("7".to_owned());
    let status = PromotionStatus {
        phase: Phase::Staging,
        ..PromotionStatus::default()
    };
    assert_eq!(
        record.apply(&status).unwrap(),
        json!({
            "apiVersion": "promote.karmada.io/v1alpha1",
            "kind": "Promotion",
            "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "7"},
            "status": {"phase": "Staging"},
        })
    );
    let reference = record.reference();
    assert_eq!(reference.name.as_deref(), Some("web"));
    assert_eq!(reference.namespace.as_deref(), Some("shop"));
    assert_eq!(reference.uid.as_deref(), Some("p1"));
}

fn walk(status: PromotionStatus, phases: &[Phase]) -> PromotionStatus {
    phases.iter().fold(status, |status, phase| {
        record(status).entered(*phase, None, at(1))
    })
}

/// The conditions as `Type=Status Reason`.
fn told(status: &PromotionStatus) -> Vec<String> {
    status
        .conditions
        .iter()
        .map(|it| format!("{}={} {}", it.type_, it.status, it.reason))
        .collect()
}

fn condition<'a>(status: &'a PromotionStatus, kind: &str) -> &'a Condition {
    let mut conditions = status.conditions.iter();
    conditions.find(|it| it.type_ == kind).unwrap()
}

fn restarts() -> Outcome {
    Outcome {
        message: "it would".to_owned(),
        reason: Reason::WouldRestartPods,
    }
}

/// A status with something recorded about a promotion from a cluster.
fn begun(cluster_name: &str) -> PromotionStatus {
    PromotionStatus {
        before: Some(Snapshot::default()),
        clusters: cluster(cluster_name, ClusterVerdict::Unknown, Vec::new()),
        rehearsed: Some("digest".to_owned()),
        ..PromotionStatus::default()
    }
}

/// A Promotion of `shop/web` from member1, in its second generation.
fn record(status: PromotionStatus) -> Record {
    let spec = json!({"clusters": ["member1"], "workload": {"name": "web"}});
    let spec: PromotionSpec = serde_json::from_value(spec).unwrap();
    let mut promotion = Promotion::new("web", spec);
    promotion.metadata.generation = Some(2);
    promotion.metadata.namespace = Some("shop".to_owned());
    promotion.metadata.uid = Some("p1".to_owned());
    promotion.status = Some(status);
    Record { promotion }
}

fn request_at(record: &mut Record, time: Option<&str>) {
    let annotations = time.map(|time| (marks::REQUESTED_AT.to_owned(), time.to_owned()));
    record.promotion.metadata.annotations = Some(annotations.into_iter().collect());
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}
