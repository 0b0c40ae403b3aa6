//! What somebody is told who opts a Deployment of member1 in, and what the Deployment then bears.

use anyhow::{Context as _, Result, ensure};
use promoter_api::marks::{OPT_IN_POLICY, REQUESTED_BY};

use super::{Answer, Kind, Scene, Workload, user::User};

/// Somebody who works in member1.
pub(crate) const ALICE: &str = "alice";

/// What stands in the warning of an opt-in that was accepted.
pub(crate) const ACCEPTED: &str = "will be promoted to Karmada";

/// How a rejection by the webhook begins.
pub(crate) const VERDICT: &str =
    "admission webhook \"verdict.promote.karmada.io\" denied the request";

/// Creates a Deployment without pods in member1.
pub(crate) async fn create(scene: &Scene, name: &str) -> Result<()> {
    let workload = Workload::new(name).replicas(0);
    scene.member("member1").create(workload.object()).await?;
    Ok(())
}

/// Alice's stamp, as the member's installation has it.
pub(crate) async fn stamp_of(scene: &Scene) -> Result<String> {
    let installation = installation(scene).await?;
    Ok(format!("{installation}:{ALICE}"))
}

/// Fails unless kubectl has said what happens next, and the stamp is there.
pub(crate) async fn assert_accepted(
    scene: &Scene,
    answer: &Answer,
    name: &str,
    stamp: &str,
) -> Result<()> {
    let subject = format!("{}/{name}", scene.namespace);
    let words = ["Warning", ACCEPTED, "kubectl promote status"];
    answer
        .assert_error(0, &words)
        .with_context(|| subject.clone())?;
    assert_stamp(scene, name, Some(stamp)).await
}

pub(crate) async fn assert_stamp(scene: &Scene, name: &str, stamp: Option<&str>) -> Result<()> {
    let deployment = scene
        .member("member1")
        .get(&Kind::deployment(), name)
        .await?;
    let found = deployment["metadata"]["annotations"][REQUESTED_BY].as_str();
    ensure!(found == stamp, "{name} bears {found:?}, not {stamp:?}");
    Ok(())
}

/// The name of the installation that pins stamps in member1.
pub(crate) async fn installation(scene: &Scene) -> Result<String> {
    let kind = Kind::new(
        "admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicy",
    );
    let policy = scene.member("member1").get(&kind, OPT_IN_POLICY).await?;
    let installation = policy["spec"]["variables"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|variable| variable["name"] == "installation")
        .and_then(|variable| variable["expression"].as_str())
        .context("the policy names no installation")?;
    Ok(installation.trim_matches('"').to_owned())
}

/// Waits until the roles of people have the verb that opting in takes, which the member adds to them
/// a moment after its admission was installed.
pub(crate) async fn until_may_promote(scene: &Scene, user: &str) -> Result<()> {
    let user = User::of(scene, user).await?;
    scene
        .eventually("the role has the verb", async || {
            let promote = ("promote", "apps", "deployments");
            let may = user.is_allowed(scene.member("member1"), &promote).await?;
            ensure!(may, "{} may not promote yet", user.name);
            Ok(())
        })
        .await
}
