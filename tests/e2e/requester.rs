//! Whom a Promotion acts as, with our webhook up and down.

use anyhow::{Context as _, Result, ensure};
use promoter_api::marks::REQUESTED_AT;
use promoter_installation::control_plane::HUB_USER;
use serde_json::{Value, json};

use crate::support::{Answer, Cluster, Identity, Kind, Scene, fleet, kubectl_promote};

#[tokio::test]
async fn whoever_asks_for_it_is_the_requester() -> Result<()> {
    let scene = Scene::new("requester").await?;
    let users = Users::create(&scene).await?;

    // Whatever is written there, it is alice who has written it.
    for (name, forged) in [
        ("nobody", None),
        ("somebody", Some(json!({"username": "bob"}))),
        (
            "masters",
            Some(json!({"username": "alice", "groups": ["system:masters"]})),
        ),
        (
            "member",
            Some(json!({"username": "alice", "cluster": "member1"})),
        ),
    ] {
        let created = users.alice.create(&promotion(name, forged)).await?;
        ensure!(requester(&created) == alice(), "{created}");
    }

    // A label is no wish.
    let label = json!({"metadata": {"labels": {"team": "shop"}}});
    let labelled = users
        .bob
        .patch(&Kind::promotion(), "nobody", &label)
        .await?;
    ensure!(requester(&labelled) == alice(), "{labelled}");

    // Whoever edits the wish makes it theirs, and cannot make it another's.
    let edit = json!({"spec": {"onClusterRemoval": "Preserve", "requester": alice()}});
    let edited = users.bob.patch(&Kind::promotion(), "nobody", &edit).await?;
    ensure!(requester(&edited) == bob(), "{edited}");
    let edit = json!({"spec": {"requester": null}});
    let edited = users
        .alice
        .patch(&Kind::promotion(), "nobody", &edit)
        .await?;
    ensure!(requester(&edited) == alice(), "{edited}");

    // So does whoever asks for it again as it is.
    let edited = users
        .bob
        .patch(&Kind::promotion(), "nobody", &asked_again("1"))
        .await?;
    ensure!(requester(&edited) == bob(), "{edited}");

    // A dry run is answered as it would be.
    let as_alice = ["--as=alice", "--as-group=shop", "--dry-run=server"];
    let words = ["annotate", "promotion/somebody", "a=b"];
    scene
        .kubectl("karmada", &[&words[..], &as_alice].concat())
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_name_is_pinned_while_the_webhook_is_away() -> Result<()> {
    let fleet = fleet::rough(&[]).await?;
    let scene = Scene::on(fleet.clone(), "requester-away").await?;
    let users = Users::create(&scene).await?;
    let before = users.alice.create(&promotion("before", None)).await?;
    ensure!(requester(&before) == alice(), "{before}");
    fleet.kill(fleet::WEBHOOK).await?;

    let absent = users.alice.create(&promotion("web", None)).await;
    assert_refused(
        absent,
        &["spec.requester is absent", "try again", "`kubectl promote`"],
    )?;
    for forged in [
        json!({"username": "bob"}),
        json!({"username": "alice"}),
        json!({"username": "alice", "groups": ["shop"]}),
        json!({"username": "alice", "groups": ["shop", "system:authenticated", "system:masters"]}),
        json!({"username": "alice", "groups": ["shop", "system:authenticated"], "uid": "7"}),
        json!({
            "username": "alice",
            "groups": ["shop", "system:authenticated"],
            "extra": {"scopes": ["all"]},
        }),
        json!({
            "username": "alice",
            "groups": ["shop", "system:authenticated"],
            "cluster": "member1",
        }),
    ] {
        let created = users
            .alice
            .create(&promotion("web", Some(forged.clone())))
            .await;
        assert_refused(created, &["spec.requester is not you, alice", "try again"])
            .with_context(|| forged.to_string())?;
    }

    // Who says who they are, as `kubectl promote` does, needs no webhook; groups have no order.
    users.alice.create(&promotion("web", Some(alice()))).await?;
    let turned = json!({"username": "alice", "groups": ["system:authenticated", "shop"]});
    users
        .alice
        .create(&promotion("turned", Some(turned)))
        .await?;
    let user = Identity {
        groups: &["shop"],
        name: "alice",
        uid: Some("7"),
    };
    let with_uid = scene.karmada_as(&user).await?;
    let without = with_uid.create(&promotion("uid", Some(alice()))).await;
    assert_refused(without, &["spec.requester is not you, alice"])?;
    let mut named = alice();
    named["uid"] = json!("7");
    with_uid.create(&promotion("uid", Some(named))).await?;

    // Nobody else's wish is changed in their name.
    let edit = json!({"spec": {"desiredState": "Released"}});
    let edited = users.bob.patch(&Kind::promotion(), "before", &edit).await;
    assert_refused(edited, &["spec.requester is not you, bob"])?;
    let again = asked_again("1");
    let asked = users.bob.patch(&Kind::promotion(), "before", &again).await;
    assert_refused(asked, &["spec.requester is not you, bob"])?;
    let label = json!({"metadata": {"labels": {"team": "shop"}}});
    users
        .bob
        .patch(&Kind::promotion(), "before", &label)
        .await?;
    let edit = json!({"spec": {"onClusterRemoval": "Preserve", "requester": bob()}});
    let edit = users.bob.patch(&Kind::promotion(), "before", &edit).await;
    // The groups of a merge patch take the place of those before.
    ensure!(requester(&edit?) == bob());
    // Whose it is, may ask for it again.
    users
        .bob
        .patch(&Kind::promotion(), "before", &again)
        .await?;
    users.bob.delete(&Kind::promotion(), "before").await?;

    fleet.restart(fleet::WEBHOOK).await?;
    scene
        .eventually("the webhook names who asks", async || {
            users.alice.create(&promotion("back", None)).await
        })
        .await?;
    Ok(())
}

#[tokio::test]
async fn the_status_and_the_names_of_others_are_the_hubs() -> Result<()> {
    let scene = Scene::new("status").await?;
    scene.namespace_in_karmada().await?;
    let created = scene.karmada.create(&promotion("web", None)).await?;
    ensure!(
        requester(&created)["username"] == "system:admin",
        "{created}"
    );

    // Not even the administrator writes it.
    let patch = r#"--patch={"status": {"message": "done"}}"#;
    let words = [
        "patch",
        "promotion/web",
        "--subresource=status",
        "--type=merge",
        patch,
    ];
    let refused = scene.kubectl("karmada", &words).await;
    assert_refused(refused, &["the status of a Promotion", "promoter alone"])?;
    let hub = scene.karmada_as_hub().await?;
    let of_member = json!({"username": "carol", "cluster": "member1"});
    let created = hub
        .create(&promotion("api", Some(of_member.clone())))
        .await?;
    ensure!(requester(&created) == of_member, "{created}");
    // Until somebody else wishes for something else.
    let edit = json!({"spec": {"onClusterRemoval": "Preserve"}});
    let edited = scene
        .karmada
        .patch(&Kind::promotion(), "api", &edit)
        .await?;
    ensure!(
        requester(&edited)["username"] == "system:admin" && requester(&edited)["cluster"].is_null(),
        "{edited}"
    );
    // It has the rights that it needs, and cannot give itself more.
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": format!("more-{}", scene.namespace)},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin",
        },
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": HUB_USER}],
    });
    assert_refused(
        hub.create(&role).await,
        &["clusterrolebindings", "forbidden"],
    )
}

#[tokio::test]
async fn viewers_see_promotions_and_create_none() -> Result<()> {
    let scene = Scene::new("viewer").await?;
    Users::create(&scene).await?;
    scene.karmada.create(&promotion("web", None)).await?;
    scene.karmada.create(&binding("view", "dave")).await?;
    let user = Identity {
        name: "dave",
        ..Identity::default()
    };
    let dave = scene.karmada_as(&user).await?;
    scene
        .eventually("dave sees Promotions", async || {
            dave.get(&Kind::promotion(), "web").await
        })
        .await?;
    let created = dave.create(&promotion("api", None)).await;
    assert_refused(created, &["dave", "cannot create", "promotions"])
}

#[tokio::test]
async fn the_control_plane_is_enabled_and_disabled_by_its_administrator() -> Result<()> {
    let fleet = fleet::rough(&[]).await?;
    let scene = Scene::on(fleet.clone(), "control-plane").await?;
    scene.namespace_in_karmada().await?;
    scene.karmada.create(&promotion("web", None)).await?;

    // What is printed is what was installed.
    let enable = ["control-plane", "enable", "-o", "yaml"];
    let answer = kubectl_promote(&scene, &enable).await?;
    answer.assert_output(0, &[])?;
    let printed: Vec<Value> = serde_saphyr::from_multiple(&answer.output)?;
    let mut kinds: Vec<_> = printed.iter().map(Kind::of).collect();
    for object in &printed {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let found = scene.karmada.get(&Kind::of(object), name).await?;
        if let Some(rules) = object.get("rules") {
            ensure!(found["rules"] == *rules, "{found}");
        }
    }
    let webhooks = Kind::new(
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
    );
    let installed = scene.karmada.get(&webhooks, HUB_USER).await?;
    let url = installed["webhooks"][0]["clientConfig"]["url"].as_str();
    let url = url.context("a URL")?.trim_end_matches("/mutate/promotions");
    let url = format!("--webhook-url={url}");

    // A second time changes nothing, and is no error. The authority has to be named again.
    let authority = fleet.add_server("karmada", "unused")?.authority;
    let authority = format!("--ca-file={}", authority.display());
    let enable = ["control-plane", "enable", &url, &authority];
    let answer = kubectl_promote(&scene, &enable).await?;
    assert_quiet(&answer, "clusterroles/karmada-promoter applied")?;
    ensure!(scene.karmada.get(&webhooks, HUB_USER).await? == installed);

    let answer = kubectl_promote(&scene, &["control-plane", "disable"]).await?;
    answer.assert_output(
        0,
        &["clusterrolebindings/karmada-promoter deleted", "policies"],
    )?;
    answer.assert_error(0, &["Promotions and their type were left"])?;
    kinds.push(webhooks);
    kinds.retain(|kind| kind.name() != "CustomResourceDefinition");
    for kind in &kinds {
        let left = scene
            .karmada
            .select(kind, "app.kubernetes.io/managed-by=karmada-promoter");
        ensure!(left.await?.is_empty(), "{} are left", kind.name());
    }
    scene.karmada.get(&Kind::promotion(), "web").await?;
    let again = kubectl_promote(&scene, &["control-plane", "disable"]).await?;
    again.assert_output(0, &[])?;

    // A webhook that cannot be reached is told, and everything is in force all the same.
    let wrong = [
        "control-plane",
        "enable",
        "--webhook-url=https://127.0.0.1:1",
    ];
    let answer = kubectl_promote(&scene, &wrong).await?;
    answer.assert_error(0, &["warning", "https://127.0.0.1:1", "certificate"])?;
    // One that is not named any more is not called any more.
    let answer = kubectl_promote(&scene, &["control-plane", "enable"]).await?;
    let words = "mutatingwebhookconfigurations/karmada-promoter deleted";
    assert_quiet(&answer, words)?;
    let answer = kubectl_promote(&scene, &enable).await?;
    assert_quiet(&answer, "customresourcedefinitions")?;
    // The hub has its rights again.
    let edit = json!({"spec": {"suspend": false}});
    scene
        .karmada
        .patch(&Kind::promotion(), "web", &edit)
        .await?;
    scene
        .eventually("the hub goes on", async || {
            let promotion = scene.karmada.get(&Kind::promotion(), "web").await?;
            let (observed, wanted) = (
                &promotion["status"]["observedGeneration"],
                &promotion["metadata"]["generation"],
            );
            ensure!(observed == wanted, "{promotion}");
            Ok(())
        })
        .await
}

/// Two users who may edit what is in the namespace.
struct Users {
    alice: Cluster,
    bob: Cluster,
}

impl Users {
    async fn create(scene: &Scene) -> Result<Self> {
        scene.namespace_in_karmada().await?;
        for name in ["alice", "bob"] {
            scene.karmada.create(&binding("edit", name)).await?;
        }
        let user = |name| Identity {
            groups: &["shop"],
            name,
            uid: None,
        };
        let users = Self {
            alice: scene.karmada_as(&user("alice")).await?,
            bob: scene.karmada_as(&user("bob")).await?,
        };
        scene
            .eventually("alice and bob may edit Promotions", async || {
                users.alice.list(&Kind::promotion()).await?;
                users.bob.list(&Kind::promotion()).await
            })
            .await?;
        Ok(users)
    }
}

/// A user has one of Kubernetes' own roles in the namespace.
fn binding(role: &str, user: &str) -> Value {
    let group = "rbac.authorization.k8s.io";
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": format!("{role}-{user}")},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    })
}

/// A Promotion that nothing is begun for.
fn promotion(name: &str, requester: Option<Value>) -> Value {
    let mut promotion = json!({
        "apiVersion": "promote.karmada.io/v1alpha1",
        "kind": "Promotion",
        "metadata": {"name": name},
        "spec": {"clusters": ["member1"], "suspend": true, "workload": {"name": name}},
    });
    if let Some(requester) = requester {
        promotion["spec"]["requester"] = requester;
    }
    promotion
}

/// What asks for a Promotion again.
fn asked_again(at: &str) -> Value {
    json!({"metadata": {"annotations": {(REQUESTED_AT): at}}})
}

fn requester(promotion: &Value) -> Value {
    promotion["spec"]["requester"].clone()
}

fn alice() -> Value {
    json!({"username": "alice", "groups": ["shop", "system:authenticated"]})
}

fn bob() -> Value {
    json!({"username": "bob", "groups": ["shop", "system:authenticated"]})
}

fn assert_refused<T>(answer: Result<T>, words: &[&str]) -> Result<()> {
    let Err(error) = answer else {
        anyhow::bail!("it was not refused");
    };
    let text = format!("{error:#}");
    for word in words {
        ensure!(text.contains(word), "no {word:?} in {text:?}");
    }
    Ok(())
}

/// Fails unless it is done, without a warning.
fn assert_quiet(answer: &Answer, word: &str) -> Result<()> {
    answer.assert_output(0, &[word])?;
    ensure!(answer.error.is_empty(), "{answer:#?}");
    Ok(())
}
