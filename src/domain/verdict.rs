//! What is said to an opt-in: by a member's admission at once, and by the hub when it finds one.
//!
//! Both ask here, so that they cannot say different things. What admission knows may be a moment
//! old; what the hub then does it decides on what it has just read.

use std::fmt;

use promoter_api::{
    marks,
    promotion::{DesiredState, Phase},
};
use serde::Deserialize as _;
use serde_json::Value;

use crate::{opt_in::OptIns, precondition};

/// Something that opts in.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The member cluster that it is in.
    pub cluster: &'a str,
    /// What it is.
    pub kind: SubjectKind,
    /// Its name. Empty where the API server has not chosen one yet.
    pub name: &'a str,
    /// Its namespace. A Namespace's is the Namespace itself.
    pub namespace: &'a str,
}

/// What can opt in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SubjectKind {
    /// A Deployment, by an annotation.
    Deployment,
    /// A Namespace, by a label, for the Deployments in it.
    Namespace,
}

/// What the control plane has under the name of a Deployment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Existing<'a> {
    /// Whether a Work keeps the Deployment in the subject's cluster.
    pub federated: bool,
    /// The Promotion of that name.
    pub promotion: Option<&'a Record>,
    /// Whether there is a Deployment of that name; `false` as well where the engine will look.
    pub template: bool,
}

/// As much of a Promotion as decides on opt-ins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// The clusters that the workload is promoted from.
    pub clusters: Vec<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// How far it is to go.
    pub desired: DesiredState,
    /// Whether Karmada has let go of the workload, and nobody wants it back yet.
    pub released: bool,
}

/// What comes of an opt-in that nothing speaks against.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Accepted {
    /// Its Promotion is created; where one is being deleted, once that is gone.
    Begins,
    /// It has a Promotion already, which goes on as it is, and as far as that was asked to go.
    InHand(DesiredState),
    /// Its Promotion, which was released, is asked for anew.
    Reopens,
}

/// Why an opt-in has no effect.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rejection {
    /// Karmada keeps the Deployment already.
    AlreadyFederated,
    /// The workload of that name is promoted from these other clusters.
    ConflictingPromotion(Vec<String>),
    /// The control plane has a Deployment of that name which nobody promoted.
    ConflictingTemplate,
    /// The annotation, or a Namespace's label, has another value than the two.
    InvalidValue(String),
    /// The cluster may not opt in to the namespace.
    NamespaceNotAllowed,
    /// Karmada never propagates what is in the namespace.
    NamespaceReserved,
}

/// Decides on a subject whose opt-in has a value other than "false".
pub fn decide(
    subject: &Subject<'_>,
    value: &str,
    opt_ins: &OptIns,
    existing: Existing<'_>,
) -> Result<Accepted, Rejection> {
    check_value(value)?;
    if precondition::is_reserved_namespace(subject.namespace) {
        return Err(Rejection::NamespaceReserved);
    }
    // Before anything is told of what the control plane has there.
    if !opt_ins.allow(subject.cluster, subject.namespace) {
        return Err(Rejection::NamespaceNotAllowed);
    }
    let Existing {
        federated,
        promotion,
        template,
    } = existing;
    match promotion {
        // Once it is gone, the Deployment is looked at again.
        Some(promotion) if promotion.deleting => Ok(Accepted::Begins),
        // Released, it belongs to no cluster any more. A Work alone may be one that whoever looks
        // has not heard the end of; a template went long before that.
        Some(promotion) if promotion.released && !template => Ok(Accepted::Reopens),
        Some(promotion) if !promotion.released && promotion.is_from(subject.cluster) => {
            Ok(Accepted::InHand(promotion.desired))
        }
        Some(promotion) if !promotion.released && !federated => {
            Err(Rejection::ConflictingPromotion(promotion.clusters.clone()))
        }
        _ if federated => Err(Rejection::AlreadyFederated),
        _ if template => Err(Rejection::ConflictingTemplate),
        _ => Ok(Accepted::Begins),
    }
}

/// An opt-in's value has to be one of two; which one is not said here.
pub fn check_value(value: &str) -> Result<(), Rejection> {
    if value == "true" || value == "false" {
        Ok(())
    } else {
        Err(Rejection::InvalidValue(value.to_owned()))
    }
}

impl Record {
    /// What a Promotion as an API server answers it says.
    #[must_use]
    pub fn read(promotion: &Value) -> Self {
        let deleting = promotion["metadata"]["deletionTimestamp"].is_string();
        Self::new(deleting, promotion)
    }

    /// The same, where its metadata was read apart from the rest.
    #[must_use]
    pub fn new(deleting: bool, promotion: &Value) -> Self {
        let spec = &promotion["spec"];
        let phase = Phase::deserialize(&promotion["status"]["phase"]).ok();
        let desired = DesiredState::deserialize(&spec["desiredState"]).unwrap_or_default();
        Self {
            clusters: spec["clusters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|cluster| cluster.as_str().map(str::to_owned))
                .collect(),
            deleting,
            desired,
            released: phase == Some(Phase::Released) && desired == DesiredState::Released,
        }
    }

    /// Whether the workload is promoted from a cluster.
    #[must_use]
    pub fn is_from(&self, cluster: &str) -> bool {
        self.clusters.iter().any(|from| from == cluster)
    }
}

impl Rejection {
    /// The stable word.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::AlreadyFederated => "AlreadyFederated",
            Self::ConflictingPromotion(_) | Self::ConflictingTemplate => "ConflictingTemplate",
            Self::InvalidValue(_) => "InvalidAnnotation",
            Self::NamespaceNotAllowed => "NamespaceNotAllowed",
            Self::NamespaceReserved => "NamespaceReserved",
        }
    }

    /// What happened to the subject, and what to do.
    #[must_use]
    pub fn message(&self, subject: &Subject<'_>) -> String {
        let key = marks::ENABLED;
        let Subject {
            name, namespace, ..
        } = subject;
        let why = match self {
            Self::AlreadyFederated => "a Work of the control plane keeps it, so it is federated \
                                       already; edit it in the control plane"
                .to_owned(),
            Self::ConflictingPromotion(clusters) => format!(
                "Promotion {namespace}/{name} of the control plane is for a workload of that name \
                 in {}; delete it there if nobody needs it, rename one of them, or take {key} \
                 off",
                clusters.join(", ")
            ),
            Self::ConflictingTemplate => format!(
                "the control plane has a Deployment {namespace}/{name} of its own; rename one of \
                 them, or take {key} off"
            ),
            // The value comes last: it may be long, and is then what is cut off.
            Self::InvalidValue(value) => format!(
                "{key} must be \"true\" to promote it or \"false\" not to, and it is {value:?}"
            ),
            Self::NamespaceNotAllowed => "the cluster may not opt in to that namespace; have it \
                                          allowed where the hub runs (--opt-in), or promote it \
                                          from the control plane with kubectl promote"
                .to_owned(),
            Self::NamespaceReserved => format!(
                "the namespace is kept for the system, and Karmada never propagates what is in \
                 it; take {key} off"
            ),
        };
        format!("{subject} is not promoted: {why}")
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cluster,
            kind,
            name,
            namespace,
        } = self;
        match kind {
            SubjectKind::Deployment if name.is_empty() => write!(
                formatter,
                "the new Deployment in namespace {namespace} of cluster {cluster}"
            ),
            SubjectKind::Deployment => {
                write!(
                    formatter,
                    "Deployment {namespace}/{name} of cluster {cluster}"
                )
            }
            SubjectKind::Namespace => {
                write!(formatter, "Namespace {namespace} of cluster {cluster}")
            }
        }
    }
}

#[cfg(test)]
mod tests;
