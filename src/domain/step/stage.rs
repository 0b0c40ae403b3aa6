//! Staging: everything is put into the control plane and nothing reaches a member.

use promoter_api::{
    promotion::{DesiredState, Phase},
    reason::Reason,
};

use super::{Action, Observed, Outcome, keys};
use crate::observation::{ObjectState, PolicyState, TemplateState};

/// The next action while staging.
///
/// Policies come in the objects' order, and none past one that another Promotion has in hand: two
/// Promotions that share dependencies then never wait for each other.
pub(super) fn step(observed: &Observed) -> Action {
    let intent = observed.intent;
    let wanted = match intent.desired {
        DesiredState::Promoted | DesiredState::Rehearsed => true,
        DesiredState::Observed | DesiredState::Released => false,
    };
    // What somebody else asks for now is planned anew, for them.
    if intent.deleted || intent.suspended || !wanted || !intent.authorized {
        return Action::Enter(Phase::Abandoning, None);
    }
    if !observed.namespace {
        return Action::CreateNamespace;
    }
    let unstaged = observed
        .objects
        .iter()
        .position(|object| !is_staged(object));
    if let Some(first) = unstaged {
        return policies(&observed.objects[first..]);
    }
    let absent = keys(&observed.objects, |object| {
        object.template == TemplateState::Absent
    });
    if !absent.is_empty() {
        return Action::CreateTemplates(absent);
    }
    if let Some(lost) = observed.objects.iter().find(|object| is_lost(object)) {
        return abandon(
            Reason::ConflictingTemplate,
            format!(
                "while it was being staged, {} of the control plane was claimed by another \
                 policy, or created by somebody else; see its labels, and ask again",
                lost.key
            ),
        );
    }
    let held = keys(&observed.objects, |object| {
        object.template == TemplateState::Held
    });
    if !held.is_empty() {
        return Action::LiftHolds(held);
    }
    let Some(waiting) = observed
        .objects
        .iter()
        .find(|object| !is_rendered(object, observed))
    else {
        return Action::Rehearse;
    };
    let message = format!("Karmada has not rendered {} yet", waiting.key);
    if observed.overdue {
        return abandon(
            Reason::StagingFailed,
            format!(
                "{message}; see the events of ResourceBinding {} in the control plane, and ask \
                 again",
                waiting.key.binding_name()
            ),
        );
    }
    Action::Wait(message)
}

/// The next action when the first of these objects has no policy of ours.
fn policies(objects: &[ObjectState]) -> Action {
    let absent: Vec<_> = objects
        .iter()
        .take_while(|object| is_staged(object) || object.policy == PolicyState::Absent)
        .filter(|object| !is_staged(object))
        .map(|object| object.key.clone())
        .collect();
    match (absent.is_empty(), objects.first()) {
        (true, Some(object)) if object.policy == PolicyState::InHand => {
            Action::Wait(format!("another Promotion has {} in hand", object.key))
        }
        (true, Some(object)) => abandon(
            Reason::ConflictingTemplate,
            format!(
                "the control plane has a PropagationPolicy {} that is not the promoter's; rename \
                 it, so that {} can have its own",
                object.key.policy_name(),
                object.key
            ),
        ),
        _ => Action::CreatePolicies(absent),
    }
}

/// Whether an object has the policy that it needs.
fn is_staged(object: &ObjectState) -> bool {
    match object.policy {
        PolicyState::Absent => is_ready(object),
        PolicyState::Foreign | PolicyState::InHand => false,
        PolicyState::Ours(_) => true,
    }
}

fn abandon(reason: Reason, message: String) -> Action {
    Action::Enter(Phase::Abandoning, Some(Outcome { message, reason }))
}

/// A dependency that somebody else federates, equal to ours, has no policy of ours.
fn is_ready(object: &ObjectState) -> bool {
    !object.is_workload() && object.template == TemplateState::Foreign
}

fn is_lost(object: &ObjectState) -> bool {
    match object.template {
        TemplateState::Captured | TemplateState::Deleting => true,
        TemplateState::Foreign => !is_ready(object),
        TemplateState::Absent | TemplateState::Claimed(_) | TemplateState::Held => false,
    }
}

/// Whether Karmada has rendered the object for its cluster, under our policy.
fn is_rendered(object: &ObjectState, observed: &Observed) -> bool {
    if is_ready(object) {
        return true;
    }
    let staged = matches!(&object.policy, PolicyState::Ours(settings) if settings.suspended);
    let placed = object
        .bound
        .as_ref()
        .is_some_and(|bound| bound.contains(&observed.origin));
    let work = object
        .works
        .iter()
        .find(|work| work.cluster == observed.origin);
    placed && work.is_some_and(|work| work.current && (work.suspended || !staged))
}
