//! Policies that would take everything are there beforehand, and never get what is promoted.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use promoter_api::promotion::Phase;
use serde_json::{Value, json};

use crate::support::{Before, Kind, Recording, Scene, Workload, fleet, manifest, sample};

const CLAIM: &str = "propagationpolicy.karmada.io/permanent-id";
const CLUSTER_CLAIM: &str = "clusterpropagationpolicy.karmada.io/permanent-id";
/// So many at a time, so that Karmada's queues are not empty.
const AT_A_TIME: usize = 4;

#[tokio::test]
async fn no_other_policy_ever_claims_what_is_promoted() -> Result<()> {
    // The policies would disturb every other test.
    let scene = Scene::on(fleet::own("capture", 2).await?, "capture").await?;
    scene.namespace_in_karmada().await?;
    let count = sample::times(12, 100);
    let names: Vec<_> = (0..count).map(|index| format!("web-{index}")).collect();
    let mut before = Vec::new();
    for name in &names {
        workload(name).deploy(&scene, "member1").await?;
        before.push(Before::take(&scene, "member1", name).await?);
    }
    rivals_are_at_work(&scene).await?;
    let recordings = [
        Recording::start(&scene.karmada, &Kind::resource_binding()).await?,
        Recording::start(&scene.karmada, &Kind::work()).await?,
        Recording::start(&scene.karmada, &Kind::deployment()).await?,
        Recording::start(&scene.karmada, &Kind::config_map()).await?,
        Recording::start(&scene.karmada, &Kind::secret()).await?,
    ];

    futures::stream::iter(&names)
        .map(async |name| {
            scene.annotate("member1", name, "true").await?;
            scene.until_phase(name, Phase::Promoted).await
        })
        .buffer_unordered(AT_A_TIME)
        .try_collect::<Vec<_>>()
        .await?;

    for before in &before {
        before.assert_untouched().await?;
    }
    let claims = our_claims(&scene).await?;
    assert_eq!(claims.len(), 3 * count, "our policies are {claims:?}");
    let [bindings, works, deployments, config_maps, secrets] =
        recordings.each_ref().map(Recording::objects);
    let bound = assert_bound_by_us(&scene, &claims, &bindings?)?;
    assert_eq!(bound.len(), claims.len(), "bindings that were seen");
    let rendered = assert_rendered_for_member1(&scene, &claims, &works?)?;
    assert_eq!(rendered.len(), claims.len(), "Works that were seen");
    for templates in [deployments?, config_maps?, secrets?] {
        assert_claimed_by_us(&scene, &claims, &templates)?;
    }
    scene.assert_absent("member2").await
}

/// A workload that the rival in the namespace selects, with what it needs.
fn workload(name: &str) -> Workload {
    let labels = json!({"app": name, "tier": "shop"});
    Workload::typical(name)
        .replicas(1)
        .deployment(|deployment| deployment["metadata"]["labels"] = labels.clone())
        .objects(|object| object["metadata"]["labels"] = labels.clone())
}

/// Creates the two policies, and waits until each has claimed what it is to claim.
async fn rivals_are_at_work(scene: &Scene) -> Result<()> {
    let everything = [
        ("apps/v1", "Deployment"),
        ("v1", "ConfigMap"),
        ("v1", "Secret"),
    ];
    let selectors = |labels: &Value| -> Value {
        everything
            .iter()
            .map(|(api_version, kind)| {
                json!({"apiVersion": api_version, "kind": kind, "labelSelector": labels})
            })
            .collect()
    };
    let all = json!({
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "ClusterPropagationPolicy",
        "metadata": {"name": "everything-everywhere"},
        "spec": {
            "resourceSelectors": selectors(&Value::Null),
            "placement": {"clusterAffinity": {"clusterNames": ["member1", "member2"]}},
            "conflictResolution": "Overwrite",
        },
    });
    let labelled = json!({
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {"name": "shop"},
        "spec": {
            "resourceSelectors": selectors(&json!({"matchLabels": {"tier": "shop"}})),
            "placement": {"clusterAffinity": {"clusterNames": ["member2"]}},
            "conflictResolution": "Overwrite",
        },
    });
    scene.karmada.create(&all).await?;
    scene.karmada.create(&labelled).await?;
    for (labels, claim) in [(json!({}), CLUSTER_CLAIM), (json!({"tier": "shop"}), CLAIM)] {
        let name = if claim == CLAIM {
            "decoy-shop"
        } else {
            "decoy"
        };
        let decoy = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "labels": labels},
        });
        scene.karmada.create(&decoy).await?;
        scene
            .eventually(&format!("{name} is claimed"), async || {
                let decoy = scene.karmada.get(&Kind::config_map(), name).await?;
                let labels = &decoy["metadata"]["labels"];
                ensure!(labels[claim].is_string(), "{labels}");
                Ok(())
            })
            .await?;
    }
    // Nothing of theirs is to be taken for a capture.
    for name in ["decoy", "decoy-shop"] {
        let (karmada, config_maps) = (&scene.karmada, Kind::config_map());
        karmada.delete(&config_maps, name).await?;
        let binding = format!("{name}-configmap");
        let bindings = Kind::resource_binding();
        scene.until_gone(karmada, &bindings, &binding).await?;
    }
    Ok(())
}

/// The ids of the promoter's policies, by the object that each selects.
async fn our_claims(scene: &Scene) -> Result<BTreeMap<String, String>> {
    let policies = scene.karmada.list(&Kind::propagation_policy()).await?;
    let ours = policies.iter().filter(|policy| {
        policy["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "karmada-promoter"
    });
    Ok(ours
        .map(|policy| {
            let id = policy["metadata"]["labels"][CLAIM].as_str();
            let selector = &policy["spec"]["resourceSelectors"][0];
            (key(selector), id.unwrap_or_default().to_owned())
        })
        .collect())
}

fn assert_bound_by_us(
    scene: &Scene,
    claims: &BTreeMap<String, String>,
    bindings: &[Value],
) -> Result<BTreeSet<String>> {
    let mut seen = BTreeSet::new();
    for binding in bindings {
        if binding["metadata"]["namespace"] != scene.namespace.as_str() {
            continue;
        }
        let key = key(&binding["spec"]["resource"]);
        let Some(claim) = claims.get(&key) else {
            continue;
        };
        let labels = &binding["metadata"]["labels"];
        ensure!(
            labels[CLAIM] == claim.as_str() && labels[CLUSTER_CLAIM].is_null(),
            "the binding of {key} was claimed by another policy: {labels}"
        );
        let clusters = binding["spec"]["clusters"].as_array();
        ensure!(
            clusters
                .into_iter()
                .flatten()
                .all(|cluster| cluster["name"] == "member1"),
            "the binding of {key} was bound to {clusters:?}"
        );
        seen.insert(key);
    }
    Ok(seen)
}

fn assert_rendered_for_member1(
    scene: &Scene,
    claims: &BTreeMap<String, String>,
    works: &[Value],
) -> Result<BTreeSet<String>> {
    let mut seen = BTreeSet::new();
    for work in works {
        let manifest = manifest(work);
        if manifest["metadata"]["namespace"] != scene.namespace.as_str() {
            continue;
        }
        let key = object_key(manifest);
        let Some(claim) = claims.get(&key) else {
            continue;
        };
        let namespace = &work["metadata"]["namespace"];
        ensure!(
            namespace == "karmada-es-member1",
            "{key} was rendered for {namespace}"
        );
        let labels = &manifest["metadata"]["labels"];
        ensure!(
            labels[CLAIM] == claim.as_str() && labels[CLUSTER_CLAIM].is_null(),
            "{key} was rendered for another policy: {labels}"
        );
        seen.insert(key);
    }
    Ok(seen)
}

fn assert_claimed_by_us(
    scene: &Scene,
    claims: &BTreeMap<String, String>,
    templates: &[Value],
) -> Result<()> {
    for template in templates {
        if template["metadata"]["namespace"] != scene.namespace.as_str() {
            continue;
        }
        let key = object_key(template);
        let Some(claim) = claims.get(&key) else {
            continue;
        };
        let labels = &template["metadata"]["labels"];
        // Under the hold, nobody has claimed it yet.
        let ours = labels[CLAIM].is_null() || labels[CLAIM] == claim.as_str();
        ensure!(
            ours && labels[CLUSTER_CLAIM].is_null(),
            "{key} was claimed by another policy: {labels}"
        );
    }
    Ok(())
}

fn object_key(object: &Value) -> String {
    let name = object["metadata"]["name"].as_str();
    let kind = object["kind"].as_str();
    format!("{}/{}", kind.unwrap_or_default(), name.unwrap_or_default())
}

fn key(reference: &Value) -> String {
    let word = |key: &str| reference[key].as_str().unwrap_or_default();
    format!("{}/{}", word("kind"), word("name"))
}
