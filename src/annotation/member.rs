//! The watch of one member.

use std::{future, pin::pin, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream::FuturesUnordered};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, core::PartialObjectMeta, runtime::watcher::Event};
use promoter_api::karmada::Cluster;
use promoter_kubernetes::{
    events::Events,
    members::{self, Member},
    watch,
};
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{self, Instant},
};
use tracing::Instrument as _;

use crate::{
    Door, Key,
    decide::{self, Decision},
    look,
    queue::Queue,
};

/// How many Deployments of one member are looked at, at the same time.
const AT_ONCE: usize = 8;
/// How long one look may take; it is a few requests.
const LOOK_TIMEOUT: Duration = Duration::from_secs(30);
/// How long it takes until a member that refused is tried again, at first and at the most.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_mins(1);

/// Watches a member until the task is aborted; `rechecks` are Deployments to look at besides.
///
/// Ends by itself only where the Cluster has no endpoint or no credentials.
pub(crate) async fn serve(door: Arc<Door>, cluster: Cluster, mut rechecks: UnboundedReceiver<Key>) {
    let name = cluster.metadata.name.clone().unwrap_or_default();
    // An error's span, so that every message names the cluster, however few are wanted.
    let span = tracing::error_span!("member", cluster = name);
    let serving = async {
        let mut delay = FIRST_DELAY;
        loop {
            let began = Instant::now();
            match door.members.reach(&cluster).await {
                Ok(member) => {
                    let problem = watch(&door, &member, &mut rechecks).await;
                    tracing::warn!("the member refused: {problem}; reading its credentials anew");
                    door.members.forget(&name);
                }
                Err(error @ members::Error::NoEndpoint { .. }) => {
                    // Another endpoint is another spec, and with it comes another task.
                    tracing::warn!("opt-ins are not seen: {error}");
                    return;
                }
                Err(error) => tracing::warn!("opt-ins are not seen for now: {error}"),
            }
            if began.elapsed() > LONGEST_DELAY {
                delay = FIRST_DELAY;
            }
            time::sleep(delay).await;
            delay = delay.saturating_mul(2).min(LONGEST_DELAY);
        }
    };
    serving.instrument(span).await;
}

/// Watches the Deployments of a member, until it refuses the credentials; the answer is why.
///
/// What was in hand or waiting then is found again by the first list of the next watch, which is
/// also why rechecks that came before it need not be kept.
async fn watch(door: &Door, member: &Member, rechecks: &mut UnboundedReceiver<Key>) -> String {
    while rechecks.try_recv().is_ok() {}
    let client = member.objects.client();
    let events = Events::new(client.clone(), &door.instance);
    let deployments = Api::<PartialObjectMeta<Deployment>>::all(client.clone());
    let mut changes = pin!(watch::watch(deployments));
    let mut queue = Queue::default();
    let mut looks = FuturesUnordered::new();
    loop {
        while looks.len() < AT_ONCE
            && let Some(key) = queue.take(Instant::now())
        {
            looks.push(look(door, member, &events, key));
        }
        let next_due = queue.next_due().filter(|_| looks.len() < AT_ONCE);
        tokio::select! {
            change = changes.next() => match change {
                Some(Ok(Event::Apply(deployment) | Event::InitApply(deployment))) => {
                    if let Some(key) = wanted(door, &member.name, deployment) {
                        queue.add(key, Instant::now());
                    }
                }
                Some(Ok(Event::Delete(deployment))) => {
                    door.forget(deployment.metadata.uid.as_deref().unwrap_or_default());
                }
                Some(Ok(Event::Init)) => {}
                Some(Ok(Event::InitDone)) => tracing::info!("watching its Deployments"),
                Some(Err(error)) if error.is_denied() => return error.to_string(),
                Some(Err(error)) => {
                    tracing::warn!("the watch of its Deployments was interrupted: {error}");
                }
                None => return "the watch of its Deployments has ended".to_owned(),
            },
            Some(key) = rechecks.recv() => queue.add(key, Instant::now()),
            Some((key, outcome)) = looks.next() => match outcome {
                Ok(()) => queue.done(key, Instant::now()),
                Err(error) if error.is_unauthorized_by_member() => return error.to_string(),
                Err(error) => {
                    let delay = queue.failed(key.clone(), Instant::now());
                    tracing::warn!(deployment = %key, "cannot look at the Deployment: {error}; again in {delay:?}");
                }
            },
            () = until(next_due) => {}
        }
    }
}

/// The Deployment that a change is about, if it has to be looked at.
///
/// Most changes are about Deployments that never asked, or whose Promotion is in hand or done:
/// they cost no request.
fn wanted(door: &Door, cluster: &str, deployment: PartialObjectMeta<Deployment>) -> Option<Key> {
    let metadata = deployment.metadata;
    if !decide::asks(&metadata) {
        return None;
    }
    let key = Key {
        namespace: metadata.namespace.clone()?,
        name: metadata.name.clone()?,
    };
    let promotion = door.promotions.get(&key);
    match decide::decide(cluster, &door.opt_ins, &metadata, promotion.as_ref(), false) {
        Decision::Nothing => None,
        Decision::Warn(warning) => {
            let uid = metadata.uid.as_deref().unwrap_or_default();
            (!door.has_warned(uid, warning.reason())).then_some(key)
        }
        Decision::Create | Decision::Reopen => Some(key),
    }
}

async fn look(
    door: &Door,
    member: &Member,
    events: &Events,
    key: Key,
) -> (Key, Result<(), look::Error>) {
    let outcome = time::timeout(LOOK_TIMEOUT, door.look(member, events, &key)).await;
    (key, outcome.unwrap_or(Err(look::Error::Slow)))
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => time::sleep_until(due).await,
        None => future::pending().await,
    }
}
