//! The guard, and the edits that it keeps: nothing that people change in the member while Karmada
//! takes over, or lets go, is lost.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use promoter_api::{
    karmada::{execution_namespace, work_name},
    marks::{GUARD, GUARD_POLICY},
    promotion::{Phase, PromotionStatus},
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
use promoter_installation::member;
use promoter_kubernetes::{
    events::EventType, identity, members::Member, objects::Write, resource::Resource, workload,
};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::{LOOK_AGAIN, enter, enter_with, of_version, origin, rehearse, tell_member, write};
use crate::{
    Context, Error, conditions,
    flow::Flow,
    read::{self, live},
    record::Record,
};

/// How often somebody may edit the workload before it is given up for the time being.
const MOST_EDITS: usize = 20;

/// Marks the workload for the guard, where that is installed, and records whether it holds.
pub(super) async fn guard(context: &Context, record: &Record) -> Result<Flow, Error> {
    let member = origin(context, record).await?;
    let mut status = record.status();
    let mut guarded = installed(&member).await?;
    if guarded.is_ok() {
        let namespace = record.namespace();
        let key = record.workload();
        let Some(found) = live(&member, namespace, &key).await? else {
            // Its absence is found by whoever looks at it next.
            return not_guarded(context, record, "the workload is gone".to_owned()).await;
        };
        // Of a release nothing was rehearsed yet. What is compared is written down before the mark
        // is set: from then on an edit is one that is to be carried.
        if record.phase() == Phase::Releasing && !found["metadata"]["labels"][GUARD].is_string() {
            match unchanged(context, record, &member, &found).await? {
                Ok(template) => {
                    status.rehearsed = Some(spec_digest(&found));
                    status.template_digest = template.as_ref().map(spec_digest);
                    if status != record.status() {
                        write(context, record, &status).await?;
                        return Ok(Flow::Again);
                    }
                }
                Err(problem) => {
                    status.message = Some(problem);
                    write(context, record, &status).await?;
                    return Ok(Flow::After(LOOK_AGAIN));
                }
            }
        }
        guarded = match mark(&member, namespace, &key, &found, Some(record.uid())).await {
            Ok(()) => holds(&member, namespace, &key).await?,
            // By a webhook that would have changed the pods, say.
            Err(Error::Objects(error)) if error.is_refusal() => Err(error.to_string()),
            Err(error) => return Err(error),
        };
        // What refuses the mark may refuse to have it taken off as well, where it is not.
        if guarded.is_err()
            && let Some(found) = live(&member, namespace, &key).await?
            && found["metadata"]["labels"][GUARD].is_string()
        {
            mark(&member, namespace, &key, &found, None).await?;
        }
    }
    say(record, &mut status, guarded);
    write(context, record, &status).await?;
    Ok(Flow::Again)
}

/// Takes the guard's mark off the workload as it was seen.
pub(super) async fn unguard(
    context: &Context,
    record: &Record,
    observed: &Observed,
) -> Result<Flow, Error> {
    let member = origin(context, record).await?;
    let version = observed
        .live
        .as_ref()
        .and_then(|live| live.version.as_ref());
    if let Some(version) = version {
        let key = record.workload();
        set_mark(&member, record.namespace(), &key, version, None).await?;
    }
    Ok(Flow::Again)
}

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
            let (resource, namespace) = (key.kind.into(), Some(namespace));
            let kept = context
                .control_plane
                .replace(resource, namespace, &key.name, &template, Write::ForGood)
                .await;
            match kept {
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
    let (name, phase) = (record.name(), record.phase());
    tracing::info!(namespace, name, %phase, "a late edit was carried");
    let needs = needed_anew(record, &edited)?;
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
                member.name
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
             rolled back",
            record.workload(),
            record.namespace(),
            record.origin()
        ),
        reason: Reason::CommitRefused,
    };
    enter(context, record, Phase::RollingBack, Some(outcome)).await
}

/// Has Karmada look at the workload's Work again at once: after a refusal it does so by itself,
/// but the later the longer it has been refused.
///
/// That a Work is not suspended may be said or left out; changing between the two changes its
/// generation, which is what Karmada goes by, and nothing else. Karmada writes it out again with
/// its next change (`pkg/controllers/execution/execution_controller.go`, `SetupWithManager`;
/// `pkg/controllers/ctrlutil/work.go`, `CreateOrUpdateWork`).
pub(super) async fn retry(context: &Context, record: &Record) -> Result<Flow, Error> {
    let (namespace, name) = work_of(record);
    let patch = json!({"spec": {"suspendDispatching": null}});
    context
        .control_plane
        .merge(Resource::WORK, Some(&namespace), &name, &patch)
        .await?;
    Ok(Flow::After(LOOK_AGAIN))
}

/// Whether the guard is installed in a member as this version has it, for Karmada's identity.
async fn installed(member: &Member) -> Result<Result<(), String>, Error> {
    let objects = &member.objects;
    let read = futures::future::try_join3(
        objects.get(Resource::VALIDATING_ADMISSION_POLICY, None, GUARD_POLICY),
        objects.get(
            Resource::VALIDATING_ADMISSION_POLICY_BINDING,
            None,
            GUARD_POLICY,
        ),
        identity::user(objects),
    );
    match read.await {
        Ok((policy, binding, user)) => {
            let checked = member::guard::check(policy.as_ref(), binding.as_ref(), &user);
            Ok(checked.map_err(|problem| problem.to_string()))
        }
        // Whether it is there cannot be told then (an old API server knows neither policies nor
        // reviews), and it is not relied on.
        Err(error) if error.is_refusal() || error.is_not_found() => Ok(Err(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// Whether the member refuses what it is to refuse: asked with Karmada's identity, as the engine
/// always asks, for a change of the pod template that is not kept.
async fn holds(
    member: &Member,
    namespace: &str,
    key: &ObjectKey,
) -> Result<Result<(), String>, Error> {
    let patch = json!({"spec": {"template": {"metadata": {"annotations": {(GUARD): "probe"}}}}});
    let (resource, namespace) = (key.kind.into(), Some(namespace));
    let answer = member
        .objects
        .merge_with(resource, namespace, &key.name, &patch, Write::DryRun)
        .await;
    match answer {
        Ok(_) => Ok(Err(
            "it is installed, but a dry run of a change passed".to_owned()
        )),
        Err(error) if error.message().contains(GUARD_POLICY) => Ok(Ok(())),
        Err(error) if error.is_refusal() => Ok(Err(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// The template, when Karmada's write to the workload would change nothing, or what it would.
async fn unchanged(
    context: &Context,
    record: &Record,
    member: &Member,
    found: &Value,
) -> Result<Result<Option<Value>, String>, Error> {
    let (namespace, key) = (record.namespace(), record.workload());
    let template = read::template(context, record).await?;
    let Some(manifest) = rehearse::rendered(context, &key, namespace, &member.name).await? else {
        return Ok(Ok(template));
    };
    Ok(
        match rehearse::rehearse_one(member, namespace, &key, &manifest).await? {
            Ok(rehearsed) if rehearsed.live["spec"] != found["spec"] => {
                Err(format!("{key} has just been changed in the member"))
            }
            Ok(rehearsed) => match rehearsed.differences.first() {
                Some(difference) => Err(format!(
                    "letting go would change {} {} in cluster {}; Karmada has not brought it in \
                     line with its template yet, or cannot",
                    difference.object, difference.path, member.name
                )),
                None => Ok(template),
            },
            Err(refusal) => Err(refusal.message),
        },
    )
}

async fn mark(
    member: &Member,
    namespace: &str,
    key: &ObjectKey,
    found: &Value,
    value: Option<&str>,
) -> Result<(), Error> {
    match Version::of(Some(found)) {
        Some(version) => set_mark(member, namespace, key, &version, value).await,
        None => Ok(()),
    }
}

/// Puts the mark on the Deployment as it was seen, or takes it off.
async fn set_mark(
    member: &Member,
    namespace: &str,
    key: &ObjectKey,
    version: &Version,
    value: Option<&str>,
) -> Result<(), Error> {
    let patch = of_version(json!({"metadata": {"labels": {(GUARD): value}}}), version);
    let merged = member
        .objects
        .merge(key.kind.into(), Some(namespace), &key.name, &patch)
        .await;
    match merged {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    }
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
fn work_of(record: &Record) -> (String, String) {
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

async fn not_guarded(context: &Context, record: &Record, problem: String) -> Result<Flow, Error> {
    let mut status = record.status();
    say(record, &mut status, Err(problem));
    write(context, record, &status).await?;
    Ok(Flow::Again)
}

fn say(record: &Record, status: &mut PromotionStatus, guarded: Result<(), String>) {
    let generation = record.promotion.metadata.generation;
    let now = Timestamp::now();
    conditions::guarded(status, record.origin(), guarded, generation, now);
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
