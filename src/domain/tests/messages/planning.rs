//! What planning refuses.

use promoter_api::{
    marks,
    promotion::{DependencyKind, PromotionSpec, WorkloadReference},
};
use promoter_domain::{
    closure::{Reference, ReferenceSource},
    object::ObjectKey,
    plan::{self, Existing, ExistingObject, Live, LiveDependency, Request},
    precondition,
};
use serde_json::{Value, json};

use crate::{CLUSTER, Told};

/// What planning refuses.
pub(crate) fn refused() -> Vec<Told> {
    let agent = WorkloadReference {
        kind: "DaemonSet".to_owned(),
        ..WorkloadReference::deployment("agent")
    };
    let refusal = precondition::check_kind(&agent, "shop", CLUSTER).unwrap_err();
    let kind = (
        refusal.reason,
        "DaemonSet/agent".to_owned(),
        refusal.message,
    );

    let owners = json!({"ownerReferences": [{"kind": "Shop", "name": "corner"}]});
    let by_helm = json!({"labels": {"app.kubernetes.io/managed-by": "Helm"}});
    let marked = json!({"labels": {(marks::MANAGED): "true"}});
    let rolled_out = json!({"generation": 2});
    let ordinary = || deployment(&json!({}));
    let web = || ObjectKey::deployment("web");
    let template = |binding| Existing {
        binding,
        objects: vec![there(web(), None, Some(json!({})))],
        ..Existing::default()
    };
    let work = Some(json!({}));
    let placed = json!({"spec": {"clusters": [{"name": CLUSTER}]}});
    let mut told = vec![kind];
    for (workload, namespace, deployment, existing) in [
        (web(), "kube-system", ordinary(), Existing::default()),
        (
            ObjectKey::deployment("w".repeat(243)),
            "shop",
            ordinary(),
            Existing::default(),
        ),
        (
            web(),
            "shop",
            ordinary(),
            Existing {
                work,
                ..Existing::default()
            },
        ),
        (web(), "shop", ordinary(), template(Some(placed))),
        (web(), "shop", ordinary(), template(None)),
        (web(), "shop", deployment(&owners), Existing::default()),
        (web(), "shop", deployment(&by_helm), Existing::default()),
        (web(), "shop", deployment(&marked), Existing::default()),
        (web(), "shop", deployment(&rolled_out), Existing::default()),
    ] {
        let object = workload.to_string();
        told.push(told_of(
            &workload, namespace, deployment, None, &existing, object,
        ));
    }

    let settings = || ObjectKey::dependency(DependencyKind::ConfigMap, "settings");
    let value = |value: &str| json!({"data": {"mode": value}});
    let ours = json!({"labels": {(marks::MANAGED_BY): marks::FIELD_MANAGER}});
    let policy = |clusters: Value| {
        json!({
            "metadata": ours,
            "spec": {"placement": {"clusterAffinity": {"clusterNames": clusters}}},
        })
    };
    let unclaimed = json!({"data": {"mode": "a"}, "metadata": {"managedFields": [
        {"manager": marks::FIELD_MANAGER, "fieldsV1": {"f:data": {}}},
    ]}});
    let marked = json!({"data": {"mode": "a"}, "metadata": marked});
    let long = ObjectKey::dependency(DependencyKind::ConfigMap, "s".repeat(250));
    for (key, object, policy, template) in [
        // It is not there; it is another one; it is another cluster's; its policy is gone; nothing
        // keeps the member's; it is somebody else's; its name is too long.
        (settings(), None, None, None),
        (settings(), Some(value("a")), None, Some(value("b"))),
        (
            settings(),
            Some(value("a")),
            Some(policy(json!(["member2"]))),
            Some(value("a")),
        ),
        (settings(), Some(value("a")), None, Some(unclaimed)),
        (settings(), Some(value("a")), None, Some(value("a"))),
        (settings(), Some(marked), None, None),
        (long, Some(value("a")), None, None),
    ] {
        let named = key.to_string();
        let existing = Existing {
            objects: vec![there(key.clone(), policy, template)],
            ..Existing::default()
        };
        let dependency = LiveDependency {
            object,
            reference: Reference {
                key,
                required: true,
                source: ReferenceSource::PodTemplate,
            },
        };
        told.push(told_of(
            &web(),
            "shop",
            ordinary(),
            Some(dependency),
            &existing,
            named,
        ));
    }
    told
}

fn told_of(
    workload: &ObjectKey,
    namespace: &str,
    deployment: Value,
    dependency: Option<LiveDependency>,
    existing: &Existing,
    object: String,
) -> Told {
    let spec = json!({"clusters": [CLUSTER], "workload": {"name": workload.name}});
    let spec: PromotionSpec = serde_json::from_value(spec).unwrap();
    let request = Request {
        cluster: CLUSTER,
        namespace,
        promotion: "p1",
        spec: &spec,
        workload,
    };
    let live = Live {
        autoscalers: Vec::new(),
        dependencies: dependency.into_iter().collect(),
        deployment,
        namespace: None,
        pods: Vec::new(),
        replica_sets: Vec::new(),
    };
    let outcome = plan::plan(&request, &live, existing);
    let plan::Outcome::Refused(refusal) = outcome else {
        unreachable!("not refused: {object}: {outcome:?}")
    };
    (refusal.reason, object, refusal.message)
}

/// A Deployment with nothing in the way, but for what its metadata has besides.
fn deployment(metadata: &Value) -> Value {
    let mut deployment = json!({
        "metadata": {"generation": 1, "name": "web"},
        "spec": {"replicas": 1},
        "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1},
    });
    for (key, value) in metadata.as_object().into_iter().flatten() {
        deployment["metadata"][key] = value.clone();
    }
    deployment
}

fn there(key: ObjectKey, policy: Option<Value>, template: Option<Value>) -> ExistingObject {
    ExistingObject {
        key,
        policy,
        template,
        work: None,
    }
}
