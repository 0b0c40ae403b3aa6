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
    /// The cluster may not opt in to that namespace.
    NamespaceNotAllowed,
    /// The namespace is one that Karmada or Kubernetes keeps for itself.
    NamespaceReserved,
    /// Whoever asked may not do what it takes.
    NotAuthorized,
    /// Another object owns the workload.
    OwnedByController,
    /// The member could not be asked what Karmada's write would do.
    RehearsalImpossible,
    /// Nobody can say who asked.
    RequesterUnknown,
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

/// What a reason means, and what to do about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Explanation {
    /// What happened.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

impl Reason {
    /// Every reason, in alphabetical order.
    pub const ALL: [Self; 23] = [
        Self::AlreadyFederated,
        Self::ClusterNotReady,
        Self::ClusterUnknown,
        Self::CommitRefused,
        Self::ConflictingTemplate,
        Self::DependencyConflict,
        Self::DependencyMissing,
        Self::LateEdit,
        Self::ManagedByOther,
        Self::NameTooLong,
        Self::NamespaceNotAllowed,
        Self::NamespaceReserved,
        Self::NotAuthorized,
        Self::OwnedByController,
        Self::RehearsalImpossible,
        Self::RequesterUnknown,
        Self::RolloutInProgress,
        Self::StagingFailed,
        Self::UnsupportedKind,
        Self::VerificationFailed,
        Self::WorkloadMissing,
        Self::WouldChangeObject,
        Self::WouldRestartPods,
    ];

    /// What it means, and what to do about it.
    #[must_use]
    #[allow(clippy::too_many_lines, reason = "one entry a reason")]
    pub const fn explanation(self) -> Explanation {
        let (meaning, remedy) = match self {
            Self::AlreadyFederated => (
                "A Work of this control plane keeps the Deployment.",
                "Edit it in the control plane.",
            ),
            Self::ClusterNotReady => (
                "Karmada says that the member is not ready.",
                "See `kubectl get clusters` in the control plane.",
            ),
            Self::ClusterUnknown => (
                "No cluster of that name has joined.",
                "Correct `spec.clusters`.",
            ),
            Self::CommitRefused => (
                "The member kept refusing Karmada's write for the commit's timeout; rolled \
                 back.",
                "The message has the member's words. A rule there that passed the dry run \
                 refuses the real write: let Karmada's identity pass.",
            ),
            Self::ConflictingTemplate => (
                "The control plane has another template or policy of that name, or another \
                 policy captured the template while it was staged.",
                "Rename one, or delete the other; see the template's labels for who has it.",
            ),
            Self::DependencyConflict => (
                "A ConfigMap, Secret or ServiceAccount of that name is in the control plane and \
                 different, is federated from another cluster, or does not keep the member's.",
                "`status.clusters` has the paths. Make them equal, have a policy place it there, or \
                 leave its kind out of `spec.dependencies`.",
            ),
            Self::DependencyMissing => (
                "A required reference leads nowhere in the member.",
                "Create it, or mark the reference as optional.",
            ),
            Self::LateEdit => (
                "The workload was changed while it was being promoted.",
                "Nothing: it is planned anew, or the change was carried into the control plane's \
                 template. Change it there once it is promoted.",
            ),
            Self::ManagedByOther => (
                "Helm, Argo CD or Flux manages it, or it bears the marks of a Karmada that has \
                 no Work for it.",
                "Promote what they deploy at its source, or set `spec.managedWorkload` to `Allow` \
                 once they write it no more; set `spec.staleMarks` to `Strip` where that Karmada \
                 has let go.",
            ),
            Self::NameTooLong => (
                "A name that Karmada makes of it would be too long.",
                "Rename the object.",
            ),
            Self::NamespaceNotAllowed => (
                "The hub does not let that cluster opt in to that namespace.",
                "Ask whoever runs the hub to allow it (its flag `--opt-in`), or promote it from \
                 the control plane with `kubectl promote`.",
            ),
            Self::NamespaceReserved => (
                "Karmada never propagates that namespace (`kube-*`, `karmada-*`).",
                "Move the workload.",
            ),
            Self::NotAuthorized => (
                "Whoever asked may not do by themselves what the promotion would do for them.",
                "The message has the permission that lacks: in the member `promote` and `get` of \
                 the Deployment and `get` of each dependency, in the control plane `create` of \
                 what is created there and `get` of each dependency; `delete` for a release, \
                 `update` of the PropagationPolicy for a change. It is looked at again when the \
                 spec is edited, or with `kubectl promote` once more.",
            ),
            Self::OwnedByController => (
                "Another object owns the Deployment.",
                "Promote the owner's source instead; its controller would write it, too.",
            ),
            Self::RehearsalImpossible => (
                "The member cannot be asked: no endpoint or credentials (a Pull cluster), or \
                 an admission rule refuses the dry run.",
                "The message has the member's words. A webhook without `sideEffects: None` \
                 makes the API server refuse every dry run.",
            ),
            Self::RequesterUnknown => (
                "Nobody can say who asked: the request was made while nothing recorded it.",
                "Ask again: `kubectl promote`, or take the annotation off and set it again.",
            ),
            Self::RolloutInProgress => (
                "The Deployment is being rolled out.",
                "Wait for it, or finish it.",
            ),
            Self::StagingFailed => (
                "The control plane refused what was to be created, or Karmada did not render \
                 it in time.",
                "See the events of the ResourceBinding; the scheduler says there why it places \
                 nothing.",
            ),
            Self::UnsupportedKind => (
                "Not a Deployment of `apps/v1`.",
                "Promote a Deployment of `apps/v1`.",
            ),
            Self::VerificationFailed => (
                "After the commit the workload was not what it was; rolled back.",
                "Look for what else writes it: a controller, a person, an autoscaler without \
                 an HPA.",
            ),
            Self::WorkloadMissing => (
                "The member has no such Deployment.",
                "Correct the name, namespace or cluster.",
            ),
            Self::WouldChangeObject => (
                "Karmada's write would change something else than the pod template.",
                "`status.clusters` has path and values: look for an OverridePolicy or a \
                 mutating webhook in the member.",
            ),
            Self::WouldRestartPods => (
                "Karmada's write would change the pod template.",
                "Nothing was written. `status.clusters` has path and values: look for an \
                 OverridePolicy in the control plane or a mutating webhook in the member.",
            ),
        };
        Explanation { meaning, remedy }
    }

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
            | Self::NamespaceNotAllowed
            | Self::NamespaceReserved
            | Self::NotAuthorized
            | Self::OwnedByController
            | Self::RehearsalImpossible
            | Self::RequesterUnknown
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_listed_once_in_order() {
        assert!(Reason::ALL.is_sorted_by(|a, b| a.to_string() < b.to_string()));
        // The variants are in alphabetical order too, so the last one says how many there are.
        assert_eq!(Reason::ALL.len(), Reason::WouldRestartPods as usize + 1);
    }
}
