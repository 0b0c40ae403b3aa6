//! The chart's webhook in a member, and somebody there who opts in.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use promoter_api::marks::{ENABLED, OPT_IN_POLICY, REQUESTED_BY};
use promoter_domain::stamp;
use promoter_installation::member::{default_karmada_user, opt_in};
use serde_json::{Value, json};

use super::Host;
use crate::support::{Cluster, Identity, Kind, LIMIT, Scene, Workload, eventually};

/// Who opts in.
pub(crate) const CAROL: &str = "carol";

/// How many opt in at a time.
const CLIENTS: usize = 4;

/// How often each of them does so at the least while something goes on, on a slow machine: none of
/// what goes on is over within a few seconds.
const LEAST: usize = 10;

/// The Deployment of the webhook, and the names of most that belongs to it.
pub(crate) const WEBHOOK: &str = "promoter-karmada-promoter-webhook";

/// The Secret that the webhook keeps its certificate in.
pub(crate) const CERTIFICATE: &str = "promoter-karmada-promoter-webhook-certificate";

/// Somebody who may edit in a namespace of member1.
pub(crate) struct User {
    cluster: Cluster,
    count: AtomicUsize,
    member: Cluster,
}

impl User {
    pub(crate) async fn new(scene: &Scene) -> Result<Self> {
        scene.namespace_in("member1").await?;
        let member = scene.member("member1").clone();
        let role =
            json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"});
        let subject =
            json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": CAROL});
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": CAROL},
            "roleRef": role,
            "subjects": [subject],
        });
        member.create(&binding).await?;
        let kubeconfig = scene.fleet.member_kubeconfig("member1");
        let identity = Identity {
            name: CAROL,
            ..Identity::default()
        };
        let cluster =
            Cluster::connect_as(&kubeconfig, "member1", &scene.namespace, &identity).await?;
        Ok(Self {
            cluster,
            count: AtomicUsize::new(0),
            member,
        })
    }

    /// Creates a Deployment that opts in and runs nothing.
    async fn create(&self) -> Result<Value> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let name = format!("app-{count}");
        let annotations = json!({(ENABLED): "true"});
        let deployment = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "annotations": annotations},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {"containers": [{"name": "app", "image": "registry.example/app"}]},
                },
            },
        });
        self.cluster.create(&deployment).await
    }

    /// Opts a new Deployment in, and returns the name of the installation that has stamped it.
    async fn opt_in(&self) -> Result<String> {
        let created = self.create().await?;
        let metadata = &created["metadata"];
        let stamp = metadata["annotations"][REQUESTED_BY].as_str();
        let stamp = stamp.with_context(|| format!("no stamp: {metadata}"))?;
        let installation = stamp.strip_suffix(&format!(":{CAROL}"));
        let installation = installation.with_context(|| format!("the stamp is {stamp}"))?;
        ensure!(stamp::is_installation(installation), "the stamp is {stamp}");
        Ok(installation.to_owned())
    }

    /// Opts in until the member's API server does as it was told.
    pub(crate) async fn until_stamped(&self) -> Result<String> {
        let stamped = eventually("an opt-in is stamped", LIMIT, async || self.opt_in().await);
        let installation = stamped.await?;
        let get = |kind| {
            let kind = Kind::new("admissionregistration.k8s.io/v1", kind);
            async move { self.member.get(&kind, OPT_IN_POLICY).await }
        };
        let policy = get("ValidatingAdmissionPolicy").await?;
        let binding = get("ValidatingAdmissionPolicyBinding").await?;
        let user = default_karmada_user("member1");
        let checked = opt_in::check(Some(&policy), Some(&binding), &user)?;
        ensure!(checked == installation, "{checked}, not {installation}");
        Ok(installation)
    }

    /// Opts in until the member's API server has noticed that nobody is asked about that any more.
    pub(crate) async fn until_unasked(&self) -> Result<()> {
        eventually("an opt-in is kept as it is", LIMIT, async || {
            let created = self.create().await?;
            let annotations = &created["metadata"]["annotations"];
            ensure!(*annotations == json!({(ENABLED): "true"}), "{annotations}");
            Ok(())
        })
        .await
    }

    /// Opts an existing Deployment in, in a dry run, which is asked about and stamped alike.
    async fn try_in(&self, name: &str) -> Result<()> {
        let patch = json!({"metadata": {"annotations": {(ENABLED): "true"}}});
        let tried = self
            .cluster
            .dry_patch(&Kind::deployment(), name, &patch)
            .await?;
        let stamp = tried["metadata"]["annotations"][REQUESTED_BY].as_str();
        let is_own = stamp.is_some_and(|stamp| stamp.ends_with(&format!(":{CAROL}")));
        ensure!(is_own, "the stamp is {stamp:?}");
        Ok(())
    }

    /// Opts in again and again, from several sides at a time, while something goes on. All are
    /// stamped, and none waits for long.
    pub(crate) async fn while_opting_in<T>(
        &self,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let name = "tried";
        let workload = Workload::new(name).replicas(0);
        self.cluster.create(workload.object()).await?;
        let over = AtomicBool::new(false);
        let worked = async {
            let done = work.await;
            over.store(true, Ordering::Relaxed);
            done
        };
        // One for good: the others would fill the member with Deployments.
        let clients = (0..CLIENTS).map(async |client| {
            let mut count = 0;
            while !over.load(Ordering::Relaxed) {
                let opted_in = match client {
                    0 => self.opt_in().await.map(drop),
                    _ => self.try_in(name).await,
                };
                opted_in.with_context(|| format!("client {client}, after {count}"))?;
                count += 1;
            }
            anyhow::Ok(count)
        });
        let opting = futures::future::try_join_all(clients);
        let (done, counts) = tokio::try_join!(worked, opting)?;
        println!("{counts:?} opted in meanwhile");
        let all = counts.iter().all(|count| *count >= LEAST);
        ensure!(all, "only {counts:?} opted in meanwhile");
        Ok(done)
    }
}

/// What every administrator of a member has to say, and what is another here: the API server calls
/// an unprivileged port, and no node but this machine runs the pods.
pub(crate) fn values_in_member() -> Value {
    json!({
        "image": {"repository": "registry.example/karmada-promoter"},
        "hub": {"enabled": false},
        "webhook": {
            "cluster": "member1",
            "enabled": true,
            "nodeSelector": {"kubernetes.io/hostname": "this-machine"},
            "service": {"port": 8443},
            "shutdownDelay": 1,
        },
    })
}

/// The authorities that the member's API server takes the webhook's certificate from.
pub(crate) async fn bundles(host: &Host) -> Result<Vec<String>> {
    let mut bundles = Vec::new();
    for kind in [
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ] {
        let kind = Kind::new("admissionregistration.k8s.io/v1", kind);
        let configuration = host.cluster.get(&kind, OPT_IN_POLICY).await?;
        let bundle = configuration["webhooks"][0]["clientConfig"]["caBundle"].as_str();
        let bundle = BASE64_STANDARD.decode(bundle.context("it has no caBundle")?)?;
        bundles.push(String::from_utf8(bundle)?);
    }
    Ok(bundles)
}
