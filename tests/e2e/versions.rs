//! Promotions that another version of the promoter has written.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::support::{Before, Kind, Scene, Workload, fleet};

const LATER: &str = "Contemplating";

#[tokio::test]
async fn one_that_cannot_be_understood_is_left_alone_and_stops_no_other() -> Result<()> {
    let fleet = fleet::rough_without_promoter().await?;
    let scene = Scene::on(Arc::clone(&fleet), "later").await?;
    let promotions = Kind::promotion();
    allow_a_later_phase(&scene).await?;
    Workload::new("later").deploy(&scene, "member1").await?;
    scene.promote("later", "member1").await?;
    let hub = scene.karmada_as_hub().await?;
    let status = json!({"status": {"phase": LATER}});
    hub.patch_status(&promotions, "later", &status).await?;
    let later = scene.karmada.get(&promotions, "later").await?;

    fleet::start_promoter(&fleet, &[]).await?;

    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    scene.promoted("web", "member1").await?;
    // The watch goes on when such a one changes, too.
    let patch = json!({"metadata": {"labels": {"team": "shop"}}});
    let edited = scene.karmada.patch(&promotions, "later", &patch).await?;
    scene.released("web").await?;
    before.assert_untouched().await?;

    let now = scene.karmada.get(&promotions, "later").await?;
    assert_eq!(now["metadata"]["uid"], later["metadata"]["uid"]);
    assert_eq!(
        now["metadata"]["resourceVersion"], edited["metadata"]["resourceVersion"],
        "it was written: {now}"
    );
    assert!(fleet::promoter_log(&fleet, &scene.namespace).contains("cannot be understood"));
    scene.karmada.delete(&promotions, "later").await
}

/// Lets the control plane keep Promotions in a phase that this version does not know.
async fn allow_a_later_phase(scene: &Scene) -> Result<()> {
    let kind = Kind::new("apiextensions.k8s.io/v1", "CustomResourceDefinition");
    let name = "promotions.promote.karmada.io";
    let definition = scene.karmada.get(&kind, name).await?;
    let mut versions = definition["spec"]["versions"].clone();
    let status = &mut versions[0]["schema"]["openAPIV3Schema"]["properties"]["status"];
    let phases = &mut status["properties"]["phase"]["enum"];
    let phases = phases.as_array_mut().context("the phases are listed")?;
    if !phases.contains(&json!(LATER)) {
        phases.push(json!(LATER));
    }
    let patch = json!({"spec": {"versions": versions}});
    scene.karmada.patch(&kind, name, &patch).await?;
    let probe = json!({
        "apiVersion": "promote.karmada.io/v1alpha1",
        "kind": "Promotion",
        "metadata": {"name": "probe"},
        "spec": {"clusters": ["member1"], "workload": {"name": "probe"}},
    });
    scene.namespace_in_karmada().await?;
    scene.karmada.create(&probe).await?;
    let hub = scene.karmada_as_hub().await?;
    let status = json!({"status": {"phase": LATER}});
    scene
        .eventually("the later phase is allowed", async || {
            hub.patch_status(&Kind::promotion(), "probe", &status).await
        })
        .await?;
    scene.karmada.delete(&Kind::promotion(), "probe").await
}
