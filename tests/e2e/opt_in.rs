//! Whoever opts a Deployment in is answered while they wait, in whatever way they do.

use anyhow::{Context as _, Result, ensure};
use promoter_api::{
    marks::{ENABLED, REQUESTED_BY},
    promotion::Phase,
};
use serde_json::{Value, json};

use crate::support::{
    Answer, Before, Kind, Kubectl, Promoter, Scene, Workload, fleet, kubectl::bind, kubectl_promote,
};

const ALICE: &str = "alice";

/// What stands in the warning of an opt-in that was accepted.
const ACCEPTED: &str = "will be promoted to Karmada";

/// The ways to the webhook.
#[derive(Clone, Copy, Debug)]
enum Reached {
    Service,
    Url,
}

#[tokio::test]
async fn whoever_opts_in_is_answered_by_the_webhook_beside_the_hub() -> Result<()> {
    everything_is_answered(Reached::Url).await
}

#[tokio::test]
async fn whoever_opts_in_is_answered_by_the_webhook_in_the_member() -> Result<()> {
    everything_is_answered(Reached::Service).await
}

async fn everything_is_answered(reached: Reached) -> Result<()> {
    let fleet = fleet::rough_without_promoter().await?;
    let scene = Scene::on(fleet.clone(), "opt-in").await?;
    bind(&scene, "member1", ALICE, "edit").await?;
    let opt_in = format!("--opt-in=member1={},opt-in-*", scene.namespace);
    let webhook = Promoter::start(&fleet, "promoter-webhook", &[&opt_in]).await?;
    webhook.until_ready().await?;
    let at = match reached {
        Reached::Service => {
            let default = scene.member("member1").within("default");
            default.ensure(&service_of(&webhook)).await?;
            let name = &webhook.name;
            format!("--webhook-service=default/{name}:{}", webhook.port())
        }
        Reached::Url => format!("--webhook-url={}", webhook.url()),
    };
    let authority = format!("--ca-file={}", webhook.authority().display());
    let enable = ["member", "enable", "member1", &at, &authority];
    let enabled = kubectl_promote(&scene, &enable).await?;
    let place = at.split_once('=').context("a flag has a value")?.1;
    enabled.assert_output(0, &["member1 is guarded", "stamps who opts in", place])?;
    ensure!(enabled.error.is_empty(), "{enabled:?}");

    let stamp = stamp_of(&scene).await?;
    created(&scene, &stamp).await?;
    changed(&scene, &stamp).await?;
    edited(&scene, &stamp).await?;
    several(&scene, &stamp).await?;
    only_tried(&scene).await?;
    namespaces(&scene).await?;
    rejected(&scene).await
}

/// What is created with its annotation already.
async fn created(scene: &Scene, stamp: &str) -> Result<()> {
    let alice = Kubectl::of(scene, "member1", ALICE);
    for words in [
        &["create"][..],
        &["apply"],
        &["apply", "--server-side"],
        &["create", "--save-config"],
    ] {
        let name = format!("new-{}", words.join("").replace("--", "-"));
        let answer = alice.give(words, &opted_in(&name)).await?;
        answer.assert_output(0, &[&name])?;
        assert_accepted(scene, &answer, &name, stamp).await?;
    }
    let mut nameless = opted_in("generated");
    nameless["metadata"] = json!({
        "annotations": {(ENABLED): "true"}, "generateName": "generated-",
    });
    let answer = alice.give(&["create", "--output=name"], &nameless).await?;
    let name = answer.output.trim().rsplit('/').next().unwrap_or_default();
    ensure!(name.starts_with("generated-"), "{answer:?}");
    assert_accepted(scene, &answer, name, stamp).await
}

/// What is there, and is annotated.
async fn changed(scene: &Scene, stamp: &str) -> Result<()> {
    let alice = Kubectl::of(scene, "member1", ALICE);
    let annotations = json!({"metadata": {"annotations": {(ENABLED): "true"}}}).to_string();
    let json = json!([{
        "op": "add", "path": "/metadata/annotations", "value": {(ENABLED): "true"},
    }]);
    let json = json.to_string();
    let enabled = format!("{ENABLED}=true");
    for (name, words) in [
        (
            "annotated",
            vec!["annotate", "deployment", "annotated", &enabled],
        ),
        (
            "json",
            vec!["patch", "deployment", "json", "--type=json", "-p", &json],
        ),
        (
            "merge",
            vec![
                "patch",
                "deployment",
                "merge",
                "--type=merge",
                "-p",
                &annotations,
            ],
        ),
        (
            "strategic",
            vec!["patch", "deployment", "strategic", "-p", &annotations],
        ),
    ] {
        create(scene, name).await?;
        let answer = alice.run(&words).await?;
        answer.assert_output(0, &[name])?;
        assert_accepted(scene, &answer, name, stamp).await?;
    }
    for (name, words) in [
        ("applied", &["apply"][..]),
        ("server-side", &["apply", "--server-side"]),
    ] {
        let first = alice
            .give(words, Workload::new(name).replicas(0).object())
            .await?;
        first.assert_output(0, &[name])?;
        ensure!(!first.error.contains("Warning"), "{first:?}");
        let answer = alice.give(words, &opted_in(name)).await?;
        assert_accepted(scene, &answer, name, stamp).await?;
    }
    create(scene, "replaced").await?;
    let answer = alice.give(&["replace"], &opted_in("replaced")).await?;
    answer.assert_output(0, &["replaced"])?;
    assert_accepted(scene, &answer, "replaced", stamp).await
}

/// In an editor; then with another label, which is no opt-in any more.
async fn edited(scene: &Scene, stamp: &str) -> Result<()> {
    let alice = Kubectl::of(scene, "member1", ALICE);
    let workload = Workload::new("edited").replicas(0);
    let workload = workload.deployment(|it| it["metadata"]["annotations"] = json!({"a": "b"}));
    scene.member("member1").create(workload.object()).await?;
    let editor = format!("sed -i 's|^  annotations:|  annotations:\\n    {ENABLED}: \"true\"|'");
    let answer = alice
        .edit(&["edit", "deployment", "edited"], &editor)
        .await?;
    answer.assert_output(0, &["edited"])?;
    assert_accepted(scene, &answer, "edited", stamp).await?;

    let words = ["label", "deployment", "edited", "tier=front"];
    let answer = alice.run(&words).await?;
    answer.assert_output(0, &["labeled"])?;
    ensure!(answer.error.is_empty(), "{answer:?}");
    assert_stamp(scene, "edited", Some(stamp)).await
}

/// Each of several is answered by itself.
async fn several(scene: &Scene, stamp: &str) -> Result<()> {
    let names = ["one", "two", "three"];
    for name in names {
        create(scene, name).await?;
    }
    let enabled = format!("{ENABLED}=true");
    let words = [&["annotate", "deployment"], &names[..], &[&enabled]].concat();
    let answer = Kubectl::of(scene, "member1", ALICE).run(&words).await?;
    for name in names {
        assert_accepted(scene, &answer, name, stamp).await?;
    }
    Ok(())
}

/// A dry run is answered in the same way, and nothing is changed.
async fn only_tried(scene: &Scene) -> Result<()> {
    let alice = Kubectl::of(scene, "member1", ALICE);
    let member = scene.member("member1");
    create(scene, "tried").await?;
    let enabled = format!("{ENABLED}=true");
    let words = [
        "annotate",
        "deployment",
        "tried",
        &enabled,
        "--dry-run=server",
    ];
    let answer = alice.run(&words).await?;
    answer.assert_output(0, &["tried", "server dry run"])?;
    ensure!(answer.error.contains(ACCEPTED), "{answer:?}");
    let words = ["create", "--dry-run=server"];
    let answer = alice.give(&words, &opted_in("tried-anew")).await?;
    ensure!(answer.error.contains(ACCEPTED), "{answer:?}");

    let tried = member.get(&Kind::deployment(), "tried").await?;
    let annotations = &tried["metadata"]["annotations"];
    ensure!(annotations[ENABLED].is_null(), "{annotations}");
    assert_stamp(scene, "tried", None).await?;
    let anew = member.find(&Kind::deployment(), "tried-anew").await?;
    ensure!(anew.is_none(), "{anew:?}");
    Ok(())
}

/// A namespace opts in by its label, and whoever sets it is stamped.
async fn namespaces(scene: &Scene) -> Result<()> {
    let administrator = Kubectl::administrator(scene, "member1");
    let enabled = format!("{ENABLED}=true");
    let words = ["label", "namespace", &scene.namespace, &enabled];
    let answer = administrator.run(&words).await?;
    answer.assert_output(0, &["labeled"])?;
    answer.assert_error(0, &["Warning", ACCEPTED])?;
    let member = scene.member("member1");
    let namespace = member.get(&Kind::namespace(), &scene.namespace).await?;
    let stamp = namespace["metadata"]["annotations"][REQUESTED_BY].as_str();
    let user = member.myself().await?;
    let user = user["username"].as_str().context("a user has a name")?;
    ensure!(
        stamp.is_some_and(|stamp| stamp.ends_with(&format!(":{user}"))),
        "{namespace}"
    );

    let words = [
        "label",
        "namespace",
        &scene.namespace,
        &format!("{ENABLED}-"),
    ];
    administrator
        .run(&words)
        .await?
        .assert_output(0, &["unlabeled"])
}

/// What cannot be promoted is rejected, and nothing is changed.
async fn rejected(scene: &Scene) -> Result<()> {
    let alice = Kubectl::of(scene, "member1", ALICE);
    create(scene, "web").await?;
    for value in ["yes", "True", ""] {
        let enabled = format!("{ENABLED}={value}");
        let answer = alice
            .run(&["annotate", "deployment", "web", &enabled])
            .await?;
        let told = format!(r#"must be "true" or "false", not "{value}""#);
        answer.assert_error(1, &[ENABLED, &told])?;
    }
    assert_stamp(scene, "web", None).await?;

    let administrator = Kubectl::administrator(scene, "member1");
    for (namespace, words) in [
        ("kube-system", ["NamespaceReserved", "kube-system"]),
        ("default", ["NamespaceNotAllowed", "default"]),
    ] {
        let mut deployment = opted_in("web");
        deployment["metadata"]["namespace"] = json!(namespace);
        let namespace = format!("--namespace={namespace}");
        let create = ["create", "--dry-run=server", &namespace];
        let answer = administrator.give(&create, &deployment).await?;
        answer.assert_error(1, &[words[0], VERDICT, words[1]])?;
    }
    Ok(())
}

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
    arrives(&scene).await
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

const VERDICT: &str = "admission webhook \"verdict.promote.karmada.io\" denied the request";

/// A Service that leads to this machine.
fn service_of(webhook: &Promoter) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": webhook.name},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    })
}

/// A Deployment without pods that opts in.
fn opted_in(name: &str) -> Value {
    let workload = Workload::new(name).replicas(0);
    let annotated =
        workload.deployment(|it| it["metadata"]["annotations"] = json!({(ENABLED): "true"}));
    annotated.object().clone()
}

async fn create(scene: &Scene, name: &str) -> Result<()> {
    let workload = Workload::new(name).replicas(0);
    scene.member("member1").create(workload.object()).await?;
    Ok(())
}

/// Alice's stamp, as the member's installation has it.
async fn stamp_of(scene: &Scene) -> Result<String> {
    let installation = crate::stamps::installation(scene).await?;
    Ok(format!("{installation}:{ALICE}"))
}

/// Fails unless kubectl has said what happens next, and the stamp is there.
async fn assert_accepted(scene: &Scene, answer: &Answer, name: &str, stamp: &str) -> Result<()> {
    let subject = format!("{}/{name}", scene.namespace);
    let words = ["Warning", ACCEPTED, "kubectl promote status"];
    answer
        .assert_error(0, &words)
        .with_context(|| subject.clone())?;
    assert_stamp(scene, name, Some(stamp)).await
}

async fn assert_stamp(scene: &Scene, name: &str, stamp: Option<&str>) -> Result<()> {
    let deployment = scene
        .member("member1")
        .get(&Kind::deployment(), name)
        .await?;
    let found = deployment["metadata"]["annotations"][REQUESTED_BY].as_str();
    ensure!(found == stamp, "{name} bears {found:?}, not {stamp:?}");
    Ok(())
}
