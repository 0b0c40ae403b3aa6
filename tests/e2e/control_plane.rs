//! What the control plane's own admission makes of templates: refused or carried, never a restart.

use anyhow::{Context as _, Result, ensure};
use promoter_api::{promotion::Phase, reason::Reason};
use serde_json::{Value, json};

use crate::support::{
    Before, INJECTED, Injects, Kind, Rules, Scene, Webhook, Workload, create_probe,
};

#[tokio::test]
async fn a_webhook_that_changes_the_pods_of_templates() -> Result<()> {
    let scene = Scene::new("changed-template").await?;
    let before = running(&scene).await?;
    let webhook = Webhook::in_karmada(&scene, Injects::Always).await?;

    scene.promote("web", "member1").await?;

    let words = ["Deployment/web", "member1", "replace every pod", "webhook"];
    let promotion = scene
        .refused("web", Reason::WouldRestartPods, &words)
        .await?;
    let found = differences(&promotion)?;
    ensure!(
        found.to_string().contains(INJECTED) || found.to_string().contains("injected"),
        "{found}"
    );
    before.assert_untouched().await?;

    drop(webhook);
    scene.ask_again("web").await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await
}

/// Of the same version, member and control plane know the same fields. What a version does that
/// does not know one, drop it without a word, is done by a webhook here.
#[tokio::test]
async fn a_field_that_the_control_plane_drops_without_a_word() -> Result<()> {
    let scene = Scene::new("dropped-field").await?;
    let path = "/spec/template/spec/setHostnameAsFQDN";
    Workload::typical("web")
        .pod(|pod| pod["setHostnameAsFQDN"] = json!(true))
        .deploy(&scene, "member1")
        .await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let _webhook = Webhook::in_karmada(&scene, Injects::Less(path)).await?;

    scene.promote("web", "member1").await?;

    let words = ["Deployment/web", path, "member1", "replace every pod"];
    let promotion = scene
        .refused("web", Reason::WouldRestartPods, &words)
        .await?;
    let found = differences(&promotion)?;
    ensure!(
        found[0]["live"] == "true" && found[0]["rendered"].is_null(),
        "{found}"
    );
    before.assert_untouched().await
}

#[tokio::test]
async fn a_rule_that_forbids_templates() -> Result<()> {
    let scene = Scene::new("forbidden-template").await?;
    let before = running(&scene).await?;
    let says = "this control plane is full";
    let mut rules = Rules::forbid_in_karmada(&scene, "apps", "deployments", says).await?;
    until_refused(&scene, says).await?;

    scene.promote("web", "member1").await?;

    // The dependencies had been staged by then.
    let words = ["deployments/web", says, "ask again"];
    scene.refused("web", Reason::StagingFailed, &words).await?;
    before.assert_untouched().await?;

    rules.lift().await?;
    scene
        .eventually("Deployments can be created", async || {
            create_probe(&scene).await
        })
        .await?;
    scene.ask_again("web").await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn a_quota_that_is_used_up() -> Result<()> {
    let scene = Scene::new("quota").await?;
    let before = running(&scene).await?;
    scene.namespace_in_karmada().await?;
    let hard = json!({"count/deployments.apps": "0"});
    let quota = json!({
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "shop"},
        "spec": {"hard": hard},
    });
    scene.karmada.create(&quota).await?;
    // Karmada's control plane runs no controller that would do this.
    let status = json!({"status": {"hard": hard, "used": hard}}).to_string();
    let words = [
        "patch",
        "resourcequota/shop",
        "--subresource=status",
        "--type=merge",
        "-p",
    ];
    scene
        .kubectl("karmada", &[&words[..], &[&status]].concat())
        .await?;
    until_refused(&scene, "exceeded quota").await?;

    scene.promote("web", "member1").await?;

    let words = ["deployments/web", "exceeded quota: shop", "ask again"];
    scene.refused("web", Reason::StagingFailed, &words).await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn a_limit_range_concerns_pods_and_changes_no_template() -> Result<()> {
    let scene = Scene::new("limits").await?;
    let before = running(&scene).await?;
    scene.namespace_in_karmada().await?;
    let limits = json!({
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "shop"},
        "spec": {"limits": [{
            "type": "Container",
            "default": {"memory": "64Mi"},
            "defaultRequest": {"memory": "32Mi"},
        }]},
    });
    scene.karmada.create(&limits).await?;

    scene.promoted("web", "member1").await?;

    before.assert_untouched().await?;
    let template = scene.karmada.get(&Kind::deployment(), "web").await?;
    let resources = &template["spec"]["template"]["spec"]["containers"][0]["resources"];
    ensure!(*resources == json!({}), "{resources}");
    Ok(())
}

/// A typical workload that runs in member1.
async fn running(scene: &Scene) -> Result<Before> {
    Workload::typical("web").deploy(scene, "member1").await?;
    Before::take(scene, "member1", "web").await
}

async fn until_refused(scene: &Scene, says: &str) -> Result<()> {
    scene
        .eventually("the control plane refuses Deployments", async || {
            let error = create_probe(scene)
                .await
                .err()
                .context("one can be created")?;
            ensure!(format!("{error:#}").contains(says), "{error:#}");
            Ok(())
        })
        .await
}

/// What a Promotion tells of the one cluster.
fn differences(promotion: &Value) -> Result<&Value> {
    let differences = &promotion["status"]["clusters"][0]["differences"];
    let some = differences.as_array().is_some_and(|all| !all.is_empty());
    ensure!(some, "{}", promotion["status"]);
    Ok(differences)
}
