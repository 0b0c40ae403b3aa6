//! Objects of one API server, as JSON. The promoter's own client is not used: it is what is tested.

use std::path::Path;

use anyhow::{Context as _, Result};
use kube::{
    Client, Config,
    api::{DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::Request,
};
use serde_json::{Value, json};

use super::Kind;

/// The control plane or a member, seen from one of its namespaces.
#[derive(Clone)]
pub(crate) struct Cluster {
    client: Client,
    name: String,
    namespace: String,
}

/// Somebody who is not the administrator.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Identity<'a> {
    pub(crate) groups: &'a [&'a str],
    pub(crate) name: &'a str,
    pub(crate) uid: Option<&'a str>,
}

impl Cluster {
    /// The cluster behind an administrator's kubeconfig.
    pub(crate) async fn connect(kubeconfig: &Path, name: &str, namespace: &str) -> Result<Self> {
        let config = config(kubeconfig).await?;
        Self::new(config, name, namespace)
    }

    /// The same, as a user whom the administrator plays.
    pub(crate) async fn connect_as(
        kubeconfig: &Path,
        name: &str,
        namespace: &str,
        user: &Identity<'_>,
    ) -> Result<Self> {
        let mut config = config(kubeconfig).await?;
        let groups = user.groups.iter().map(|&group| group.to_owned());
        config.auth_info.impersonate = Some(user.name.to_owned());
        config.auth_info.impersonate_groups = Some(groups.collect());
        config.auth_info.impersonate_uid = user.uid.map(str::to_owned);
        Self::new(config, name, namespace)
    }

    fn new(config: Config, name: &str, namespace: &str) -> Result<Self> {
        Ok(Self {
            client: Client::try_from(config)?,
            name: name.to_owned(),
            namespace: namespace.to_owned(),
        })
    }

    /// The same cluster, seen from another namespace.
    pub(crate) fn within(&self, namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            ..self.clone()
        }
    }

    /// `karmada`, `member1` and so on.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// Who this client is, as the API server knows it.
    pub(crate) async fn myself(&self) -> Result<Value> {
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "SelfSubjectReview",
        });
        let reviewed = self.create(&review).await?;
        Ok(reviewed["status"]["userInfo"].clone())
    }

    /// One object, or nothing where there is none.
    pub(crate) async fn find(&self, kind: &Kind, name: &str) -> Result<Option<Value>> {
        let request = Request::new(self.path(kind)).get(name, &GetParams::default())?;
        match self.client.request(request).await {
            Ok(object) => Ok(Some(object)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error).with_context(|| self.told("get", kind, name)),
        }
    }

    /// One object that must be there.
    pub(crate) async fn get(&self, kind: &Kind, name: &str) -> Result<Value> {
        let found = self.find(kind, name).await?;
        found.with_context(|| format!("{}: there is none", self.told("get", kind, name)))
    }

    /// Every object of a kind in the namespace.
    pub(crate) async fn list(&self, kind: &Kind) -> Result<Vec<Value>> {
        self.select(kind, "").await
    }

    /// The version that everything in the cluster has come to.
    pub(crate) async fn version(&self) -> Result<u64> {
        let kind = Kind::config_map();
        let request = Request::new(self.path(&kind)).list(&ListParams::default())?;
        let list: Value = self
            .client
            .request(request)
            .await
            .with_context(|| self.told("list", &kind, ""))?;
        let version = list["metadata"]["resourceVersion"].as_str();
        Ok(version.context("a list has a version")?.parse()?)
    }

    /// The objects of a kind in the namespace that a label selector selects.
    pub(crate) async fn select(&self, kind: &Kind, selector: &str) -> Result<Vec<Value>> {
        let parameters = ListParams::default().labels(selector);
        let request = Request::new(self.path(kind)).list(&parameters)?;
        let list: Value = self
            .client
            .request(request)
            .await
            .with_context(|| self.told("list", kind, selector))?;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        Ok(items
            .into_iter()
            .map(|mut item| {
                // A list leaves them out.
                item["apiVersion"] = json!(kind.api_version());
                item["kind"] = json!(kind.name());
                item
            })
            .collect())
    }

    /// Creates an object, in this namespace unless it belongs to none.
    pub(crate) async fn create(&self, object: &Value) -> Result<Value> {
        let kind = Kind::of(object);
        let mut object = object.clone();
        if kind.has_namespace() {
            object["metadata"]["namespace"] = json!(self.namespace);
        }
        let body = object.to_string().into_bytes();
        let request = Request::new(self.path(&kind)).create(&PostParams::default(), body)?;
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        self.client
            .request(request)
            .await
            .with_context(|| self.told("create", &kind, name))
    }

    /// Creates an object unless there is one of that name.
    pub(crate) async fn ensure(&self, object: &Value) -> Result<Value> {
        let kind = Kind::of(object);
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        match self.create(object).await {
            Ok(created) => Ok(created),
            Err(error) if is_code(&error, 409) => self.get(&kind, name).await,
            Err(error) => Err(error),
        }
    }

    /// Changes an object by a JSON merge patch.
    pub(crate) async fn patch(&self, kind: &Kind, name: &str, patch: &Value) -> Result<Value> {
        let request = Request::new(self.path(kind)).patch(
            name,
            &PatchParams::default(),
            &Patch::Merge(patch),
        )?;
        self.client
            .request(request)
            .await
            .with_context(|| self.told("patch", kind, name))
    }

    /// What the answer to such a patch would be.
    pub(crate) async fn dry_patch(&self, kind: &Kind, name: &str, patch: &Value) -> Result<Value> {
        let parameters = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let request =
            Request::new(self.path(kind)).patch(name, &parameters, &Patch::Merge(patch))?;
        self.client
            .request(request)
            .await
            .with_context(|| self.told("patch", kind, name))
    }

    /// Changes the status of an object by a JSON merge patch.
    pub(crate) async fn patch_status(
        &self,
        kind: &Kind,
        name: &str,
        patch: &Value,
    ) -> Result<Value> {
        let request = Request::new(self.path(kind)).patch_subresource(
            "status",
            name,
            &PatchParams::default(),
            &Patch::Merge(patch),
        )?;
        self.client
            .request(request)
            .await
            .with_context(|| self.told("patch the status of", kind, name))
    }

    /// Deletes an object; one that is gone is no error.
    pub(crate) async fn delete(&self, kind: &Kind, name: &str) -> Result<()> {
        let request = Request::new(self.path(kind)).delete(name, &DeleteParams::background())?;
        match self.client.request::<Value>(request).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(error).with_context(|| self.told("delete", kind, name)),
        }
    }

    fn path(&self, kind: &Kind) -> String {
        kind.path_in(&self.namespace)
    }

    fn told(&self, verb: &str, kind: &Kind, name: &str) -> String {
        let Self {
            name: cluster,
            namespace,
            ..
        } = self;
        format!(
            "{cluster}: cannot {verb} {} {namespace}/{name}",
            kind.name()
        )
    }
}

async fn config(kubeconfig: &Path) -> Result<Config> {
    promoter_kubernetes::install_crypto_provider();
    let read = Kubeconfig::read_from(kubeconfig)
        .with_context(|| format!("cannot read {}", kubeconfig.display()))?;
    Ok(Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?)
}

/// Whether an API server answered with this HTTP status.
pub(crate) fn is_code(error: &anyhow::Error, code: u16) -> bool {
    matches!(
        error.downcast_ref::<kube::Error>(),
        Some(kube::Error::Api(status)) if status.code == code
    )
}
