//! Promotions that do not go all the way: looked at, rehearsed, or given up.

use anyhow::{Result, ensure};
use promoter_api::promotion::Phase;
use serde_json::{Value, json};

use crate::support::{Before, Kind, Rules, Scene, Workload, marks, sample};

#[tokio::test]
async fn an_observed_promotion_writes_nothing() -> Result<()> {
    let scene = Scene::new("observed").await?;
    let (before, resource_versions) = deployed(&scene).await?;

    let observed = json!({"desiredState": "Observed"});
    scene.promote_with("web", "member1", observed).await?;

    let promotion = scene.until_phase("web", Phase::Observed).await?;
    let cluster = &promotion["status"]["clusters"][0];
    assert_eq!(cluster["verdict"], "PredictedUnchanged");
    assert_eq!(
        promotion["status"]["dependencies"].as_array().map(Vec::len),
        Some(4)
    );
    assert_eq!(versions(&scene).await?, resource_versions);
    scene.assert_nothing_federated().await?;
    before.assert_untouched().await?;
    scene.assert_absent_elsewhere("member1").await?;

    // What was only looked at can still be promoted.
    let promoted = json!({"desiredState": "Promoted"});
    scene.edit("web", promoted).await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn a_rehearsed_promotion_leaves_nothing_behind() -> Result<()> {
    let scene = Scene::new("rehearsed").await?;
    let (before, resource_versions) = deployed(&scene).await?;

    let rehearsed = json!({"desiredState": "Rehearsed"});
    scene.promote_with("web", "member1", rehearsed).await?;

    let promotion = scene.until_phase("web", Phase::Rehearsed).await?;
    let cluster = &promotion["status"]["clusters"][0];
    assert_eq!(cluster["verdict"], "Unchanged");
    assert_eq!(versions(&scene).await?, resource_versions);
    scene.assert_nothing_federated().await?;
    before.assert_untouched().await?;
    marks::assert_no_trace(&scene, "member1").await?;
    scene.assert_absent_elsewhere("member1").await
}

#[tokio::test]
async fn a_promotion_that_is_deleted_while_it_is_staged_leaves_nothing_behind() -> Result<()> {
    let scene = Scene::new("deleted-staging").await?;
    let (before, resource_versions) = deployed(&scene).await?;
    let _held = Rules::forbid_bindings(&scene).await?;
    scene.promote("web", "member1").await?;
    scene
        .eventually("the workload is staged", async || {
            let promotion = scene.karmada.get(&Kind::promotion(), "web").await?;
            let phase = &promotion["status"]["phase"];
            ensure!(phase == "Staging", "{phase}");
            let template = scene.karmada.get(&Kind::deployment(), "web").await?;
            let labels = &template["metadata"]["labels"];
            ensure!(
                labels["propagationpolicy.karmada.io/permanent-id"].is_string(),
                "{labels}"
            );
            Ok(())
        })
        .await?;

    let promotions = Kind::promotion();
    scene.karmada.delete(&promotions, "web").await?;

    scene.until_gone(&scene.karmada, &promotions, "web").await?;
    scene.assert_nothing_federated().await?;
    assert_eq!(versions(&scene).await?, resource_versions);
    before.assert_untouched().await?;
    marks::assert_no_trace(&scene, "member1").await?;
    scene.assert_absent_elsewhere("member1").await
}

#[tokio::test]
async fn a_promotion_that_is_deleted_on_the_way_is_all_or_nothing() -> Result<()> {
    let phases = [
        Phase::Staging,
        Phase::Committing,
        Phase::Verifying,
        Phase::Settling,
    ];
    for phase in sample::draw(phases.to_vec(), 2) {
        delete_in(phase).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_suspended_promotion_begins_nothing_until_it_is_resumed() -> Result<()> {
    let scene = Scene::new("suspended").await?;
    let (before, _) = deployed(&scene).await?;
    let suspended = json!({"suspend": true});
    scene.promote_with("web", "member1", suspended).await?;
    Workload::new("later").deploy(&scene, "member1").await?;
    scene.promoted("later", "member1").await?;
    let template = scene.karmada.find(&Kind::deployment(), "web").await?;
    assert!(template.is_none(), "it was begun");

    scene.edit("web", json!({"suspend": false})).await?;

    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn a_promotion_that_is_deleted_afterwards_leaves_the_workload_federated() -> Result<()> {
    let scene = Scene::new("forgotten").await?;
    let (before, _) = deployed(&scene).await?;
    scene.promoted("web", "member1").await?;

    let promotions = Kind::promotion();
    scene.karmada.delete(&promotions, "web").await?;

    scene.until_gone(&scene.karmada, &promotions, "web").await?;
    before.assert_untouched().await?;
    assert_still_federated(&scene).await
}

/// Deletes a Promotion once it has come to a phase. It may have gone on meanwhile.
async fn delete_in(phase: Phase) -> Result<()> {
    let scene = Scene::new("deleted").await?;
    let (before, _) = deployed(&scene).await?;
    let promotions = Kind::promotion();
    scene.promote("web", "member1").await?;
    scene
        .eventually(&format!("it has come to {phase}"), async || {
            let promotion = scene.karmada.get(&promotions, "web").await?;
            let phases = &promotion["status"]["phases"];
            let begun = phases.as_array().into_iter().flatten();
            let mut names = begun.map(|begun| &begun["phase"]);
            ensure!(names.any(|name| *name == phase.to_string()), "{phases}");
            Ok(())
        })
        .await?;

    scene.karmada.delete(&promotions, "web").await?;

    scene.until_gone(&scene.karmada, &promotions, "web").await?;
    before.assert_untouched().await?;
    scene.assert_absent_elsewhere("member1").await?;
    let template = scene.karmada.find(&Kind::deployment(), "web").await?;
    if template.is_some() {
        return assert_still_federated(&scene).await;
    }
    ensure!(phase == Phase::Staging, "it was undone after the commit");
    scene.assert_nothing_federated().await?;
    marks::assert_no_trace(&scene, "member1").await
}

/// A workload with dependencies of every kind.
async fn deployed(scene: &Scene) -> Result<(Before, Vec<Value>)> {
    Workload::typical("web")
        .service_account("runner", "registry")
        .deploy(scene, "member1")
        .await?;
    let before = Before::take(scene, "member1", "web").await?;
    Ok((before, versions(scene).await?))
}

/// The versions of the workload and of what it needs in the member, which tell every write.
async fn versions(scene: &Scene) -> Result<Vec<Value>> {
    let objects = [
        (Kind::config_map(), "web-settings"),
        (Kind::deployment(), "web"),
        (Kind::secret(), "registry"),
        (Kind::secret(), "web-password"),
        (Kind::service_account(), "runner"),
    ];
    let mut versions = Vec::new();
    for (kind, name) in objects {
        let object = scene.member("member1").get(&kind, name).await?;
        versions.push(json!([name, object["metadata"]["resourceVersion"]]));
    }
    Ok(versions)
}

/// Fails unless an edit in the control plane arrives in the member.
async fn assert_still_federated(scene: &Scene) -> Result<()> {
    let patch = json!({"spec": {"replicas": 3}});
    let deployments = Kind::deployment();
    scene.karmada.patch(&deployments, "web", &patch).await?;
    scene
        .eventually("three replicas are wanted in member1", async || {
            let deployment = scene.member("member1").get(&deployments, "web").await?;
            let replicas = &deployment["spec"]["replicas"];
            ensure!(*replicas == 3, "{replicas}");
            Ok(())
        })
        .await
}
