//! Karmada lets go of a workload: it goes on running, and nothing tells that it ever was there.

use anyhow::{Result, ensure};
use promoter_api::promotion::Phase;
use serde_json::json;

use crate::support::{Before, Kind, Scene, Workload, marks, until_running};

const FIRST_IMAGE: &str = "registry.example/shop/web:1.0";
const SECOND_IMAGE: &str = "registry.example/shop/web:1.1";

#[tokio::test]
async fn a_released_workload_runs_on_without_a_trace() -> Result<()> {
    let scene = Scene::new("release").await?;
    let before = promoted_in_its_second_revision(&scene).await?;

    scene.released("web").await?;

    before.assert_untouched().await?;
    marks::assert_no_trace(&scene, "member1").await?;
    scene.assert_nothing_federated().await?;
    scene.assert_absent_elsewhere("member1").await?;
    let namespaces = Kind::namespace();
    scene.karmada.get(&namespaces, &scene.namespace).await?;
    assert_opted_out(&scene, "member1").await?;

    // The Deployment's annotations come from the ReplicaSet that it is rolled back to.
    let undo = ["rollout", "undo", "deployment/web"];
    scene.kubectl("member1", &undo).await?;
    until_running(&scene, "member1", "web").await?;
    let deployment = scene
        .member("member1")
        .get(&Kind::deployment(), "web")
        .await?;
    let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(image, FIRST_IMAGE, "it was rolled back");
    marks::assert_no_trace(&scene, "member1").await?;
    assert_opted_out(&scene, "member1").await
}

#[tokio::test]
async fn a_released_workload_waits_for_a_person_to_opt_in_anew() -> Result<()> {
    let scene = Scene::new("opt-in-anew").await?;
    let before = promoted_in_its_second_revision(&scene).await?;
    scene.released("web").await?;

    // A write to it that asks for nothing, and a workload that comes after it and asks.
    let patch = json!({"metadata": {"annotations": {"example.com/note": "still here"}}});
    let deployments = Kind::deployment();
    let member = scene.member("member1");
    member.patch(&deployments, "web", &patch).await?;
    Workload::new("later").deploy(&scene, "member1").await?;
    scene.annotate("member1", "later", "true").await?;
    scene.until_phase("later", Phase::Promoted).await?;
    let promotion = scene.karmada.get(&Kind::promotion(), "web").await?;
    assert_eq!(promotion["status"]["phase"], "Released");
    let template = scene.karmada.find(&deployments, "web").await?;
    assert!(template.is_none(), "it was promoted again");
    before.assert_untouched().await?;

    scene.annotate("member1", "web", "true").await?;

    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;
    let deployment = member.get(&deployments, "web").await?;
    assert!(marks::is_managed(&deployment), "Karmada does not keep it");

    // And it can be released again.
    scene.released("web").await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn what_was_never_promoted_asks_for_nothing_after_a_release() -> Result<()> {
    let scene = Scene::new("release-refused").await?;
    let helm = json!({"meta.helm.sh/release-name": "shop"});
    Workload::new("web")
        .deployment(|object| object["metadata"]["annotations"] = helm.clone())
        .deploy(&scene, "member1")
        .await?;
    let before = Before::take(&scene, "member1", "web").await?;
    scene.annotate("member1", "web", "true").await?;
    scene.until_phase("web", Phase::Refused).await?;

    scene.released("web").await?;

    let (member, deployments) = (scene.member("member1"), Kind::deployment());
    let live = member.get(&deployments, "web").await?;
    let marks = marks::traces(&live);
    let mark = ("promote.karmada.io/enabled".to_owned(), "false".to_owned());
    ensure!(marks == [mark], "it bears {marks:?}");
    before.assert_untouched().await?;

    // Whoever asks anew is answered anew.
    scene.annotate("member1", "web", "true").await?;
    scene.until_phase("web", Phase::Refused).await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn a_workload_in_two_members_is_released_in_both() -> Result<()> {
    let scene = Scene::new("release-two").await?;
    let before = promoted_in_its_second_revision(&scene).await?;
    scene.place("web", &["member1", "member2"]).await?;
    until_running(&scene, "member2", "web").await?;
    let before_there = Before::take(&scene, "member2", "web").await?;

    scene.released("web").await?;

    for (member, before) in [("member1", &before), ("member2", &before_there)] {
        before.assert_untouched().await?;
        marks::assert_no_trace(&scene, member).await?;
        assert_opted_out(&scene, member).await?;
        assert_left_with_what_it_needs(&scene, member).await?;
    }
    scene.assert_nothing_federated().await
}

#[tokio::test]
async fn a_workload_that_was_moved_is_released_where_it_runs() -> Result<()> {
    let scene = Scene::new("release-moved").await?;
    promoted_in_its_second_revision(&scene).await?;
    scene.place("web", &["member2"]).await?;
    until_running(&scene, "member2", "web").await?;
    let (member1, deployments) = (scene.member("member1"), Kind::deployment());
    scene.until_gone(member1, &deployments, "web").await?;
    let before = Before::take(&scene, "member2", "web").await?;

    scene.released("web").await?;

    before.assert_untouched().await?;
    assert_opted_out(&scene, "member2").await?;
    for member in ["member1", "member2"] {
        assert_left_with_what_it_needs(&scene, member).await?;
        marks::assert_no_trace(&scene, member).await?;
    }
    let deployment = member1.find(&deployments, "web").await?;
    assert!(deployment.is_none(), "it is in member1 again");
    scene.assert_nothing_federated().await
}

#[tokio::test]
async fn a_workload_that_was_left_running_is_released_without_a_trace_too() -> Result<()> {
    let scene = Scene::new("release-left").await?;
    let before = running_in_its_second_revision(&scene).await?;
    let preserve = json!({"onClusterRemoval": "Preserve"});
    scene.promote_with("web", "member1", preserve).await?;
    scene.until_phase("web", Phase::Promoted).await?;
    scene.place("web", &["member2"]).await?;
    until_running(&scene, "member2", "web").await?;
    let before_there = Before::take(&scene, "member2", "web").await?;

    scene.released("web").await?;

    for (member, before) in [("member1", &before), ("member2", &before_there)] {
        before.assert_untouched().await?;
        assert_left_with_what_it_needs(&scene, member).await?;
        marks::assert_no_trace(&scene, member).await?;
    }
    scene.assert_nothing_federated().await
}

/// A promoted workload with a revision that it can be rolled back to.
async fn promoted_in_its_second_revision(scene: &Scene) -> Result<Before> {
    let before = running_in_its_second_revision(scene).await?;
    scene.annotate("member1", "web", "true").await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;
    Ok(before)
}

async fn running_in_its_second_revision(scene: &Scene) -> Result<Before> {
    Workload::typical("web")
        .service_account("runner", "registry")
        .deploy(scene, "member1")
        .await?;
    let set = format!("app={SECOND_IMAGE}");
    let arguments = ["set", "image", "deployment/web", set.as_str()];
    scene.kubectl("member1", &arguments).await?;
    until_running(scene, "member1", "web").await?;
    let what = "the pods of the first revision are gone";
    scene
        .eventually(what, async || Before::take(scene, "member1", "web").await)
        .await
}

/// Fails unless a member has everything that the workload needs.
async fn assert_left_with_what_it_needs(scene: &Scene, member: &str) -> Result<()> {
    let needed = [
        (Kind::config_map(), "web-settings"),
        (Kind::secret(), "registry"),
        (Kind::secret(), "web-password"),
        (Kind::service_account(), "runner"),
    ];
    for (kind, name) in needed {
        scene.member(member).get(&kind, name).await?;
    }
    Ok(())
}

/// Fails unless the Deployment and all of its ReplicaSets say that nobody is to promote it.
async fn assert_opted_out(scene: &Scene, member: &str) -> Result<()> {
    for kind in [Kind::deployment(), Kind::replica_set()] {
        let objects = scene.member(member).select(&kind, "app=web").await?;
        ensure!(!objects.is_empty(), "there is no {}", kind.name());
        for object in objects {
            let enabled = &object["metadata"]["annotations"]["promote.karmada.io/enabled"];
            ensure!(
                enabled == "false",
                "{} {} says {enabled}",
                kind.name(),
                object["metadata"]["name"]
            );
        }
    }
    Ok(())
}
