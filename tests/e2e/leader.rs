//! Of several hubs, one acts.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use promoter_api::promotion::Phase;
use promoter_fleet::Fleet;
use serde_json::{Value, json};

use crate::support::{
    Before, Hub, Kind, LIMIT, Recording, Scene, Workload, eventually, fleet,
    proxy::{Fault, Point, Rule, Seen, Write},
    settled,
};

/// As long as a Lease is when nothing else is said.
const DURATION: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hubs_one_acts_and_the_other_goes_on_when_it_is_gone() -> Result<()> {
    let fleet = fleet::rough_for_hubs().await?;
    let scene = scene(&fleet, "two-hubs").await?;
    let recording = Recording::start(&scene.karmada, &Kind::propagation_policy()).await?;
    let flags = lease_in(&scene);
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let one = Hub::start(&scene, "promoter-one", &flags).await?;
    let first = until_held(&scene, "").await?;
    let other = Hub::start(&scene, "promoter-other", &flags).await?;
    until_looked(&other, 2).await?;

    let cart = promoted(&scene, "cart").await?;
    ensure!(!one.proxy.writes().is_empty(), "the first did nothing");

    // It is killed in the middle of a promotion, which the other one completes.
    Workload::typical("web").deploy(&scene, "member1").await?;
    let web = Before::take(&scene, "member1", "web").await?;
    let template = Point {
        ordinal: 1,
        write: Write {
            cluster: "karmada".to_owned(),
            resource: "deployments".to_owned(),
            verb: "create",
        },
    };
    one.proxy.set(Rule::At(template, Fault::KillUnanswered));
    let mut kills = one.proxy.kills();
    scene.promote("web", "member1").await?;
    tokio::time::timeout(LIMIT, kills.changed()).await??;
    let killed = Instant::now();
    ensure!(other.proxy.writes().is_empty(), "both have acted");
    let second = until_held(&scene, &first).await?;
    let took = killed.elapsed();
    println!("after a kill it was taken over in {took:?}");
    // It was renewed some time before, and the look before the take-over was a second ago.
    ensure!(
        took + Duration::from_secs(4) > DURATION,
        "too soon: {took:?}"
    );
    scene.until_phase("web", Phase::Promoted).await?;
    web.assert_untouched().await?;

    // The one that was killed comes back, and waits for its turn: until the other is stopped.
    scene.fleet.restart("promoter-one").await?;
    until_looked(&one, 2).await?;
    scene.fleet.process("promoter-other")?.terminate().await?;
    let stopped = Instant::now();
    until_held(&scene, &second).await?;
    let took = stopped.elapsed();
    println!("after a stop it was taken over in {took:?}");
    ensure!(took < DURATION / 3, "it took {took:?}");
    one.proxy.set(Rule::Never);
    let api = promoted(&scene, "api").await?;
    ensure!(!one.proxy.writes().is_empty(), "somebody else did it");

    for before in [&cart, &web, &api] {
        before.assert_untouched().await?;
    }
    for name in ["api", "cart", "web"] {
        let policy = format!("deployment.{name}");
        let states = recording.objects()?;
        let mut uids: Vec<_> = states
            .iter()
            .map(|state| &state["metadata"])
            .filter(|it| it["name"] == policy && it["namespace"] == scene.namespace)
            .map(|it| it["uid"].as_str())
            .collect();
        uids.dedup();
        ensure!(
            uids.len() == 1,
            "{policy} was created more than once: {uids:?}"
        );
    }
    one.stop().await?;
    other.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_loses_its_lease_stops_acting_at_once() -> Result<()> {
    let fleet = fleet::rough_for_hubs().await?;
    let scene = scene(&fleet, "lost-lease").await?;
    let flags = lease_in(&scene);
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let hub = Hub::start(&scene, "promoter-lost", &flags).await?;
    let first = until_held(&scene, "").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;

    hold(&scene, "somebody-else").await?;
    until_looked(&hub, 3).await?;
    hub.proxy.set(Rule::Never);
    scene.promote("web", "member1").await?;
    until_looked(&hub, 3).await?;
    ensure!(
        hub.proxy.writes().is_empty(),
        "it writes: {:?}",
        hub.proxy.writes()
    );

    hold(&scene, "").await?;
    let again = until_held(&scene, "").await?;
    ensure!(again == first, "it is {again}, and was {first}");
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;
    settled::assert_typical(&scene, "web").await?;
    hub.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_hub_makes_no_request_but_watches_and_its_lease() -> Result<()> {
    const RENEWALS: usize = 6;

    let fleet = fleet::rough_for_hubs().await?;
    let scene = scene(&fleet, "idle").await?;
    let mut flags = lease_in(&scene);
    flags.push("--adopt-unstamped".to_owned());
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let hub = Hub::start(&scene, "promoter-idle", &flags).await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    scene.annotate("member1", "web", "true").await?;
    scene.until_phase("web", Phase::Promoted).await?;
    promoted(&scene, "released").await?;
    scene.released("released").await?;

    scene
        .eventually("it rests for as long as it renews its Lease", async || {
            let seen = hub.proxy.seen();
            let renewals: Vec<_> = seen
                .iter()
                .enumerate()
                .filter(|(_, seen)| seen.asked.is_lease() && seen.asked.verb == "update")
                .map(|(index, _)| index)
                .collect();
            let first = renewals.iter().rev().nth(RENEWALS);
            let idle = &seen[*first.context("it is not renewed")?..];
            let busy = idle
                .iter()
                .find(|seen| !seen.asked.is_lease() && !seen.asked.is_watch());
            ensure!(busy.is_none(), "{busy:?}");
            let lasted = duration(idle);
            println!("{} requests in {lasted:?}", idle.len());
            Ok(())
        })
        .await?;
    hub.stop().await
}

/// A namespace, with the Lease of the test's hubs in the control plane.
async fn scene(fleet: &Arc<Fleet>, name: &str) -> Result<Scene> {
    let scene = Scene::on(Arc::clone(fleet), name).await?;
    scene.namespace_in_karmada().await?;
    Ok(scene)
}

fn lease_in(scene: &Scene) -> Vec<String> {
    vec!["--lease-namespace".to_owned(), scene.namespace.clone()]
}

async fn promoted(scene: &Scene, name: &str) -> Result<Before> {
    Workload::typical(name).deploy(scene, "member1").await?;
    let before = Before::take(scene, "member1", name).await?;
    scene.promoted(name, "member1").await?;
    before.assert_untouched().await?;
    Ok(before)
}

/// Waits until the Lease is held by another one than this, and returns who that is.
async fn until_held(scene: &Scene, by_another_than: &str) -> Result<String> {
    scene
        .eventually("somebody else holds the Lease", async || {
            let lease = scene.karmada.get(&lease(), LEASE).await?;
            let holder = &lease["spec"]["holderIdentity"];
            let holder = holder.as_str().unwrap_or_default();
            ensure!(
                !holder.is_empty() && holder != by_another_than,
                "{holder:?}"
            );
            Ok(holder.to_owned())
        })
        .await
}

/// Puts somebody's name into the Lease, for an hour.
async fn hold(scene: &Scene, holder: &str) -> Result<()> {
    let spec = json!({"holderIdentity": holder, "leaseDurationSeconds": 3600});
    let patch: Value = json!({"spec": spec});
    scene.karmada.patch(&lease(), LEASE, &patch).await?;
    Ok(())
}

/// Waits until a hub has looked at the Lease so often since now.
async fn until_looked(hub: &Hub, times: usize) -> Result<()> {
    let looks = || {
        let seen = hub.proxy.seen();
        let looks = seen
            .iter()
            .filter(|seen| seen.asked.is_lease() && seen.asked.verb == "get");
        looks.count()
    };
    let before = looks();
    eventually("the hub looks at the Lease", LIMIT, async || {
        let looked = looks() - before;
        ensure!(looked >= times, "{looked} times");
        Ok(())
    })
    .await
}

fn duration(seen: &[Seen]) -> Duration {
    match seen {
        [first, .., last] => last.at - first.at,
        _ => Duration::ZERO,
    }
}

fn lease() -> Kind {
    Kind::new("coordination.k8s.io/v1", "Lease")
}

const LEASE: &str = "karmada-promoter-hub";
