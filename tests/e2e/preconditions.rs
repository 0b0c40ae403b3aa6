//! What stands in the way of a promotion is found before anything is written.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use promoter_api::{promotion::Phase, reason::Reason};
use serde_json::{Value, json};

use crate::support::{Before, Kind, Scene, Workload, manifest, until_running};

#[tokio::test]
async fn a_workload_that_another_object_owns() -> Result<()> {
    let scene = Scene::new("owned").await?;
    scene.namespace_in("member1").await?;
    let shop = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop"}});
    let shop = scene.member("member1").create(&shop).await?;
    let owner = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "name": "shop", "uid": shop["metadata"]["uid"],
    });
    Workload::new("web")
        .deployment(|deployment| deployment["metadata"]["ownerReferences"] = json!([owner]))
        .deploy(&scene, "member1")
        .await?;
    let before = Before::take(&scene, "member1", "web").await?;

    scene.promote("web", "member1").await?;

    let words = ["Deployment/web", "member1", "owned by ConfigMap/shop"];
    scene
        .refused("web", Reason::OwnedByController, &words)
        .await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn a_workload_that_bears_another_tools_mark() -> Result<()> {
    let scene = Scene::new("marked").await?;
    let id = json!("shop:apps/Deployment:shop/web");
    let cases = [
        (
            "helm",
            json!({"labels": {"app.kubernetes.io/managed-by": "Helm"}}),
            ["managed by Helm", "spec.managedWorkload"],
        ),
        (
            "release",
            json!({"annotations": {"meta.helm.sh/release-name": "shop"}}),
            ["managed by Helm", "spec.managedWorkload"],
        ),
        (
            "argo",
            json!({"annotations": {"argocd.argoproj.io/tracking-id": id}}),
            ["managed by Argo CD", "spec.managedWorkload"],
        ),
        (
            "flux",
            json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}),
            ["managed by Flux", "spec.managedWorkload"],
        ),
        (
            "karmada",
            json!({"labels": {"karmada.io/managed": "true"}}),
            ["marks of a Karmada", "spec.staleMarks"],
        ),
    ];
    let mut befores = Vec::new();
    for (name, marks, _) in &cases {
        Workload::new(name)
            .replicas(1)
            .deploy(&scene, "member1")
            .await?;
        let patch = json!({"metadata": marks});
        let member = scene.member("member1");
        member.patch(&Kind::deployment(), name, &patch).await?;
        befores.push(Before::take(&scene, "member1", name).await?);
        scene.promote(name, "member1").await?;
    }

    for (name, _, [what, remedy]) in &cases {
        let object = format!("Deployment/{name}");
        let words = [what, remedy, "member1", &object];
        scene.refused(name, Reason::ManagedByOther, &words).await?;
    }
    for before in befores {
        before.assert_untouched().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_roll_out_is_waited_for() -> Result<()> {
    let scene = Scene::new("roll-out").await?;
    Workload::typical("web")
        .deployment(|deployment| {
            let strategy = json!({"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}});
            deployment["spec"]["strategy"] = strategy;
        })
        .deploy(&scene, "member1")
        .await?;
    let member = scene.member("member1");
    let selecting = |node: Value| {
        let pod = json!({"nodeSelector": {"e2e.example/node": node}});
        json!({"spec": {"template": {"spec": pod}}})
    };
    // No node is such a node, so the new pods cannot run and the old ones stay.
    let patch = selecting(json!("none"));
    member.patch(&Kind::deployment(), "web", &patch).await?;
    scene
        .eventually("the roll-out has begun", async || {
            let web = member.get(&Kind::deployment(), "web").await?;
            ensure!(web["status"]["updatedReplicas"] == 1, "{}", web["status"]);
            Ok(())
        })
        .await?;

    scene.promote("web", "member1").await?;

    let words = ["Deployment/web", "member1", "1 of 2 replicas updated"];
    scene
        .waits("web", Reason::RolloutInProgress, &words)
        .await?;
    let patch = selecting(Value::Null);
    member.patch(&Kind::deployment(), "web", &patch).await?;
    until_running(&scene, "member1", "web").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn a_namespace_of_the_system() -> Result<()> {
    let place = Scene::new("reserved").await?;
    // The namespace is everybody's, the name is not.
    let (scene, name) = (place.within("kube-public"), &place.namespace);
    let system = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-public"},
    });
    scene.karmada.ensure(&system).await?;
    let member = scene.member("member1");
    member.ensure(&system).await?;
    member.create(&small_deployment(name)).await?;

    let refused = async {
        until_running(&scene, "member1", name).await?;
        let before = Before::take(&scene, "member1", name).await?;
        scene.promote(name, "member1").await?;
        let words = ["namespace kube-public", "other namespaces"];
        scene
            .refused(name, Reason::NamespaceReserved, &words)
            .await?;
        before.assert_untouched().await
    };
    let refused = refused.await;

    scene.karmada.delete(&Kind::promotion(), name).await?;
    member.delete(&Kind::deployment(), name).await?;
    refused
}

#[tokio::test]
async fn what_is_not_there_or_not_supported() -> Result<()> {
    let scene = Scene::new("nothing").await?;
    let before = running(&scene).await?;
    let daemon = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent"});
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "base"});

    scene.promote("web", "nowhere").await?;
    scene.promote("ghost", "member1").await?;
    scene
        .promote_with("agent", "member1", json!({"workload": daemon}))
        .await?;
    scene
        .promote_with("base", "member1", json!({"workload": set}))
        .await?;

    let words = ["cluster nowhere", "kubectl get clusters"];
    scene.refused("web", Reason::ClusterUnknown, &words).await?;
    let words = ["Deployment/ghost", "member1", "create it"];
    scene
        .refused("ghost", Reason::WorkloadMissing, &words)
        .await?;
    for (name, words) in [("agent", "DaemonSet"), ("base", "StatefulSet")] {
        let words = [words, "apps/v1", "Deployments"];
        scene.refused(name, Reason::UnsupportedKind, &words).await?;
    }

    // Named rightly, it is promoted.
    let patch = json!({"spec": {"clusters": ["member1"]}});
    let promotions = Kind::promotion();
    scene.karmada.patch(&promotions, "web", &patch).await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn names_at_and_beyond_the_limit() -> Result<()> {
    let scene = Scene::new("names").await?;
    let lengths = [63, 242, 243].map(|length| "w".repeat(length));
    // Names that are the same to whoever makes hyphens of dots.
    let alike = ["shop.web.v1", "shop-web-v1"].map(str::to_owned);
    let [label, longest, too_long] = &lengths;
    let [dots, hyphens] = &alike;
    for name in lengths.iter().chain(&alike) {
        scene.namespace_in("member1").await?;
        scene
            .member("member1")
            .create(&small_deployment(name))
            .await?;
        until_running(&scene, "member1", name).await?;
    }
    let too_long_before = Before::take(&scene, "member1", too_long).await?;
    scene.promote(too_long, "member1").await?;
    scene
        .refused(too_long, Reason::NameTooLong, &["253", "shorter name"])
        .await?;
    too_long_before.assert_untouched().await?;

    for name in [label, longest, dots, hyphens] {
        let before = Before::take(&scene, "member1", name).await?;
        scene.promoted(name, "member1").await?;
        before.assert_untouched().await?;
    }
    for (kind, within) in [
        (Kind::propagation_policy(), scene.namespace.as_str()),
        (Kind::resource_binding(), scene.namespace.as_str()),
        (Kind::work(), "karmada-es-member1"),
    ] {
        let found = scene.karmada.within(within).list(&kind).await?;
        let of_scene = found.iter().filter(|object| {
            kind != Kind::work()
                || manifest(object)["metadata"]["namespace"] == scene.namespace.as_str()
        });
        let names: BTreeSet<_> = of_scene
            .map(|object| object["metadata"]["name"].to_string())
            .collect();
        ensure!(names.len() == 4, "{}: {names:?}", kind.name());
    }
    Ok(())
}

#[tokio::test]
async fn deployments_that_are_not_quite_running() -> Result<()> {
    let scene = Scene::new("odd").await?;
    let paused =
        Workload::new("paused").deployment(|deployment| deployment["spec"]["paused"] = json!(true));
    let none = Workload::new("none").replicas(0);
    let never =
        Workload::new("never").pod(|pod| pod["nodeSelector"] = json!({"e2e.example/node": "none"}));
    scene.namespace_in("member1").await?;
    let member = scene.member("member1");
    for workload in [&paused, &none, &never] {
        member.create(workload.object()).await?;
    }
    let seen = async || {
        for (name, pods) in [("paused", 0), ("none", 0), ("never", 2)] {
            let found = member.get(&Kind::deployment(), name).await?;
            let status = &found["status"];
            ensure!(
                status["observedGeneration"] == found["metadata"]["generation"]
                    && status["replicas"].as_i64().unwrap_or_default() == pods,
                "{name}: {status}"
            );
        }
        Ok(())
    };
    scene.eventually("the Deployments are seen", seen).await?;

    for name in ["none", "never"] {
        let before = Before::take(&scene, "member1", name).await?;
        scene.promoted(name, "member1").await?;
        before.assert_untouched().await?;
    }
    // As long as it is paused, it has no ReplicaSet.
    let before = member.get(&Kind::deployment(), "paused").await?;
    scene.promoted("paused", "member1").await?;
    let after = member.get(&Kind::deployment(), "paused").await?;
    ensure!(
        after["spec"] == before["spec"] && after["metadata"]["uid"] == before["metadata"]["uid"],
        "{before} became {after}"
    );
    let left = member.select(&Kind::replica_set(), "app=paused").await?;
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

/// A typical workload that runs in member1.
async fn running(scene: &Scene) -> Result<Before> {
    Workload::typical("web").deploy(scene, "member1").await?;
    Before::take(scene, "member1", "web").await
}

/// A Deployment of one pod, of any name: a label's value is shorter than a name may be.
fn small_deployment(name: &str) -> Value {
    let dots = name.matches('.').count();
    let labels = json!({"app": format!("of-{}-{dots}", name.len())});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": "registry.example/shop/web:1.0"}]},
            },
        },
    })
}
