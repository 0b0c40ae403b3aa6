//! The objects that a promotion is about, and what they are called in Karmada.

use std::fmt;

use promoter_api::{karmada::binding_name, promotion::DependencyKind};

/// A workload or a dependency in the Promotion's namespace.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
}

/// A kind of object that is promoted.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ObjectKind {
    /// A dependency.
    ConfigMap,
    /// The workload.
    Deployment,
    /// A dependency.
    Secret,
    /// A dependency.
    ServiceAccount,
}

impl ObjectKey {
    /// A Deployment.
    #[must_use]
    pub fn deployment(name: impl Into<String>) -> Self {
        Self {
            kind: ObjectKind::Deployment,
            name: name.into(),
        }
    }

    /// A dependency.
    #[must_use]
    pub fn dependency(kind: DependencyKind, name: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            name: name.into(),
        }
    }

    /// The name of the `PropagationPolicy` that we make for it.
    ///
    /// The kind comes first and holds no dot, so that no two objects share a policy's name.
    #[must_use]
    pub fn policy_name(&self) -> String {
        format!("{}.{}", self.kind.as_str().to_lowercase(), self.name)
    }

    /// The name of the `ResourceBinding` that Karmada makes for it.
    #[must_use]
    pub fn binding_name(&self) -> String {
        binding_name(self.kind.as_str(), &self.name)
    }

    /// Whether every name that comes of it, ours and Karmada's, fits into the 253 characters of
    /// a Kubernetes name.
    ///
    /// A Work's name is the object's with a hyphen and a hash that is 10 characters long at the
    /// most (Karmada's `pkg/util/names/names.go`, `GenerateWorkName`).
    #[must_use]
    pub fn names_fit(&self) -> bool {
        const LONGEST_NAME: usize = 253;
        const WORK_SUFFIX: usize = 11;
        self.policy_name().len() <= LONGEST_NAME
            && self.binding_name().len() <= LONGEST_NAME
            && self.name.len() + WORK_SUFFIX <= LONGEST_NAME
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.kind.as_str(), self.name)
    }
}

impl ObjectKind {
    /// Its API version.
    #[must_use]
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::Deployment => "apps/v1",
            Self::ConfigMap | Self::Secret | Self::ServiceAccount => "v1",
        }
    }

    /// The kind as Kubernetes spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Deployment => "Deployment",
            Self::Secret => "Secret",
            Self::ServiceAccount => "ServiceAccount",
        }
    }

    /// Its name in URLs.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmaps",
            Self::Deployment => "deployments",
            Self::Secret => "secrets",
            Self::ServiceAccount => "serviceaccounts",
        }
    }

    /// The kind of a dependency, or nothing for the workload.
    #[must_use]
    pub const fn as_dependency(self) -> Option<DependencyKind> {
        match self {
            Self::ConfigMap => Some(DependencyKind::ConfigMap),
            Self::Deployment => None,
            Self::Secret => Some(DependencyKind::Secret),
            Self::ServiceAccount => Some(DependencyKind::ServiceAccount),
        }
    }
}

impl From<DependencyKind> for ObjectKind {
    fn from(kind: DependencyKind) -> Self {
        match kind {
            DependencyKind::ConfigMap => Self::ConfigMap,
            DependencyKind::Secret => Self::Secret,
            DependencyKind::ServiceAccount => Self::ServiceAccount,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_karmada_would_make_too_long_do_not_fit() {
        // `deployment.` and `-deployment` are 11 characters, as the longest suffix of a Work is.
        assert!(ObjectKey::deployment("a".repeat(242)).names_fit());
        assert!(!ObjectKey::deployment("a".repeat(243)).names_fit());
        let account =
            |length| ObjectKey::dependency(DependencyKind::ServiceAccount, "a".repeat(length));
        assert!(account(238).names_fit());
        assert!(!account(239).names_fit());
    }

    #[test]
    fn no_two_objects_share_a_policy() {
        assert_eq!(ObjectKey::deployment("web").policy_name(), "deployment.web");
        assert_eq!(
            ObjectKey::dependency(DependencyKind::ConfigMap, "web").policy_name(),
            "configmap.web"
        );
    }
}
