//! API servers, members and etcd that go away in the middle of a promotion and come back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use promoter_api::{promotion::Phase, reason::Reason};
use promoter_fleet::Fleet;
use tokio::time::sleep;

use crate::support::{
    Before, Hub, Kind, LIMIT, Scene, Workload, eventually, fleet, marks,
    proxy::{Point, Rule, Write},
    sample, settled,
};

/// A promotion makes some thirty API writes, a release some twenty.
const WRITES: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_survives_restarts_of_the_control_planes_api_server() -> Result<()> {
    let restart = async |fleet: &Fleet| Ok(fleet.restart("karmada-apiserver").await?);
    in_the_middle("control-plane", 1, restart).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_survives_restarts_of_the_members_api_server() -> Result<()> {
    let restart = async |fleet: &Fleet| Ok(fleet.restart("member1-apiserver").await?);
    in_the_middle("member", 1, restart).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_survives_an_etcd_that_stands_still() -> Result<()> {
    /// More than any election of a leader waits.
    const STILL: Duration = Duration::from_secs(20);

    let pause = async |fleet: &Fleet| {
        fleet.pause("etcd")?;
        sleep(STILL).await;
        Ok(fleet.resume("etcd")?)
    };
    in_the_middle("etcd", 1, pause).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_waits_for_a_member_that_is_away() -> Result<()> {
    let fleet = fleet::rough_without_promoter().await?;
    let scene = Scene::on(Arc::clone(&fleet), "away").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let hub = Hub::start(&scene, "promoter-servers", &["--leader-elect=false"]).await?;
    scene.promote("web", "member1").await?;
    until_written(&hub, 3).await?;

    fleet.kill("member1-apiserver").await?;
    scene
        .eventually("it says that it waits for the member", async || {
            let promotion = scene.karmada.get(&Kind::promotion(), "web").await?;
            let status = &promotion["status"];
            let message = status["message"].as_str().unwrap_or_default();
            ensure!(message.contains("member1"), "{status}");
            Ok(())
        })
        .await?;
    fleet.restart("member1-apiserver").await?;
    fleet.until_ready().await?;

    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;
    settled::assert_typical(&scene, "web").await?;
    hub.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_that_waits_for_its_cluster_is_woken_by_it() -> Result<()> {
    let fleet = fleet::rough_for_hubs().await?;
    let scene = Scene::on(Arc::clone(&fleet), "woken").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let hub = Hub::start(&scene, "promoter-woken", &["--leader-elect=false"]).await?;
    hub.proxy.hide_members(true);

    scene.promote("web", "member1").await?;
    scene
        .waits("web", Reason::ClusterNotReady, &["member1"])
        .await?;
    // Each look comes after twice the time of the one before, and the fifth after 16 seconds.
    let waited = Instant::now();
    let looks = || {
        let seen = hub.proxy.seen();
        let looks = seen
            .iter()
            .filter(|it| it.asked.resource == "clusters" && it.asked.verb == "get");
        looks.count()
    };
    scene
        .eventually("the next look is far away", async || {
            let (looks, waited) = (looks(), waited.elapsed());
            ensure!(
                waited > Duration::from_secs(12),
                "{looks} looks in {waited:?}"
            );
            Ok(())
        })
        .await?;
    let before_it_is_ready = looks();
    scene
        .eventually("it has just looked", async || {
            let looks = looks();
            ensure!(looks > before_it_is_ready, "{looks} looks");
            Ok(())
        })
        .await?;
    hub.proxy.hide_members(false);
    let ready = Instant::now();
    let annotation = ["annotate", "cluster", "member1", "shop.example/seen=1"];
    scene.kubectl("karmada", &annotation).await?;
    scene
        .eventually("it goes on", async || {
            let promotion = scene.karmada.get(&Kind::promotion(), "web").await?;
            let phase = &promotion["status"]["phase"];
            ensure!(phase != "Waiting", "{phase}");
            Ok(())
        })
        .await?;
    let took = ready.elapsed();
    ensure!(took < Duration::from_secs(12), "it was not woken: {took:?}");
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;
    let annotation = ["annotate", "cluster", "member1", "shop.example/seen-"];
    scene.kubectl("karmada", &annotation).await?;
    hub.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_unjoined_in_the_middle_keeps_its_workload() -> Result<()> {
    let policies = |verb, ordinal| Point {
        ordinal,
        write: Write {
            cluster: "karmada".to_owned(),
            resource: "propagationpolicies".to_owned(),
            verb,
        },
    };
    // When it begins to be staged, and when the last object is committed.
    let moments = [policies("create", 1), policies("patch", 3)];
    for moment in sample::draw(moments.to_vec(), sample::times(1, 2)) {
        unjoined_at(&moment)
            .await
            .with_context(|| format!("unjoined at {moment}"))?;
    }
    Ok(())
}

async fn unjoined_at(moment: &Point) -> Result<()> {
    let fleet = fleet::rough_without_promoter().await?;
    let scene = Scene::on(Arc::clone(&fleet), "unjoined").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let hub = Hub::start(&scene, "promoter-servers", &["--leader-elect=false"]).await?;

    scene.promote("web", "member1").await?;
    eventually("the moment has come", LIMIT, async || {
        ensure!(hub.proxy.writes().contains(moment), "not yet");
        Ok(())
    })
    .await?;
    scene
        .kubectl("karmada", &["delete", "cluster", "member1"])
        .await?;

    before.assert_untouched().await?;
    fleet::join(&fleet, "member1").await?;
    fleet.until_ready().await?;
    before.assert_untouched().await?;
    let promotion = scene
        .eventually("it has come to an end", async || {
            let promotion = scene.karmada.get(&Kind::promotion(), "web").await?;
            let phase = serde_json::from_value::<Phase>(promotion["status"]["phase"].clone())?;
            ensure!(phase.is_at_rest(), "{}", promotion["status"]);
            Ok(promotion)
        })
        .await?;
    println!("unjoined at {moment}: {}", promotion["status"]);
    before.assert_untouched().await?;
    if promotion["status"]["phase"] != "Promoted" {
        scene.assert_nothing_federated().await?;
        scene.ask_again("web").await?;
        scene.until_phase("web", Phase::Promoted).await?;
    }
    before.assert_untouched().await?;
    settled::assert_typical(&scene, "web").await?;
    hub.stop().await
}

/// Promotes and releases a workload, with something that happens in the middle of both.
async fn in_the_middle(
    name: &str,
    times: usize,
    happens: impl AsyncFn(&Fleet) -> Result<()>,
) -> Result<()> {
    let fleet = fleet::rough_without_promoter().await?;
    let moments: Vec<_> = (1..WRITES).collect();
    let full = 4;
    for moment in sample::draw(moments, sample::times(times, full)) {
        let scene = Scene::on(Arc::clone(&fleet), name).await?;
        round(&scene, moment, &happens)
            .await
            .with_context(|| format!("it happened after {moment} API writes"))?;
    }
    Ok(())
}

async fn round(
    scene: &Scene,
    moment: usize,
    happens: &impl AsyncFn(&Fleet) -> Result<()>,
) -> Result<()> {
    Workload::typical("web").deploy(scene, "member1").await?;
    let before = Before::take(scene, "member1", "web").await?;
    let flags = ["--lease-namespace", &scene.namespace];
    scene.namespace_in_karmada().await?;
    let hub = Hub::start(scene, "promoter-servers", &flags).await?;

    scene.promote("web", "member1").await?;
    until_written(&hub, moment).await?;
    happens(&scene.fleet).await?;
    scene.fleet.until_ready().await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;
    settled::assert_typical(scene, "web").await?;

    hub.proxy.set(Rule::Never);
    scene.release("web").await?;
    until_written(&hub, moment).await?;
    happens(&scene.fleet).await?;
    scene.fleet.until_ready().await?;
    scene.until_phase("web", Phase::Released).await?;
    before.assert_untouched().await?;
    // A policy that is deleted goes when Karmada takes its finalizer off, once it is back itself.
    scene
        .eventually("nothing is federated", async || {
            scene.assert_nothing_federated().await
        })
        .await?;
    marks::assert_no_trace(scene, "member1").await?;
    hub.stop().await
}

/// Waits until the hub has made so many API writes, or has come to rest before.
async fn until_written(hub: &Hub, writes: usize) -> Result<()> {
    eventually("the hub has written", LIMIT, async || {
        let written = hub.proxy.writes().len();
        ensure!(written >= writes, "{written} of {writes} writes");
        Ok(())
    })
    .await
}
