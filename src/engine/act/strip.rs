//! Takes Karmada's marks off the members' objects, once Karmada has let go of them.

use std::time::Duration;

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
    const CONTROLLER: Duration = Duration::from_millis(100);

    let namespace = Some(record.namespace());
    let mut settled = true;
    for cluster in clusters(record) {
        let Some(member) = reach(context, &cluster).await? else {
            continue;
        };
        for key in record.objects() {
            match marked(context, record, &member, &key, disable).await? {
                Marked::Clean => {}
                Marked::Copying => settled = false,
                Marked::Patches(patches) => {
                    for (resource, name, patch) in patches {
                        let merged = member
                            .objects
                            .merge(resource, namespace, &name, &patch)
                            .await;
                        match merged {
                            Ok(_) => {}
                            Err(error) if error.is_not_found() => {}
                            Err(error) => return Err(error.into()),
                        }
                    }
                }
            }
        }
    }
    Ok(if settled {
        Flow::Again
    } else {
        Flow::After(CONTROLLER)
    })
}
