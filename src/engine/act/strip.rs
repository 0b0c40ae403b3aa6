//! Takes Karmada's marks off the members' objects, once Karmada has let go of them.

use std::time::Duration;

use promoter_kubernetes::{members::Member, resource::Resource};
use serde_json::Value;

use crate::{
    Context, Error,
    flow::Flow,
    read::reach,
    record::Record,
    traces::{Marked, clusters, marked},
};

/// Takes the marks off, the Deployment's before its ReplicaSets': its controller copies them.
pub(super) async fn strip(
    context: &Context,
    record: &Record,
    disable: bool,
) -> Result<Flow, Error> {
    const SOON: Duration = Duration::from_millis(100);

    let mut settled = true;
    for cluster in clusters(record) {
        if let Some(member) = reach(context, &cluster).await? {
            settled &= strip_in(context, record, &member, disable).await?;
        }
    }
    Ok(if settled {
        Flow::Again
    } else {
        Flow::After(SOON)
    })
}

/// Takes the marks off in one member. Not settled is what its controller may still copy marks to, and
/// what somebody has changed meanwhile: another Promotion may have it taken over by now.
pub(super) async fn strip_in(
    context: &Context,
    record: &Record,
    member: &Member,
    disable: bool,
) -> Result<bool, Error> {
    let namespace = Some(record.namespace());
    let mut settled = true;
    for key in record.objects() {
        let patches = match marked(context, record, member, &key, disable).await? {
            Marked::Clean => continue,
            Marked::Copying => {
                settled = false;
                continue;
            }
            Marked::Patches(patches) => patches,
        };
        for (resource, name, patch) in patches {
            settled &= merge(member, resource, namespace, &name, &patch).await?;
        }
    }
    Ok(settled)
}

/// Changes an object as it was seen; one that has gone needs no change. Tells whether nobody has
/// changed it meanwhile.
pub(super) async fn merge(
    member: &Member,
    resource: Resource,
    namespace: Option<&str>,
    name: &str,
    patch: &Value,
) -> Result<bool, Error> {
    let objects = &member.objects;
    match objects.merge(resource, namespace, name, patch).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(true),
        Err(error) if error.is_conflict() => Ok(false),
        Err(error) => Err(error.into()),
    }
}
