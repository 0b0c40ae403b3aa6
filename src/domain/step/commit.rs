//! Committing and settling: Karmada takes over, and keeps what it has taken over.

use promoter_api::{
    promotion::{OnClusterRemoval, Phase},
    reason::Reason,
};

use super::{Action, Observed, Outcome, guard, keys};
use crate::observation::{ObjectState, PolicySettings, TemplateState, WorkState};

/// The next action while committing.
pub(super) fn commit(observed: &Observed) -> Action {
    let suspended = keys(&observed.objects, |object| {
        object.settings().is_some_and(|settings| settings.suspended)
    });
    if !suspended.is_empty() {
        if observed.template_edited {
            return guard::template_edited(observed);
        }
        return guard::guard(observed).unwrap_or(Action::Commit(suspended));
    }
    if let Some(action) = guard::late_edit(observed) {
        return action;
    }
    if observed
        .workload()
        .and_then(ObjectState::settings)
        .is_none()
    {
        return Action::Wait("the workload's policy is not there; put it back".into());
    }
    let waiting = observed
        .objects
        .iter()
        .filter(|object| {
            object
                .settings()
                .is_some_and(|settings| settings.staged_by_us)
        })
        .find_map(|object| {
            let work = object.work_in(&observed.origin);
            (!work.is_some_and(is_taken)).then_some((object, work))
        });
    let Some((object, work)) = waiting else {
        return Action::Enter(Phase::Verifying, None);
    };
    if let Some(action) = work
        .filter(|_| object.is_workload())
        .and_then(|work| guard::refused(work, observed))
    {
        return action;
    }
    let said = work.and_then(|work| work.message.as_deref());
    let (key, cluster) = (&object.key, &observed.origin);
    if observed.overdue {
        let message = match said {
            Some(said) => format!(
                "cluster {cluster} does not take {key}: {said}; everything was rolled back. Let \
                 what refuses it there pass writes of the identity that Karmada uses, and ask again"
            ),
            None => format!(
                "Karmada has not taken over {key} in cluster {cluster}; everything was rolled \
                 back. See to it that Karmada's controllers run and reach the cluster, and ask \
                 again"
            ),
        };
        let reason = Reason::CommitRefused;
        return Action::Enter(Phase::RollingBack, Some(Outcome { message, reason }));
    }
    Action::Wait(match said {
        Some(said) => format!("cluster {cluster} does not take {key}: {said}"),
        None => format!("Karmada has not taken over {key} yet"),
    })
}

/// The next action while verifying.
pub(super) fn verify(observed: &Observed) -> Action {
    if let Some(action) = guard::late_edit(observed) {
        return action;
    }
    // What Karmada has put back, and is to write again, is not what is to be compared.
    if observed.edited && guard::is_behind(observed) && !observed.template_edited {
        return Action::Wait("Karmada has not written the edit yet".into());
    }
    Action::Verify
}

/// The next action while settling.
pub(super) fn settle(observed: &Observed) -> Action {
    if let Some(action) = guard::late_edit(observed) {
        return action;
    }
    let unsettled = keys(&observed.objects, |object| {
        object
            .settings()
            .is_some_and(|settings| !is_settled(object, *settings, observed))
    });
    if !unsettled.is_empty() {
        return Action::Settle(unsettled);
    }
    if let Some(action) = observed
        .workload()
        .and_then(|workload| retention(workload, observed))
    {
        return action;
    }
    // Somebody has edited the template of what is verified: that is to be rolled out.
    if observed.template_edited
        && let Some(action) = guard::lift(observed)
    {
        return action;
    }
    if let Some(work) = observed
        .workload()
        .and_then(|workload| workload.work_in(&observed.origin))
        && let Some(action) = guard::refused(work, observed)
    {
        return action;
    }
    let waiting = observed.objects.iter().find(|object| {
        object.settings().is_some_and(|settings| {
            !object
                .work_in(&observed.origin)
                .is_none_or(|work| work.applied == Some(true) && work.preserve == settings.preserve)
        })
    });
    match waiting {
        Some(object) => Action::Wait(format!("Karmada has not settled {} yet", object.key)),
        // As long as what is live is not from the template as it is, Karmada will write.
        None if guard::is_behind(observed)
            && (observed.edited || guard::is_guarded(observed))
            && !observed.template_edited =>
        {
            Action::Wait("Karmada has not written the template yet".into())
        }
        None => guard::lift(observed).unwrap_or(Action::Enter(Phase::Promoted, None)),
    }
}

/// What still has to be done until the template decides on the replicas.
///
/// The live count goes into the template first and is seen in the Work before the retention ends.
/// In one write, Karmada might render the template without the retention but with the count that
/// the scheduler had last, and scale the workload for a moment.
fn retention(workload: &ObjectState, observed: &Observed) -> Option<Action> {
    let TemplateState::Claimed(template) = &workload.template else {
        return None;
    };
    if observed.autoscaled || !template.retains_replicas {
        // Wait for the Work to show it, or the next edit would come from a stale manifest.
        let shown = workload
            .work_in(&observed.origin)
            .is_none_or(|work| work.retains_replicas == template.retains_replicas);
        return (!shown).then(|| Action::Wait("Karmada has not rendered the replicas yet".into()));
    }
    let live = observed.live_replicas?;
    if template.replicas != Some(live) {
        return Some(Action::SetReplicas(live));
    }
    let rendered = workload
        .work_in(&observed.origin)
        .is_some_and(|work| work.current && work.replicas == Some(live));
    Some(if rendered {
        Action::EndRetention
    } else {
        Action::Wait("Karmada has not rendered the replicas yet".into())
    })
}

fn is_settled(object: &ObjectState, settings: PolicySettings, observed: &Observed) -> bool {
    let workload = object.is_workload();
    let preserve = workload && observed.intent.on_cluster_removal == OnClusterRemoval::Preserve;
    !settings.overwrite
        && !settings.suspended
        && !settings.staged_by_us
        && settings.preserve == preserve
        && settings.propagate_dependencies == workload
}

fn is_taken(work: &WorkState) -> bool {
    !work.suspended && work.preserve && work.taken_over && work.applied == Some(true)
}

#[cfg(test)]
mod tests;
