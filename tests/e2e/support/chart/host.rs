//! A namespace of the cluster that the chart is installed in, and what a user does there with helm.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use kube::config::Kubeconfig;
use promoter_fleet::Fleet;
use promoter_installation::control_plane::HUB_USER;
use serde_json::{Value, json};

use super::{Kubelet, RELEASE, folder, words};
use crate::support::{Cluster, Identity, fleet, scene::unique};

/// A namespace that no other test uses, in which pods are held to the strictest of the Pod Security
/// Standards.
pub(crate) struct Host {
    api_server: SocketAddr,
    pub(crate) cluster: Cluster,
    fleet: Arc<Fleet>,
    kubeconfig: PathBuf,
}

impl Host {
    /// A namespace of a fleet's host cluster. The name is the test's, in short.
    pub(crate) async fn new(fleet: Arc<Fleet>, name: &str) -> Result<Self> {
        let kubeconfig = fleet.host_kubeconfig().context("the fleet has no host")?;
        Self::within(fleet, "host", kubeconfig, name).await
    }

    /// A namespace of a fleet's member.
    pub(crate) async fn in_member(fleet: Arc<Fleet>, member: &str, name: &str) -> Result<Self> {
        let kubeconfig = fleet.member_kubeconfig(member);
        Self::within(fleet, member, kubeconfig, name).await
    }

    async fn within(
        fleet: Arc<Fleet>,
        cluster: &str,
        kubeconfig: PathBuf,
        name: &str,
    ) -> Result<Self> {
        let host = Self::at(fleet, cluster, kubeconfig, &unique(name)).await?;
        let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": host.cluster.namespace(), "labels": labels},
        });
        host.cluster.create(&namespace).await?;
        println!(
            "namespace {} of {}'s {}",
            host.cluster.namespace(),
            host.fleet.name(),
            host.cluster.name()
        );
        Ok(host)
    }

    /// A namespace that is there, of the host cluster or of a member.
    pub(crate) async fn at(
        fleet: Arc<Fleet>,
        cluster: &str,
        kubeconfig: PathBuf,
        namespace: &str,
    ) -> Result<Self> {
        let api_server = api_server(&kubeconfig)?;
        let cluster = Cluster::connect(&kubeconfig, cluster, namespace).await?;
        Ok(Self {
            api_server,
            cluster,
            fleet,
            kubeconfig,
        })
    }

    /// Creates the Secret with the kubeconfig of the hub's own user, as the chart expects it.
    pub(crate) async fn give_kubeconfig(&self) -> Result<()> {
        let kubeconfig = self.fleet.user_kubeconfig("karmada", HUB_USER, None)?;
        let kubeconfig = std::fs::read_to_string(kubeconfig)?;
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "karmada-promoter-kubeconfig"},
            "stringData": {"kubeconfig": kubeconfig},
        });
        self.cluster.create(&secret).await?;
        Ok(())
    }

    /// The cluster, as it is for another user than its administrator.
    pub(crate) async fn acting_as(&self, user: &Identity<'_>) -> Result<Cluster> {
        let (name, namespace) = (self.cluster.name(), self.cluster.namespace());
        Cluster::connect_as(&self.kubeconfig, name, namespace, user).await
    }

    /// Whatever runs this namespace's pods.
    pub(crate) fn kubelet(&self) -> Kubelet {
        Kubelet::new(
            Arc::clone(&self.fleet),
            self.cluster.clone(),
            self.api_server,
        )
    }

    /// Installs the chart with these values and returns what helm says then.
    pub(crate) async fn install(&self, values: &Value) -> Result<String> {
        self.release("install", &words(values)).await
    }

    /// Changes these values of the release.
    pub(crate) async fn change(&self, values: &Value) -> Result<String> {
        let words = [vec!["--reset-then-reuse-values".into()], words(values)];
        self.release("upgrade", &words.concat()).await
    }

    /// Runs helm on the release and the chart.
    pub(crate) async fn release(&self, command: &str, words: &[String]) -> Result<String> {
        let folder = folder();
        let folder = folder.to_string_lossy();
        let mut all = vec![command, RELEASE, &folder];
        all.extend(words.iter().map(String::as_str));
        self.helm(&all).await
    }

    /// Takes the release away.
    pub(crate) async fn uninstall(&self) -> Result<()> {
        self.helm(&["uninstall", RELEASE]).await.map(|_| ())
    }

    /// Runs kubectl in this namespace, and returns what it printed.
    pub(crate) async fn kubectl(&self, words: &[&str]) -> Result<String> {
        self.run("kubectl", words).await
    }

    /// Everything in this namespace, as `kind/name`, but for events.
    pub(crate) async fn objects(&self) -> Result<BTreeSet<String>> {
        self.all("--namespaced=true").await
    }

    /// Everything in this namespace and all that is in none, as `kind/name`, but for events.
    pub(crate) async fn everything(&self) -> Result<BTreeSet<String>> {
        let mut all = self.objects().await?;
        all.extend(self.all("--namespaced=false").await?);
        Ok(all)
    }

    async fn all(&self, which: &str) -> Result<BTreeSet<String>> {
        let words = ["api-resources", which, "--verbs=list", "-o=name"];
        let kinds = self.kubectl(&words).await?;
        let kinds: Vec<&str> = kinds
            .lines()
            .filter(|kind| !kind.starts_with("events"))
            .collect();
        let words = ["get", &kinds.join(","), "-o=name", "--ignore-not-found"];
        let objects = self.kubectl(&words).await?;
        Ok(objects.lines().map(str::to_owned).collect())
    }

    async fn helm(&self, words: &[&str]) -> Result<String> {
        self.run("helm", words).await
    }

    async fn run(&self, program: &str, words: &[&str]) -> Result<String> {
        let mut all = words.to_vec();
        all.extend(["--namespace", self.cluster.namespace()]);
        fleet::run(&self.fleet, self.cluster.name(), program, &all).await
    }
}

/// Where a kubeconfig's API server listens.
fn api_server(kubeconfig: &Path) -> Result<SocketAddr> {
    let read = Kubeconfig::read_from(kubeconfig)?;
    let cluster = read
        .clusters
        .first()
        .and_then(|named| named.cluster.as_ref());
    let server = cluster.and_then(|cluster| cluster.server.as_deref());
    let server = server.and_then(|server| server.strip_prefix("https://"));
    let server = server.context("the kubeconfig names no server")?;
    Ok(server.trim_end_matches('/').parse()?)
}
