//! A workload's namespace in the control plane: made like the member's, never spread, never taken
//! over.

use anyhow::{Result, ensure};
use promoter_api::promotion::Phase;
use serde_json::{Value, json};

use crate::support::{Before, Kind, Scene, Workload};

const SKIP: &str = "namespace.karmada.io/skip-auto-propagation";

#[tokio::test]
async fn the_annotation_makes_a_missing_namespace_and_spreads_it_nowhere() -> Result<()> {
    let scene = Scene::new("ns-annotation").await?;
    let before = labelled(&scene).await?;

    scene.annotate("member1", "web", "true").await?;

    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;
    assert_like_the_members(&scene).await?;
    assert_never_spread(&scene).await
}

#[tokio::test]
async fn kubectl_makes_a_missing_namespace_and_spreads_it_nowhere() -> Result<()> {
    let scene = Scene::new("ns-kubectl").await?;
    let before = labelled(&scene).await?;

    let arguments = ["promote", "deployment/web", "-C", "member1"];
    scene.kubectl("karmada", &arguments).await?;

    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;
    assert_like_the_members(&scene).await?;
    assert_never_spread(&scene).await
}

#[tokio::test]
async fn a_namespace_that_is_there_is_left_as_it_is() -> Result<()> {
    let scene = Scene::new("ns-there").await?;
    let before = labelled(&scene).await?;
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": scene.namespace,
            "labels": {"team": "platform", (SKIP): "true"},
            "annotations": {"example.com/owner": "jane"},
        },
    });
    scene.karmada.create(&namespace).await?;
    let was = read(&scene, "karmada").await?;
    let was_in_member = read(&scene, "member1").await?;

    scene.annotate("member1", "web", "true").await?;

    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;
    for (cluster, was) in [("karmada", &was), ("member1", &was_in_member)] {
        let now = read(&scene, cluster).await?;
        for field in ["uid", "labels", "annotations"] {
            assert_eq!(
                now["metadata"][field], was["metadata"][field],
                "{field} of the namespace in {cluster}"
            );
        }
    }
    Ok(())
}

/// A workload in a namespace that bears labels of its own.
async fn labelled(scene: &Scene) -> Result<Before> {
    Workload::typical("web").deploy(scene, "member1").await?;
    let patch = json!({"metadata": {
        "labels": {"team": "shop", "pod-security.kubernetes.io/enforce": "baseline"},
        "annotations": {"example.com/cost-centre": "1234"},
    }});
    let member = scene.member("member1");
    member
        .patch(&Kind::namespace(), &scene.namespace, &patch)
        .await?;
    Before::take(scene, "member1", "web").await
}

async fn read(scene: &Scene, cluster: &str) -> Result<Value> {
    let cluster = match cluster {
        "karmada" => &scene.karmada,
        member => scene.member(member),
    };
    cluster.get(&Kind::namespace(), &scene.namespace).await
}

async fn assert_like_the_members(scene: &Scene) -> Result<()> {
    let namespace = read(scene, "karmada").await?;
    let mut expected = read(scene, "member1").await?["metadata"]["labels"].clone();
    expected[SKIP] = json!("true");
    assert_eq!(namespace["metadata"]["labels"], expected);
    Ok(())
}

/// Fails if the namespace is in another member once Karmada has spread one that is younger.
async fn assert_never_spread(scene: &Scene) -> Result<()> {
    let younger = format!("{}-younger", scene.namespace);
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": younger},
    });
    scene.karmada.create(&namespace).await?;
    scene
        .eventually("Karmada spreads a younger namespace", async || {
            let member = scene.member("member2");
            let found = member.find(&Kind::namespace(), &younger).await?;
            ensure!(found.is_some(), "it is not in member2");
            Ok(())
        })
        .await?;
    scene.assert_absent_elsewhere("member1").await
}
