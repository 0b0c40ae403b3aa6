//! What opts in is held until somebody can be named who asked.

use std::sync::Arc;

use anyhow::{Result, ensure};
use promoter_api::{
    marks::{ENABLED, OPT_IN_POLICY, REQUESTED_BY},
    promotion::Phase,
};
use promoter_installation::member::{Admission, Member, default_karmada_user};
use serde_json::{Value, json};

use crate::{
    from_templates::{let_go, policy},
    support::{Before, Cluster, Hub, Identity, Kind, Scene, Workload, fleet},
};

const INSTALLATION: &str = "5eed0a1b2c3d4e5f";
const HELD: (Option<Phase>, Option<&str>) = (Some(Phase::Refused), Some("RequesterUnknown"));
const PROMOTED: (Option<Phase>, Option<&str>) = (Some(Phase::Promoted), None);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opt_in_is_held_until_somebody_can_be_named() -> Result<()> {
    let fleet = fleet::rough_without_promoter().await?;
    let scene = Scene::on(Arc::clone(&fleet), "unstamped").await?;
    remove(&scene).await?;
    let hub = Hub::start(&scene, "promoter-unstamped", &["--leader-elect=false"]).await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;

    forged(&scene).await?;
    before.assert_untouched().await?;
    install(&scene).await?;
    asked_again(&scene).await?;
    before.assert_untouched().await?;
    pinned_again(&scene).await?;
    left_behind(&scene).await?;
    by_namespace(&scene).await?;

    remove(&scene).await?;
    hub.stop().await
}

/// Where nothing pins stamps, everybody can write one, and it is not believed; nor is it later.
async fn forged(scene: &Scene) -> Result<()> {
    // The installation of the member will have a name that nobody could know.
    let forged = json!({(ENABLED): "true", (REQUESTED_BY): "0123456789abcdef:alice"});
    // An API server goes on with a policy for a moment after it is gone.
    scene
        .eventually("nothing pins stamps", async || {
            scene
                .set_annotations("member1", "web", forged.clone())
                .await
        })
        .await?;
    let words = [
        "member1",
        "not installed",
        "`kubectl promote member enable member1`",
        "off and set it again",
    ];
    let member = scene.member("member1");
    scene
        .until_warned(member, "Deployment", "web", "RequesterUnknown", &words)
        .await?;
    scene.until_answer("member1", "web", HELD, &words).await?;
    assert_nothing_begun(scene).await
}

/// Somebody who may opts in anew, when that is recorded.
async fn asked_again(scene: &Scene) -> Result<()> {
    let words = ["nothing recorded it", "off and set it again"];
    scene.until_answer("member1", "web", HELD, &words).await?;
    assert_nothing_begun(scene).await?;

    let bob = bob(scene).await?;
    let off = json!({"metadata": {"annotations": {(ENABLED): null, (REQUESTED_BY): null}}});
    bob.patch(&Kind::deployment(), "web", &off).await?;
    scene
        .until_answer("member1", "web", (None, None), &[])
        .await?;
    opt_in_as_bob(scene, &bob, "web").await?;

    let promotion = scene.until_phase("web", Phase::Promoted).await?;
    assert_requester(&promotion, "bob")?;
    scene.until_answer("member1", "web", PROMOTED, &[]).await
}

/// An administrator who puts the same policy back says by that that it may be believed what was
/// written meanwhile. (`kubectl promote member enable` gives it another name.)
async fn pinned_again(scene: &Scene) -> Result<()> {
    Workload::new("api").deploy(scene, "member1").await?;
    let before = Before::take(scene, "member1", "api").await?;
    let member = scene.member("member1");
    let binding = Kind::new(ADMISSION, "ValidatingAdmissionPolicyBinding");
    let bound = member.get(&binding, OPT_IN_POLICY).await?;
    member.delete(&binding, OPT_IN_POLICY).await?;
    let bob = bob(scene).await?;
    opt_in_as_bob(scene, &bob, "api").await?;
    let words = ["member1", "not installed"];
    scene.until_answer("member1", "api", HELD, &words).await?;
    let found = scene.karmada.find(&Kind::promotion(), "api").await?;
    ensure!(found.is_none(), "it is promoted: {found:?}");

    let binding = json!({
        "apiVersion": ADMISSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": OPT_IN_POLICY},
        "spec": bound["spec"],
    });
    member.create(&binding).await?;

    let promotion = scene.until_phase("api", Phase::Promoted).await?;
    assert_requester(&promotion, "bob")?;
    scene.until_answer("member1", "api", PROMOTED, &[]).await?;
    before.assert_untouched().await
}

/// Whoever asked some other time is not named for what a template asks.
async fn left_behind(scene: &Scene) -> Result<()> {
    let deployments = Kind::deployment();
    let workload = Workload::new("left").replicas(0);
    let member = scene.member("member1");
    scene.karmada.create(workload.object()).await?;
    member.create(workload.object()).await?;
    let bob = bob(scene).await?;
    opt_in_as_bob(scene, &bob, "left").await?;
    let refused = (Some(Phase::Refused), Some("ConflictingTemplate"));
    scene.until_answer("member1", "left", refused, &[]).await?;
    let off = json!({"metadata": {"annotations": {(ENABLED): null}}});
    bob.patch(&deployments, "left", &off).await?;
    scene
        .until_answer("member1", "left", (None, None), &[])
        .await?;
    scene.karmada.delete(&Kind::promotion(), "left").await?;
    scene
        .until_gone(&scene.karmada, &Kind::promotion(), "left")
        .await?;

    let asks = json!({"metadata": {"annotations": {(ENABLED): "true"}}});
    scene.karmada.patch(&deployments, "left", &asks).await?;
    scene.karmada.create(&policy("left")).await?;
    scene
        .until_warned(member, "Deployment", "left", "AlreadyFederated", &["left"])
        .await?;
    let_go(scene, "left").await?;
    let touch = json!({"team": "storefront"});
    scene.set_annotations("member1", "left", touch).await?;

    let words = ["nothing recorded it"];
    scene.until_answer("member1", "left", HELD, &words).await?;
    let left = member.get(&deployments, "left").await?;
    let annotations = &left["metadata"]["annotations"];
    let stamp = format!("{INSTALLATION}:bob");
    ensure!(
        annotations[ENABLED] == "true" && annotations[REQUESTED_BY] == stamp.as_str(),
        "{annotations}"
    );
    let found = scene.karmada.find(&Kind::promotion(), "left").await?;
    ensure!(found.is_none(), "it is promoted: {found:?}");
    let off = json!({(ENABLED): null});
    scene.set_annotations("member1", "left", off).await
}

/// Whoever labels a Namespace asks for what is in it.
async fn by_namespace(scene: &Scene) -> Result<()> {
    let member = scene.member("member1");
    let myself = member.myself().await?;
    let username = myself["username"].as_str().unwrap_or_default();
    let patch = json!({"metadata": {
        "labels": {(ENABLED): "true"},
        "annotations": {(REQUESTED_BY): format!("{INSTALLATION}:{username}")},
    }});
    let namespace = scene.namespace.as_str();
    member.patch(&Kind::namespace(), namespace, &patch).await?;
    Workload::new("cart").deploy(scene, "member1").await?;
    let promotion = scene.until_phase("cart", Phase::Promoted).await?;
    assert_requester(&promotion, username)?;
    scene.until_answer("member1", "cart", PROMOTED, &[]).await?;

    // Nobody's name is beside it any more: what comes now is held, what was promoted stays.
    let patch = json!({"metadata": {"annotations": {(REQUESTED_BY): null}}});
    member.patch(&Kind::namespace(), namespace, &patch).await?;
    Workload::new("late").deploy(scene, "member1").await?;
    let again = format!("off Namespace {namespace} and set it again");
    let words = ["nothing recorded it", again.as_str()];
    scene.until_answer("member1", "late", HELD, &words).await?;
    scene.until_phase("cart", Phase::Promoted).await?;
    Ok(())
}

const ADMISSION: &str = "admissionregistration.k8s.io/v1";

/// The member's admission of opt-ins, without a webhook.
fn admission() -> Vec<Value> {
    let member = Member {
        admission: Some(Admission {
            installation: INSTALLATION.to_owned(),
            webhook: None,
        }),
        guard: false,
        karmada_user: default_karmada_user("member1"),
    };
    member.objects()
}

async fn install(scene: &Scene) -> Result<()> {
    for object in admission() {
        scene.member("member1").create(&object).await?;
    }
    Ok(())
}

async fn remove(scene: &Scene) -> Result<()> {
    for object in admission().iter().rev() {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let kind = Kind::of(object);
        scene.member("member1").delete(&kind, name).await?;
        scene
            .until_gone(scene.member("member1"), &kind, name)
            .await?;
    }
    Ok(())
}

/// Somebody who may edit what is in the namespace.
async fn bob(scene: &Scene) -> Result<Cluster> {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "bob-edits"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit",
        },
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "bob"}],
    });
    scene.member("member1").ensure(&binding).await?;
    let bob = Identity {
        name: "bob",
        ..Identity::default()
    };
    let kubeconfig = scene.fleet.member_kubeconfig("member1");
    Cluster::connect_as(&kubeconfig, "member1", &scene.namespace, &bob).await
}

/// As the member's admission has bob's opt-in: with his own name beside it.
async fn opt_in_as_bob(scene: &Scene, bob: &Cluster, name: &str) -> Result<()> {
    let stamp = format!("{INSTALLATION}:bob");
    let patch = json!({"metadata": {"annotations": {(ENABLED): "true", (REQUESTED_BY): stamp}}});
    // Until his role has the verb "promote", which the member adds to it.
    scene
        .eventually("bob may opt in", async || {
            bob.patch(&Kind::deployment(), name, &patch).await?;
            Ok(())
        })
        .await
}

async fn assert_nothing_begun(scene: &Scene) -> Result<()> {
    let namespace = scene.namespace.as_str();
    let found = scene.karmada.find(&Kind::namespace(), namespace).await?;
    ensure!(found.is_none(), "the control plane has the namespace");
    Ok(())
}

fn assert_requester(promotion: &Value, username: &str) -> Result<()> {
    let requester = &promotion["spec"]["requester"];
    let expected = json!({"cluster": "member1", "username": username});
    ensure!(*requester == expected, "{requester}");
    Ok(())
}
