//! What a resource template keeps, and what makes two dependencies equal.

use promoter_api::promotion::DependencyKind;

use super::*;

#[test]
fn a_deployment_keeps_its_spec_and_its_owners_words() {
    let key = ObjectKey::deployment("web");
    let template = resource_template(&live_deployment(), &key, "shop", true);
    assert_eq!(
        template,
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": "web",
                "namespace": "shop",
                "labels": {
                    "app": "web",
                    "resourcetemplate.karmada.io/claimed-by": "promote.karmada.io",
                    "resourcetemplate.karmada.io/retain-replicas": "true",
                },
                "annotations": {"team": "a"},
            },
            "spec": live_deployment()["spec"],
        })
    );
    let lifted = resource_template(&live_deployment(), &key, "shop", false);
    assert_eq!(lifted["metadata"]["labels"].get(HOLD), None);
}

#[test]
fn a_template_of_a_template_is_the_same() {
    for (key, live) in [
        (ObjectKey::deployment("web"), live_deployment()),
        (dependency(DependencyKind::Secret), live_secret()),
    ] {
        for hold in [false, true] {
            let template = resource_template(&live, &key, "shop", hold);
            assert_eq!(resource_template(&template, &key, "shop", hold), template);
        }
    }
}

#[test]
fn data_is_kept_and_emptied_maps_go() {
    let template = resource_template(
        &live_secret(),
        &dependency(DependencyKind::Secret),
        "shop",
        false,
    );
    assert_eq!(
        template,
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "web", "namespace": "shop"},
            "data": {"password": "c2VjcmV0"},
            "immutable": false,
            "type": "Opaque",
        })
    );
}

#[test]
fn a_service_account_loses_the_members_tokens() {
    let live = json!({
        "metadata": {"name": "web", "namespace": "shop"},
        "automountServiceAccountToken": false,
        "imagePullSecrets": [{"name": "pull"}],
        "secrets": [{"name": "web-token-abcde"}],
    });
    let template = resource_template(
        &live,
        &dependency(DependencyKind::ServiceAccount),
        "shop",
        false,
    );
    assert_eq!(template.get("secrets"), None);
    assert_eq!(template["imagePullSecrets"], live["imagePullSecrets"]);
    assert_eq!(template["automountServiceAccountToken"], json!(false));
}

#[test]
fn what_is_absent_equals_what_is_empty() {
    for (kind, one, other) in [
        (
            ObjectKind::ConfigMap,
            json!({"data": {}, "binaryData": null, "immutable": false}),
            json!({"metadata": {"labels": {"a": "b"}}}),
        ),
        (
            ObjectKind::Secret,
            json!({"type": "Opaque", "data": {}}),
            json!({}),
        ),
        (
            ObjectKind::ServiceAccount,
            json!({"imagePullSecrets": [{"name": "a"}, {"name": "a"}], "secrets": [{"name": "t"}]}),
            json!({"imagePullSecrets": [{"name": "a"}]}),
        ),
        (
            ObjectKind::ServiceAccount,
            json!({"imagePullSecrets": []}),
            json!({}),
        ),
    ] {
        assert_eq!(content(&one, kind), content(&other, kind), "{kind:?}");
    }
    for (kind, one, other) in [
        (
            ObjectKind::ConfigMap,
            json!({"data": {"a": "b"}}),
            json!({"binaryData": {"a": "b"}}),
        ),
        (ObjectKind::ConfigMap, json!({"immutable": true}), json!({})),
        (
            ObjectKind::Secret,
            json!({"type": "kubernetes.io/tls"}),
            json!({}),
        ),
        (
            ObjectKind::ServiceAccount,
            json!({"automountServiceAccountToken": false}),
            json!({}),
        ),
    ] {
        assert_ne!(content(&one, kind), content(&other, kind), "{kind:?}");
    }
}

#[test]
fn differing_secrets_are_told_without_a_value() {
    let key = dependency(DependencyKind::Secret);
    let mut other = live_secret();
    assert_eq!(content_differences(&key, &other, &live_secret()), []);
    other["data"]["password"] = json!("b3RoZXI=");
    assert_eq!(
        content_differences(&key, &other, &live_secret()),
        [Difference {
            live: None,
            object: "Secret/web".to_owned(),
            path: "/data/password".to_owned(),
            rendered: None,
        }]
    );

    let key = dependency(DependencyKind::ConfigMap);
    let differences = content_differences(
        &key,
        &json!({"data": {"a": "b"}}),
        &json!({"data": {"a": "c"}}),
    );
    assert_eq!(differences[0].live.as_deref(), Some("\"c\""));
    assert_eq!(differences[0].rendered.as_deref(), Some("\"b\""));
}

fn dependency(kind: DependencyKind) -> ObjectKey {
    ObjectKey::dependency(kind, "web")
}

fn live_deployment() -> Value {
    json!({
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "d1",
            "resourceVersion": "7",
            "generation": 3,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [{"manager": "kubectl"}],
            "ownerReferences": [{"uid": "o1"}],
            "finalizers": ["example.com/wait"],
            "selfLink": "/apis",
            "labels": {"app": "web", "karmada.io/managed": "true"},
            "annotations": {
                "deployment.kubernetes.io/revision": "2",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
                "promote.karmada.io/enabled": "true",
                "team": "a",
                "work.karmada.io/name": "web-1",
            },
        },
        "spec": {
            "replicas": 2,
            "fieldOfALaterVersion": {"a": [1, null]},
            "template": {"metadata": {"labels": {"app.karmada.io/part": "web"}}},
        },
        "status": {"replicas": 2},
    })
}

fn live_secret() -> Value {
    json!({
        "metadata": {
            "name": "web",
            "uid": "s1",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
            "labels": {"karmada.io/managed": "true"},
        },
        "data": {"password": "c2VjcmV0"},
        "immutable": false,
        "type": "Opaque",
    })
}
