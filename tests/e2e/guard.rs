//! The guard: what it is, what it says, and what it keeps apart from an image that is changed around
//! the commit.

use anyhow::{Context as _, Result, ensure};
use promoter_api::promotion::Phase;
use serde_json::{Value, json};

use crate::support::{
    Before, Kind, Recording, Scene, Workload,
    edits::{
        NEW, OLD, assert_edit_won, assert_never_put_back, assert_unmarked, condition, history,
        image, replica_sets, set_image,
    },
    fleet, kubectl_promote, marks,
    sight::{Sight, until_sight},
    until_running,
};

const POLICIES: [&str; 2] = [
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];

#[tokio::test]
async fn a_promotion_says_whether_it_was_guarded() -> Result<()> {
    let scene = Scene::new("guarded").await?;
    for (member, status, reason, words) in [
        ("member1", "True", "GuardInstalled", "member1 refuses"),
        (
            "member2",
            "False",
            "GuardNotInstalled",
            "`kubectl promote member enable member2`",
        ),
    ] {
        Workload::new(member).deploy(&scene, member).await?;
        let before = Before::take(&scene, member, member).await?;
        let promotion = scene.promoted(member, member).await?;
        let guarded = condition(&promotion, "Guarded");
        ensure!(
            guarded["status"] == status && guarded["reason"] == reason,
            "{guarded}"
        );
        let message = guarded["message"].as_str().unwrap_or_default();
        ensure!(message.contains(words), "{message}");
        ensure!(condition(&promotion, "Promoted")["reason"] == "Verified");
        before.assert_untouched().await?;
        assert_unmarked(&scene, member, member).await?;
        scene.released(member).await?;
        before.assert_untouched().await?;
        assert_unmarked(&scene, member, member).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_edit_that_needs_more_than_was_staged_is_planned_anew() -> Result<()> {
    let scene = Scene::new("guarded-needs").await?;
    let settings = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "more"},
        "data": {"MORE": "more"},
    });
    Workload::typical("web")
        .with(settings)
        .deploy(&scene, "member1")
        .await?;
    let deployments = Recording::start(scene.member("member1"), &Kind::deployment()).await?;
    scene.promote("web", "member1").await?;
    until_sight(&scene, "member1", "web", Sight::Marked).await?;

    let source = json!({"configMapRef": {"name": "more"}});
    let sources = "/spec/template/spec/containers/0/envFrom/-";
    let patch = json!([
        {"op": "add", "path": sources, "value": source},
        {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": NEW},
    ]);
    let patch = patch.to_string();
    let words = [
        "patch",
        "deployment",
        "web",
        "--type=json",
        "--patch",
        &patch,
    ];
    scene.kubectl("member1", &words).await?;

    let what = "the workload is promoted with what it needs now";
    scene
        .eventually(what, async || {
            let promotion = scene.until_phase("web", Phase::Promoted).await?;
            let dependencies = promotion["status"]["dependencies"].as_array();
            let count = dependencies.map_or(0, Vec::len);
            ensure!(count == 3, "{}", promotion["status"]["dependencies"]);
            Ok(())
        })
        .await?;
    scene.karmada.get(&Kind::config_map(), "more").await?;
    let seen = deployments.objects()?;
    assert_never_put_back(&history(&seen, &scene, "web"))?;
    assert_edit_won(&scene, "member1", "web").await?;
    Ok(())
}

#[tokio::test]
async fn an_edit_that_is_made_during_a_release_stays() -> Result<()> {
    let scene = Scene::new("guarded-release").await?;
    for name in ["before", "later"] {
        Workload::typical(name).deploy(&scene, "member1").await?;
        scene.promoted(name, "member1").await?;
    }
    let deployments = Recording::start(scene.member("member1"), &Kind::deployment()).await?;

    for name in ["before", "later"] {
        scene.release(name).await?;
        until_sight(&scene, "member1", name, Sight::Marked).await?;
        if name == "later" {
            let (karmada, kind) = (&scene.karmada, Kind::deployment());
            scene.until_gone(karmada, &kind, name).await?;
        }
        set_image(&scene, "member1", name).await?;
    }

    for name in ["before", "later"] {
        scene.until_phase(name, Phase::Released).await?;
        until_running(&scene, "member1", name).await?;
        let seen = deployments.objects()?;
        assert_never_put_back(&history(&seen, &scene, name)).with_context(|| name)?;
        let count = replica_sets(&scene, "member1", name).await?.len();
        ensure!(count == 2, "{name} has {count} ReplicaSets");
    }
    scene.assert_nothing_federated().await?;
    marks::assert_no_trace(&scene, "member1").await
}

#[tokio::test]
async fn a_template_that_is_edited_under_the_guard_is_planned_anew() -> Result<()> {
    let scene = Scene::new("guarded-template").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    scene.promote("web", "member1").await?;
    until_sight(&scene, "member1", "web", Sight::Marked).await?;
    let image =
        json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": NEW}]);
    let image = image.to_string();
    let words = [
        "patch",
        "deployment",
        "web",
        "--type=json",
        "--patch",
        &image,
    ];

    scene.kubectl("karmada", &words).await?;

    scene.until_phase("web", Phase::Promoted).await?;
    let template = scene.karmada.get(&Kind::deployment(), "web").await?;
    assert_unmarked(&scene, "member1", "web").await?;
    // Either it was rolled back, or it came when the workload was verified, and is rolled out.
    if self::image(&template) == OLD {
        return before.assert_untouched().await;
    }
    scene
        .eventually("the edit is rolled out", async || {
            let live = scene
                .member("member1")
                .get(&Kind::deployment(), "web")
                .await?;
            ensure!(self::image(&live) == NEW, "{}", live["spec"]);
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_guard_is_enabled_and_disabled_and_outlives_a_killed_promoter() -> Result<()> {
    let fleet = fleet::rough(&[]).await?;
    let scene = Scene::on(fleet.clone(), "member-guard").await?;
    let member = scene.member("member1");
    let enable = ["member", "enable", "member1"];

    let printed = kubectl_promote(&scene, &[&enable[..], &["-o", "yaml"]].concat()).await?;
    printed.assert_output(0, &POLICIES)?;
    assert_no_guard(&scene).await?;

    for _ in 0..2 {
        let answer = kubectl_promote(&scene, &enable).await?;
        let user = "system:serviceaccount:karmada-cluster:karmada-member1";
        answer.assert_output(
            0,
            &["applied", "member1 is guarded", user, "pins who opts in"],
        )?;
    }
    // The installation that is there is the one that is printed.
    let printed = kubectl_promote(&scene, &[&enable[..], &["-o", "yaml"]].concat()).await?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&printed.output)?;
    for document in &documents {
        let name = document["metadata"]["name"].as_str().context("a name")?;
        let installed = member.get(&Kind::of(document), name).await?;
        for part in ["rules", "spec"] {
            assert_eq!(installed[part], document[part], "{name}");
        }
    }
    killed_while_guarded(&scene).await?;

    let disable = ["member", "disable", "member1"];
    let answer = kubectl_promote(&scene, &disable).await?;
    answer.assert_output(0, &["deleted", "deleted"])?;
    let answer = kubectl_promote(&scene, &disable).await?;
    answer.assert_output(0, &["has nothing of the promoter's"])?;
    assert_no_guard(&scene).await?;

    let unknown = ["member", "enable", "nowhere"];
    let answer = kubectl_promote(&scene, &unknown).await?;
    answer.assert_error(1, &["no cluster nowhere", "kubectl get clusters"])
}

/// The promoter dies while the guard is on: people go on working, Karmada undoes nothing, and the
/// promotion is finished once the promoter is back.
async fn killed_while_guarded(scene: &Scene) -> Result<()> {
    let member = scene.member("member1");
    let deployments = Kind::deployment();
    Workload::typical("web").deploy(scene, "member1").await?;
    let recording = Recording::start(member, &deployments).await?;
    scene.promote("web", "member1").await?;
    until_sight(scene, "member1", "web", Sight::Marked).await?;
    scene.fleet.kill(fleet::PROMOTER).await?;
    let promotion = scene.karmada.get(&Kind::promotion(), "web").await?;
    println!("killed while {}", promotion["status"]["phase"]);

    // People are not blocked.
    set_image(scene, "member1", "web").await?;
    until_running(scene, "member1", "web").await?;
    let words = ["scale", "deployment", "web", "--replicas=3"];
    scene.kubectl("member1", &words).await?;
    until_running(scene, "member1", "web").await?;

    scene.fleet.restart(fleet::PROMOTER).await?;
    let promotion = scene.until_phase("web", Phase::Promoted).await?;
    let seen = recording.objects()?;
    assert_never_put_back(&history(&seen, scene, "web"))?;
    assert_edit_won(scene, "member1", "web").await?;
    let live = member.get(&deployments, "web").await?;
    ensure!(live["spec"]["replicas"] == 3, "{}", live["spec"]);
    let guarded = condition(&promotion, "Guarded");
    ensure!(guarded["status"] == "True", "{guarded}");
    Ok(())
}

async fn assert_no_guard(scene: &Scene) -> Result<()> {
    for kind in POLICIES {
        let kind = Kind::new("admissionregistration.k8s.io/v1", kind);
        let found = scene.member("member1").list(&kind).await?;
        ensure!(
            found
                .iter()
                .all(|object| object["metadata"]["name"] != "guard.promote.karmada.io"),
            "{} is there",
            kind.name()
        );
    }
    Ok(())
}
