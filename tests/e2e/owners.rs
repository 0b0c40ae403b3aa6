//! Workloads that something else marks as its own, and what the spec allows.

use anyhow::{Result, ensure};
use promoter_api::{promotion::Phase, reason::Reason};
use serde_json::{Value, json};

use crate::support::{Allowed, Before, Kind, Scene, Workload, kubectl_promote, marks};

#[tokio::test]
async fn a_release_of_helm_is_promoted_as_it_is_where_that_is_allowed() -> Result<()> {
    let scene = Scene::new("helm").await?;
    let release = json!({
        "meta.helm.sh/release-name": "shop",
        "meta.helm.sh/release-namespace": scene.namespace,
    });
    let helm = |object: &mut Value| {
        object["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("Helm");
        object["metadata"]["annotations"] = release.clone();
    };
    Workload::typical("web")
        .deployment(helm)
        .objects(helm)
        .deploy(&scene, "member1")
        .await?;
    let before = Before::take(&scene, "member1", "web").await?;
    let promote = ["deployment/web", "-C", "member1"];
    scene.watch_writes("web", "member1").await?;

    let answer = kubectl_promote(&scene, &promote).await?;
    let words = [
        "ManagedByOther",
        "Deployment/web",
        "member1",
        "Helm",
        "managedWorkload",
    ];
    answer.assert_error(3, &words)?;
    scene
        .refused("web", Reason::ManagedByOther, &words[1..])
        .await?;
    before.assert_untouched().await?;

    let allow = [&promote[..], &["--managed-workload", "Allow"]].concat();
    let answer = kubectl_promote(&scene, &allow).await?;
    answer.assert_output(0, &["Promoted"])?;
    before.assert_untouched().await?;
    let template = scene.karmada.get(&Kind::deployment(), "web").await?;
    let live = scene
        .member("member1")
        .get(&Kind::deployment(), "web")
        .await?;
    for object in [&template, &live] {
        let metadata = &object["metadata"];
        ensure!(
            metadata["labels"]["app.kubernetes.io/managed-by"] == "Helm"
                && metadata["annotations"]["meta.helm.sh/release-name"] == "shop",
            "{metadata}"
        );
    }
    // What Helm goes on writing stays Helm's.
    let templates = scene.karmada.list(&Kind::config_map()).await?;
    ensure!(templates.is_empty(), "{templates:?}");
    scene.released("web").await?;
    before.assert_untouched().await?;
    marks::assert_no_trace(&scene, "member1").await
}

#[tokio::test]
async fn the_instance_label_counts_only_where_argo_cd_wrote_it() -> Result<()> {
    let scene = Scene::new("instance").await?;
    let label = "app.kubernetes.io/instance=shop";
    let mut befores = Vec::new();
    for (name, manager) in [("chart", "kubectl-label"), ("argo", "argocd-controller")] {
        Workload::new(name).deploy(&scene, "member1").await?;
        let deployment = format!("deployment/{name}");
        let manager = format!("--field-manager={manager}");
        scene
            .kubectl("member1", &["label", &deployment, label, &manager])
            .await?;
        befores.push(Before::take(&scene, "member1", name).await?);
        scene.promote(name, "member1").await?;
    }

    let refused = Phase::Refused;
    let words = [
        "Deployment/argo",
        "member1",
        "Argo CD",
        "label app.kubernetes.io/instance",
    ];
    scene
        .told_why("argo", refused, Reason::ManagedByOther, &words)
        .await?;
    scene.until_phase("chart", Phase::Promoted).await?;
    for before in befores {
        before.assert_untouched().await?;
    }
    let member = scene.member("member1");
    scene
        .assert_unwritten("argo", member, Allowed::Kubernetes)
        .await?;
    // This one Karmada keeps, which shows that it would have been seen.
    let written = scene.assert_unwritten("chart", member, Allowed::Karmada);
    ensure!(written.await.is_err(), "the promoter marked nothing");
    Ok(())
}

#[tokio::test]
async fn marks_of_a_karmada_that_is_no_more_are_taken_off_where_that_is_allowed() -> Result<()> {
    let scene = Scene::new("stale").await?;
    Workload::typical("web")
        .deployment(|deployment| bear_marks(deployment, "web"))
        .objects(|object| bear_marks(object, "web-settings"))
        .deploy(&scene, "member1")
        .await?;
    let before = Before::take(&scene, "member1", "web").await?;

    scene.promote("web", "member1").await?;
    let words = [
        "Deployment/web",
        "member1",
        "marks of a Karmada",
        "spec.staleMarks",
    ];
    scene.refused("web", Reason::ManagedByOther, &words).await?;
    before.assert_untouched().await?;

    // What is staged is taken away again here: Karmada would delete what bears its mark.
    let strip = json!({"spec": {"desiredState": "Rehearsed", "staleMarks": "Strip"}});
    let promotions = Kind::promotion();
    scene.karmada.patch(&promotions, "web", &strip).await?;
    scene.until_phase("web", Phase::Rehearsed).await?;
    scene.assert_nothing_federated().await?;
    before.assert_untouched().await?;
    for (kind, name) in [
        (Kind::config_map(), "web-settings"),
        (Kind::secret(), "web-password"),
    ] {
        let object = scene.member("member1").get(&kind, name).await?;
        ensure!(marks::traces(&object).is_empty(), "{}", object["metadata"]);
    }

    let promoted = json!({"spec": {"desiredState": "Promoted"}});
    scene.karmada.patch(&promotions, "web", &promoted).await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;
    let live = scene
        .member("member1")
        .get(&Kind::deployment(), "web")
        .await?;
    let annotations = &live["metadata"]["annotations"];
    ensure!(
        annotations["work.karmada.io/namespace"] == "karmada-es-member1",
        "{annotations}"
    );
    ensure!(
        annotations["clusterpropagationpolicy.karmada.io/name"].is_null(),
        "{annotations}"
    );
    // What a person wrote survives, although the other Karmada's record named it.
    ensure!(annotations["shop.example/team"] == "web", "{annotations}");
    scene.released("web").await?;
    before.assert_untouched().await?;
    marks::assert_no_trace(&scene, "member1").await
}

#[tokio::test]
async fn marks_are_promoted_over_at_once_by_the_command() -> Result<()> {
    let scene = Scene::new("stale-command").await?;
    Workload::new("web")
        .deployment(|deployment| bear_marks(deployment, "web"))
        .deploy(&scene, "member1")
        .await?;
    let before = Before::take(&scene, "member1", "web").await?;

    let words = ["deployment/web", "-C", "member1", "--stale-marks", "Strip"];
    let answer = kubectl_promote(&scene, &[&words[..], &["--dry-run"]].concat()).await?;
    let told = [
        "strip",
        "Deployment/web",
        "label karmada.io/managed",
        "annotation work.karmada.io/name",
        "create",
        "Promotion/web",
    ];
    answer.assert_output(0, &told)?;
    let answer = kubectl_promote(&scene, &words).await?;

    answer.assert_output(0, &["Promoted"])?;
    before.assert_untouched().await
}

/// Marks an object as Karmada does that has it from a template elsewhere.
fn bear_marks(object: &mut Value, name: &str) {
    object["metadata"]["labels"]["karmada.io/managed"] = json!("true");
    object["metadata"]["labels"]["clusterpropagationpolicy.karmada.io/permanent-id"] = json!("p1");
    object["metadata"]["annotations"] = json!({
        "clusterpropagationpolicy.karmada.io/name": "everything",
        "resourcetemplate.karmada.io/generation": "1",
        "resourcetemplate.karmada.io/managed-annotations":
            "resourcetemplate.karmada.io/managed-annotations,shop.example/team,\
             work.karmada.io/name,work.karmada.io/namespace",
        "resourcetemplate.karmada.io/managed-labels": "app,karmada.io/managed",
        "resourcetemplate.karmada.io/uid": "t1",
        "shop.example/team": "web",
        "work.karmada.io/name": format!("{name}-5d7c"),
        "work.karmada.io/namespace": "karmada-es-elsewhere",
    });
}
