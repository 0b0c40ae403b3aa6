//! Carrying edits: nothing that people change in the member while Karmada takes over, or lets go, is
//! lost.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::PodTemplateSpec;
use promoter_api::{
    karmada::{execution_namespace, work_name},
    promotion::{CarryingEdit, Phase, PromotionStatus},
    reason::Reason,
};
use promoter_domain::{
    closure,
    late_edit::{self, Seen},
    object::ObjectKey,
    observation::{self, Version},
    snapshot::spec_digest,
    step::{Observed, Outcome},
};
use promoter_kubernetes::{events::EventType, objects::Write, resource::Resource, workload};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::{LOOK_AGAIN, enter, enter_with, of_version, origin, tell_member, write};
use crate::{
    Context, Error,
    flow::Flow,
    read::{self, live},
    record::Record,
};

/// How often somebody may edit the workload before it is given up for the time being.
const MOST_EDITS: usize = 20;

/// Carries what a person has edited in the member into the template, or, where that is gone, into
/// what Karmada is about to write for the last time.
pub(super) async fn carry(
    context: &Context,
    record: &Record,
    observed: &Observed,
) -> Result<Flow, Error> {
    let member = origin(context, record).await?;
    let (namespace, key) = (record.namespace(), record.workload());
    let mut status = record.status();
    let Some(found) = live(&member, namespace, &key).await? else {
        return Ok(Flow::Again);
    };
    let (replica_sets, _) = workload::running(&member.objects, namespace, &found).await?;
    let template = read::template(context, record).await?;
    let work = read::work(context, namespace, &key, &member.name).await?;
    let seen = Seen {
        live: &found,
        manifest: work.as_ref().map(observation::manifest),
        replica_sets: &replica_sets,
        template: template.as_ref(),
    };
    let unrecorded = late_edit::unrecorded(&status, template.as_ref()).cloned();
    if let (Some(carrying), Some(template)) = (unrecorded, &template) {
        status.carried.push(carrying.edit);
        status.template_digest = Some(carrying.template_digest);
        return carried(context, record, status, template).await;
    }
    let last = seen.is_last();
    let Some(edited) = seen.edited(&status) else {
        return Ok(Flow::Again);
    };
    let version = observed
        .object(&key)
        .and_then(|object| object.template_version.as_ref());
    match (template, version) {
        (Some(mut template), Some(version)) if !last => {
            template["spec"] = edited["spec"].clone();
            template["metadata"]["resourceVersion"] = json!(version.resource_version);
            template["metadata"]["uid"] = json!(version.uid);
            let put = async |write| {
                let (resource, namespace) = (key.kind.into(), Some(namespace));
                context
                    .control_plane
                    .replace(resource, namespace, &key.name, &template, write)
                    .await
            };
            // Written down first: Karmada writes it at once, and what that leads to in the member
            // must be known for the edit's own even if nobody is left to say so.
            let trial = match put(Write::DryRun).await {
                Ok(trial) => trial,
                Err(error) if error.is_refusal() && is_revocable(record) => {
                    return not_taken(context, record, &error.to_string()).await;
                }
                Err(error) => return Err(error.into()),
            };
            let carrying = CarryingEdit {
                edit: late_edit::carried(&edited),
                template_digest: spec_digest(&trial),
            };
            if status.carrying.as_ref() != Some(&carrying) {
                // Something in the control plane may make another template of it each time.
                let edit = &carrying.edit;
                let again = status.carrying.as_ref().is_some_and(|it| it.edit == *edit);
                status.carrying = Some(carrying);
                write(context, record, &status).await?;
                return Ok(if again {
                    Flow::After(LOOK_AGAIN)
                } else {
                    Flow::Again
                });
            }
            match put(Write::ForGood).await {
                Ok(kept) => status.template_digest = Some(spec_digest(&kept)),
                Err(error) if error.is_refusal() && is_revocable(record) => {
                    return not_taken(context, record, &error.to_string()).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        (Some(_), None) if !last => return Ok(Flow::Again),
        _ => into_work(context, record, &edited).await?,
    }
    status.carried.push(late_edit::carried(&edited));
    carried(context, record, status, &edited).await
}

/// Says that an edit was carried, the last of the status, or gives the promotion up for it.
async fn carried(
    context: &Context,
    record: &Record,
    mut status: PromotionStatus,
    edited: &Value,
) -> Result<Flow, Error> {
    status.carrying = None;
    let (namespace, key) = (record.namespace(), record.workload());
    let (name, phase) = (record.name(), record.phase());
    tracing::info!(namespace, name, %phase, "a late edit was carried");
    let needs = needed_anew(record, edited)?;
    if is_revocable(record) && (!needs.is_empty() || status.carried.len() > MOST_EDITS) {
        let why = if needs.is_empty() {
            "it is edited again and again".to_owned()
        } else {
            format!("what it needs is no longer what was staged ({needs})")
        };
        let outcome = Outcome {
            message: format!(
                "{key} of namespace {namespace} in cluster {} was changed while it was being \
                 promoted, and {why}; it was rolled back, and is planned again",
                record.origin()
            ),
            reason: Reason::LateEdit,
        };
        let carried = status;
        return enter_with(
            context,
            record,
            Phase::RollingBack,
            Some(outcome),
            |status| {
                status.carried = carried.carried;
                status.carrying = None;
                status.template_digest = carried.template_digest;
            },
        )
        .await;
    }
    // What is verified no more is only told.
    let surplus = status.carried.len().saturating_sub(MOST_EDITS);
    status.carried.drain(..surplus);
    write(context, record, &status).await?;
    announce(context, record, &needs).await;
    Ok(Flow::Again)
}

/// Once policies are settled there is nothing left to roll back to.
fn is_revocable(record: &Record) -> bool {
    matches!(record.phase(), Phase::Committing | Phase::Verifying)
}

/// Rolls back what cannot go on: the control plane refuses the edit, and the member what would
/// undo it.
async fn not_taken(context: &Context, record: &Record, refusal: &str) -> Result<Flow, Error> {
    let outcome = Outcome {
        message: format!(
            "{} of namespace {} in cluster {} was changed while it was being promoted, and the \
             control plane does not take the change into its template: {refusal}; everything was \
             rolled back. Have both take it, or take it back, and ask again",
            record.workload(),
            record.namespace(),
            record.origin()
        ),
        reason: Reason::CommitRefused,
    };
    enter(context, record, Phase::RollingBack, Some(outcome)).await
}

/// Puts an edit into the manifest of a Work whose template is gone.
async fn into_work(context: &Context, record: &Record, edited: &Value) -> Result<(), Error> {
    let (namespace, name) = work_of(record);
    let found = context
        .control_plane
        .get(Resource::WORK, Some(&namespace), &name)
        .await?;
    let Some((work, version)) = found.and_then(|work| {
        let version = Version::of(Some(&work))?;
        Some((work, version))
    }) else {
        return Ok(());
    };
    let mut manifest = observation::manifest(&work).clone();
    manifest["spec"] = edited["spec"].clone();
    let patch = json!({"spec": {"workload": {"manifests": [manifest]}}});
    context
        .control_plane
        .merge(
            Resource::WORK,
            Some(&namespace),
            &name,
            &of_version(patch, &version),
        )
        .await?;
    Ok(())
}

/// The namespace and the name of the workload's Work in the cluster that it was promoted from.
pub(super) fn work_of(record: &Record) -> (String, String) {
    let key = record.workload();
    (
        execution_namespace(record.origin()),
        work_name(key.kind.as_str(), &key.name, record.namespace()),
    )
}

/// What an edited workload refers to and did not when it was planned, or no longer refers to: in
/// words, empty where that is nothing.
fn needed_anew(record: &Record, edited: &Value) -> Result<String, Error> {
    let template = PodTemplateSpec::deserialize(&edited["spec"]["template"])
        .map_err(|error| Error::Unreadable(record.workload().to_string(), error))?;
    let now: BTreeSet<_> = closure::references(&template)
        .into_iter()
        .map(|reference| reference.key)
        .collect();
    let planned: BTreeSet<_> = record
        .status()
        .dependencies
        .iter()
        .filter(|dependency| !dependency.through_service_account)
        .map(|dependency| ObjectKey::dependency(dependency.kind, &dependency.name))
        .collect();
    let different: Vec<_> = now
        .symmetric_difference(&planned)
        .map(ToString::to_string)
        .collect();
    Ok(different.join(", "))
}

/// Says that an edit was carried, on the Promotion and on the member's Deployment.
async fn announce(context: &Context, record: &Record, needs: &str) {
    let reason = Reason::LateEdit.to_string();
    let action = record.phase().to_string();
    let needs = if needs.is_empty() {
        String::new()
    } else {
        format!("; what it needs is no longer what is federated with it: {needs}")
    };
    let note = format!(
        "{} of namespace {} in cluster {} was edited there meanwhile; the edit was carried into \
         what Karmada writes{needs}",
        record.workload(),
        record.namespace(),
        record.origin()
    );
    context
        .events
        .publish(
            &record.reference(),
            EventType::Warning,
            &reason,
            &action,
            &note,
        )
        .await;
    tell_member(context, record, EventType::Warning, &reason, &action, &note).await;
}
