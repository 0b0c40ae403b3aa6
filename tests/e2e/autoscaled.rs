//! Workloads that something in the member scales.

use anyhow::{Result, ensure};
use promoter_api::promotion::Phase;
use serde_json::{Value, json};

use crate::{
    rollback::REHEARSALS_ONLY,
    support::{
        Before, Kind, Rules, Scene, Workload,
        edits::{assert_unmarked, replica_sets},
        sight::{Sight, until_sight},
        until_running,
    },
};

#[tokio::test]
async fn a_horizontal_pod_autoscaler_goes_on_deciding() -> Result<()> {
    let scene = Scene::new("hpa").await?;
    let mut autoscaler = autoscaler();
    autoscaler["spec"]["metrics"] = json!([{
        "type": "Resource",
        "resource": {
            "name": "cpu",
            "target": {"type": "Utilization", "averageUtilization": 80},
        },
    }]);
    assert_the_member_decides(&scene, &autoscaler).await
}

#[tokio::test]
async fn a_scaled_object_of_keda_goes_on_deciding_even_while_it_is_paused() -> Result<()> {
    let scene = Scene::new("keda").await?;
    let mut definition = Rules::create(&scene, "member1", &[scaled_objects()]).await?;
    let definitions = Kind::new("apiextensions.k8s.io/v1", "CustomResourceDefinition");
    scene
        .eventually("ScaledObjects can be created", async || {
            let name = "scaledobjects.keda.sh";
            let found = scene.member("member1").get(&definitions, name).await?;
            let conditions = found["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten();
            let established = |condition: &Value| {
                condition["type"] == "Established" && condition["status"] == "True"
            };
            ensure!(
                conditions.into_iter().any(established),
                "{}",
                found["status"]
            );
            Ok(())
        })
        .await?;
    // Paused, it has no HorizontalPodAutoscaler; and the kind of the target may be left out.
    let autoscaler = json!({
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {
            "name": "web",
            "annotations": {"autoscaling.keda.sh/paused": "true"},
        },
        "spec": {
            "scaleTargetRef": {"name": "web"},
            "triggers": [{"type": "cron"}],
        },
    });
    assert_the_member_decides(&scene, &autoscaler).await?;
    definition.lift().await
}

/// Promotes an autoscaled workload; afterwards as before, the member's count is the one that counts.
async fn assert_the_member_decides(scene: &Scene, autoscaler: &Value) -> Result<()> {
    Workload::new("web").deploy(scene, "member1").await?;
    let member = scene.member("member1");
    member.create(autoscaler).await?;
    let before = Before::take(scene, "member1", "web").await?;

    let promotion = scene.promoted("web", "member1").await?;

    before.assert_untouched().await?;
    let told = &promotion["status"]["before"]["autoscaled"];
    ensure!(*told == true, "{}", promotion["status"]);
    let template = scene.karmada.get(&Kind::deployment(), "web").await?;
    let labels = &template["metadata"]["labels"];
    ensure!(
        labels["resourcetemplate.karmada.io/retain-replicas"] == "true",
        "{labels}"
    );
    // As the autoscaler would.
    member
        .patch(
            &Kind::deployment(),
            "web",
            &json!({"spec": {"replicas": 4}}),
        )
        .await?;
    until_running(scene, "member1", "web").await?;
    // An edit of the template arrives, and its count does not come with it.
    let edit = json!({"spec": {"replicas": 3, "minReadySeconds": 1}});
    scene
        .karmada
        .patch(&Kind::deployment(), "web", &edit)
        .await?;
    scene
        .eventually("the edit has arrived", async || {
            let web = member.get(&Kind::deployment(), "web").await?;
            ensure!(web["spec"]["minReadySeconds"] == 1, "{}", web["spec"]);
            ensure!(web["spec"]["replicas"] == 4, "{}", web["spec"]);
            Ok(())
        })
        .await?;
    until_running(scene, "member1", "web").await?;
    let scaled = Before::take(scene, "member1", "web").await?;
    scene.release("web").await?;
    scene.until_phase("web", Phase::Released).await?;
    scaled.assert_untouched().await
}

/// As much of KEDA's own definition as it takes to create one.
fn scaled_objects() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "scaledobjects.keda.sh"},
        "spec": {
            "group": "keda.sh",
            "names": {
                "kind": "ScaledObject",
                "listKind": "ScaledObjectList",
                "plural": "scaledobjects",
                "singular": "scaledobject",
            },
            "scope": "Namespaced",
            "versions": [{
                "name": "v1alpha1",
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": true,
                }},
            }],
        },
    })
}

#[tokio::test]
async fn replicas_that_are_changed_during_the_commit_stay() -> Result<()> {
    let scene = Scene::new("guarded-scale").await?;
    let deployments = Kind::deployment();
    Workload::new("web").deploy(&scene, "member1").await?;
    scene.promote("web", "member1").await?;
    until_sight(&scene, "member1", "web", Sight::Phase(Phase::Committing)).await?;

    let words = ["scale", "deployment", "web", "--replicas=5"];
    scene.kubectl("member1", &words).await?;

    scene.until_phase("web", Phase::Promoted).await?;
    assert_scaled(&scene, 5).await?;
    // From now on the control plane decides, where nothing scales it.
    let patch = json!({"spec": {"replicas": 3}});
    scene.karmada.patch(&deployments, "web", &patch).await?;
    scene
        .eventually("three replicas are wanted in member1", async || {
            let live = scene.member("member1").get(&deployments, "web").await?;
            ensure!(live["spec"]["replicas"] == 3, "{}", live["spec"]);
            Ok(())
        })
        .await
}

#[tokio::test]
async fn replicas_that_an_autoscaler_changes_during_the_commit_stay() -> Result<()> {
    let scene = Scene::new("guarded-autoscaler").await?;
    Workload::new("web")
        .with(autoscaler())
        .deploy(&scene, "member1")
        .await?;
    // The autoscaler takes its time, so Karmada has to take its time, too.
    let mut held = Rules::refuse_karmada(&scene, "member1", REHEARSALS_ONLY, "not yet").await?;
    scene.promote("web", "member1").await?;
    until_sight(&scene, "member1", "web", Sight::Resumed).await?;

    scaled_by_autoscaler(&scene, 5).await?;
    let promotion = scene.karmada.get(&Kind::promotion(), "web").await?;
    let phase = &promotion["status"]["phase"];
    ensure!(phase == "Committing", "it is {phase} by now");
    held.lift().await?;

    scene.until_phase("web", Phase::Promoted).await?;
    assert_scaled(&scene, 5).await?;
    // And it goes on, as the one who decides.
    scaled_by_autoscaler(&scene, 6).await?;
    let patch = json!({"spec": {"minReadySeconds": 1, "replicas": 3}});
    let deployments = Kind::deployment();
    scene.karmada.patch(&deployments, "web", &patch).await?;
    scene
        .eventually("the edit has arrived", async || {
            let live = scene.member("member1").get(&deployments, "web").await?;
            ensure!(live["spec"]["minReadySeconds"] == 1, "{}", live["spec"]);
            Ok(())
        })
        .await?;
    assert_scaled(&scene, 6).await
}

/// A HorizontalPodAutoscaler of the workload, without metrics.
fn autoscaler() -> Value {
    json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {
            "maxReplicas": 9,
            "minReplicas": 2,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        },
    })
}

/// Has the autoscaler want so many replicas: with less than its minimum, it scales without metrics.
async fn scaled_by_autoscaler(scene: &Scene, replicas: u32) -> Result<()> {
    let member = scene.member("member1");
    let autoscalers = Kind::new("autoscaling/v2", "HorizontalPodAutoscaler");
    let patch = json!({"spec": {"minReplicas": replicas}});
    member.patch(&autoscalers, "web", &patch).await?;
    let what = format!("the autoscaler wants {replicas} replicas");
    scene
        .eventually(&what, async || {
            let live = member.get(&Kind::deployment(), "web").await?;
            ensure!(live["spec"]["replicas"] == replicas, "{}", live["spec"]);
            Ok(())
        })
        .await
}

/// Fails unless so many replicas of the workload run, all of them of its only ReplicaSet.
async fn assert_scaled(scene: &Scene, replicas: u32) -> Result<()> {
    until_running(scene, "member1", "web").await?;
    let member = scene.member("member1");
    let live = member.get(&Kind::deployment(), "web").await?;
    ensure!(live["spec"]["replicas"] == replicas, "{}", live["spec"]);
    let count = replica_sets(scene, "member1", "web").await?.len();
    ensure!(count == 1, "there are {count} ReplicaSets");
    assert_unmarked(scene, "member1", "web").await
}
