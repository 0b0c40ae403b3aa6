//! Whoever opts a Deployment in is answered while they wait, in whatever way they do.

use anyhow::{Context as _, Result, ensure};
use promoter_api::marks::{ENABLED, REQUESTED_BY};
use serde_json::{Value, json};

use crate::support::{
    Kind, Kubectl, Promoter, Scene, Workload, fleet,
    kubectl::bind,
    kubectl_promote,
    opting_in::{
        ACCEPTED, ALICE, VERDICT, assert_accepted, assert_stamp, create, stamp_of,
        until_may_promote,
    },
};

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
    until_may_promote(&scene, ALICE).await?;
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

/// Each of several is answered by itself, also when all ask at the same time.
async fn several(scene: &Scene, stamp: &str) -> Result<()> {
    let names: Vec<_> = (0..10).map(|number| format!("one-of-{number}")).collect();
    for name in &names {
        create(scene, name).await?;
    }
    let enabled = format!("{ENABLED}=true");
    let alice = Kubectl::of(scene, "member1", ALICE);
    let asked = names.iter().map(async |name| {
        let answer = alice
            .run(&["annotate", "deployment", name, &enabled])
            .await?;
        assert_accepted(scene, &answer, name, stamp).await
    });
    futures::future::try_join_all(asked).await?;
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
        let flag = format!("--namespace={namespace}");
        let create = ["create", "--dry-run=server", &flag];
        let answer = administrator.give(&create, &deployment).await?;
        answer.assert_error(1, &[words[0], VERDICT, words[1]])?;
        let words = [words[0], VERDICT, "Namespace"];
        let label = ["label", "namespace", namespace, "--dry-run=server"];
        let enabled = format!("{ENABLED}=true");
        let answer = administrator
            .run(&[&label[..], &[&enabled]].concat())
            .await?;
        answer.assert_error(1, &words)?;
    }
    Ok(())
}

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
