//! How what was undone ends: as the reason says, and as whoever asked for it wants it now.

use super::{
    super::{
        step,
        tests::{self as fixture, at, work},
    },
    *,
};
use crate::observation::{Edit, LiveWorkload, TemplateSettings};

/// Nothing is left of what was staged.
fn undone(phase: Phase, reason: Option<Reason>) -> Observed {
    let mut observed = at(phase, |_| {});
    observed.reason = reason;
    observed
}

#[test]
fn what_was_given_up_waits_or_is_refused_as_its_reason_says() {
    for (reason, phase) in [
        (Reason::DependencyMissing, Phase::Waiting),
        (Reason::LateEdit, Phase::Waiting),
        (Reason::WouldRestartPods, Phase::Refused),
        (Reason::StagingFailed, Phase::Refused),
    ] {
        let observed = undone(Phase::Abandoning, Some(reason));
        assert_eq!(step(&observed), Action::Enter(phase, None), "{reason}");
    }
    for (reason, phase) in [
        (Some(Reason::LateEdit), Phase::Waiting),
        (Some(Reason::CommitRefused), Phase::Failed),
        (None, Phase::Failed),
    ] {
        let observed = undone(Phase::RollingBack, reason);
        assert_eq!(step(&observed), Action::Enter(phase, None), "{reason:?}");
    }
}

#[test]
fn a_rehearsal_ends_with_its_staging_taken_away() {
    for (rehearsed, desired, phase) in [
        (true, DesiredState::Rehearsed, Phase::Rehearsed),
        // Somebody wants more meanwhile, or it was given up before it was rehearsed.
        (true, DesiredState::Promoted, Phase::Pending),
        (false, DesiredState::Rehearsed, Phase::Pending),
    ] {
        let mut observed = undone(Phase::Abandoning, None);
        observed.rehearsed = rehearsed;
        observed.intent.desired = desired;
        assert_eq!(step(&observed), Action::Enter(phase, None), "{desired}");
    }
    let mut deleted = undone(Phase::Abandoning, Some(Reason::LateEdit));
    deleted.intent.deleted = true;
    assert_eq!(step(&deleted), Action::Forget);
}

#[test]
fn marks_that_karmada_left_are_taken_off_before_it_is_over() {
    for (phase, disable) in [(Phase::RollingBack, false), (Phase::Releasing, true)] {
        let mut observed = undone(phase, None);
        observed.marked = true;
        assert_eq!(step(&observed), Action::Strip { disable });
    }
}

fn claimed() -> TemplateState {
    TemplateState::Claimed(TemplateSettings {
        replicas: None,
        retains_replicas: false,
    })
}

/// Of a promoted workload that Karmada keeps.
fn kept() -> WorkState {
    WorkState {
        applied: Some(true),
        managed: true,
        preserve: true,
        suspended: false,
        dispatching_stopped: false,
        taken_over: true,
        ..work()
    }
}

fn ours_with(change: impl Fn(&mut PolicySettings)) -> PolicyState {
    let mut settings = PolicySettings {
        preserve: true,
        staged_by_us: false,
        suspended: false,
        ..fixture::staged()
    };
    change(&mut settings);
    PolicyState::Ours(settings)
}

/// A promoted workload that is about to be let go of; its dependency is somebody else's.
fn releasing() -> Observed {
    let mut observed = at(Phase::Releasing, |_| {});
    observed.objects[0].policy = PolicyState::Foreign;
    observed.objects[1].policy = ours_with(|settings| settings.released_by_us = true);
    observed.objects[1].template = claimed();
    observed.objects[1].works = vec![kept()];
    observed
}

/// The same where it is the dependency's turn.
fn releasing_dependency() -> Observed {
    let mut observed = releasing();
    observed.objects.truncate(1);
    observed.objects[0].policy = ours_with(|_| {});
    observed.objects[0].template = claimed();
    observed.objects[0].works = vec![kept()];
    observed
}

fn live(edit: Edit) -> LiveWorkload {
    LiveWorkload {
        current: true,
        edit,
        guarded: false,
        version: None,
    }
}

fn assert_waits(observed: &Observed) {
    let next = step(observed);
    assert!(matches!(next, Action::Wait(_)), "{next:?}");
}

#[test]
fn where_karmada_has_taken_over_it_is_guarded_before_it_is_let_go() {
    let mut observed = releasing();
    let let_go = Action::LetGo(vec![observed.objects[1].key.clone()]);
    assert_eq!(step(&observed), Action::Guard);
    observed.objects[1].works[0].taken_over = false;
    assert_eq!(step(&observed), let_go);
    // In another cluster Karmada writes nothing that was rehearsed.
    observed.objects[1].works[0].taken_over = true;
    observed.objects[1].works[0].cluster = "member2".to_owned();
    assert_eq!(step(&observed), let_go);
}

#[test]
fn whose_release_is_not_marked_yet_is_marked_first() {
    let mut observed = releasing();
    observed.objects[1].policy = ours_with(|_| {});
    let workload = vec![observed.objects[1].key.clone()];
    assert_eq!(step(&observed), Action::MarkReleased(workload));
}

#[test]
fn an_edit_is_carried_while_karmada_has_still_to_write_and_somebody_takes_it() {
    let mut observed = releasing();
    observed.guarded = Some(false);
    observed.live = Some(live(Edit::Made));
    assert_eq!(step(&observed), Action::CarryEdit);
    observed.reason = Some(Reason::LateEdit);
    assert_eq!(step(&observed), Action::CarryEdit);
    // The template does not take it; the Work does, once that is gone.
    observed.reason = Some(Reason::CommitRefused);
    let let_go = Action::LetGo(vec![observed.objects[1].key.clone()]);
    assert_eq!(step(&observed), let_go);
    observed.objects[1].template = TemplateState::Absent;
    assert_eq!(step(&observed), Action::CarryEdit);
    observed.objects[1].works[0].taken_over = false;
    assert_waits(&observed);
    observed.objects[1].works[0].taken_over = true;
    observed.objects[1].works[0].cluster = "member2".to_owned();
    assert_waits(&observed);
}

#[test]
fn what_was_taken_over_is_rolled_back_by_being_preserved_while_it_is_dispatched() {
    for (preserve, suspended) in [(true, true), (false, false), (false, true)] {
        let mut observed = undone(Phase::RollingBack, None);
        observed.objects[1].policy = ours_with(|settings| {
            settings.staged_by_us = true;
            settings.preserve = preserve;
            settings.suspended = suspended;
        });
        observed.objects[1].template = claimed();
        observed.objects[1].works = vec![kept()];
        let workload = vec![observed.objects[1].key.clone()];
        assert_eq!(step(&observed), Action::Preserve(workload));
    }
}

#[test]
fn a_dependency_that_others_need_is_settled_and_keeps_only_their_copies() {
    let mut observed = releasing_dependency();
    observed.objects[0].needed_elsewhere = true;
    assert_waits(&observed);
    observed.objects[0].needed_in = vec!["member1".to_owned()];
    let dependency = vec![observed.objects[0].key.clone()];
    for (preserve, released_by_us) in [(true, false), (false, true), (true, true)] {
        observed.objects[0].policy = ours_with(|settings| {
            settings.preserve = preserve;
            settings.released_by_us = released_by_us;
        });
        assert_eq!(step(&observed), Action::Settle(dependency.clone()));
    }
    observed.objects[0].policy = ours_with(|settings| settings.preserve = false);
    assert_eq!(step(&observed), Action::Enter(Phase::Released, None));
}

#[test]
fn nothing_is_removed_before_karmada_has_stopped_dispatching_it() {
    let withdrawn = |observed: &Observed| {
        let objects: Vec<_> = observed.objects.iter().collect();
        withdraw(&objects)
    };
    let mut observed = releasing_dependency();
    let dependency = vec![observed.objects[0].key.clone()];
    for (preserve, suspended) in [(true, true), (false, false), (true, false)] {
        observed.objects[0].policy = ours_with(|settings| {
            settings.preserve = preserve;
            settings.suspended = suspended;
        });
        let withdraw = Action::Withdraw(dependency.clone());
        assert_eq!(withdrawn(&observed), Some(withdraw));
    }
    // Nothing can be rendered of what is not there.
    observed.objects[0].template = TemplateState::Absent;
    assert_eq!(withdrawn(&observed), None);
    observed.objects[0].template = claimed();
    observed.objects[0].policy = PolicyState::Ours(fixture::staged());
    observed.objects[0].works = vec![work()];
    assert_eq!(withdrawn(&observed), None);
    let going_on: [fn(&mut WorkState); 3] = [
        |work| work.suspended = false,
        |work| work.preserve = true,
        |work| work.dispatching_stopped = false,
    ];
    for change in going_on {
        observed.objects[0].works = vec![work()];
        change(&mut observed.objects[0].works[0]);
        assert!(matches!(withdrawn(&observed), Some(Action::Wait(_))));
    }
}

#[test]
fn only_what_our_policy_has_claimed_is_preserved() {
    let mut observed = releasing_dependency();
    observed.objects[0].works[0].preserve = false;
    let is_preserved = |_: &PolicySettings| false;
    let object = |observed: &Observed| preserve(&[&observed.objects[0]], is_preserved);
    assert!(matches!(object(&observed), Some(Action::Preserve(_))));
    observed.objects[0].template = TemplateState::Foreign;
    assert_eq!(object(&observed), None);
}

#[test]
fn it_is_ended_when_karmada_has_rendered_nothing_of_ours_any_more() {
    let what_of = |template: TemplateState, works: Vec<WorkState>| {
        let mut observed = releasing_dependency();
        observed.objects[0].template = template;
        observed.objects[0].works = works;
        ended(&[&observed.objects[0]])
    };
    let stale = WorkState {
        current: false,
        ..kept()
    };
    let going = WorkState {
        deleting: true,
        ..kept()
    };
    for template in [TemplateState::Foreign, TemplateState::ClaimedForeign] {
        assert_eq!(what_of(template.clone(), vec![kept()]), None);
        for work in [&stale, &going] {
            let waits = what_of(template.clone(), vec![work.clone()]);
            assert!(matches!(waits, Some(Action::Wait(_))), "{waits:?}");
        }
    }
    let waits = what_of(TemplateState::Deleting, Vec::new());
    assert!(matches!(waits, Some(Action::Wait(_))), "{waits:?}");
    let waits = what_of(TemplateState::Absent, vec![kept()]);
    assert!(matches!(waits, Some(Action::Wait(_))), "{waits:?}");
    assert_eq!(what_of(TemplateState::Absent, Vec::new()), None);
}

#[test]
fn a_copy_that_was_there_for_our_sake_is_waited_for() {
    let copy = |attached, needed_elsewhere, works: Vec<WorkState>| {
        let mut observed = releasing();
        observed.objects.truncate(1);
        observed.objects[0].attached = attached;
        observed.objects[0].needed_elsewhere = needed_elsewhere;
        observed.objects[0].works = works;
        step(&observed)
    };
    let released = Action::Enter(Phase::Released, None);
    assert!(matches!(copy(true, false, vec![kept()]), Action::Wait(_)));
    assert_eq!(copy(true, false, Vec::new()), released);
    assert_eq!(copy(true, true, vec![kept()]), released);
    assert_eq!(copy(false, false, vec![kept()]), released);
    let going = WorkState {
        deleting: true,
        ..kept()
    };
    assert!(matches!(copy(false, true, vec![going]), Action::Wait(_)));
}

#[test]
fn a_work_that_karmada_would_try_to_delete_for_ever_is_freed() {
    let freed = |change: fn(&mut WorkState)| {
        let mut observed = releasing_dependency();
        observed.objects[0].policy = ours_with(|settings| settings.released_by_us = true);
        observed.objects[0].template = TemplateState::Absent;
        observed.objects[0].works[0].deleting = true;
        observed.objects[0].works[0].managed = false;
        change(&mut observed.objects[0].works[0]);
        let key = observed.objects[0].key.clone();
        step(&observed) == Action::Free(key, "member1".to_owned())
    };
    assert!(freed(|_| {}));
    assert!(!freed(|work| work.deleting = false));
    assert!(!freed(|work| work.preserve = false));
    assert!(!freed(|work| work.managed = true));
}

#[test]
fn what_karmada_would_delete_in_the_member_is_not_removed() {
    let removed = |change: fn(&mut WorkState)| {
        let mut observed = releasing_dependency();
        observed.objects[0].policy = ours_with(|settings| settings.released_by_us = true);
        observed.objects[0].works[0].preserve = false;
        change(&mut observed.objects[0].works[0]);
        match remove(&[&observed.objects[0]]) {
            Some(Action::Wait(message)) => {
                assert!(message.contains("would delete Secret/keys"), "{message}");
                false
            }
            Some(Action::DeleteTemplates(_)) => true,
            other => panic!("{other:?}"),
        }
    };
    assert!(!removed(|_| {}));
    assert!(!removed(|work| work.taken_over = false));
    assert!(!removed(|work| work.applied = None));
    assert!(removed(|work| {
        work.taken_over = false;
        work.applied = None;
    }));
    assert!(removed(|work| work.preserve = true));
    assert!(removed(|work| work.deleting = true));
}
