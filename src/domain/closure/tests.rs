//! Where references may stand, and which of them count.

use serde_json::json;

use super::*;

/// What Karmada's interpreter finds in [`everything`], in its own words: names by kind, which
/// `GetDependenciesFromPodTemplate` returns. Volume claims are left out.
const FOUND_BY_KARMADA: &[&str] = &[
    "ConfigMap/env",
    "ConfigMap/env-from",
    "ConfigMap/kube-root-ca.crt",
    "ConfigMap/projected",
    "ConfigMap/volume",
    "Secret/azure-file",
    "Secret/ceph-fs",
    "Secret/cinder",
    "Secret/csi",
    "Secret/debug-env",
    "Secret/env",
    "Secret/env-from",
    "Secret/flex-volume",
    "Secret/init-env",
    "Secret/iscsi",
    "Secret/projected",
    "Secret/pull",
    "Secret/rbd",
    "Secret/scale-io",
    "Secret/storage-os",
    "Secret/volume",
    "ServiceAccount/web",
];

#[test]
fn every_place_that_karmada_looks_at_is_looked_at() {
    let found = references(&everything());
    let names: Vec<String> = found.iter().map(|it| it.key.to_string()).collect();
    let expected: Vec<&str> = FOUND_BY_KARMADA
        .iter()
        .copied()
        .filter(|it| *it != "ConfigMap/kube-root-ca.crt")
        .collect();
    assert_eq!(names, expected);
    assert!(found.iter().all(Reference::followed_by_karmada));
    let not_required: Vec<String> = found
        .iter()
        .filter(|it| !it.required)
        .map(|it| it.key.to_string())
        .collect();
    assert_eq!(not_required, ["ConfigMap/volume", "Secret/pull"]);
}

#[test]
fn optional_references_are_required_where_another_requires_them() {
    let template = template(&json!({
        "containers": [{"name": "a", "envFrom": [
            {"secretRef": {"name": "a", "optional": true}},
            {"secretRef": {"name": "b", "optional": true}},
        ]}],
        "imagePullSecrets": [{"name": "b"}, {"name": ""}],
        "volumes": [{"name": "a", "secret": {"secretName": "a", "optional": false}}],
    }));
    assert_eq!(
        references(&template),
        [
            secret("a", true, ReferenceSource::PodTemplate),
            secret("b", false, ReferenceSource::PodTemplate),
        ]
    );
}

#[test]
fn what_every_namespace_has_is_no_reference() {
    let template = template(&json!({
        "containers": [{"name": "a", "env": [
            {"name": "A", "value": "1"},
            {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ]}],
        "serviceAccountName": "default",
        "volumes": [
            {"name": "a", "configMap": {"name": "openshift-service-ca.crt"}},
            {"name": "b", "projected": {"sources": [
                {"clusterTrustBundle": {"name": "a", "path": "a"}},
                {"configMap": {"name": "kube-root-ca.crt"}},
                {"downwardAPI": {}},
                {"serviceAccountToken": {"path": "token"}},
            ]}},
            {"name": "c", "persistentVolumeClaim": {"claimName": "data"}},
        ],
    }));
    assert_eq!(references(&template), []);
    assert_eq!(references(&PodTemplateSpec::default()), []);
}

#[test]
fn karmada_does_not_look_into_service_accounts() {
    let account = json!({
        "imagePullSecrets": [{"name": "pull"}, {"name": "other"}, {"name": "pull"}, {}],
        "secrets": [{"name": "web-token-abcde"}],
    });
    let found = service_account_references(&account);
    assert_eq!(
        found,
        [
            secret("other", false, ReferenceSource::ServiceAccount),
            secret("pull", false, ReferenceSource::ServiceAccount),
        ]
    );
    assert!(!found.iter().any(Reference::followed_by_karmada));

    // The pod template's own pull Secret is followed, wherever else it is named.
    let merged = merge(found.into_iter().chain(references(&everything())));
    let pull = merged.iter().find(|it| it.key.name == "pull").unwrap();
    assert_eq!(pull.source, ReferenceSource::ImagePull);
    assert_eq!(merge(merged.clone()), merged);
}

#[test]
fn tokens_are_told_by_their_type() {
    for (secret_type, expected) in [
        ("kubernetes.io/service-account-token", true),
        ("bootstrap.kubernetes.io/token", true),
        ("kubernetes.io/dockerconfigjson", false),
        ("Opaque", false),
    ] {
        assert_eq!(
            is_token_secret(&json!({"type": secret_type})),
            expected,
            "{secret_type}"
        );
    }
    assert!(!is_token_secret(&json!({})));
}

fn secret(name: &str, required: bool, source: ReferenceSource) -> Reference {
    let key = ObjectKey {
        kind: ObjectKind::Secret,
        name: name.to_owned(),
    };
    Reference {
        key,
        required,
        source,
    }
}

fn template(spec: &Value) -> PodTemplateSpec {
    serde_json::from_value(json!({"spec": *spec})).unwrap()
}

fn everything() -> PodTemplateSpec {
    let reference = |name: &str| json!({"name": name});
    template(&json!({
        "containers": [{
            "name": "web",
            "env": [
                {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "env", "key": "a"}}},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "env", "key": "b"}}},
            ],
            "envFrom": [
                {"configMapRef": {"name": "env-from"}},
                {"secretRef": {"name": "env-from"}},
            ],
        }],
        "initContainers": [{
            "name": "sidecar",
            "restartPolicy": "Always",
            "envFrom": [{"secretRef": {"name": "init-env"}}],
        }],
        "ephemeralContainers": [{
            "name": "debug",
            "envFrom": [{"secretRef": {"name": "debug-env"}}],
        }],
        "imagePullSecrets": [{"name": "pull"}],
        "serviceAccountName": "web",
        "volumes": [
            {"name": "a", "configMap": {"name": "volume", "optional": true}},
            {"name": "b", "secret": {"secretName": "volume"}},
            {"name": "c", "projected": {"sources": [
                {"configMap": {"name": "projected"}},
                {"configMap": {"name": "kube-root-ca.crt"}},
                {"secret": {"name": "projected"}},
            ]}},
            {"name": "d", "azureFile": {"secretName": "azure-file", "shareName": "a"}},
            {"name": "e", "cephfs": {"monitors": ["a"], "secretRef": reference("ceph-fs")}},
            {"name": "f", "cinder": {"volumeID": "a", "secretRef": reference("cinder")}},
            {"name": "g", "csi": {"driver": "a", "nodePublishSecretRef": reference("csi")}},
            {"name": "h", "flexVolume": {"driver": "a", "secretRef": reference("flex-volume")}},
            {"name": "i", "iscsi": {
                "iqn": "a", "lun": 0, "targetPortal": "a", "secretRef": reference("iscsi"),
            }},
            {"name": "j", "rbd": {"image": "a", "monitors": ["a"], "secretRef": reference("rbd")}},
            {"name": "k", "scaleIO": {
                "gateway": "a", "system": "a", "secretRef": reference("scale-io"),
            }},
            {"name": "l", "storageos": {"secretRef": reference("storage-os")}},
        ],
    }))
}
