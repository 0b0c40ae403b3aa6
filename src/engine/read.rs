//! Reads that observations and actions share.

use promoter_api::karmada::{execution_namespace, work_name};
use promoter_domain::object::ObjectKey;
use promoter_kubernetes::{
    members::{self, Member},
    resource::Resource,
};
use serde::Deserialize as _;
use serde_json::Value;

use crate::{Context, Error, known::Known, record::Record};

/// A member, or nothing when it has left Karmada: then there is nothing to be done in it.
pub(crate) async fn reach(context: &Context, cluster: &str) -> Result<Option<Member>, Error> {
    match context.members.get(cluster).await {
        Ok(member) => Ok(Some(member)),
        Err(members::Error::Unknown(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A member's live object.
pub(crate) async fn live(
    member: &Member,
    namespace: &str,
    key: &ObjectKey,
) -> Result<Option<Value>, Error> {
    Ok(member
        .objects
        .get(key.kind.into(), Some(namespace), &key.name)
        .await?)
}

/// The workload's template.
pub(crate) async fn template(context: &Context, record: &Record) -> Result<Option<Value>, Error> {
    let key = record.workload();
    let (resource, namespace) = (key.kind.into(), Some(record.namespace()));
    Ok(context
        .control_plane
        .get(resource, namespace, &key.name)
        .await?)
}

/// The Work of an object in a cluster.
pub(crate) async fn work(
    context: &Context,
    namespace: &str,
    key: &ObjectKey,
    cluster: &str,
) -> Result<Option<Value>, Error> {
    let execution = execution_namespace(cluster);
    let name = work_name(key.kind.as_str(), &key.name, namespace);
    Ok(context
        .control_plane
        .get(Resource::WORK, Some(&execution), &name)
        .await?)
}

/// The other Promotions of the namespace, those of other versions too.
pub(crate) async fn others(context: &Context, record: &Record) -> Result<Vec<Known>, Error> {
    let all = context
        .control_plane
        .list(Resource::PROMOTION, Some(record.namespace()), None)
        .await?;
    all.iter()
        .filter(|promotion| promotion["metadata"]["uid"] != record.uid())
        .map(|promotion| {
            let name = &promotion["metadata"]["name"];
            Known::deserialize(promotion)
                .map_err(|error| Error::Unreadable(format!("Promotion {name}"), error))
        })
        .collect()
}
