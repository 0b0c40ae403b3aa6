//! The rehearsal finds what Karmada's write would change, before it is written.
//!
//! Whoever changes it, nothing of the promotion is left in the control plane and nothing happens
//! to the member; the status says what would have been.

use anyhow::{Context as _, Result, ensure};
use promoter_api::{promotion::Phase, reason::Reason};
use serde_json::{Value, json};

use crate::support::{Before, INJECTED, Injects, Kind, Rules, Scene, Webhook, Workload};

#[tokio::test]
async fn a_webhook_of_the_member_that_changes_pods() -> Result<()> {
    let scene = Scene::new("webhook").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let webhook = Webhook::start(&scene, "member1", Injects::Always).await?;

    scene.promote("web", "member1").await?;

    let words = ["Deployment/web", "member1", "replace every pod", "webhook"];
    let promotion = scene
        .refused("web", Reason::WouldRestartPods, &words)
        .await?;
    let difference = difference(&promotion, "WouldRestartPods")?;
    ensure!(difference["object"] == "Deployment/web", "{difference}");
    let path = difference["path"].as_str().unwrap_or_default();
    ensure!(
        path.starts_with("/spec/template/metadata/annotations"),
        "{difference}"
    );
    let rendered = difference["rendered"].as_str().unwrap_or_default();
    ensure!(
        format!("{path}{rendered}").contains(&INJECTED.replace('/', "~1"))
            || rendered.contains(INJECTED),
        "{difference}"
    );
    ensure!(difference["live"].is_null(), "{difference}");
    scene
        .until_warned(
            scene.member("member1"),
            "Deployment",
            "web",
            "WouldRestartPods",
            &words,
        )
        .await?;
    before.assert_untouched().await?;

    // The webhook gone, asking again is all that is needed.
    webhook.stop(&scene, "member1").await?;
    scene.ask_again("web").await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn a_webhook_of_the_member_that_does_not_answer_for_a_while() -> Result<()> {
    let scene = Scene::new("silent").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let webhook = Webhook::start(&scene, "member1", Injects::Always).await?;
    webhook.hang_up();

    scene.promote("web", "member1").await?;

    let promotions = Kind::promotion();
    scene
        .eventually("it is told what it waits for", async || {
            let promotion = scene.karmada.get(&promotions, "web").await?;
            let status = &promotion["status"];
            let message = status["message"].as_str().unwrap_or_default();
            ensure!(
                status["phase"] == "Staging" && message.contains("inject.webhook.example"),
                "{status}"
            );
            Ok(())
        })
        .await?;
    before.assert_untouched().await?;

    webhook.stop(&scene, "member1").await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn an_override_policy_that_changes_the_image() -> Result<()> {
    let scene = Scene::new("image").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let overriders = json!({
        "imageOverrider": [{"component": "Tag", "operator": "replace", "value": "2.0"}],
    });
    override_deployments(&scene, overriders).await?;

    scene.promote("web", "member1").await?;

    let words = ["Deployment/web", "replace every pod", "OverridePolicy"];
    let promotion = scene
        .refused("web", Reason::WouldRestartPods, &words)
        .await?;
    let difference = difference(&promotion, "WouldRestartPods")?;
    let expected = json!({
        "object": "Deployment/web",
        "path": "/spec/template/spec/containers/0/image",
        "live": r#""registry.example/shop/web:1.0""#,
        "rendered": r#""registry.example/shop/web:2.0""#,
    });
    ensure!(*difference == expected, "{difference}");
    before.assert_untouched().await
}

#[tokio::test]
async fn an_override_policy_that_changes_something_else() -> Result<()> {
    let scene = Scene::new("other").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let overriders = json!({
        "plaintext": [{"path": "/spec/minReadySeconds", "operator": "add", "value": 7}],
    });
    override_deployments(&scene, overriders).await?;

    scene.promote("web", "member1").await?;

    let words = ["Deployment/web", "/spec/minReadySeconds", "OverridePolicy"];
    let promotion = scene
        .refused("web", Reason::WouldChangeObject, &words)
        .await?;
    let difference = difference(&promotion, "WouldChange")?;
    ensure!(
        difference["path"] == "/spec/minReadySeconds" && difference["rendered"] == "7",
        "{difference}"
    );
    before.assert_untouched().await
}

#[tokio::test]
async fn a_rule_of_the_member_that_lets_karmada_write_nothing() -> Result<()> {
    let scene = Scene::new("forbidden").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let says = "only the shop team deploys here";
    let mut rules = Rules::refuse_karmada(&scene, "member1", "false", says).await?;

    scene.promote("web", "member1").await?;

    let words = [says, "cluster member1", "deployments/web", "let that rule"];
    scene
        .refused("web", Reason::RehearsalImpossible, &words)
        .await?;
    before.assert_untouched().await?;
    rules.lift().await
}

#[tokio::test]
async fn a_rule_of_the_member_that_forbids_dry_runs() -> Result<()> {
    let scene = Scene::new("dry-runs").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let says = "rehearsals are not allowed here";
    let unless = "!has(request.dryRun) || !request.dryRun";
    let mut rules = Rules::refuse_karmada(&scene, "member1", unless, says).await?;

    let rehearsed = json!({"desiredState": "Rehearsed"});
    scene.promote_with("web", "member1", rehearsed).await?;

    scene
        .refused("web", Reason::RehearsalImpossible, &[says, "dry runs"])
        .await?;
    before.assert_untouched().await?;
    rules.lift().await
}

/// The one difference that a Promotion's status tells of its one cluster.
fn difference<'a>(promotion: &'a Value, verdict: &str) -> Result<&'a Value> {
    let clusters = &promotion["status"]["clusters"];
    let told = format!("status.clusters is {clusters}");
    let cluster = clusters.as_array().and_then(|all| all.first());
    let cluster = cluster.with_context(|| told.clone())?;
    ensure!(
        cluster["name"] == "member1" && cluster["verdict"] == verdict,
        "{told}"
    );
    let differences = cluster["differences"].as_array();
    ensure!(differences.is_some_and(|all| all.len() == 1), "{told}");
    Ok(&cluster["differences"][0])
}

/// Has Karmada change every Deployment of the namespace on its way to member1.
pub(crate) async fn override_deployments(scene: &Scene, overriders: Value) -> Result<()> {
    scene.namespace_in_karmada().await?;
    let policy = json!({
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "OverridePolicy",
        "metadata": {"name": "stage"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}],
            "overrideRules": [{
                "targetCluster": {"clusterNames": ["member1"]},
                "overriders": overriders,
            }],
        },
    });
    scene.karmada.create(&policy).await?;
    Ok(())
}
