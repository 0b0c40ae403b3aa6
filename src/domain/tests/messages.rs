//! Whatever is refused, people are told which object, in which cluster, and what to do.
//!
//! Every rule that refuses something is broken once here. What only API servers can tell has its
//! words where they are asked.

#![allow(clippy::unwrap_used, reason = "the whole of it is a test")]

use std::collections::BTreeSet;

use promoter_api::{
    marks,
    promotion::{
        DependencyKind, DesiredState, OnClusterRemoval, Phase, PromotionSpec, Requester,
        WorkloadReference,
    },
    reason::Reason,
};
use promoter_domain::{
    authorization::{Asked, Purpose},
    closure::{Reference, ReferenceSource},
    object::ObjectKey,
    observation::{
        Edit, LiveWorkload, ObjectState, PolicySettings, PolicyState, TemplateSettings,
        TemplateState, WorkState,
    },
    opt_in::OptIns,
    plan::{self, Existing, ExistingObject, Live, LiveDependency, Request},
    precondition,
    step::{Action, Intent, Observed, step},
};
use serde_json::{Value, json};

const CLUSTER: &str = "member1";

/// What only the answers of API servers lead to.
const ASKED_ELSEWHERE: [Reason; 7] = [
    Reason::ClusterNotReady,
    Reason::ClusterUnknown,
    Reason::RehearsalImpossible,
    Reason::VerificationFailed,
    Reason::WorkloadMissing,
    Reason::WouldChangeObject,
    Reason::WouldRestartPods,
];

/// What people are told to do, in the last words of a message.
const REMEDIES: [&str; 15] = [
    "ask again",
    "ask by `kubectl promote`",
    "create it, or",
    "edit it in the control plane",
    "give it a shorter name",
    "it is planned again",
    "it is promoted when the roll-out is done",
    "leave dependencies out",
    "promote one of those",
    "promote what its owner is made from",
    "promote workloads of other namespaces",
    "rename it, so that",
    "rename one of them",
    "set spec.",
    "without it (spec.dependencies)",
];

#[test]
fn every_refusal_names_the_object_the_cluster_and_the_remedy() {
    let all: Vec<_> = planning()
        .into_iter()
        .chain(authorizing())
        .chain(stepping())
        .collect();
    for (reason, object, message) in &all {
        assert!(message.contains(object), "{reason}: no {object}: {message}");
        assert!(
            message.contains(CLUSTER),
            "{reason}: no {CLUSTER}: {message}"
        );
        let told = REMEDIES.iter().any(|remedy| {
            let last = message.rsplit(". ").next().unwrap_or(message);
            let last = last.rsplit("; ").next().unwrap_or(last);
            last.contains(remedy)
        });
        assert!(told, "{reason}: no remedy: {message}");
    }
    let told: BTreeSet<_> = all.iter().map(|(reason, ..)| *reason).collect();
    let told: Vec<_> = told.into_iter().chain(ASKED_ELSEWHERE).collect();
    for reason in Reason::ALL {
        let times = told.iter().filter(|it| **it == reason).count();
        assert_eq!(times, 1, "{reason}");
    }
}

/// A reason, the object that it is about, and what is said of it.
type Told = (Reason, String, String);

/// What planning refuses.
fn planning() -> Vec<Told> {
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
        told.push(refused(
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
        told.push(refused(
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

fn refused(
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

/// What whoever asks may not have.
fn authorizing() -> Vec<Told> {
    let workload = ObjectKey::deployment("web");
    let user = |cluster: Option<&str>| Requester {
        cluster: cluster.map(str::to_owned),
        username: "bob".to_owned(),
        ..Requester::default()
    };
    let asked = |requester, purpose| Asked {
        cluster: CLUSTER,
        namespace: "shop",
        purpose,
        requester,
        workload: &workload,
    };
    let (bob, here, there) = (user(None), user(Some(CLUSTER)), user(Some("member2")));
    let none = OptIns::from(vec!["member2=*".parse().unwrap()]);
    let mut outcomes = Vec::new();
    for (requester, purpose) in [
        (None, Purpose::Promote),
        (Some(&there), Purpose::Promote),
        (Some(&here), Purpose::Release),
        (Some(&here), Purpose::Promote),
    ] {
        outcomes.push(asked(requester, purpose).authority(&none).unwrap_err());
    }
    let asked = asked(Some(&bob), Purpose::Promote);
    let secret = ObjectKey::dependency(DependencyKind::Secret, "keys");
    let accesses = asked.workload_accesses();
    for access in accesses.iter().chain(&asked.dependency_accesses([&secret])) {
        outcomes.push(asked.denied(&bob, access));
    }
    let object = workload.to_string();
    outcomes
        .into_iter()
        .map(|outcome| (outcome.reason, object.clone(), outcome.message))
        .collect()
}

/// For what it is given up, once it was begun.
fn stepping() -> Vec<Told> {
    type Change = fn(&mut Observed);
    let changes: [(Phase, Change); 7] = [
        (Phase::Staging, |it| {
            workload(it).policy = PolicyState::Foreign;
        }),
        (Phase::Staging, |it| {
            workload(it).template = TemplateState::Foreign;
        }),
        (Phase::Staging, |it| workload(it).works.clear()),
        (Phase::Committing, |it| it.template_edited = true),
        (Phase::Committing, |it| {
            dispatched(it);
            it.template_edited = true;
            workload(it).works[0].applied = Some(false);
            workload(it).works[0].refused_by_guard = true;
        }),
        (Phase::Committing, |it| {
            dispatched(it);
            workload(it).works[0].message = Some("the shop is closed.".to_owned());
        }),
        (Phase::Committing, dispatched),
    ];
    changes
        .into_iter()
        .map(|(phase, change)| {
            let mut observed = staged(phase);
            change(&mut observed);
            match step(&observed) {
                Action::Enter(_, Some(outcome)) => {
                    (outcome.reason, "Deployment/web".to_owned(), outcome.message)
                }
                action => unreachable!("not given up: {action:?}"),
            }
        })
        .collect()
}

/// A workload that is staged, and takes longer than it may.
fn staged(phase: Phase) -> Observed {
    Observed {
        autoscaled: false,
        edited: false,
        guarded: Some(true),
        intent: Intent {
            authorized: true,
            deleted: false,
            desired: DesiredState::Promoted,
            on_cluster_removal: OnClusterRemoval::Delete,
            renewed: false,
            suspended: false,
        },
        live: Some(LiveWorkload {
            current: true,
            edit: Edit::None,
            guarded: true,
            version: None,
        }),
        live_replicas: None,
        marked: false,
        namespace: true,
        objects: vec![ObjectState {
            attached: false,
            bound: Some(vec![CLUSTER.to_owned()]),
            key: ObjectKey::deployment("web"),
            needed_elsewhere: false,
            needed_in: Vec::new(),
            policy: PolicyState::Ours(settings(true)),
            policy_version: None,
            template: TemplateState::Claimed(TemplateSettings {
                replicas: None,
                retains_replicas: true,
            }),
            template_version: None,
            works: WorkState::of(&json!({"metadata": {"name": "web-1"}}), CLUSTER, None, None)
                .into_iter()
                .collect(),
        }],
        origin: CLUSTER.to_owned(),
        overdue: true,
        phase,
        placed: BTreeSet::new(),
        reason: None,
        rehearsed: true,
        template_edited: false,
        unrecorded: false,
    }
}

fn settings(suspended: bool) -> PolicySettings {
    PolicySettings {
        orphaned: false,
        overwrite: true,
        preserve: !suspended,
        propagate_dependencies: false,
        released_by_us: false,
        staged_by_us: true,
        suspended,
    }
}

fn dispatched(observed: &mut Observed) {
    workload(observed).policy = PolicyState::Ours(settings(false));
}

fn workload(observed: &mut Observed) -> &mut ObjectState {
    &mut observed.objects[0]
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
