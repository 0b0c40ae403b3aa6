//! Workloads that share what they need, and do not go the same way.

use anyhow::{Result, ensure};
use promoter_api::promotion::Phase;
use serde_json::{Value, json};

use crate::support::{Before, Kind, Scene, Workload, marks};

const SHARED: [(&str, &str); 2] = [("ConfigMap", "settings"), ("Secret", "password")];

#[tokio::test]
async fn one_is_released_and_the_other_keeps_what_they_share() -> Result<()> {
    let scene = Scene::new("shared-release").await?;
    let [cart, pay] = two_promoted_at_once(&scene).await?;
    let shared = shared_in(&scene, "member1").await?;

    scene.released("cart").await?;

    cart.assert_untouched().await?;
    pay.assert_untouched().await?;
    assert_same(&shared, &shared_in(&scene, "member1").await?);
    for (kind, name) in SHARED {
        scene.karmada.get(&Kind::new("v1", kind), name).await?;
        let policy = format!("{}.{name}", kind.to_lowercase());
        let policies = Kind::propagation_policy();
        scene.karmada.get(&policies, &policy).await?;
    }
    let cart_now = scene
        .member("member1")
        .get(&Kind::deployment(), "cart")
        .await?;
    let enabled = ("promote.karmada.io/enabled".to_owned(), "false".to_owned());
    assert_eq!(marks::traces(&cart_now), [enabled]);

    // The last one takes what they shared with it.
    scene.released("pay").await?;
    cart.assert_untouched().await?;
    pay.assert_untouched().await?;
    scene.assert_nothing_federated().await?;
    marks::assert_no_trace(&scene, "member1").await
}

#[tokio::test]
async fn both_are_released_at_once_and_no_trace_is_left() -> Result<()> {
    let scene = Scene::new("shared-twice").await?;
    let [cart, pay] = two_promoted_at_once(&scene).await?;

    tokio::try_join!(scene.released("cart"), scene.released("pay"))?;

    cart.assert_untouched().await?;
    pay.assert_untouched().await?;
    scene.assert_nothing_federated().await?;
    marks::assert_no_trace(&scene, "member1").await?;
    for name in ["cart", "pay"] {
        let deployment = scene
            .member("member1")
            .get(&Kind::deployment(), name)
            .await?;
        let enabled = &deployment["metadata"]["annotations"]["promote.karmada.io/enabled"];
        ensure!(enabled == "false", "{name}: {enabled}");
    }
    Ok(())
}

#[tokio::test]
async fn one_is_moved_away_and_the_other_keeps_what_they_share() -> Result<()> {
    let scene = Scene::new("shared-move").await?;
    let [cart, _] = two_promoted_at_once(&scene).await?;
    let shared = shared_in(&scene, "member1").await?;

    scene.place("pay", &["member2"]).await?;

    until_moved(&scene, "pay").await?;
    assert_stays(&scene, &cart, &shared).await?;
    shared_in(&scene, "member2").await?;
    Ok(())
}

#[tokio::test]
async fn a_released_workload_keeps_what_it_shares_with_one_that_is_moved_away() -> Result<()> {
    let scene = Scene::new("shared-both").await?;
    let [cart, _] = two_promoted_at_once(&scene).await?;
    let shared = shared_in(&scene, "member1").await?;
    scene.released("cart").await?;

    scene.place("pay", &["member2"]).await?;

    until_moved(&scene, "pay").await?;
    assert_stays(&scene, &cart, &shared).await?;
    shared_in(&scene, "member2").await?;
    Ok(())
}

#[tokio::test]
async fn what_was_staged_for_a_promotion_that_is_no_more_holds_nobody_up() -> Result<()> {
    let scene = Scene::new("orphaned").await?;
    let workload = Workload::new("web").config_map("settings");
    workload.deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    scene.namespace_in_karmada().await?;
    // As a promotion leaves it whose record somebody has removed by force.
    let template = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings"},
        "data": {"GREETING": "hello from long ago"},
    });
    let template = scene.karmada.create(&template).await?;
    let policy = json!({
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {
            "name": "configmap.settings",
            "labels": {"app.kubernetes.io/managed-by": "karmada-promoter"},
            "annotations": {
                "promote.karmada.io/origin": "member1",
                "promote.karmada.io/staged-by": "00000000-0000-0000-0000-000000000000",
                "promote.karmada.io/staged-template": template["metadata"]["uid"],
            },
        },
        "spec": {
            "conflictResolution": "Overwrite",
            "placement": {"clusterAffinity": {"clusterNames": ["member1"]}},
            "priority": 1000,
            "resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "settings"}],
            "suspension": {"dispatching": true},
        },
    });
    let policy = scene.karmada.create(&policy).await?;
    scene
        .eventually("Karmada has rendered it", async || {
            ensure!(scene.works().await?.len() == 1, "there is no Work");
            Ok(())
        })
        .await?;

    // It is not equal, but nobody wants it any more.
    scene.promote("web", "member1").await?;

    let promotion = scene.until_phase("web", Phase::Promoted).await?;
    let told = &promotion["status"]["dependencies"][0];
    ensure!(told["action"] == "Created", "{told}");
    before.assert_untouched().await?;
    let policies = Kind::propagation_policy();
    let now = scene.karmada.get(&policies, "configmap.settings").await?;
    ensure!(
        now["metadata"]["uid"] != policy["metadata"]["uid"],
        "it is the old policy"
    );
    let settings = scene.karmada.get(&Kind::config_map(), "settings").await?;
    ensure!(
        settings["data"]["GREETING"] == "hello from settings",
        "{settings}"
    );
    Ok(())
}

#[tokio::test]
async fn what_a_promotion_that_is_no_more_was_about_to_release_holds_nobody_up() -> Result<()> {
    let scene = Scene::new("orphaned-release").await?;
    let workload = |name: &str| Workload::new(name).config_map("settings");
    workload("cart").deploy(&scene, "member1").await?;
    scene.promoted("cart", "member1").await?;
    let nobody = "00000000-0000-0000-0000-000000000000";
    let mark =
        |by: &str| json!({"metadata": {"annotations": {"promote.karmada.io/released-by": by}}});
    let (policies, name) = (Kind::propagation_policy(), "configmap.settings");
    let policy = scene.karmada.patch(&policies, name, &mark(nobody)).await?;
    workload("pay").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "pay").await?;

    let promotion = scene.promoted("pay", "member1").await?;

    let told = &promotion["status"]["dependencies"][0];
    ensure!(told["action"] == "Reused", "{told}");
    before.assert_untouched().await?;
    let now = scene.karmada.get(&policies, name).await?;
    ensure!(
        now["metadata"]["uid"] == policy["metadata"]["uid"],
        "it is another policy"
    );
    let settings = scene
        .member("member1")
        .get(&Kind::config_map(), "settings")
        .await?;
    ensure!(marks::is_managed(&settings), "{}", settings["metadata"]);
    Ok(())
}

/// Two workloads that share a ConfigMap and a Secret, promoted at the same time.
async fn two_promoted_at_once(scene: &Scene) -> Result<[Before; 2]> {
    let workload = |name: &str| {
        Workload::new(name)
            .config_map("settings")
            .secret("password")
    };
    workload("cart").deploy(scene, "member1").await?;
    workload("pay").deploy(scene, "member1").await?;
    let cart = Before::take(scene, "member1", "cart").await?;
    let pay = Before::take(scene, "member1", "pay").await?;

    let (cart_promoted, pay_promoted) = tokio::try_join!(
        scene.promoted("cart", "member1"),
        scene.promoted("pay", "member1")
    )?;

    cart.assert_untouched().await?;
    pay.assert_untouched().await?;
    for index in 0..SHARED.len() {
        let mut actions = [&cart_promoted, &pay_promoted]
            .map(|promotion| promotion["status"]["dependencies"][index]["action"].as_str());
        actions.sort_unstable();
        assert_eq!(actions, [Some("Created"), Some("Reused")]);
    }
    Ok([cart, pay])
}

/// What is shared, as it is in a member once Karmada keeps it there.
async fn shared_in(scene: &Scene, member: &str) -> Result<Vec<Value>> {
    let what = format!("Karmada keeps what is shared in {member}");
    scene
        .eventually(&what, async || {
            let mut found = Vec::new();
            for (kind, name) in SHARED {
                let object = scene
                    .member(member)
                    .get(&Kind::new("v1", kind), name)
                    .await?;
                ensure!(marks::is_managed(&object), "{name} is not managed");
                found.push(object);
            }
            Ok(found)
        })
        .await
}

/// Fails unless they are the same objects with the same content.
fn assert_same(before: &[Value], after: &[Value]) {
    for (before, after) in before.iter().zip(after) {
        assert_eq!(before["metadata"]["uid"], after["metadata"]["uid"]);
        assert_eq!(before["data"], after["data"]);
    }
}

async fn until_moved(scene: &Scene, name: &str) -> Result<()> {
    crate::support::until_running(scene, "member2", name).await?;
    let member1 = scene.member("member1");
    scene.until_gone(member1, &Kind::deployment(), name).await?;
    let what = format!("the Promotion of {name} tells where it is placed");
    scene
        .eventually(&what, async || {
            let promotion = scene.until_phase(name, Phase::Promoted).await?;
            let placed = &promotion["status"]["placed"];
            ensure!(*placed == json!(["member2"]), "{placed}");
            Ok(())
        })
        .await
}

async fn assert_stays(scene: &Scene, workload: &Before, shared: &[Value]) -> Result<()> {
    workload.assert_untouched().await?;
    assert_same(shared, &shared_in(scene, "member1").await?);
    Ok(())
}
