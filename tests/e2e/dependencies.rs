//! What a workload needs, but is missing or is somebody else's.

use anyhow::{Context as _, Result, ensure};
use promoter_api::{promotion::Phase, reason::Reason};
use serde_json::{Value, json};

use crate::support::{Before, Kind, Rules, Scene, Workload, marks, secret_value};

#[tokio::test]
async fn a_missing_dependency_is_waited_for() -> Result<()> {
    let scene = Scene::new("missing").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let member = scene.member("member1");
    let settings = member.get(&Kind::config_map(), "web-settings").await?;
    member.delete(&Kind::config_map(), "web-settings").await?;

    scene.promote("web", "member1").await?;

    let words = ["Deployment/web", "ConfigMap/web-settings", "member1"];
    let promotion = scene
        .waits("web", Reason::DependencyMissing, &words)
        .await?;
    let told = told(&promotion, "web-settings")?;
    ensure!(told["action"] == "Skipped", "{told}");
    member.create(&without_server_fields(&settings)).await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await
}

#[tokio::test]
async fn a_different_namesake_of_a_dependency() -> Result<()> {
    let scene = Scene::new("namesakes").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    scene.namespace_in_karmada().await?;
    let settings = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "web-settings"},
        "data": {"GREETING": "good evening"},
    });
    let password = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "web-password"},
        "stringData": {"PASSWORD": secret_value("another-one")},
    });
    for object in [&settings, &password] {
        scene.karmada.create(object).await?;
    }

    scene.promote("web", "member1").await?;

    let words = [
        "Deployment/web",
        "member1",
        "ConfigMap/web-settings /data/GREETING",
        "Secret/web-password /data/PASSWORD",
    ];
    let promotion = scene
        .refused_beside("web", Reason::DependencyConflict, &words)
        .await?;
    for name in ["web-settings", "web-password"] {
        let told = told(&promotion, name)?;
        ensure!(told["action"] == "Conflict", "{told}");
    }
    let differences = &promotion["status"]["clusters"][0]["differences"];
    let of = |object: &str| {
        let all = differences.as_array().into_iter().flatten();
        let mut found = all.filter(|difference| difference["object"] == object);
        found.next().with_context(|| format!("{differences}"))
    };
    let difference = of("ConfigMap/web-settings")?.to_string();
    ensure!(
        difference.contains("hello from web-settings") && difference.contains("good evening"),
        "{difference}"
    );
    // The status may be read by people who may not read Secrets.
    let told = promotion.to_string();
    for secret in ["another-one", "web-password"].map(secret_value) {
        ensure!(!told.contains(&secret) && !told.contains(&encoded(&secret)));
    }
    ensure!(of("Secret/web-password")?.get("live").is_none());
    assert_only_namesakes(&scene).await?;
    before.assert_untouched().await?;

    // Equal is not enough: what is edited in these templates would never arrive in the member.
    let member = scene.member("member1");
    for kind in [Kind::config_map(), Kind::secret()] {
        let name = match kind.name() {
            "Secret" => "web-password",
            _ => "web-settings",
        };
        let live = member.get(&kind, name).await?;
        let patch = json!({"data": live["data"]});
        scene.karmada.patch(&kind, name, &patch).await?;
    }
    scene.ask_again("web").await?;
    scene.until_answered("web").await?;
    let words = [
        "ConfigMap/web-settings",
        "member1",
        "no policy places it",
        "Overwrite",
    ];
    scene
        .refused_beside("web", Reason::DependencyConflict, &words)
        .await?;
    assert_only_namesakes(&scene).await?;
    before.assert_untouched().await?;

    // Once Karmada keeps the member's, they are shared.
    keep_by_hand(&scene).await?;
    scene.ask_again("web").await?;
    let promotion = scene.until_phase("web", Phase::Promoted).await?;
    for name in ["web-settings", "web-password"] {
        let told = self::told(&promotion, name)?;
        ensure!(told["action"] == "Reused", "{told}");
    }
    before.assert_untouched().await?;

    // What was there before the promotion is there after the release.
    scene.released("web").await?;
    before.assert_untouched().await?;
    for (kind, name) in [
        (Kind::config_map(), "web-settings"),
        (Kind::secret(), "web-password"),
    ] {
        let left = scene.karmada.list(&kind).await?;
        ensure!(left.len() == 1, "{}: {left:?}", kind.name());
        let live = member.get(&kind, name).await?;
        ensure!(marks::is_managed(&live), "{}", live["metadata"]);
    }
    let web = member.get(&Kind::deployment(), "web").await?;
    let enabled = ("promote.karmada.io/enabled".to_owned(), "false".to_owned());
    assert_eq!(marks::traces(&web), [enabled]);
    Ok(())
}

/// Of such templates hardly anything tells that the promoter has made them.
#[tokio::test]
async fn what_is_all_but_empty_comes_along_and_is_given_back() -> Result<()> {
    let scene = Scene::new("empty").await?;
    let objects = [
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "nothing"}}),
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "bytes"},
            "binaryData": {"logo": "AAEC/w=="},
        }),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "runner"}}),
    ];
    let kinds = objects.each_ref().map(Kind::of);
    let names = ["nothing", "bytes", "runner"];
    let mut workload = Workload::new("web").pod(|pod| {
        pod["serviceAccountName"] = json!("runner");
        pod["volumes"] = json!([{"name": "files", "projected": {"sources": [
            {"configMap": {"name": "nothing"}},
            {"configMap": {"name": "bytes"}},
        ]}}]);
    });
    for object in objects {
        workload = workload.with(object);
    }
    workload.deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let mut held = Rules::forbid_bindings(&scene).await?;
    scene.promote("web", "member1").await?;

    // As Karmada does that has not heard of the policy, after a restart.
    let claim = "propagationpolicy.karmada.io/permanent-id";
    for (kind, name) in kinds.iter().zip(names) {
        let what = format!("{name} is staged");
        let staged = async || {
            let template = scene.karmada.get(kind, name).await?;
            let labels = &template["metadata"]["labels"];
            ensure!(labels[claim].is_string(), "{labels}");
            Ok(())
        };
        scene.eventually(&what, staged).await?;
        let unclaimed = json!({"metadata": {"labels": { (claim): null }}});
        scene.karmada.patch(kind, name, &unclaimed).await?;
        scene.eventually(&what, staged).await?;
    }
    held.lift().await?;

    let promotion = scene.until_phase("web", Phase::Promoted).await?;
    for name in names {
        let told = told(&promotion, name)?;
        ensure!(told["action"] == "Created", "{told}");
    }
    before.assert_untouched().await?;
    scene.released("web").await?;
    before.assert_untouched().await?;
    scene.assert_nothing_federated().await?;
    marks::assert_no_trace(&scene, "member1").await
}

/// Has Karmada take over the two namesakes, as people do who know it.
async fn keep_by_hand(scene: &Scene) -> Result<()> {
    let policy = json!({
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {"name": "by-hand"},
        "spec": {
            "conflictResolution": "Overwrite",
            "placement": {"clusterAffinity": {"clusterNames": ["member1"]}},
            "resourceSelectors": [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": "web-settings"},
                {"apiVersion": "v1", "kind": "Secret", "name": "web-password"},
            ],
        },
    });
    scene.karmada.create(&policy).await?;
    scene
        .eventually("Karmada keeps the namesakes", async || {
            let member = scene.member("member1");
            for (kind, name) in [
                (Kind::config_map(), "web-settings"),
                (Kind::secret(), "web-password"),
            ] {
                let live = member.get(&kind, name).await?;
                ensure!(marks::is_managed(&live), "{}", live["metadata"]);
            }
            Ok(())
        })
        .await
}

/// What a Promotion tells about one dependency.
fn told<'a>(promotion: &'a Value, name: &str) -> Result<&'a Value> {
    let all = promotion["status"]["dependencies"].as_array();
    let mut found = all
        .into_iter()
        .flatten()
        .filter(|told| told["name"] == name);
    found
        .next()
        .with_context(|| format!("{name} is not in {}", promotion["status"]))
}

/// Fails if the control plane has more of the namespace than the two that were there.
async fn assert_only_namesakes(scene: &Scene) -> Result<()> {
    for (kind, count) in [
        (Kind::config_map(), 1),
        (Kind::deployment(), 0),
        (Kind::propagation_policy(), 0),
        (Kind::resource_binding(), 0),
        (Kind::secret(), 1),
        (Kind::service_account(), 0),
    ] {
        let found = scene.karmada.list(&kind).await?;
        ensure!(found.len() == count, "{}: {found:?}", kind.name());
    }
    Ok(())
}

fn encoded(text: &str) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};

    BASE64_STANDARD.encode(text)
}

/// An object as it can be created anew.
fn without_server_fields(object: &Value) -> Value {
    json!({
        "apiVersion": object["apiVersion"],
        "kind": object["kind"],
        "metadata": {"name": object["metadata"]["name"]},
        "data": object["data"],
    })
}
