//! Nobody but who opts in waits for a webhook that is away, and it can always be taken out.

use anyhow::{Result, ensure};
use promoter_api::{
    marks::{ENABLED, OPT_IN_POLICY},
    promotion::Phase,
};
use serde_json::json;

use crate::{
    from_templates::{let_go, policy},
    support::{
        Answer, Hub, Kind, Kubectl, Promoter, Scene, Workload, fleet,
        kubectl::bind,
        kubectl_promote,
        opting_in::{ALICE, assert_stamp, create, until_may_promote},
    },
};

/// Whether the webhook answers, and what becomes of an opt-in where it does not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Webhook {
    DownAndIgnored,
    DownAndMissed,
    Up,
}

/// Nobody waits for a webhook that is away, but who opts in.
pub(crate) async fn ordinary_updates_pass(scene: &Scene) -> Result<()> {
    let alice = Kubectl::of(scene, "member1", ALICE);
    for words in [
        &["scale", "deployment", "plain", "--replicas=1"][..],
        &[
            "set",
            "image",
            "deployment/plain",
            "app=registry.example/shop/web:2.0",
        ],
        &["label", "deployment", "plain", "tier=front"],
        &["rollout", "restart", "deployment/plain"],
        &["delete", "deployment", "plain"],
    ] {
        let answer = alice.run(words).await?;
        answer.assert_output(0, &["plain"])?;
    }
    Ok(())
}

/// A roll-out from the control plane arrives, and whoever works in the member goes on.
pub(crate) async fn what_is_federated_goes_on(scene: &Scene, webhook: Webhook) -> Result<()> {
    let deployments = Kind::deployment();
    scene.namespace_in_karmada().await?;
    scene.karmada.create(&policy("rolled")).await?;
    let template = Workload::new("rolled").replicas(0);
    let template = template.deployment(|it| {
        it["metadata"]["annotations"] = json!({(ENABLED): "true"});
    });
    scene.karmada.create(template.object()).await?;
    let member = scene.member("member1");
    let arrives = async |image: &str| {
        scene
            .eventually("it arrives", async || {
                let live = member.get(&deployments, "rolled").await?;
                let container = &live["spec"]["template"]["spec"]["containers"][0];
                ensure!(container["image"] == image, "{container}");
                Ok(())
            })
            .await
    };
    let image = &template.object()["spec"]["template"]["spec"]["containers"][0]["image"];
    arrives(image.as_str().unwrap_or_default()).await?;
    let alice = Kubectl::of(scene, "member1", ALICE);
    for words in [
        &["scale", "deployment", "rolled", "--replicas=1"][..],
        &["label", "deployment", "rolled", "tier=front"],
        &["rollout", "restart", "deployment/rolled"],
    ] {
        alice.run(words).await?.assert_output(0, &["rolled"])?;
    }
    let image = format!("registry.example/shop/web:{webhook:?}").to_lowercase();
    let words = ["set", "image", "deployment/rolled", &format!("app={image}")];
    scene.kubectl("karmada", &words).await?;
    arrives(&image).await?;
    let_go(scene, "rolled").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opt_in_that_nobody_answers_is_refused_or_kept_as_the_administrator_has_it() -> Result<()>
{
    let fleet = fleet::rough_without_promoter().await?;
    let promoter = Promoter::of(&fleet)?;
    let scene = Scene::on(fleet.clone(), "unanswered").await?;
    bind(&scene, "member1", ALICE, "edit").await?;
    let alice = Kubectl::of(&scene, "member1", ALICE);
    create(&scene, "web").await?;
    let enabled = format!("{ENABLED}=true");
    let annotate = ["annotate", "deployment", "web", &enabled];

    enable(&scene, &promoter, Webhook::DownAndMissed).await?;
    until_may_promote(&scene, ALICE).await?;
    let answer = alice.run(&annotate).await?;
    answer.assert_error(1, &["failed calling webhook", "verdict.promote.karmada.io"])?;

    enable(&scene, &promoter, Webhook::DownAndIgnored).await?;
    scene
        .eventually("the opt-in is kept", async || {
            alice.run(&annotate).await?.assert_output(0, &["annotated"])
        })
        .await?;
    assert_stamp(&scene, "web", None).await?;
    is_held(&scene).await?;

    // With the webhook down, all of it can be taken away, and nothing is left.
    let disable = ["member", "disable", "member1"];
    let answer = kubectl_promote(&scene, &disable).await?;
    answer.assert_output(
        0,
        &[
            "validatingwebhookconfigurations/opt-in.promote.karmada.io deleted",
            "mutatingwebhookconfigurations/opt-in.promote.karmada.io deleted",
            "validatingadmissionpolicies/opt-in.promote.karmada.io deleted",
        ],
    )?;
    let left = Kubectl::administrator(&scene, "member1")
        .run(&[
            "get",
            "mutatingwebhookconfigurations,validatingwebhookconfigurations,\
             validatingadmissionpolicies,validatingadmissionpolicybindings,clusterroles",
            "--selector=app.kubernetes.io/managed-by=karmada-promoter",
            "--output=name",
        ])
        .await?;
    ensure!(left.code == 0 && left.output.trim().is_empty(), "{left:?}");
    let answer = kubectl_promote(&scene, &disable).await?;
    answer.assert_output(0, &["has nothing of the promoter's"])
}

/// The hub promotes nothing for somebody whom nobody has named, and says so; the opt-in stays.
async fn is_held(scene: &Scene) -> Result<()> {
    let hub = Hub::start(scene, "promoter-unanswered", &["--leader-elect=false"]).await?;
    let held = (Some(Phase::Refused), Some("RequesterUnknown"));
    let words = ["nothing recorded it", "off and set it again"];
    scene.until_answer("member1", "web", held, &words).await?;
    let found = scene.karmada.find(&Kind::promotion(), "web").await?;
    ensure!(found.is_none(), "it is promoted: {found:?}");
    let member = scene.member("member1");
    let web = member.get(&Kind::deployment(), "web").await?;
    let value = &web["metadata"]["annotations"][ENABLED];
    ensure!(*value == "true", "the opt-in is {value}");
    hub.stop().await
}

#[tokio::test]
async fn the_api_server_finds_nothing_wrong_with_the_policies() -> Result<()> {
    let scene = Scene::new("policies").await?;
    let kind = Kind::new(
        "admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicy",
    );
    for name in [
        "guard.promote.karmada.io",
        OPT_IN_POLICY,
        "federated.promote.karmada.io",
    ] {
        let what = format!("{name} is checked");
        scene
            .eventually(&what, async || {
                let policy = scene.member("member1").get(&kind, name).await?;
                let checked = &policy["status"]["typeChecking"];
                ensure!(policy["status"]["observedGeneration"].is_i64(), "{policy}");
                ensure!(checked["expressionWarnings"].is_null(), "{checked}");
                Ok(())
            })
            .await?;
    }
    Ok(())
}

/// Installs the admission in member1, with the fleet's webhook, which is up or is brought down.
pub(crate) async fn enable(scene: &Scene, promoter: &Promoter, webhook: Webhook) -> Result<()> {
    let mut flags = promoter.flags().to_vec();
    if webhook == Webhook::DownAndIgnored {
        flags.push("--validating-failure-policy=Ignore".to_owned());
    }
    if webhook == Webhook::Up {
        promoter.until_ready().await?;
    } else {
        promoter.kill(&scene.fleet).await?;
    }
    let flags = flags.iter().map(String::as_str);
    let words: Vec<_> = ["member", "enable", "member1"]
        .into_iter()
        .chain(flags)
        .collect();
    let answer = kubectl_promote(scene, &words).await?;
    match webhook {
        Webhook::Up => answer.assert_output(0, &["stamps who opts in", &promoter.url()]),
        Webhook::DownAndIgnored => told_of_its_absence(&answer, "the hub holds it"),
        Webhook::DownAndMissed => told_of_its_absence(&answer, "nobody can opt in"),
    }
}

fn told_of_its_absence(answer: &Answer, consequence: &str) -> Result<()> {
    answer.assert_error(0, &["does not get an answer from the webhook", consequence])
}
