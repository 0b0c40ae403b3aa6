//! API servers that fail: requests that are refused or lost, and watches that end.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use promoter_api::promotion::Phase;

use crate::support::{
    Before, Hub, Scene, Workload, fleet, marks,
    proxy::{Ending, Fault, Rule},
    sample, settled,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_survives_requests_that_are_refused_and_answers_that_are_lost() -> Result<()> {
    let fleet = fleet::rough_for_hubs().await?;
    let mut seed = sample::seed();
    for _ in 0..sample::times(2, 12) {
        seed = sample::next(seed);
        let scene = Scene::on(Arc::clone(&fleet), "faults").await?;
        round(&scene, seed)
            .await
            .with_context(|| format!("PROMOTER_TEST_SEED={}, in it {seed}", sample::seed()))?;
    }
    Ok(())
}

/// A promotion and a release with a proxy that lets one request in fifteen fail, and no more of them
/// than are over within a minute if each of them ends another try: the promoter waits twice as long
/// after each.
async fn round(scene: &Scene, seed: u64) -> Result<()> {
    Workload::typical("web").deploy(scene, "member1").await?;
    let before = Before::take(scene, "member1", "web").await?;
    let hub = Hub::start(scene, "promoter-faults", &["--leader-elect=false"]).await?;
    let rule = Rule::Random {
        most: 7,
        one_in: 15,
        seed,
    };

    let promoted = async |_: &_| scene.promoted("web", "member1").await;
    let (_, promoting) = hub.during(rule.clone(), promoted).await?;
    before.assert_untouched().await?;
    settled::assert_typical(scene, "web").await?;

    let released = async |_: &_| scene.released("web").await;
    let (_, releasing) = hub.during(rule, released).await?;
    before.assert_untouched().await?;
    scene.assert_nothing_federated().await?;
    marks::assert_no_trace(scene, "member1").await?;

    let (faults, more) = (promoting.faults, releasing.faults);
    println!("what failed in the promotion: {faults:?}, in the release: {more:?}");
    for fault in Fault::SURVIVED {
        let happened = faults.contains_key(&fault) || more.contains_key(&fault);
        ensure!(happened, "there was no {fault:?}");
    }
    hub.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_nobody_answers_at_first_begins_when_somebody_does() -> Result<()> {
    let fleet = fleet::rough_for_hubs().await?;
    let scene = Scene::on(Arc::clone(&fleet), "begins").await?;
    Workload::new("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let hub = Hub::start(&scene, "promoter-begins", &["--leader-elect=false"]).await?;

    // A hub that gives up is not started again by anybody here.
    hub.restart(Rule::First(3, Fault::Cut)).await?;
    scene.promoted("web", "member1").await?;

    let failed = hub.proxy.faults();
    ensure!(failed == [(Fault::Cut, 3)].into(), "{failed:?}");
    before.assert_untouched().await?;
    hub.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_that_are_cut_or_expired_are_opened_again() -> Result<()> {
    let fleet = fleet::rough_for_hubs().await?;
    let scene = Scene::on(Arc::clone(&fleet), "watches").await?;
    let flags = ["--leader-elect=false", "--adopt-unstamped"];
    let hub = Hub::start(&scene, "promoter-watches", &flags).await?;
    let mut befores = Vec::new();
    // By each the watches end that the one before was seen by.
    for (name, ending) in [
        ("first", Ending::Cut),
        ("second", Ending::Expire),
        ("third", Ending::CutAndExpire),
        ("last", Ending::Cut),
    ] {
        Workload::new(name).deploy(&scene, "member1").await?;
        let before = Before::take(&scene, "member1", name).await?;
        // By the door's watches and by the engine's.
        scene.annotate("member1", name, "true").await?;
        scene.until_phase(name, Phase::Promoted).await?;
        before.assert_untouched().await?;
        befores.push(before);
        let ended = hub.proxy.end_watches(ending);
        ensure!(ended >= 6, "only {ended} watches were open");
    }
    for before in befores {
        before.assert_untouched().await?;
    }
    hub.stop().await
}
