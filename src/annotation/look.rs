//! One look at a Deployment, with what is done about it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use promoter_api::promotion::Requester;
use promoter_domain::{object::ObjectKind, verdict::Rejection};
use promoter_kubernetes::{events::Events, existing, members::Member, objects, resource::Resource};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::{
    Door, Key,
    answer::Answer,
    decide::{Decision, Deployment, Known, decide},
    opt_in::OptIn,
    requester::{Unknown, requester},
    tell::Warning,
};

/// How often what was decided is decided anew, because something changed meanwhile.
const TRIES: usize = 5;

/// A Deployment could not be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Something changed again and again between reading and writing.
    #[error("Deployment {0} or its Promotion is being changed all the time")]
    Contended(Key),
    /// The control plane did not do what was asked.
    #[error(transparent)]
    ControlPlane(Box<objects::Error>),
    /// The member did not do what was asked.
    #[error(transparent)]
    Member(Box<objects::Error>),
    /// The whole took too long.
    #[error("no answer in time")]
    Slow,
    /// The Deployment is not what Kubernetes' types say.
    #[error("its metadata cannot be understood: {0}")]
    Unreadable(serde_json::Error),
}

/// What came of a look.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Looked {
    /// There is nothing left to do, until something changes.
    Done,
    /// Nobody can say who asked for this, until the member's admission changes.
    Held(Held),
}

/// An opt-in that is held, of the Deployment with this UID.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Held {
    pub(crate) opt_in: OptIn,
    pub(crate) uid: Option<String>,
}

/// What came of a write.
pub(crate) enum Written {
    /// It was done.
    Done,
    /// What it was decided upon is no more.
    Outdated,
}

impl Door {
    /// Reads a Deployment and its Promotion, decides, and does what was decided.
    ///
    /// The Deployment is read anew however it was heard of: what a watch says may be late, and
    /// releasing a workload takes the opt-in back before it is recorded as released.
    /// `namespace_asks` says whether its Namespace is known to opt in; then it is read, too.
    pub(crate) async fn look(
        &self,
        member: &Member,
        events: &Events,
        key: &Key,
        namespace_asks: bool,
    ) -> Result<Looked, Error> {
        for _ in 0..TRIES {
            let Some(metadata) = deployment(member, key).await? else {
                return Ok(Looked::Done);
            };
            let namespace = if namespace_asks {
                namespace(member, key).await?
            } else {
                None
            };
            let opt_in = OptIn::of(&metadata, namespace.as_ref());
            let deployment = Deployment {
                cluster: &member.name,
                metadata: &metadata,
                opt_in: opt_in.as_ref(),
            };
            if !deployment.concerns() {
                return Ok(Looked::Done);
            }
            let looked = self.act(member, events, key, deployment).await?;
            if let Some(looked) = looked {
                return Ok(looked);
            }
        }
        Err(Error::Contended(key.clone()))
    }

    /// Does what is to be done about a Deployment as it was read; nothing came of it where that is
    /// no more what it is.
    async fn act(
        &self,
        member: &Member,
        events: &Events,
        key: &Key,
        deployment: Deployment<'_>,
    ) -> Result<Option<Looked>, Error> {
        let promotion = self
            .control_plane
            .get(Resource::PROMOTION, Some(&key.namespace), &key.name)
            .await
            .map_err(of_control_plane)?;
        let known = promotion.as_ref().map(Known::read);
        let in_hand = known
            .as_ref()
            .is_some_and(|known| known.is_in_hand(&member.name));
        let federated = !in_hand && self.is_federated(member, deployment).await?;
        let metadata = deployment.metadata;
        let written = match decide(deployment, &self.opt_ins, known.as_ref(), federated) {
            Decision::Answer(answer) => self.answer(member, metadata, &answer).await?,
            Decision::Nothing => {
                if federated {
                    self.warns_first(deployment.uid(), Rejection::AlreadyFederated.reason());
                }
                Written::Done
            }
            Decision::Warn(rejection) => {
                let warning = Warning {
                    message: rejection.message(&deployment.subject()),
                    reason: rejection.reason(),
                };
                self.refuse(member, events, deployment, &warning, in_hand)
                    .await?
            }
            Decision::Create | Decision::Reopen => {
                let Some(opt_in) = deployment.opt_in else {
                    return Ok(Some(Looked::Done));
                };
                let found = requester(member, opt_in, self.unstamped).await;
                match found.map_err(of_member)? {
                    Ok(requester) => {
                        let promotion = promotion.as_ref();
                        self.begin(member, events, deployment, key, promotion, &requester)
                            .await?
                    }
                    Err(unknown) => {
                        let warning = Warning {
                            message: unknown.message(&deployment.subject()),
                            reason: Unknown::REASON,
                        };
                        let refused = self
                            .refuse(member, events, deployment, &warning, false)
                            .await?;
                        if matches!(refused, Written::Done) {
                            return Ok(Some(Looked::Held(Held {
                                opt_in: opt_in.clone(),
                                uid: metadata.uid.clone(),
                            })));
                        }
                        refused
                    }
                }
            }
        };
        Ok(matches!(written, Written::Done).then_some(Looked::Done))
    }

    /// Asks for the Promotion.
    async fn begin(
        &self,
        member: &Member,
        events: &Events,
        deployment: Deployment<'_>,
        key: &Key,
        promotion: Option<&Value>,
        requester: &Requester,
    ) -> Result<Written, Error> {
        // What was said before is no longer true; where nothing was, the Promotion will tell.
        if !Answer::read(deployment.metadata).is_empty()
            && let Written::Outdated = self
                .answer(member, deployment.metadata, &Answer::pending())
                .await?
        {
            return Ok(Written::Outdated);
        }
        let written = match promotion {
            Some(released) => self.reopen(member, key, requester, released).await?,
            None => self.create(member, key, requester).await?,
        };
        if let Written::Done = written {
            self.welcome(events, deployment, requester).await;
        }
        Ok(written)
    }

    /// Says why nothing comes of an opt-in. What is `in_hand` is left alone meanwhile.
    async fn refuse(
        &self,
        member: &Member,
        events: &Events,
        deployment: Deployment<'_>,
        warning: &Warning,
        in_hand: bool,
    ) -> Result<Written, Error> {
        self.warn(events, deployment, warning).await;
        if in_hand {
            return Ok(Written::Done);
        }
        let answer = Answer::refused(warning.reason, &warning.message);
        self.answer(member, deployment.metadata, &answer).await
    }

    /// Whether a Work of this control plane keeps a Deployment.
    async fn is_federated(
        &self,
        member: &Member,
        deployment: Deployment<'_>,
    ) -> Result<bool, Error> {
        let live = json!({
            "kind": ObjectKind::Deployment.as_str(),
            "metadata": deployment.metadata,
        });
        let work = existing::work_behind(&self.control_plane, &member.name, &live).await;
        Ok(work.map_err(of_control_plane)?.is_some())
    }
}

async fn deployment(member: &Member, key: &Key) -> Result<Option<ObjectMeta>, Error> {
    let Key { namespace, name } = key;
    let live = member
        .objects
        .get_metadata(ObjectKind::Deployment.into(), Some(namespace), name)
        .await;
    metadata(live)
}

/// The metadata of the Deployments of a member's namespace.
pub(crate) async fn deployments(
    member: &Member,
    namespace: &str,
) -> Result<Vec<ObjectMeta>, Error> {
    let listed = member
        .objects
        .list_metadata(ObjectKind::Deployment.into(), Some(namespace))
        .await
        .map_err(of_member)?;
    let all = listed
        .iter()
        .map(|live| ObjectMeta::deserialize(&live["metadata"]));
    all.collect::<Result<_, _>>().map_err(Error::Unreadable)
}

/// What a Deployment's Namespace asks for.
async fn namespace(member: &Member, key: &Key) -> Result<Option<OptIn>, Error> {
    let live = member
        .objects
        .get_metadata(Resource::NAMESPACE, None, &key.namespace)
        .await;
    let metadata = metadata(live)?;
    Ok(metadata.as_ref().and_then(OptIn::of_namespace))
}

fn metadata(read: Result<Option<Value>, objects::Error>) -> Result<Option<ObjectMeta>, Error> {
    let live = read.map_err(of_member)?;
    let metadata = live.map(|live| ObjectMeta::deserialize(&live["metadata"]));
    metadata.transpose().map_err(Error::Unreadable)
}

impl Error {
    /// Whether the member no longer knows who asks.
    pub(crate) fn is_unauthorized_by_member(&self) -> bool {
        const UNAUTHORIZED: u16 = 401;
        match self {
            Self::Member(error) => error
                .status()
                .is_some_and(|status| status.as_u16() == UNAUTHORIZED),
            _ => false,
        }
    }
}

pub(crate) fn of_control_plane(error: objects::Error) -> Error {
    Error::ControlPlane(Box::new(error))
}

pub(crate) fn of_member(error: objects::Error) -> Error {
    Error::Member(Box::new(error))
}

#[cfg(test)]
mod tests;
