//! What is made of each dependency, and of all of them together.

use promoter_api::promotion::{DependencyKind, ReplicaSetIdentity};

use super::{dependency::places, *};
use crate::closure::ReferenceSource;

/// The value that no message and no difference may tell, as it stands in a Secret.
const SECRET_VALUE: &str = "aHVudGVyMg==";

#[test]
fn everything_that_is_missing_is_created_dependencies_first() {
    let live = live([
        required("ConfigMap/settings", config_map("a")),
        required("Secret/keys", secret(SECRET_VALUE)),
        required(
            "ServiceAccount/web",
            json!({"secrets": [{"name": "web-token"}]}),
        ),
        pull_secret_of_account("Secret/pull", secret(SECRET_VALUE)),
    ]);
    let plan = planned(&live, &namespace_only());
    let keys: Vec<_> = plan.objects.iter().map(|it| it.key.to_string()).collect();
    assert_eq!(
        keys,
        [
            "ConfigMap/settings",
            "Secret/keys",
            "ServiceAccount/web",
            "Secret/pull",
            "Deployment/web"
        ]
    );
    for object in &plan.objects {
        let key = &object.key;
        let metadata = &object.policy["metadata"];
        assert_eq!(metadata["name"], json!(key.policy_name()));
        assert_eq!(metadata["namespace"], "shop");
        assert_eq!(metadata["annotations"][marks::STAGED_BY], "p1", "{key}");
        assert_eq!(metadata["annotations"][marks::ORIGIN], "member1", "{key}");
        // Karmada sees every reference but those of the ServiceAccount.
        let follows = metadata["annotations"][marks::FOLLOWS] == "true";
        assert_eq!(follows, key.to_string() == "Secret/pull", "{key}");
        assert!(places(&object.policy, "member1"), "{key}");

        let template = &object.template;
        assert_eq!(template["kind"], key.kind.as_str());
        assert_eq!(template["metadata"]["name"], json!(key.name));
        assert_eq!(template["metadata"]["namespace"], "shop");
        // A template that is not held may be captured by any policy.
        let labels = &template["metadata"]["labels"];
        assert_eq!(labels[marks::HOLD], marks::HOLD_VALUE, "{key}");
    }
    assert_eq!(plan.objects[0].template["data"], json!({"mode": "a"}));
    assert_eq!(plan.objects[4].template["spec"], live.deployment["spec"]);
    assert_eq!(
        plan.dependencies,
        [
            status(
                DependencyKind::ConfigMap,
                "settings",
                DependencyAction::Created,
                None
            ),
            status(
                DependencyKind::Secret,
                "keys",
                DependencyAction::Created,
                None
            ),
            status(
                DependencyKind::ServiceAccount,
                "web",
                DependencyAction::Created,
                None
            ),
            DependencyStatus {
                through_service_account: true,
                ..status(
                    DependencyKind::Secret,
                    "pull",
                    DependencyAction::Created,
                    None
                )
            },
        ]
    );
}

#[test]
fn a_workload_without_dependencies_is_all_there_is_to_it() {
    let plan = planned(&live([]), &namespace_only());
    assert_eq!(plan.dependencies, []);
    assert_eq!(plan.objects.len(), 1);
    assert_eq!(plan.objects[0].key, ObjectKey::deployment("web"));
}

#[test]
fn what_stays_in_the_member_is_told_with_the_reason() {
    let token = json!({"type": "kubernetes.io/service-account-token", "data": {"token": "eA=="}});
    let bootstrap = json!({"type": "bootstrap.kubernetes.io/token", "data": {"token": "eA=="}});
    let too_long = format!("Secret/{}", "a".repeat(250));
    let absent = |key: &str, source| dependency(key, false, source, None);
    for (dependency, why) in [
        (
            absent("ConfigMap/extra", ReferenceSource::PodTemplate),
            "it is optional and does not exist in the member",
        ),
        (
            absent("Secret/pull", ReferenceSource::ImagePull),
            "it does not exist in the member; pods start without it",
        ),
        (
            absent("Secret/pull", ReferenceSource::ServiceAccount),
            "it does not exist in the member; pods start without it",
        ),
        (
            required("Secret/token", token.clone()),
            "it holds a token of this one cluster",
        ),
        (
            required("Secret/token", bootstrap),
            "it holds a token of this one cluster",
        ),
        // No name is too long for what stays where it is.
        (
            required(&too_long, token),
            "it holds a token of this one cluster",
        ),
    ] {
        let key = dependency.reference.key.clone();
        // What the control plane has under its name does not matter.
        let existing = with(&key, Some(policy_of("p2")), Some(config_map("b")));
        let plan = planned(&live([dependency]), &existing);
        assert_eq!(plan.objects.len(), 1, "{key}");
        let [found] = &plan.dependencies[..] else {
            panic!("{:?}", plan.dependencies)
        };
        assert_eq!(found.action, DependencyAction::Skipped, "{key}");
        assert_eq!(found.message.as_deref(), Some(why), "{key}");
        assert_eq!(found.name, key.name);
    }
}

#[test]
fn a_kind_that_is_left_out_is_neither_created_nor_missed() {
    let live = live([
        required("ConfigMap/settings", config_map("a")),
        dependency("Secret/keys", true, ReferenceSource::PodTemplate, None),
        required("ServiceAccount/web", json!({})),
    ]);
    let existing = with(
        &key("ServiceAccount/web"),
        None,
        Some(json!({"automountServiceAccountToken": false})),
    );
    let left_out = Some("its kind is left out by spec.dependencies");
    let skipped = |kind, name| status(kind, name, DependencyAction::Skipped, left_out);

    let Outcome::Plan(plan) = planned_with(&[DependencyKind::ConfigMap], &live, &existing) else {
        panic!("refused")
    };
    assert_eq!(plan.objects.len(), 2);
    assert_eq!(
        plan.dependencies,
        [
            status(
                DependencyKind::ConfigMap,
                "settings",
                DependencyAction::Created,
                None
            ),
            skipped(DependencyKind::Secret, "keys"),
            skipped(DependencyKind::ServiceAccount, "web"),
        ]
    );

    let Outcome::Plan(plan) = planned_with(&[], &live, &existing) else {
        panic!("refused")
    };
    assert_eq!(plan.objects.len(), 1);
    assert_eq!(
        plan.dependencies[0],
        skipped(DependencyKind::ConfigMap, "settings")
    );
}

#[test]
fn an_equal_namesake_is_reused() {
    let mut foreign = policy_in(&["member2"]);
    foreign["metadata"]["labels"] = json!({});
    let mut same = config_map("a");
    same["metadata"] = json!({"labels": {"team": "b"}, "uid": "t1"});
    for policy in [
        None,
        Some(foreign),
        Some(policy_in(&["member1"])),
        Some(policy_in(&["member2", "member1"])),
    ] {
        let live = live([required("ConfigMap/settings", kept(config_map("a")))]);
        let existing = with(&key("ConfigMap/settings"), policy, Some(same.clone()));
        let plan = planned(&live, &existing);
        assert_eq!(plan.objects.len(), 1, "{existing:?}");
        assert_eq!(
            plan.dependencies,
            [status(
                DependencyKind::ConfigMap,
                "settings",
                DependencyAction::Reused,
                None
            )]
        );
    }
}

#[test]
fn an_equal_namesake_that_karmada_does_not_keep_there_is_a_conflict() {
    let settings = key("ConfigMap/settings");
    let claimed = json!({
        "data": {"mode": "a"},
        "metadata": {"annotations": {(marks::POLICY_NAME): "everything-of-shop"}},
    });
    let says = |condition: Value| {
        let mut work = work(&settings);
        work["status"] = json!({"conditions": [condition]});
        Some(work)
    };
    let already = json!({"type": "Applied", "status": "False", "message": "it already exists"});
    let live = live([required("ConfigMap/settings", config_map("a"))]);
    for (template, work, why) in [
        (config_map("a"), None, "no policy places it there"),
        (
            claimed.clone(),
            None,
            "PropagationPolicy shop/everything-of-shop does not place it",
        ),
        (
            claimed.clone(),
            says(already),
            "and Karmada says: it already exists",
        ),
        (
            claimed,
            Some(work(&settings)),
            "and Karmada has not taken it over there",
        ),
    ] {
        let mut existing = with(&settings, None, Some(template));
        existing.objects[0].work = work;
        let refusal = refused(&live, &existing);
        assert_eq!(refusal.reason, Reason::DependencyConflict);
        let message = refusal.message;
        for word in [
            "ConfigMap/settings",
            "shop",
            "cluster member1",
            why,
            "Overwrite",
        ] {
            assert!(message.contains(word), "{message}");
        }
    }
}

#[test]
fn what_something_in_the_member_keeps_writing_stays_there_unless_told_otherwise() {
    let mut tls = secret(SECRET_VALUE);
    tls["metadata"] = json!({"annotations": {"cert-manager.io/certificate-name": "shop"}});
    let keys = key("Secret/keys");
    // Whatever the control plane has of that name is another one.
    for template in [None, Some(secret("b3RoZXI="))] {
        let live = live([required("Secret/keys", tls.clone())]);
        let mut existing = with(&keys, None, template);
        existing.objects[0].work = None;
        let plan = planned(&live, &existing);
        assert_eq!(plan.objects.len(), 1);
        let [found] = &plan.dependencies[..] else {
            panic!("{:?}", plan.dependencies)
        };
        assert_eq!(found.action, DependencyAction::Skipped);
        assert_eq!(found.managed_by.as_deref(), Some("cert-manager"));
        let message = found.message.as_deref().unwrap();
        for word in [
            "Secret/keys",
            "shop",
            "member1",
            "certificate-name",
            "managedDependencies",
        ] {
            assert!(message.contains(word), "{message}");
        }
    }

    let live_tls = live([required("Secret/keys", tls.clone())]);
    let copied = json!({"managedDependencies": "Copy"});
    let Outcome::Plan(plan) = planned_as(&copied, &live_tls, &namespace_only()) else {
        panic!("refused")
    };
    assert_eq!(plan.dependencies[0].action, DependencyAction::Created);
    assert_eq!(plan.dependencies[0].managed_by, None);

    // What Karmada keeps there already is no matter of copying any more.
    let live = live([required("Secret/keys", kept(tls))]);
    let policy = Some(policy_in(&["member1"]));
    let existing = with(&keys, policy, Some(secret(SECRET_VALUE)));
    let plan = planned(&live, &existing);
    assert_eq!(plan.dependencies[0].action, DependencyAction::Reused);
}

#[test]
fn stale_marks_are_refused_or_noted_for_being_taken_off() {
    let mut settings = config_map("a");
    settings["metadata"] = json!({"labels": {(marks::MANAGED): "true"}});
    let mut live = live([required("ConfigMap/settings", settings)]);
    let refusal = refused(&live, &namespace_only());
    assert_eq!(refusal.reason, Reason::ManagedByOther);
    for word in ["ConfigMap/settings", "shop", "member1", "spec.staleMarks"] {
        assert!(refusal.message.contains(word), "{}", refusal.message);
    }

    live.deployment["metadata"]["labels"] = json!({(marks::MANAGED): "true"});
    let strip = json!({"staleMarks": "Strip"});
    let Outcome::Plan(plan) = planned_as(&strip, &live, &namespace_only()) else {
        panic!("refused")
    };
    let stale = [key("ConfigMap/settings"), ObjectKey::deployment("web")];
    assert_eq!(plan.stale, stale);
    assert_eq!(plan.objects.len(), 2);
}

#[test]
fn what_a_promotion_that_is_no_more_has_in_hand_holds_nobody_up() {
    let live = live([required("ConfigMap/settings", config_map("a"))]);
    let mut staged = policy_of("p2");
    staged["spec"]["suspension"] = json!({"dispatching": true});
    let mut existing = with(
        &key("ConfigMap/settings"),
        Some(staged),
        Some(config_map("a")),
    );
    let everything = DependencyKind::all();
    existing.promotions.insert("p2".to_owned());
    assert!(matches!(
        planned_with(&everything, &live, &existing),
        Outcome::Busy(_)
    ));
    existing.promotions.clear();
    let plan = planned(&live, &existing);
    assert_eq!(plan.dependencies[0].action, DependencyAction::Created);
}

#[test]
fn a_policy_without_a_template_is_no_namesake() {
    let live = live([required("ConfigMap/settings", config_map("a"))]);
    // What remains of one that was promoted from elsewhere is staged anew.
    for policy in [None, Some(policy_in(&["member2"])), Some(policy_of("p1"))] {
        let existing = with(&key("ConfigMap/settings"), policy, None);
        let plan = planned(&live, &existing);
        assert_eq!(plan.objects.len(), 2, "{existing:?}");
        assert_eq!(plan.dependencies[0].action, DependencyAction::Created);
    }
    // Nor is what has the name and is of another kind.
    let existing = with(&key("Secret/settings"), None, Some(config_map("b")));
    assert_eq!(planned(&live, &existing).objects.len(), 2);
}

#[test]
fn what_differs_from_its_namesake_is_a_conflict() {
    let live = live([
        required("ConfigMap/other", config_map("a")),
        required("ConfigMap/settings", config_map("a")),
        // A conflict is told even where something is missing.
        dependency("Secret/keys", true, ReferenceSource::PodTemplate, None),
    ]);
    let existing = with(&key("ConfigMap/settings"), None, Some(config_map("b")));
    let conflict =
        Some("ConfigMap/settings of the control plane differs at ConfigMap/settings /data/mode");
    assert_eq!(
        refused(&live, &existing),
        Refusal {
            dependencies: vec![
                status(
                    DependencyKind::ConfigMap,
                    "other",
                    DependencyAction::Created,
                    None
                ),
                status(
                    DependencyKind::ConfigMap,
                    "settings",
                    DependencyAction::Conflict,
                    conflict
                ),
                status(
                    DependencyKind::Secret,
                    "keys",
                    DependencyAction::Skipped,
                    Some("it does not exist in the member")
                ),
            ],
            differences: vec![Difference {
                live: Some("\"a\"".to_owned()),
                object: "ConfigMap/settings".to_owned(),
                path: "/data/mode".to_owned(),
                rendered: Some("\"b\"".to_owned()),
            }],
            message: "what Deployment/web needs in cluster member1 differs from its namesake in \
                      namespace shop of the control plane: ConfigMap/settings /data/mode; make \
                      them equal, rename one, or leave dependencies out"
                .to_owned(),
            reason: Reason::DependencyConflict,
        }
    );
}

#[test]
fn differences_of_all_dependencies_are_told_and_a_few_are_named() {
    let six = |value: &str| {
        let data: serde_json::Map<_, _> = (1..=6)
            .map(|key| (format!("k{key}"), json!(value)))
            .collect();
        json!({"data": data})
    };
    let live = live([
        required("ConfigMap/five", config_map("a")),
        required("ConfigMap/six", six("a")),
    ]);
    let mut existing = with(&key("ConfigMap/five"), None, Some(config_map("b")));
    existing
        .objects
        .extend(with(&key("ConfigMap/six"), None, Some(six("b"))).objects);
    let refusal = refused(&live, &existing);
    assert_eq!(refusal.differences.len(), 7);
    assert!(
        refusal.message.contains(
            ": ConfigMap/five /data/mode, ConfigMap/six /data/k1, ConfigMap/six /data/k2, \
             ConfigMap/six /data/k3, ConfigMap/six /data/k4, 2 more; "
        ),
        "{}",
        refusal.message
    );
}

#[test]
fn no_value_of_a_secret_leaves_it() {
    let other = "b3RoZXI=";
    for (kept, in_member) in [
        (secret(other), secret(SECRET_VALUE)),
        (secret(SECRET_VALUE), secret(other)),
        (json!({"data": {}}), secret(SECRET_VALUE)),
        (
            json!({"data": {"password": other}, "type": "kubernetes.io/tls"}),
            secret(SECRET_VALUE),
        ),
    ] {
        let live = live([required("Secret/keys", in_member)]);
        let refusal = refused(&live, &with(&key("Secret/keys"), None, Some(kept)));
        assert_eq!(refusal.reason, Reason::DependencyConflict);
        assert!(
            refusal.message.contains("Secret/keys /data"),
            "{}",
            refusal.message
        );
        for difference in &refusal.differences {
            assert_eq!((&difference.live, &difference.rendered), (&None, &None));
        }
        let said = format!("{refusal:?}");
        for value in [SECRET_VALUE, other, "hunter2", "other"] {
            assert!(!said.contains(value), "{said}");
        }
    }
}

#[test]
fn what_pods_cannot_start_without_must_be_there() {
    let missing = |key| dependency(key, true, ReferenceSource::PodTemplate, None);
    let live = live([
        required("ConfigMap/other", config_map("a")),
        missing("ConfigMap/settings"),
        missing("ServiceAccount/web"),
    ]);
    let gone = Some("it does not exist in the member");
    assert_eq!(
        refused(&live, &namespace_only()),
        Refusal {
            dependencies: vec![
                status(
                    DependencyKind::ConfigMap,
                    "other",
                    DependencyAction::Created,
                    None
                ),
                status(
                    DependencyKind::ConfigMap,
                    "settings",
                    DependencyAction::Skipped,
                    gone
                ),
                status(
                    DependencyKind::ServiceAccount,
                    "web",
                    DependencyAction::Skipped,
                    gone
                ),
            ],
            differences: Vec::new(),
            message: "Deployment/web refers to ConfigMap/settings, ServiceAccount/web, which \
                      namespace shop of cluster member1 does not have; create it, or mark the \
                      reference as optional"
                .to_owned(),
            reason: Reason::DependencyMissing,
        }
    );
}

#[test]
fn a_dependency_in_anothers_hand_is_waited_for() {
    let live = live([
        required("ConfigMap/other", config_map("a")),
        required("ConfigMap/settings", config_map("a")),
    ]);
    let mut released = policy_in(&["member1"]);
    released["metadata"]["annotations"] = json!({ (marks::RELEASED_BY): "p2" });
    let mut released_by_us_staged_by_another = policy_of("p2");
    released_by_us_staged_by_another["metadata"]["annotations"][marks::RELEASED_BY] = json!("p1");
    for policy in [policy_of("p2"), released, released_by_us_staged_by_another] {
        // Whatever it holds for now: that may change.
        for template in [None, Some(config_map("a")), Some(config_map("b"))] {
            let mut existing = with(&key("ConfigMap/settings"), Some(policy.clone()), template);
            existing.promotions.insert("p2".to_owned());
            let outcome = planned_with(&DependencyKind::all(), &live, &existing);
            assert!(
                matches!(&outcome, Outcome::Busy(busy) if *busy == key("ConfigMap/settings")),
                "{outcome:?}"
            );
        }
    }
}

#[test]
fn a_dependency_of_another_cluster_is_refused() {
    let live = live([required("ConfigMap/settings", config_map("a"))]);
    for clusters in [&["member2"][..], &["member10"], &[]] {
        // Even an equal one: it would be written into a cluster that its policy does not name.
        let existing = with(
            &key("ConfigMap/settings"),
            Some(policy_in(clusters)),
            Some(config_map("a")),
        );
        assert_eq!(
            refused(&live, &existing),
            Refusal::new(
                Reason::DependencyConflict,
                "ConfigMap/settings of namespace shop is federated from another cluster than member1, by \
                 PropagationPolicy configmap.settings; in this version Deployment/web must be \
                 promoted from that cluster, or without it (spec.dependencies)"
            )
        );
    }
}

#[test]
fn a_dependencys_name_must_leave_room_too() {
    // `secret.` is shorter than the suffix of a Work, `serviceaccount.` is longer.
    for (kind, longest) in [("Secret", 242), ("ServiceAccount", 238)] {
        let name = |length: usize| format!("{kind}/{}", "a".repeat(length));
        let fits = live([required(&name(longest), json!({}))]);
        assert_eq!(planned(&fits, &namespace_only()).objects.len(), 2, "{kind}");
        let too_long = live([required(&name(longest + 1), json!({}))]);
        let refusal = refused(&too_long, &namespace_only());
        assert_eq!(refusal.reason, Reason::NameTooLong, "{kind}");
        assert!(
            refusal.message.starts_with(&name(longest + 1)),
            "{}",
            refusal.message
        );
    }
}

#[test]
fn what_must_hold_is_checked_before_dependencies() {
    let mut live = live([dependency(
        "ConfigMap/settings",
        true,
        ReferenceSource::PodTemplate,
        None,
    )]);
    live.deployment["metadata"]["generation"] = json!(2);
    let refusal = refused(&live, &namespace_only());
    assert_eq!(refusal.reason, Reason::RolloutInProgress);
    assert_eq!(refusal.dependencies, []);
}

#[test]
fn the_workload_is_recorded_as_it_was() {
    let mut live = live([]);
    let before = planned(&live, &namespace_only()).before;
    assert_eq!(before.pods, ["pod-1"]);
    let hash = ReplicaSetIdentity {
        pod_template_hash: "5d".to_owned(),
        uid: "r1".to_owned(),
    };
    assert_eq!(before.replica_sets, [hash]);
    assert_eq!((before.uid.as_str(), before.replicas), ("d1", 1));
    assert!(!before.autoscaled);

    live.autoscalers.push("web".to_owned());
    assert!(planned(&live, &namespace_only()).before.autoscaled);
}

#[test]
fn a_missing_namespace_is_created_where_karmada_does_not_spread_it() {
    let mut live = live([]);
    assert_eq!(planned(&live, &namespace_only()).namespace, None);

    let bare = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": "shop",
            "labels": {"namespace.karmada.io/skip-auto-propagation": "true"},
        },
    });
    assert_eq!(
        planned(&live, &Existing::default()).namespace,
        Some(bare.clone())
    );
    live.namespace = Some(json!({"metadata": {"name": "shop"}}));
    assert_eq!(planned(&live, &Existing::default()).namespace, Some(bare));

    live.namespace = Some(json!({
        "metadata": {
            "name": "shop",
            "uid": "n1",
            "annotations": {"openshift.io/description": "a"},
            "labels": {
                "karmada.io/managed": "true",
                "kubernetes.io/metadata.name": "shop",
                "namespace.karmada.io/skip-auto-propagation": "false",
                "pod-security.kubernetes.io/enforce": "restricted",
                "promote.karmada.io/enabled": "true",
                "team": "a",
            },
        },
        "spec": {"finalizers": ["kubernetes"]},
    }));
    assert_eq!(
        planned(&live, &Existing::default()).namespace,
        Some(json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": "shop",
                "labels": {
                    "namespace.karmada.io/skip-auto-propagation": "true",
                    "pod-security.kubernetes.io/enforce": "restricted",
                    "team": "a",
                },
            },
        }))
    );
}

fn planned_with(wanted: &[DependencyKind], live: &Live, existing: &Existing) -> Outcome {
    let workload = ObjectKey::deployment("web");
    let request = Request {
        cluster: "member1",
        namespace: "shop",
        promotion: "p1",
        spec: &spec(&json!({ "dependencies": wanted })),
        workload: &workload,
    };
    plan(&request, live, existing)
}

/// What is planned when the spec says more.
fn planned_as(more: &Value, live: &Live, existing: &Existing) -> Outcome {
    let request = Request {
        cluster: "member1",
        namespace: "shop",
        promotion: "p1",
        spec: &spec(more),
        workload: &ObjectKey::deployment("web"),
    };
    plan(&request, live, existing)
}

fn spec(more: &Value) -> PromotionSpec {
    let mut spec = json!({"clusters": ["member1"], "workload": {"name": "web"}});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    serde_json::from_value(spec).unwrap()
}

fn planned(live: &Live, existing: &Existing) -> Plan {
    match planned_with(&DependencyKind::all(), live, existing) {
        Outcome::Plan(plan) => *plan,
        other => panic!("{other:?}"),
    }
}

fn refused(live: &Live, existing: &Existing) -> Refusal {
    match planned_with(&DependencyKind::all(), live, existing) {
        Outcome::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

fn live(dependencies: impl IntoIterator<Item = LiveDependency>) -> Live {
    let owned = |uid: &str, owner: &str| {
        json!({"metadata": {
            "uid": uid,
            "labels": {"pod-template-hash": "5d"},
            "ownerReferences": [{"uid": owner, "controller": true}],
        }})
    };
    Live {
        autoscalers: Vec::new(),
        dependencies: dependencies.into_iter().collect(),
        deployment: json!({
            "metadata": {"name": "web", "uid": "d1", "generation": 1},
            "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "web"}]}}},
            "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1},
        }),
        namespace: None,
        pods: vec![owned("pod-1", "r1")],
        replica_sets: vec![owned("r1", "d1")],
    }
}

fn required(key: &str, object: Value) -> LiveDependency {
    dependency(key, true, ReferenceSource::PodTemplate, Some(object))
}

fn pull_secret_of_account(key: &str, object: Value) -> LiveDependency {
    dependency(key, false, ReferenceSource::ServiceAccount, Some(object))
}

fn dependency(
    name: &str,
    required: bool,
    source: ReferenceSource,
    object: Option<Value>,
) -> LiveDependency {
    let reference = Reference {
        key: key(name),
        required,
        source,
    };
    LiveDependency { object, reference }
}

/// A key as it is printed.
fn key(text: &str) -> ObjectKey {
    let (kind, name) = text.split_once('/').unwrap();
    let kinds = DependencyKind::all();
    let kind = kinds.iter().find(|it| it.as_str() == kind).unwrap();
    ObjectKey::dependency(*kind, name)
}

fn config_map(mode: &str) -> Value {
    json!({"data": {"mode": mode}})
}

fn secret(password: &str) -> Value {
    json!({"data": {"password": password}, "type": "Opaque"})
}

/// The Work by which Karmada keeps a dependency in member1.
fn work(key: &ObjectKey) -> Value {
    json!({
        "metadata": {"name": key.name, "namespace": "karmada-es-member1"},
        "status": {"conditions": [{"type": "Applied", "status": "True"}]},
    })
}

/// An object of the member that Karmada keeps by [`work`].
fn kept(mut object: Value) -> Value {
    let is_secret = object["type"].is_string();
    let name = if is_secret { "keys" } else { "settings" };
    object["metadata"]["labels"] = json!({(marks::MANAGED): "true"});
    object["metadata"]["annotations"][marks::WORK_NAMESPACE] = json!("karmada-es-member1");
    object["metadata"]["annotations"][marks::WORK_NAME] = json!(name);
    object
}

fn namespace_only() -> Existing {
    Existing {
        namespace: true,
        ..Existing::default()
    }
}

fn with(key: &ObjectKey, policy: Option<Value>, template: Option<Value>) -> Existing {
    Existing {
        objects: vec![ExistingObject {
            key: key.clone(),
            policy,
            template,
            work: Some(work(key)),
        }],
        ..namespace_only()
    }
}

/// A settled policy of ours.
fn policy_in(clusters: &[&str]) -> Value {
    json!({
        "metadata": {"labels": { (marks::MANAGED_BY): marks::FIELD_MANAGER }},
        "spec": {"placement": {"clusterAffinity": {"clusterNames": clusters}}},
    })
}

/// A policy that a Promotion is staging.
fn policy_of(promotion: &str) -> Value {
    let mut policy = policy_in(&["member1"]);
    policy["metadata"]["annotations"] = json!({ (marks::STAGED_BY): promotion });
    policy
}

fn status(
    kind: DependencyKind,
    name: &str,
    action: DependencyAction,
    message: Option<&str>,
) -> DependencyStatus {
    DependencyStatus {
        action,
        kind,
        managed_by: None,
        message: message.map(str::to_owned),
        name: name.to_owned(),
        through_service_account: false,
    }
}
