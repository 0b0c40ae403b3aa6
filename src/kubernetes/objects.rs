//! Reads and writes of one API server, as JSON.
//!
//! Objects stay JSON on their way from a member to the control plane and back, so that fields
//! that this program's types do not know survive.

use std::time::Duration;

use http::StatusCode;
use kube::{
    Client,
    api::{DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
    core::Request,
};
use promoter_api::marks::FIELD_MANAGER;
use promoter_domain::observation::Version;
use serde::Deserialize;
use serde_json::Value;

use crate::{resource::Resource, watch::with_causes};

/// How long an API server may take for an answer; it gives its webhooks 30 s at the most.
const TIMEOUT: Duration = Duration::from_secs(35);

/// The objects of one API server.
#[derive(Clone)]
pub struct Objects {
    client: Client,
    /// The API server in words, for messages.
    place: String,
}

/// Whether a write is to happen, or only to be answered as if it had.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Write {
    /// The API server answers what would be, and keeps nothing.
    DryRun,
    /// The write happens.
    ForGood,
}

/// An API server did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Failure>);

/// In a box, so that results stay small.
#[derive(Debug, thiserror::Error)]
#[error("{place}: cannot {verb} {object}: {}", said(source))]
struct Failure {
    place: String,
    verb: &'static str,
    object: String,
    source: kube::Error,
}

/// A collection as an API server lists it.
#[derive(Deserialize)]
struct Collection {
    items: Vec<Value>,
}

impl Objects {
    /// The objects of the API server behind the client, which messages call `place`.
    #[must_use]
    pub fn new(client: Client, place: impl Into<String>) -> Self {
        Self {
            client,
            place: place.into(),
        }
    }

    /// The client, for watches and events.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// One object, or nothing where there is none.
    pub async fn get(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<Value>, Error> {
        let request = Request::new(resource.path(namespace)).get(name, &GetParams::default());
        found(self.send("get", resource, name, request).await)
    }

    /// The metadata of one object, or nothing where there is none.
    pub async fn get_metadata(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<Value>, Error> {
        let request =
            Request::new(resource.path(namespace)).get_metadata(name, &GetParams::default());
        found(self.send("get", resource, name, request).await)
    }

    /// Every object of a kind, or those that a label selector selects.
    pub async fn list(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        selector: Option<&str>,
    ) -> Result<Vec<Value>, Error> {
        let parameters = ListParams {
            label_selector: selector.map(str::to_owned),
            ..ListParams::default()
        };
        let request = Request::new(resource.path(namespace)).list(&parameters);
        let collection: Collection = self.send("list", resource, "", request).await?;
        Ok(collection.items)
    }

    /// The metadata of every object of a kind.
    pub async fn list_metadata(
        &self,
        resource: Resource,
        namespace: Option<&str>,
    ) -> Result<Vec<Value>, Error> {
        let request = Request::new(resource.path(namespace)).list_metadata(&ListParams::default());
        let collection: Collection = self.send("list", resource, "", request).await?;
        Ok(collection.items)
    }

    /// Creates an object and returns it as the API server keeps it.
    pub async fn create(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        object: &Value,
        write: Write,
    ) -> Result<Value, Error> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let body = object.to_string().into_bytes();
        let request = Request::new(resource.path(namespace)).create(&write.post(), body);
        self.send("create", resource, name, request).await
    }

    /// Puts an object in the place of the one of that name.
    pub async fn replace(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        name: &str,
        object: &Value,
        write: Write,
    ) -> Result<Value, Error> {
        let body = object.to_string().into_bytes();
        let request = Request::new(resource.path(namespace)).replace(name, &write.post(), body);
        self.send("update", resource, name, request).await
    }

    /// Changes an object by a JSON merge patch (RFC 7396).
    pub async fn merge(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        name: &str,
        patch: &Value,
    ) -> Result<Value, Error> {
        self.merge_with(resource, namespace, name, patch, Write::ForGood)
            .await
    }

    /// The same, or only its answer.
    pub async fn merge_with(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        name: &str,
        patch: &Value,
        write: Write,
    ) -> Result<Value, Error> {
        let parameters = PatchParams {
            dry_run: write == Write::DryRun,
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let request =
            Request::new(resource.path(namespace)).patch(name, &parameters, &Patch::Merge(patch));
        self.send("patch", resource, name, request).await
    }

    /// Applies an object by server-side apply; whoever else has set its fields loses them.
    pub async fn apply(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        name: &str,
        object: &Value,
    ) -> Result<Value, Error> {
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let request =
            Request::new(resource.path(namespace)).patch(name, &parameters, &Patch::Apply(object));
        self.send("apply", resource, name, request).await
    }

    /// Applies the status of an object by server-side apply.
    pub async fn apply_status(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        name: &str,
        object: &Value,
    ) -> Result<Value, Error> {
        let request = Request::new(resource.path(namespace)).patch_subresource(
            "status",
            name,
            &PatchParams::apply(FIELD_MANAGER).force(),
            &Patch::Apply(object),
        );
        self.send("apply the status of", resource, name, request)
            .await
    }

    /// Deletes an object, if it still is the one with that UID. One that is gone is no error.
    pub async fn delete(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        name: &str,
        uid: &str,
    ) -> Result<(), Error> {
        let preconditions = Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        };
        self.delete_if(resource, namespace, name, preconditions)
            .await
    }

    /// The same, if nobody has written it since it had that version.
    pub async fn delete_version(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        name: &str,
        version: &Version,
    ) -> Result<(), Error> {
        let preconditions = Preconditions {
            uid: Some(version.uid.clone()),
            resource_version: Some(version.resource_version.clone()),
        };
        self.delete_if(resource, namespace, name, preconditions)
            .await
    }

    async fn delete_if(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        name: &str,
        preconditions: Preconditions,
    ) -> Result<(), Error> {
        let parameters = DeleteParams {
            preconditions: Some(preconditions),
            ..DeleteParams::background()
        };
        let request = Request::new(resource.path(namespace)).delete(name, &parameters);
        match self.send::<Value>("delete", resource, name, request).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn send<T: serde::de::DeserializeOwned>(
        &self,
        verb: &'static str,
        resource: Resource,
        name: &str,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<T, Error> {
        let answer = match request.map_err(kube::Error::BuildRequest) {
            Ok(request) => tokio::time::timeout(TIMEOUT, self.client.request(request))
                .await
                .unwrap_or_else(|_| Err(kube::Error::Service("no answer within 35 s".into()))),
            Err(source) => Err(source),
        };
        answer.map_err(|source| {
            Error(Box::new(Failure {
                place: self.place.clone(),
                verb,
                object: if name.is_empty() {
                    resource.plural().to_owned()
                } else {
                    format!("{}/{name}", resource.plural())
                },
                source,
            }))
        })
    }
}

impl Write {
    fn post(self) -> PostParams {
        PostParams {
            dry_run: self == Self::DryRun,
            field_manager: Some(FIELD_MANAGER.to_owned()),
        }
    }
}

impl Error {
    /// The answer's HTTP status, when there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match &self.0.source {
            kube::Error::Api(status) => StatusCode::from_u16(status.code).ok(),
            _ => None,
        }
    }

    /// What the API server said.
    #[must_use]
    pub fn message(&self) -> String {
        said(&self.0.source)
    }

    /// Whether there is no such object.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(StatusCode::NOT_FOUND)
    }

    /// Whether the API server does not allow it to whoever asks.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.status() == Some(StatusCode::FORBIDDEN)
    }

    /// Whether the API server does not know who asks.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.status() == Some(StatusCode::UNAUTHORIZED)
    }

    /// Whether the object changed meanwhile, or there is one already.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.status() == Some(StatusCode::CONFLICT)
    }

    /// Whether the API server refused what was asked, so that asking again gives the same answer.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(
            self.status(),
            Some(
                StatusCode::BAD_REQUEST
                    | StatusCode::FORBIDDEN
                    | StatusCode::METHOD_NOT_ALLOWED
                    | StatusCode::PAYLOAD_TOO_LARGE
                    | StatusCode::UNPROCESSABLE_ENTITY
            )
        )
    }
}

/// What an API server said, or why it could not be asked.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => with_causes(other),
    }
}

/// An object, or nothing where there is none.
fn found(answer: Result<Value, Error>) -> Result<Option<Value>, Error> {
    match answer {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
