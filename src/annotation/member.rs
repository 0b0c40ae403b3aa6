//! The watches of one member.

use std::{future, pin::pin, sync::Arc, time::Duration};

use futures::{
    Stream, StreamExt as _,
    stream::{self, FuturesUnordered},
};
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    apps::v1::Deployment,
    core::v1::Namespace,
};
use kube::{
    Api, Client,
    core::PartialObjectMeta,
    runtime::watcher::{self, Event},
};
use promoter_api::{karmada::Cluster, marks};
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
    Door, Key, look,
    seen::{Outcome, Seen, Task},
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

/// Watches a member, until it refuses the credentials; the answer is why.
///
/// What was in hand or waiting then is found again by the first list of the next watch, which is
/// also why rechecks that came before it need not be kept.
async fn watch(door: &Door, member: &Member, rechecks: &mut UnboundedReceiver<Key>) -> String {
    while rechecks.try_recv().is_ok() {}
    let client = member.objects.client();
    let events = Events::new(client.clone(), &door.instance);
    let mut seen = Seen::new(door, &member.name);
    let mut namespaces = pin!(namespaces(client));
    let mut admission = pin!(admission(client));
    let mut deployments = pin!(watch::watch(Api::<PartialObjectMeta<Deployment>>::all(
        client.clone()
    )));
    let mut looks = FuturesUnordered::new();
    loop {
        while looks.len() < AT_ONCE
            && let Some(task) = seen.queue.take(Instant::now())
        {
            let namespace_asks = match &task {
                Task::Deployment(key) => seen.namespaces.get(&key.namespace).is_some(),
                Task::Namespace(_) => false,
            };
            looks.push(look(door, member, &events, task, namespace_asks));
        }
        let next_due = seen.queue.next_due().filter(|_| looks.len() < AT_ONCE);
        tokio::select! {
            change = namespaces.next() => match change {
                Some(Ok(event)) => seen.namespace(event),
                Some(Err(error)) if error.is_denied() => return error.to_string(),
                Some(Err(error)) => {
                    tracing::warn!("the watch of its Namespaces was interrupted: {error}");
                }
                None => return "the watch of its Namespaces has ended".to_owned(),
            },
            // What a Deployment asks for cannot be told before all Namespaces are known.
            change = deployments.next(), if seen.namespaces.are_listed() => match change {
                Some(Ok(Event::Apply(deployment) | Event::InitApply(deployment))) => {
                    seen.deployment(&deployment.metadata);
                }
                Some(Ok(Event::Delete(deployment))) => seen.deployment_gone(&deployment.metadata),
                Some(Ok(Event::Init)) => {}
                Some(Ok(Event::InitDone)) => tracing::info!("watching its Deployments"),
                Some(Err(error)) if error.is_denied() => return error.to_string(),
                Some(Err(error)) => {
                    tracing::warn!("the watch of its Deployments was interrupted: {error}");
                }
                None => return "the watch of its Deployments has ended".to_owned(),
            },
            Some(key) = rechecks.recv(), if seen.namespaces.are_listed() => seen.recheck(key),
            Some(()) = admission.next() => seen.admission(),
            Some((task, outcome)) = looks.next() => match outcome {
                Ok(outcome) => seen.done(task, outcome),
                Err(error) if error.is_unauthorized_by_member() => return error.to_string(),
                Err(error) => {
                    let what = task.to_string();
                    let delay = seen.failed(task);
                    tracing::warn!("cannot look at {what}: {error}; again in {delay:?}");
                }
            },
            () = until(next_due) => {}
        }
    }
}

/// The Namespaces that bear the label.
fn namespaces(
    client: &Client,
) -> impl Stream<Item = Result<Event<PartialObjectMeta<Namespace>>, watch::Error>> + use<> {
    watch::watch_some(
        Api::all(client.clone()),
        watcher::Config::default().labels(marks::ENABLED),
    )
}

/// Tells when what pins stamps in the member may have changed.
///
/// A member without it, or whose API server knows no such policies, is none the worse: what is
/// believed is read when it matters.
fn admission(client: &Client) -> impl Stream<Item = ()> + use<> {
    let config = || {
        let name = format!("metadata.name={}", marks::OPT_IN_POLICY);
        watcher::Config::default().fields(&name)
    };
    let policies = Api::<PartialObjectMeta<ValidatingAdmissionPolicy>>::all(client.clone());
    let bindings = Api::<PartialObjectMeta<ValidatingAdmissionPolicyBinding>>::all(client.clone());
    let policies =
        watch::watch_some(policies, config()).map(|event| event.map(|event| is_change(&event)));
    let bindings =
        watch::watch_some(bindings, config()).map(|event| event.map(|event| is_change(&event)));
    stream::select(policies, bindings).filter_map(|changed| {
        let changed = changed.unwrap_or_else(|error| {
            tracing::debug!("the watch of its admission was interrupted: {error}");
            false
        });
        future::ready(changed.then_some(()))
    })
}

const fn is_change<K>(event: &Event<K>) -> bool {
    match event {
        Event::Init | Event::InitDone => false,
        Event::Apply(_) | Event::Delete(_) | Event::InitApply(_) => true,
    }
}

async fn look(
    door: &Door,
    member: &Member,
    events: &Events,
    task: Task,
    namespace_asks: bool,
) -> (Task, Result<Outcome, look::Error>) {
    let looking = async {
        match &task {
            Task::Deployment(key) => {
                let looked = door.look(member, events, key, namespace_asks).await?;
                Ok(Outcome::Deployment(looked))
            }
            Task::Namespace(name) => Ok(Outcome::Namespace(look::deployments(member, name).await?)),
        }
    };
    let outcome = time::timeout(LOOK_TIMEOUT, looking).await;
    (task, outcome.unwrap_or(Err(look::Error::Slow)))
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => time::sleep_until(due).await,
        None => future::pending().await,
    }
}
