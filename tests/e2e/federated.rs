//! What the control plane has already is never promoted over.

use anyhow::{Result, ensure};
use promoter_api::reason::Reason;
use serde_json::{Value, json};

use crate::support::{Before, Kind, Scene, Workload, fleet};

#[tokio::test]
async fn a_workload_that_karmadactl_has_promoted() -> Result<()> {
    let scene = Scene::new("karmadactl").await?;
    let before = running(&scene).await?;
    scene.namespace_in_karmada().await?;
    let namespace = ["-n", scene.namespace.as_str(), "-C", "member1"];
    let words = ["promote", "deployment", "web"];
    let words = [&words[..], &namespace].concat();
    fleet::run(&scene.fleet, "karmada", "karmadactl", &words).await?;
    until_applied(&scene).await?;
    let made = federated(&scene).await?;
    let template = scene.karmada.get(&Kind::deployment(), "web").await?;
    let policy = &template["metadata"]["annotations"]["propagationpolicy.karmada.io/name"];
    let policy = policy.as_str().unwrap_or_default();
    let policy = format!("PropagationPolicy {}/{policy} ", scene.namespace);
    let binding = format!("ResourceBinding {}/web-deployment;", scene.namespace);

    scene.promote("web", "member1").await?;

    let words = [
        "Deployment/web",
        "member1",
        &policy,
        &binding,
        "control plane",
    ];
    scene
        .refused_beside("web", Reason::AlreadyFederated, &words)
        .await?;
    ensure!(made == federated(&scene).await?, "what there was is not");
    before.assert_untouched().await
}

#[tokio::test]
async fn a_workload_that_is_propagated_by_hand() -> Result<()> {
    let scene = Scene::new("by-hand").await?;
    let before = running(&scene).await?;
    template(&scene, "member1", "Overwrite").await?;
    until_applied(&scene).await?;
    let made = federated(&scene).await?;

    scene.promote("web", "member1").await?;

    let policy = format!("PropagationPolicy {}/by-hand ", scene.namespace);
    let binding = format!("ResourceBinding {}/web-deployment;", scene.namespace);
    let words = ["Deployment/web", "member1", &policy, &binding];
    scene
        .refused_beside("web", Reason::AlreadyFederated, &words)
        .await?;
    ensure!(made == federated(&scene).await?, "what there was is not");
    before.assert_untouched().await
}

#[tokio::test]
async fn another_workload_of_that_name_in_the_control_plane() -> Result<()> {
    let scene = Scene::new("namesake").await?;
    let before = running(&scene).await?;
    template(&scene, "member2", "Abort").await?;
    let binding = Kind::resource_binding();
    scene
        .eventually("Karmada has placed the namesake", async || {
            let binding = scene.karmada.get(&binding, "web-deployment").await?;
            let clusters = &binding["spec"]["clusters"];
            ensure!(clusters[0]["name"] == "member2", "{clusters}");
            Ok(())
        })
        .await?;
    let made = federated(&scene).await?;

    scene.promote("web", "member1").await?;

    let words = ["another Deployment/web", "by-hand", "rename"];
    scene
        .refused_beside("web", Reason::ConflictingTemplate, &words)
        .await?;
    ensure!(made == federated(&scene).await?, "what there was is not");
    before.assert_untouched().await
}

/// A typical workload that runs in member1.
async fn running(scene: &Scene) -> Result<Before> {
    Workload::typical("web").deploy(scene, "member1").await?;
    Before::take(scene, "member1", "web").await
}

/// Puts a template and its policy into the control plane, as people do who know Karmada.
async fn template(scene: &Scene, cluster: &str, conflict_resolution: &str) -> Result<()> {
    scene.namespace_in_karmada().await?;
    let policy = json!({
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {"name": "by-hand"},
        "spec": {
            "conflictResolution": conflict_resolution,
            "placement": {"clusterAffinity": {"clusterNames": [cluster]}},
            "resourceSelectors": [
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            ],
        },
    });
    scene.karmada.create(&policy).await?;
    scene
        .karmada
        .create(Workload::typical("web").object())
        .await?;
    Ok(())
}

async fn until_applied(scene: &Scene) -> Result<()> {
    let binding = Kind::resource_binding();
    scene
        .eventually("Karmada has taken the workload over", async || {
            let binding = scene.karmada.get(&binding, "web-deployment").await?;
            let conditions = binding["status"]["conditions"].as_array().into_iter();
            let applied = conditions.flatten().any(|condition| {
                condition["type"] == "FullyApplied" && condition["status"] == "True"
            });
            ensure!(applied, "{}", binding["status"]);
            Ok(())
        })
        .await
}

/// What is there, and what makes the workload one of Karmada, but for what Karmada keeps writing.
async fn federated(scene: &Scene) -> Result<[Value; 4]> {
    let karmada = &scene.karmada;
    let template = karmada.get(&Kind::deployment(), "web").await?;
    let policies = karmada.list(&Kind::propagation_policy()).await?;
    let binding = karmada
        .get(&Kind::resource_binding(), "web-deployment")
        .await?;
    let policies: Vec<_> = policies.iter().map(|policy| &policy["spec"]).collect();
    Ok([
        template["spec"].clone(),
        json!(policies),
        binding["spec"].clone(),
        json!(scene.federated().await?),
    ])
}
