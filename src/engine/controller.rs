//! Wakes up for Promotions and for what Karmada makes of them.
//!
//! Karmada's objects are watched by their metadata only: that one has changed is all that the
//! watch has to say, what it says now is read afresh.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt as _};
use kube::{
    Api, Resource as _, ResourceExt as _,
    core::PartialObjectMeta,
    runtime::{
        Controller, WatchStreamExt as _,
        controller::{self, Action},
        reflector::{self, ObjectRef, Store, reflector},
        watcher,
    },
};
use promoter_api::karmada::{PropagationPolicy, ResourceBinding, Work};
use promoter_domain::object::ObjectKey;
use promoter_kubernetes::{
    clusters::{self, Change},
    watch,
};
use serde::de::DeserializeOwned;

use crate::{Context, Error, flow::Flow, known::Known, reconcile::reconcile};

/// Annotations of a Work: the binding that it was rendered for.
///
/// Source: Karmada's `pkg/apis/work/v1alpha2/well_known_constants.go`.
const BINDING_NAMESPACE: &str = "resourcebinding.karmada.io/namespace";
const BINDING_NAME: &str = "resourcebinding.karmada.io/name";

/// What Karmada does to several objects within this time wakes a Promotion once.
const TOGETHER: Duration = Duration::from_millis(30);

struct Running {
    context: Context,
    /// How often each Promotion could not be taken further in a row, for the back-off.
    failures: Mutex<HashMap<String, u32>>,
}

/// Carries Promotions out until `shutdown` is done, `concurrency` of them at a time.
pub async fn run(
    context: Context,
    concurrency: u16,
    shutdown: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let client = context.control_plane.client().clone();
    let (store, writer) = reflector::store::<Known>();
    let promotions = reflector(writer, events(Api::all(client.clone()), "Promotions"));
    let controller = Controller::for_stream(promotions.applied_objects(), store)
        .with_config(
            controller::Config::default()
                .concurrency(concurrency)
                .debounce(TOGETHER),
        )
        .graceful_shutdown_on(shutdown);
    let of_bindings = controller.store();
    let of_works = controller.store();
    let of_policies = controller.store();
    let of_clusters = controller.store();
    let usable = clusters::watch(&context.control_plane).flat_map(move |change| {
        futures::stream::iter(match change {
            Change::Seen(cluster) if cluster.is_ready() => {
                let name = cluster.name_any();
                select(&of_clusters, |promotion| promotion.waits_for_cluster(&name))
            }
            Change::Seen(_) | Change::Gone(_) => Vec::new(),
        })
    });
    let bindings = events(Api::all(client.clone()), "ResourceBindings").touched_objects();
    let works = events(Api::all(client.clone()), "Works").touched_objects();
    let policies = events(Api::all(client), "PropagationPolicies").touched_objects();
    controller
        .reconcile_on(usable)
        .watches_stream(
            bindings,
            move |binding: PartialObjectMeta<ResourceBinding>| {
                let namespace = binding.namespace().unwrap_or_default();
                bound_by(&of_bindings, &namespace, &binding.name_any())
            },
        )
        .watches_stream(works, move |work: PartialObjectMeta<Work>| {
            let annotation = |key| work.annotations().get(key).cloned().unwrap_or_default();
            bound_by(
                &of_works,
                &annotation(BINDING_NAMESPACE),
                &annotation(BINDING_NAME),
            )
        })
        .watches_stream(
            policies,
            move |policy: PartialObjectMeta<PropagationPolicy>| {
                let namespace = policy.namespace().unwrap_or_default();
                let name = policy.name_any();
                concerned(&of_policies, &namespace, |key| key.policy_name() == name)
            },
        )
        .run(
            wake,
            retry,
            Arc::new(Running {
                context,
                failures: Mutex::default(),
            }),
        )
        // What a reconciliation has failed with was told where it is decided when to try again.
        .for_each(|_| std::future::ready(()))
        .await;
}

/// What becomes of all objects of a kind. That a watch was interrupted is only logged: an error
/// would hold up every other watch of the controller, too.
fn events<K>(
    api: Api<K>,
    plural: &'static str,
) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static
where
    K: Clone + DeserializeOwned + std::fmt::Debug + kube::Resource + Send + Sync + 'static,
{
    watch::watch(api).filter_map(move |event| {
        std::future::ready(match event {
            Ok(event) => Some(Ok(event)),
            Err(error) => {
                tracing::warn!("the watch of {plural} was interrupted: {error}");
                None
            }
        })
    })
}

async fn wake(promotion: Arc<Known>, running: Arc<Running>) -> Result<Action, Error> {
    let namespace = promotion.namespace().unwrap_or_default();
    let name = promotion.name_any();
    let flow = reconcile(&running.context, &namespace, &name).await?;
    running.failures().remove(&failure_key(&promotion));
    Ok(match flow {
        Flow::After(delay) => Action::requeue(delay),
        Flow::Again => Action::requeue(Duration::ZERO),
        Flow::Rest => Action::await_change(),
    })
}

/// Tries again, the later the more often it has failed in a row.
#[allow(clippy::needless_pass_by_value, reason = "the controller's signature")]
fn retry(promotion: Arc<Known>, error: &Error, running: Arc<Running>) -> Action {
    const FIRST: Duration = Duration::from_millis(250);
    const LONGEST: Duration = Duration::from_secs(30);

    // Somebody wrote at the same time: nothing is wrong, it is only to be read again.
    if matches!(error, Error::Objects(error) if error.is_conflict()) {
        return Action::requeue(Duration::from_millis(50));
    }
    // Reading it again says the same until somebody writes it anew.
    if matches!(error, Error::Unreadable(..)) {
        tracing::warn!(
            namespace = promotion.namespace(),
            name = promotion.name_any(),
            "left alone until it changes: {error}"
        );
        return Action::await_change();
    }
    let failures = {
        let mut failures = running.failures();
        let count = failures.entry(failure_key(&promotion)).or_default();
        *count = count.saturating_add(1);
        *count
    };
    let delay = FIRST.saturating_mul(1 << failures.min(10)).min(LONGEST);
    tracing::warn!(
        namespace = promotion.namespace(),
        name = promotion.name_any(),
        failures,
        "cannot go on, trying again in {delay:?}: {error}"
    );
    Action::requeue(delay)
}

impl Running {
    fn failures(&self) -> std::sync::MutexGuard<'_, HashMap<String, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failure_key(promotion: &Known) -> String {
    promotion.uid().unwrap_or_default()
}

/// The Promotions that a binding is about.
fn bound_by(store: &Store<Known>, namespace: &str, binding: &str) -> Vec<ObjectRef<Known>> {
    concerned(store, namespace, |key| key.binding_name() == binding)
}

/// The Promotions of a namespace of whose objects one is meant.
fn concerned(
    store: &Store<Known>,
    namespace: &str,
    is_meant: impl Fn(&ObjectKey) -> bool,
) -> Vec<ObjectRef<Known>> {
    select(store, |promotion| {
        promotion.meta().namespace.as_deref() == Some(namespace)
            && promotion.is_concerned(&is_meant)
    })
}

fn select(store: &Store<Known>, is_selected: impl Fn(&Known) -> bool) -> Vec<ObjectRef<Known>> {
    store
        .state()
        .into_iter()
        .filter(|promotion| is_selected(promotion))
        .map(|promotion| ObjectRef::from_obj(&*promotion))
        .collect()
}
