//! What became of an opt-in stands on the Deployment, where whoever opted in looks first.

use anyhow::{Result, ensure};
use promoter_api::{
    marks::{ENABLED, MESSAGE, PHASE, REASON},
    promotion::Phase,
};
use serde_json::json;

use crate::support::{Before, Kind, Scene, Workload, marks};

#[tokio::test]
async fn a_deployment_says_how_far_its_promotion_is_and_nothing_after_its_release() -> Result<()> {
    let scene = Scene::new("answers").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let member = scene.member("member1");
    let settings = member.get(&Kind::config_map(), "web-settings").await?;
    member.delete(&Kind::config_map(), "web-settings").await?;

    scene.annotate("member1", "web", "true").await?;

    let waiting = (Some(Phase::Waiting), Some("DependencyMissing"));
    scene.until_answer("member1", "web", waiting, &[]).await?;
    let restored = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "web-settings"},
        "data": settings["data"],
    });
    member.create(&restored).await?;
    let promoted = (Some(Phase::Promoted), None);
    scene.until_answer("member1", "web", promoted, &[]).await?;
    before.assert_untouched().await?;

    // What somebody else writes there does not last.
    let wrong = json!({(PHASE): "Released", (REASON): "Whatever", (MESSAGE): "gone"});
    scene.set_annotations("member1", "web", wrong).await?;
    scene.until_answer("member1", "web", promoted, &[]).await?;
    // Nor is anything released by taking the opt-in off.
    scene
        .set_annotations("member1", "web", json!({(ENABLED): null}))
        .await?;
    scene.until_answer("member1", "web", promoted, &[]).await?;
    let promotion = scene.until_phase("web", Phase::Promoted).await?;
    ensure!(
        promotion["spec"]["desiredState"] == "Promoted",
        "{promotion}"
    );
    assert_in_member_only(&scene).await?;

    scene.released("web").await?;
    marks::assert_no_trace(&scene, "member1").await?;
    before.assert_untouched().await?;
    // A Deployment of another workload that comes and goes: by then this one would have been
    // written to again.
    Workload::new("later").deploy(&scene, "member1").await?;
    scene.annotate("member1", "later", "true").await?;
    scene
        .until_answer("member1", "later", promoted, &[])
        .await?;
    scene.released("later").await?;
    marks::assert_no_trace(&scene, "member1").await
}

#[tokio::test]
async fn an_answer_goes_when_nothing_is_asked_any_more() -> Result<()> {
    let scene = Scene::new("answer-goes").await?;
    for member in ["member1", "member2"] {
        Workload::new("web").deploy(&scene, member).await?;
    }
    let before = Before::take(&scene, "member2", "web").await?;
    scene.annotate("member1", "web", "true").await?;
    scene.until_phase("web", Phase::Promoted).await?;
    scene.annotate("member2", "web", "true").await?;
    let refused = (Some(Phase::Refused), Some("ConflictingTemplate"));
    let words = ["member2", "of that name in member1", "rename"];
    scene
        .until_answer("member2", "web", refused, &words)
        .await?;

    scene
        .set_annotations("member2", "web", json!({(ENABLED): null}))
        .await?;

    scene
        .until_answer("member2", "web", (None, None), &[])
        .await?;
    before.assert_untouched().await
}

/// The control plane's template says nothing of it, and so no other cluster hears of it.
async fn assert_in_member_only(scene: &Scene) -> Result<()> {
    let template = scene.karmada.get(&Kind::deployment(), "web").await?;
    let annotations = &template["metadata"]["annotations"];
    for key in [ENABLED, MESSAGE, PHASE, REASON] {
        ensure!(annotations[key].is_null(), "{annotations}");
    }
    Ok(())
}
