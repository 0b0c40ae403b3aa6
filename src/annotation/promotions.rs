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

use crate::{Door, Key};

/// The Promotions that are known.
#[derive(Default)]
pub(crate) struct Promotions(RwLock<Index>);

#[derive(Default)]
struct Index {
    /// Whether they were all listed, once.
    complete: bool,
    listed: HashSet<Key>,
    records: HashMap<Key, Record>,
}

/// Keeps the Promotions of a door known, and tells which ones were released or are gone.
///
/// A Deployment that was annotated meanwhile was passed over, since it was in hand or belonged to
/// another cluster's Promotion; now is the time to look at it again.
pub(crate) fn watch(door: Arc<Door>) -> impl Stream<Item = Vec<Key>> + Send {
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
    pub(crate) fn get(&self, key: &Key) -> Option<Record> {
        let index = self.0.read().unwrap_or_else(PoisonError::into_inner);
        index.records.get(key).cloned()
    }

    fn apply(&self, event: Event<DynamicObject>) -> Vec<Key> {
        let mut index = self.0.write().unwrap_or_else(PoisonError::into_inner);
        index.apply(event)
    }
}

impl Index {
    fn apply(&mut self, event: Event<DynamicObject>) -> Vec<Key> {
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
                    .map(|(key, _)| key)
                    .collect()
            }
            Event::Apply(promotion) => self.put(&promotion),
            Event::Delete(promotion) => {
                let key = key(&promotion);
                self.records.remove(&key);
                vec![key]
            }
        }
    }

    fn put(&mut self, promotion: &DynamicObject) -> Vec<Key> {
        let key = key(promotion);
        let deleting = promotion.metadata.deletion_timestamp.is_some();
        let record = Record::new(deleting, &promotion.data);
        let released = record.released;
        let before = self.records.insert(key.clone(), record);
        if released && !before.is_some_and(|before| before.released) {
            vec![key]
        } else {
            Vec::new()
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
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"clusters": ["member1"], "desiredState": desired},
            "status": {"phase": phase},
        }))
        .unwrap()
    }

    fn key(name: &str) -> Key {
        Key {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn it_tells_once_when_one_is_released_and_when_one_is_gone() {
        let mut index = Index::default();
        let mut told = |event| index.apply(event);
        assert!(told(Event::Init).is_empty());
        assert!(told(Event::InitApply(promotion("web", "Promoted", "Promoted"))).is_empty());
        assert!(told(Event::InitApply(promotion("api", "Promoted", "Promoted"))).is_empty());
        assert!(told(Event::InitDone).is_empty());
        assert!(told(Event::Apply(promotion("web", "Released", "Releasing"))).is_empty());
        let released = || promotion("web", "Released", "Released");
        assert_eq!(told(Event::Apply(released())), [key("web")]);
        assert!(told(Event::Apply(released())).is_empty());
        assert_eq!(told(Event::Delete(released())), [key("web")]);
        // What went while nobody watched is found by the next list.
        assert!(told(Event::Init).is_empty());
        assert!(told(Event::InitApply(promotion("db", "Promoted", "Staging"))).is_empty());
        assert_eq!(told(Event::InitDone), [key("api")]);
        assert!(index.complete);
        assert!(index.records.contains_key(&key("db")));
    }
}
