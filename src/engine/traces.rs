//! What Karmada has left on the members' objects after it let go of them.

use std::collections::BTreeSet;

use promoter_api::{marks, promotion::Phase};
use promoter_domain::{
    object::{ObjectKey, ObjectKind},
    observation::Version,
    strip,
};
use promoter_kubernetes::{members::Member, resource::Resource, workload};
use serde_json::Value;

use crate::{
    Context, Error,
    act::of_version,
    read::{self, live, reach},
    record::Record,
};

/// Whether something is left to be taken off.
pub(crate) async fn are_left(context: &Context, record: &Record) -> Result<bool, Error> {
    let disable = record.phase() == Phase::Releasing;
    for cluster in clusters(record) {
        let Some(member) = reach(context, &cluster).await? else {
            continue;
        };
        for key in record.objects() {
            if !matches!(
                marked(context, record, &member, &key, disable).await?,
                Marked::Clean
            ) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

pub(crate) enum Marked {
    /// Nothing is left on it.
    Clean,
    /// The Deployment's controller has not seen the last change yet, and may still copy marks.
    Copying,
    /// What is to be written, to each object as it was seen.
    Patches(Vec<(Resource, String, Value)>),
}

/// What is left on one object in a member, and on what is made from it there.
pub(crate) async fn marked(
    context: &Context,
    record: &Record,
    member: &Member,
    key: &ObjectKey,
    disable: bool,
) -> Result<Marked, Error> {
    let namespace = record.namespace();
    let Some(object) = live(member, namespace, key).await? else {
        return Ok(Marked::Clean);
    };
    // Where a Work is, Karmada keeps the object, for somebody else who needs it. Where one comes after
    // this, Karmada's write changes the object's version.
    if read::work(context, namespace, key, &member.name)
        .await?
        .is_some()
    {
        return Ok(Marked::Clean);
    }
    // Outside the origin, a namesake that Karmada has never had is nobody's to be marked.
    let annotation = &object["metadata"]["annotations"][marks::ENABLED];
    let was_karmadas = strip::has_marks(&object) || annotation == "false";
    if !was_karmadas && member.name != record.origin() {
        return Ok(Marked::Clean);
    }
    let patch = strip::strip_patch(&object, key.kind, disable);
    if let Some(patch) = patch.and_then(|patch| as_seen(patch, &object)) {
        return Ok(Marked::Patches(vec![(
            key.kind.into(),
            key.name.clone(),
            patch,
        )]));
    }
    if key.kind != ObjectKind::Deployment {
        return Ok(Marked::Clean);
    }
    let generation = object["metadata"]["generation"].as_i64();
    if object["status"]["observedGeneration"].as_i64() < generation {
        return Ok(Marked::Copying);
    }
    let (replica_sets, _) = workload::running(&member.objects, namespace, &object).await?;
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    let patches: Vec<_> = replica_sets
        .iter()
        .filter(|replica_set| is_owned(replica_set, uid))
        .filter_map(|replica_set| {
            let name = replica_set["metadata"]["name"].as_str()?;
            let patch = strip::replica_set_patch(replica_set, disable)?;
            let patch = as_seen(patch, replica_set)?;
            Some((Resource::REPLICA_SET, name.to_owned(), patch))
        })
        .collect();
    Ok(if patches.is_empty() {
        Marked::Clean
    } else {
        Marked::Patches(patches)
    })
}

/// A patch that is refused when the object has changed since.
pub(crate) fn as_seen(patch: Value, object: &Value) -> Option<Value> {
    let version = Version::of(Some(object))?;
    Some(of_version(patch, &version))
}

fn is_owned(replica_set: &Value, uid: &str) -> bool {
    replica_set["metadata"]["ownerReferences"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|owner| owner["uid"] == uid)
}

/// Every cluster in which Karmada may have left marks.
pub(crate) fn clusters(record: &Record) -> BTreeSet<String> {
    let mut clusters = record.placed();
    clusters.insert(record.origin().to_owned());
    clusters
}
