//! Each reason to refuse, with what is just not one.

use promoter_api::promotion::PromotionSpec;
use serde_json::json;

use super::*;
use crate::{object::ObjectKind, plan::ExistingObject};

#[test]
fn an_ordinary_deployment_is_promoted() {
    assert_eq!(checked(&deployment(), &Existing::default()), Ok(()));
}

#[test]
fn the_systems_namespaces_are_reserved() {
    for namespace in [
        "karmada-cluster",
        "karmada-es-",
        "karmada-es-member1",
        "karmada-system",
        "kube-node-lease",
        "kube-public",
        "kube-system",
    ] {
        assert!(is_reserved_namespace(namespace), "{namespace}");
    }
    for namespace in [
        "default",
        "karmada",
        "karmada-clusters",
        "karmada-estimators",
        "karmada-monitoring",
        "kube",
        "kubernetes",
        "my-karmada-system",
        "my-kube-system",
        "",
    ] {
        assert!(!is_reserved_namespace(namespace), "{namespace}");
    }

    let workload = ObjectKey::deployment("web");
    let spec = spec();
    let request = request("kube-system", &workload, &spec);
    let refusal = check(&request, &live(deployment()), &Existing::default()).unwrap_err();
    assert_eq!(
        refusal,
        Refusal::new(
            Reason::NamespaceReserved,
            "Deployment/web of cluster member1 is in namespace kube-system, which is kept for the \
             system: Karmada never propagates what is in it; promote workloads of other namespaces"
        )
    );
}

#[test]
fn a_name_must_leave_room_for_karmadas_suffixes() {
    for (length, expected) in [(242, Ok(())), (243, Err(Reason::NameTooLong))] {
        let workload = ObjectKey::deployment("a".repeat(length));
        let spec = spec();
        let request = request("shop", &workload, &spec);
        let answer = check(&request, &live(deployment()), &Existing::default());
        assert_eq!(
            answer.map_err(|refusal| refusal.reason),
            expected,
            "{length}"
        );
    }
    let workload = ObjectKey::deployment("web");
    let message = name_too_long(&request("shop", &workload, &spec()), &workload);
    let start = "Deployment/web of namespace shop in cluster member1: the names ";
    assert!(message.starts_with(start), "{message}");
}

#[test]
fn what_karmada_has_already_is_told_with_its_policy_and_binding() {
    let by_policy = json!({"propagationpolicy.karmada.io/name": "all-of-shop"});
    let by_cluster_policy = json!({"clusterpropagationpolicy.karmada.io/name": "everything"});
    let work = Some(json!({"metadata": {"name": "web-56d6c779bb"}}));
    for (existing, expected) in [
        (
            Existing {
                work: work.clone(),
                ..Existing::default()
            },
            "Deployment/web in namespace shop of cluster member1 is federated already, by a Work \
             of this control plane and ResourceBinding shop/web-deployment; edit it in the \
             control plane",
        ),
        (
            Existing {
                work: work.clone(),
                ..with_template(&by_policy)
            },
            "Deployment/web in namespace shop of cluster member1 is federated already, by \
             PropagationPolicy shop/all-of-shop and ResourceBinding shop/web-deployment; edit it \
             in the control plane",
        ),
        (
            Existing {
                work,
                ..with_template(&by_cluster_policy)
            },
            "Deployment/web in namespace shop of cluster member1 is federated already, by \
             ClusterPropagationPolicy everything and ResourceBinding shop/web-deployment; edit \
             it in the control plane",
        ),
        (
            Existing {
                binding: Some(binding(&["member2", "member1"])),
                ..with_template(&by_policy)
            },
            "Deployment/web of namespace shop is federated to cluster member1 already, by \
             PropagationPolicy shop/all-of-shop and ResourceBinding shop/web-deployment; edit it \
             in the control plane",
        ),
        (
            Existing {
                binding: Some(binding(&["member1"])),
                ..with_template(&by_cluster_policy)
            },
            "Deployment/web of namespace shop is federated to cluster member1 already, by \
             ClusterPropagationPolicy everything and ResourceBinding shop/web-deployment; edit \
             it in the control plane",
        ),
    ] {
        assert_eq!(
            checked(&deployment(), &existing),
            Err(Refusal::new(Reason::AlreadyFederated, expected))
        );
    }
}

#[test]
fn a_template_for_other_clusters_is_another_workload() {
    let by_policy = json!({"propagationpolicy.karmada.io/name": "all-of-shop"});
    let bound = |clusters: &[&str]| Existing {
        binding: Some(binding(clusters)),
        ..with_template(&by_policy)
    };
    for (existing, claimed_by) in [
        (
            with_template(&by_policy),
            "PropagationPolicy shop/all-of-shop",
        ),
        (bound(&[]), "PropagationPolicy shop/all-of-shop"),
        // Nearly the name of the cluster.
        (
            bound(&["member10", "member"]),
            "PropagationPolicy shop/all-of-shop",
        ),
        (
            with_template(&json!({"clusterpropagationpolicy.karmada.io/name": "everything"})),
            "ClusterPropagationPolicy everything",
        ),
        (with_template(&json!({})), "no policy"),
        // It was claimed by the policy of a promotion that was given up.
        (
            Existing {
                binding: Some(left()),
                ..with_template(&json!({}))
            },
            "no policy",
        ),
    ] {
        assert_eq!(
            checked(&deployment(), &existing),
            Err(Refusal::new(
                Reason::ConflictingTemplate,
                format!(
                    "the control plane has another Deployment/web in namespace shop than cluster \
                     member1, claimed by {claimed_by}; rename one of them, or delete that template"
                )
            ))
        );
    }
}

#[test]
fn only_the_workloads_own_template_is_in_the_way() {
    let object = |key: ObjectKey, template: Option<Value>| Existing {
        objects: vec![ExistingObject {
            key,
            policy: Some(json!({})),
            template,
            work: None,
        }],
        // Of a template that is gone.
        binding: Some(binding(&["member1"])),
        ..Existing::default()
    };
    let dependency = |name| ObjectKey {
        kind: ObjectKind::ConfigMap,
        name: String::from(name),
    };
    for existing in [
        object(ObjectKey::deployment("web"), None),
        object(ObjectKey::deployment("web-2"), Some(json!({}))),
        object(dependency("web"), Some(json!({}))),
    ] {
        assert_eq!(checked(&deployment(), &existing), Ok(()), "{existing:?}");
    }
}

#[test]
fn the_marks_of_another_karmada_are_not_taken_for_ours() {
    let mut marked = deployment();
    marked["metadata"]["labels"]["karmada.io/managed"] = json!("true");
    marked["metadata"]["annotations"] = json!({"work.karmada.io/name": "web-1"});
    assert_eq!(
        checked(&marked, &Existing::default()),
        Err(Refusal::new(
            Reason::ManagedByOther,
            "Deployment/web in namespace shop of cluster member1 bears the marks of a Karmada, \
             but no Work of this control plane is behind them; release it in the Karmada that it \
             belongs to, or, if that is no more, set spec.staleMarks to Strip"
        ))
    );
    let strip = PromotionSpec {
        stale_marks: StaleMarks::Strip,
        ..spec()
    };
    assert_eq!(checked_as(&strip, &marked, &Existing::default()), Ok(()));
    marked["metadata"]["labels"]["karmada.io/managed"] = json!("false");
    assert_eq!(checked(&marked, &Existing::default()), Ok(()));
}

#[test]
fn what_has_an_owner_is_the_owners() {
    let mut owned = deployment();
    owned["metadata"]["ownerReferences"] = json!([
        {"kind": "Shop", "name": "corner", "uid": "o1", "controller": true},
        {"kind": "Backup", "name": "nightly", "uid": "o2"},
    ]);
    assert_eq!(
        checked(&owned, &Existing::default()),
        Err(Refusal::new(
            Reason::OwnedByController,
            "Deployment/web in namespace shop of cluster member1 is owned by Shop/corner, \
             Backup/nightly, which would go on writing to it; promote what its owner is made \
             from instead"
        ))
    );
    owned["metadata"]["ownerReferences"] = json!([]);
    assert_eq!(checked(&owned, &Existing::default()), Ok(()));
}

#[test]
fn what_a_tool_keeps_writing_is_the_tools() {
    for (field, key, value, tool) in [
        ("labels", "app.kubernetes.io/managed-by", "Helm", "Helm"),
        ("annotations", "meta.helm.sh/release-name", "web", "Helm"),
        (
            "annotations",
            "argocd.argoproj.io/tracking-id",
            "shop:apps/Deployment:shop/web",
            "Argo CD",
        ),
        ("labels", "argocd.argoproj.io/instance", "shop", "Argo CD"),
        ("labels", "kustomize.toolkit.fluxcd.io/name", "shop", "Flux"),
        ("labels", "helm.toolkit.fluxcd.io/name", "shop", "Flux"),
        (
            "annotations",
            "kustomize.toolkit.fluxcd.io/checksum",
            "5d",
            "Flux",
        ),
    ] {
        let mut deployment = deployment();
        deployment["metadata"][field][key] = json!(value);
        assert_eq!(
            checked(&deployment, &Existing::default()),
            Err(Refusal::new(
                Reason::ManagedByOther,
                format!(
                    "Deployment/web in namespace shop of cluster member1 is managed by {tool} \
                     ({} {key}), which would undo what Karmada writes; stop it there first and \
                     take its mark off, or set spec.managedWorkload of the Promotion to Allow",
                    field.trim_end_matches('s')
                )
            ))
        );
        let allow = PromotionSpec {
            managed_workload: ManagedWorkload::Allow,
            ..spec()
        };
        assert_eq!(
            checked_as(&allow, &deployment, &Existing::default()),
            Ok(())
        );
    }
    for (field, key, value) in [
        ("labels", "app.kubernetes.io/managed-by", "kustomize"),
        ("labels", "app.kubernetes.io/managed-by", "helm"),
        ("labels", "app.kubernetes.io/instance", "web"),
        ("labels", "helm.sh/chart", "web-1.0.0"),
        // The right key in the wrong place.
        ("annotations", "app.kubernetes.io/managed-by", "Helm"),
        ("labels", "meta.helm.sh/release-name", "web"),
        ("annotations", "argocd.argoproj.io/instance", "web"),
    ] {
        let mut deployment = deployment();
        deployment["metadata"][field][key] = json!(value);
        assert_eq!(
            checked(&deployment, &Existing::default()),
            Ok(()),
            "{field} {key}"
        );
    }
}

/// What a roll-out looks like: generation and observed generation, the replicas wanted, and the
/// replicas updated and in all.
type RollOut = (i64, i64, Value, i64, i64);

#[test]
fn pods_are_not_compared_while_they_are_being_replaced() {
    let cases: [(&str, RollOut, bool, bool); 16] = [
        ("complete", (3, 3, json!(2), 2, 2), false, true),
        (
            "not seen by its controller",
            (4, 3, json!(2), 2, 2),
            false,
            false,
        ),
        (
            "seen in a later generation",
            (3, 4, json!(2), 2, 2),
            false,
            true,
        ),
        (
            "one pod is still to be updated",
            (3, 3, json!(2), 1, 2),
            false,
            false,
        ),
        (
            "one pod is still to be made",
            (3, 3, json!(2), 1, 1),
            false,
            false,
        ),
        ("nothing is made yet", (1, 1, json!(2), 0, 0), false, false),
        (
            "a surge pod of the old template is left",
            (3, 3, json!(2), 2, 3),
            false,
            false,
        ),
        (
            "pods above what is wanted are all updated",
            (3, 3, json!(2), 3, 3),
            false,
            true,
        ),
        ("no replicas", (3, 3, json!(0), 0, 0), false, true),
        (
            "the last of no replicas is left",
            (3, 3, json!(0), 0, 1),
            false,
            false,
        ),
        (
            "one replica where none is said",
            (3, 3, json!(null), 1, 1),
            false,
            true,
        ),
        (
            "no pod where none is said",
            (3, 3, json!(null), 0, 0),
            false,
            false,
        ),
        ("paused half-way", (3, 3, json!(4), 2, 5), true, true),
        ("paused and complete", (3, 3, json!(2), 2, 2), true, true),
        (
            "paused, but its controller does not know",
            (4, 3, json!(2), 1, 2),
            true,
            false,
        ),
        (
            "paused without a replica",
            (3, 3, json!(0), 0, 0),
            true,
            true,
        ),
    ];
    for (name, (generation, observed, wanted, updated, all), paused, passes) in cases {
        let mut deployment = deployment();
        deployment["metadata"]["generation"] = json!(generation);
        deployment["spec"]["replicas"].clone_from(&wanted);
        deployment["spec"]["paused"] = json!(paused);
        deployment["status"] = json!({
            "observedGeneration": observed, "replicas": all, "updatedReplicas": updated,
            // Whether pods are ready is not asked.
            "unavailableReplicas": all,
        });
        let expected = if passes {
            Ok(())
        } else {
            let wanted = wanted.as_i64().unwrap_or(1);
            Err(Refusal::new(
                Reason::RolloutInProgress,
                format!(
                    "Deployment/web in namespace shop of cluster member1 was changed or is being rolled out \
                     ({updated} of {wanted} replicas updated, {all} pods in all); it is promoted when the \
                     roll-out is done, and `kubectl rollout status` there says what that waits for"
                ),
            ))
        };
        assert_eq!(
            checked(&deployment, &Existing::default()),
            expected,
            "{name}"
        );
    }
}

#[test]
fn a_deployment_that_its_controller_has_not_seen_is_not_promoted() {
    let mut new = deployment();
    new["status"] = json!({});
    let refusal = checked(&new, &Existing::default()).unwrap_err();
    assert_eq!(refusal.reason, Reason::RolloutInProgress);

    // A controller leaves zeros out.
    let mut empty = deployment();
    empty["spec"]["replicas"] = json!(0);
    empty["status"] = json!({"observedGeneration": 3});
    assert_eq!(checked(&empty, &Existing::default()), Ok(()));
}

#[test]
fn the_reason_that_does_not_pass_by_itself_is_told_first() {
    // Everything is wrong with it; each time one thing is put right.
    let mut deployment = deployment();
    deployment["metadata"]["generation"] = json!(4);
    deployment["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("Helm");
    deployment["metadata"]["labels"]["karmada.io/managed"] = json!("true");
    deployment["metadata"]["ownerReferences"] = json!([{"kind": "Shop", "name": "corner"}]);
    let template = with_template(&json!({}));
    let federated = Existing {
        work: Some(json!({})),
        ..template.clone()
    };
    let reason = |deployment: &Value, existing: &Existing| {
        checked(deployment, existing).map_err(|refusal| refusal.reason)
    };

    let long = ObjectKey::deployment("a".repeat(243));
    let refusal = check(
        &request("kube-system", &long, &spec()),
        &live(deployment.clone()),
        &federated,
    );
    assert_eq!(refusal.unwrap_err().reason, Reason::NamespaceReserved);
    let refusal = check(
        &request("shop", &long, &spec()),
        &live(deployment.clone()),
        &federated,
    );
    assert_eq!(refusal.unwrap_err().reason, Reason::NameTooLong);
    assert_eq!(
        reason(&deployment, &federated),
        Err(Reason::AlreadyFederated)
    );
    assert_eq!(
        reason(&deployment, &template),
        Err(Reason::ConflictingTemplate)
    );
    let nothing = Existing::default();
    assert_eq!(reason(&deployment, &nothing), Err(Reason::ManagedByOther));
    deployment["metadata"]["labels"]["karmada.io/managed"].take();
    assert_eq!(
        reason(&deployment, &nothing),
        Err(Reason::OwnedByController)
    );
    deployment["metadata"]["ownerReferences"].take();
    assert_eq!(reason(&deployment, &nothing), Err(Reason::ManagedByOther));
    deployment["metadata"]["labels"]["app.kubernetes.io/managed-by"].take();
    assert_eq!(
        reason(&deployment, &nothing),
        Err(Reason::RolloutInProgress)
    );
}

fn checked(deployment: &Value, existing: &Existing) -> Result<(), Refusal> {
    checked_as(&spec(), deployment, existing)
}

fn checked_as(
    spec: &PromotionSpec,
    deployment: &Value,
    existing: &Existing,
) -> Result<(), Refusal> {
    let workload = ObjectKey::deployment("web");
    check(
        &request("shop", &workload, spec),
        &live(deployment.clone()),
        existing,
    )
}

fn spec() -> PromotionSpec {
    serde_json::from_value(json!({"clusters": ["member1"], "workload": {"name": "web"}})).unwrap()
}

fn request<'a>(
    namespace: &'a str,
    workload: &'a ObjectKey,
    spec: &'a PromotionSpec,
) -> Request<'a> {
    Request {
        cluster: "member1",
        namespace,
        promotion: "p1",
        spec,
        workload,
    }
}

fn live(deployment: Value) -> Live {
    Live {
        autoscalers: Vec::new(),
        dependencies: Vec::new(),
        deployment,
        namespace: None,
        pods: Vec::new(),
        replica_sets: Vec::new(),
    }
}

/// A Deployment with nothing in the way.
fn deployment() -> Value {
    json!({
        "metadata": {"name": "web", "generation": 3, "labels": {"app": "web"}},
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2},
    })
}

fn with_template(annotations: &Value) -> Existing {
    Existing {
        objects: vec![ExistingObject {
            key: ObjectKey::deployment("web"),
            policy: None,
            template: Some(json!({"metadata": {"annotations": annotations}})),
            work: None,
        }],
        ..Existing::default()
    }
}

fn binding(clusters: &[&str]) -> Value {
    let clusters: Vec<_> = clusters.iter().map(|name| json!({"name": name})).collect();
    json!({"spec": {"clusters": clusters}})
}

/// One that a staged policy has left behind.
fn left() -> Value {
    let mut binding = binding(&["member1"]);
    binding["spec"]["suspension"] = json!({"dispatching": true});
    binding
}

#[test]
fn what_is_being_staged_is_federated() {
    let mut binding = left();
    binding["metadata"]["labels"] = json!({ (marks::POLICY_ID): "id-1" });
    let existing = Existing {
        binding: Some(binding),
        ..with_template(&json!({"propagationpolicy.karmada.io/name": "deployment.web"}))
    };
    let refusal = checked(&deployment(), &existing).unwrap_err();
    assert_eq!(refusal.reason, Reason::AlreadyFederated);
}
