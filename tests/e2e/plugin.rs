//! `kubectl promote`, word by word.

use std::{collections::BTreeMap, ffi::OsString};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use promoter_api::promotion::Phase;
use serde_json::{Value, json};

use crate::support::{
    Answer, Before, Kind, Rules, Scene, Workload, kubectl_promote, plugin, secret_value,
};

const PROMOTE: [&str; 3] = ["deployment/web", "-C", "member1"];

#[tokio::test]
async fn it_is_promoted_and_released_and_each_phase_is_told() -> Result<()> {
    let scene = Scene::new("plugin").await?;
    let before = running(&scene).await?;
    let name = format!("{}/web", scene.namespace);

    let answer = kubectl_promote(&scene, &PROMOTE).await?;
    answer.assert_output(0, &["Staging", "Committing", "Settling", "Promoted"])?;
    answer.assert_error(0, &["namespace", &scene.namespace, "created"])?;
    before.assert_untouched().await?;
    let namespace = scene.namespace.as_str();
    let namespace = scene.karmada.get(&Kind::namespace(), namespace).await?;
    let labels = &namespace["metadata"]["labels"];
    ensure!(
        labels["namespace.karmada.io/skip-auto-propagation"] == "true" && labels["team"] == "shop",
        "{labels}"
    );
    scene.assert_absent_elsewhere("member1").await?;

    let answer = kubectl_promote(&scene, &PROMOTE).await?;
    answer.assert_output(0, &[&name, "Promoted", "already"])?;
    let status = kubectl_promote(&scene, &["status"]).await?;
    status.assert_output(0, &["NAME", "PHASE", "web", "member1", "Promoted"])?;
    let status = kubectl_promote(&scene, &["status", "deployment/web"]).await?;
    let words = ["Deployment/web", "Promoted", "Placed in", "member1"];
    status.assert_output(0, &words)?;
    let status = kubectl_promote(&scene, &["status", "deployment/web", "-o", "json"]).await?;
    let status: Value = serde_json::from_str(&status.output)?;
    ensure!(status["kind"] == "Promotion" && status["status"]["phase"] == "Promoted");

    let answer = kubectl_promote(&scene, &["release", "deployment", "web"]).await?;
    answer.assert_output(0, &[&name, "Releasing", "Released"])?;
    before.assert_untouched().await?;
    scene.assert_nothing_federated().await?;
    let answer = kubectl_promote(&scene, &["release", "deployment/web"]).await?;
    answer.assert_output(0, &["Released", "already"])
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_tells_no_secret() -> Result<()> {
    let scene = Scene::new("dry-run").await?;
    let before = running(&scene).await?;
    let versions = everything(&scene).await?;
    let dry_run = |more: &[&'static str]| [&PROMOTE[..], &["--dry-run"], more].concat();

    let answer = kubectl_promote(&scene, &dry_run(&[])).await?;
    answer.assert_output(0, &["can be promoted", "create", "not checked"])?;
    answer.assert_error(0, &["does not exist in the control plane yet"])?;
    let answer = kubectl_promote(&scene, &dry_run(&["-o", "json"])).await?;
    answer.assert_error(0, &["does not exist in the control plane yet"])?;
    let list: Value = serde_json::from_str(&answer.output)?;
    let planned = list["items"].as_array().context("a List")?;
    let kinds: Vec<_> = planned.iter().map(|object| &object["kind"]).collect();
    let expected = [
        "Namespace",
        "Promotion",
        "PropagationPolicy",
        "ConfigMap",
        "PropagationPolicy",
        "Secret",
        "PropagationPolicy",
        "Deployment",
    ];
    ensure!(kinds == expected, "{kinds:?}");
    assert_no_secret(&answer)?;
    assert_same(&versions, &everything(&scene).await?)?;

    // Where the namespace is, the control plane checks everything.
    scene.namespace_in_karmada().await?;
    let versions = everything(&scene).await?;
    let answer = kubectl_promote(&scene, &dry_run(&[])).await?;
    answer.assert_output(0, &["can be promoted", "accepted by the control plane"])?;
    ensure!(!answer.output.contains("not checked"), "{answer:#?}");
    let answer = kubectl_promote(&scene, &dry_run(&["-o", "yaml"])).await?;
    ensure!(answer.code == 0, "{answer:#?}");
    assert_no_secret(&answer)?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&answer.output)?;
    ensure!(documents.len() == expected.len() - 1, "{}", answer.output);
    assert_same(&versions, &everything(&scene).await?)?;
    before.assert_untouched().await
}

#[tokio::test]
async fn observing_predicts_and_promotes_nothing() -> Result<()> {
    let scene = Scene::new("observe").await?;
    let before = running(&scene).await?;

    let answer = kubectl_promote(&scene, &[&PROMOTE[..], &["--observe"]].concat()).await?;

    let words = ["Observed", "member1", "predicted", "nothing but its own"];
    answer.assert_output(0, &words)?;
    scene.until_phase("web", Phase::Observed).await?;
    scene.assert_nothing_federated().await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn what_is_refused_ends_with_3_and_the_difference() -> Result<()> {
    let scene = Scene::new("refused").await?;
    let before = running(&scene).await?;
    scene.namespace_in_karmada().await?;
    let policy = json!({
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "OverridePolicy",
        "metadata": {"name": "stage"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}],
            "overrideRules": [{"overriders": {
                "imageOverrider": [{"component": "Tag", "operator": "replace", "value": "2.0"}],
            }}],
        },
    });
    scene.karmada.create(&policy).await?;

    let answer = kubectl_promote(&scene, &PROMOTE).await?;

    let words = [
        "refused:",
        "WouldRestartPods",
        "OverridePolicy",
        "member1: Deployment/web",
        "/spec/template/spec/containers/0/image",
        "web:1.0",
        "→",
        "web:2.0",
    ];
    answer.assert_error(3, &words)?;
    before.assert_untouched().await?;
    let ghost = ["deployment/ghost", "-C", "member1"];
    let answer = kubectl_promote(&scene, &ghost).await?;
    answer.assert_error(3, &["refused:", "ghost", "WorkloadMissing"])?;
    // Of several the worst counts.
    let both = ["deployment/ghost", "deployment/web", "-C", "member1"];
    let answer = kubectl_promote(&scene, &both).await?;
    ensure!(answer.code == 3, "{answer:#?}");
    let unknown = ["deployment/web", "-C", "nowhere", "--dry-run"];
    let answer = kubectl_promote(&scene, &unknown).await?;
    answer.assert_error(3, &["ClusterUnknown", "nowhere"])
}

#[tokio::test]
async fn what_takes_too_long_ends_with_5_and_goes_on() -> Result<()> {
    let scene = Scene::new("slow").await?;
    let before = running(&scene).await?;
    let member = scene.member("member1");
    let settings = member.get(&Kind::config_map(), "web-settings").await?;
    member.delete(&Kind::config_map(), "web-settings").await?;

    let words = [&PROMOTE[..], &["--timeout", "2s"]].concat();
    let answer = kubectl_promote(&scene, &words).await?;
    let words = ["timed out:", "DependencyMissing", "it goes on"];
    answer.assert_error(5, &words)?;
    let words = [&PROMOTE[..], &["--wait=false"]].concat();
    let answer = kubectl_promote(&scene, &words).await?;
    answer.assert_output(0, &["not waited for"])?;

    let settings = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "web-settings"},
        "data": settings["data"],
    });
    member.create(&settings).await?;
    let answer = kubectl_promote(&scene, &PROMOTE).await?;
    answer.assert_output(0, &["Promoted"])?;
    before.assert_untouched().await
}

#[tokio::test]
async fn what_cannot_be_understood_ends_with_2() -> Result<()> {
    let scene = Scene::new("usage").await?;
    for words in [
        &["deployment/web"][..],
        &["deployment/web", "-C", "member1", "--dry-run", "--observe"],
        &["--dry-run", "release", "deployment/web"],
        &["deployment/web", "-C", "member1", "--no-such-flag"],
        // Words that are no workload, and no reason.
        &["service/web", "-C", "member1"],
        &["release", "idle"],
        &["status", "deployment/"],
        &["explain", "Idle"],
    ] {
        let answer = kubectl_promote(&scene, words).await?;
        ensure!(answer.code == 2 && !answer.error.is_empty(), "{answer:#?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_user_needs_the_right_to_create_the_namespace() -> Result<()> {
    let scene = Scene::new("rights").await?;
    let before = running(&scene).await?;
    let name = format!("e2e-{}", scene.namespace);
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [
            {"apiGroups": ["promote.karmada.io"], "resources": ["promotions"], "verbs": ["*"]},
            {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
        ],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name,
        },
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}],
    });
    let _rules = Rules::create(&scene, "karmada", &[role, binding]).await?;
    let words = [&PROMOTE[..], &["--as", &name]].concat();
    scene
        .eventually("the user may not create namespaces", async || {
            let answer = kubectl_promote(&scene, &words).await?;
            let words = ["error:", "namespace", "forbidden", &name, "create"];
            answer.assert_error(1, &words)
        })
        .await?;
    let namespace = scene.namespace.as_str();
    let found = scene.karmada.find(&Kind::namespace(), namespace).await?;
    ensure!(found.is_none(), "the namespace was created");

    // Where somebody has created it, the user may ask, but for no more than they may do.
    scene.namespace_in_karmada().await?;
    let answer = kubectl_promote(&scene, &words).await?;
    let words = [
        "refused:",
        "NotAuthorized",
        &name,
        "deployments.apps",
        "the control plane",
    ];
    answer.assert_error(3, &words)?;
    before.assert_untouched().await
}

#[tokio::test]
async fn the_kubeconfig_is_read_as_kubectl_reads_it() -> Result<()> {
    let scene = Scene::new("kubeconfig").await?;
    let before = running(&scene).await?;
    let (karmada, member) = (
        scene.fleet.kubeconfig().to_path_buf(),
        scene.fleet.member_kubeconfig("member1"),
    );
    // The first file says which context is the current one.
    let both: OsString = std::env::join_paths([&member, &karmada])?;
    let namespace = ["-n", scene.namespace.as_str()];
    let words = [&PROMOTE[..], &namespace].concat();
    let answer = plugin::run(&scene, both.clone(), &words).await?;
    answer.assert_error(1, &["knows no Promotions"])?;
    // A dry run says as much as it can.
    let words_of_dry_run = [&words[..], &["--dry-run"]].concat();
    let answer = plugin::run(&scene, both.clone(), &words_of_dry_run).await?;
    answer.assert_error(1, &["knows no Promotions", "member1"])?;

    let words = [&words[..], &["--context", "karmada"]].concat();
    let answer = plugin::run(&scene, both.clone(), &words).await?;
    answer.assert_output(0, &["Promoted"])?;
    before.assert_untouched().await?;

    let file = karmada.to_string_lossy();
    let flag = ["--kubeconfig", &file];
    let words = [&["status"][..], &namespace, &flag].concat();
    let answer = plugin::run(&scene, member.into(), &words).await?;
    answer.assert_output(0, &["web", "Promoted"])?;
    let words = ["status", "--context", "nowhere"];
    let answer = plugin::run(&scene, both, &words).await?;
    answer.assert_error(1, &["nowhere"])
}

/// A typical workload that runs in member1, with a Secret.
async fn running(scene: &Scene) -> Result<Before> {
    Workload::typical("web").deploy(scene, "member1").await?;
    Before::take(scene, "member1", "web").await
}

/// The version of every object of the scene, by cluster, kind and name.
async fn everything(scene: &Scene) -> Result<BTreeMap<String, String>> {
    let kinds = [
        Kind::config_map(),
        Kind::deployment(),
        Kind::event(),
        Kind::secret(),
        Kind::service_account(),
    ];
    let only_in_karmada = [
        Kind::promotion(),
        Kind::propagation_policy(),
        Kind::resource_binding(),
    ];
    let only_in_members = [Kind::pod(), Kind::replica_set()];
    let mut versions = BTreeMap::new();
    for (cluster, more) in [
        (&scene.karmada, &only_in_karmada[..]),
        (scene.member("member1"), &only_in_members),
        (scene.member("member2"), &only_in_members),
    ] {
        let mut objects: Vec<_> = cluster
            .find(&Kind::namespace(), &scene.namespace)
            .await?
            .into_iter()
            .collect();
        for kind in kinds.iter().chain(more) {
            objects.extend(cluster.list(kind).await?);
        }
        for object in objects {
            let metadata = &object["metadata"];
            let (kind, name) = (&object["kind"], &metadata["name"]);
            let key = format!("{} {kind} {name}", cluster.name());
            versions.insert(key, metadata["resourceVersion"].to_string());
        }
    }
    Ok(versions)
}

fn assert_same(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Result<()> {
    ensure!(
        before == after,
        "something was written: {before:#?} became {after:#?}"
    );
    Ok(())
}

/// Fails if the value of the workload's Secret was printed.
fn assert_no_secret(answer: &Answer) -> Result<()> {
    let secret = secret_value("web-password");
    let encoded = BASE64_STANDARD.encode(&secret);
    for text in [&answer.output, &answer.error] {
        ensure!(
            !text.contains(&secret) && !text.contains(&encoded),
            "the Secret's value was printed: {text}"
        );
    }
    ensure!(answer.output.contains("<redacted>"), "{answer:#?}");
    Ok(())
}
