//! What a template says of promotion comes to the members by Karmada's hand. It is believed from
//! nobody, and answered without a quarrel.

use anyhow::{Result, ensure};
use promoter_api::{
    marks::{ENABLED, PHASE, REQUESTED_BY},
    promotion::Phase,
};
use promoter_installation::member::default_karmada_user;
use serde_json::{Value, json};

use crate::support::{Kind, Recording, Scene, Workload, opting_in::installation};

#[tokio::test]
async fn a_stamp_that_a_template_brings_names_nobody() -> Result<()> {
    let scene = Scene::new("from-template").await?;
    let installation = installation(&scene).await?;
    let member = scene.member("member1");
    let deployments = Kind::deployment();
    let states = Recording::start(member, &deployments).await?;
    scene.namespace_in("member1").await?;
    scene.namespace_in_karmada().await?;
    scene.karmada.create(&policy("web")).await?;
    let template = Workload::new("web").deployment(|deployment| {
        deployment["metadata"]["annotations"] = json!({
            (ENABLED): "true",
            (PHASE): "Waiting",
            (REQUESTED_BY): format!("{installation}:admin"),
        });
    });
    scene.karmada.create(template.object()).await?;

    scene
        .eventually("the hub says that it is federated", async || {
            let events = member.list(&Kind::event()).await?;
            let mut reasons = events.iter().map(|event| &event["reason"]);
            ensure!(
                reasons.any(|reason| reason == "AlreadyFederated"),
                "no event"
            );
            Ok(())
        })
        .await?;
    // The hub has gone on meanwhile, and has not written what Karmada writes otherwise.
    Workload::new("later").deploy(&scene, "member1").await?;
    scene.annotate("member1", "later", "true").await?;
    scene.until_phase("later", Phase::Promoted).await?;
    let live = member.get(&deployments, "web").await?;
    ensure!(
        live["metadata"]["annotations"][PHASE] == "Waiting",
        "{live}"
    );
    let seen = states.objects()?;
    let count = seen
        .iter()
        .filter(|state| state["metadata"]["uid"] == live["metadata"]["uid"])
        .count();
    ensure!(count < MOST_STATES, "it was written to {count} times");

    // The webhook has put right whom it names.
    let stamp = live["metadata"]["annotations"][REQUESTED_BY].as_str();
    let karmada = format!("{installation}:{}", default_karmada_user("member1"));
    ensure!(stamp == Some(&*karmada), "it is stamped {stamp:?}");

    let_go(&scene, "web").await?;
    scene
        .set_annotations("member1", "web", json!({"team": "storefront"}))
        .await?;

    let promotion = scene.until_phase("web", Phase::Promoted).await?;
    let requester = &promotion["spec"]["requester"];
    ensure!(
        requester["username"] == "unknown (--adopt-unstamped)" && requester["cluster"] == "member1",
        "it is promoted for {requester}"
    );
    Ok(())
}

/// More than a Deployment goes through until its pods run; a quarrel makes hundreds.
const MOST_STATES: usize = 40;

/// Has Karmada let go of what [`policy`] propagates, which stays in the member as it is.
pub(crate) async fn let_go(scene: &Scene, name: &str) -> Result<()> {
    let (deployments, policies) = (Kind::deployment(), Kind::propagation_policy());
    scene.karmada.delete(&deployments, name).await?;
    scene.until_gone(&scene.karmada, &deployments, name).await?;
    scene
        .eventually("Karmada has let go of it", async || {
            let works = scene.works().await?;
            let mut names = works
                .iter()
                .filter_map(|work| work["metadata"]["name"].as_str());
            let is_its = |work: &str| work.starts_with(&format!("{name}-"));
            ensure!(!names.any(is_its), "its Work is there");
            Ok(())
        })
        .await?;
    scene.karmada.delete(&policies, "by-hand").await?;
    scene.until_gone(&scene.karmada, &policies, "by-hand").await
}

/// Propagates a Deployment to member1, whatever is there, and never deletes it there.
pub(crate) fn policy(name: &str) -> Value {
    json!({
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {"name": "by-hand"},
        "spec": {
            "conflictResolution": "Overwrite",
            "placement": {"clusterAffinity": {"clusterNames": ["member1"]}},
            "preserveResourcesOnDeletion": true,
            "resourceSelectors": [
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            ],
        },
    })
}
