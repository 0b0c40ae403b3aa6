//! How what was undone ends: as the reason says, and as whoever asked for it wants it now.

use super::{
    super::{step, tests::at},
    *,
};

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
