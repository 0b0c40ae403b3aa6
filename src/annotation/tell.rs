//! Tells whoever opted in what becomes of it: by events and annotations on the Deployment.

use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use promoter_api::promotion::Requester;
use promoter_domain::object::ObjectKind;
use promoter_kubernetes::{
    events::{EventType, Events},
    members::Member,
    objects,
};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::{
    Door,
    answer::Answer,
    decide::Deployment,
    look::{Error, Written, of_member},
};

/// Why nothing comes of an opt-in.
pub(crate) struct Warning {
    pub(crate) message: String,
    /// The stable word.
    pub(crate) reason: &'static str,
}

impl Door {
    /// Warns whoever describes the Deployment, once in the life of this process and as long as the
    /// Deployment does not say so itself.
    pub(crate) async fn warn(
        &self,
        events: &Events,
        deployment: Deployment<'_>,
        Warning { message, reason }: &Warning,
    ) {
        let metadata = deployment.metadata;
        let said = Answer::read(metadata).reason;
        let uid = metadata.uid.as_deref().unwrap_or_default();
        if !self.warns_first(uid, reason) || said.as_deref() == Some(reason) {
            return;
        }
        tracing::info!(reason, "{message}");
        let object = reference(metadata);
        events
            .publish(&object, EventType::Warning, reason, "Promote", message)
            .await;
    }

    /// Tells whoever describes the Deployment that it is being promoted, and in whose name.
    pub(crate) async fn welcome(
        &self,
        events: &Events,
        deployment: Deployment<'_>,
        requester: &Requester,
    ) {
        let subject = deployment.subject();
        let note = format!(
            "{subject} is to be promoted, as {} asked; follow it in the control plane by `kubectl \
             promote status deployment/{} --namespace {}`",
            requester.username, subject.name, subject.namespace
        );
        events
            .publish(
                &reference(deployment.metadata),
                EventType::Normal,
                "OptedIn",
                "Promote",
                &note,
            )
            .await;
    }

    /// Has the Deployment say something, as it was read.
    ///
    /// That is refused where it has changed since: somebody may have taken the opt-in off, or a
    /// release may have taken off what was said before.
    pub(crate) async fn answer(
        &self,
        member: &Member,
        metadata: &ObjectMeta,
        answer: &Answer,
    ) -> Result<Written, Error> {
        let mut said = Answer::read(metadata);
        // What a template says, Karmada would write again and again, as often as the hub does.
        if said == *answer || Answer::is_karmadas(metadata) {
            return Ok(Written::Done);
        }
        let mut version = json!(metadata.resource_version);
        if !answer.is_empty() {
            let kept = match apply(member, metadata, &version, answer).await {
                Ok(kept) => kept,
                Err(error) => return unanswered(error),
            };
            version = kept["metadata"]["resourceVersion"].clone();
            let metadata = ObjectMeta::deserialize(&kept["metadata"]).map_err(Error::Unreadable)?;
            said = Answer::read(&metadata);
        }
        // What somebody else has set as well, by a manifest or by a roll-back, outlives an apply.
        let removals = answer.removals(&said);
        if removals.is_empty() {
            return Ok(Written::Done);
        }
        let patch = json!({"metadata": {
            "annotations": removals,
            "resourceVersion": version,
            "uid": metadata.uid,
        }});
        let (namespace, name) = place(metadata);
        let merged = member
            .objects
            .merge(ObjectKind::Deployment.into(), namespace, name, &patch)
            .await;
        merged.map_or_else(unanswered, |_| Ok(Written::Done))
    }
}

async fn apply(
    member: &Member,
    metadata: &ObjectMeta,
    version: &Value,
    answer: &Answer,
) -> Result<Value, objects::Error> {
    let (namespace, name) = place(metadata);
    let object = json!({
        "apiVersion": ObjectKind::Deployment.api_version(),
        "kind": ObjectKind::Deployment.as_str(),
        "metadata": {
            "annotations": answer.annotations(),
            "name": name,
            "namespace": namespace,
            "resourceVersion": version,
            "uid": metadata.uid,
        },
    });
    member
        .objects
        .apply(ObjectKind::Deployment.into(), namespace, name, &object)
        .await
}

/// What becomes of it where the member does not take an answer.
fn unanswered(error: objects::Error) -> Result<Written, Error> {
    if error.is_conflict() || error.is_not_found() {
        return Ok(Written::Outdated);
    }
    if error.is_refusal() {
        // By a webhook, say. Nothing depends on it.
        tracing::warn!("a Deployment cannot be told what became of its opt-in: {error}");
        return Ok(Written::Done);
    }
    Err(of_member(error))
}

fn place(metadata: &ObjectMeta) -> (Option<&str>, &str) {
    let name = metadata.name.as_deref().unwrap_or_default();
    (metadata.namespace.as_deref(), name)
}

fn reference(metadata: &ObjectMeta) -> ObjectReference {
    ObjectReference {
        api_version: Some(ObjectKind::Deployment.api_version().to_owned()),
        kind: Some(ObjectKind::Deployment.as_str().to_owned()),
        name: metadata.name.clone(),
        namespace: metadata.namespace.clone(),
        uid: metadata.uid.clone(),
        ..ObjectReference::default()
    }
}
