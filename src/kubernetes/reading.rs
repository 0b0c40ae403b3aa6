//! A workload that is read step by step, for whoever must be allowed to read each.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use promoter_domain::{
    closure::{self, Reference},
    object::{ObjectKey, ObjectKind},
    plan::{Live, LiveDependency},
};
use serde_json::Value;

use crate::{
    objects::{self, Objects},
    resource::Resource,
    workload::{Error, autoscalers, parsed, running},
};

/// How many objects are read at the same time.
const AT_ONCE: usize = 16;

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

async fn fetch(
    objects: &Objects,
    namespace: &str,
    reference: Reference,
) -> Result<LiveDependency, objects::Error> {
    let ObjectKey { kind, name } = &reference.key;
    let object = objects.get((*kind).into(), Some(namespace), name).await?;
    Ok(LiveDependency { object, reference })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use http::{Request, Response};
    use kube::{Client, client::Body};
    use serde_json::json;

    use super::*;

    /// A member whose Deployment runs as an account with a pull Secret, and what it is asked for.
    fn member(asked: &Arc<Mutex<Vec<String>>>) -> Objects {
        let asked = Arc::clone(asked);
        let service = tower::service_fn(move |request: Request<Body>| {
            let path = request.uri().path().to_owned();
            let (_, object) = path.split_once("/shop/").unwrap_or(("", "shop"));
            asked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(object.to_owned());
            let answer = match object {
                "deployments/web" => json!({
                    "metadata": {"name": "web"},
                    "spec": {
                        "selector": {"matchLabels": {"app": "web"}},
                        "template": {"spec": {
                            "containers": [{
                                "name": "app",
                                "envFrom": [
                                    {"configMapRef": {"name": "settings"}},
                                    {"secretRef": {"name": "password", "optional": true}},
                                ],
                            }],
                            "serviceAccountName": "runner",
                        }},
                    },
                }),
                "serviceaccounts/runner" => json!({"imagePullSecrets": [
                    {"name": "password"}, {"name": "registry"},
                ]}),
                _ => json!({"items": []}),
            };
            let answer = Body::from(answer.to_string().into_bytes());
            async move { Ok::<_, kube::Error>(Response::new(answer)) }
        });
        Objects::new(Client::new(service, "default"), "cluster member1")
    }

    #[tokio::test]
    async fn nothing_is_read_before_it_was_named() {
        let asked = Arc::new(Mutex::default());
        let member = member(&asked);
        let read = || -> Vec<String> {
            let mut read = std::mem::take(&mut *asked.lock().unwrap());
            read.sort();
            read
        };
        let begun = Reading::begin(&member, "shop", "web", |_| true).await;
        let mut reading = begun.unwrap().unwrap();
        assert_eq!(read(), ["deployments/web"]);
        assert_eq!(
            named(&reading),
            [
                "ConfigMap/settings",
                "Secret/password",
                "ServiceAccount/runner"
            ]
        );
        reading.fetch().await.unwrap();
        assert_eq!(
            read(),
            [
                "configmaps/settings",
                "secrets/password",
                "serviceaccounts/runner"
            ]
        );
        // What was read before is not read again for the account.
        assert_eq!(named(&reading), ["Secret/registry"]);
        reading.fetch().await.unwrap();
        assert_eq!(read(), ["secrets/registry"]);
        assert!(named(&reading).is_empty());
        let live = reading.finish().await.unwrap();
        assert_eq!(live.dependencies.len(), 4);
        assert!(read().iter().all(|object| !object.contains("secrets")));
    }

    #[tokio::test]
    async fn what_is_left_out_is_not_read() {
        let asked = Arc::new(Mutex::default());
        let member = member(&asked);
        let wanted = |kind| kind == ObjectKind::ServiceAccount;
        let begun = Reading::begin(&member, "shop", "web", wanted).await;
        let mut reading = begun.unwrap().unwrap();
        assert_eq!(named(&reading), ["ServiceAccount/runner"]);
        reading.fetch().await.unwrap();
        assert!(named(&reading).is_empty());
        let live = reading.finish().await.unwrap();
        assert_eq!(live.dependencies.len(), 4);
        let asked = asked.lock().unwrap();
        assert!(asked.iter().all(|object| !object.contains("secrets")));
    }

    fn named<W: Fn(ObjectKind) -> bool>(reading: &Reading<'_, W>) -> Vec<String> {
        let next = reading.next();
        next.iter().map(ToString::to_string).collect()
    }
}
