//! The stable words for why a promotion is refused, waits or failed.
//!
//! The same word stands in conditions, events, metrics and every front door's output; scripts
//! may match on it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a promotion is refused, waits or failed.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[non_exhaustive]
pub enum Reason {
    /// The workload is federated already.
    AlreadyFederated,
    /// The member cluster is not ready.
    ClusterNotReady,
    /// Karmada knows no cluster of that name.
    ClusterUnknown,
    /// After the commit the member kept refusing Karmada's write.
    CommitRefused,
    /// Another template of that name is in the control plane.
    ConflictingTemplate,
    /// A dependency's namesake in the control plane is different.
    DependencyConflict,
    /// A dependency that the pods cannot start without is not there.
    DependencyMissing,
    /// The workload was changed while it was being promoted.
    LateEdit,
    /// The workload belongs to Helm, Argo CD or Flux, or bears another Karmada's marks.
    ManagedByOther,
    /// Karmada's names for the object would be longer than Kubernetes allows.
    NameTooLong,
    /// The namespace is one that Karmada or Kubernetes keeps for itself.
    NamespaceReserved,
    /// Another object owns the workload.
    OwnedByController,
    /// The member could not be asked what Karmada's write would do.
    RehearsalImpossible,
    /// The workload is being rolled out.
    RolloutInProgress,
    /// Karmada did not render what was staged.
    StagingFailed,
    /// The kind of workload is not supported.
    UnsupportedKind,
    /// After the commit the workload was not what it was before.
    VerificationFailed,
    /// There is no such workload in the member cluster.
    WorkloadMissing,
    /// Karmada's write would change something else than the pod template.
    WouldChangeObject,
    /// Karmada's write would change the pod template, and so replace every pod.
    WouldRestartPods,
}

impl Reason {
    /// Whether what stands in the way may pass by itself, so that it is tried again.
    #[must_use]
    pub const fn may_pass(self) -> bool {
        match self {
            Self::ClusterNotReady
            | Self::DependencyMissing
            | Self::LateEdit
            | Self::RolloutInProgress => true,
            Self::AlreadyFederated
            | Self::ClusterUnknown
            | Self::CommitRefused
            | Self::ConflictingTemplate
            | Self::DependencyConflict
            | Self::ManagedByOther
            | Self::NameTooLong
            | Self::NamespaceReserved
            | Self::OwnedByController
            | Self::RehearsalImpossible
            | Self::StagingFailed
            | Self::UnsupportedKind
            | Self::VerificationFailed
            | Self::WorkloadMissing
            | Self::WouldChangeObject
            | Self::WouldRestartPods => false,
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The variants' names are the stable words.
        write!(formatter, "{self:?}")
    }
}
