//! A workload with everything around it, read from a member.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::{
    api::core::v1::PodTemplateSpec, apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use promoter_domain::{
    closure::{self, Reference},
    object::{ObjectKey, ObjectKind},
    plan::{Live, LiveDependency},
};
use serde_json::Value;

use crate::{
    objects::{self, Objects},
    resource::Resource,
};

/// How many objects are read at the same time.
const AT_ONCE: usize = 16;

/// A workload could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The member did not answer.
    #[error(transparent)]
    Objects(#[from] objects::Error),
    /// Its pod template or its selector is not what Kubernetes' types say.
    #[error("Deployment {0} cannot be understood: {1}")]
    Unreadable(String, serde_json::Error),
}

/// Reads a Deployment, its ReplicaSets and pods, what scales it, and what it needs to start.
///
/// Nothing, where there is no such Deployment.
pub async fn read(
    objects: &Objects,
    namespace: &str,
    name: &str,
    wanted: impl Fn(ObjectKind) -> bool,
) -> Result<Option<Live>, Error> {
    let Some(mut reading) = Reading::begin(objects, namespace, name, wanted).await? else {
        return Ok(None);
    };
    while !reading.next().is_empty() {
        reading.fetch().await?;
    }
    reading.finish().await.map(Some)
}

/// A workload that is being read, in waves: what an object names is known only when that one is
/// read, and whoever asks has to be allowed to read each before it is.
pub struct Reading<'a, W> {
    deployment: Value,
    found: Vec<LiveDependency>,
    namespace: &'a str,
    /// What is read next.
    next: Vec<Reference>,
    objects: &'a Objects,
    wanted: W,
}

impl<'a, W: Fn(ObjectKind) -> bool> Reading<'a, W> {
    /// Reads the Deployment, and nothing else; `wanted` says which kinds of what it names are read
    /// later. Nothing, where there is no such Deployment.
    pub async fn begin(
        objects: &'a Objects,
        namespace: &'a str,
        name: &str,
        wanted: W,
    ) -> Result<Option<Self>, Error> {
        let resource = Resource::from(ObjectKind::Deployment);
        let Some(deployment) = objects.get(resource, Some(namespace), name).await? else {
            return Ok(None);
        };
        let template: PodTemplateSpec = parsed(&deployment, &deployment["spec"]["template"])?;
        let mut reading = Self {
            deployment,
            found: Vec::new(),
            namespace,
            next: Vec::new(),
            objects,
            wanted,
        };
        reading.need(closure::references(&template));
        Ok(Some(reading))
    }

    /// What the next [`Self::fetch`] reads.
    #[must_use]
    pub fn next(&self) -> Vec<ObjectKey> {
        let next = self.next.iter();
        next.map(|reference| reference.key.clone()).collect()
    }

    /// Reads what is next, after which there may be more.
    pub async fn fetch(&mut self) -> Result<(), Error> {
        let references = std::mem::take(&mut self.next);
        let (objects, namespace) = (self.objects, self.namespace);
        let mut read = Vec::new();
        for reference in references {
            read.push(fetch(objects, namespace, reference));
        }
        let read: Vec<_> = stream::iter(read).buffered(AT_ONCE).try_collect().await?;
        let through: Vec<_> = read
            .iter()
            .filter(|dependency| dependency.reference.key.kind == ObjectKind::ServiceAccount)
            .filter_map(|dependency| dependency.object.as_ref())
            .flat_map(closure::service_account_references)
            .collect();
        self.found.extend(read);
        self.need(through);
        Ok(())
    }

    /// Reads what is left, which tells nothing but how the workload runs.
    pub async fn finish(self) -> Result<Live, Error> {
        let Self {
            deployment,
            found: mut dependencies,
            namespace,
            objects,
            ..
        } = self;
        let name = deployment["metadata"]["name"].as_str().unwrap_or_default();
        let (namespace_object, (replica_sets, pods), autoscalers) = futures::future::try_join3(
            async {
                let found = objects.get(Resource::NAMESPACE, None, namespace);
                Ok::<_, Error>(found.await?)
            },
            running(objects, namespace, &deployment),
            autoscalers(objects, namespace, name),
        )
        .await?;
        dependencies.sort_by(|a, b| a.reference.key.cmp(&b.reference.key));
        Ok(Live {
            autoscalers,
            dependencies,
            deployment,
            namespace: namespace_object,
            pods,
            replica_sets,
        })
    }

    /// Takes up references: what is not wanted is not read.
    fn need(&mut self, references: Vec<Reference>) {
        for reference in references {
            let mut found = self.found.iter();
            if found.any(|found| found.reference.key == reference.key) {
                // Named before, by the pod template itself: that counts.
                continue;
            }
            if (self.wanted)(reference.key.kind) {
                self.next.push(reference);
            } else {
                self.found.push(LiveDependency {
                    object: None,
                    reference,
                });
            }
        }
    }
}

/// The ReplicaSets and the pods that a Deployment's selector selects.
pub async fn running(
    objects: &Objects,
    namespace: &str,
    deployment: &Value,
) -> Result<(Vec<Value>, Vec<Value>), Error> {
    let selector: LabelSelector = parsed(deployment, &deployment["spec"]["selector"])?;
    let selector = selector_text(&selector);
    let replica_sets = objects.list(Resource::REPLICA_SET, Some(namespace), Some(&selector));
    let pods = objects.list(Resource::POD, Some(namespace), Some(&selector));
    let (replica_sets, pods) = futures::future::try_join(replica_sets, pods).await?;
    Ok((replica_sets, pods))
}

/// The names of what scales a Deployment.
pub async fn autoscalers(
    objects: &Objects,
    namespace: &str,
    name: &str,
) -> Result<Vec<String>, Error> {
    let resource = Resource::HORIZONTAL_POD_AUTOSCALER;
    let mut all = objects.list(resource, Some(namespace), None).await?;
    all.extend(scaled_objects(objects, namespace).await?);
    Ok(all
        .iter()
        .filter(|autoscaler| is_scaled_by(autoscaler, name))
        .filter_map(|autoscaler| autoscaler["metadata"]["name"].as_str().map(str::to_owned))
        .collect())
}

/// KEDA's autoscalers: while one is paused or asleep, there may be no HorizontalPodAutoscaler.
///
/// None where KEDA is not installed, or may not be asked for: many a user may not, and of one
/// that scales, its HorizontalPodAutoscaler is seen.
async fn scaled_objects(objects: &Objects, namespace: &str) -> Result<Vec<Value>, objects::Error> {
    let found = objects
        .list(Resource::SCALED_OBJECT, Some(namespace), None)
        .await;
    match found {
        Err(error) if error.is_not_found() || error.is_forbidden() => Ok(Vec::new()),
        found => found,
    }
}

/// Whether an autoscaler scales a Deployment. A `ScaledObject` need not say the kind.
fn is_scaled_by(autoscaler: &Value, name: &str) -> bool {
    let target = &autoscaler["spec"]["scaleTargetRef"];
    target["kind"]
        .as_str()
        .is_none_or(|kind| kind == "Deployment")
        && target["name"] == name
        && target["apiVersion"]
            .as_str()
            .is_none_or(|version| version.starts_with("apps/"))
}

async fn fetch(
    objects: &Objects,
    namespace: &str,
    reference: Reference,
) -> Result<LiveDependency, objects::Error> {
    let ObjectKey { kind, name } = &reference.key;
    let object = objects.get((*kind).into(), Some(namespace), name).await?;
    Ok(LiveDependency { object, reference })
}

fn parsed<T: serde::de::DeserializeOwned>(deployment: &Value, part: &Value) -> Result<T, Error> {
    T::deserialize(part).map_err(|error| {
        let name = deployment["metadata"]["name"].as_str().unwrap_or_default();
        Error::Unreadable(name.to_owned(), error)
    })
}

/// A label selector as a query parameter.
///
/// Source: Kubernetes' "Labels and Selectors", set-based requirements.
fn selector_text(selector: &LabelSelector) -> String {
    let equal = selector
        .match_labels
        .iter()
        .flatten()
        .map(|(key, value)| format!("{key}={value}"));
    let expressions = selector
        .match_expressions
        .iter()
        .flatten()
        .map(|expression| {
            let key = &expression.key;
            let values = expression.values.as_deref().unwrap_or_default().join(",");
            match expression.operator.as_str() {
                "In" => format!("{key} in ({values})"),
                "NotIn" => format!("{key} notin ({values})"),
                "DoesNotExist" => format!("!{key}"),
                // `Exists`, the only other operator that the API server lets in.
                _ => key.clone(),
            }
        });
    equal.chain(expressions).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_scales_a_deployment_is_known_by_its_target() {
        for (target, scales) in [
            (json!({"name": "web"}), true),
            (
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}),
                true,
            ),
            (
                json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web"}),
                false,
            ),
            (
                json!({"apiVersion": "shop.example/v1", "kind": "Deployment", "name": "web"}),
                false,
            ),
            (json!({"name": "other"}), false),
        ] {
            let autoscaler = json!({"spec": {"scaleTargetRef": target}});
            assert_eq!(is_scaled_by(&autoscaler, "web"), scales, "{autoscaler}");
        }
    }

    #[test]
    fn selectors_are_written_as_queries() {
        let selector: LabelSelector = serde_json::from_value(json!({
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["a", "b"]},
                {"key": "track", "operator": "NotIn", "values": ["canary"]},
                {"key": "team", "operator": "Exists"},
                {"key": "legacy", "operator": "DoesNotExist"},
            ],
        }))
        .unwrap();
        assert_eq!(
            selector_text(&selector),
            "app=web,tier in (a,b),track notin (canary),team,!legacy"
        );
    }
}
