//! The loop from observation to action, for one Promotion.

use std::time::Duration;

use promoter_api::promotion::Promotion;
use promoter_domain::step;
use promoter_kubernetes::resource::Resource;
use serde::Deserialize as _;

use crate::{Context, Error, act, flow::Flow, observe::observe, record::Record};

/// A promotion takes some thirty actions; more in one go means that two observations contradict
/// each other, and then others are to have their turn.
const MOST_ACTIONS: usize = 60;

/// Takes a Promotion as far as it goes without waiting.
pub(crate) async fn reconcile(
    context: &Context,
    namespace: &str,
    name: &str,
) -> Result<Flow, Error> {
    for _ in 0..MOST_ACTIONS {
        let Some(record) = read(context, namespace, name).await? else {
            return Ok(Flow::Rest);
        };
        match once(context, &record).await {
            Ok(Flow::Again) => {}
            Ok(flow) => return Ok(flow),
            Err(Error::Member(error)) => return act::unreachable(context, &record, &error).await,
            Err(Error::Access(error)) => {
                if error.answer().is_unauthorized() {
                    forget(context, &record);
                }
                let _ = act::unanswered(context, &record, &error).await;
                return Err(error.into());
            }
            Err(Error::Objects(error)) if !error.is_conflict() && !record.phase().is_at_rest() => {
                // People see what it hangs on; that it could not be written down adds nothing.
                let _ = act::wait(context, &record, error.to_string()).await;
                return Err(error.into());
            }
            Err(error) => {
                if let Error::Objects(denied) = &error
                    && denied.is_unauthorized()
                {
                    forget(context, &record);
                }
                return Err(error);
            }
        }
    }
    Ok(Flow::After(Duration::from_secs(1)))
}

/// Forgets the credentials of members that have refused them: they may have been replaced.
fn forget(context: &Context, record: &Record) {
    record
        .clusters()
        .for_each(|cluster| context.members.forget(cluster));
}

async fn once(context: &Context, record: &Record) -> Result<Flow, Error> {
    let observed = observe(context, record).await?;
    let action = step::step(&observed);
    let (namespace, name) = (record.namespace(), record.name());
    tracing::debug!(namespace, name, phase = %observed.phase, ?action, "next");
    act::act(context, record, &observed, action).await
}

/// The Promotion from the API server: a cached one may be older than our own last write.
async fn read(context: &Context, namespace: &str, name: &str) -> Result<Option<Record>, Error> {
    let found = context
        .control_plane
        .get(Resource::PROMOTION, Some(namespace), name)
        .await?;
    let Some(found) = found else {
        return Ok(None);
    };
    let promotion = Promotion::deserialize(&found)
        .map_err(|error| Error::Unreadable(format!("Promotion {namespace}/{name}"), error))?;
    Ok(Some(Record { promotion }))
}
