//! `Promotion`: the durable record of one workload's way into Karmada, and back.
//!
//! It lives in the workload's namespace of the control plane and is named after the workload.
//! Whoever wants something promoted creates one; the engine writes its status and nothing else
//! of it but the finalizer.

mod status;

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::status::{
    Authorized, CarriedEdit, CarryingEdit, ClusterStatus, ClusterVerdict, DependencyAction,
    DependencyStatus, Difference, Phase, PhaseTime, PromotionStatus, ReplicaSetIdentity, Snapshot,
};

/// What is to become of a workload of a member cluster.
#[derive(Clone, CustomResource, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "promote.karmada.io",
    version = "v1alpha1",
    kind = "Promotion",
    plural = "promotions",
    singular = "promotion",
    shortname = "promo",
    category = "karmada-promoter",
    namespaced,
    status = "PromotionStatus",
    derive = "PartialEq",
    doc = "The promotion of a member cluster's workload to a multi-cloud workload of Karmada.",
    validation = Rule::new("self.metadata.name == self.spec.workload.name")
        .message("a Promotion is named after its workload"),
    printcolumn(
        name = "Workload", json_path = ".spec.workload.kind", type_ = "string"
    ),
    printcolumn(
        name = "Clusters", json_path = ".spec.clusters", type_ = "string"
    ),
    printcolumn(
        name = "Wanted", json_path = ".spec.desiredState", type_ = "string"
    ),
    printcolumn(
        name = "Phase", json_path = ".status.phase", type_ = "string"
    ),
    printcolumn(
        name = "Reason", json_path = ".status.reason", type_ = "string"
    ),
    printcolumn(
        name = "Age", json_path = ".metadata.creationTimestamp", type_ = "date"
    ),
    printcolumn(
        name = "Message", json_path = ".status.message", type_ = "string", priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct PromotionSpec {
    /// The clusters that the workload is promoted from. One, in this version.
    #[schemars(length(min = 1, max = 1), extend("x-kubernetes-list-type" = "set"))]
    #[schemars(inner(length(min = 1, max = 48)))]
    pub clusters: Vec<String>,

    /// Which kinds of dependencies go along. All that are known, unless said otherwise; an empty
    /// list leaves every dependency where it is.
    #[serde(default = "DependencyKind::all")]
    #[schemars(length(max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub dependencies: Vec<DependencyKind>,

    /// How far to go, or `Released` to let Karmada let go of the workload again.
    #[serde(default)]
    pub desired_state: DesiredState,

    /// What is done about dependencies that something in the member keeps writing: cert-manager,
    /// External Secrets, Sealed Secrets, Helm, Argo CD, Flux or another controller.
    #[serde(default)]
    pub managed_dependencies: ManagedDependencies,

    /// What is done about a workload that Helm, Argo CD or Flux manages in the member.
    #[serde(default)]
    pub managed_workload: ManagedWorkload,

    /// What happens in a cluster that leaves the placement later on.
    #[serde(default)]
    pub on_cluster_removal: OnClusterRemoval,

    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<Requester>,

    /// What is done about objects that bear the marks of a Karmada which has no Work for them here.
    #[serde(default)]
    pub stale_marks: StaleMarks,

    /// Whether the engine begins nothing new for the time being. What is being committed, rolled
    /// back or released is finished all the same.
    #[serde(default)]
    pub suspend: bool,

    /// The workload.
    #[x_kube(validation = Rule::new("self == oldSelf")
        .message("the workload of a Promotion cannot be changed; create another Promotion"))]
    pub workload: WorkloadReference,
}

/// A workload of the Promotion's own namespace.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadReference {
    /// The API version, `apps/v1`.
    #[serde(default = "WorkloadReference::default_api_version")]
    pub api_version: String,
    /// The kind. `Deployment` is the one that is supported.
    #[serde(default = "WorkloadReference::default_kind")]
    pub kind: String,
    /// The name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A kind of object that a workload needs to start.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
pub enum DependencyKind {
    /// ConfigMaps of environments and volumes.
    ConfigMap,
    /// Secrets of environments, volumes and image pulls.
    Secret,
    /// The ServiceAccount of the pods.
    ServiceAccount,
}

/// How far a Promotion is to go.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
pub enum DesiredState {
    /// Plan, predict what the member would say, and write nothing but the status.
    Observed,
    /// Federate the workload.
    #[default]
    Promoted,
    /// Stage, rehearse in the member, report, and take everything staged away again.
    Rehearsed,
    /// Let Karmada let go of the workload; it goes on running in every member it runs in.
    Released,
}

/// What happens in a cluster that leaves the workload's placement.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
pub enum OnClusterRemoval {
    /// The workload is deleted there, as with every workload of Karmada.
    #[default]
    Delete,
    /// It goes on running there, unmanaged.
    Preserve,
}

/// What is done about dependencies that something in the member keeps writing.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
pub enum ManagedDependencies {
    /// They stay as they are in the member and are not federated: Karmada would undo what is
    /// written there next.
    #[default]
    Skip,
    /// They are federated as they are now, and Karmada undoes what is written in the member.
    Copy,
}

/// What is done about a workload that another tool manages in the member.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
pub enum ManagedWorkload {
    /// It is not promoted: the tool would undo what Karmada writes, and Karmada what the tool does.
    #[default]
    Refuse,
    /// It is promoted as it is, the tool's marks included. The tool must write it no more.
    Allow,
}

/// What is done about objects that bear the marks of a Karmada which has no Work for them here.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
pub enum StaleMarks {
    /// They are not promoted: another Karmada may still have them.
    #[default]
    Refuse,
    /// The marks are taken off in the member before anything is staged. The Karmada that they are
    /// of must have let go, or be no more.
    Strip,
}

/// A user of the control plane or of a member, as an API server names users.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Requester {
    /// The member cluster that the user is of; absent for a user of the control plane. The same
    /// name may be another person elsewhere, so one is never taken for the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// What else the authenticator said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
    /// The user's groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The user's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The user's name.
    pub username: String,
}

impl WorkloadReference {
    /// A Deployment of that name.
    #[must_use]
    pub fn deployment(name: &str) -> Self {
        Self {
            api_version: Self::default_api_version(),
            kind: Self::default_kind(),
            name: name.to_owned(),
        }
    }

    fn default_api_version() -> String {
        "apps/v1".to_owned()
    }

    fn default_kind() -> String {
        "Deployment".to_owned()
    }
}

impl DependencyKind {
    /// Every kind.
    #[must_use]
    pub fn all() -> Vec<Self> {
        vec![Self::ConfigMap, Self::Secret, Self::ServiceAccount]
    }

    /// The kind as Kubernetes spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
            Self::ServiceAccount => "ServiceAccount",
        }
    }
}

impl std::fmt::Display for DesiredState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{self:?}")
    }
}

#[cfg(test)]
mod tests {
    use kube::CustomResourceExt as _;

    use super::*;

    #[test]
    fn a_short_spec_gets_the_defaults() {
        let spec: PromotionSpec = serde_json::from_value(serde_json::json!({
            "clusters": ["member1"],
            "workload": {"name": "web"},
        }))
        .unwrap();
        assert_eq!(spec.workload, WorkloadReference::deployment("web"));
        assert_eq!(spec.desired_state, DesiredState::Promoted);
        assert_eq!(spec.on_cluster_removal, OnClusterRemoval::Delete);
        assert_eq!(spec.dependencies, DependencyKind::all());
        assert_eq!(spec.managed_dependencies, ManagedDependencies::Skip);
        assert_eq!(spec.managed_workload, ManagedWorkload::Refuse);
        assert_eq!(spec.stale_marks, StaleMarks::Refuse);
    }

    #[test]
    fn the_definition_names_and_columns_are_what_users_type() {
        let definition = Promotion::crd();
        assert_eq!(
            definition.metadata.name.as_deref(),
            Some("promotions.promote.karmada.io")
        );
        assert_eq!(
            definition.spec.names.short_names,
            Some(vec!["promo".to_owned()])
        );
        let version = &definition.spec.versions[0];
        assert!(version.subresources.as_ref().unwrap().status.is_some());
    }
}
