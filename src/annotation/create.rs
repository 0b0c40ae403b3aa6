//! Asks for Promotions, in the name of whoever opted in.

use promoter_api::promotion::{
    DependencyKind, DesiredState, ManagedDependencies, ManagedWorkload, OnClusterRemoval,
    Promotion, PromotionSpec, Requester, StaleMarks, WorkloadReference,
};
use promoter_domain::{merge_patch::replacing, plan};
use promoter_kubernetes::{members::Member, objects::Write, resource::Resource};
use serde_json::{Value, json};

use crate::{
    Door, Key,
    look::{Error, Written, of_control_plane, of_member},
};

impl Door {
    /// Creates a Promotion, and its namespace before it where that is missing.
    pub(crate) async fn create(
        &self,
        member: &Member,
        key: &Key,
        requester: &Requester,
    ) -> Result<Written, Error> {
        let Key { namespace, name } = key;
        self.create_namespace(member, namespace).await?;
        let mut promotion = Promotion::new(name, wish(member, name, requester));
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

    /// Asks for a released Promotion anew.
    pub(crate) async fn reopen(
        &self,
        member: &Member,
        key: &Key,
        requester: &Requester,
        promotion: &Value,
    ) -> Result<Written, Error> {
        let before = &promotion["spec"];
        let mut wish = json!(wish(member, &key.name, requester));
        // Whoever suspended it has not taken that back.
        if let Some(suspend) = before.get("suspend") {
            wish["suspend"] = suspend.clone();
        }
        let patch = json!({
            // Whoever changed it since it was read may have wanted something else.
            "metadata": {"resourceVersion": promotion["metadata"]["resourceVersion"]},
            "spec": replacing(before, &wish),
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
}

/// What an opt-in asks for: what others have asked for under its name is not done in this one.
fn wish(member: &Member, name: &str, requester: &Requester) -> PromotionSpec {
    PromotionSpec {
        clusters: vec![member.name.clone()],
        dependencies: DependencyKind::all(),
        desired_state: DesiredState::default(),
        managed_dependencies: ManagedDependencies::default(),
        managed_workload: ManagedWorkload::default(),
        on_cluster_removal: OnClusterRemoval::default(),
        requester: Some(requester.clone()),
        stale_marks: StaleMarks::default(),
        suspend: false,
        workload: WorkloadReference::deployment(name),
    }
}
