//! What people do between two writes of the promoter, which is held there until they are done.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use promoter_api::{promotion::Phase, reason::Reason};
use serde_json::{Value, json};

use crate::support::{
    Before, Hub, Kind, Scene, Workload, fleet,
    proxy::{Point, Rule, Write},
};

/// Its edit is refused, and Karmada waits twice as long after each try: after this time it would
/// wait so long again.
const BACK_OFF: Duration = Duration::from_secs(22);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_is_taken_back_costs_no_back_off() -> Result<()> {
    let fleet = fleet::rough_for_hubs().await?;
    let scene = Scene::on(Arc::clone(&fleet), "taken-back").await?;
    Workload::new("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let hub = Hub::start(&scene, "promoter-taken-back", &["--leader-elect=false"]).await?;
    // By the first one it is written down whose the template is, by the second Karmada may write.
    hub.proxy.set(Rule::HoldAt(policies("patch", 2)));
    scene.promote("web", "member1").await?;

    // It has looked for the last time.
    hub.proxy.until_held().await?;
    edit(&scene, &json!(7)).await?;
    hub.proxy.pass_held();
    let refused = Instant::now();
    scene
        .eventually("the guard refuses Karmada's write", async || {
            let works = scene.works().await?;
            let conditions = works.first().map(|work| &work["status"]["conditions"]);
            let told = conditions.map(Value::to_string).unwrap_or_default();
            ensure!(told.contains("promote.karmada.io"), "{told}");
            Ok(())
        })
        .await?;
    scene
        .eventually("Karmada's next try is far away", async || {
            let waited = refused.elapsed();
            ensure!(waited > BACK_OFF, "it was refused {waited:?} ago");
            Ok(())
        })
        .await?;
    edit(&scene, &Value::Null).await?;
    hub.proxy.open();
    let taken_back = Instant::now();

    scene.until_phase("web", Phase::Promoted).await?;
    let took = taken_back.elapsed();
    println!("promoted {took:?} after the edit was taken back");
    ensure!(took < BACK_OFF / 2, "it took {took:?}");
    before.assert_untouched().await?;
    hub.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_of_that_name_that_comes_in_is_not_taken() -> Result<()> {
    let fleet = fleet::rough_for_hubs().await?;
    let scene = Scene::on(Arc::clone(&fleet), "comes-in").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let hub = Hub::start(&scene, "promoter-comes-in", &["--leader-elect=false"]).await?;
    hub.proxy.set(Rule::HoldAt(policies("create", 1)));
    scene.promote("web", "member1").await?;

    hub.proxy.until_held().await?;
    let policy = json!({
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {"name": "deployment.web"},
        "spec": {
            "placement": {"clusterAffinity": {"clusterNames": ["member1"]}},
            "resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "menu"}],
        },
    });
    let policy = scene.karmada.create(&policy).await?;
    let left = scene.federated().await?;
    hub.proxy.open();

    let words = [
        "PropagationPolicy deployment.web",
        "Deployment/web",
        "rename",
    ];
    scene
        .refused_beside("web", Reason::ConflictingTemplate, &words)
        .await?;
    ensure!(left == scene.federated().await?, "what there was is not");
    let policies = Kind::propagation_policy();
    let now = scene.karmada.get(&policies, "deployment.web").await?;
    ensure!(now["spec"] == policy["spec"], "{now}");
    before.assert_untouched().await?;

    // Without it, asking again is all that is needed.
    scene.karmada.delete(&policies, "deployment.web").await?;
    scene
        .until_gone(&scene.karmada, &policies, "deployment.web")
        .await?;
    scene.ask_again("web").await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;
    hub.stop().await
}

/// A write of this sort to a policy.
fn policies(verb: &'static str, ordinal: usize) -> Point {
    Point {
        ordinal,
        write: Write {
            cluster: "karmada".to_owned(),
            resource: "propagationpolicies".to_owned(),
            verb,
        },
    }
}

/// Edits the workload in the member, in what replaces no pod.
async fn edit(scene: &Scene, min_ready_seconds: &Value) -> Result<()> {
    let patch = json!({"spec": {"minReadySeconds": min_ready_seconds}});
    let member = scene.member("member1");
    member.patch(&Kind::deployment(), "web", &patch).await?;
    Ok(())
}
