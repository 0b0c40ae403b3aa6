//! What people edit in the member while Karmada takes over or lets go is never lost.
//!
//! Between the last look at the workload and Karmada's write anybody may edit it. Where the guard
//! is installed, the member refuses Karmada's write then; where it is not, the write undoes the
//! edit. Either way the edit is carried into what Karmada writes, and Karmada writes again.

use promoter_api::{promotion::Phase, reason::Reason};

use super::{Action, Observed, Outcome};
use crate::observation::{Edit, LiveWorkload, ObjectState, WorkState};

/// Sees to it that the workload is guarded, where it can be, before Karmada writes to it.
pub(super) fn guard(observed: &Observed) -> Option<Action> {
    let on = observed.live.as_ref().is_some_and(|live| live.guarded);
    match observed.guarded {
        None => Some(Action::Guard),
        Some(true) if !on => Some(Action::Guard),
        Some(_) => None,
    }
}

/// Carries an edit, if there is one that Karmada does not know of, or says that it was carried.
pub(super) fn late_edit(observed: &Observed) -> Option<Action> {
    let edit = observed.live.as_ref()?.edit;
    (edit != Edit::None || observed.unrecorded).then_some(Action::CarryEdit)
}

/// What to do about a write that the guard has refused, when there is no edit that it would undo.
pub(super) fn refused(work: &WorkState, observed: &Observed) -> Option<Action> {
    if !is_guarded(observed) || work.applied != Some(false) {
        return None;
    }
    if observed.template_edited {
        return Some(template_edited(observed));
    }
    (work.refused_by_guard && !work.retried).then_some(Action::Retry)
}

/// Gives up what is not what was rehearsed any more: Karmada would roll it out.
pub(super) fn template_edited(observed: &Observed) -> Action {
    let untouched = observed
        .objects
        .iter()
        .filter_map(ObjectState::settings)
        .all(|settings| settings.suspended || !settings.staged_by_us);
    let phase = if untouched {
        Phase::Abandoning
    } else {
        Phase::RollingBack
    };
    let workload = observed.workload().map(|workload| workload.key.to_string());
    let outcome = Outcome {
        message: format!(
            "the template of {} was edited in the control plane while it was being promoted from \
             cluster {}; that was undone, and it is planned again as it is in the member",
            workload.as_deref().unwrap_or("the workload"),
            observed.origin
        ),
        reason: Reason::LateEdit,
    };
    Action::Enter(phase, Some(outcome))
}

/// Lifts the guard, now that Karmada's next write changes nothing, or is none of ours.
pub(super) fn lift(observed: &Observed) -> Option<Action> {
    is_guarded(observed).then_some(Action::Unguard)
}

/// Whether the workload bears the guard's mark.
pub(super) fn is_guarded(observed: &Observed) -> bool {
    observed.live.as_ref().is_some_and(|live| live.guarded)
}

/// Whether Karmada has yet to write what the template says now.
pub(super) fn is_behind(observed: &Observed) -> bool {
    observed
        .live
        .as_ref()
        .is_some_and(|LiveWorkload { current, .. }| !current)
}

#[cfg(test)]
mod tests;
