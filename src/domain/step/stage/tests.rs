//! When staging goes on, waits or is given up, and what others have left or made meanwhile.

use super::{
    super::tests::{at, staged, staging, work},
    *,
};
use crate::{
    object::ObjectKey,
    observation::{PolicySettings, TemplateSettings},
};

fn claimed() -> TemplateState {
    TemplateState::Claimed(TemplateSettings {
        replicas: None,
        retains_replicas: false,
    })
}

/// Karmada has rendered everything.
fn rendered() -> Observed {
    let mut observed = staging(Phase::Staging);
    for object in &mut observed.objects {
        object.bound = Some(vec!["member1".to_owned()]);
        object.template = claimed();
        object.works = vec![work()];
    }
    observed
}

/// The same with a dependency that somebody else federates.
fn shared() -> Observed {
    let mut observed = rendered();
    observed.objects[0].policy = PolicyState::Absent;
    observed.objects[0].template = TemplateState::Foreign;
    observed.objects[0].works[0].suspended = false;
    observed
}

fn assert_abandoned(observed: &Observed, reason: Reason) {
    let Action::Enter(Phase::Abandoning, Some(outcome)) = step(observed) else {
        panic!("{:?}", step(observed));
    };
    assert_eq!(outcome.reason, reason);
    assert!(outcome.message.contains("member1"), "{outcome:?}");
}

fn assert_waits(observed: &Observed) {
    let next = step(observed);
    assert!(matches!(next, Action::Wait(_)), "{next:?}");
}

#[test]
fn it_is_given_up_for_each_change_of_mind() {
    assert_eq!(step(&rendered()), Action::Rehearse);
    let changes: [fn(&mut crate::step::Intent); 5] = [
        |intent| intent.deleted = true,
        |intent| intent.suspended = true,
        |intent| intent.authorized = false,
        |intent| intent.desired = DesiredState::Observed,
        |intent| intent.desired = DesiredState::Released,
    ];
    for change in changes {
        let mut observed = rendered();
        change(&mut observed.intent);
        assert_eq!(step(&observed), Action::Enter(Phase::Abandoning, None));
    }
    let mut rehearsed = rendered();
    rehearsed.intent.desired = DesiredState::Rehearsed;
    assert_eq!(step(&rehearsed), Action::Rehearse);
}

#[test]
fn a_hold_is_lifted_while_there_is_time() {
    let mut observed = rendered();
    observed.objects[1].template = TemplateState::Held;
    observed.objects[1].works.clear();
    let workload = vec![observed.objects[1].key.clone()];
    assert_eq!(step(&observed), Action::LiftHolds(workload));
    observed.overdue = true;
    assert_abandoned(&observed, Reason::StagingFailed);
}

#[test]
fn a_policy_of_another_promotion_is_waited_for_and_one_of_somebody_else_is_a_conflict() {
    let with = |first: PolicyState, second: PolicyState| {
        let mut observed = at(Phase::Staging, |_| {});
        observed.objects[0].policy = first;
        observed.objects[1].policy = second;
        observed
    };
    assert_waits(&with(PolicyState::InHand, PolicyState::Absent));
    let foreign = with(PolicyState::Foreign, PolicyState::Absent);
    assert_abandoned(&foreign, Reason::ConflictingTemplate);
    // None is created past the other Promotion's.
    let [first, second] = [0, 1].map(|index| foreign.objects[index].key.clone());
    let next = step(&with(PolicyState::Absent, PolicyState::InHand));
    assert_eq!(next, Action::CreatePolicies(vec![first.clone()]));
    let next = step(&with(PolicyState::Absent, PolicyState::Absent));
    assert_eq!(next, Action::CreatePolicies(vec![first, second]));
}

#[test]
fn what_somebody_else_federates_is_used_as_long_as_it_reaches_the_member() {
    assert_eq!(step(&shared()), Action::Rehearse);
    let not_kept: [fn(&mut Vec<WorkState>); 4] = [
        |works| works[0].suspended = true,
        |works| works[0].deleting = true,
        |works| works[0].cluster = "member2".to_owned(),
        Vec::clear,
    ];
    for change in not_kept {
        let mut observed = shared();
        change(&mut observed.objects[0].works);
        assert_abandoned(&observed, Reason::ConflictingTemplate);
        assert!(is_lost(&observed.objects[0], "member1"));
    }
    let shared = shared();
    assert!(!is_lost(&shared.objects[0], "member1"));
    // A workload is nobody else's.
    let mut workload = rendered();
    workload.objects[1].policy = PolicyState::Absent;
    workload.objects[1].template = TemplateState::Foreign;
    workload.objects[1].works[0].suspended = false;
    assert_abandoned(&workload, Reason::ConflictingTemplate);
}

#[test]
fn a_template_that_somebody_else_made_or_claimed_meanwhile_is_a_conflict() {
    for template in [
        TemplateState::ClaimedForeign,
        TemplateState::Foreign,
        TemplateState::Captured,
        TemplateState::Deleting,
    ] {
        for object in 0..2 {
            let mut observed = rendered();
            observed.objects[object].template = template.clone();
            assert_abandoned(&observed, Reason::ConflictingTemplate);
        }
    }
    // Under a policy that was there before, somebody else's template is what is to be reused.
    let mut reused = shared();
    reused.objects[0].policy = PolicyState::Ours(PolicySettings {
        staged_by_us: false,
        suspended: false,
        ..staged()
    });
    assert_eq!(step(&reused), Action::Rehearse);
}

#[test]
fn karmada_has_rendered_what_is_placed_current_and_of_our_policy() {
    let not_rendered: [fn(&mut ObjectState); 6] = [
        |object| object.bound = None,
        |object| object.bound = Some(vec!["member2".to_owned()]),
        |object| object.works.clear(),
        |object| object.works[0].cluster = "member2".to_owned(),
        |object| object.works[0].current = false,
        // Of another policy, before ours: it would be dispatched.
        |object| object.works[0].suspended = false,
    ];
    for change in not_rendered {
        let mut observed = rendered();
        change(&mut observed.objects[1]);
        assert_waits(&observed);
        observed.overdue = true;
        assert_abandoned(&observed, Reason::StagingFailed);
    }
    // What was federated before is dispatched, and may be.
    let mut federated = rendered();
    federated.objects[0].policy = PolicyState::Ours(PolicySettings {
        staged_by_us: false,
        suspended: false,
        ..staged()
    });
    assert_eq!(step(&federated), Action::Rehearse);
    federated.objects[0].works[0].suspended = false;
    assert_eq!(step(&federated), Action::Rehearse);
    federated.objects[0].works[0].current = false;
    assert_waits(&federated);
}

/// A dependency whose Promotion is no more.
fn left(template: TemplateState, works: Vec<WorkState>) -> ObjectState {
    let mut object = rendered().objects.remove(0);
    object.policy = PolicyState::Ours(PolicySettings {
        orphaned: true,
        released_by_us: true,
        staged_by_us: false,
        ..staged()
    });
    object.template = template;
    object.works = works;
    object
}

#[test]
fn what_a_promotion_that_is_no_more_has_left_is_cleared_away_in_order() {
    let key: ObjectKey = rendered().objects[0].key.clone();
    let keys = vec![key];
    let next = |object: &ObjectState| {
        assert!(is_left(object));
        let mut observed = rendered();
        observed.objects[0] = object.clone();
        step(&observed)
    };
    let staged = left(claimed(), vec![work()]);
    assert_eq!(next(&staged), Action::DeleteTemplates(keys.clone()));
    let ending = left(TemplateState::Absent, vec![work()]);
    assert!(matches!(next(&ending), Action::Wait(_)));
    let ended = left(TemplateState::Absent, Vec::new());
    assert_eq!(next(&ended), Action::DeletePolicies(keys));
    // Nobody knows here whether the member's object is Karmada's: its Work is never freed.
    let preserved = WorkState {
        deleting: true,
        preserve: true,
        ..work()
    };
    let preserved = left(TemplateState::Absent, vec![preserved]);
    assert!(matches!(next(&preserved), Action::Wait(_)));
}

#[test]
fn what_is_taken_over_already_is_not_cleared_away() {
    let mut object = left(TemplateState::Foreign, Vec::new());
    object.policy = PolicyState::Ours(PolicySettings {
        suspended: false,
        ..*object.settings().unwrap()
    });
    assert!(!is_left(&object));
}
