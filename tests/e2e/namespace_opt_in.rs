//! A Namespace's label opts in what is in it.

use anyhow::{Result, ensure};
use promoter_api::{marks::ENABLED, promotion::Phase};
use serde_json::{Value, json};

use crate::support::{Before, Kind, Scene, Workload};

#[tokio::test]
async fn a_label_opts_in_what_is_there_and_what_comes() -> Result<()> {
    let scene = Scene::new("namespace-opt-in").await?;
    for name in ["web", "out", "odd"] {
        Workload::new(name).deploy(&scene, "member2").await?;
    }
    let web = Before::take(&scene, "member2", "web").await?;
    scene.annotate("member2", "out", "false").await?;
    scene.annotate("member2", "odd", "yes").await?;

    label(&scene, json!("true")).await?;

    let promotion = scene.until_phase("web", Phase::Promoted).await?;
    let requester = &promotion["spec"]["requester"];
    ensure!(requester["cluster"] == "member2", "{requester}");
    web.assert_untouched().await?;
    Workload::typical("later").deploy(&scene, "member2").await?;
    scene.until_phase("later", Phase::Promoted).await?;
    let promoted = (Some(Phase::Promoted), None);
    for name in ["web", "later"] {
        scene.until_answer("member2", name, promoted, &[]).await?;
    }

    // A Deployment's own annotation wins.
    let invalid = (Some(Phase::Refused), Some("InvalidAnnotation"));
    scene
        .until_answer("member2", "odd", invalid, &[r#""yes""#])
        .await?;
    for name in ["out", "odd"] {
        let found = scene.karmada.find(&Kind::promotion(), name).await?;
        ensure!(found.is_none(), "{name} is promoted: {found:?}");
    }

    // And what was released stays so, whatever the label does.
    let web = Before::take(&scene, "member2", "web").await?;
    scene.released("web").await?;
    label(&scene, Value::Null).await?;
    label(&scene, json!("true")).await?;
    Workload::new("last").deploy(&scene, "member2").await?;
    scene.until_phase("last", Phase::Promoted).await?;
    let promotion = scene.karmada.get(&Kind::promotion(), "web").await?;
    ensure!(promotion["status"]["phase"] == "Released", "{promotion}");
    web.assert_untouched().await?;

    // Without it nothing that is promoted is given back, and nothing more is promoted.
    label(&scene, Value::Null).await?;
    Workload::new("after").deploy(&scene, "member2").await?;
    Workload::new("own").deploy(&scene, "member2").await?;
    scene.annotate("member2", "own", "true").await?;
    scene.until_phase("own", Phase::Promoted).await?;
    let found = scene.karmada.find(&Kind::promotion(), "after").await?;
    ensure!(found.is_none(), "it is promoted: {found:?}");
    for name in ["later", "last"] {
        scene.until_phase(name, Phase::Promoted).await?;
    }
    scene.assert_absent_elsewhere("member2").await
}

/// Labels the namespace in the member, as whoever administers it would.
async fn label(scene: &Scene, value: Value) -> Result<()> {
    let patch = json!({"metadata": {"labels": {(ENABLED): value}}});
    let member = scene.member("member2");
    let namespace = scene.namespace.as_str();
    member.patch(&Kind::namespace(), namespace, &patch).await?;
    Ok(())
}
