//! The guard's mark, and what it refuses.

use jiff::Timestamp;
use promoter_api::{
    marks::{GUARD, GUARD_POLICY},
    promotion::{Phase, PromotionStatus},
};
use promoter_domain::{
    object::ObjectKey, observation::Version, snapshot::spec_digest, step::Observed,
};
use promoter_installation::member;
use promoter_kubernetes::{identity, members::Member, objects::Write, resource::Resource};
use serde_json::{Value, json};

use super::{LOOK_AGAIN, carry::work_of, of_version, origin, rehearse, write};
use crate::{
    Context, Error, conditions,
    flow::Flow,
    read::{self, live},
    record::Record,
};

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

/// Has Karmada look at the workload's Work again at once: after a refusal it does so by itself,
/// but the later the longer it has been refused.
///
/// That a Work is not suspended may be said or left out; changing between the two changes its
/// generation, which is what Karmada goes by, and nothing else. Karmada writes it out again with
/// its next change (`pkg/controllers/execution/execution_controller.go`, `SetupWithManager`;
/// `pkg/controllers/ctrlutil/work.go`, `CreateOrUpdateWork`).
///
/// Of a Work that has become suspended since, or of the next one of its name, it would have Karmada
/// write what nothing was rehearsed of: the write is for the Work as it was seen.
pub(super) async fn retry(
    context: &Context,
    record: &Record,
    observed: &Observed,
) -> Result<Flow, Error> {
    let (key, origin) = (record.workload(), record.origin());
    let work = observed
        .object(&key)
        .and_then(|object| object.work_in(origin));
    let Some(version) = work.and_then(|work| work.version.as_ref()) else {
        return Ok(Flow::Again);
    };
    let (namespace, name) = work_of(record);
    let patch = of_version(json!({"spec": {"suspendDispatching": null}}), version);
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
