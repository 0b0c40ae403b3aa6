//! What a pod template needs to start: the objects of its own namespace that it refers to.
//!
//! Karmada finds dependencies by itself once `propagateDeps` is on
//! (`pkg/util/helper/pod.go`, `GetDependenciesFromPodTemplate`, and
//! `pkg/util/lifted/visitpod.go`). We look at the same places, with these differences:
//!
//! | reference                                         | Karmada | here                     |
//! |---------------------------------------------------|---------|--------------------------|
//! | `optional: true`                                  | ignored | not required             |
//! | `imagePullSecrets` of the pod template            | yes     | yes, not required        |
//! | `imagePullSecrets` of the ServiceAccount          | no      | yes, not required        |
//! | `kube-root-ca.crt`, `openshift-service-ca.crt`    | yes     | no, every namespace's own|
//! | PersistentVolumeClaims                            | yes     | no, not promoted         |
//! | the ServiceAccount `default`                      | no      | no                       |

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    EnvFromSource, EnvVar, LocalObjectReference, PodSpec, PodTemplateSpec, Volume,
};
use serde_json::Value;

use crate::object::{ObjectKey, ObjectKind};

/// An object that a pod template refers to.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Reference {
    /// The `ConfigMap`, `Secret` or `ServiceAccount`.
    pub key: ObjectKey,
    /// Whether pods do not start without it.
    pub required: bool,
    /// Where the reference stands.
    pub source: ReferenceSource,
}

/// Where a reference stands. Where one object is referred to twice, the earlier variant counts.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ReferenceSource {
    /// In the pod template: an environment, a volume or the name of the `ServiceAccount`.
    PodTemplate,
    /// In the pod template's `imagePullSecrets`.
    ImagePull,
    /// In the `imagePullSecrets` of the `ServiceAccount`.
    ServiceAccount,
}

impl Reference {
    /// Whether Karmada itself takes the object to every cluster that the workload goes to.
    #[must_use]
    pub const fn followed_by_karmada(&self) -> bool {
        match self.source {
            ReferenceSource::PodTemplate | ReferenceSource::ImagePull => true,
            ReferenceSource::ServiceAccount => false,
        }
    }
}

/// The objects that a pod template refers to, sorted, each once.
///
/// Source of the places: Kubernetes' `pkg/api/v1/pod/util.go`, `VisitPodSecretNames` and
/// `VisitPodConfigmapNames`. A volume names objects of the pod's own namespace only; just
/// persistent volumes (`azureFile.secretNamespace`) can name another.
#[must_use]
pub fn references(template: &PodTemplateSpec) -> Vec<Reference> {
    let mut found = References::default();
    if let Some(spec) = &template.spec {
        found.add_pod(spec);
    }
    found.into_sorted()
}

/// The objects that a `ServiceAccount` refers to and its pods need: its `imagePullSecrets`.
///
/// Kubernetes' `ServiceAccount` admission (`plugin/pkg/admission/serviceaccount`) gives them to
/// the pods that name none themselves. `secrets` are not followed: they are tokens, or the list
/// of what may be mounted, and what is mounted stands in the pod template.
#[must_use]
pub fn service_account_references(account: &Value) -> Vec<Reference> {
    let mut found = References::default();
    let secrets = account
        .pointer("/imagePullSecrets")
        .and_then(Value::as_array);
    for name in secrets
        .into_iter()
        .flatten()
        .filter_map(|secret| secret.pointer("/name").and_then(Value::as_str))
    {
        found.add(
            ObjectKind::Secret,
            name,
            false,
            ReferenceSource::ServiceAccount,
        );
    }
    found.into_sorted()
}

/// References of several places as one list: sorted, each object once, required where any
/// reference requires it.
#[must_use]
pub fn merge(references: impl IntoIterator<Item = Reference>) -> Vec<Reference> {
    let mut found = References::default();
    for reference in references {
        found.insert(reference.key, reference.required, reference.source);
    }
    found.into_sorted()
}

/// Whether a Secret is a credential for the very cluster it is in, which is of no use in another
/// and never copied: a `ServiceAccount`'s token or a bootstrap token.
///
/// Source: Kubernetes' documentation, "Secrets", types of Secret.
#[must_use]
pub fn is_token_secret(secret: &Value) -> bool {
    matches!(
        secret.pointer("/type").and_then(Value::as_str),
        Some("kubernetes.io/service-account-token" | "bootstrap.kubernetes.io/token")
    )
}

/// The references found so far.
#[derive(Default)]
struct References(BTreeMap<ObjectKey, (bool, ReferenceSource)>);

impl References {
    fn add_pod(&mut self, spec: &PodSpec) {
        for container in spec
            .containers
            .iter()
            .chain(spec.init_containers.iter().flatten())
        {
            self.add_environment(container.env.as_deref(), container.env_from.as_deref());
        }
        for container in spec.ephemeral_containers.iter().flatten() {
            self.add_environment(container.env.as_deref(), container.env_from.as_deref());
        }
        for volume in spec.volumes.iter().flatten() {
            self.add_volume(volume);
        }
        for secret in spec.image_pull_secrets.iter().flatten() {
            // The kubelet goes on without it: `pkg/kubelet/kubelet_pods.go`, `getPullSecretsForPod`.
            self.add(
                ObjectKind::Secret,
                &secret.name,
                false,
                ReferenceSource::ImagePull,
            );
        }
        if let Some(name) = &spec.service_account_name
            && name != "default"
        {
            self.add(
                ObjectKind::ServiceAccount,
                name,
                true,
                ReferenceSource::PodTemplate,
            );
        }
    }

    fn add_environment(&mut self, variables: Option<&[EnvVar]>, sources: Option<&[EnvFromSource]>) {
        for source in sources.into_iter().flatten() {
            if let Some(reference) = &source.config_map_ref {
                self.add_config_map(&reference.name, reference.optional);
            }
            if let Some(reference) = &source.secret_ref {
                self.add_secret(&reference.name, reference.optional);
            }
        }
        for source in variables
            .into_iter()
            .flatten()
            .filter_map(|it| it.value_from.as_ref())
        {
            if let Some(reference) = &source.config_map_key_ref {
                self.add_config_map(&reference.name, reference.optional);
            }
            if let Some(reference) = &source.secret_key_ref {
                self.add_secret(&reference.name, reference.optional);
            }
        }
    }

    fn add_volume(&mut self, volume: &Volume) {
        if let Some(source) = &volume.config_map {
            self.add_config_map(&source.name, source.optional);
        }
        if let Some(source) = &volume.secret {
            self.add_secret(
                source.secret_name.as_deref().unwrap_or_default(),
                source.optional,
            );
        }
        let projected = volume.projected.as_ref().and_then(|it| it.sources.as_ref());
        for source in projected.into_iter().flatten() {
            if let Some(reference) = &source.config_map {
                self.add_config_map(&reference.name, reference.optional);
            }
            if let Some(reference) = &source.secret {
                self.add_secret(&reference.name, reference.optional);
            }
        }
        if let Some(source) = &volume.azure_file {
            self.add_secret(&source.secret_name, None);
        }
        for reference in credentials(volume) {
            self.add_secret(&reference.name, None);
        }
    }

    fn add_config_map(&mut self, name: &str, optional: Option<bool>) {
        // Kubernetes and OpenShift make these in every namespace, for the cluster that it is in.
        if !matches!(name, "kube-root-ca.crt" | "openshift-service-ca.crt") {
            let required = optional != Some(true);
            self.add(
                ObjectKind::ConfigMap,
                name,
                required,
                ReferenceSource::PodTemplate,
            );
        }
    }

    fn add_secret(&mut self, name: &str, optional: Option<bool>) {
        let required = optional != Some(true);
        self.add(
            ObjectKind::Secret,
            name,
            required,
            ReferenceSource::PodTemplate,
        );
    }

    fn add(&mut self, kind: ObjectKind, name: &str, required: bool, source: ReferenceSource) {
        // The API server lets empty names pass, for pull secrets for example, and ignores them.
        if !name.is_empty() {
            self.insert(
                ObjectKey {
                    kind,
                    name: name.to_owned(),
                },
                required,
                source,
            );
        }
    }

    fn insert(&mut self, key: ObjectKey, required: bool, source: ReferenceSource) {
        let entry = self.0.entry(key).or_insert((required, source));
        entry.0 |= required;
        entry.1 = entry.1.min(source);
    }

    fn into_sorted(self) -> Vec<Reference> {
        self.0
            .into_iter()
            .map(|(key, (required, source))| Reference {
                key,
                required,
                source,
            })
            .collect()
    }
}

/// The Secrets with which a volume's driver logs in.
fn credentials(volume: &Volume) -> impl Iterator<Item = &LocalObjectReference> {
    [
        volume.cephfs.as_ref().and_then(|it| it.secret_ref.as_ref()),
        volume.cinder.as_ref().and_then(|it| it.secret_ref.as_ref()),
        volume
            .csi
            .as_ref()
            .and_then(|it| it.node_publish_secret_ref.as_ref()),
        volume
            .flex_volume
            .as_ref()
            .and_then(|it| it.secret_ref.as_ref()),
        volume.iscsi.as_ref().and_then(|it| it.secret_ref.as_ref()),
        volume.rbd.as_ref().and_then(|it| it.secret_ref.as_ref()),
        volume.scale_io.as_ref().map(|it| &it.secret_ref),
        volume
            .storageos
            .as_ref()
            .and_then(|it| it.secret_ref.as_ref()),
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests;
