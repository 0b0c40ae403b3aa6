//! What the engine writes into a Promotion's status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DependencyKind, OnClusterRemoval};
use crate::reason::Reason;

/// How far the Promotion has come.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PromotionStatus {
    /// The last spec that its requester may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorized: Option<Authorized>,
    /// The workload as it was before anything was staged; what it is compared with afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Snapshot>,
    /// The edits made in the member while Karmada took the workload over or let go of it, which
    /// were carried into the template, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<CarriedEdit>,
    /// The edit that is being carried, written down before the template is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrying: Option<CarryingEdit>,
    /// What was found in each cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<ClusterStatus>,
    /// The conditions `Authorized`, `DependenciesFederated`, `Guarded`, `Planned`, `Promoted`,
    /// `Rehearsed` and `Released`.
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
    /// A digest of the template's `.spec`, as the control plane keeps it, that the rehearsal was
    /// about, or that an edit was carried into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_digest: Option<String>,
}

/// An edit that was carried into the template.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CarriedEdit {
    /// A digest of the edited pod template, by which its ReplicaSet is known.
    pub pod_template_digest: String,
    /// A digest of the edited `.spec`, without the replicas.
    pub spec_digest: String,
}

/// An edit that is about to be carried into the template.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CarryingEdit {
    /// The edit.
    pub edit: CarriedEdit,
    /// A digest of the template's `.spec` once it is carried.
    pub template_digest: String,
}

/// A spec that its requester may have: what was asked for since, by others, is not done.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Authorized {
    /// Its generation.
    pub generation: i64,
    /// What it says is to happen in a cluster that leaves the placement.
    pub on_cluster_removal: OnClusterRemoval,
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
    /// How many differences there are besides those that are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_difference_count: Option<i64>,
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
    /// What keeps writing it in the member, where that is why it stays there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<String>,
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
