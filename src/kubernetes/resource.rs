//! Where each kind of object stands in an API server.

use promoter_domain::object::ObjectKind;

/// A kind of object, by its group, version and plural.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Resource {
    api_version: &'static str,
    plural: &'static str,
}

impl Resource {
    /// Karmada's clusters.
    pub const CLUSTER: Self = Self::new("cluster.karmada.io/v1alpha1", "clusters");
    /// Rights all over a cluster.
    pub const CLUSTER_ROLE: Self = Self::new("rbac.authorization.k8s.io/v1", "clusterroles");
    /// Who has such rights.
    pub const CLUSTER_ROLE_BINDING: Self =
        Self::new("rbac.authorization.k8s.io/v1", "clusterrolebindings");
    /// Types that an API server serves besides its own.
    pub const CUSTOM_RESOURCE_DEFINITION: Self =
        Self::new("apiextensions.k8s.io/v1", "customresourcedefinitions");
    /// Autoscalers.
    pub const HORIZONTAL_POD_AUTOSCALER: Self =
        Self::new("autoscaling/v2", "horizontalpodautoscalers");
    /// Leases.
    pub const LEASE: Self = Self::new("coordination.k8s.io/v1", "leases");
    /// Webhooks that may change what is written.
    pub const MUTATING_WEBHOOK_CONFIGURATION: Self = Self::new(
        "admissionregistration.k8s.io/v1",
        "mutatingwebhookconfigurations",
    );
    /// Namespaces.
    pub const NAMESPACE: Self = Self::new("v1", "namespaces");
    /// Pods.
    pub const POD: Self = Self::new("v1", "pods");
    /// Promotions.
    pub const PROMOTION: Self = Self::new("promote.karmada.io/v1alpha1", "promotions");
    /// Karmada's policies of one namespace.
    pub const PROPAGATION_POLICY: Self =
        Self::new("policy.karmada.io/v1alpha1", "propagationpolicies");
    /// ReplicaSets.
    pub const REPLICA_SET: Self = Self::new("apps/v1", "replicasets");
    /// Karmada's bindings of resource templates to clusters.
    pub const RESOURCE_BINDING: Self = Self::new("work.karmada.io/v1alpha2", "resourcebindings");
    /// KEDA's autoscalers.
    pub const SCALED_OBJECT: Self = Self::new("keda.sh/v1alpha1", "scaledobjects");
    /// Secrets.
    pub const SECRET: Self = Self::new("v1", "secrets");
    /// Questions who asks.
    pub const SELF_SUBJECT_REVIEW: Self =
        Self::new("authentication.k8s.io/v1", "selfsubjectreviews");
    /// Questions what a user may do.
    pub const SUBJECT_ACCESS_REVIEW: Self =
        Self::new("authorization.k8s.io/v1", "subjectaccessreviews");
    /// Rules of an API server about writes.
    pub const VALIDATING_ADMISSION_POLICY: Self = Self::new(
        "admissionregistration.k8s.io/v1",
        "validatingadmissionpolicies",
    );
    /// Where such rules are in force.
    pub const VALIDATING_ADMISSION_POLICY_BINDING: Self = Self::new(
        "admissionregistration.k8s.io/v1",
        "validatingadmissionpolicybindings",
    );
    /// Webhooks that may refuse what is written.
    pub const VALIDATING_WEBHOOK_CONFIGURATION: Self = Self::new(
        "admissionregistration.k8s.io/v1",
        "validatingwebhookconfigurations",
    );
    /// Karmada's rendered manifests.
    pub const WORK: Self = Self::new("work.karmada.io/v1alpha1", "works");

    const fn new(api_version: &'static str, plural: &'static str) -> Self {
        Self {
            api_version,
            plural,
        }
    }

    /// The name of the kind in URLs and in messages.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        self.plural
    }

    /// The path of the collection, in a namespace or over all of the cluster.
    #[must_use]
    pub fn path(self, namespace: Option<&str>) -> String {
        let root = if self.api_version.contains('/') {
            "apis"
        } else {
            "api"
        };
        let Self {
            api_version,
            plural,
        } = self;
        match namespace {
            Some(namespace) => format!("/{root}/{api_version}/namespaces/{namespace}/{plural}"),
            None => format!("/{root}/{api_version}/{plural}"),
        }
    }
}

impl From<ObjectKind> for Resource {
    fn from(kind: ObjectKind) -> Self {
        Self::new(kind.api_version(), kind.plural())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_api_server() {
        assert_eq!(Resource::NAMESPACE.path(None), "/api/v1/namespaces");
        assert_eq!(
            Resource::from(ObjectKind::Deployment).path(Some("shop")),
            "/apis/apps/v1/namespaces/shop/deployments"
        );
    }
}
