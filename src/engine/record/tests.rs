//! What a Promotion's status says after each phase.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use promoter_api::{
    promotion::{
        Authorized, CarriedEdit, DependencyKind, DesiredState, Difference, OnClusterRemoval,
        PromotionSpec, Requester, Snapshot,
    },
    reason::Reason,
};

use promoter_domain::authorization::Authority;

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
        &["Promoted=Unknown Committing", "Rehearsed=True Unchanged"],
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
fn whether_it_was_guarded_is_said_until_it_is_released() {
    let guarded = |result: Result<(), String>| {
        let mut status = walk(PromotionStatus::default(), &[Phase::Committing]);
        assert_eq!(conditions::is_guarded(&status), None);
        conditions::guarded(&mut status, "member1", result, Some(2), at(6));
        walk(status, &[Phase::Settling, Phase::Promoted])
    };
    let with = guarded(Ok(()));
    assert_eq!(conditions::is_guarded(&with), Some(true));
    assert_eq!(told(&with)[0], "Guarded=True GuardInstalled");
    let without = guarded(Err("it is not installed".to_owned()));
    assert_eq!(conditions::is_guarded(&without), Some(false));
    let condition = &without.conditions[0];
    assert_eq!(told(&without)[0], "Guarded=False GuardNotInstalled");
    let remedy = "`kubectl promote member enable member1`";
    assert!(condition.message.contains(remedy), "{}", condition.message);
    let released = walk(with, &[Phase::Releasing]);
    assert_eq!(conditions::is_guarded(&released), None);
}

#[test]
fn an_edit_that_was_carried_is_told_in_the_end() {
    let status = PromotionStatus {
        carried: vec![CarriedEdit {
            pod_template_digest: "p".to_owned(),
            spec_digest: "s".to_owned(),
        }],
        ..PromotionStatus::default()
    };
    let promoted = walk(status, &[Phase::Settling, Phase::Promoted]);
    assert!(told(&promoted).contains(&"Promoted=True LateEdit".to_owned()));
    let releasing = walk(promoted, &[Phase::Releasing]);
    assert!(releasing.carried.is_empty());
}

#[test]
fn edits_are_carried_until_karmada_keeps_the_workload() {
    let carries =
        |phases: &[Phase]| record(walk(PromotionStatus::default(), phases)).carries_edits();
    assert!(carries(&[Phase::Staging, Phase::Committing]));
    assert!(carries(&[Phase::Committing, Phase::Settling]));
    assert!(!carries(&[
        Phase::Settling,
        Phase::Promoted,
        Phase::Settling
    ]));
    assert!(carries(&[Phase::Promoted, Phase::Releasing]));
    assert!(!carries(&[Phase::Staging]));
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
    let both = [Some(2), Some(1), None];
    for ((phase, _), authorized) in CONDITIONS
        .into_iter()
        .flat_map(|phase| both.map(|authorized| (phase, authorized)))
    {
        let mut record = record(PromotionStatus {
            authorized: authorized.map(of_generation),
            observed_generation: Some(1),
            requested_at: Some("monday".to_owned()),
            ..PromotionStatus::default()
        });
        request_at(&mut record, Some("tuesday"));
        assert!(record.intent().renewed);
        record.promotion.status = Some(record.entered(phase, None, at(1)));
        // What is asked for by others meanwhile has its answer still to come.
        let goes_on = matches!(phase, Phase::Released | Phase::Releasing | Phase::Settling);
        let answers = phase == Phase::Pending || (goes_on && authorized == Some(2));
        assert_eq!(record.intent().renewed, !answers, "{phase} {authorized:?}");
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
        authorized: false,
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
            authorized: false,
            deleted: true,
            desired: DesiredState::Released,
            // That is how it is to be once it is authorized.
            on_cluster_removal: OnClusterRemoval::Delete,
            renewed: false,
            suspended: true,
        }
    );
}

#[test]
fn what_is_authorized_is_one_spec_of_one_requester() {
    let alice = alice();
    let mut record = record(PromotionStatus::default());
    record.promotion.spec.on_cluster_removal = OnClusterRemoval::Preserve;
    assert!(!record.is_authorized());

    let mut record = record.with_authority(&Authority::ApiServers(&alice), at(1));
    assert!(record.is_authorized());
    assert_eq!(record.on_cluster_removal(), OnClusterRemoval::Preserve);
    assert_eq!(told(&record.status()), ["Authorized=True Allowed"]);
    let condition = condition(&record.status(), "Authorized").clone();
    assert!(condition.message.contains("alice"), "{condition:?}");
    assert_eq!(condition.observed_generation, Some(2));

    // Somebody edits it.
    record.promotion.metadata.generation = Some(3);
    record.promotion.spec.on_cluster_removal = OnClusterRemoval::Delete;
    assert!(!record.is_authorized());
    assert_eq!(record.on_cluster_removal(), OnClusterRemoval::Preserve);
    record.promotion.metadata.generation = None;
    assert!(!record.is_authorized());
}

#[test]
fn a_denial_leaves_nothing_of_what_was_found_for_another() {
    let mut status = begun("member1");
    status.clusters[0].differences = vec![Difference {
        live: Some("1".to_owned()),
        object: "ConfigMap/settings".to_owned(),
        path: "/data/a".to_owned(),
        rendered: Some("2".to_owned()),
    }];
    status.dependencies = vec![DependencyStatus {
        action: DependencyAction::Conflict,
        kind: DependencyKind::Secret,
        managed_by: None,
        message: Some("it differs".to_owned()),
        name: "password".to_owned(),
        through_service_account: false,
    }];
    status.placed = vec!["member2".to_owned()];
    let status = walk(status, &[Phase::Staging, Phase::Committing]);
    let status = record(status).entered(Phase::Waiting, Some(&restarts()), at(1));

    let found = record(status).denied(&denial(), at(2));
    let nothing = record(PromotionStatus::default()).denied(&denial(), at(2));

    assert_eq!(found.phase, Phase::Refused);
    assert_eq!(found.reason, Some(Reason::NotAuthorized));
    assert_eq!(found.observed_generation, Some(2));
    assert_eq!(
        told(&found),
        [
            "Authorized=False NotAuthorized",
            "Promoted=False NotAuthorized"
        ]
    );
    // But since when it is not promoted.
    let without_times = |mut status: PromotionStatus| {
        for condition in &mut status.conditions {
            condition.last_transition_time = Time(at(0));
        }
        status
    };
    assert_eq!(without_times(found), without_times(nothing));
}

#[test]
fn a_change_that_is_denied_leaves_what_is_promoted_as_it_is() {
    let status = walk(begun("member1"), &[Phase::Settling, Phase::Promoted]);
    let denied = record(status.clone()).change_denied(&denial(), at(9));
    assert_eq!(denied.phase, Phase::Promoted);
    assert_eq!(denied.reason, Some(Reason::NotAuthorized));
    assert_eq!(denied.observed_generation, Some(2));
    assert_eq!(denied.placed, status.placed);
    assert_eq!(
        told(&denied),
        [
            "Authorized=False NotAuthorized",
            "Promoted=True Verified",
            "Released=False Promoted"
        ]
    );
    // Once a change is allowed, nothing of it is left.
    let settling = walk(denied, &[Phase::Settling]);
    assert_eq!((settling.reason, settling.message), (None, None));
}

#[test]
fn that_nobody_answers_is_told() {
    let status = record(PromotionStatus::default()).unanswered("no answer", at(1));
    assert_eq!(told(&status), ["Authorized=Unknown Unanswered"]);
    assert_eq!(status.message.as_deref(), Some("no answer"));
    assert_eq!(status.observed_generation, None);
}

#[test]
fn what_was_before_is_forgotten_by_a_new_attempt_alone() {
    for (phase, _) in CONDITIONS {
        let status = record(begun("member2")).entered(phase, None, at(1));
        let anew = phase == Phase::Pending;
        assert_eq!(status.before.is_none(), anew, "{phase}");
        // What is staged or released is rehearsed for itself.
        let rehearsed_anew = anew || matches!(phase, Phase::Releasing | Phase::Staging);
        assert_eq!(status.rehearsed.is_none(), rehearsed_anew, "{phase}");
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

/// What was authorized once, in one generation.
fn of_generation(generation: i64) -> Authorized {
    Authorized {
        generation,
        on_cluster_removal: OnClusterRemoval::Delete,
    }
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

fn denial() -> Outcome {
    Outcome {
        message: "alice may not".to_owned(),
        reason: Reason::NotAuthorized,
    }
}

fn alice() -> Requester {
    Requester {
        username: "alice".to_owned(),
        ..Requester::default()
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
