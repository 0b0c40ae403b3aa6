//! The promoter is killed at every API write that it makes: what it had begun is completed, once.
//!
//! Each run is done once without any harm, and its API writes are recorded. Then it is done again
//! for each of them, and the promoter is killed there: before it hears that the write was done, or
//! after that and before it does anything else. Several of these runs are under way at the same
//! time, each with a promoter of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context as _, Result, ensure};
use futures::future::{try_join_all, try_join4};
use promoter_api::promotion::Phase;
use promoter_fleet::Fleet;
use serde_json::{Value, json};
use tokio::sync::{Mutex, watch};

use crate::{
    refuse::override_deployments,
    rollback::REHEARSALS_ONLY,
    support::{
        Before, Did, Hub, Kind, Recording, Rules, Scene, Workload, edits, fleet, marks,
        proxy::{Fault, Point, Rule},
        sample, settled,
    },
};

/// How many promoters are killed side by side.
const LANES: usize = 4;

/// What the namespaces of the runs begin with.
const NAMESPACES: &str = "kill";

/// How many of the runs are done when not all of them are.
const SAMPLE: usize = 24;

/// What is asked of the promoter.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Story {
    /// It is edited in the member before Karmada could write, and the edit is carried.
    LateEdit,
    /// A workload with two dependencies is promoted.
    Promotion,
    /// It would be changed, and so is refused.
    Refusal,
    /// It was promoted, and is released.
    Release,
    /// The member refuses what the rehearsal let pass.
    Rollback,
}

impl Story {
    /// Every story, in alphabetical order.
    const ALL: [Self; 5] = [
        Self::LateEdit,
        Self::Promotion,
        Self::Refusal,
        Self::Release,
        Self::Rollback,
    ];
}

/// Where the promoter is killed in a story.
#[derive(Clone, Debug)]
struct Kill {
    fault: Fault,
    point: Point,
    story: Story,
}

/// What the runs have come to.
#[derive(Default)]
struct Tally {
    killed: AtomicUsize,
    /// Those that were finished before they came to where they were to be killed.
    not_killed: Mutex<Vec<Kill>>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoter_that_is_killed_after_any_api_write_completes_what_it_had_begun() -> Result<()> {
    let fleet = fleet::rough_for_hubs().await?;
    let created = Created::record(&fleet).await?;
    let kills = recorded(&fleet).await?;
    let mut points = BTreeMap::<_, usize>::new();
    for kill in &kills {
        *points.entry(kill.story).or_default() += 1;
    }
    ensure!(
        points.keys().eq(&Story::ALL),
        "only these have points: {points:?}"
    );
    let all = kills.len();
    let drawn = sample::draw(kills, SAMPLE);
    say(&format!(
        "kill points (each API write, before and after its answer): {all}, of them {points:?}; \
         trying {} (PROMOTER_TEST_SEED={})",
        drawn.len(),
        sample::seed()
    ));
    let (tried, tally) = (drawn.len(), Tally::default());
    let mut lanes = vec![Vec::new(); LANES];
    for (index, kill) in drawn.into_iter().enumerate() {
        lanes[index % LANES].push(kill);
    }
    let (fleet, tally) = (&*fleet, &tally);
    try_join_all(lanes.into_iter().enumerate().map(async |(lane, kills)| {
        for kill in kills {
            let place = format!("{:?} at {}, {:?}", kill.story, kill.point, kill.fault);
            tell(fleet, lane, &kill, tally)
                .await
                .with_context(|| format!("killed: {place}"))?;
        }
        anyhow::Ok(())
    }))
    .await?;
    let not_killed = tally.not_killed.lock().await;
    for Kill {
        fault,
        point,
        story,
    } in &*not_killed
    {
        say(&format!("not killed: {story:?} at {point}, {fault:?}"));
    }
    say(&format!(
        "kill points: {all} in all, {tried} tried, {} killed there, {} finished before it",
        tally.killed.load(Ordering::Relaxed),
        not_killed.len()
    ));
    ensure!(tally.killed.load(Ordering::Relaxed) > 0, "none was killed");
    created.assert_nothing_twice()
}

/// Does each story without any harm, and returns every kill that there can be.
async fn recorded(fleet: &Arc<Fleet>) -> Result<Vec<Kill>> {
    let (federated, refused, rolled_back, edited) = try_join4(
        federated(fleet, 0, None),
        refused(fleet, 1, None),
        rolled_back(fleet, 2, None),
        edited(fleet, 3, None),
    )
    .await?;
    let [promoted, released] = federated;
    let stories = [
        (Story::LateEdit, edited),
        (Story::Promotion, promoted),
        (Story::Refusal, refused),
        (Story::Release, released),
        (Story::Rollback, rolled_back),
    ];
    let mut kills = Vec::new();
    for (story, did) in stories {
        ensure!(!did.writes.is_empty(), "{story:?} wrote nothing");
        for point in did.writes {
            for fault in [Fault::KillUnanswered, Fault::KillAnswered] {
                let point = point.clone();
                kills.push(Kill {
                    fault,
                    point,
                    story,
                });
            }
        }
    }
    Ok(kills)
}

/// Does the run of a kill.
async fn tell(fleet: &Arc<Fleet>, lane: usize, kill: &Kill, tally: &Tally) -> Result<()> {
    let did = match kill.story {
        Story::Promotion => {
            let [did, _] = federated(fleet, lane, Some(kill)).await?;
            did
        }
        Story::Release => {
            let [_, did] = federated(fleet, lane, Some(kill)).await?;
            did
        }
        Story::LateEdit => edited(fleet, lane, Some(kill)).await?,
        Story::Refusal => refused(fleet, lane, Some(kill)).await?,
        Story::Rollback => rolled_back(fleet, lane, Some(kill)).await?,
    };
    if did.killed {
        tally.killed.fetch_add(1, Ordering::Relaxed);
    } else {
        tally.not_killed.lock().await.push(kill.clone());
    }
    Ok(())
}

/// A promotion and a release.
async fn federated(fleet: &Arc<Fleet>, lane: usize, kill: Option<&Kill>) -> Result<[Did; 2]> {
    let scene = Scene::on(Arc::clone(fleet), NAMESPACES).await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let hub = Hub::start(&scene, &promoter(lane), &["--leader-elect=false"]).await?;

    let ask = async || scene.promote("web", "member1").await;
    let promoted = until(
        &scene,
        &hub,
        rule(kill, Story::Promotion),
        Phase::Promoted,
        "Promoted",
        ask,
    )
    .await?;
    before.assert_untouched().await?;
    settled::assert_typical(&scene, "web").await?;

    let ask = async || scene.release("web").await;
    let released = until(
        &scene,
        &hub,
        rule(kill, Story::Release),
        Phase::Released,
        "Released",
        ask,
    )
    .await?;
    before.assert_untouched().await?;
    scene.assert_nothing_federated().await?;
    marks::assert_no_trace(&scene, "member1").await?;
    hub.stop().await?;
    Ok([promoted, released])
}

/// A promotion that is refused after it was staged.
async fn refused(fleet: &Arc<Fleet>, lane: usize, kill: Option<&Kill>) -> Result<Did> {
    let scene = Scene::on(Arc::clone(fleet), "kill-refused").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let overriders = json!({
        "imageOverrider": [{"component": "Tag", "operator": "replace", "value": "2.0"}],
    });
    override_deployments(&scene, overriders).await?;
    let hub = Hub::start(&scene, &promoter(lane), &["--leader-elect=false"]).await?;

    let ask = async || scene.promote("web", "member1").await;
    let refused = until(
        &scene,
        &hub,
        rule(kill, Story::Refusal),
        Phase::Refused,
        "WouldRestartPods",
        ask,
    )
    .await?;
    before.assert_untouched().await?;
    scene.assert_nothing_federated().await?;
    marks::assert_no_trace(&scene, "member1").await?;
    hub.stop().await?;
    Ok(refused)
}

/// A promotion that is rolled back after it was committed.
async fn rolled_back(fleet: &Arc<Fleet>, lane: usize, kill: Option<&Kill>) -> Result<Did> {
    let scene = Scene::on(Arc::clone(fleet), "kill-rolled-back").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let says = "the shop is closed";
    let mut rules = Rules::refuse_karmada(&scene, "member1", REHEARSALS_ONLY, says).await?;
    let flags = ["--leader-elect=false", "--commit-timeout", "3"];
    let hub = Hub::start(&scene, &promoter(lane), &flags).await?;

    let ask = async || scene.promote("web", "member1").await;
    let failed = until(
        &scene,
        &hub,
        rule(kill, Story::Rollback),
        Phase::Failed,
        "CommitRefused",
        ask,
    )
    .await?;
    before.assert_untouched().await?;
    scene.assert_nothing_federated().await?;
    marks::assert_no_trace(&scene, "member1").await?;
    hub.stop().await?;
    rules.lift().await?;
    Ok(failed)
}

/// A promotion of what is edited when all is committed and Karmada could not write yet.
async fn edited(fleet: &Arc<Fleet>, lane: usize, kill: Option<&Kill>) -> Result<Did> {
    let scene = Scene::on(Arc::clone(fleet), "kill-edited").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let says = "the shop opens at nine";
    let mut rules = Rules::refuse_karmada(&scene, "member1", REHEARSALS_ONLY, says).await?;
    let change = edits::changed_image(&scene, "member1", "web").await?;
    let hub = Hub::start(&scene, &promoter(lane), &["--leader-elect=false"]).await?;

    let ask = async || {
        scene.promote("web", "member1").await?;
        let policies = Kind::propagation_policy();
        let what = "the workload is committed";
        scene
            .eventually(what, async || {
                let policy = scene.karmada.get(&policies, "deployment.web").await?;
                let suspended = &policy["spec"]["suspension"]["dispatching"];
                ensure!(*suspended != true, "{}", policy["spec"]);
                Ok(())
            })
            .await?;
        edits::edit(&scene, "member1", "web", &change).await?;
        rules.lift().await
    };
    let edited = until(
        &scene,
        &hub,
        rule(kill, Story::LateEdit),
        Phase::Promoted,
        "Promoted",
        ask,
    )
    .await?;
    edits::assert_edit_kept(&scene, "member1", "web").await?;
    settled::assert_typical(&scene, "web").await?;
    hub.stop().await?;
    Ok(edited)
}

/// Asks for something and waits until it is done, and until the last thing is written of it: the
/// event on the Deployment, with this reason. A promoter that is killed may not come to that.
async fn until(
    scene: &Scene,
    hub: &Hub,
    rule: Rule,
    end: Phase,
    reason: &str,
    ask: impl AsyncFnOnce() -> Result<()>,
) -> Result<Did> {
    let work = async |kills: &watch::Receiver<usize>| {
        let before = *kills.borrow();
        ask().await?;
        scene.until_phase("web", end).await?;
        let told = format!("an event of the Deployment says {reason}");
        scene
            .eventually(&told, async || {
                let events = scene.member("member1").list(&Kind::event()).await?;
                let mut reasons = events.iter().map(|event| &event["reason"]);
                let told = reasons.any(|it| *it == reason);
                ensure!(told || *kills.borrow() > before, "none does");
                Ok(())
            })
            .await
    };
    let ((), did) = hub.during(rule, work).await?;
    Ok(did)
}

fn rule(kill: Option<&Kill>, story: Story) -> Rule {
    match kill {
        Some(kill) if kill.story == story => Rule::At(kill.point.clone(), kill.fault),
        _ => Rule::Never,
    }
}

fn promoter(lane: usize) -> String {
    format!("{}-{lane}", fleet::PROMOTER)
}

/// Everything that was ever created of what the promoter creates, here and by the tests beside.
struct Created(Vec<Recording>);

impl Created {
    async fn record(fleet: &Arc<Fleet>) -> Result<Self> {
        let scene = Scene::on(Arc::clone(fleet), "created").await?;
        let mut recordings = Vec::new();
        for kind in [
            Kind::config_map(),
            Kind::deployment(),
            Kind::propagation_policy(),
            Kind::secret(),
        ] {
            recordings.push(Recording::start(&scene.karmada, &kind).await?);
        }
        Ok(Self(recordings))
    }

    /// Fails if anything was created a second time in a namespace of these runs.
    fn assert_nothing_twice(&self) -> Result<()> {
        let mut uids = BTreeMap::<String, BTreeSet<String>>::new();
        for recording in &self.0 {
            for object in recording.objects()? {
                let metadata = &object["metadata"];
                let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let (namespace, name) = (word(&metadata["namespace"]), word(&metadata["name"]));
                if !namespace.starts_with(NAMESPACES) {
                    continue;
                }
                let object = format!("{} {namespace}/{name}", word(&object["kind"]));
                uids.entry(object)
                    .or_default()
                    .insert(word(&metadata["uid"]));
            }
        }
        ensure!(!uids.is_empty(), "nothing was recorded");
        uids.retain(|_, uids| uids.len() > 1);
        ensure!(uids.is_empty(), "created more than once: {uids:?}");
        Ok(())
    }
}

/// Says something that is to be read when the test passes, too.
fn say(line: &str) {
    // Not by a macro: the test runner keeps what those print. Nothing depends on it.
    let _ = writeln!(std::io::stderr(), "{line}");
}
