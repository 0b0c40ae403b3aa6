//! What people do to a workload while it is being promoted, and what that ends in.

use anyhow::{Context as _, Result, ensure};
use promoter_api::{promotion::Phase, reason::Reason};
use serde_json::{Value, json};

use crate::support::{Before, Kind, Rules, Scene, Workload, kubectl_promote, marks, until_running};

const NEW_IMAGE: &str = "registry.example/shop/web:2.0";

#[tokio::test]
async fn it_is_asked_for_by_two_doors_at_once_and_promoted_once() -> Result<()> {
    let scene = Scene::new("two-doors").await?;
    let before = running(&scene).await?;
    scene.namespace_in_karmada().await?;

    let words = ["deployment/web", "-C", "member1"];
    let (annotated, answer) = tokio::join!(
        scene.annotate("member1", "web", "true"),
        kubectl_promote(&scene, &words)
    );
    annotated?;

    answer?.assert_output(0, &["Promoted"])?;
    scene.until_phase("web", Phase::Promoted).await?;
    let promotions = scene.karmada.list(&Kind::promotion()).await?;
    ensure!(promotions.len() == 1, "{promotions:?}");
    let policies = scene.karmada.list(&Kind::propagation_policy()).await?;
    ensure!(policies.len() == 3, "{policies:?}");
    before.assert_untouched().await
}

#[tokio::test]
async fn it_is_deleted_while_it_is_staged() -> Result<()> {
    let scene = Scene::new("deleted-staged").await?;
    running(&scene).await?;
    let mut held = staged(&scene).await?;
    let member = scene.member("member1");

    member.delete(&Kind::deployment(), "web").await?;
    held.lift().await?;

    let words = ["Deployment/web", "member1", "create it"];
    scene
        .refused("web", Reason::WorkloadMissing, &words)
        .await?;
    let left = member.find(&Kind::deployment(), "web").await?;
    ensure!(left.is_none(), "it was created anew");
    for (kind, name) in [
        (Kind::config_map(), "web-settings"),
        (Kind::secret(), "web-password"),
    ] {
        member.get(&kind, name).await?;
    }
    Ok(())
}

#[tokio::test]
async fn it_is_created_anew_while_it_is_staged() -> Result<()> {
    let scene = Scene::new("anew-staged").await?;
    running(&scene).await?;
    let mut held = staged(&scene).await?;
    let member = scene.member("member1");

    member.delete(&Kind::deployment(), "web").await?;
    scene.until_gone(member, &Kind::deployment(), "web").await?;
    member.create(workload().object()).await?;
    until_running(&scene, "member1", "web").await?;
    until_pods_settle(&scene).await?;
    let before = Before::take(&scene, "member1", "web").await?;
    held.lift().await?;

    // What was staged was of another object, so it is planned anew.
    let promotion = scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;
    let live = member.get(&Kind::deployment(), "web").await?;
    let recorded = &promotion["status"]["before"]["uid"];
    ensure!(*recorded == live["metadata"]["uid"], "{recorded}");
    assert_late_edit_told(&scene).await
}

#[tokio::test]
async fn it_is_rolled_out_while_it_is_staged() -> Result<()> {
    let scene = Scene::new("rolled-out").await?;
    running(&scene).await?;
    let mut held = staged(&scene).await?;
    let member = scene.member("member1");

    member
        .patch(&Kind::deployment(), "web", &image(NEW_IMAGE))
        .await?;
    until_running(&scene, "member1", "web").await?;
    until_pods_settle(&scene).await?;
    let before = Before::take(&scene, "member1", "web").await?;
    held.lift().await?;

    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;
    let template = scene.karmada.get(&Kind::deployment(), "web").await?;
    ensure!(image_of(&template) == NEW_IMAGE, "{}", template["spec"]);
    assert_late_edit_told(&scene).await
}

#[tokio::test]
async fn its_template_is_edited_while_it_is_staged() -> Result<()> {
    let scene = Scene::new("edited-staged").await?;
    let before = running(&scene).await?;
    let mut held = staged(&scene).await?;

    let karmada = &scene.karmada;
    karmada
        .patch(&Kind::deployment(), "web", &image(NEW_IMAGE))
        .await?;
    held.lift().await?;

    // Nobody has said that the member is to run something else.
    let words = ["Deployment/web", "member1", "/image", "replace every pod"];
    scene
        .refused("web", Reason::WouldRestartPods, &words)
        .await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn somebody_else_creates_what_it_needs_while_it_is_staged() -> Result<()> {
    let scene = Scene::new("theirs-staged").await?;
    let before = running(&scene).await?;
    let karmada = &scene.karmada;
    // The policies come before the templates, and the last one is kept waiting.
    let busy = in_hand(&scene, "web").await?;
    scene.promote("web", "member1").await?;
    scene
        .eventually("it has a policy for what it needs", async || {
            let policies = Kind::propagation_policy();
            karmada.get(&policies, "secret.web-password").await?;
            Ok(())
        })
        .await?;

    let theirs = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "web-settings"},
        "data": {"GREETING": "this is something else"},
    });
    let created = karmada.create(&theirs).await?;

    let words = ["ConfigMap/web-settings", "somebody else", "ask again"];
    let refused = Phase::Refused;
    let reason = Reason::ConflictingTemplate;
    scene.told_why("web", refused, reason, &words).await?;
    scene
        .eventually("the ConfigMap is as it was created", async || {
            let found = karmada.get(&Kind::config_map(), "web-settings").await?;
            for field in ["uid", "labels", "annotations"] {
                let (now, then) = (&found["metadata"][field], &created["metadata"][field]);
                ensure!(now == then, "{field} {now}, and not {then}");
            }
            ensure!(found["data"] == theirs["data"], "{}", found["data"]);
            Ok(())
        })
        .await?;
    for policy in ["configmap.web-settings", "secret.web-password"] {
        let policies = Kind::propagation_policy();
        scene.until_gone(karmada, &policies, policy).await?;
    }
    before.assert_untouched().await?;
    marks::assert_no_trace(&scene, "member1").await?;

    // It has to be out of the way for good.
    karmada.delete(&Kind::config_map(), "web-settings").await?;
    karmada.delete(&Kind::propagation_policy(), &busy).await?;
    scene.ask_again("web").await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn its_template_is_edited_while_it_is_committed() -> Result<()> {
    let scene = Scene::new("edited-committing").await?;
    running(&scene).await?;
    let mut refused = committing(&scene).await?;

    let karmada = &scene.karmada;
    karmada
        .patch(&Kind::deployment(), "web", &image(NEW_IMAGE))
        .await?;
    refused.lift().await?;

    // The edit arrives, as it should; that the pods are others is found, told, and not undone.
    let words = ["Deployment/web", "member1", "not what it was before"];
    let failed = Phase::Failed;
    scene
        .told_why("web", failed, Reason::VerificationFailed, &words)
        .await?;
    until_running(&scene, "member1", "web").await?;
    let live = scene
        .member("member1")
        .get(&Kind::deployment(), "web")
        .await?;
    ensure!(image_of(&live) == NEW_IMAGE, "{}", live["spec"]);
    scene.assert_nothing_federated().await?;
    marks::assert_no_trace(&scene, "member1").await
}

#[tokio::test]
async fn it_is_deleted_while_it_is_committed() -> Result<()> {
    let scene = Scene::new("deleted-committing").await?;
    running(&scene).await?;
    let mut refused = committing(&scene).await?;
    let member = scene.member("member1");

    let old = member.get(&Kind::deployment(), "web").await?;
    member.delete(&Kind::deployment(), "web").await?;

    // Karmada has it already, and creates what is not there.
    scene
        .eventually("Karmada has created it anew", async || {
            let new = member.get(&Kind::deployment(), "web").await?;
            let (old, new) = (&old["metadata"]["uid"], &new["metadata"]["uid"]);
            ensure!(old != new, "it is the old one");
            Ok(())
        })
        .await?;
    refused.lift().await?;
    // It is another one than was promoted, so Karmada lets go.
    let words = ["Deployment/web", "member1", "not what it was before"];
    let failed = Phase::Failed;
    scene
        .told_why("web", failed, Reason::VerificationFailed, &words)
        .await?;
    until_running(&scene, "member1", "web").await?;
    scene.assert_nothing_federated().await?;
    marks::assert_no_trace(&scene, "member1").await
}

fn workload() -> Workload {
    Workload::typical("web")
}

/// A typical workload that runs in member1.
async fn running(scene: &Scene) -> Result<Before> {
    workload().deploy(scene, "member1").await?;
    Before::take(scene, "member1", "web").await
}

/// Stages the workload, and keeps it staged as long as the rules are there.
async fn staged(scene: &Scene) -> Result<Rules> {
    let rules = Rules::forbid_bindings(scene).await?;
    scene.promote("web", "member1").await?;
    scene
        .eventually("the workload is staged", async || {
            let template = scene.karmada.get(&Kind::deployment(), "web").await?;
            let labels = &template["metadata"]["labels"];
            let claim = &labels["propagationpolicy.karmada.io/permanent-id"];
            ensure!(claim.is_string(), "{labels}");
            Ok(())
        })
        .await?;
    Ok(rules)
}

/// The policy of a workload, as if another Promotion was staging it. Returns its name.
async fn in_hand(scene: &Scene, workload: &str) -> Result<String> {
    scene.promote("other", "member1").await?;
    let other = scene.until_phase("other", Phase::Refused).await?;
    let name = format!("deployment.{workload}");
    let policy = json!({
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/managed-by": "karmada-promoter"},
            "annotations": {"promote.karmada.io/staged-by": other["metadata"]["uid"]},
        },
        "spec": {
            "placement": {"clusterAffinity": {"clusterNames": ["member1"]}},
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": workload}],
            "suspension": {"dispatching": true},
        },
    });
    scene.karmada.create(&policy).await?;
    Ok(name)
}

/// Begins to commit the workload, and lets Karmada write nothing as long as the rules are there.
async fn committing(scene: &Scene) -> Result<Rules> {
    let rehearsals = "has(request.dryRun) && request.dryRun";
    let rules = Rules::refuse_karmada(scene, "member1", rehearsals, "not yet").await?;
    scene.promote("web", "member1").await?;
    scene
        .eventually("Karmada is refused", async || {
            let promotion = scene.karmada.get(&Kind::promotion(), "web").await?;
            let message = promotion["status"]["message"].as_str();
            let message = message.with_context(|| promotion["status"].to_string())?;
            ensure!(
                message.contains("does not take Deployment/web"),
                "{message}"
            );
            Ok(())
        })
        .await?;
    Ok(rules)
}

async fn assert_late_edit_told(scene: &Scene) -> Result<()> {
    let words = ["Deployment/web", "member1", "while it was being promoted"];
    for (cluster, kind) in [
        (&scene.karmada, "Promotion"),
        (scene.member("member1"), "Deployment"),
    ] {
        scene
            .until_warned(cluster, kind, "web", "LateEdit", &words)
            .await?;
    }
    Ok(())
}

/// Waits until the pods of what was there before are gone.
async fn until_pods_settle(scene: &Scene) -> Result<()> {
    scene
        .eventually("there are two pods", async || {
            let pods = scene.member("member1").list(&Kind::pod()).await?;
            ensure!(pods.len() == 2, "there are {}", pods.len());
            Ok(())
        })
        .await
}

fn image(image: &str) -> Value {
    let containers = json!([{"name": "app", "image": image, "envFrom": [
        {"configMapRef": {"name": "web-settings"}},
        {"secretRef": {"name": "web-password"}},
    ]}]);
    json!({"spec": {"template": {"spec": {"containers": containers}}}})
}

fn image_of(deployment: &Value) -> &str {
    let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
    image.as_str().unwrap_or_default()
}
