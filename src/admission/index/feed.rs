//! The watches that feed the index. Of Works and Deployments the metadata is all that is asked for.

use std::{convert::Infallible, pin::pin, sync::Arc};

use futures::{
    FutureExt as _, Stream, StreamExt as _,
    future::{BoxFuture, select_all},
};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client, Resource,
    api::ApiResource,
    core::{Object, PartialObjectMeta},
    runtime::watcher::Event,
};
use promoter_api::{
    karmada::{Work, execution_namespace},
    promotion::{DesiredState, Phase, Promotion},
};
use promoter_domain::verdict::Record;
use promoter_kubernetes::watch::{self, watch};
use serde::{
    Deserialize, Serialize,
    de::{IntoDeserializer as _, value},
};

use super::{
    Index, State,
    table::{Table, key},
};

/// The index cannot be fed any more.
#[derive(Debug, thiserror::Error)]
#[error("the watch of {0} has ended; restart the process")]
pub struct FeedError(&'static str);

/// As much of a Promotion as is needed, in words: one that a later version has written is not to
/// stop the watch.
type SmallPromotion = Object<Spec, Status>;

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    clusters: Vec<String>,
    desired_state: String,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Status {
    phase: String,
}

/// Keeps an index known, until the future is dropped. It ends only where a watch does, which none
/// does by itself; an API server that is away or refuses is asked again.
pub async fn feed(client: Client, index: Arc<Index>) -> Result<Infallible, FeedError> {
    let promotions =
        Api::<SmallPromotion>::all_with(client.clone(), &ApiResource::erase::<Promotion>(&()));
    let mut watches: Vec<BoxFuture<'static, FeedError>> = vec![
        follow(
            Arc::clone(&index),
            "Promotions",
            watch(promotions),
            |state| Some(&mut state.promotions),
            record,
        )
        .boxed(),
        follow(
            Arc::clone(&index),
            "Deployments",
            watch(Api::<PartialObjectMeta<Deployment>>::all(client.clone())),
            |state| Some(&mut state.templates),
            |_| (),
        )
        .boxed(),
    ];
    let works = if index.clusters.is_empty() {
        vec![Api::<PartialObjectMeta<Work>>::all(client)]
    } else {
        let namespaces = index.clusters.iter().map(|name| execution_namespace(name));
        namespaces
            .map(|namespace| Api::namespaced(client.clone(), &namespace))
            .collect()
    };
    for (place, works) in works.into_iter().enumerate() {
        let watch = follow(
            Arc::clone(&index),
            "Works",
            watch(works),
            move |state| state.works.get_mut(place),
            |_| (),
        );
        watches.push(watch.boxed());
    }
    let (ended, ..) = select_all(watches).await;
    Err(ended)
}

/// Follows one watch, for as long as it goes on.
async fn follow<K: Resource, V>(
    index: Arc<Index>,
    kind: &'static str,
    watch: impl Stream<Item = Result<Event<K>, watch::Error>>,
    table: impl Fn(&mut State) -> Option<&mut Table<V>>,
    value: impl Fn(&K) -> V,
) -> FeedError {
    let mut watch = pin!(watch);
    while let Some(event) = watch.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(
                    "the watch of {kind} was interrupted: {error}; what is known stays as it was"
                );
                continue;
            }
        };
        let mut state = index.write();
        let Some(table) = table(&mut state) else {
            break;
        };
        match event {
            Event::Init => table.begin(),
            Event::InitApply(object) | Event::Apply(object) => {
                table.put(key_of(&object), value(&object));
            }
            Event::InitDone => {
                table.end();
                tracing::info!(entries = table.len(), "watching {kind}");
            }
            Event::Delete(object) => table.remove(&key_of(&object)),
        }
    }
    FeedError(kind)
}

fn key_of<K: Resource>(object: &K) -> Box<str> {
    let metadata = object.meta();
    key(
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    )
}

fn record(promotion: &SmallPromotion) -> Record {
    let Spec {
        clusters,
        desired_state,
    } = &promotion.spec;
    let phase = promotion.status.as_ref().map(|status| &status.phase);
    let desired: Result<_, value::Error> =
        DesiredState::deserialize(desired_state.as_str().into_deserializer());
    let desired = desired.unwrap_or_default();
    Record {
        clusters: clusters.clone(),
        deleting: promotion.meta().deletion_timestamp.is_some(),
        desired,
        released: phase.is_some_and(|phase| *phase == format!("{:?}", Phase::Released))
            && desired == DesiredState::Released,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_promotion_is_recorded_as_far_as_it_counts() {
        for (desired, phase, released) in [
            ("Promoted", Some("Promoted"), false),
            ("Released", Some("Releasing"), false),
            ("Released", Some("Released"), true),
            // Somebody wants it back.
            ("Promoted", Some("Released"), false),
            ("Promoted", None, false),
            ("Promoted", Some("AsALaterVersionSays"), false),
        ] {
            let mut promotion = json!({
                "apiVersion": "promote.karmada.io/v1alpha1",
                "kind": "Promotion",
                "metadata": {"name": "web", "namespace": "shop"},
                "spec": {"clusters": ["member1"], "desiredState": desired},
            });
            if let Some(phase) = phase {
                promotion["status"] = json!({"phase": phase});
            }
            let read: SmallPromotion = serde_json::from_value(promotion.clone()).unwrap();
            assert_eq!(record(&read), Record::read(&promotion), "{promotion}");
            assert_eq!(record(&read).released, released, "{promotion}");
        }
    }

    #[test]
    fn a_promotion_that_goes_is_known_as_going() {
        let promotion: SmallPromotion = serde_json::from_value(json!({
            "apiVersion": "promote.karmada.io/v1alpha1",
            "kind": "Promotion",
            "metadata": {"name": "web", "deletionTimestamp": "2026-11-23T00:00:00Z"},
            "spec": {"clusters": ["member1", "member2"]},
        }))
        .unwrap();
        let record = record(&promotion);
        assert!(record.deleting);
        assert!(record.is_from("member2") && !record.is_from("member3"));
    }
}
