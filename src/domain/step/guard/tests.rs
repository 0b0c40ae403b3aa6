//! What is done about a write that the guard has refused, and about an edited template.

use super::{
    super::tests::{staged, staging, work},
    *,
};
use crate::observation::{PolicySettings, PolicyState};

fn guarded() -> Observed {
    let mut observed = staging(Phase::Committing);
    observed.guarded = Some(true);
    observed.live = Some(LiveWorkload {
        current: false,
        edit: Edit::None,
        guarded: true,
        version: None,
    });
    observed
}

fn refusal() -> WorkState {
    WorkState {
        applied: Some(false),
        refused_by_guard: true,
        ..work()
    }
}

#[test]
fn what_the_guard_has_refused_is_tried_again_once() {
    assert_eq!(refused(&refusal(), &guarded()), Some(Action::Retry));
    let nothing_to_retry: [fn(&mut WorkState); 4] = [
        |work| work.applied = None,
        |work| work.applied = Some(true),
        |work| work.refused_by_guard = false,
        |work| work.retried = true,
    ];
    for change in nothing_to_retry {
        let mut work = refusal();
        change(&mut work);
        assert_eq!(refused(&work, &guarded()), None, "{work:?}");
    }
    let mut unguarded = guarded();
    unguarded.live.as_mut().unwrap().guarded = false;
    assert_eq!(refused(&refusal(), &unguarded), None);
}

#[test]
fn a_refused_template_that_somebody_has_edited_is_given_up() {
    let mut observed = guarded();
    observed.template_edited = true;
    let given_up = template_edited(&observed);
    assert_eq!(refused(&refusal(), &observed), Some(given_up));
    let taken = WorkState {
        applied: Some(true),
        ..refusal()
    };
    assert_eq!(refused(&taken, &observed), None);
}

#[test]
fn what_was_dispatched_is_rolled_back_and_what_was_not_is_abandoned() {
    for (suspended, staged_by_us, phase) in [
        (true, true, Phase::Abandoning),
        (true, false, Phase::Abandoning),
        // Somebody else dispatches it.
        (false, false, Phase::Abandoning),
        (false, true, Phase::RollingBack),
    ] {
        let mut observed = guarded();
        observed.objects[0].policy = PolicyState::Ours(PolicySettings {
            suspended,
            staged_by_us,
            ..staged()
        });
        let Action::Enter(entered, Some(outcome)) = template_edited(&observed) else {
            panic!("{:?}", template_edited(&observed));
        };
        assert_eq!((entered, outcome.reason), (phase, Reason::LateEdit));
        assert!(outcome.message.contains("Deployment/web"), "{outcome:?}");
        assert!(outcome.message.contains("member1"), "{outcome:?}");
    }
}
