//! Committing, verifying and settling.

use promoter_api::{promotion::Phase, reason::Reason};
use promoter_domain::{
    late_edit::Seen,
    object::ObjectKey,
    observation::Edit,
    policy, snapshot,
    step::{Observed, Outcome},
};
use promoter_kubernetes::workload;
use serde_json::Value;

use super::{enter, of_version, origin, patch_policies, rehearse};
use crate::{
    Context, Error,
    flow::Flow,
    read::{self, live},
    record::Record,
};

/// Lets Karmada take over, dependencies first.
///
/// Everything is read once more just before: what was rehearsed must be what is there.
pub(super) async fn commit(
    context: &Context,
    record: &Record,
    observed: &Observed,
    keys: &[ObjectKey],
) -> Result<Flow, Error> {
    if let Some(changed) = changed(context, record, keys).await? {
        let outcome = Outcome {
            message: format!(
                "{changed} of namespace {} in cluster {} was changed while it was being promoted; \
                 it is planned again",
                record.namespace(),
                record.origin()
            ),
            reason: Reason::LateEdit,
        };
        // With everything still suspended there is nothing to roll back.
        let untouched = record
            .objects()
            .iter()
            .all(|key| keys.contains(key) || !record.creates(key));
        let phase = if untouched {
            Phase::Abandoning
        } else {
            Phase::RollingBack
        };
        return enter(context, record, phase, Some(outcome)).await;
    }
    patch_policies(context, record, observed, keys, |_| policy::commit_patch()).await
}

/// The first object that is not what it was when it was rehearsed.
async fn changed(
    context: &Context,
    record: &Record,
    keys: &[ObjectKey],
) -> Result<Option<ObjectKey>, Error> {
    let member = origin(context, record).await?;
    let namespace = record.namespace();
    for key in keys {
        let same = if *key == record.workload() {
            let live = live(&member, namespace, key).await?;
            let status = record.status();
            let uid = status.before.map(|before| before.uid).unwrap_or_default();
            live.is_some_and(|live| {
                live["metadata"]["uid"] == uid
                    && Some(snapshot::spec_digest(&live)) == status.rehearsed
            })
        } else {
            match rehearse::rendered(context, key, namespace, &member.name).await? {
                Some(manifest) => {
                    let rehearsed = rehearse::rehearse_one(&member, namespace, key, &manifest);
                    rehearsed
                        .await?
                        .is_ok_and(|rehearsed| rehearsed.differences.is_empty())
                }
                None => true,
            }
        };
        if !same {
            return Ok(Some(key.clone()));
        }
    }
    Ok(None)
}

/// Compares the workload in the member with what it was before anything was staged.
pub(super) async fn verify(context: &Context, record: &Record) -> Result<Flow, Error> {
    let member = origin(context, record).await?;
    let namespace = record.namespace();
    let key = record.workload();
    let before = record.status().before.unwrap_or_default();
    let failed = |what: &str| not_as_before(&key, namespace, &member.name, what);
    let Some(deployment) = live(&member, namespace, &key).await? else {
        let outcome = failed("it is gone");
        return enter(context, record, Phase::RollingBack, Some(outcome)).await;
    };
    let (replica_sets, pods) = workload::running(&member.objects, namespace, &deployment).await?;
    let status = record.status();
    let template = read::template(context, record).await?;
    let seen = Seen {
        live: &deployment,
        manifest: None,
        replica_sets: &replica_sets,
        template: template.as_ref(),
    };
    if seen.state(&status).edit != Edit::None {
        // It was edited this very moment.
        return Ok(Flow::Again);
    }
    let after = snapshot::snapshot(&deployment, &replica_sets, &pods, before.autoscaled);
    match snapshot::compare_edited(&before, &after, &status.carried, &replica_sets) {
        Ok(()) => enter(context, record, Phase::Settling, None).await,
        Err(change) => {
            let outcome = failed(&change.to_string());
            enter(context, record, Phase::RollingBack, Some(outcome)).await
        }
    }
}

/// What is said of a workload that was not what it was before.
pub(super) fn not_as_before(
    key: &ObjectKey,
    namespace: &str,
    cluster: &str,
    what: &str,
) -> Outcome {
    Outcome {
        message: format!(
            "after the commit, {key} of namespace {namespace} in cluster {cluster} was not what it \
             was before: {what}; everything was rolled back. Look for what else writes it there, \
             and ask again"
        ),
        reason: Reason::VerificationFailed,
    }
}

/// Brings policies to how they are for good.
pub(super) async fn settle(
    context: &Context,
    record: &Record,
    observed: &Observed,
    keys: &[ObjectKey],
) -> Result<Flow, Error> {
    let on_cluster_removal = record.on_cluster_removal();
    patch_policies(context, record, observed, keys, |key| {
        policy::settle_patch(key.kind, on_cluster_removal)
    })
    .await
}

/// Writes the live number of replicas into the template, which decides on it from now on.
pub(super) async fn set_replicas(
    context: &Context,
    record: &Record,
    observed: &Observed,
    replicas: i64,
) -> Result<Flow, Error> {
    patch_template(context, record, observed, policy::replicas_patch(replicas)).await
}

/// Lets the template decide on the replicas.
pub(super) async fn end_retention(
    context: &Context,
    record: &Record,
    observed: &Observed,
) -> Result<Flow, Error> {
    patch_template(context, record, observed, policy::end_retention_patch()).await
}

async fn patch_template(
    context: &Context,
    record: &Record,
    observed: &Observed,
    patch: Value,
) -> Result<Flow, Error> {
    let key = record.workload();
    let version = observed
        .object(&key)
        .and_then(|object| object.template_version.as_ref());
    if let Some(version) = version {
        let namespace = Some(record.namespace());
        let patch = of_version(patch, version);
        context
            .control_plane
            .merge(key.kind.into(), namespace, &key.name, &patch)
            .await?;
    }
    Ok(Flow::Again)
}
