//! Staging: everything is put into the control plane and nothing reaches a member.

use promoter_api::{
    promotion::{DesiredState, Phase},
    reason::Reason,
};

use super::{Action, Observed, Outcome, keys, let_go};
use crate::observation::{ObjectState, PolicyState, TemplateState, WorkState};

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
    let left: Vec<_> = observed.objects.iter().filter(|it| is_left(it)).collect();
    if let Some(action) = let_go::clear(&left) {
        return action;
    }
    if let Some(others) = observed
        .objects
        .iter()
        .find(|object| is_others(object, &observed.origin))
    {
        return abandon(
            Reason::ConflictingTemplate,
            format!(
                "while it was being staged, somebody else created {} in the control plane, which \
                 stays as it is; rename or delete that, or have a policy of its own place it in \
                 cluster {}, and ask again",
                others.key, observed.origin
            ),
        );
    }
    let unstaged = observed
        .objects
        .iter()
        .position(|object| !is_staged(object, &observed.origin));
    if let Some(first) = unstaged {
        return policies(&observed.objects[first..], &observed.origin);
    }
    let absent = keys(&observed.objects, |object| {
        object.template == TemplateState::Absent
    });
    if !absent.is_empty() {
        return Action::CreateTemplates(absent);
    }
    if let Some(lost) = observed
        .objects
        .iter()
        .find(|object| is_lost(object, &observed.origin))
    {
        return abandon(
            Reason::ConflictingTemplate,
            format!(
                "while {} of cluster {} was being staged, its template in the control plane was \
                 claimed by another policy, or created by somebody else; see its labels, and ask \
                 again",
                lost.key, observed.origin
            ),
        );
    }
    let held = keys(&observed.objects, |object| {
        object.template == TemplateState::Held
    });
    if !held.is_empty() && !observed.overdue {
        return Action::LiftHolds(held);
    }
    let Some(waiting) = observed
        .objects
        .iter()
        .find(|object| !is_rendered(object, observed))
    else {
        return Action::Rehearse;
    };
    if observed.overdue {
        return abandon(
            Reason::StagingFailed,
            format!(
                "Karmada has not rendered {} for cluster {} yet; see the events of \
                 ResourceBinding {} in the control plane, and ask again",
                waiting.key,
                observed.origin,
                waiting.key.binding_name()
            ),
        );
    }
    Action::Wait(format!("Karmada has not rendered {} yet", waiting.key))
}

/// The next action when the first of these objects has no policy of ours.
fn policies(objects: &[ObjectState], origin: &str) -> Action {
    let absent: Vec<_> = objects
        .iter()
        .take_while(|object| is_staged(object, origin) || object.policy == PolicyState::Absent)
        .filter(|object| !is_staged(object, origin))
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
                 it, so that {} of cluster {origin} can have its own",
                object.key.policy_name(),
                object.key
            ),
        ),
        _ => Action::CreatePolicies(absent),
    }
}

/// Whether a Promotion that is no more has left the policy of an object: before anything was
/// dispatched, or when the template had gone. What it left in between goes on being federated.
fn is_left(object: &ObjectState) -> bool {
    let gone = matches!(
        object.template,
        TemplateState::Absent | TemplateState::Deleting
    );
    object
        .settings()
        .is_some_and(|settings| settings.is_left_over() || (settings.orphaned && gone))
}

/// Whether an object has the policy that it needs.
fn is_staged(object: &ObjectState, origin: &str) -> bool {
    match object.policy {
        PolicyState::Absent => is_ready(object, origin),
        PolicyState::Foreign | PolicyState::InHand => false,
        PolicyState::Ours(_) => true,
    }
}

fn abandon(reason: Reason, message: String) -> Action {
    Action::Enter(Phase::Abandoning, Some(Outcome { message, reason }))
}

/// A dependency that somebody else federates has no policy of ours. That it is equal is rehearsed,
/// by what Karmada has rendered of it; where nothing is dispatched, nobody federates it.
fn is_ready(object: &ObjectState, origin: &str) -> bool {
    let kept = work_in(object, origin).is_some_and(|work| !work.suspended && !work.deleting);
    !object.is_workload() && object.template == TemplateState::Foreign && kept
}

/// Whether somebody else has made a template of the name while the object was being staged.
fn is_others(object: &ObjectState, origin: &str) -> bool {
    match (&object.policy, &object.template) {
        (PolicyState::Ours(settings), TemplateState::ClaimedForeign | TemplateState::Foreign) => {
            settings.staged_by_us
        }
        (PolicyState::Absent, TemplateState::Foreign) => !is_ready(object, origin),
        _ => false,
    }
}

fn is_lost(object: &ObjectState, origin: &str) -> bool {
    match object.template {
        TemplateState::Captured | TemplateState::Deleting => true,
        TemplateState::Foreign => !is_ready(object, origin),
        TemplateState::Absent
        | TemplateState::Claimed(_)
        | TemplateState::ClaimedForeign
        | TemplateState::Held => false,
    }
}

/// Whether Karmada has rendered the object for its cluster, under our policy.
fn is_rendered(object: &ObjectState, observed: &Observed) -> bool {
    if is_ready(object, &observed.origin) {
        return true;
    }
    let staged = matches!(&object.policy, PolicyState::Ours(settings) if settings.suspended);
    let placed = object
        .bound
        .as_ref()
        .is_some_and(|bound| bound.contains(&observed.origin));
    let work = work_in(object, &observed.origin);
    placed && work.is_some_and(|work| work.current && (work.suspended || !staged))
}

fn work_in<'a>(object: &'a ObjectState, cluster: &str) -> Option<&'a WorkState> {
    object.works.iter().find(|work| work.cluster == cluster)
}

#[cfg(test)]
mod tests;
