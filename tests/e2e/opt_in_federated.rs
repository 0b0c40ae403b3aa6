//! Whoever opts in what the control plane has already is told so while they wait.

use anyhow::{Result, ensure};
use promoter_api::{marks::ENABLED, promotion::Phase};
use serde_json::json;

use crate::support::{
    Before, Kind, Kubectl, Scene, Workload, fleet,
    kubectl::bind,
    kubectl_promote,
    opting_in::{ALICE, VERDICT, assert_accepted, assert_stamp, create, stamp_of},
};

#[tokio::test]
async fn what_is_federated_is_answered_for() -> Result<()> {
    let scene = Scene::new("opt-in-again").await?;
    bind(&scene, "member1", ALICE, "edit").await?;
    let alice = Kubectl::of(&scene, "member1", ALICE);
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let enabled = format!("{ENABLED}=true");
    let annotate = ["annotate", "deployment", "web", &enabled];
    let answer = alice.run(&annotate).await?;
    assert_accepted(&scene, &answer, "web", &stamp_of(&scene).await?).await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;

    // Taking the annotation off does not un-promote, and setting it again changes nothing.
    for words in [
        [&format!("{ENABLED}-")[..], ""],
        ["--overwrite", &format!("{ENABLED}=false")],
    ] {
        let words = words.into_iter().filter(|word| !word.is_empty());
        let words = ["annotate", "deployment", "web"].into_iter().chain(words);
        let answer = alice.run(&words.collect::<Vec<_>>()).await?;
        let release = format!(
            "kubectl promote release deployment/web -n {}",
            scene.namespace
        );
        answer.assert_error(0, &["Warning", "is federated, and stays so", &release])?;
        let answer = alice
            .run(&[&annotate[..], &["--overwrite"]].concat())
            .await?;
        answer.assert_error(0, &["Warning", "has a Promotion already"])?;
    }

    edits_are_warned_of(&scene, &alice).await?;
    arrives(&scene).await?;

    // Whoever wants it back after its release is told that it was there before.
    scene.released("web").await?;
    let try_it = [&annotate[..], &["--overwrite", "--dry-run=server"]].concat();
    scene
        .eventually("its Promotion would be reopened", async || {
            let answer = alice.run(&try_it).await?;
            answer.assert_error(0, &["was released, and will be promoted to Karmada again"])
        })
        .await?;

    // Where somebody has only tried it since, whoever wants more is told how to ask for it.
    let rehearse = ["deployment/web", "-C", "member1", "--rehearse"];
    let answer = kubectl_promote(&scene, &rehearse).await?;
    answer.assert_output(0, &["Rehearsed"])?;
    let more = format!(
        "kubectl promote deployment/web -n {} -C member1",
        scene.namespace
    );
    scene
        .eventually("what was rehearsed would stay so", async || {
            let answer = alice.run(&try_it).await?;
            answer.assert_error(0, &["goes no further than Rehearsed", &more])
        })
        .await
}

/// Whoever edits it here is told that Karmada undoes it, and scales it without a word.
async fn edits_are_warned_of(scene: &Scene, alice: &Kubectl<'_>) -> Result<()> {
    let words = [
        "set",
        "image",
        "deployment/web",
        "app=registry.example/shop/web:6.6",
    ];
    let answer = alice.run(&words).await?;
    let told = format!("Deployment {}/web is federated", scene.namespace);
    let words = ["Warning", &told, "Karmada will undo", "control plane"];
    answer.assert_error(0, &words)?;
    // A label that the template has is Karmada's.
    let label = json!({"metadata": {"labels": {"tier": "front"}}});
    let web = Kind::deployment();
    scene.karmada.patch(&web, "web", &label).await?;
    scene
        .eventually("the label arrives", async || {
            let web = scene.member("member1").get(&web, "web").await?;
            let labels = &web["metadata"]["labels"];
            ensure!(labels["tier"] == "front", "{labels}");
            Ok(())
        })
        .await?;
    let words = ["label", "--overwrite", "deployment", "web", "tier=back"];
    let answer = alice.run(&words).await?;
    answer.assert_error(0, &["Warning", &told, "Karmada will undo"])?;
    // So are the replicas, where nothing in the member scales.
    let replicas = r#"{"spec": {"replicas": 5}}"#;
    let words = ["patch", "deployment", "web", "-p", replicas];
    let answer = alice.run(&words).await?;
    answer.assert_error(0, &["Warning", &told, "Karmada will undo"])?;
    let words = ["label", "deployment", "web", "note=mine"];
    let answer = alice.run(&words).await?;
    answer.assert_output(0, &["labeled"])?;
    ensure!(answer.error.is_empty(), "{answer:?}");
    Ok(())
}

/// A roll-out from the control plane is refused by nobody.
async fn arrives(scene: &Scene) -> Result<()> {
    let image = "registry.example/shop/web:2.0";
    let words = ["set", "image", "deployment/web", &format!("app={image}")];
    scene.kubectl("karmada", &words).await?;
    scene
        .eventually("the roll-out arrives", async || {
            let web = scene
                .member("member1")
                .get(&Kind::deployment(), "web")
                .await?;
            let container = &web["spec"]["template"]["spec"]["containers"][0];
            ensure!(container["image"] == image, "{container}");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn what_karmada_has_already_cannot_opt_in() -> Result<()> {
    let scene = Scene::new("opt-in-federated").await?;
    bind(&scene, "member1", ALICE, "edit").await?;
    Workload::new("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    scene.namespace_in_karmada().await?;
    let words = [
        "promote",
        "deployment",
        "web",
        "-n",
        &scene.namespace,
        "-C",
        "member1",
    ];
    fleet::run(&scene.fleet, "karmada", "karmadactl", &words).await?;
    let alice = Kubectl::of(&scene, "member1", ALICE);
    let enabled = format!("{ENABLED}=true");
    let try_it = [
        "annotate",
        "deployment",
        "web",
        &enabled,
        "--dry-run=server",
    ];

    scene
        .eventually("an opt-in is rejected", async || {
            let answer = alice.run(&try_it).await?;
            answer.assert_error(1, &["AlreadyFederated", VERDICT, "web", "member1"])
        })
        .await?;

    let answer = alice
        .run(&["annotate", "deployment", "web", &enabled])
        .await?;
    answer.assert_error(1, &["AlreadyFederated", VERDICT])?;
    assert_stamp(&scene, "web", None).await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn what_would_take_the_place_of_something_else_cannot_opt_in() -> Result<()> {
    let scene = Scene::new("opt-in-conflict").await?;
    bind(&scene, "member1", ALICE, "edit").await?;
    Workload::new("elsewhere").deploy(&scene, "member2").await?;
    scene.annotate("member2", "elsewhere", "true").await?;
    scene.until_phase("elsewhere", Phase::Promoted).await?;
    let by_hand = Workload::new("by-hand").replicas(0);
    scene.karmada.create(by_hand.object()).await?;
    let alice = Kubectl::of(&scene, "member1", ALICE);
    let enabled = format!("{ENABLED}=true");

    for (name, why) in [
        ("elsewhere", "is for a workload of that name in member2"),
        ("by-hand", "the control plane has a Deployment"),
    ] {
        create(&scene, name).await?;
        let annotate = ["annotate", "deployment", name, &enabled];
        let tried = [&annotate[..], &["--dry-run=server"]].concat();
        let told = ["ConflictingTemplate", VERDICT, why, "rename one of them"];
        // The webhook hears of the control plane a moment later.
        scene
            .eventually("an opt-in is rejected", async || {
                alice.run(&tried).await?.assert_error(1, &told)
            })
            .await?;
        alice.run(&annotate).await?.assert_error(1, &told)?;
        assert_stamp(&scene, name, None).await?;
        let kind = Kind::deployment();
        let deployment = scene.member("member1").get(&kind, name).await?;
        let annotations = &deployment["metadata"]["annotations"];
        ensure!(annotations[ENABLED].is_null(), "{annotations}");
    }
    let promotion = scene.karmada.find(&Kind::promotion(), "by-hand").await?;
    ensure!(promotion.is_none(), "{promotion:?}");
    Ok(())
}
