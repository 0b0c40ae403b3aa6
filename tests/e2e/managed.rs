//! Dependencies that something in the member keeps writing.

use anyhow::{Context as _, Result, ensure};
use promoter_api::promotion::Phase;
use serde_json::{Value, json};

use crate::support::{Before, Kind, Scene, Workload, kubectl_promote, marks, secret_value};

/// Secrets, what marks them, and what keeps writing them.
const SECRETS: [(&str, &str); 4] = [
    ("certificate", "cert-manager"),
    ("database", "External Secrets"),
    ("sealed", "SealedSecret/sealed"),
    ("token", "Shop/corner"),
];

#[tokio::test]
async fn they_stay_as_they_are_and_their_rotation_is_not_undone() -> Result<()> {
    let scene = Scene::new("managed").await?;
    let (before, workload) = deployed(&scene).await?;
    let member = scene.member("member1");

    let answer = kubectl_promote(&scene, &workload).await?;

    answer.assert_output(0, &["Promoted"])?;
    before.assert_untouched().await?;
    let promotion = scene.until_phase("web", Phase::Promoted).await?;
    for (name, manager) in SECRETS {
        let told = told(&promotion, name)?;
        let message = told["message"].as_str().unwrap_or_default();
        ensure!(
            told["action"] == "Skipped" && told["managedBy"] == manager,
            "{told}"
        );
        for word in [
            &format!("Secret/{name}"),
            "member1",
            manager,
            "managedDependencies",
        ] {
            ensure!(message.contains(word), "{message:?} does not say {word}");
        }
        let condition = condition(&promotion)?;
        let said = condition["message"].as_str().unwrap_or_default();
        ensure!(
            said.contains(&format!("Secret/{name} by {manager}")),
            "{condition}"
        );
        ensure!(condition["status"] == "False", "{condition}");
        ensure!(scene.karmada.find(&Kind::secret(), name).await?.is_none());
    }
    ensure!(told(&promotion, "web-settings")?["action"] == "Created");

    // Karmada follows dependencies now, and has nothing to do with these.
    let rotated = json!({"stringData": {"value": secret_value("rotated")}});
    let mut versions = Vec::new();
    for (name, _) in SECRETS {
        versions.push(member.patch(&Kind::secret(), name, &rotated).await?);
    }
    let edit = json!({"spec": {"replicas": 3}});
    scene
        .karmada
        .patch(&Kind::deployment(), "web", &edit)
        .await?;
    crate::support::until_running(&scene, "member1", "web").await?;
    scene
        .eventually("the edit has arrived", async || {
            let web = member.get(&Kind::deployment(), "web").await?;
            ensure!(web["spec"]["replicas"] == 3, "{}", web["spec"]["replicas"]);
            Ok(())
        })
        .await?;
    assert_as_rotated(&scene, &versions).await?;

    scene.released("web").await?;
    assert_as_rotated(&scene, &versions).await?;
    scene.assert_nothing_federated().await?;
    marks::assert_no_trace(&scene, "member1").await
}

#[tokio::test]
async fn they_are_copied_where_the_spec_says_so() -> Result<()> {
    let scene = Scene::new("copied").await?;
    let (before, workload) = deployed(&scene).await?;

    let copy = [&workload[..], &["--managed-dependencies", "Copy"]].concat();
    let answer = kubectl_promote(&scene, &copy).await?;

    answer.assert_output(0, &["Promoted"])?;
    before.assert_untouched().await?;
    let promotion = scene.until_phase("web", Phase::Promoted).await?;
    ensure!(condition(&promotion).is_err(), "{}", promotion["status"]);
    for (name, _) in SECRETS {
        let told = told(&promotion, name)?;
        ensure!(
            told["action"] == "Created" && told["managedBy"].is_null(),
            "{told}"
        );
        let live = scene.member("member1").get(&Kind::secret(), name).await?;
        ensure!(marks::is_managed(&live), "{}", live["metadata"]);
    }
    Ok(())
}

/// A workload that needs all of them, and the words that promote it.
async fn deployed(scene: &Scene) -> Result<(Before, Vec<&'static str>)> {
    scene.namespace_in("member1").await?;
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "corner"}});
    let owner = scene.member("member1").create(&owner).await?;
    // The kinds of the owners are not installed: what is told is what the reference says, and the
    // garbage collector finds the owner by its UID.
    let owned_by = |kind: &str, name: &str| {
        json!({"ownerReferences": [{
            "apiVersion": "v1", "kind": kind, "name": name, "controller": true,
            "uid": owner["metadata"]["uid"],
        }]})
    };
    let metadata = [
        json!({"annotations": {"cert-manager.io/certificate-name": "shop"}}),
        json!({"labels": {"reconcile.external-secrets.io/managed": "true"}}),
        owned_by("SealedSecret", "sealed"),
        owned_by("Shop", "corner"),
    ];
    let mut workload = Workload::new("web").config_map("web-settings");
    for ((name, _), metadata) in SECRETS.into_iter().zip(metadata) {
        workload = workload.secret(name).objects(|object| {
            if object["metadata"]["name"] == name {
                for (key, value) in metadata.as_object().into_iter().flatten() {
                    object["metadata"][key] = value.clone();
                }
            }
        });
    }
    workload.deploy(scene, "member1").await?;
    let before = Before::take(scene, "member1", "web").await?;
    Ok((before, vec!["deployment/web", "-C", "member1"]))
}

async fn assert_as_rotated(scene: &Scene, versions: &[Value]) -> Result<()> {
    for rotated in versions {
        let name = rotated["metadata"]["name"].as_str().unwrap_or_default();
        let now = scene.member("member1").get(&Kind::secret(), name).await?;
        let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
        ensure!(
            version(&now) == version(rotated),
            "{name} was written: {}",
            now["metadata"]
        );
    }
    Ok(())
}

fn told<'a>(promotion: &'a Value, name: &str) -> Result<&'a Value> {
    let all = promotion["status"]["dependencies"]
        .as_array()
        .into_iter()
        .flatten();
    let mut found = all.filter(|told| told["name"] == name);
    found
        .next()
        .with_context(|| format!("{name} is not in {}", promotion["status"]))
}

fn condition(promotion: &Value) -> Result<&Value> {
    let all = promotion["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten();
    let mut found = all.filter(|condition| condition["type"] == "DependenciesFederated");
    found
        .next()
        .with_context(|| format!("not told: {}", promotion["status"]))
}
