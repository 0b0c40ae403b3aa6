//! `Promotion`: the durable record of one workload's way into Karmada, and back.
//!
//! It lives in the workload's namespace of the control plane and is named after the workload.
//! Whoever wants something promoted creates one; the engine writes its status and nothing else
//! of it but the finalizer.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reason::Reason;

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

    /// What happens in a cluster that leaves the placement later on.
    #[serde(default)]
    pub on_cluster_removal: OnClusterRemoval,

    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<Requester>,

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

/// A user of the control plane or of a member, as an API server names users.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Requester {
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

/// How far the Promotion has come.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PromotionStatus {
    /// The workload as it was before anything was staged; what it is compared with afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Snapshot>,
    /// What was found in each cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<ClusterStatus>,
    /// The conditions `Planned`, `Rehearsed`, `Guarded`, `Promoted` and `Released`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Every dependency, with what was done about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<DependencyStatus>,
    /// What the phase has to say to a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the Promotion stands.
    #[serde(default)]
    pub phase: Phase,
    /// When each phase began, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseTime>,
    /// The clusters that the workload is placed in now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placed: Vec<String>,
    /// Why it was refused, waits or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// A digest of the workload's `.spec` that the rehearsal was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsed: Option<String>,
    /// The annotation `promote.karmada.io/requested-at` that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<String>,
}

/// Where a Promotion stands.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
pub enum Phase {
    /// Nothing has been decided yet.
    #[default]
    Pending,
    /// It cannot begin for a reason that may pass; it is tried again.
    Waiting,
    /// Policies and templates are put into the control plane; nothing reaches a member.
    Staging,
    /// What was staged is being taken away.
    Abandoning,
    /// Karmada takes the objects over in the members.
    Committing,
    /// The members are compared with what they were before.
    Verifying,
    /// What only the take-over needed is being taken back.
    Settling,
    /// The workload is an ordinary workload of Karmada.
    Promoted,
    /// Karmada is being made to let go after a failed commit.
    RollingBack,
    /// Karmada is being made to let go because a person wanted it.
    Releasing,
    /// The prediction is in the status, and nothing was written.
    Observed,
    /// The rehearsal is in the status, and nothing staged remains.
    Rehearsed,
    /// It was refused; nothing staged remains.
    Refused,
    /// It was rolled back after the commit; the members are as before.
    Failed,
    /// Karmada has let go, and no trace of it remains.
    Released,
}

/// When a phase began.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PhaseTime {
    /// The phase.
    pub phase: Phase,
    /// When it began.
    pub since: Time,
}

/// What was found in one cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// What Karmada's write would change, or would have changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// The cluster.
    pub name: String,
    /// What it comes to.
    pub verdict: ClusterVerdict,
}

/// What a rehearsal in a cluster came to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ClusterVerdict {
    /// Karmada's write would change nothing but its own marks.
    Unchanged,
    /// It is only a prediction that Karmada's write would change nothing but its own marks.
    PredictedUnchanged,
    /// Karmada's write would change the pod template, and so replace every pod.
    WouldRestartPods,
    /// Karmada's write would change something else.
    WouldChange,
    /// The cluster could not be asked.
    Unknown,
}

/// One value that Karmada's write would change.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The value in the member, as JSON; absent where there is none, and for Secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<String>,
    /// The object, `Kind/name`.
    pub object: String,
    /// Where in the object, as a JSON pointer.
    pub path: String,
    /// The value that the write would leave, as JSON; absent where there is none, and for Secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rendered: Option<String>,
}

/// A dependency, with what was done about it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DependencyStatus {
    /// What was done about it.
    pub action: DependencyAction,
    /// Its kind.
    pub kind: DependencyKind,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Its name.
    pub name: String,
    /// Whether only the ServiceAccount refers to it, so that Karmada does not see that it is
    /// needed and its policy must follow the workload to other clusters.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub through_service_account: bool,
}

/// What was done about a dependency.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum DependencyAction {
    /// It is federated with this workload.
    Created,
    /// It was federated already, equal to the one in the member.
    Reused,
    /// It stays where it is.
    Skipped,
    /// One of that name in the control plane is different.
    Conflict,
}

/// A workload at one moment: what tells whether its pods were replaced.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Whether something scales it: then pods come and go by themselves.
    pub autoscaled: bool,
    /// The UIDs of its pods, sorted.
    pub pods: Vec<String>,
    /// The UIDs of its ReplicaSets with their pod template's hash, sorted.
    pub replica_sets: Vec<ReplicaSetIdentity>,
    /// How many replicas it wants.
    pub replicas: i32,
    /// A digest of its whole `.spec`, without the replicas.
    pub spec_digest: String,
    /// Its UID.
    pub uid: String,
}

/// A ReplicaSet, by what tells it from another.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaSetIdentity {
    /// The hash of its pod template.
    pub pod_template_hash: String,
    /// Its UID.
    pub uid: String,
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

impl Phase {
    /// Whether the engine has nothing left to do until somebody asks for something else.
    #[must_use]
    pub const fn is_at_rest(self) -> bool {
        match self {
            Self::Promoted
            | Self::Observed
            | Self::Rehearsed
            | Self::Refused
            | Self::Failed
            | Self::Released => true,
            Self::Pending
            | Self::Waiting
            | Self::Staging
            | Self::Abandoning
            | Self::Committing
            | Self::Verifying
            | Self::Settling
            | Self::RollingBack
            | Self::Releasing => false,
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The variants' names are the words that users see.
        write!(formatter, "{self:?}")
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
