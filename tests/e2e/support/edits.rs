//! Edits that people make in a member while Karmada takes a workload over, and what came of them.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Kind, Scene, until_running};

pub(crate) const GUARD: &str = "promote.karmada.io/guard";

pub(crate) const OLD: &str = "registry.example/shop/web:1.0";

pub(crate) const NEW: &str = "registry.example/shop/web:2.0";

pub(crate) async fn set_image(scene: &Scene, member: &str, name: &str) -> Result<()> {
    let change = changed_image(scene, member, name).await?;
    edit(scene, member, name, &change).await
}

/// What changes the image of a Deployment.
pub(crate) async fn changed_image(scene: &Scene, member: &str, name: &str) -> Result<Value> {
    let live = scene.member(member).get(&Kind::deployment(), name).await?;
    let mut containers = live["spec"]["template"]["spec"]["containers"].clone();
    containers[0]["image"] = json!(NEW);
    Ok(json!({"spec": {"template": {"spec": {"containers": containers}}}}))
}

pub(crate) async fn edit(scene: &Scene, member: &str, name: &str, change: &Value) -> Result<()> {
    let deployments = Kind::deployment();
    scene
        .member(member)
        .patch(&deployments, name, change)
        .await?;
    Ok(())
}

/// The states that one Deployment of the scene has been in.
pub(crate) fn history<'a>(seen: &'a [Value], scene: &Scene, name: &str) -> Vec<&'a Value> {
    seen.iter()
        .filter(|it| it["metadata"]["namespace"] == scene.namespace.as_str())
        .filter(|it| it["metadata"]["name"] == name)
        .collect()
}

pub(crate) fn assert_never_put_back(history: &[&Value]) -> Result<()> {
    let edited = history.iter().position(|state| image(state) == NEW);
    let edited = edited.context("the edit was not seen")?;
    let back = history[edited..].iter().find(|state| image(state) == OLD);
    if let Some(state) = back {
        anyhow::bail!("the edit was undone: {}", state["metadata"]);
    }
    Ok(())
}

/// Fails unless the edit was kept, and it was told: that it was carried, or, before Karmada was let
/// write, that the workload was planned anew. Returns whether it was carried.
pub(crate) async fn assert_edit_won(scene: &Scene, member: &str, name: &str) -> Result<bool> {
    assert_edit_kept(scene, member, name).await?;
    let promotion = scene.karmada.get(&Kind::promotion(), name).await?;
    let promoted = condition(&promotion, "Promoted");
    ensure!(promoted["status"] == "True", "{promoted}");
    let carried = promoted["reason"] == "LateEdit";
    let (said, word) = if carried {
        ("the edit was carried into the template", "was carried into")
    } else {
        ensure!(promoted["reason"] == "Verified", "{promoted}");
        ("the same pods run as before", "while it was being promoted")
    };
    let message = promoted["message"].as_str().unwrap_or_default();
    ensure!(message.contains(said), "{promoted}");
    let object = format!("Deployment/{name}");
    for (cluster, kind) in [
        (&scene.karmada, "Promotion"),
        (scene.member(member), "Deployment"),
    ] {
        let words = [&object, &scene.namespace, member, word];
        scene
            .until_warned(cluster, kind, name, "LateEdit", &words)
            .await?;
        // What is not so is not said either.
        let events = cluster.list(&Kind::event()).await?;
        let mut notes = events
            .iter()
            .filter(|event| event["regarding"]["name"] == name && event["reason"] == "LateEdit")
            .filter_map(|event| event["note"].as_str());
        let claims = notes.any(|note| note.contains("was carried into"));
        ensure!(claims == carried, "{promoted}, but {events:?}");
    }
    Ok(carried)
}

/// Fails unless the edit is what runs and what the control plane's template says, its ReplicaSet
/// is the only new one, and no mark is left.
pub(crate) async fn assert_edit_kept(scene: &Scene, member: &str, name: &str) -> Result<()> {
    let deployments = Kind::deployment();
    let template = scene.karmada.get(&deployments, name).await?;
    ensure!(
        image(&template) == NEW,
        "the template has {}\n{}",
        image(&template),
        scene.told().await
    );
    scene
        .eventually("Karmada keeps the edit", async || {
            let live = scene.member(member).get(&deployments, name).await?;
            ensure!(image(&live) == NEW, "{}", image(&live));
            Ok(())
        })
        .await?;
    until_running(scene, member, name).await?;
    assert_unmarked(scene, member, name).await?;
    let count = replica_sets(scene, member, name).await?.len();
    ensure!(count == 2, "{name} has {count} ReplicaSets");
    Ok(())
}

pub(crate) async fn assert_unmarked(scene: &Scene, member: &str, name: &str) -> Result<()> {
    let live = scene.member(member).get(&Kind::deployment(), name).await?;
    let labels = &live["metadata"]["labels"];
    ensure!(labels[GUARD].is_null(), "{name} is still marked: {labels}");
    let template = scene.karmada.find(&Kind::deployment(), name).await?;
    let labels = template.map(|template| template["metadata"]["labels"][GUARD].clone());
    ensure!(labels.is_none_or(|label| label.is_null()), "the template");
    Ok(())
}

pub(crate) async fn replica_sets(scene: &Scene, member: &str, name: &str) -> Result<Vec<Value>> {
    let selector = format!("app={name}");
    let cluster = scene.member(member);
    cluster.select(&Kind::replica_set(), &selector).await
}

pub(crate) fn condition<'a>(promotion: &'a Value, kind: &str) -> &'a Value {
    let conditions = promotion["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions
        .find(|condition| condition["type"] == kind)
        .unwrap_or(&Value::Null)
}

pub(crate) fn image(deployment: &Value) -> &str {
    let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
    image.as_str().unwrap_or_default()
}
