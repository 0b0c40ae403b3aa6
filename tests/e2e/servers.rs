//! API servers, members and etcd that go away in the middle of a promotion and come back.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use promoter_api::promotion::Phase;
use promoter_fleet::Fleet;
use tokio::time::sleep;

use crate::support::{
    Before, Hub, Kind, LIMIT, Scene, Workload, eventually, fleet, marks, proxy::Rule, sample,
    settled,
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
    let hub = Hub::start(&scene, fleet::PROMOTER, &["--leader-elect=false"]).await?;
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
    let hub = Hub::start(scene, fleet::PROMOTER, &flags).await?;

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
    scene.assert_nothing_federated().await?;
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
