//! One look at a Deployment, with what is done about it.

use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use promoter_api::promotion::{
    DependencyKind, DesiredState, ManagedDependencies, ManagedWorkload, OnClusterRemoval,
    Promotion, PromotionSpec, Requester, StaleMarks, WorkloadReference,
};
use promoter_domain::{
    authorization::requester_patch,
    object::ObjectKind,
    plan,
    verdict::{Record, Rejection},
};
use promoter_kubernetes::{
    events::{EventType, Events},
    existing,
    members::Member,
    objects::{self, Write},
    resource::Resource,
};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::{
    Door, Key,
    decide::{self, Decision},
};

/// How often what was decided is decided anew, because something changed meanwhile.
const TRIES: usize = 5;

/// A Deployment could not be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Something changed again and again between reading and writing.
    #[error("Promotion {0} is being changed all the time")]
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

/// The name for those whom nothing has stamped, which no user has.
const ANYBODY: &str = "unknown (--trust-every-annotation)";

/// What came of a write.
enum Written {
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
    pub(crate) async fn look(
        &self,
        member: &Member,
        events: &Events,
        key: &Key,
    ) -> Result<(), Error> {
        let Key { namespace, name } = key;
        for _ in 0..TRIES {
            let live = member
                .objects
                .get(ObjectKind::Deployment.into(), Some(namespace), name)
                .await
                .map_err(of_member)?;
            let Some(live) = live else { return Ok(()) };
            let metadata = ObjectMeta::deserialize(&live["metadata"]).map_err(Error::Unreadable)?;
            if !decide::asks(&metadata) {
                return Ok(());
            }
            let promotion = self
                .control_plane
                .get(Resource::PROMOTION, Some(namespace), name)
                .await
                .map_err(of_control_plane)?;
            let record = promotion.as_ref().map(Record::read);
            let federated = record.is_none()
                && existing::work_behind(&self.control_plane, &member.name, &live)
                    .await
                    .map_err(of_control_plane)?
                    .is_some();
            let decision = decide::decide(
                &member.name,
                &self.opt_ins,
                &metadata,
                record.as_ref(),
                federated,
            );
            let written = match (decision, promotion) {
                (Decision::Create, _) => self.create(member, key).await?,
                (Decision::Reopen, Some(promotion)) => self.reopen(member, key, &promotion).await?,
                (Decision::Warn(rejection), _) => {
                    self.warn(member, events, &metadata, &rejection).await;
                    Written::Done
                }
                (Decision::Nothing | Decision::Reopen, _) => Written::Done,
            };
            match written {
                Written::Done => return Ok(()),
                Written::Outdated => {}
            }
        }
        Err(Error::Contended(key.clone()))
    }

    async fn create(&self, member: &Member, key: &Key) -> Result<Written, Error> {
        let Key { namespace, name } = key;
        self.create_namespace(member, namespace).await?;
        let mut promotion = Promotion::new(
            name,
            PromotionSpec {
                clusters: vec![member.name.clone()],
                dependencies: DependencyKind::all(),
                desired_state: DesiredState::default(),
                managed_dependencies: ManagedDependencies::default(),
                managed_workload: ManagedWorkload::default(),
                on_cluster_removal: OnClusterRemoval::default(),
                requester: Some(annotator(member)),
                stale_marks: StaleMarks::default(),
                suspend: false,
                workload: WorkloadReference::deployment(name),
            },
        );
        promotion.metadata.namespace = Some(namespace.clone());
        let created = self
            .control_plane
            .create(
                Resource::PROMOTION,
                Some(namespace),
                &json!(promotion),
                Write::ForGood,
            )
            .await;
        match created {
            Ok(_) => {
                tracing::info!(deployment = %key, "created the Promotion");
                Ok(Written::Done)
            }
            Err(error) if error.is_conflict() => Ok(Written::Outdated),
            Err(error) => Err(of_control_plane(error)),
        }
    }

    /// Creates a namespace in the control plane, where it is missing.
    async fn create_namespace(&self, member: &Member, namespace: &str) -> Result<(), Error> {
        let there = self
            .control_plane
            .get(Resource::NAMESPACE, None, namespace)
            .await
            .map_err(of_control_plane)?;
        if there.is_some() {
            return Ok(());
        }
        let live = member
            .objects
            .get(Resource::NAMESPACE, None, namespace)
            .await
            .map_err(of_member)?;
        let object = plan::namespace(namespace, live.as_ref());
        let created = self
            .control_plane
            .create(Resource::NAMESPACE, None, &object, Write::ForGood)
            .await;
        match created {
            Ok(_) => {
                tracing::info!(namespace, "created the namespace in the control plane");
                Ok(())
            }
            Err(error) if error.is_conflict() => Ok(()),
            Err(error) => Err(of_control_plane(error)),
        }
    }

    async fn reopen(
        &self,
        member: &Member,
        key: &Key,
        promotion: &Value,
    ) -> Result<Written, Error> {
        let patch = json!({
            // Whoever changed it since it was read may have wanted something else.
            "metadata": {"resourceVersion": promotion["metadata"]["resourceVersion"]},
            "spec": {
                "clusters": [member.name],
                "desiredState": DesiredState::Promoted,
                "requester": requester_patch(&promotion["spec"]["requester"], &annotator(member)),
            },
        });
        let patched = self
            .control_plane
            .merge(Resource::PROMOTION, Some(&key.namespace), &key.name, &patch)
            .await;
        match patched {
            Ok(_) => {
                tracing::info!(deployment = %key, "reopened the released Promotion");
                Ok(Written::Done)
            }
            Err(error) if error.is_conflict() || error.is_not_found() => Ok(Written::Outdated),
            Err(error) => Err(of_control_plane(error)),
        }
    }

    /// Warns whoever describes the Deployment, once in the life of this process.
    async fn warn(
        &self,
        member: &Member,
        events: &Events,
        metadata: &ObjectMeta,
        rejection: &Rejection,
    ) {
        let uid = metadata.uid.as_deref().unwrap_or_default();
        let reason = rejection.reason();
        if !self.warns_first(uid, reason) {
            return;
        }
        let note = rejection.message(&decide::subject(&member.name, metadata));
        tracing::info!(reason, "{note}");
        let object = ObjectReference {
            api_version: Some(ObjectKind::Deployment.api_version().to_owned()),
            kind: Some(ObjectKind::Deployment.as_str().to_owned()),
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            uid: metadata.uid.clone(),
            ..ObjectReference::default()
        };
        events
            .publish(&object, EventType::Warning, reason, "Promote", &note)
            .await;
    }
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

/// Whoever annotated a Deployment of a member: nothing there tells who it was.
fn annotator(member: &Member) -> Requester {
    Requester {
        cluster: Some(member.name.clone()),
        username: ANYBODY.to_owned(),
        ..Requester::default()
    }
}

fn of_control_plane(error: objects::Error) -> Error {
    Error::ControlPlane(Box::new(error))
}

fn of_member(error: objects::Error) -> Error {
    Error::Member(Box::new(error))
}

#[cfg(test)]
mod tests;
