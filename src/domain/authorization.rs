//! What whoever asks must be allowed to do by themselves: a promotion is done with the promoter's
//! rights, and lends them to nobody.
//!
//! Every name that is asked about comes from the Promotion, or from an object that the requester
//! may read. Nothing depends on what is there or how it looks: a denial tells nothing but itself.

use std::fmt;

use promoter_api::{
    promotion::{DesiredState, Requester},
    reason::Reason,
};

use crate::{
    object::{ObjectKey, ObjectKind},
    opt_in::OptIns,
    step::Outcome,
};

/// One thing that a user must be allowed to do.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Access {
    /// The API group.
    pub group: &'static str,
    /// The object's name; nothing where it is about any of them, as with a creation.
    pub name: Option<String>,
    /// The namespace.
    pub namespace: String,
    /// The API server that decides.
    pub place: Place,
    /// The plural of the kind.
    pub resource: &'static str,
    /// What is done.
    pub verb: &'static str,
}

/// An API server.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Place {
    /// Karmada's.
    ControlPlane,
    /// That of a member cluster.
    Member(String),
}

/// What a requester asks for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Purpose {
    /// To change the settings of what is promoted.
    Change,
    /// To be told what a promotion would come to.
    Observe,
    /// To have the workload federated, be it for a rehearsal only.
    Promote,
    /// To have Karmada let go of it.
    Release,
}

/// Who asks for what.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The cluster that the workload is promoted from.
    pub cluster: &'a str,
    /// The namespace.
    pub namespace: &'a str,
    /// What is asked for.
    pub purpose: Purpose,
    /// Who asks, where that is known.
    pub requester: Option<&'a Requester>,
    /// The workload.
    pub workload: &'a ObjectKey,
}

/// Who decides about a requester.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Authority<'a> {
    /// The API servers, each about its own objects.
    ApiServers(&'a Requester),
    /// The admission of the requester's own cluster, which let the opt-in pass.
    Member(&'a Requester),
}

impl Purpose {
    /// What a state is asked for, when nothing is promoted yet.
    #[must_use]
    pub const fn of(desired: DesiredState) -> Self {
        match desired {
            DesiredState::Observed => Self::Observe,
            DesiredState::Promoted | DesiredState::Rehearsed => Self::Promote,
            DesiredState::Released => Self::Release,
        }
    }

    /// What a state is asked for, of what is promoted.
    #[must_use]
    pub const fn of_promoted(desired: DesiredState) -> Self {
        match desired {
            DesiredState::Released => Self::Release,
            DesiredState::Observed | DesiredState::Promoted | DesiredState::Rehearsed => {
                Self::Change
            }
        }
    }
}

impl<'a> Asked<'a> {
    /// Who decides, or why nobody needs to be asked.
    ///
    /// The same name may be another person elsewhere: a member's user is never looked up in the
    /// control plane, and counts for the own cluster only.
    pub fn authority(&self, opt_ins: &OptIns) -> Result<Authority<'a>, Outcome> {
        let Self {
            cluster,
            namespace,
            purpose,
            workload,
            ..
        } = self;
        let requester = self
            .requester
            .filter(|requester| !requester.username.is_empty());
        let Some(requester) = requester else {
            return Err(Outcome {
                message: format!(
                    "nobody can say who asks for {workload} of namespace {namespace} in cluster \
                     {cluster} (spec.requester); ask again, by `kubectl promote` or by setting the \
                     annotation anew"
                ),
                reason: Reason::RequesterUnknown,
            });
        };
        let Some(home) = requester.cluster.as_deref() else {
            return Ok(Authority::ApiServers(requester));
        };
        let who = Who(requester);
        if home != *cluster {
            return Err(not_authorized(format!(
                "{who} counts for Deployments of that cluster only, and this is {workload} of \
                 namespace {namespace} in cluster {cluster}; ask by `kubectl promote`"
            )));
        }
        if *purpose != Purpose::Promote {
            return Err(not_authorized(format!(
                "{who} may opt in to the promotion of {workload} of namespace {namespace}, but \
                 not have {purpose} done; ask by `kubectl promote` with the rights that it takes \
                 in the control plane"
            )));
        }
        if !opt_ins.allow(home, namespace) {
            return Err(Outcome {
                message: format!(
                    "cluster {home} may not opt in to namespace {namespace}, for {workload}; have \
                     it allowed where the hub runs (--opt-in), or ask by `kubectl promote`"
                ),
                reason: Reason::NamespaceNotAllowed,
            });
        }
        Ok(Authority::Member(requester))
    }

    /// What is asked about before the workload is read.
    #[must_use]
    pub fn workload_accesses(&self) -> Vec<Access> {
        let workload = self.workload;
        let here = Place::ControlPlane;
        let there = || Place::Member(self.cluster.to_owned());
        let in_member = [
            self.access(there(), "promote", workload),
            self.access(there(), "get", workload),
        ];
        let policies = |verb, name| Access {
            group: "policy.karmada.io",
            name,
            namespace: self.namespace.to_owned(),
            place: Place::ControlPlane,
            resource: "propagationpolicies",
            verb,
        };
        let in_control_plane = match self.purpose {
            Purpose::Change => {
                return vec![policies("update", Some(workload.policy_name()))];
            }
            Purpose::Observe => vec![self.access(here, "get", workload)],
            Purpose::Promote => vec![self.creation(workload.kind), policies("create", None)],
            Purpose::Release => vec![self.access(here, "delete", workload)],
        };
        in_member.into_iter().chain(in_control_plane).collect()
    }

    /// What is asked about before dependencies are read, or let go of.
    ///
    /// Whether one of them is in the control plane, and equal, is told; so it must be one that
    /// the requester may read there, whether there is one or not.
    #[must_use]
    pub fn dependency_accesses<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k ObjectKey>,
    ) -> Vec<Access> {
        let mut accesses = Vec::new();
        for key in keys {
            match self.purpose {
                Purpose::Change => {}
                Purpose::Release => {
                    accesses.push(self.access(Place::ControlPlane, "delete", key));
                }
                Purpose::Observe | Purpose::Promote => {
                    let member = Place::Member(self.cluster.to_owned());
                    accesses.push(self.access(member, "get", key));
                    accesses.push(self.access(Place::ControlPlane, "get", key));
                    let creation = self.creation(key.kind);
                    if self.purpose == Purpose::Promote && !accesses.contains(&creation) {
                        accesses.push(creation);
                    }
                }
            }
        }
        accesses
    }

    /// What is said to a requester who may not do something.
    #[must_use]
    pub fn denied(&self, requester: &Requester, access: &Access) -> Outcome {
        not_authorized(format!(
            "{} may not {access}, and {} {} of cluster {} takes that; have it allowed there, and \
             ask again",
            Who(requester),
            self.purpose,
            self.workload,
            self.cluster
        ))
    }

    fn access(&self, place: Place, verb: &'static str, key: &ObjectKey) -> Access {
        Access {
            name: Some(key.name.clone()),
            place,
            verb,
            ..self.creation(key.kind)
        }
    }

    /// A creation in the control plane; an API server does not look at the name.
    fn creation(&self, kind: ObjectKind) -> Access {
        let group = kind.api_version().split_once('/');
        Access {
            group: group.map_or("", |(group, _)| group),
            name: None,
            namespace: self.namespace.to_owned(),
            place: Place::ControlPlane,
            resource: kind.plural(),
            verb: "create",
        }
    }
}

impl Authority<'_> {
    /// What the condition says when it was found that the requester may have it.
    #[must_use]
    pub fn approval(&self) -> String {
        match self {
            Self::ApiServers(requester) => format!("{} may have it", Who(requester)),
            Self::Member(requester) => format!("{} opted in there", Who(requester)),
        }
    }
}

fn not_authorized(message: String) -> Outcome {
    Outcome {
        message,
        reason: Reason::NotAuthorized,
    }
}

/// A requester, as people are told of them.
struct Who<'a>(&'a Requester);

impl fmt::Display for Who<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "user {}", self.0.username)?;
        match &self.0.cluster {
            Some(cluster) => write!(formatter, " of cluster {cluster}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            group,
            name,
            namespace,
            place,
            resource,
            verb,
        } = self;
        write!(formatter, "{verb} {resource}")?;
        if !group.is_empty() {
            write!(formatter, ".{group}")?;
        }
        if let Some(name) = name {
            write!(formatter, "/{name}")?;
        }
        write!(formatter, " in namespace {namespace} of {place}")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ControlPlane => formatter.write_str("the control plane"),
            Self::Member(cluster) => write!(formatter, "cluster {cluster}"),
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Change => "changing",
            Self::Observe => "observing",
            Self::Promote => "promoting",
            Self::Release => "releasing",
        })
    }
}

#[cfg(test)]
mod tests;
