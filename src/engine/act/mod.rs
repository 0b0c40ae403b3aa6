//! Does what the step function says. Every action can be done twice without harm.

mod authorize;
mod carry;
mod commit;
mod follow;
mod guard;
mod let_go;
mod plan;
mod rehearse;
mod stage;
mod stale;
mod strip;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use promoter_api::{
    marks,
    promotion::{Phase, PromotionStatus},
};
use promoter_domain::{
    object::ObjectKey,
    observation::Version,
    step::{Action, Observed, Outcome},
};
use promoter_kubernetes::{
    events::{EventType, Events},
    members::{self, Member},
    resource::Resource,
};
use serde_json::{Value, json};

use crate::{Context, Error, conditions, flow::Flow, record::Record};

pub(crate) use self::authorize::unanswered;

/// How often it is looked whether Karmada has gone on, should the watch that tells so be silent.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// From how many objects on a promotion takes its time between looks, and how much for each, so
/// that the API server has some left for Karmada.
const MANY: u32 = 30;
const LOOK_AT_EACH: Duration = Duration::from_millis(5);

/// How many objects are read or written at the same time.
const AT_A_TIME: usize = 8;

/// Does one action.
///
/// Writes name what was observed, as it was: what has changed since is looked at again first.
pub(crate) async fn act(
    context: &Context,
    record: &Record,
    observed: &Observed,
    action: Action,
) -> Result<Flow, Error> {
    match action {
        Action::Authorize => authorize::authorize(context, record).await,
        Action::CarryEdit => carry::carry(context, record, observed).await,
        Action::Commit(keys) => commit::commit(context, record, observed, &keys).await,
        Action::CreateNamespace => stage::create_namespace(context, record).await,
        Action::CreatePolicies(keys) => stage::create_policies(context, record, &keys).await,
        Action::CreateTemplates(keys) => stage::create_templates(context, record, &keys).await,
        Action::DeletePolicies(keys) => {
            let_go::delete_policies(context, record, observed, &keys).await
        }
        Action::DeleteTemplates(keys) => {
            let_go::delete_templates(context, record, observed, &keys).await
        }
        Action::EndRetention => commit::end_retention(context, record, observed).await,
        Action::Enter(Phase::Releasing, outcome) => {
            // Wherever it is bound now, a trace may be left.
            let bound = observed
                .workload()
                .and_then(|workload| workload.bound.clone());
            enter_with(context, record, Phase::Releasing, outcome, |status| {
                status.placed.extend(bound.into_iter().flatten());
                status.placed.sort();
                status.placed.dedup();
            })
            .await
        }
        Action::Enter(phase, outcome) => enter(context, record, phase, outcome).await,
        Action::Follow(clusters) => follow::follow(context, record, &clusters).await,
        Action::Free(key, cluster) => let_go::free(context, record, observed, &key, &cluster).await,
        Action::Forget => forget(context, record).await,
        Action::Guard => guard::guard(context, record).await,
        Action::LetGo(keys) => let_go::let_go(context, record, observed, &keys).await,
        Action::LiftHolds(keys) => stage::lift_holds(context, record, observed, &keys).await,
        Action::MarkReleased(keys) => let_go::mark_released(context, record, observed, &keys).await,
        Action::Plan => plan::plan(context, record).await,
        Action::Preserve(keys) => let_go::preserve(context, record, observed, &keys).await,
        Action::Rehearse => rehearse::rehearse(context, record, observed).await,
        Action::Rest => Ok(Flow::Rest),
        Action::Retry => guard::retry(context, record, observed).await,
        Action::SetReplicas(replicas) => {
            commit::set_replicas(context, record, observed, replicas).await
        }
        Action::Settle(keys) => commit::settle(context, record, observed, &keys).await,
        Action::Strip { disable } => strip::strip(context, record, disable).await,
        Action::Unguard => guard::unguard(context, record, observed).await,
        Action::Verify => commit::verify(context, record).await,
        Action::Wait(message) => wait(context, record, message).await,
        Action::Withdraw(keys) => let_go::withdraw(context, record, observed, &keys).await,
    }
}

/// Records a phase, and says so on the Promotion and on the member's Deployment.
async fn enter(
    context: &Context,
    record: &Record,
    phase: Phase,
    outcome: Option<Outcome>,
) -> Result<Flow, Error> {
    enter_with(context, record, phase, outcome, |_| {}).await
}

/// The same, with more to be written into the status.
async fn enter_with(
    context: &Context,
    record: &Record,
    phase: Phase,
    outcome: Option<Outcome>,
    more: impl FnOnce(&mut PromotionStatus),
) -> Result<Flow, Error> {
    let now = Timestamp::now();
    let mut status = record.entered(phase, outcome.as_ref(), now);
    more(&mut status);
    conditions::update_dependencies(&mut status, record.promotion.metadata.generation, now);
    let changed = record.phase() != phase || record.status().reason != status.reason;
    write(context, record, &status).await?;
    if changed {
        tracing::info!(
            namespace = record.namespace(),
            name = record.name(),
            %phase,
            reason = status.reason.map(|reason| reason.to_string()),
            message = status.message,
            "phase"
        );
        announce(context, record, &status).await;
    }
    Ok(Flow::Again)
}

/// Writes the status, unless it says that already.
async fn write(context: &Context, record: &Record, status: &PromotionStatus) -> Result<(), Error> {
    if *status == record.status() {
        return Ok(());
    }
    let unreadable = |error| Error::Unreadable(format!("the status of {}", record.name()), error);
    let body = record.apply(status).map_err(unreadable)?;
    let (namespace, name) = (Some(record.namespace()), record.name());
    context
        .control_plane
        .apply_status(Resource::PROMOTION, namespace, name, &body)
        .await?;
    Ok(())
}

/// Waits, and lets people see for what.
pub(crate) async fn wait(
    context: &Context,
    record: &Record,
    message: String,
) -> Result<Flow, Error> {
    let mut status = record.status();
    let undoing = matches!(status.phase, Phase::Abandoning | Phase::RollingBack);
    match (status.reason, &status.message) {
        // What everything is undone for must stay, whatever it waits for on the way.
        (Some(_), Some(why)) if undoing => {
            let message = format!("{why}; undoing it: {message}");
            let promoted = |condition: &&mut Condition| condition.type_ == "Promoted";
            if let Some(condition) = status.conditions.iter_mut().find(promoted) {
                condition.message = message;
            }
        }
        _ => status.message = Some(message),
    }
    write(context, record, &status).await?;
    let objects = u32::try_from(record.objects().len()).unwrap_or(u32::MAX);
    if objects > MANY {
        // Each of them tells when Karmada goes on, and each look reads all of them.
        tokio::time::sleep(LOOK_AT_EACH.saturating_mul(objects)).await;
    }
    Ok(Flow::After(LOOK_AGAIN))
}

/// Waits for a member that cannot be reached, and lets people see that.
pub(crate) async fn unreachable(
    context: &Context,
    record: &Record,
    error: &members::Error,
) -> Result<Flow, Error> {
    const AWAY: Duration = Duration::from_secs(5);

    wait(context, record, error.to_string()).await?;
    Ok(Flow::After(AWAY))
}

/// Takes the finalizer off: nothing is left to be done for the Promotion.
async fn forget(context: &Context, record: &Record) -> Result<Flow, Error> {
    let metadata = &record.promotion.metadata;
    let finalizers = metadata.finalizers.clone().unwrap_or_default();
    let left: Vec<_> = finalizers
        .iter()
        .filter(|name| *name != marks::FINALIZER)
        .collect();
    if left.len() == finalizers.len() {
        return Ok(Flow::Rest);
    }
    let patch = json!({
        "metadata": {"finalizers": left, "resourceVersion": metadata.resource_version},
    });
    let merged = context
        .control_plane
        .merge(
            Resource::PROMOTION,
            Some(record.namespace()),
            record.name(),
            &patch,
        )
        .await;
    match merged {
        Ok(_) => Ok(Flow::Rest),
        Err(error) if error.is_not_found() => Ok(Flow::Rest),
        Err(error) => Err(error.into()),
    }
}

/// The member that the workload is promoted from.
async fn origin(context: &Context, record: &Record) -> Result<Member, members::Error> {
    context.members.get(record.origin()).await
}

/// Changes the policies of objects. One that is gone meanwhile is seen by the next observation.
async fn patch_policies(
    context: &Context,
    record: &Record,
    observed: &Observed,
    keys: &[ObjectKey],
    patch: impl Fn(&ObjectKey) -> Value,
) -> Result<Flow, Error> {
    for key in keys {
        let Some(version) = observed
            .object(key)
            .and_then(|object| object.policy_version.as_ref())
        else {
            continue;
        };
        let merged = context
            .control_plane
            .merge(
                Resource::PROPAGATION_POLICY,
                Some(record.namespace()),
                &key.policy_name(),
                &of_version(patch(key), version),
            )
            .await;
        match merged {
            Ok(_) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Flow::Again)
}

/// A merge patch that is refused when the object has changed since it was seen.
pub(crate) fn of_version(mut patch: Value, version: &Version) -> Value {
    patch["metadata"]["resourceVersion"] = json!(version.resource_version);
    patch["metadata"]["uid"] = json!(version.uid);
    patch
}

/// Publishes what a phase means to people, on the Promotion and on the member's Deployment.
async fn announce(context: &Context, record: &Record, status: &PromotionStatus) {
    let (kind, reason) = match (status.phase, status.reason) {
        (Phase::Refused | Phase::Failed | Phase::Waiting, Some(reason)) => {
            (EventType::Warning, reason.to_string())
        }
        (Phase::RollingBack, Some(reason)) => (EventType::Warning, reason.to_string()),
        (phase, _) => (EventType::Normal, phase.to_string()),
    };
    let note = status
        .message
        .clone()
        .unwrap_or_else(|| meaning(status.phase).to_owned());
    let action = status.phase.to_string();
    context
        .events
        .publish(&record.reference(), kind, &reason, &action, &note)
        .await;
    // The steps in between are for whoever follows the Promotion.
    let told = match status.phase {
        Phase::Staging | Phase::Promoted | Phase::Failed | Phase::Released => true,
        // Nothing is written to a member for somebody who was not found to be allowed anything.
        Phase::Waiting | Phase::Refused => record.is_authorized(),
        _ => false,
    };
    if told {
        tell_member(context, record, kind, &reason, &action, &note).await;
    }
}

/// Publishes an event on the member's Deployment.
async fn tell_member(
    context: &Context,
    record: &Record,
    kind: EventType,
    reason: &str,
    action: &str,
    note: &str,
) {
    let Ok(member) = origin(context, record).await else {
        return;
    };
    let key = record.workload();
    let Ok(Some(live)) = crate::read::live(&member, record.namespace(), &key).await else {
        return;
    };
    let reference = k8s_openapi::api::core::v1::ObjectReference {
        api_version: Some(key.kind.api_version().to_owned()),
        kind: Some(key.kind.as_str().to_owned()),
        name: Some(key.name.clone()),
        namespace: Some(record.namespace().to_owned()),
        uid: live["metadata"]["uid"].as_str().map(str::to_owned),
        ..Default::default()
    };
    let events = Events::new(member.objects.client().clone(), &context.instance);
    events.publish(&reference, kind, reason, action, note).await;
}

fn meaning(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "it is looked at again",
        Phase::Waiting => "it waits for something that may pass",
        Phase::Staging => "it is put into the control plane; nothing reaches the member yet",
        Phase::Abandoning => "what was staged is taken away",
        Phase::Committing => "the rehearsal passed; Karmada takes over",
        Phase::Verifying => "Karmada has taken over; the pods are compared with those before",
        Phase::Settling => "the same pods run as before; what the take-over needed is taken back",
        Phase::Promoted => "it is a workload of Karmada now; edit it in the control plane",
        Phase::RollingBack => "Karmada is made to let go",
        Phase::Releasing => "Karmada is made to let go, as was asked for",
        Phase::Observed => "nothing would change; this is a prediction",
        Phase::Rehearsed => "nothing would change; nothing staged remains",
        Phase::Refused => "it was refused",
        Phase::Failed => "it was rolled back",
        Phase::Released => "Karmada has let go; the workload goes on running by itself",
    }
}

#[cfg(test)]
mod tests;
