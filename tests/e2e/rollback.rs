//! A promotion that goes wrong after the commit is rolled back by itself.
//!
//! The member lets the rehearsal pass and refuses Karmada's write itself, for good. The promoter
//! gives up after seconds here, not after a minute.

use std::sync::Arc;

use anyhow::{Result, ensure};
use futures::future::try_join5;
use promoter_api::{promotion::Phase, reason::Reason};
use promoter_fleet::Fleet;

use crate::support::{
    Before, INJECTED, Injects, Kind, Rules, Scene, Webhook, Workload, fleet, kubectl_promote,
    marks, until_running,
};

const SAYS: &str = "the shop is closed";
pub(crate) const REHEARSALS_ONLY: &str = "has(request.dryRun) && request.dryRun";

#[tokio::test]
async fn a_refused_commit_is_rolled_back_by_itself() -> Result<()> {
    let limits = ["--commit-timeout", "20", "--staging-timeout", "60"];
    let fleet = fleet::rough(&limits).await?;
    Box::pin(try_join5(
        alone(&fleet),
        beside_another(&fleet),
        deceived(&fleet),
        unanswered(&fleet),
        unrendered(&fleet),
    ))
    .await?;
    Ok(())
}

/// A workload with dependencies of its own, which are let go of too.
async fn alone(fleet: &Arc<Fleet>) -> Result<()> {
    let scene = Scene::on(Arc::clone(fleet), "rolled-back").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let mut rules = Rules::refuse_karmada(&scene, "member1", REHEARSALS_ONLY, SAYS).await?;
    scene.annotate("member1", "web", "true").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    // The dependencies are taken over first, and so have to be let go of.
    scene
        .eventually("Karmada takes a dependency over", async || {
            let member = scene.member("member1");
            let settings = member.get(&Kind::config_map(), "web-settings").await?;
            ensure!(marks::is_managed(&settings), "{}", settings["metadata"]);
            Ok(())
        })
        .await?;

    let words = ["Deployment/web", "member1", SAYS, "rolled back"];
    let failed = Phase::Failed;
    scene
        .told_why("web", failed, Reason::CommitRefused, &words)
        .await?;

    scene.assert_nothing_federated().await?;
    before.assert_untouched().await?;
    let member = scene.member("member1");
    assert_only_opted_in(&scene).await?;
    for kind in [Kind::config_map(), Kind::secret()] {
        for object in member.list(&kind).await? {
            ensure!(marks::traces(&object).is_empty(), "{}", object["metadata"]);
        }
    }
    scene
        .until_warned(member, "Deployment", "web", "CommitRefused", &words)
        .await?;

    rules.lift().await?;
    scene.ask_again("web").await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await
}

/// A workload that shares a dependency with one that is promoted, which keeps it.
async fn beside_another(fleet: &Arc<Fleet>) -> Result<()> {
    let scene = Scene::on(Arc::clone(fleet), "shared-rolled-back").await?;
    let mut befores = Vec::new();
    for name in ["api", "web"] {
        let workload = Workload::new(name).config_map("settings");
        workload.deploy(&scene, "member1").await?;
        befores.push(Before::take(&scene, "member1", name).await?);
    }
    scene.promoted("api", "member1").await?;
    let unless = format!("object.metadata.name == 'api' || ({REHEARSALS_ONLY})");
    let mut rules = Rules::refuse_karmada(&scene, "member1", &unless, SAYS).await?;

    let words = ["deployment/web", "-C", "member1"];
    let answer = kubectl_promote(&scene, &words).await?;

    let words = ["failed and rolled back", "CommitRefused", SAYS];
    answer.assert_error(4, &words)?;
    let failed = Phase::Failed;
    scene
        .told_why("web", failed, Reason::CommitRefused, &[SAYS])
        .await?;
    let policies = scene.karmada.list(&Kind::propagation_policy()).await?;
    let left: Vec<_> = policies
        .iter()
        .map(|policy| &policy["metadata"]["name"])
        .collect();
    ensure!(
        left == ["configmap.settings", "deployment.api"],
        "the policies are {left:?}"
    );
    let settings = scene.karmada.find(&Kind::config_map(), "settings").await?;
    ensure!(settings.is_some(), "api has lost its settings");
    let member = scene.member("member1");
    let settings = member.get(&Kind::config_map(), "settings").await?;
    ensure!(marks::is_managed(&settings), "{}", settings["metadata"]);
    let web = member.get(&Kind::deployment(), "web").await?;
    ensure!(marks::traces(&web).is_empty(), "{}", web["metadata"]);
    for before in &befores {
        before.assert_untouched().await?;
    }
    rules.lift().await
}

/// A workload whose pods a webhook of the member changes, but not in a rehearsal. Nothing can keep
/// the pods from being replaced then; it is found out, told, and Karmada lets go.
async fn deceived(fleet: &Arc<Fleet>) -> Result<()> {
    let scene = Scene::on(Arc::clone(fleet), "deceived").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let _webhook = Webhook::start(&scene, "member1", Injects::InSecret).await?;

    scene.promote("web", "member1").await?;

    let words = ["Deployment/web", "member1", "not what it was before"];
    let failed = Phase::Failed;
    scene
        .told_why("web", failed, Reason::VerificationFailed, &words)
        .await?;
    scene.assert_nothing_federated().await?;
    marks::assert_no_trace(&scene, "member1").await?;
    let member = scene.member("member1");
    let web = member.get(&Kind::deployment(), "web").await?;
    let injected = &web["spec"]["template"]["metadata"]["annotations"][INJECTED];
    ensure!(injected == "true", "{}", web["spec"]);
    until_running(&scene, "member1", "web").await
}

/// A workload that is not even committed: a webhook of the member does not answer, and what was
/// staged is not left waiting forever.
async fn unanswered(fleet: &Arc<Fleet>) -> Result<()> {
    let scene = Scene::on(Arc::clone(fleet), "unanswered").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let webhook = Webhook::start(&scene, "member1", Injects::Always).await?;
    webhook.hang_up();

    scene.promote("web", "member1").await?;

    let words = ["member1", "inject.webhook.example", "not answered"];
    scene
        .refused("web", Reason::RehearsalImpossible, &words)
        .await?;
    before.assert_untouched().await
}

/// A workload that Karmada makes no binding of, so that there is nothing to rehearse.
async fn unrendered(fleet: &Arc<Fleet>) -> Result<()> {
    let scene = Scene::on(Arc::clone(fleet), "unrendered").await?;
    Workload::new("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let mut rules = Rules::forbid_bindings(&scene).await?;

    scene.promote("web", "member1").await?;

    let words = ["Deployment/web", "ResourceBinding web-deployment"];
    scene.refused("web", Reason::StagingFailed, &words).await?;
    before.assert_untouched().await?;

    rules.lift().await?;
    scene.ask_again("web").await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await
}

/// Fails unless the Deployment bears the person's opt-in, and nothing else of Karmada's keys.
async fn assert_only_opted_in(scene: &Scene) -> Result<()> {
    let member = scene.member("member1");
    let deployment = member.get(&Kind::deployment(), "web").await?;
    let opt_in = ("promote.karmada.io/enabled".to_owned(), "true".to_owned());
    let left = marks::traces(&deployment);
    ensure!(left == [opt_in.clone()], "the Deployment bears {left:?}");
    for replica_set in member.list(&Kind::replica_set()).await? {
        let left = marks::traces(&replica_set);
        ensure!(
            left.iter().all(|mark| *mark == opt_in),
            "its ReplicaSet bears {left:?}"
        );
    }
    Ok(())
}
