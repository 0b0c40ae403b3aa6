//! Letting go: withdrawing, preserving, and deleting what is in the control plane.

use std::time::Duration;

use promoter_api::{
    karmada::{execution_namespace, work_name},
    marks,
    promotion::Phase,
};
use promoter_domain::{
    object::ObjectKey,
    observation::{Version, WorkState},
    policy,
    step::Observed,
};
use promoter_kubernetes::resource::Resource;
use serde_json::json;

use super::{of_version, patch_policies, rehearse, write};
use crate::{Context, Error, flow::Flow, record::Record};

/// How soon a release is tried again that would change something in a member.
const AFTER_DIFFERENCE: Duration = Duration::from_secs(5);

pub(super) async fn withdraw(
    context: &Context,
    record: &Record,
    observed: &Observed,
    keys: &[ObjectKey],
) -> Result<Flow, Error> {
    patch_policies(context, record, observed, keys, |_| {
        policy::withdraw_patch()
    })
    .await
}

/// Makes objects stay in the members.
///
/// While rolling back, what was withdrawn and turns out to be taken over is dispatched again too:
/// Karmada cleans up after itself only what it dispatches.
pub(super) async fn preserve(
    context: &Context,
    record: &Record,
    observed: &Observed,
    keys: &[ObjectKey],
) -> Result<Flow, Error> {
    let rolling_back = record.phase() == Phase::RollingBack;
    patch_policies(context, record, observed, keys, |_| {
        if rolling_back {
            policy::commit_patch()
        } else {
            policy::preserve_patch()
        }
    })
    .await
}

pub(super) async fn mark_released(
    context: &Context,
    record: &Record,
    observed: &Observed,
    keys: &[ObjectKey],
) -> Result<Flow, Error> {
    patch_policies(
        context,
        record,
        observed,
        keys,
        |_| json!({"metadata": {"annotations": {(marks::RELEASED_BY): record.uid()}}}),
    )
    .await
}

/// Lets Karmada delete a Work that it was to preserve the object of, where it has no such object.
///
/// Without the preservation it deletes only what it has marked as its own, and there is nothing
/// of that here (Karmada's `pkg/controllers/execution/execution_controller.go`, `handleWorkDelete`).
/// The next Work of its name may have something to lose: the write is for this one, as it was seen.
pub(super) async fn free(
    context: &Context,
    record: &Record,
    observed: &Observed,
    key: &ObjectKey,
    cluster: &str,
) -> Result<Flow, Error> {
    let work = observed
        .object(key)
        .and_then(|object| object.work_in(cluster));
    let Some(version) = work.and_then(|work| work.version.as_ref()) else {
        return Ok(Flow::Again);
    };
    let name = work_name(key.kind.as_str(), &key.name, record.namespace());
    let execution = execution_namespace(cluster);
    let patch = json!({"spec": {"preserveResourcesOnDeletion": false}});
    let patch = of_version(patch, version);
    let merged = context
        .control_plane
        .merge(Resource::WORK, Some(&execution), &name, &patch)
        .await;
    match merged {
        Ok(_) => Ok(Flow::Again),
        Err(error) if error.is_not_found() => Ok(Flow::Again),
        Err(error) => Err(error.into()),
    }
}

/// Deletes templates whose objects stay in the members, once it is certain that Karmada's last
/// write to each of them changes nothing.
pub(super) async fn let_go(
    context: &Context,
    record: &Record,
    observed: &Observed,
    keys: &[ObjectKey],
) -> Result<Flow, Error> {
    let namespace = record.namespace();
    for key in keys {
        let works = observed.object(key).map(|object| object.works.as_slice());
        // What Karmada has not taken over it does not write to either.
        let taken_over = works
            .unwrap_or_default()
            .iter()
            .filter(|work| work.taken_over);
        for WorkState { cluster, .. } in taken_over {
            let Some(manifest) = rehearse::rendered(context, key, namespace, cluster).await? else {
                continue;
            };
            let member = context.members.get(cluster).await?;
            let problem = match rehearse::rehearse_one(&member, namespace, key, &manifest).await? {
                Ok(rehearsed) => rehearsed.differences.first().map(|difference| {
                    format!(
                        "letting go would change {} {} in cluster {cluster}; Karmada has not \
                         brought it in line with its template yet, or cannot",
                        difference.object, difference.path
                    )
                }),
                Err(refusal) => Some(refusal.message),
            };
            if let Some(problem) = problem {
                let mut status = record.status();
                status.message = Some(problem);
                write(context, record, &status).await?;
                return Ok(Flow::After(AFTER_DIFFERENCE));
            }
        }
    }
    delete_templates(context, record, observed, keys).await
}

/// Deletes templates as they were seen; one created anew since is not touched.
pub(super) async fn delete_templates(
    context: &Context,
    record: &Record,
    observed: &Observed,
    keys: &[ObjectKey],
) -> Result<Flow, Error> {
    let namespace = Some(record.namespace());
    for key in keys {
        let version = observed
            .object(key)
            .and_then(|object| object.template_version.as_ref());
        if let Some(Version { uid, .. }) = version {
            context
                .control_plane
                .delete(key.kind.into(), namespace, &key.name, uid)
                .await?;
        }
    }
    Ok(Flow::Again)
}

/// Deletes policies as they were seen: one that a template was staged for since is needed.
pub(super) async fn delete_policies(
    context: &Context,
    record: &Record,
    observed: &Observed,
    keys: &[ObjectKey],
) -> Result<Flow, Error> {
    let namespace = Some(record.namespace());
    for key in keys {
        let version = observed
            .object(key)
            .and_then(|object| object.policy_version.as_ref());
        if let Some(version) = version {
            let name = key.policy_name();
            let resource = Resource::PROPAGATION_POLICY;
            context
                .control_plane
                .delete_version(resource, namespace, &name, version)
                .await?;
        }
    }
    Ok(Flow::Again)
}
