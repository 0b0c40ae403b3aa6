//! That the body is Karmada's very write, and that every difference that counts is seen.

use promoter_api::promotion::DependencyKind;
use serde_json::json;

use super::*;

#[test]
fn the_body_keeps_what_the_members_controllers_wrote() {
    let manifest = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "finalizers": ["example.com/of-the-template"],
            "labels": {"app": "web", "tier": "front", "karmada.io/managed": "true"},
            "annotations": {"team": "b"},
        },
        "spec": {"replicas": 3},
    });
    let live = json!({
        "metadata": {
            "name": "web",
            "uid": "d1",
            "resourceVersion": "7",
            "ownerReferences": [{"uid": "o1"}],
            "labels": {"app": "shop", "dropped": "a", "local": "a"},
            "annotations": {
                "dropped-too": "a",
                "team": "a",
                "deployment.kubernetes.io/revision": "2",
                "resourcetemplate.karmada.io/managed-labels": "app,dropped",
                "resourcetemplate.karmada.io/managed-annotations": "dropped-too,resourcetemplate.karmada.io/managed-annotations,resourcetemplate.karmada.io/managed-labels,team",
            },
        },
        "spec": {"replicas": 5},
        "status": {"replicas": 5},
    });
    assert_eq!(
        body(&manifest, &live, ObjectKind::Deployment),
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": "web",
                "resourceVersion": "7",
                "ownerReferences": [{"uid": "o1"}],
                "labels": {
                    "app": "web", "karmada.io/managed": "true", "local": "a", "tier": "front",
                },
                "annotations": {"deployment.kubernetes.io/revision": "2", "team": "b"},
            },
            "spec": {"replicas": 3},
        })
    );
}

#[test]
fn replicas_are_retained_where_the_label_says_so() {
    let deployment = |label: Option<&str>, replicas: u32| {
        let labels = label.map(|value| json!({(RETAIN_REPLICAS): value}));
        json!({"metadata": {"labels": labels}, "spec": {"replicas": replicas}})
    };
    let replicas = |manifest: &Value, live: &Value| {
        body(manifest, live, ObjectKind::Deployment)["spec"]["replicas"].clone()
    };
    let live = deployment(None, 5);
    assert_eq!(replicas(&deployment(Some("true"), 3), &live), json!(5));
    assert_eq!(replicas(&deployment(Some("false"), 3), &live), json!(3));
    assert_eq!(replicas(&deployment(None, 3), &live), json!(3));
    // Karmada looks after the member's labels were merged in.
    let mut labelled = deployment(Some("true"), 5);
    assert_eq!(replicas(&deployment(None, 3), &labelled), json!(5));
    assert_eq!(replicas(&deployment(Some("false"), 3), &labelled), json!(3));
    // A label that came with an earlier manifest goes before that.
    labelled["metadata"]["annotations"] = json!({(MANAGED_LABELS): RETAIN_REPLICAS});
    assert_eq!(replicas(&deployment(None, 3), &labelled), json!(3));
}

#[test]
fn a_service_accounts_references_are_merged_in_order() {
    let manifest = json!({"imagePullSecrets": [{"name": "b"}, {"name": "a"}], "metadata": {}});
    let live = json!({
        "imagePullSecrets": [{"name": "a"}, {"name": "c"}],
        "secrets": [{"name": "web-token-abcde"}],
    });
    let merged = body(&manifest, &live, ObjectKind::ServiceAccount);
    assert_eq!(
        merged["imagePullSecrets"],
        json!([{"name": "b"}, {"name": "a"}, {"name": "c"}])
    );
    assert_eq!(merged["secrets"], live["secrets"]);
    let merged = body(&manifest, &json!({}), ObjectKind::ServiceAccount);
    assert_eq!(merged.get("secrets"), None);
}

#[test]
fn only_a_tokens_data_is_the_members() {
    let secret = |secret_type: &str, data: &str| json!({"type": secret_type, "data": {"a": data}});
    for (secret_type, expected) in [
        ("kubernetes.io/service-account-token", "live"),
        ("Opaque", "manifest"),
    ] {
        let (manifest, live) = (secret(secret_type, "manifest"), secret(secret_type, "live"));
        assert_eq!(
            body(&manifest, &live, ObjectKind::Secret)["data"]["a"],
            json!(expected)
        );
    }
    let config_map = json!({"data": {"a": "manifest"}, "metadata": {}});
    assert_eq!(
        body(
            &config_map,
            &json!({"data": {"a": "live"}}),
            ObjectKind::ConfigMap
        ),
        config_map
    );
}

#[test]
fn a_body_of_a_body_is_the_same() {
    let manifest = json!({
        "metadata": {"labels": {"app": "web", (RETAIN_REPLICAS): "true"}},
        "spec": {"replicas": 3},
    });
    let live = json!({
        "metadata": {"resourceVersion": "7", "labels": {"local": "a"}},
        "spec": {"replicas": 5},
    });
    for kind in [
        ObjectKind::Deployment,
        ObjectKind::ServiceAccount,
        ObjectKind::ConfigMap,
    ] {
        let once = body(&manifest, &live, kind);
        assert_eq!(body(&once, &live, kind), once, "{kind:?}");
    }
}

#[test]
fn marks_and_bookkeeping_are_no_differences() {
    let live = json!({
        "metadata": {"name": "web", "resourceVersion": "7", "generation": 1},
        "spec": {"template": {"metadata": {"creationTimestamp": null}}},
        "status": {"replicas": 1},
    });
    let answer = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "resourceVersion": "8",
            "generation": 2,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [],
            "labels": {"karmada.io/managed": "true"},
            "annotations": {"work.karmada.io/name": "web-1", "promote.karmada.io/guard": "p1"},
        },
        "spec": {"template": {"metadata": {}}},
    });
    assert_eq!(
        differences(&ObjectKey::deployment("web"), &live, &answer),
        []
    );
}

#[test]
fn everything_else_is_a_difference() {
    let live = json!({
        "metadata": {"labels": {"app": "web", "a/b~c": "1"}},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [
            {"image": "nginx", "imagePullPolicy": "Always"},
        ]}}},
    });
    let answer = json!({
        "metadata": {"labels": {"app": "web", "a/b~c": "2"}},
        "spec": {"template": {"spec": {"containers": [
            {"image": "nginx:1.27", "imagePullPolicy": "Always"},
            {"image": "proxy"},
        ]}}},
    });
    let found = differences(&ObjectKey::deployment("web"), &live, &answer);
    let told: Vec<_> = found
        .iter()
        .map(|it| (it.path.as_str(), it.live.as_deref(), it.rendered.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("/metadata/labels/a~1b~0c", Some("\"1\""), Some("\"2\"")),
            ("/spec/replicas", Some("2"), None),
            (
                "/spec/template/spec/containers/0/image",
                Some("\"nginx\""),
                Some("\"nginx:1.27\"")
            ),
            (
                "/spec/template/spec/containers/1",
                None,
                Some(r#"{"image":"proxy"}"#)
            ),
        ]
    );
    assert!(restarts_pods(&found));
    assert!(!restarts_pods(&found[..2]));
}

#[test]
fn pods_restart_for_the_template_and_the_selector_alone() {
    for (object, path, expected) in [
        ("Deployment/web", "/spec/template/metadata/labels/app", true),
        ("Deployment/web", "/spec/template", true),
        ("Deployment/web", "/spec/selector/matchLabels/app", true),
        ("Deployment/web", "/spec", true),
        ("Deployment/web", "", true),
        ("Deployment/web", "/spec/templates", false),
        ("Deployment/web", "/spec/replicas", false),
        ("Deployment/web", "/metadata/labels/app", false),
        ("ConfigMap/web", "/spec/template", false),
    ] {
        let difference = Difference {
            live: None,
            object: object.to_owned(),
            path: path.to_owned(),
            rendered: None,
        };
        assert_eq!(restarts_pods(&[difference]), expected, "{object} {path}");
    }
}

#[test]
fn no_value_of_a_secret_is_told() {
    let key = ObjectKey::dependency(DependencyKind::Secret, "web");
    let secret = |value: &str| {
        json!({
            "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": value}},
            "data": {"password": value, (value): "a"},
            "stringData": {"password": value},
            "type": value,
        })
    };
    let found = differences(&key, &secret("one"), &secret("two"));
    assert_eq!(found.len(), 6);
    assert!(
        found
            .iter()
            .all(|it| it.live.is_none() && it.rendered.is_none())
    );
}

#[test]
fn long_values_are_cut_between_characters() {
    let key = ObjectKey::dependency(DependencyKind::ConfigMap, "web");
    let config_map = |value: String| json!({"data": {"a": value}});
    for (length, expected) in [(254, 256), (255, 256), (1000, 256)] {
        let found = differences(
            &key,
            &config_map("ü".repeat(length)),
            &config_map("b".to_owned()),
        );
        let told = found[0].live.as_deref().unwrap();
        assert_eq!(told.chars().count(), expected);
        assert_eq!(told.ends_with('…'), length > 254);
    }
}

#[test]
fn what_replaces_pods_is_not_cut_off() {
    let labels: Map<String, Value> = (0..150)
        .map(|index| (format!("label-{index}"), json!("a")))
        .collect();
    let live = json!({"metadata": {"labels": labels}, "spec": {"template": 1}});
    let found = differences(
        &ObjectKey::deployment("web"),
        &live,
        &json!({"metadata": {"labels": {"a": "b"}}, "spec": {}}),
    );
    assert_eq!(found.len(), 152);
    let (told, remaining) = most_telling(found);
    assert_eq!(told.len(), MOST_DIFFERENCES);
    assert_eq!(remaining, 52);
    assert!(restarts_pods(&told));

    let (all, remaining) = most_telling(told);
    assert_eq!((all.len(), remaining), (MOST_DIFFERENCES, 0));
}

#[test]
fn a_predicted_manifest_is_the_template_without_hold_and_server_fields() {
    let template = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "uid": "t1",
            "resourceVersion": "3",
            "managedFields": [],
            "labels": {(HOLD): "promote.karmada.io", (RETAIN_REPLICAS): "true"},
            "annotations": {(REVISION): "1"},
        },
        "spec": {"replicas": 2},
        "status": {},
    });
    let manifest = predicted_manifest(&template);
    assert_eq!(
        manifest,
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "labels": {(RETAIN_REPLICAS): "true"}},
            "spec": {"replicas": 2},
        })
    );
    assert_eq!(predicted_manifest(&manifest), manifest);
}

#[test]
fn a_template_of_a_live_object_changes_nothing() {
    let live = json!({
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "d1",
            "resourceVersion": "7",
            "labels": {"app": "web"},
            "annotations": {"deployment.kubernetes.io/revision": "2", "team": "a"},
            "finalizers": ["example.com/wait"],
        },
        "spec": {"replicas": 4, "template": {"metadata": {"labels": {"app": "web"}}}},
        "status": {"replicas": 4},
    });
    let key = ObjectKey::deployment("web");
    let template = crate::template::resource_template(&live, &key, "shop", true);
    let mut answer = body(&predicted_manifest(&template), &live, key.kind);
    answer["metadata"]["uid"] = live["metadata"]["uid"].clone();
    assert_eq!(differences(&key, &live, &answer), []);
}
