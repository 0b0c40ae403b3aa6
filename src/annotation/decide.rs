//! The pure rule: from a Deployment and the Promotion of its name to what is to be done.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use promoter_domain::{
    opt_in::OptIns,
    verdict::{self, Accepted, Existing, Record, Rejection, Subject, SubjectKind},
};

use crate::{
    answer::Answer,
    opt_in::{OptIn, OptInBy},
};

/// What is to be done about a Deployment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Decision {
    /// Have it say this, and no more.
    Answer(Answer),
    /// Create its Promotion, and the namespace before it where that is missing.
    Create,
    /// It asks for nothing, or what it asks for is in hand or done.
    Nothing,
    /// Ask for its Promotion anew, from this cluster.
    Reopen,
    /// Tell whoever opted in why nothing happens.
    Warn(Rejection),
}

/// A Deployment of a member.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deployment<'a> {
    pub(crate) cluster: &'a str,
    pub(crate) metadata: &'a ObjectMeta,
    /// What it asks for, itself or by its Namespace.
    pub(crate) opt_in: Option<&'a OptIn>,
}

/// A Promotion, in so far as the door needs to know it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Known {
    /// What a Deployment is to say of it; nothing where what it says is to stay as it is.
    pub(crate) answer: Option<Answer>,
    pub(crate) record: Record,
}

/// Decides about a Deployment.
///
/// `federated` says whether a Work of this control plane keeps it; it counts only where it is not
/// promoted from its cluster.
pub(crate) fn decide(
    deployment: Deployment<'_>,
    opt_ins: &OptIns,
    promotion: Option<&Known>,
    federated: bool,
) -> Decision {
    let metadata = deployment.metadata;
    if metadata.deletion_timestamp.is_some() {
        return Decision::Nothing;
    }
    let said = Answer::read(metadata);
    let Some(opt_in) = deployment.opt_in.filter(|opt_in| opt_in.asks()) else {
        return unasked(deployment.cluster, &said, promotion);
    };
    if let Err(rejection) = verdict::check_value(&opt_in.value) {
        return Decision::Warn(rejection);
    }
    match promotion {
        // Once it is gone, the Deployment is looked at again.
        Some(promotion) if promotion.record.deleting => return Decision::Nothing,
        // What somebody has asked for in the control plane goes on wherever it is.
        Some(promotion) if promotion.is_in_hand(deployment.cluster) => {
            return say(&said, promotion.answer.clone());
        }
        _ => {}
    }
    let existing = Existing {
        federated,
        promotion: promotion.map(|promotion| &promotion.record),
        // The engine looks for one before it writes anything.
        template: false,
    };
    match verdict::decide(&deployment.subject(), &opt_in.value, opt_ins, existing) {
        Ok(Accepted::Begins) => Decision::Create,
        Ok(Accepted::InHand(_)) => Decision::Nothing,
        Ok(Accepted::Reopens) => Decision::Reopen,
        // What is federated already is what a Namespace asks for.
        Err(Rejection::AlreadyFederated) if opt_in.by == OptInBy::Namespace => Decision::Nothing,
        Err(rejection) => Decision::Warn(rejection),
    }
}

/// Nobody asks, or nobody asks any more: what the Deployment says goes, unless it is promoted and
/// says so.
fn unasked(cluster: &str, said: &Answer, promotion: Option<&Known>) -> Decision {
    if said.is_empty() {
        return Decision::Nothing;
    }
    let answer = match promotion {
        Some(promotion) if promotion.record.deleting => None,
        Some(promotion) if promotion.is_in_hand(cluster) => match &promotion.answer {
            Some(answer) if !answer.is_promoted() => Some(Answer::default()),
            other => other.clone(),
        },
        _ => Some(Answer::default()),
    };
    say(said, answer)
}

fn say(said: &Answer, answer: Option<Answer>) -> Decision {
    let new = answer.filter(|answer| answer != said);
    new.map_or(Decision::Nothing, Decision::Answer)
}

impl<'a> Deployment<'a> {
    /// Whether it asks for anything, or says what became of what it asked for.
    pub(crate) fn concerns(self) -> bool {
        self.metadata.deletion_timestamp.is_none()
            && (self.opt_in.is_some_and(OptIn::asks) || !Answer::read(self.metadata).is_empty())
    }

    /// How it is told of.
    pub(crate) fn subject(self) -> Subject<'a> {
        Subject {
            cluster: self.cluster,
            kind: SubjectKind::Deployment,
            name: self.metadata.name.as_deref().unwrap_or_default(),
            namespace: self.metadata.namespace.as_deref().unwrap_or_default(),
        }
    }

    /// What tells it from another of its name.
    pub(crate) fn uid(self) -> &'a str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }
}

impl Known {
    /// Whether the workload is promoted from a cluster, or is to be.
    pub(crate) fn is_in_hand(&self, cluster: &str) -> bool {
        !self.record.released && self.record.is_from(cluster)
    }
}

#[cfg(test)]
mod tests;
