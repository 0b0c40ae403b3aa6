//! What is read off the objects of Karmada and of a member.

use serde_json::json;

use super::*;

#[test]
fn a_policy_is_ours_by_its_label_alone() {
    assert_eq!(PolicyState::of(None, "p1", |_| false), PolicyState::Absent);
    for labels in [
        json!(null),
        json!({}),
        json!({"app.kubernetes.io/managed-by": "Helm"}),
        // The value of our holds is another one.
        json!({"app.kubernetes.io/managed-by": "promote.karmada.io"}),
    ] {
        let mut policy = policy();
        policy["metadata"]["labels"] = labels;
        assert_eq!(
            PolicyState::of(Some(&policy), "p1", |_| false),
            PolicyState::Foreign
        );
    }
    let mut marked = policy();
    marked["metadata"]["labels"] = json!({});
    marked["metadata"]["annotations"] = json!({ (marks::STAGED_BY): "p2" });
    assert_eq!(
        PolicyState::of(Some(&marked), "p1", |_| false),
        PolicyState::Foreign
    );
}

#[test]
fn a_version_is_of_one_object_at_one_moment() {
    let object = json!({"metadata": {"resourceVersion": "7", "uid": "t1"}});
    let version = Version {
        resource_version: "7".to_owned(),
        uid: "t1".to_owned(),
    };
    assert_eq!(Version::of(Some(&object)), Some(version));
    // Half of it would let a write through to another object, or to what it has become.
    for half in [
        json!({"metadata": {"resourceVersion": "7"}}),
        json!({"metadata": {"uid": "t1"}}),
        json!({}),
    ] {
        assert_eq!(Version::of(Some(&half)), None, "{half}");
    }
    assert_eq!(Version::of(None), None);
}

#[test]
fn a_policys_marks_tell_in_whose_hand_it_is() {
    let nobodys = PolicySettings {
        orphaned: false,
        overwrite: false,
        preserve: false,
        propagate_dependencies: false,
        released_by_us: false,
        staged_by_us: false,
        suspended: false,
    };
    let staged = PolicySettings {
        staged_by_us: true,
        ..nobodys
    };
    let released = PolicySettings {
        released_by_us: true,
        ..nobodys
    };
    let both = PolicySettings {
        released_by_us: true,
        ..staged
    };
    for (staged_by, released_by, expected) in [
        (None, None, PolicyState::Ours(nobodys)),
        (Some("p1"), None, PolicyState::Ours(staged)),
        (None, Some("p1"), PolicyState::Ours(released)),
        (Some("p1"), Some("p1"), PolicyState::Ours(both)),
        (Some("p2"), None, PolicyState::InHand),
        (None, Some("p2"), PolicyState::InHand),
        (Some("p1"), Some("p2"), PolicyState::InHand),
        (Some("p2"), Some("p1"), PolicyState::InHand),
    ] {
        let mut policy = policy();
        policy["metadata"]["annotations"] = json!({
            (marks::STAGED_BY): staged_by,
            (marks::RELEASED_BY): released_by,
        });
        assert_eq!(
            PolicyState::of(Some(&policy), "p1", |_| false),
            expected,
            "{staged_by:?} {released_by:?}"
        );
    }
}

#[test]
fn a_promotion_that_is_no_more_has_nothing_in_hand() {
    for mark in [marks::STAGED_BY, marks::RELEASED_BY] {
        let mut policy = policy();
        policy["metadata"]["annotations"] = json!({ (mark): "p2" });
        policy["spec"] = json!({"suspension": {"dispatching": true}});
        let state = PolicyState::of(Some(&policy), "p1", |by| by == "p2");
        let PolicyState::Ours(settings) = state else {
            panic!("{state:?}")
        };
        assert!(settings.orphaned && settings.is_left_over(), "{mark}");
        assert!(!settings.staged_by_us && !settings.released_by_us);

        // What Karmada has begun to take over goes on being federated.
        policy["spec"] = json!({"preserveResourcesOnDeletion": true});
        let state = PolicyState::of(Some(&policy), "p1", |by| by == "p2");
        assert!(matches!(state, PolicyState::Ours(settings) if !settings.is_left_over()));

        let state = PolicyState::of(Some(&policy), "p1", |by| by == "p3");
        assert_eq!(state, PolicyState::InHand);
    }
}

#[test]
fn a_policys_settings_are_those_of_its_spec() {
    let key = ObjectKey::deployment("web");
    let staged = crate::policy::staged_policy(&key, "shop", "member1", "p1", false);
    let settings = |spec: &Value| {
        let mut policy = staged.clone();
        policy["spec"] = spec.clone();
        match PolicyState::of(Some(&policy), "p1", |_| false) {
            PolicyState::Ours(settings) => settings,
            other => panic!("{other:?}"),
        }
    };
    let as_staged = PolicySettings {
        orphaned: false,
        overwrite: true,
        preserve: false,
        propagate_dependencies: false,
        released_by_us: false,
        staged_by_us: true,
        suspended: true,
    };
    assert_eq!(settings(&staged["spec"]), as_staged);

    let nothing = PolicySettings {
        overwrite: false,
        suspended: false,
        ..as_staged
    };
    for (spec, expected) in [
        (json!({}), nothing),
        (
            json!({"conflictResolution": "Abort", "suspension": {"dispatching": false}}),
            nothing,
        ),
        // Some clusters only: what we stage is suspended in all.
        (
            json!({"suspension": {"dispatchingOnClusters": {"clusterNames": ["member1"]}}}),
            nothing,
        ),
        (
            json!({"preserveResourcesOnDeletion": true}),
            PolicySettings {
                preserve: true,
                ..nothing
            },
        ),
        (
            json!({"propagateDeps": true}),
            PolicySettings {
                propagate_dependencies: true,
                ..nothing
            },
        ),
        (
            json!({"conflictResolution": "Overwrite"}),
            PolicySettings {
                overwrite: true,
                ..nothing
            },
        ),
    ] {
        assert_eq!(settings(&spec), expected, "{spec}");
    }
}

#[test]
fn a_suspended_work_has_not_been_applied() {
    assert_eq!(
        WorkState::of(&work(), "member1", Some(&template()), None),
        Some(suspended_work())
    );
}

#[test]
fn a_work_is_read_field_by_field() {
    type Change = fn(&mut Value);
    type Expected = fn(&mut WorkState);
    let changes: [(&str, Change, Expected); 11] = [
        (
            "dispatched",
            |work| work["spec"]["suspendDispatching"] = json!(false),
            |state| state.suspended = false,
        ),
        (
            "refused by the guard",
            |work| {
                let message = "denied by 'guard.promote.karmada.io': it would undo a change";
                work["status"] = conditions(&[
                    ("Dispatching", "False", "it is suspended"),
                    ("Applied", "False", message),
                ]);
            },
            |state| {
                let message = "denied by 'guard.promote.karmada.io': it would undo a change";
                state.applied = Some(false);
                state.message = Some(message.to_owned());
                state.refused_by_guard = true;
            },
        ),
        (
            "never suspended",
            |work| work["spec"]["suspendDispatching"] = json!(null),
            |state| {
                state.retried = true;
                state.suspended = false;
            },
        ),
        (
            "preserved",
            |work| work["spec"]["preserveResourcesOnDeletion"] = json!(true),
            |state| state.preserve = true,
        ),
        (
            "on its way out",
            |work| work["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
            |state| state.deleting = true,
        ),
        (
            "applied",
            |work| work["status"] = conditions(&[("Applied", "True", "done")]),
            |state| {
                state.applied = Some(true);
                state.dispatching_stopped = false;
            },
        ),
        (
            "refused by the member",
            |work| {
                work["status"] = conditions(&[
                    ("Applied", "False", "denied"),
                    ("Dispatching", "True", "on"),
                ]);
            },
            |state| {
                state.applied = Some(false);
                state.dispatching_stopped = false;
                state.message = Some("denied".to_owned());
            },
        ),
        (
            "not known whether applied",
            |work| work["status"] = conditions(&[("Applied", "Unknown", "wait")]),
            |state| state.dispatching_stopped = false,
        ),
        (
            "nothing said yet",
            |work| work["status"] = json!(null),
            |state| state.dispatching_stopped = false,
        ),
        (
            "replicas of the template",
            |work| {
                let manifest = &mut work["spec"]["workload"]["manifests"][0];
                manifest["metadata"]["labels"] = json!({});
                manifest["spec"]["replicas"] = json!(5);
            },
            |state| {
                state.replicas = Some(5);
                state.retains_replicas = false;
            },
        ),
        (
            "no replicas",
            |work| work["spec"]["workload"]["manifests"][0]["spec"] = json!(null),
            |state| state.replicas = None,
        ),
    ];
    for (name, change, expected) in changes {
        let mut work = work();
        change(&mut work);
        let mut state = suspended_work();
        expected(&mut state);
        assert_eq!(
            WorkState::of(&work, "member1", Some(&template()), None),
            Some(state),
            "{name}"
        );
    }
}

#[test]
fn a_work_with_something_unknown_in_it_is_still_there() {
    assert_eq!(WorkState::of(&json!({}), "member1", None, None), None);

    let mut unknown = work();
    unknown["spec"]["ofALaterVersion"] = json!({"a": 1});
    unknown["status"]["manifestStatuses"] = json!([{"health": "OfALaterVersion"}]);
    assert_eq!(
        WorkState::of(&unknown, "member1", Some(&template()), None),
        Some(suspended_work())
    );
}

#[test]
fn a_live_object_is_taken_over_by_the_work_that_it_names() {
    let live = |managed: &str, namespace: &str, name: &str| {
        json!({"metadata": {
            "labels": { (marks::MANAGED): managed },
            "annotations": { (marks::WORK_NAMESPACE): namespace, (marks::WORK_NAME): name },
        }})
    };
    let (namespace, name) = ("karmada-es-member1", "web-56d6c779bb");
    for (live, managed, taken_over) in [
        (live("true", namespace, name), true, true),
        // A copy from another cluster, another object's marks, and what Karmada has let go of.
        (live("true", "karmada-es-member2", name), true, false),
        (live("true", namespace, "web-55c4c4674c"), true, false),
        (live("false", namespace, name), false, false),
        (
            json!({"metadata": {"labels": { (marks::MANAGED): "true" }}}),
            true,
            false,
        ),
        (json!({"metadata": {"name": "web"}}), false, false),
    ] {
        let state = WorkState::of(&work(), "member1", Some(&template()), Some(&live)).unwrap();
        assert_eq!(
            (state.managed, state.taken_over),
            (managed, taken_over),
            "{live}"
        );
    }
}

#[test]
fn a_manifest_is_current_when_it_is_that_of_the_template() {
    let with_generation =
        |generation: Value| json!({"metadata": {"uid": "t1", "generation": generation}});
    for (name, template, current) in [
        ("rendered from it", Some(with_generation(json!(2))), true),
        ("it was changed", Some(with_generation(json!(3))), false),
        // Nothing tells whether a ConfigMap was changed since.
        (
            "it has no generation",
            Some(with_generation(json!(null))),
            true,
        ),
        (
            "it was created anew",
            Some(json!({"metadata": {"uid": "t2", "generation": 2}})),
            false,
        ),
        (
            "it was created anew, without a generation",
            Some(json!({"metadata": {"uid": "t2"}})),
            false,
        ),
        ("it is gone", None, false),
    ] {
        let state = WorkState::of(&work(), "member1", template.as_ref(), None).unwrap();
        assert_eq!(state.current, current, "{name}");
    }
    // Nothing rendered says nothing of any template.
    let mut empty = work();
    empty["spec"]["workload"]["manifests"] = json!([]);
    let state = WorkState::of(&empty, "member1", Some(&template()), None).unwrap();
    assert!(!state.current);
    assert_eq!(manifest(&empty), &Value::Null);
}

#[test]
fn a_binding_binds_once_the_scheduler_has_seen_it() {
    type Change = fn(&mut Value);
    let bound_to = |clusters: &[&str]| Some(clusters.iter().copied().map(str::to_owned).collect());
    let changes: [(&str, Change, Option<Vec<String>>); 10] = [
        ("seen", |_| {}, bound_to(&["member1", "member2"])),
        (
            "with something unknown in it",
            |binding| {
                binding["spec"]["clusters"][0]["replicas"] = json!("several");
                binding["status"]["conditions"][0] = json!("thought of later");
            },
            bound_to(&["member1", "member2"]),
        ),
        (
            "nothing fits",
            |binding| binding["spec"]["clusters"] = json!([]),
            bound_to(&[]),
        ),
        (
            "no cluster yet",
            |binding| binding["spec"]["clusters"] = json!(null),
            None,
        ),
        (
            "changed since it was seen",
            |binding| binding["metadata"]["generation"] = json!(3),
            None,
        ),
        (
            "never seen",
            |binding| binding["status"]["schedulerObservedGeneration"] = json!(null),
            None,
        ),
        (
            "not scheduled",
            |binding| binding["status"] = scheduled("False"),
            None,
        ),
        ("no status", |binding| binding["status"] = json!(null), None),
        (
            "of another policy",
            |binding| binding["metadata"]["labels"][marks::POLICY_ID] = json!("id-2"),
            None,
        ),
        (
            "of no policy",
            |binding| binding["metadata"]["labels"] = json!(null),
            None,
        ),
    ];
    for (name, change, expected) in changes {
        let mut binding = binding();
        change(&mut binding);
        assert_eq!(bound(Some(&binding), Some(&policy())), expected, "{name}");
    }
    assert_eq!(bound(Some(&binding()), None), None);
    assert_eq!(bound(None, Some(&policy())), None);
    let mut nobodys = binding();
    nobodys["metadata"]["labels"] = json!({});
    assert_eq!(bound(Some(&nobodys), Some(&json!({}))), None);
}

#[test]
fn only_other_workloads_are_others() {
    let web = ObjectKey::deployment("web");
    let binding = |required_by: Value| json!({"spec": {"requiredBy": required_by}});
    for (required_by, expected) in [
        (json!(null), false),
        (json!([]), false),
        (
            json!([{"namespace": "shop", "name": "web-deployment"}]),
            false,
        ),
        (
            json!([{"namespace": "shop", "name": "web-statefulset"}]),
            true,
        ),
        (
            json!([{"namespace": "shop", "name": "api-deployment"}]),
            true,
        ),
        (
            json!([{"namespace": "mall", "name": "web-deployment"}]),
            true,
        ),
        (
            json!([
                {"namespace": "shop", "name": "web-deployment"},
                {"namespace": "shop", "name": "api-deployment"},
            ]),
            true,
        ),
    ] {
        let binding = binding(required_by);
        assert_eq!(
            required_by_others(Some(&binding), "shop", &web),
            expected,
            "{binding}"
        );
    }
    assert!(!required_by_others(None, "shop", &web));
}

#[test]
fn an_object_is_needed_where_its_policy_or_a_workload_says() {
    let policy = json!({
        "spec": {"placement": {"clusterAffinity": {"clusterNames": ["member2", "member1"]}}},
    });
    let binding = json!({"spec": {"requiredBy": [
        {"name": "web-deployment", "clusters": [{"name": "member3"}, {"name": "member1"}]},
        {"name": "api-deployment", "clusters": [{"name": "member4"}]},
        {"name": "not-scheduled"},
    ]}});
    assert_eq!(
        needed_in(Some(&binding), Some(&policy)),
        ["member1", "member2", "member3", "member4"]
    );
    assert_eq!(needed_in(None, Some(&policy)), ["member1", "member2"]);
    assert_eq!(
        needed_in(Some(&binding), None),
        ["member1", "member3", "member4"]
    );
    assert!(needed_in(None, None).is_empty());
    // Every cluster that fits: none is named.
    assert!(needed_in(None, Some(&json!({"spec": {"placement": {}}}))).is_empty());
}

/// A policy of ours with an id, and no other setting.
fn policy() -> Value {
    json!({
        "metadata": {
            "labels": {
                (marks::MANAGED_BY): marks::FIELD_MANAGER,
                (marks::POLICY_ID): "id-1",
            },
        },
        "spec": {},
    })
}

fn template() -> Value {
    json!({"metadata": {"uid": "t1", "generation": 2}})
}

/// A Work that Karmada rendered while dispatching is suspended.
fn work() -> Value {
    json!({
        "apiVersion": "work.karmada.io/v1alpha1",
        "kind": "Work",
        "metadata": {
            "name": "web-56d6c779bb",
            "namespace": "karmada-es-member1",
            "resourceVersion": "7",
            "uid": "w1",
        },
        "spec": {
            "suspendDispatching": true,
            "workload": {"manifests": [{
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {
                    "name": "web",
                    "labels": { (marks::RETAIN_REPLICAS): "true" },
                    "annotations": {
                        (marks::TEMPLATE_GENERATION): "2",
                        (marks::TEMPLATE_UID): "t1",
                    },
                },
                "spec": {"replicas": 2},
            }]},
        },
        "status": conditions(&[("Dispatching", "False", "it is suspended")]),
    })
}

/// What [`work`] comes to.
fn suspended_work() -> WorkState {
    WorkState {
        applied: None,
        cluster: "member1".to_owned(),
        current: true,
        deleting: false,
        dispatching_stopped: true,
        managed: false,
        message: None,
        preserve: false,
        refused_by_guard: false,
        replicas: Some(2),
        retains_replicas: true,
        retried: false,
        suspended: true,
        taken_over: false,
        version: Some(Version {
            resource_version: "7".to_owned(),
            uid: "w1".to_owned(),
        }),
    }
}

fn binding() -> Value {
    json!({
        "apiVersion": "work.karmada.io/v1alpha2",
        "kind": "ResourceBinding",
        "metadata": {
            "name": "web-deployment",
            "namespace": "shop",
            "generation": 2,
            "labels": { (marks::POLICY_ID): "id-1" },
        },
        "spec": {
            "clusters": [{"name": "member2", "replicas": 2}, {"name": "member1", "replicas": 2}],
            "resource": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        },
        "status": scheduled("True"),
    })
}

fn scheduled(value: &str) -> Value {
    let mut status = conditions(&[
        ("FullyApplied", "False", "suspended"),
        ("Scheduled", value, ""),
    ]);
    status["schedulerObservedGeneration"] = json!(2);
    status
}

fn conditions(conditions: &[(&str, &str, &str)]) -> Value {
    let conditions: Vec<_> = conditions
        .iter()
        .map(|(kind, status, message)| {
            json!({
                "lastTransitionTime": "2026-01-01T00:00:00Z",
                "message": message,
                "reason": "Reason",
                "status": status,
                "type": kind,
            })
        })
        .collect();
    json!({"conditions": conditions})
}

#[test]
fn what_karmada_binds_for_others_alone_has_no_placement_of_its_own() {
    assert!(!is_attached(None));
    assert!(is_attached(Some(&json!({"spec": {"requiredBy": []}}))));
    let own = json!({"spec": {"placement": {"clusterAffinity": {}}}});
    assert!(!is_attached(Some(&own)));
}
