//! Staging: puts the namespace, the policies and the templates into the control plane.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use promoter_api::{marks, promotion::Phase, reason::Reason};
use promoter_domain::{
    object::ObjectKey,
    plan, policy,
    snapshot::spec_digest,
    step::{Observed, Outcome},
    template,
};
use promoter_kubernetes::{objects::Write, resource::Resource};
use serde_json::Value;
use tokio::time::Instant;

use super::{AT_A_TIME, enter, of_version, origin};
use crate::{Context, Error, flow::Flow, read::live, record::Record};

/// How long templates are held at the least, so that Karmada has seen the policies that claim
/// them: one that it has not seen it takes for none, and strips the claim.
///
/// There is no way to ask Karmada, whose policies have no status. The claim is checked afterwards.
const HOLD: Duration = Duration::from_millis(300);

pub(super) async fn create_namespace(context: &Context, record: &Record) -> Result<Flow, Error> {
    let member = origin(context, record).await?;
    let live = member
        .objects
        .get(Resource::NAMESPACE, None, record.namespace())
        .await?;
    let namespace = plan::namespace(record.namespace(), live.as_ref());
    create(context, record, Resource::NAMESPACE, None, &namespace).await?;
    Ok(Flow::Again)
}

/// Creates policies in their order, and none past one that is there already: whoever has that one
/// may be waiting for one of the others.
pub(super) async fn create_policies(
    context: &Context,
    record: &Record,
    keys: &[ObjectKey],
) -> Result<Flow, Error> {
    let (namespace, origin) = (record.namespace(), record.origin());
    for key in keys {
        let follows = record.follows(key);
        let policy = policy::staged_policy(key, namespace, origin, record.uid(), follows);
        let resource = Resource::PROPAGATION_POLICY;
        match create(context, record, resource, Some(namespace), &policy).await? {
            Created::Now => {}
            Created::Before | Created::Refused => break,
        }
    }
    Ok(Flow::Again)
}

/// Creates the templates from the objects as they are in the member at this moment.
pub(super) async fn create_templates(
    context: &Context,
    record: &Record,
    keys: &[ObjectKey],
) -> Result<Flow, Error> {
    let member = origin(context, record).await?;
    let namespace = record.namespace();
    for key in keys {
        let found = live(&member, namespace, key).await?;
        let before = record.status().before.unwrap_or_default();
        let same = |object: &Value| {
            key != &record.workload()
                || (object["metadata"]["uid"] == before.uid
                    && spec_digest(object) == before.spec_digest)
        };
        let Some(object) = found.filter(same) else {
            let outcome = Outcome {
                message: format!(
                    "{key} of namespace {namespace} in cluster {} was changed, deleted or created \
                     anew while it was being promoted; it is planned again",
                    member.name
                ),
                reason: Reason::LateEdit,
            };
            return enter(context, record, Phase::Abandoning, Some(outcome)).await;
        };
        let template = template::resource_template(&object, key, namespace, true);
        let resource = key.kind.into();
        match create(context, record, resource, Some(namespace), &template).await? {
            Created::Before | Created::Now => {}
            Created::Refused => break,
        }
    }
    Ok(Flow::Again)
}

/// Lifts the hold and claims the template for its policy, in one write, so that no other policy
/// can be faster.
pub(super) async fn lift_holds(
    context: &Context,
    record: &Record,
    observed: &Observed,
    keys: &[ObjectKey],
) -> Result<Flow, Error> {
    let held = Instant::now() + HOLD;
    stream::iter(keys)
        .map(Ok)
        .try_for_each_concurrent(AT_A_TIME, |key| {
            lift_hold(context, record, observed, key, held)
        })
        .await?;
    Ok(Flow::Again)
}

async fn lift_hold(
    context: &Context,
    record: &Record,
    observed: &Observed,
    key: &ObjectKey,
    held: Instant,
) -> Result<(), Error> {
    let namespace = record.namespace();
    let policy = note_template(context, record, observed, key).await?;
    tokio::time::sleep_until(held).await;
    let id = policy
        .as_ref()
        .and_then(|policy| policy["metadata"]["labels"][marks::POLICY_ID].as_str());
    let version = observed
        .object(key)
        .and_then(|object| object.template_version.as_ref());
    let (Some(id), Some(version)) = (id, version) else {
        return Ok(());
    };
    let claim = policy::claim_patch(id, namespace, &key.policy_name());
    let patch = of_version(claim, version);
    context
        .control_plane
        .merge(key.kind.into(), Some(namespace), &key.name, &patch)
        .await?;
    Ok(())
}

/// Writes down, on the policy, which template was made for it, as long as the hold tells it. Gives
/// the policy; nothing where that has gone.
async fn note_template(
    context: &Context,
    record: &Record,
    observed: &Observed,
    key: &ObjectKey,
) -> Result<Option<Value>, Error> {
    let object = observed.object(key);
    let template = object.and_then(|object| object.template_version.as_ref());
    let policy = object.and_then(|object| object.policy_version.as_ref());
    let (Some(template), Some(policy)) = (template, policy) else {
        return Ok(None);
    };
    let patch = of_version(policy::staged_template_patch(&template.uid), policy);
    let (resource, name) = (Resource::PROPAGATION_POLICY, key.policy_name());
    let merged = context
        .control_plane
        .merge(resource, Some(record.namespace()), &name, &patch)
        .await;
    match merged {
        Ok(policy) => Ok(Some(policy)),
        // Where somebody has deleted it, the next observation sees it.
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What came of a creation.
enum Created {
    /// There was one already, ours or not: the next observation tells.
    Before,
    /// It was created.
    Now,
    /// The control plane does not allow it, and the promotion is given up.
    Refused,
}

/// Creates an object; that the control plane refuses it is why the promotion is.
async fn create(
    context: &Context,
    record: &Record,
    resource: Resource,
    namespace: Option<&str>,
    object: &Value,
) -> Result<Created, Error> {
    match context
        .control_plane
        .create(resource, namespace, object, Write::ForGood)
        .await
    {
        Ok(_) => Ok(Created::Now),
        Err(error) if error.is_conflict() => Ok(Created::Before),
        Err(error) if error.is_refusal() => {
            let outcome = Outcome {
                message: format!("{error}; allow it there, and ask again"),
                reason: Reason::StagingFailed,
            };
            enter(context, record, Phase::Abandoning, Some(outcome)).await?;
            Ok(Created::Refused)
        }
        Err(error) => Err(error.into()),
    }
}
