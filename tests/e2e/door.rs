//! The annotation door, whatever happens to the promoter and to the members.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use promoter_api::{promotion::Phase, reason::Reason};
use promoter_fleet::Fleet;
use serde_json::json;

use crate::support::{Before, Kind, Scene, Workload, fleet};

#[tokio::test]
async fn it_opens_again_whatever_was_away() -> Result<()> {
    let mut fleet = fleet::rough(&[]).await?;
    promoter_away(&fleet).await.context("the promoter")?;
    member_away(&fleet).await.context("a member")?;
    member_new(&mut fleet).await.context("a new member")
}

/// What was annotated while there was no promoter is found when there is one.
async fn promoter_away(fleet: &Arc<Fleet>) -> Result<()> {
    let scene = Scene::on(Arc::clone(fleet), "away").await?;
    fleet.kill(fleet::PROMOTER).await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    scene.annotate("member1", "web", "true").await?;

    fleet.restart(fleet::PROMOTER).await?;

    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await
}

/// A member that joins later is watched too.
async fn member_new(fleet: &mut Arc<Fleet>) -> Result<()> {
    let alone = Arc::get_mut(fleet).context("no other test uses the fleet")?;
    let member = alone.add_member().await?;
    let scene = Scene::on(Arc::clone(fleet), "later").await?;
    Workload::typical("web").deploy(&scene, &member).await?;
    let before = Before::take(&scene, &member, "web").await?;

    scene.annotate(&member, "web", "true").await?;

    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;
    scene.assert_absent_elsewhere(&member).await
}

/// A member that does not answer for a while is waited for.
async fn member_away(fleet: &Arc<Fleet>) -> Result<()> {
    let scene = Scene::on(Arc::clone(fleet), "outage").await?;
    for name in ["api", "web"] {
        Workload::typical(name).deploy(&scene, "member1").await?;
    }
    let before = Before::take(&scene, "member1", "api").await?;
    fleet.kill("member1-apiserver").await?;
    until_ready(&scene, "False").await?;

    scene.promote("api", "member1").await?;

    let words = ["member1", "not ready"];
    let waited = scene.waits("api", Reason::ClusterNotReady, &words).await;
    fleet.restart("member1-apiserver").await?;
    fleet.until_ready().await?;
    waited?;
    scene.until_phase("api", Phase::Promoted).await?;
    before.assert_untouched().await?;

    let before = Before::take(&scene, "member1", "web").await?;
    scene.annotate("member1", "web", "true").await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn an_annotation_that_cannot_be_understood_is_told_of() -> Result<()> {
    // Where nothing admits opt-ins; where something does, it is rejected at once.
    let scene = Scene::new("words").await?;
    Workload::new("web").deploy(&scene, "member2").await?;
    let before = Before::take(&scene, "member2", "web").await?;

    scene.annotate("member2", "web", "yes").await?;

    let member = scene.member("member2");
    let words = ["member2", r#""true""#, r#""false""#, r#""yes""#];
    let reason = "InvalidAnnotation";
    scene
        .until_warned(member, "Deployment", "web", reason, &words)
        .await?;
    let namespace = scene.namespace.as_str();
    let found = scene.karmada.find(&Kind::namespace(), namespace).await?;
    ensure!(found.is_none(), "the control plane has the namespace");
    before.assert_untouched().await?;

    scene.annotate("member2", "web", "true").await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn a_namesake_in_another_member_is_told_of() -> Result<()> {
    let scene = Scene::new("namesake-door").await?;
    for member in ["member1", "member2"] {
        Workload::new("web").deploy(&scene, member).await?;
    }
    let before = Before::take(&scene, "member2", "web").await?;
    scene.annotate("member1", "web", "true").await?;
    scene.until_phase("web", Phase::Promoted).await?;

    scene.annotate("member2", "web", "true").await?;

    let words = ["member2", "of that name in member1", "rename"];
    let member = scene.member("member2");
    scene
        .until_warned(member, "Deployment", "web", "ConflictingTemplate", &words)
        .await?;
    before.assert_untouched().await
}

async fn until_ready(scene: &Scene, status: &str) -> Result<()> {
    let what = format!("Karmada says Ready={status} of member1");
    scene
        .eventually(&what, async || {
            let cluster = scene.karmada.get(&Kind::cluster(), "member1").await?;
            let conditions = cluster["status"]["conditions"].as_array();
            let told = conditions.into_iter().flatten().any(|condition| {
                condition["type"] == "Ready" && condition["status"] == json!(status)
            });
            ensure!(told, "{}", cluster["status"]["conditions"]);
            Ok(())
        })
        .await
}
