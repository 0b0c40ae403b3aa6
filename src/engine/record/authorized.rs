//! What is recorded of who may have what the spec says.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use promoter_api::promotion::{Authorized, OnClusterRemoval, Phase, PhaseTime, PromotionStatus};
use promoter_domain::{
    authorization::{Asked, Authority, Purpose},
    object::ObjectKey,
    step::Outcome,
};

use super::Record;
use crate::conditions;

impl Record {
    /// Whether it was found that whoever asked may have what the spec says now.
    pub(crate) fn is_authorized(&self) -> bool {
        let authorized = self.authorized();
        authorized.is_some()
            && authorized.map(|authorized| authorized.generation)
                == self.promotion.metadata.generation
    }

    /// What happens in a cluster that leaves the placement: as the last spec has it that its
    /// requester may have, and not as anybody has edited it since.
    pub(crate) fn on_cluster_removal(&self) -> OnClusterRemoval {
        self.authorized()
            .map(|authorized| authorized.on_cluster_removal)
            .unwrap_or_default()
    }

    /// The same Promotion with it said that whoever asked may have what the spec says now. It is
    /// written with whatever is found next.
    pub(crate) fn with_authority(&self, authority: &Authority<'_>, now: Timestamp) -> Self {
        let mut promotion = self.promotion.clone();
        let mut status = self.status();
        self.authorize(&mut status, authority, now);
        promotion.status = Some(status);
        Self { promotion }
    }

    /// Who asks for what, of the workload in a cluster.
    pub(crate) fn asked<'a>(
        &'a self,
        cluster: &'a str,
        workload: &'a ObjectKey,
        purpose: Purpose,
    ) -> Asked<'a> {
        Asked {
            cluster,
            namespace: self.namespace(),
            purpose,
            requester: self.promotion.spec.requester.as_ref(),
            workload,
        }
    }

    fn authorized(&self) -> Option<Authorized> {
        self.promotion
            .status
            .as_ref()
            .and_then(|status| status.authorized)
    }

    /// Says that whoever asked may have what the spec says now.
    pub(crate) fn authorize(
        &self,
        status: &mut PromotionStatus,
        authority: &Authority<'_>,
        now: Timestamp,
    ) {
        let generation = self.promotion.metadata.generation;
        status.authorized = generation.map(|generation| Authorized {
            generation,
            on_cluster_removal: self.promotion.spec.on_cluster_removal,
        });
        conditions::authorized(status, authority, generation, now);
    }

    /// The status of what was refused to a requester: nothing is in it of what was found for
    /// another one before.
    pub(crate) fn denied(&self, denial: &Outcome, now: Timestamp) -> PromotionStatus {
        let before = self.status();
        let mut status = PromotionStatus {
            conditions: before.conditions,
            message: Some(denial.message.clone()),
            phase: Phase::Refused,
            phases: vec![PhaseTime {
                phase: Phase::Refused,
                since: Time(now),
            }],
            reason: Some(denial.reason),
            ..PromotionStatus::default()
        };
        status
            .conditions
            .retain(|condition| matches!(condition.type_.as_str(), "Authorized" | "Promoted"));
        self.answer(&mut status);
        let generation = self.promotion.metadata.generation;
        conditions::update(&mut status, generation, now);
        conditions::denied(&mut status, denial, generation, now);
        status
    }

    /// The status of what is promoted and stays so, because the change was refused to whoever
    /// asked for it.
    pub(crate) fn change_denied(&self, denial: &Outcome, now: Timestamp) -> PromotionStatus {
        let mut status = self.status();
        status.message = Some(denial.message.clone());
        status.reason = Some(denial.reason);
        self.answer(&mut status);
        let generation = self.promotion.metadata.generation;
        conditions::denied(&mut status, denial, generation, now);
        status
    }

    /// The status while it cannot be found out whether whoever asked may have it.
    pub(crate) fn unanswered(&self, message: &str, now: Timestamp) -> PromotionStatus {
        let mut status = self.status();
        if status.phase == Phase::Pending {
            status.message = Some(message.to_owned());
        }
        let generation = self.promotion.metadata.generation;
        conditions::unanswered(&mut status, message, generation, now);
        status
    }
}
