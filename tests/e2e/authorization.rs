//! Who may have what promoted.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use promoter_api::{promotion::Phase, reason::Reason};
use serde_json::{Value, json};

use crate::support::{
    Before, Kind, Rules, Scene, Workload, fleet, kubectl_promote,
    user::{IN_MEMBER, Right, TO_RELEASE, User},
};

pub(crate) const PROMOTE: [&str; 3] = ["deployment/web", "-C", "member1"];

#[tokio::test]
async fn who_may_do_it_all_may_have_it_promoted_and_released() -> Result<()> {
    let scene = Scene::new("may").await?;
    let before = running(&scene).await?;
    let alice = User::without(&scene, "alice", &[], &[]).await?;

    let answer = alice.kubectl_promote(&PROMOTE).await?;

    answer.assert_output(0, &["Promoted"])?;
    before.assert_untouched().await?;
    let promotion = scene.until_phase("web", Phase::Promoted).await?;
    ensure!(promotion["spec"]["requester"]["username"] == "alice");
    assert_authorized(&promotion, "True", "Allowed", "alice")?;

    alice.may("karmada", TO_RELEASE).await?;
    let answer = alice
        .kubectl_promote(&["release", "deployment/web"])
        .await?;
    answer.assert_output(0, &["Released"])?;
    before.assert_untouched().await?;
    scene.assert_nothing_federated().await
}

/// Somebody may read everything but a Secret, in the member or in the control plane, and asks the
/// promoter to look for them.
#[tokio::test]
async fn what_one_may_not_create_is_not_created_for_them() -> Result<()> {
    let scene = Scene::new("may-not-create").await?;
    let before = running(&scene).await?;
    let missing: [Right; 1] = [("create", "apps", "deployments")];
    let bob = User::without(&scene, "bob", &[], &missing).await?;

    scene
        .promote_as(&bob.karmada, "web", "member1", json!({}))
        .await?;

    let words = ["user bob", "create deployments.apps", "the control plane"];
    let promotion = scene.refused("web", Reason::NotAuthorized, &words).await?;
    assert_authorized(&promotion, "False", "NotAuthorized", "bob")?;
    ensure!(promotion["status"].get("dependencies").is_none());
    before.assert_untouched().await?;

    // Given the right, asking again is all that is needed.
    bob.may("karmada", &missing).await?;
    scene.ask_again("web").await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn what_is_promoted_is_changed_and_released_only_by_who_may() -> Result<()> {
    let scene = Scene::new("may-not-release").await?;
    let before = running(&scene).await?;
    scene.promoted("web", "member1").await?;
    // Bob might promote it, but not take its template away.
    let bob = User::without(&scene, "bob", &[], &[]).await?;
    let policies = Kind::propagation_policy();
    let policy = scene.karmada.get(&policies, "deployment.web").await?;

    let answer = bob.kubectl_promote(&["release", "deployment/web"]).await?;

    let words = [
        "refused:",
        "NotAuthorized",
        "bob",
        "delete deployments.apps",
    ];
    answer.assert_error(3, &words)?;
    let words = ["user bob", "delete deployments.apps/web"];
    scene
        .until_warned(&scene.karmada, "Promotion", "web", "NotAuthorized", &words)
        .await?;
    let promotion = scene.until_phase("web", Phase::Promoted).await?;
    assert_authorized(&promotion, "False", "NotAuthorized", "bob")?;

    // Whoever may sets it back with the command, before their own edits ask for it, too.
    let answer = kubectl_promote(&scene, &[&PROMOTE[..], &["--dry-run"]].concat()).await?;
    answer.assert_error(0, &["promoted already", "set back"])?;
    let answer = kubectl_promote(&scene, &PROMOTE).await?;
    answer.assert_output(0, &["Promoted"])?;
    let promotion = scene.until_phase("web", Phase::Promoted).await?;
    ensure!(promotion["spec"]["desiredState"] == "Promoted");
    assert_authorized(&promotion, "True", "Allowed", "may have it")?;
    before.assert_untouched().await?;

    let preserve = json!({"desiredState": "Promoted", "onClusterRemoval": "Preserve"});
    scene.edit_as(&bob.karmada, "web", preserve).await?;

    let promotion = scene.until_phase("web", Phase::Promoted).await?;
    let permission = "update propagationpolicies.policy.karmada.io/deployment.web";
    assert_authorized(&promotion, "False", "NotAuthorized", permission)?;
    let now = scene.karmada.get(&policies, "deployment.web").await?;
    ensure!(now["spec"] == policy["spec"], "{now}");
    before.assert_untouched().await?;

    scene.released("web").await?;
    before.assert_untouched().await?;
    scene.assert_nothing_federated().await
}

#[tokio::test]
async fn an_attempt_of_one_is_nothing_to_another() -> Result<()> {
    let scene = Scene::new("may-not-look").await?;
    let before = running(&scene).await?;
    scene.namespace_in_karmada().await?;
    let settings = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "web-settings"},
        "data": {"GREETING": "good evening"},
    });
    scene.karmada.create(&settings).await?;
    scene.promote("web", "member1").await?;
    let words = ["ConfigMap/web-settings"];
    scene
        .refused_beside("web", Reason::DependencyConflict, &words)
        .await?;

    let bob = User::new(&scene, "bob").await?;
    scene
        .edit_as(&bob.karmada, "web", json!({"desiredState": "Observed"}))
        .await?;

    let words = ["user bob", "get deployments.apps/web", "the control plane"];
    let promotion = scene
        .refused_beside("web", Reason::NotAuthorized, &words)
        .await?;
    let status = promotion["status"].to_string();
    ensure!(!status.contains("web-settings"), "{status}");
    before.assert_untouched().await
}

#[tokio::test]
async fn a_promotion_of_nobody_is_held_until_somebody_asks() -> Result<()> {
    let scene = Scene::new("nobody").await?;
    let before = running(&scene).await?;
    // Nobody but the hub could write one that names nobody.
    let hub = scene.karmada_as_hub().await?;
    let nobody = json!({"requester": null});
    scene.promote_as(&hub, "web", "member1", nobody).await?;
    let words = ["Deployment/web", "member1", "kubectl promote"];
    scene
        .refused("web", Reason::RequesterUnknown, &words)
        .await?;

    scene.edit("web", json!({})).await?;

    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn a_members_user_counts_in_that_member_only() -> Result<()> {
    let scene = Scene::new("other-member").await?;
    let before = running(&scene).await?;
    // In the control plane this is the name of somebody who may do everything.
    let user = |cluster: &str| {
        json!({"requester": {
            "cluster": cluster, "groups": ["system:masters"], "username": "admin",
        }})
    };

    let hub = scene.karmada_as_hub().await?;
    scene
        .promote_as(&hub, "web", "member1", user("member2"))
        .await?;

    let words = ["admin of cluster member2", "Deployment/web", "member1"];
    scene.refused("web", Reason::NotAuthorized, &words).await?;
    before.assert_untouched().await?;

    // Nor may they do more than opt in.
    let observed = json!({"desiredState": "Observed", "requester": {"cluster": "member1"}});
    let patch = json!({ "spec": observed });
    let promotions = Kind::promotion();
    hub.patch(&promotions, "web", &patch).await?;
    let words = ["admin of cluster member1", "observing"];
    scene.refused("web", Reason::NotAuthorized, &words).await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn a_cluster_opts_in_only_where_the_hub_lets_it() -> Result<()> {
    let fleet =
        fleet::rough(&["--opt-in", "member1=opt-in-*,shop", "--opt-in", "edge-*=*"]).await?;
    let denied = Scene::on(Arc::clone(&fleet), "not-allowed").await?;
    let before = running(&denied).await?;

    denied.annotate("member1", "web", "true").await?;

    let member = denied.member("member1");
    let words = ["member1", denied.namespace.as_str(), "--opt-in"];
    let reason = "NamespaceNotAllowed";
    denied
        .until_warned(member, "Deployment", "web", reason, &words)
        .await?;
    let name = denied.namespace.as_str();
    let found = denied.karmada.find(&Kind::namespace(), name).await?;
    ensure!(found.is_none(), "the control plane has the namespace");

    // Whatever door such a Promotion comes by.
    let user = json!({"requester": {"cluster": "member1", "username": "carol"}});
    let hub = denied.karmada_as_hub().await?;
    denied.promote_as(&hub, "web", "member1", user).await?;
    denied
        .refused("web", Reason::NamespaceNotAllowed, &words)
        .await?;
    before.assert_untouched().await?;

    let allowed = Scene::on(Arc::clone(&fleet), "opt-in").await?;
    let before = running(&allowed).await?;
    allowed.annotate("member1", "web", "true").await?;
    let promotion = allowed.until_phase("web", Phase::Promoted).await?;
    ensure!(promotion["spec"]["requester"]["cluster"] == "member1");
    assert_authorized(&promotion, "True", "OptedIn", "member1")?;
    before.assert_untouched().await
}

/// What is refused without a question tells the member nothing either.
#[tokio::test]
async fn who_may_not_have_it_writes_nothing_into_a_member() -> Result<()> {
    let scene = Scene::new("may-not-write").await?;
    let before = running(&scene).await?;
    let bob = User::new(&scene, "bob").await?;
    let kind = json!({"workload": {"apiVersion": "example.com/v1", "kind": "Note", "name": "web"}});

    scene
        .promote_as(&bob.karmada, "web", "member1", kind)
        .await?;

    let promotion = scene.until_phase("web", Phase::Refused).await?;
    ensure!(promotion["status"]["reason"] == "UnsupportedKind");
    let word = Reason::UnsupportedKind.to_string();
    scene
        .until_warned(&scene.karmada, "Promotion", "web", &word, &["Note"])
        .await?;
    // The member's event follows the Promotion's, in the same breath as the next answer.
    scene.ask_again("web").await?;
    scene.until_answered("web").await?;
    let events = scene.member("member1").list(&Kind::event()).await?;
    let told = events.iter().find(|event| event["reason"] == word);
    ensure!(told.is_none(), "{told:?}");
    before.assert_untouched().await
}

/// A member that cannot say what somebody may do does not allow it.
#[tokio::test]
async fn who_cannot_be_asked_about_waits() -> Result<()> {
    let scene = Scene::new("unanswered").await?;
    let before = running(&scene).await?;
    let dave = User::without(&scene, &format!("dave-{}", scene.namespace), &[], &[]).await?;
    let mut rules = unanswered(&scene, &dave).await?;

    scene
        .promote_as(&dave.karmada, "web", "member1", json!({}))
        .await?;

    scene
        .eventually("it is told that nobody answers", async || {
            let promotion = scene.karmada.get(&Kind::promotion(), "web").await?;
            let words = "cannot be found out";
            assert_authorized(&promotion, "Unknown", "Unanswered", words)?;
            assert_authorized(&promotion, "Unknown", "Unanswered", "cluster member1")
        })
        .await?;
    scene.assert_nothing_federated().await?;

    rules.lift().await?;
    let promotion = scene.until_phase("web", Phase::Promoted).await?;
    assert_authorized(&promotion, "True", "Allowed", &dave.name)?;
    before.assert_untouched().await
}

/// Has a member answer no question about a user. Returns when that is so.
async fn unanswered(scene: &Scene, user: &User<'_>) -> Result<Rules> {
    let about = format!("object.spec.user == '{}'", user.name);
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": user.name},
        "webhooks": [{
            "admissionReviewVersions": ["v1"],
            // Nobody listens there.
            "clientConfig": {"url": "https://127.0.0.1:1/"},
            "failurePolicy": "Fail",
            "matchConditions": [{"name": "user", "expression": about}],
            "name": "unanswered.example.com",
            "rules": [{
                "apiGroups": ["authorization.k8s.io"],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["subjectaccessreviews"],
            }],
            "sideEffects": "None",
        }],
    });
    let rules = Rules::create(scene, "member1", &[configuration]).await?;
    scene
        .eventually("the member does not answer", async || {
            let answer = user
                .is_allowed(scene.member("member1"), &IN_MEMBER[0])
                .await;
            ensure!(answer.is_err(), "it answers");
            Ok(())
        })
        .await?;
    Ok(rules)
}

/// A typical workload that runs in member1.
pub(crate) async fn running(scene: &Scene) -> Result<Before> {
    Workload::typical("web").deploy(scene, "member1").await?;
    Before::take(scene, "member1", "web").await
}

/// Fails unless the condition `Authorized` says this, of the spec as it is.
fn assert_authorized(promotion: &Value, status: &str, reason: &str, word: &str) -> Result<()> {
    let conditions = promotion["status"]["conditions"].as_array();
    let authorized = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Authorized")
        .context("no condition Authorized")?;
    let message = authorized["message"].as_str().unwrap_or_default();
    ensure!(
        authorized["status"] == status
            && authorized["reason"] == reason
            && message.contains(word)
            && authorized["observedGeneration"] == promotion["metadata"]["generation"],
        "{authorized} of {}",
        promotion["metadata"]["generation"]
    );
    Ok(())
}
