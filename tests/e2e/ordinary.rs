//! Once promoted, a workload is an ordinary workload of Karmada: it is edited in the control plane.

use anyhow::{Result, ensure};
use promoter_api::promotion::Phase;
use serde_json::json;

use crate::support::{Before, Kind, Scene, Workload, marks, until_running};

#[tokio::test]
async fn edits_in_the_control_plane_arrive() -> Result<()> {
    let scene = Scene::new("edits").await?;
    promoted(&scene, json!({})).await?;

    let image = "registry.example/shop/web:2.0";
    let patch = json!({"spec": {
        "replicas": 3,
        "template": {"spec": {
            "containers": [{"name": "app", "image": image}],
        }},
    }});
    let deployments = Kind::deployment();
    scene.karmada.patch(&deployments, "web", &patch).await?;
    let settings = json!({"data": {"GREETING": "good evening"}});
    let config_maps = Kind::config_map();
    scene
        .karmada
        .patch(&config_maps, "settings", &settings)
        .await?;

    scene
        .eventually("the edits are in member1", async || {
            let member = scene.member("member1");
            let deployment = member.get(&deployments, "web").await?;
            let spec = &deployment["spec"];
            let (replicas, now) = (
                &spec["replicas"],
                &spec["template"]["spec"]["containers"][0]["image"],
            );
            ensure!(*replicas == 3 && now == image, "{replicas} of {now}");
            let settings = member.get(&config_maps, "settings").await?;
            let greeting = &settings["data"]["GREETING"];
            ensure!(greeting == "good evening", "{greeting}");
            Ok(())
        })
        .await?;
    until_running(&scene, "member1", "web").await
}

#[tokio::test]
async fn it_moves_to_another_cluster_with_all_that_it_needs() -> Result<()> {
    let scene = Scene::new("move").await?;
    let before = promoted(&scene, json!({})).await?;

    scene.place("web", &["member1", "member2"]).await?;

    assert_arrived(&scene).await?;
    before.assert_untouched().await?;

    scene.place("web", &["member2"]).await?;

    let member1 = scene.member("member1");
    let deployments = Kind::deployment();
    scene.until_gone(member1, &deployments, "web").await?;
    let moved = Before::take(&scene, "member2", "web").await?;

    // And back again: nothing of the first time is in the way.
    scene.place("web", &["member1", "member2"]).await?;
    until_running(&scene, "member1", "web").await?;
    moved.assert_untouched().await
}

#[tokio::test]
async fn it_is_taken_back_from_another_cluster_with_all_that_it_needs() -> Result<()> {
    let scene = Scene::new("take-back").await?;
    let before = promoted(&scene, json!({})).await?;
    scene.place("web", &["member1", "member2"]).await?;
    assert_arrived(&scene).await?;

    scene.place("web", &["member1"]).await?;

    let member2 = scene.member("member2");
    let copies = [
        (Kind::deployment(), "web"),
        (Kind::config_map(), "settings"),
        (Kind::secret(), "password"),
        (Kind::secret(), "registry"),
        (Kind::service_account(), "runner"),
    ];
    for (kind, name) in &copies {
        scene.until_gone(member2, kind, name).await?;
        scene.member("member1").get(kind, name).await?;
    }
    // A namespace may hold what others have put there since.
    let namespaces = Kind::namespace();
    member2.get(&namespaces, &scene.namespace).await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn it_is_left_running_where_it_is_preserved() -> Result<()> {
    let scene = Scene::new("preserve").await?;
    let before = promoted(&scene, json!({"onClusterRemoval": "Preserve"})).await?;

    scene.place("web", &["member2"]).await?;

    assert_arrived(&scene).await?;
    scene
        .eventually("Karmada has let go of it in member1", async || {
            let deployment = scene
                .member("member1")
                .get(&Kind::deployment(), "web")
                .await?;
            ensure!(!marks::is_managed(&deployment), "it is managed");
            Ok(())
        })
        .await?;
    before.assert_untouched().await
}

/// A promoted workload with dependencies of every kind.
async fn promoted(scene: &Scene, more: serde_json::Value) -> Result<Before> {
    Workload::new("web")
        .config_map("settings")
        .secret("password")
        .service_account("runner", "registry")
        .deploy(scene, "member1")
        .await?;
    let before = Before::take(scene, "member1", "web").await?;
    scene.promote_with("web", "member1", more).await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;
    scene.assert_absent_elsewhere("member1").await?;
    Ok(before)
}

/// Waits until the workload runs in member2, with its namespace and all that it needs.
async fn assert_arrived(scene: &Scene) -> Result<()> {
    until_running(scene, "member2", "web").await?;
    let (from, to) = (scene.member("member1"), scene.member("member2"));
    let namespace = to.get(&Kind::namespace(), &scene.namespace).await?;
    assert_eq!(namespace["metadata"]["labels"]["team"], "shop");
    let needed = [
        (Kind::config_map(), "settings", "data"),
        (Kind::secret(), "password", "data"),
        (Kind::secret(), "registry", "data"),
        (Kind::service_account(), "runner", "imagePullSecrets"),
    ];
    for (kind, name, field) in needed {
        let origin = from.get(&kind, name).await?;
        scene
            .eventually(&format!("{name} is in member2"), async || {
                let copy = to.get(&kind, name).await?;
                ensure!(copy[field] == origin[field], "its {field} is another");
                Ok(())
            })
            .await?;
    }
    Ok(())
}
