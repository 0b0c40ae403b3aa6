//! The Promotions of the control plane, in so far as the door needs them.
//!
//! The door watches them itself, and keeps a few words of each. It could share the engine's store,
//! but it must also be told when one is released or gone, and both doors and engine stay simpler
//! when neither waits for the other. They are read as JSON, so that one that this version cannot
//! understand does not stop the watch.
//!
//! What is kept here only saves requests: a Deployment whose Promotion is in hand needs no look.
//! Whatever is done is done upon what was read just before.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

use futures::{Stream, StreamExt as _};
use kube::{
    Api,
    api::{ApiResource, DynamicObject},
    runtime::watcher::Event,
};
use promoter_api::promotion::Promotion;
use promoter_domain::verdict::Record;
use promoter_kubernetes::watch;
use serde_json::Value;

use crate::{Door, Key, answer::Answer, decide::Known};

/// A Deployment that is to be looked at, because of its Promotion.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Recheck {
    pub(crate) key: Key,
    pub(crate) place: Place,
}

/// In which members.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// In every member: the name is nobody's any more.
    Everywhere,
    /// Where it is promoted from, and may say something else now.
    Origin(Vec<String>),
}

/// The Promotions that are known.
#[derive(Default)]
pub(crate) struct Promotions(RwLock<Index>);

#[derive(Default)]
struct Index {
    /// Whether they were all listed, once.
    complete: bool,
    listed: HashSet<Key>,
    records: HashMap<Key, Known>,
}

/// Keeps the Promotions of a door known, and tells which ones were released or are gone, and which
/// ones have come to something that their Deployments are to say.
///
/// A Deployment that opted in meanwhile was passed over, since it was in hand or belonged to
/// another cluster's Promotion; now is the time to look at it again.
pub(crate) fn watch(door: Arc<Door>) -> impl Stream<Item = Vec<Recheck>> + Send {
    let api = Api::<DynamicObject>::all_with(
        door.control_plane.client().clone(),
        &ApiResource::erase::<Promotion>(&()),
    );
    watch::watch(api).map(move |event| match event {
        Ok(event) => door.promotions.apply(event),
        Err(error) => {
            tracing::warn!("the watch of Promotions was interrupted: {error}");
            Vec::new()
        }
    })
}

impl Promotions {
    /// Whether they were all listed, once.
    pub(crate) fn are_listed(&self) -> bool {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .complete
    }

    /// The Promotion of a Deployment, as it was when it was last heard of.
    pub(crate) fn get(&self, key: &Key) -> Option<Known> {
        let index = self.0.read().unwrap_or_else(PoisonError::into_inner);
        index.records.get(key).cloned()
    }

    fn apply(&self, event: Event<DynamicObject>) -> Vec<Recheck> {
        let mut index = self.0.write().unwrap_or_else(PoisonError::into_inner);
        index.apply(event)
    }
}

impl Index {
    fn apply(&mut self, event: Event<DynamicObject>) -> Vec<Recheck> {
        match event {
            Event::Init => {
                self.listed.clear();
                Vec::new()
            }
            Event::InitApply(promotion) => {
                self.listed.insert(key(&promotion));
                self.put(&promotion)
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                self.complete = true;
                self.records
                    .extract_if(|key, _| !listed.contains(key))
                    .map(|(key, _)| Recheck::everywhere(key))
                    .collect()
            }
            Event::Apply(promotion) => self.put(&promotion),
            Event::Delete(promotion) => {
                let key = key(&promotion);
                self.records.remove(&key);
                vec![Recheck::everywhere(key)]
            }
        }
    }

    fn put(&mut self, promotion: &DynamicObject) -> Vec<Recheck> {
        let key = key(promotion);
        let deleting = promotion.metadata.deletion_timestamp.is_some();
        let now = Known {
            answer: Answer::of_promotion(promotion.metadata.generation, &promotion.data),
            record: Record::new(deleting, &promotion.data),
        };
        let before = self.records.insert(key.clone(), now.clone());
        let newly_released =
            now.record.released && !before.as_ref().is_some_and(|before| before.record.released);
        if newly_released {
            return vec![Recheck::everywhere(key)];
        }
        if now.answer.is_none() || before.is_some_and(|before| before.answer == now.answer) {
            return Vec::new();
        }
        let place = Place::Origin(now.record.clusters);
        vec![Recheck { key, place }]
    }
}

impl Known {
    /// What a Promotion as the API server answers it says.
    pub(crate) fn read(promotion: &Value) -> Self {
        let generation = promotion["metadata"]["generation"].as_i64();
        Self {
            answer: Answer::of_promotion(generation, promotion),
            record: Record::read(promotion),
        }
    }
}

impl Recheck {
    const fn everywhere(key: Key) -> Self {
        let place = Place::Everywhere;
        Self { key, place }
    }

    /// Whether a member's Deployment of that name is meant.
    pub(crate) fn is_in(&self, cluster: &str) -> bool {
        match &self.place {
            Place::Everywhere => true,
            Place::Origin(clusters) => clusters.iter().any(|origin| origin == cluster),
        }
    }
}

fn key(promotion: &DynamicObject) -> Key {
    Key {
        namespace: promotion.metadata.namespace.clone().unwrap_or_default(),
        name: promotion.metadata.name.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn promotion(name: &str, desired: &str, phase: &str) -> DynamicObject {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "shop", "generation": 1},
            "spec": {"clusters": ["member1"], "desiredState": desired},
            "status": {"observedGeneration": 1, "phase": phase},
        }))
        .unwrap()
    }

    fn key(name: &str) -> Key {
        Key {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
        }
    }

    fn everywhere(name: &str) -> Recheck {
        Recheck::everywhere(key(name))
    }

    #[test]
    fn it_tells_once_when_one_is_released_and_when_one_is_gone() {
        let mut index = Index::default();
        let mut told = |event| index.apply(event);
        assert!(told(Event::Init).is_empty());
        assert!(told(Event::InitApply(promotion("web", "Promoted", "Staging"))).is_empty());
        assert!(told(Event::InitApply(promotion("api", "Promoted", "Staging"))).is_empty());
        assert!(told(Event::InitDone).is_empty());
        assert!(told(Event::Apply(promotion("web", "Released", "Releasing"))).is_empty());
        let released = || promotion("web", "Released", "Released");
        assert_eq!(told(Event::Apply(released())), [everywhere("web")]);
        assert!(told(Event::Apply(released())).is_empty());
        assert_eq!(told(Event::Delete(released())), [everywhere("web")]);
        // What went while nobody watched is found by the next list.
        assert!(told(Event::Init).is_empty());
        assert!(told(Event::InitApply(promotion("db", "Promoted", "Staging"))).is_empty());
        assert_eq!(told(Event::InitDone), [everywhere("api")]);
        assert!(index.complete);
        assert!(index.records.contains_key(&key("db")));
    }

    #[test]
    fn it_tells_its_own_cluster_what_it_has_come_to() {
        let mut index = Index::default();
        let mut told = |phase| index.apply(Event::Apply(promotion("web", "Promoted", phase)));
        assert!(told("Staging").is_empty());
        let here = told("Promoted");
        assert!(here[0].is_in("member1") && !here[0].is_in("member2"));
        assert!(told("Promoted").is_empty());
        assert!(told("Settling").is_empty());
        assert_eq!(told("Promoted"), here);
        assert!(everywhere("web").is_in("member2"));
    }
}
