//! Marks of another Karmada, taken off before anything is staged.

use promoter_api::reason::Reason;
use promoter_domain::{object::ObjectKey, observation::Version, plan::Refusal, rehearsal, strip};
use promoter_kubernetes::{members::Member, objects::Write};

use super::{of_version, plan, rehearse};
use crate::{Context, Error, flow::Flow, read::live, record::Record};

/// Takes the marks off in the member, as the spec says, and has it planned anew.
///
/// They cannot stay until the take-over: Karmada takes a marked object for its own, and would
/// delete it if what is staged were taken away again (`pkg/util/objectwatcher/objectwatcher.go`,
/// `Delete`). This is a write into the member before the rehearsal, so it has one of its own:
/// a webhook there might use the occasion to change the pods.
pub(super) async fn strip(
    context: &Context,
    record: &Record,
    member: &Member,
    keys: &[ObjectKey],
) -> Result<Flow, Error> {
    let namespace = record.namespace();
    for key in keys {
        let (resource, within) = (key.kind.into(), Some(namespace));
        let Some(object) = live(member, namespace, key).await? else {
            continue;
        };
        let patch = strip::strip_patch(&object, key.kind, false);
        let (Some(patch), Some(version)) = (patch, Version::of(Some(&object))) else {
            continue;
        };
        let patch = of_version(patch, &version);
        let objects = &member.objects;
        let answer = objects
            .merge_with(resource, within, &key.name, &patch, Write::DryRun)
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.is_conflict() => return Ok(Flow::Again),
            Err(error) if error.is_refusal() => {
                let message = format!(
                    "the marks of another Karmada cannot be taken off {key} of namespace \
                     {namespace} in cluster {}: {error}; let that rule pass, or take them off by \
                     hand",
                    member.name
                );
                let refusal = Refusal::new(Reason::RehearsalImpossible, message);
                return plan::refuse(context, record, refusal).await;
            }
            Err(error) => return Err(error.into()),
        };
        let differences = rehearsal::differences(key, &object, &answer);
        if let Some(refusal) = rehearse::refusal(&member.name, differences) {
            return plan::refuse(context, record, refusal).await;
        }
        objects.merge(resource, within, &key.name, &patch).await?;
    }
    Ok(Flow::Again)
}
