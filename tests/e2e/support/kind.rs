//! Kinds of objects, and where they stand in an API server.

use serde_json::Value;

/// A kind of object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Kind {
    api_version: String,
    name: String,
}

/// The kinds, of those that the tests use, that belong to no namespace.
const WITHOUT_NAMESPACE: &[&str] = &[
    "Cluster",
    "ClusterOverridePolicy",
    "ClusterPropagationPolicy",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "ResourceInterpreterCustomization",
    "SelfSubjectReview",
    "SubjectAccessReview",
    "TokenReview",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
];

impl Kind {
    pub(crate) fn new(api_version: &str, name: &str) -> Self {
        Self {
            api_version: api_version.to_owned(),
            name: name.to_owned(),
        }
    }

    pub(crate) fn of(object: &Value) -> Self {
        let word = |key: &str| object[key].as_str().expect("an object has a kind");
        Self::new(word("apiVersion"), word("kind"))
    }

    pub(crate) fn cluster() -> Self {
        Self::new("cluster.karmada.io/v1alpha1", "Cluster")
    }

    pub(crate) fn config_map() -> Self {
        Self::new("v1", "ConfigMap")
    }

    pub(crate) fn deployment() -> Self {
        Self::new("apps/v1", "Deployment")
    }

    pub(crate) fn event() -> Self {
        Self::new("events.k8s.io/v1", "Event")
    }

    pub(crate) fn namespace() -> Self {
        Self::new("v1", "Namespace")
    }

    pub(crate) fn pod() -> Self {
        Self::new("v1", "Pod")
    }

    pub(crate) fn promotion() -> Self {
        Self::new("promote.karmada.io/v1alpha1", "Promotion")
    }

    pub(crate) fn propagation_policy() -> Self {
        Self::new("policy.karmada.io/v1alpha1", "PropagationPolicy")
    }

    pub(crate) fn replica_set() -> Self {
        Self::new("apps/v1", "ReplicaSet")
    }

    pub(crate) fn resource_binding() -> Self {
        Self::new("work.karmada.io/v1alpha2", "ResourceBinding")
    }

    pub(crate) fn secret() -> Self {
        Self::new("v1", "Secret")
    }

    pub(crate) fn service_account() -> Self {
        Self::new("v1", "ServiceAccount")
    }

    pub(crate) fn work() -> Self {
        Self::new("work.karmada.io/v1alpha1", "Work")
    }

    /// The kind's name, as in `kind:`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn api_version(&self) -> &str {
        &self.api_version
    }

    pub(crate) fn has_namespace(&self) -> bool {
        !WITHOUT_NAMESPACE.contains(&self.name.as_str())
    }

    /// The path of the collection over all namespaces.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.root(), self.plural())
    }

    /// The path of the collection in a namespace.
    pub(crate) fn path_in(&self, namespace: &str) -> String {
        if self.has_namespace() {
            format!("{}/namespaces/{namespace}/{}", self.root(), self.plural())
        } else {
            self.path()
        }
    }

    fn root(&self) -> String {
        let root = if self.api_version.contains('/') {
            "apis"
        } else {
            "api"
        };
        format!("/{root}/{}", self.api_version)
    }

    /// Its name in URLs.
    pub(crate) fn plural(&self) -> String {
        let name = self.name.to_lowercase();
        if let Some(stem) = name.strip_suffix('y') {
            format!("{stem}ies")
        } else if name.ends_with('s') {
            format!("{name}es")
        } else {
            format!("{name}s")
        }
    }
}
