//! Nobody waits for the webhook but who opts in.

use anyhow::{Result, ensure};
use promoter_api::{marks::ENABLED, promotion::Phase};
use serde_json::json;

use crate::support::{
    Before, Kind, Kubectl, Promoter, Scene, Workload, fleet, kubectl_promote, until_running,
};

/// How many updates that ask for nothing are made.
const UPDATES: usize = 500;

#[tokio::test]
async fn ordinary_traffic_never_comes_to_the_webhook() -> Result<()> {
    let fleet = fleet::rough(&[]).await?;
    let webhook = Promoter::of(&fleet)?;
    webhook.until_ready().await?;
    let scene = Scene::on(fleet.clone(), "unconcerned").await?;
    let flags = webhook.flags();
    let enable = ["member", "enable", "member1", &flags[0], &flags[1]];
    kubectl_promote(&scene, &enable)
        .await?
        .assert_output(0, &["stamps who opts in"])?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let idle = webhook.calls().await?;

    let enabled = format!("{ENABLED}=true");
    Kubectl::administrator(&scene, "member1")
        .run(&["annotate", "deployment", "web", &enabled])
        .await?
        .assert_output(0, &["annotated"])?;
    // The stamp and the verdict, which proves the counter.
    let asked = webhook.calls().await?;
    ensure!(asked == idle + 2, "{idle} calls became {asked}");

    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;
    rolled_out(&scene).await?;
    scaled(&scene).await?;
    updated(&scene).await?;

    let calls = webhook.calls().await?;
    ensure!(calls == asked, "{asked} calls became {calls}");
    Ok(())
}

/// Karmada writes, and the Deployment controller rolls out.
async fn rolled_out(scene: &Scene) -> Result<()> {
    let words = [
        "set",
        "image",
        "deployment/web",
        "app=registry.example/shop/web:2.0",
    ];
    scene.kubectl("karmada", &words).await?;
    let member = scene.member("member1");
    scene
        .eventually("Karmada's write arrives", async || {
            let web = member.get(&Kind::deployment(), "web").await?;
            let container = &web["spec"]["template"]["spec"]["containers"][0];
            ensure!(
                container["image"] == "registry.example/shop/web:2.0",
                "{container}"
            );
            Ok(())
        })
        .await?;
    until_running(scene, "member1", "web").await
}

/// By a person, and by an autoscaler.
async fn scaled(scene: &Scene) -> Result<()> {
    let administrator = Kubectl::administrator(scene, "member1");
    Workload::new("busy")
        .replicas(1)
        .deploy(scene, "member1")
        .await?;
    let words = ["scale", "deployment", "busy", "--replicas=2"];
    administrator
        .run(&words)
        .await?
        .assert_output(0, &["scaled"])?;
    until_running(scene, "member1", "busy").await?;
    // With less than its minimum, it scales without any metrics.
    let autoscaler = json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "busy"},
        "spec": {
            "maxReplicas": 4,
            "minReplicas": 3,
            "metrics": [{
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 80},
                },
            }],
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "busy"},
        },
    });
    let member = scene.member("member1");
    member.create(&autoscaler).await?;
    scene
        .eventually("the autoscaler scales", async || {
            let busy = member.get(&Kind::deployment(), "busy").await?;
            ensure!(
                busy["spec"]["replicas"] == 3,
                "{}",
                busy["spec"]["replicas"]
            );
            Ok(())
        })
        .await?;
    until_running(scene, "member1", "busy").await
}

/// Again and again, of a Deployment that opts in to nothing, and of one that has opted in.
async fn updated(scene: &Scene) -> Result<()> {
    let member = scene.member("member1");
    for count in 0..UPDATES {
        let name = if count % 2 == 0 { "busy" } else { "web" };
        let patch = json!({"metadata": {"annotations": {"count": count.to_string()}}});
        member.patch(&Kind::deployment(), name, &patch).await?;
    }
    Ok(())
}
