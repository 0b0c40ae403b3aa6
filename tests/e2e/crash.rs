//! The promoter is killed in the middle of its work and started again: what it had begun is
//! completed, once.
//!
//! It is killed when a phase is first seen, and at moments drawn at random: after so many changes
//! of what a promotion is about.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::Arc,
};

use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use kube::{
    api::{DynamicObject, WatchEvent, WatchParams},
    core::Request,
};
use promoter_api::promotion::Phase;
use promoter_fleet::Fleet;
use serde_json::Value;
use tokio::{sync::mpsc, task::JoinSet, time::timeout};

use crate::support::{Before, Kind, LIMIT, Scene, Workload, fleet, marks, sample, settled};

/// When the promoter is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So many changes have been seen since it was asked for something.
    After(usize),
    /// The phase was seen.
    Phase(Phase),
}

#[tokio::test]
async fn a_killed_promoter_completes_what_it_had_begun() -> Result<()> {
    let fleet = fleet::rough(&[]).await?;
    let mut promoting: Vec<_> = [
        Phase::Staging,
        Phase::Committing,
        Phase::Verifying,
        Phase::Settling,
    ]
    .map(Moment::Phase)
    .into();
    let moments: Vec<_> = (1..=26).map(|step| Moment::After(2 * step)).collect();
    promoting.extend(sample::draw(moments, 2));
    let moments: Vec<_> = (1..promoting.len()).map(Moment::After).collect();
    let mut releasing = vec![Moment::Phase(Phase::Releasing)];
    releasing.extend(sample::draw(moments, promoting.len() - 1));
    for (promotes, releases) in promoting.into_iter().zip(releasing) {
        round(&fleet, promotes, releases)
            .await
            .with_context(|| format!("killed at {promotes:?}, and then at {releases:?}"))?;
    }
    Ok(())
}

/// A promotion and a release, with the promoter killed in both.
async fn round(fleet: &Arc<Fleet>, promotes: Moment, releases: Moment) -> Result<()> {
    let scene = Scene::on(Arc::clone(fleet), "crash").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    scene.namespace_in_karmada().await?;
    let mut changes = Changes::watch(&scene).await?;

    scene.promote("web", "member1").await?;
    changes.until(promotes, Phase::Promoted).await?;
    kill(&scene, promotes).await?;
    fleet.restart(fleet::PROMOTER).await?;

    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;
    settled::assert_typical(&scene, "web").await?;

    changes.forget();
    scene.release("web").await?;
    changes.until(releases, Phase::Released).await?;
    kill(&scene, releases).await?;
    fleet.restart(fleet::PROMOTER).await?;

    scene.until_phase("web", Phase::Released).await?;
    before.assert_untouched().await?;
    scene.assert_nothing_federated().await?;
    marks::assert_no_trace(&scene, "member1").await?;
    changes.assert_nothing_twice()
}

async fn kill(scene: &Scene, moment: Moment) -> Result<()> {
    let status = scene.fleet.kill(fleet::PROMOTER).await?;
    let status = status.context("the promoter ran")?;
    ensure!(status.code().is_none(), "it ended by itself: {status}");
    let promotion = scene.karmada.get(&Kind::promotion(), "web").await?;
    let phase = &promotion["status"]["phase"];
    println!("killed at {moment:?}, with {phase} recorded");
    Ok(())
}

/// What changes of a promotion, as it changes.
struct Changes {
    received: mpsc::UnboundedReceiver<Value>,
    /// The UIDs of everything that there ever was, by kind and name.
    uids: BTreeMap<String, BTreeSet<String>>,
    /// They end with this value.
    _watches: JoinSet<()>,
}

impl Changes {
    async fn watch(scene: &Scene) -> Result<Self> {
        let (sender, received) = mpsc::unbounded_channel();
        let mut watches = JoinSet::new();
        let kinds = [
            Kind::deployment(),
            Kind::promotion(),
            Kind::propagation_policy(),
            Kind::resource_binding(),
        ];
        for kind in kinds {
            let client = scene.karmada.client();
            let path = kind.path_in(&scene.namespace);
            // From the beginning on: there is nothing yet.
            let request = Request::new(path).watch(&WatchParams::default(), "0")?;
            let events = client.request_events::<DynamicObject>(request).await?;
            let sender = sender.clone();
            watches.spawn(async move {
                let mut events = pin!(events);
                while let Some(Ok(event)) = events.next().await {
                    if let WatchEvent::Added(object)
                    | WatchEvent::Modified(object)
                    | WatchEvent::Deleted(object) = event
                    {
                        let object = serde_json::to_value(object).expect("an object is JSON");
                        if sender.send(object).is_err() {
                            return;
                        }
                    }
                }
            });
        }
        Ok(Self {
            received,
            uids: BTreeMap::new(),
            _watches: watches,
        })
    }

    /// Waits for the moment, or until the promotion has come to its end before it.
    async fn until(&mut self, moment: Moment, end: Phase) -> Result<()> {
        let mut count = 0;
        let waiting = async {
            while let Some(object) = self.next().await {
                count += 1;
                let is_in = |phase: Phase| {
                    object["kind"] == "Promotion" && object["status"]["phase"] == phase.to_string()
                };
                let is_now = match moment {
                    Moment::After(number) => count >= number,
                    Moment::Phase(phase) => is_in(phase),
                };
                if is_now || is_in(end) {
                    return Ok(());
                }
            }
            anyhow::bail!("the watches have ended")
        };
        let waited = timeout(LIMIT, waiting).await;
        waited.with_context(|| format!("after {count} changes"))?
    }

    /// Forgets what has been received and not been looked at.
    fn forget(&mut self) {
        while let Ok(object) = self.received.try_recv() {
            self.note(&object);
        }
    }

    /// Fails if anything was created a second time.
    fn assert_nothing_twice(mut self) -> Result<()> {
        self.forget();
        let twice: Vec<_> = self
            .uids
            .iter()
            .filter(|(_, uids)| uids.len() > 1)
            .collect();
        ensure!(twice.is_empty(), "created more than once: {twice:?}");
        Ok(())
    }

    async fn next(&mut self) -> Option<Value> {
        let object = self.received.recv().await?;
        self.note(&object);
        Some(object)
    }

    fn note(&mut self, object: &Value) {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &object["metadata"];
        let name = format!("{} {}", word(&object["kind"]), word(&metadata["name"]));
        self.uids
            .entry(name)
            .or_default()
            .insert(word(&metadata["uid"]));
    }
}
