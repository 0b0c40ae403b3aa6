//! The Promotion as it was last read, and what is written into its status.

mod authorized;

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Time};
use promoter_api::{
    marks,
    promotion::{
        ClusterStatus, ClusterVerdict, DependencyAction, DependencyStatus, Difference, Phase,
        PhaseTime, Promotion, PromotionStatus,
    },
};
use promoter_domain::{
    object::ObjectKey,
    rehearsal,
    step::{Intent, Outcome},
};
use serde_json::{Value, json};

use crate::conditions;

/// How many phases are remembered: those of a promotion that is released, twice over.
const MOST_PHASES: usize = 20;

/// A Promotion as it was last read.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) promotion: Promotion,
}

impl Record {
    pub(crate) fn namespace(&self) -> &str {
        self.promotion
            .metadata
            .namespace
            .as_deref()
            .unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.promotion.metadata.name.as_deref().unwrap_or_default()
    }

    pub(crate) fn uid(&self) -> &str {
        self.promotion.metadata.uid.as_deref().unwrap_or_default()
    }

    pub(crate) fn workload(&self) -> ObjectKey {
        ObjectKey::deployment(&self.promotion.spec.workload.name)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.promotion
            .status
            .as_ref()
            .map_or(Phase::Pending, |status| status.phase)
    }

    pub(crate) fn status(&self) -> PromotionStatus {
        self.promotion.status.clone().unwrap_or_default()
    }

    /// The cluster that the workload is promoted from: what was recorded when it was planned, or
    /// what the spec says as long as nothing is.
    pub(crate) fn origin(&self) -> &str {
        let recorded = self
            .promotion
            .status
            .as_ref()
            .filter(|status| status.before.is_some())
            .and_then(|status| status.clusters.first())
            .map(|cluster| &cluster.name);
        let wanted = self.promotion.spec.clusters.first();
        recorded.or(wanted).map_or("", String::as_str)
    }

    /// The recorded dependencies that go along with the workload.
    pub(crate) fn dependencies(&self) -> impl Iterator<Item = &DependencyStatus> {
        self.promotion
            .status
            .iter()
            .flat_map(|status| &status.dependencies)
            .filter(|dependency| match dependency.action {
                DependencyAction::Created | DependencyAction::Reused => true,
                DependencyAction::Conflict | DependencyAction::Skipped => false,
            })
    }

    /// The objects of the promotion, dependencies first and the workload last.
    pub(crate) fn objects(&self) -> Vec<ObjectKey> {
        self.dependencies()
            .map(|dependency| ObjectKey::dependency(dependency.kind, &dependency.name))
            .chain([self.workload()])
            .collect()
    }

    pub(crate) fn placed(&self) -> BTreeSet<String> {
        self.promotion
            .status
            .iter()
            .flat_map(|status| status.placed.iter().cloned())
            .collect()
    }

    pub(crate) fn intent(&self) -> Intent {
        let Promotion {
            metadata,
            spec,
            status,
        } = &self.promotion;
        let seen = status
            .as_ref()
            .and_then(|status| status.observed_generation);
        let answered = status
            .as_ref()
            .and_then(|status| status.requested_at.as_ref());
        Intent {
            authorized: self.is_authorized(),
            deleted: metadata.deletion_timestamp.is_some(),
            desired: spec.desired_state,
            on_cluster_removal: self.on_cluster_removal(),
            renewed: seen != metadata.generation || answered != self.requested_at(),
            suspended: spec.suspend,
        }
    }

    /// Whether Karmada takes the workload over for the first time, or lets go of it: what a person
    /// edits in the member then is carried into the template, and what of it was promoted before
    /// is Karmada's own to keep.
    pub(crate) fn carries_edits(&self) -> bool {
        let phases = self
            .promotion
            .status
            .iter()
            .flat_map(|status| &status.phases);
        let mut promoted = phases.filter(|time| time.phase == Phase::Promoted);
        match self.phase() {
            Phase::Committing
            | Phase::Verifying
            | Phase::Settling
            | Phase::Abandoning
            | Phase::RollingBack => promoted.next().is_none(),
            Phase::Releasing => true,
            _ => false,
        }
    }

    /// How long the phase has lasted, in seconds.
    pub(crate) fn phase_age(&self, now: Timestamp) -> i64 {
        self.promotion
            .status
            .iter()
            .filter_map(|status| status.phases.last())
            .map(|last| now.as_second() - last.since.0.as_second())
            .next()
            .unwrap_or_default()
    }

    /// The Promotion, for events about it.
    pub(crate) fn reference(&self) -> ObjectReference {
        ObjectReference {
            api_version: Some("promote.karmada.io/v1alpha1".to_owned()),
            kind: Some("Promotion".to_owned()),
            name: Some(self.name().to_owned()),
            namespace: Some(self.namespace().to_owned()),
            uid: Some(self.uid().to_owned()),
            ..ObjectReference::default()
        }
    }

    /// The status for a new phase.
    pub(crate) fn entered(
        &self,
        phase: Phase,
        outcome: Option<&Outcome>,
        now: Timestamp,
    ) -> PromotionStatus {
        let mut status = self.status();
        if status.phase != phase {
            status.phases = match phase {
                // A new attempt: what was before belongs to the last one.
                Phase::Pending => Vec::new(),
                _ => status.phases,
            };
            // Edits of a promoted workload's spec settle it anew, as often as a person likes.
            let surplus = (status.phases.len() + 1).saturating_sub(MOST_PHASES);
            status.phases.drain(..surplus);
            status.phases.push(PhaseTime {
                phase,
                since: Time(now),
            });
        }
        status.phase = phase;
        match phase {
            // What was recorded on the way here goes on holding.
            Phase::Abandoning
            | Phase::Failed
            | Phase::Refused
            | Phase::RollingBack
            | Phase::Waiting
                if outcome.is_none() => {}
            _ => {
                status.reason = outcome.map(|outcome| outcome.reason);
                status.message = outcome.map(|outcome| outcome.message.clone());
            }
        }
        match phase {
            Phase::Pending => {
                forget_rehearsal(&mut status);
                status.before = None;
                status.placed = Vec::new();
                // What is said of the last attempt must not be taken for what is said of this.
                let conditions = &mut status.conditions;
                conditions.retain(|condition| condition.type_ == "Promoted");
                self.answer(&mut status);
            }
            Phase::Releasing => {
                forget_rehearsal(&mut status);
                self.answer_authorized(&mut status);
            }
            Phase::Staging => forget_rehearsal(&mut status),
            Phase::Settling => self.answer_authorized(&mut status),
            Phase::Released => {
                status.placed = Vec::new();
                self.answer_authorized(&mut status);
            }
            Phase::Promoted if status.placed.is_empty() => {
                status.placed = vec![self.origin().to_owned()];
            }
            _ => {}
        }
        conditions::update(&mut status, self.promotion.metadata.generation, now);
        status
    }

    /// The same as [`Self::answer`], if the spec as it is now is what was authorized; what was
    /// asked for meanwhile has its answer still to come.
    fn answer_authorized(&self, status: &mut PromotionStatus) {
        if self.is_authorized() {
            self.answer(status);
        }
    }

    /// Whether this attempt has got so far that the workload in the member may have been marked.
    pub(crate) fn was_committing(&self) -> bool {
        let phases = self
            .promotion
            .status
            .iter()
            .flat_map(|status| &status.phases)
            .rev();
        phases
            .map(|time| time.phase)
            .take_while(|phase| *phase != Phase::Staging)
            .any(|phase| phase == Phase::Committing)
    }

    /// Says that the status is about the spec and the request as they are now.
    pub(crate) fn answer(&self, status: &mut PromotionStatus) {
        status.observed_generation = self.promotion.metadata.generation;
        status.requested_at = self.requested_at().cloned();
    }

    /// The body of a server-side apply of a status, valid only for the Promotion as it was read.
    pub(crate) fn apply(&self, status: &PromotionStatus) -> Result<Value, serde_json::Error> {
        Ok(json!({
            "apiVersion": "promote.karmada.io/v1alpha1",
            "kind": "Promotion",
            "metadata": {
                "name": self.name(),
                "namespace": self.namespace(),
                "resourceVersion": self.promotion.metadata.resource_version,
            },
            "status": serde_json::to_value(status)?,
        }))
    }

    fn requested_at(&self) -> Option<&String> {
        self.promotion
            .metadata
            .annotations
            .as_ref()?
            .get(marks::REQUESTED_AT)
    }
}

/// What the workload was when it was rehearsed, and what became of it, is looked at anew.
fn forget_rehearsal(status: &mut PromotionStatus) {
    status.carried = Vec::new();
    status.carrying = None;
    status.rehearsed = None;
    status.template_digest = None;
    let conditions = &mut status.conditions;
    conditions.retain(|condition| condition.type_ != "Guarded");
}

/// The status of the one cluster that a workload is promoted from.
pub(crate) fn cluster(
    name: &str,
    verdict: ClusterVerdict,
    differences: Vec<Difference>,
) -> Vec<ClusterStatus> {
    let (differences, remaining) = rehearsal::most_telling(differences);
    let remaining = i64::try_from(remaining).unwrap_or(i64::MAX);
    vec![ClusterStatus {
        differences,
        name: name.to_owned(),
        remaining_difference_count: (remaining > 0).then_some(remaining),
        verdict,
    }]
}

#[cfg(test)]
mod tests;
