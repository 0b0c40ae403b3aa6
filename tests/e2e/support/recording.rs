//! Everything that ever happened to the objects of a kind.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, Result, bail};
use futures::StreamExt as _;
use kube::{
    ResourceExt as _,
    api::{DynamicObject, WatchEvent, WatchParams},
    core::Request,
};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::{Cluster, Kind};

/// A watch that was opened before what it is to see, and that misses nothing.
pub(crate) struct Recording {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    failure: Option<String>,
    /// The UIDs of those that were deleted.
    gone: BTreeSet<String>,
    objects: Vec<Value>,
}

impl Recording {
    /// Records every state of every object of a kind from now on, in all namespaces.
    pub(crate) async fn start(cluster: &Cluster, kind: &Kind) -> Result<Self> {
        let (recording, _) = Self::of(cluster, kind.path()).await?;
        Ok(recording)
    }

    /// The same in the cluster's own namespace, beginning with what is there.
    pub(crate) async fn start_in(cluster: &Cluster, kind: &Kind) -> Result<Self> {
        let path = kind.path_in(cluster.namespace());
        let (recording, mut now) = Self::of(cluster, path).await?;
        let there = now["items"].as_array_mut().map(std::mem::take);
        let mut seen = recording.seen();
        // Something may have come in between.
        let later = std::mem::replace(&mut seen.objects, there.unwrap_or_default());
        seen.objects.extend(later);
        drop(seen);
        Ok(recording)
    }

    /// The recording of a collection, and what was there when it began.
    async fn of(cluster: &Cluster, path: String) -> Result<(Self, Value)> {
        let client = cluster.client().clone();
        let now: Value = client
            .request(Request::new(&path).list(&kube::api::ListParams::default())?)
            .await?;
        let version = now["metadata"]["resourceVersion"].as_str();
        let mut version = version.context("a list has a version")?.to_owned();
        let watch = async move |version: &str| {
            let request = Request::new(&path).watch(&WatchParams::default(), version)?;
            anyhow::Ok(client.request_events::<DynamicObject>(request).await?)
        };
        let mut events = Box::pin(watch(&version).await?);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let kept = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let failure = loop {
                match events.next().await {
                    Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object))) => {
                        version = object.resource_version().unwrap_or_default();
                        lock(&kept).take(object);
                    }
                    Some(Ok(WatchEvent::Deleted(object))) => {
                        version = object.resource_version().unwrap_or_default();
                        let mut seen = lock(&kept);
                        seen.gone.extend(object.uid());
                        seen.take(object);
                    }
                    Some(Ok(WatchEvent::Bookmark(bookmark))) => {
                        version = bookmark.metadata.resource_version;
                    }
                    Some(Ok(WatchEvent::Error(status))) => break format!("{status:?}"),
                    Some(Err(error)) => break error.to_string(),
                    // An API server ends every watch after some minutes; the next one goes on
                    // where it was, or fails.
                    None => match watch(&version).await {
                        Ok(next) => events = Box::pin(next),
                        Err(error) => break format!("{error:#}"),
                    },
                }
            };
            lock(&kept).failure = Some(failure);
        });
        Ok((Self { seen, task }, now))
    }

    /// Every state that was seen so far, oldest first. Fails if anything may have been missed.
    pub(crate) fn objects(&self) -> Result<Vec<Value>> {
        let seen = self.seen();
        if let Some(failure) = &seen.failure {
            bail!("the recording is not complete: {failure}");
        }
        Ok(seen.objects.clone())
    }

    /// The UIDs of those that were deleted so far.
    pub(crate) fn gone(&self) -> BTreeSet<String> {
        self.seen().gone.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

impl Seen {
    fn take(&mut self, object: DynamicObject) {
        let object = serde_json::to_value(object).expect("an object is JSON");
        self.objects.push(object);
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.task.abort();
    }
}
