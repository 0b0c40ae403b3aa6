//! One API server of a fleet, as far as measuring needs it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use kube::{
    Api, Client, Config,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, PostParams, WatchEvent,
        WatchParams,
    },
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};

/// Far longer than any promotion takes: something is wrong then.
const PATIENCE: Duration = Duration::from_mins(2);

pub(super) const CONFIG_MAP: Kind = Kind::new("", "v1", "ConfigMap", "configmaps");
pub(super) const DEPLOYMENT: Kind = Kind::new("apps", "v1", "Deployment", "deployments");
pub(super) const NAMESPACE: Kind = Kind::new("", "v1", "Namespace", "namespaces");
pub(super) const PROMOTION: Kind =
    Kind::new("promote.karmada.io", "v1alpha1", "Promotion", "promotions");
pub(super) const RESOURCE_BINDING: Kind = Kind::new(
    "work.karmada.io",
    "v1alpha2",
    "ResourceBinding",
    "resourcebindings",
);
pub(super) const SECRET: Kind = Kind::new("", "v1", "Secret", "secrets");
const SELF_SUBJECT_REVIEW: Kind = Kind::new(
    "authentication.k8s.io",
    "v1",
    "SelfSubjectReview",
    "selfsubjectreviews",
);

/// A kind of object, and where an API server has it.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    group: &'static str,
    version: &'static str,
    name: &'static str,
    plural: &'static str,
}

impl Kind {
    const fn new(
        group: &'static str,
        version: &'static str,
        name: &'static str,
        plural: &'static str,
    ) -> Self {
        Self {
            group,
            version,
            name,
            plural,
        }
    }
}

pub(super) struct Server {
    client: Client,
}

impl Server {
    pub(super) async fn connect(kubeconfig: &Path) -> anyhow::Result<Self> {
        let read = Kubeconfig::read_from(kubeconfig)
            .with_context(|| format!("cannot read {}", kubeconfig.display()))?;
        let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
        Ok(Self {
            client: Client::try_from(config)?,
        })
    }

    /// Who this client is, as the API server knows it.
    pub(super) async fn myself(&self) -> anyhow::Result<Value> {
        let review = serde_json::from_value(json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": SELF_SUBJECT_REVIEW.name,
        }))?;
        let reviewed = self
            .api(SELF_SUBJECT_REVIEW, None)
            .create(&PostParams::default(), &review)
            .await
            .context("cannot find out who the kubeconfig's user is")?;
        Ok(reviewed.data["status"]["userInfo"].clone())
    }

    pub(super) async fn create(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        object: Value,
    ) -> anyhow::Result<()> {
        let object: DynamicObject = serde_json::from_value(object)?;
        self.api(kind, namespace)
            .create(&PostParams::default(), &object)
            .await
            .with_context(|| format!("cannot create a {}", kind.name))?;
        Ok(())
    }

    pub(super) async fn delete(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        name: &str,
    ) -> anyhow::Result<()> {
        self.api(kind, namespace)
            .delete(name, &DeleteParams::default())
            .await
            .with_context(|| format!("cannot delete {} {name}", kind.name))?;
        Ok(())
    }

    /// Opens a watch: it shows what is there, and what changes from now on.
    pub(super) async fn watch(&self, kind: Kind, namespace: &str) -> anyhow::Result<Watch> {
        let api = self.api(kind, Some(namespace));
        let events = api
            .watch(&WatchParams::default(), "0")
            .await
            .with_context(|| format!("cannot watch {}", kind.plural))?;
        Ok(Watch(events.boxed()))
    }

    fn api(&self, kind: Kind, namespace: Option<&str>) -> Api<DynamicObject> {
        let gvk = GroupVersionKind::gvk(kind.group, kind.version, kind.name);
        let resource = ApiResource::from_gvk_with_plural(&gvk, kind.plural);
        let client = self.client.clone();
        match namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        }
    }
}

/// A watch that is open.
pub(super) struct Watch(BoxStream<'static, kube::Result<WatchEvent<DynamicObject>>>);

impl Watch {
    /// Returns at what moment an object was seen that is what is waited for.
    pub(super) async fn until(
        &mut self,
        what: &str,
        mut is_it: impl FnMut(&DynamicObject) -> anyhow::Result<bool>,
    ) -> anyhow::Result<Instant> {
        let look = async {
            while let Some(event) = self.0.try_next().await? {
                match event {
                    WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                        let seen = Instant::now();
                        if is_it(&object)? {
                            return Ok(seen);
                        }
                    }
                    WatchEvent::Error(error) => bail!("the watch for {what} failed: {error:?}"),
                    WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => {}
                }
            }
            bail!("the watch for {what} has ended")
        };
        match tokio::time::timeout(PATIENCE, look).await {
            Ok(seen) => seen,
            Err(_) => bail!("waited {} s in vain for {what}", PATIENCE.as_secs()),
        }
    }
}
