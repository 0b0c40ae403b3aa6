//! Letting go: of what was staged, of what was committed, and of what was promoted.
//!
//! How Karmada can be made to let go of an object without harm depends on whether it has taken
//! the object over in the member:
//!
//! - not yet: nothing may be preserved and nothing dispatched when its template is deleted, or
//!   Karmada would write to the member on its way out;
//! - already: it must be preserved, or Karmada would delete it.

use promoter_api::{
    promotion::{DesiredState, Phase},
    reason::Reason,
};

use super::{Action, Observed, guard, keys};
use crate::observation::{ObjectState, PolicySettings, PolicyState, TemplateState, WorkState};

/// The next action while what was staged is taken away.
pub(super) fn abandon(observed: &Observed) -> Action {
    if let Some(action) = withdraw(&staged(observed)).or_else(|| remove(&staged(observed))) {
        return action;
    }
    if let Some(action) = guard::lift(observed) {
        return action;
    }
    let intent = observed.intent;
    if intent.deleted {
        return Action::Forget;
    }
    match observed.reason {
        Some(reason) if reason.may_pass() => Action::Enter(Phase::Waiting, None),
        Some(_) => Action::Enter(Phase::Refused, None),
        None if observed.rehearsed && intent.desired == DesiredState::Rehearsed => {
            Action::Enter(Phase::Rehearsed, None)
        }
        None => Action::Enter(Phase::Pending, None),
    }
}

/// The next action while a commit is rolled back.
pub(super) fn roll_back(observed: &Observed) -> Action {
    let objects = staged(observed);
    let (taken, not_taken): (Vec<&ObjectState>, Vec<&ObjectState>) = objects
        .iter()
        .partition(|object| object.works.iter().any(|work| work.taken_over));
    // What is not taken over is withdrawn first: as long as that is under way, it may still be
    // taken over, and then belongs to the others.
    withdraw(&not_taken)
        .or_else(|| carry(observed))
        .or_else(|| preserve(&taken, |settings| settings.preserve && !settings.suspended))
        .or_else(|| remove(&objects))
        .or_else(|| guard::lift(observed))
        .or_else(|| observed.marked.then_some(Action::Strip { disable: false }))
        .unwrap_or_else(|| {
            let again = observed.reason.is_some_and(Reason::may_pass);
            Action::Enter(if again { Phase::Waiting } else { Phase::Failed }, None)
        })
}

/// The next action while a promoted workload is released.
pub(super) fn release(observed: &Observed) -> Action {
    let workload: Vec<_> = observed.workload().into_iter().collect();
    // What somebody else federates: of it there may only be copies for this workload's sake.
    let (dependencies, others): (Vec<&ObjectState>, Vec<&ObjectState>) = observed
        .objects
        .iter()
        .filter(|object| !object.is_workload())
        .partition(|object| ours(object));
    release_workload(&workload, &dependencies, observed)
        .or_else(|| guard::lift(observed))
        .or_else(|| release_dependencies(&dependencies))
        .or_else(|| remove(&workload))
        .or_else(|| detached(&others))
        .or_else(|| observed.marked.then_some(Action::Strip { disable: true }))
        .unwrap_or(Action::Enter(Phase::Released, None))
}

/// Takes away what a Promotion that is no more has left.
pub(super) fn clear(objects: &[&ObjectState]) -> Option<Action> {
    if let Some(action) = withdraw(objects) {
        return Some(action);
    }
    // What is in the member is not looked at while staging, so no Work is freed here.
    let preserved = objects
        .iter()
        .find(|object| object.works.iter().any(|work| work.preserve));
    if let Some(object) = preserved {
        return Some(Action::Wait(format!(
            "Karmada has not let go of {} yet",
            object.key
        )));
    }
    remove(objects)
}

/// Lets go of the workload, with its dependencies made to stay wherever they are.
fn release_workload(
    workload: &[&ObjectState],
    dependencies: &[&ObjectState],
    observed: &Observed,
) -> Option<Action> {
    let object = *workload.first()?;
    match object.template {
        TemplateState::Claimed(_) => {}
        TemplateState::Deleting => {
            return carry(observed)
                .or_else(|| Some(Action::Wait(format!("{} is being deleted", object.key))));
        }
        TemplateState::Absent => return carry(observed).or_else(|| ended(workload)),
        TemplateState::Captured
        | TemplateState::ClaimedForeign
        | TemplateState::Foreign
        | TemplateState::Held => {
            return Some(Action::Wait(format!(
                "{} is not claimed by PropagationPolicy {} any more; let that policy claim it \
                 again, or release it by hand",
                object.key,
                object.key.policy_name()
            )));
        }
    }
    let all: Vec<_> = workload.iter().chain(dependencies).copied().collect();
    preserve(&all, |settings| settings.preserve)
        .or_else(|| mark(workload))
        .or_else(|| guarded(object, observed))
        .or_else(|| Some(Action::LetGo(vec![object.key.clone()])))
}

/// Guards the workload in the cluster that it was promoted from: Karmada's last write is the whole
/// manifest.
///
/// Source: Karmada's `pkg/controllers/execution/execution_controller.go`,
/// `cleanupPolicyClaimMetadata`.
fn guarded(workload: &ObjectState, observed: &Observed) -> Option<Action> {
    let mut works = workload.works.iter();
    works.find(|work| work.cluster == observed.origin && work.taken_over)?;
    guard::guard(observed).or_else(|| carry(observed))
}

/// Carries an edit of the workload while Karmada has still to write to it once.
fn carry(observed: &Observed) -> Option<Action> {
    let workload = observed.workload()?;
    let mut works = workload.works.iter();
    works.find(|work| work.cluster == observed.origin && work.taken_over)?;
    // A template that does not take it is not asked again; the Work takes it once that is gone.
    if observed.reason == Some(Reason::CommitRefused) && is_present(workload) {
        return None;
    }
    guard::late_edit(observed)
}

/// Lets go of the dependencies that nobody else needs, and gives the others back as they were.
fn release_dependencies(dependencies: &[&ObjectState]) -> Option<Action> {
    let (kept, going): (Vec<&ObjectState>, Vec<&ObjectState>) = dependencies
        .iter()
        .partition(|object| object.needed_elsewhere);
    let orphan = kept.iter().find(|object| {
        object
            .works
            .iter()
            .any(|work| !object.needed_in.contains(&work.cluster))
    });
    if let Some(object) = orphan {
        return stuck(&kept).or_else(|| {
            Some(Action::Wait(format!(
                "Karmada has not let go of copies of {} yet",
                object.key
            )))
        });
    }
    let unsettled = keys(kept, |object| {
        object
            .settings()
            .is_some_and(|settings| settings.preserve || settings.released_by_us)
    });
    if !unsettled.is_empty() {
        return Some(Action::Settle(unsettled));
    }
    if let Some(action) = mark(&going) {
        return Some(action);
    }
    let claimed: Vec<_> = going
        .iter()
        .copied()
        .filter(|object| matches!(object.template, TemplateState::Claimed(_)))
        .collect();
    if !claimed.is_empty() {
        return preserve(&claimed, |settings| settings.preserve)
            .or_else(|| Some(Action::LetGo(keys(claimed, |_| true))));
    }
    remove(&going)
}

/// Makes sure that Karmada neither writes nor preserves, before anything of it is deleted.
fn withdraw(objects: &[&ObjectState]) -> Option<Action> {
    let dispatching = keys(objects.iter().copied(), |object| {
        may_be_rendered(object)
            && object
                .settings()
                .is_some_and(|settings| settings.preserve || !settings.suspended)
    });
    if !dispatching.is_empty() {
        return Some(Action::Withdraw(dispatching));
    }
    let stopped = |work: &WorkState| work.suspended && !work.preserve && work.dispatching_stopped;
    let going_on = objects
        .iter()
        .find(|object| is_claimed(object) && !object.works.iter().all(stopped));
    going_on.map(|object| {
        Action::Wait(format!(
            "Karmada has not stopped dispatching {} yet",
            object.key
        ))
    })
}

/// Makes sure that nothing changes any more how Karmada lets go.
///
/// What another process decided on by an older view, or what was on its way when this one died,
/// names the policy as it was then: from here on it is refused.
fn mark(objects: &[&ObjectState]) -> Option<Action> {
    let unmarked = keys(objects.iter().copied(), |object| {
        object
            .settings()
            .is_some_and(|settings| !settings.released_by_us)
    });
    (!unmarked.is_empty()).then_some(Action::MarkReleased(unmarked))
}

/// Makes sure that objects stay in the members when their Works go.
fn preserve(
    objects: &[&ObjectState],
    is_preserved: impl Fn(&PolicySettings) -> bool,
) -> Option<Action> {
    let claimed = |object: &&&ObjectState| is_claimed(object);
    let deleted_with = keys(objects.iter().filter(claimed).copied(), |object| {
        object
            .settings()
            .is_some_and(|settings| !is_preserved(settings))
    });
    if !deleted_with.is_empty() {
        return Some(Action::Preserve(deleted_with));
    }
    let waiting = objects
        .iter()
        .filter(claimed)
        .find(|object| object.works.iter().any(|work| !work.preserve));
    waiting.map(|object| {
        Action::Wait(format!(
            "Karmada does not preserve {} in every cluster yet",
            object.key
        ))
    })
}

/// Removes templates, waits for their Works, and then removes the policies.
///
/// A template that somebody else made under the name of ours stays as it is. With the policy goes
/// Karmada's claim; the binding stays for as long as the template does (Karmada's
/// `pkg/detector/detector.go`, `handlePolicyDeletion`), and is as harmless as the policy was.
fn remove(objects: &[&ObjectState]) -> Option<Action> {
    // The workload first, so that nothing that it needs goes before it.
    let mut templates = keys(objects.iter().copied(), is_present);
    templates.reverse();
    if let Some(object) = objects
        .iter()
        .find(|object| is_present(object) && is_kept(object))
    {
        return Some(Action::Wait(format!(
            "without {}, Karmada would delete {} in the member; put PropagationPolicy {} back as \
             it was, or let Karmada preserve it, and then delete the template by hand",
            object.key,
            object.key,
            object.key.policy_name()
        )));
    }
    if !templates.is_empty() {
        return mark(objects).or(Some(Action::DeleteTemplates(templates)));
    }
    if let Some(action) = ended(objects) {
        return Some(action);
    }
    let policies = keys(objects.iter().copied(), |object| {
        matches!(object.policy, PolicyState::Ours(_))
    });
    (!policies.is_empty()).then_some(Action::DeletePolicies(policies))
}

/// Waits until Karmada has let go of objects whose templates are gone.
fn ended(objects: &[&ObjectState]) -> Option<Action> {
    let waiting = objects.iter().find(|object| match object.template {
        TemplateState::Deleting => true,
        // What was rendered of ours before ends; what is rendered of theirs stays.
        TemplateState::ClaimedForeign | TemplateState::Foreign => {
            let mut works = object.works.iter();
            works.any(|work| work.deleting || !work.current)
        }
        _ => !object.works.is_empty(),
    })?;
    stuck(objects).or_else(|| {
        Some(Action::Wait(format!(
            "Karmada has not let go of {} yet",
            waiting.key
        )))
    })
}

/// Waits until Karmada has let go of what it only bound for this workload's sake.
fn detached(objects: &[&ObjectState]) -> Option<Action> {
    let waiting = objects.iter().find(|object| {
        // The binding itself stays, bound to nothing.
        let for_us = object.attached && !object.needed_elsewhere && !object.works.is_empty();
        for_us || object.works.iter().any(|work| work.deleting)
    })?;
    stuck(objects).or_else(|| {
        Some(Action::Wait(format!(
            "Karmada has not let go of {} yet",
            waiting.key
        )))
    })
}

/// Frees Works that Karmada would try to delete for ever: it is to preserve an object that it
/// never took over, or that is not there any more.
fn stuck(objects: &[&ObjectState]) -> Option<Action> {
    objects.iter().find_map(|object| {
        let work = object
            .works
            .iter()
            .find(|work| work.deleting && work.preserve && !work.managed)?;
        Some(Action::Free(object.key.clone(), work.cluster.clone()))
    })
}

/// Whether Karmada has taken an object over and would not leave it in the member.
fn is_kept(object: &ObjectState) -> bool {
    object.works.iter().any(|work| {
        !work.preserve && !work.deleting && (work.taken_over || work.applied == Some(true))
    })
}

/// Whether our policy has claimed a template, be it ours or not.
fn is_claimed(object: &ObjectState) -> bool {
    matches!(
        object.template,
        TemplateState::Claimed(_) | TemplateState::ClaimedForeign
    )
}

/// Whether there is a template of ours that could still be rendered.
fn is_present(object: &ObjectState) -> bool {
    match object.template {
        TemplateState::Captured | TemplateState::Claimed(_) | TemplateState::Held => true,
        TemplateState::Absent
        | TemplateState::ClaimedForeign
        | TemplateState::Deleting
        | TemplateState::Foreign => false,
    }
}

/// Whether Karmada could still render a template under our policy, be it ours or not.
fn may_be_rendered(object: &ObjectState) -> bool {
    is_present(object)
        || matches!(
            object.template,
            TemplateState::ClaimedForeign | TemplateState::Foreign
        )
}

/// The objects that this Promotion is staging or committing.
fn staged(observed: &Observed) -> Vec<&ObjectState> {
    observed
        .objects
        .iter()
        .filter(|object| match &object.policy {
            PolicyState::Ours(settings) => settings.staged_by_us,
            // A template of ours whose policy somebody has deleted.
            PolicyState::Absent => {
                matches!(
                    object.template,
                    TemplateState::Captured | TemplateState::Held
                )
            }
            PolicyState::Foreign | PolicyState::InHand => false,
        })
        .collect()
}

fn ours(object: &ObjectState) -> bool {
    matches!(object.policy, PolicyState::Ours(_))
}

#[cfg(test)]
mod tests;
