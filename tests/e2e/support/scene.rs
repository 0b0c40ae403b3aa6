//! One test's place in a fleet, and what a user does there.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, ensure};
use promoter_api::promotion::Phase;
use promoter_fleet::Fleet;
use promoter_installation::control_plane::HUB_USER;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{Allowed, Cluster, Kind, LIMIT, Writes, cluster::Identity, eventually, fleet};

/// A namespace that no other test uses, in the control plane and in every member.
///
/// Nothing is created beforehand: a member gets the namespace with the first workload, the control
/// plane from whoever needs it there.
pub(crate) struct Scene {
    pub(crate) fleet: Arc<Fleet>,
    /// The control plane, seen from the namespace.
    pub(crate) karmada: Cluster,
    members: Vec<Cluster>,
    pub(crate) namespace: String,
    watched: Mutex<Watched>,
}

/// What is written to members while workloads are asked for.
#[derive(Default)]
struct Watched {
    /// The version that the member had come to when a Promotion was created, by its name.
    since: BTreeMap<String, u64>,
    /// By the member's name.
    writes: BTreeMap<String, Writes>,
}

impl Scene {
    /// A place on the shared fleet. The name is the test's, in short.
    pub(crate) async fn new(name: &str) -> Result<Self> {
        Self::on(fleet::shared(), name).await
    }

    /// A place on a fleet.
    pub(crate) async fn on(fleet: Arc<Fleet>, name: &str) -> Result<Self> {
        let namespace = unique(name);
        let karmada = Cluster::connect(fleet.kubeconfig(), "karmada", &namespace).await?;
        let mut members = Vec::new();
        for member in fleet.members() {
            let kubeconfig = fleet.member_kubeconfig(member);
            members.push(Cluster::connect(&kubeconfig, member, &namespace).await?);
        }
        println!("namespace {namespace} of fleet {}", fleet.name());
        Ok(Self {
            fleet,
            karmada,
            members,
            namespace,
            watched: Mutex::default(),
        })
    }

    /// The same place in a namespace that is there already.
    pub(crate) fn within(&self, namespace: &str) -> Self {
        let members = self.members.iter().map(|member| member.within(namespace));
        Self {
            fleet: Arc::clone(&self.fleet),
            karmada: self.karmada.within(namespace),
            members: members.collect(),
            namespace: namespace.to_owned(),
            watched: Mutex::default(),
        }
    }

    /// The control plane, as it is for another user than its administrator.
    pub(crate) async fn karmada_as(&self, user: &Identity<'_>) -> Result<Cluster> {
        let kubeconfig = self.fleet.kubeconfig();
        Cluster::connect_as(kubeconfig, "karmada", &self.namespace, user).await
    }

    /// The control plane, as it is for the hub.
    pub(crate) async fn karmada_as_hub(&self) -> Result<Cluster> {
        let hub = Identity {
            name: HUB_USER,
            ..Identity::default()
        };
        self.karmada_as(&hub).await
    }

    /// A member, seen from the namespace.
    pub(crate) fn member(&self, name: &str) -> &Cluster {
        let found = self.members.iter().find(|member| member.name() == name);
        found.expect("the fleet has the member")
    }

    /// Looks again and again until `look` succeeds, 90 seconds at most. The error says what was
    /// seen last, what the Promotions say, and what the promoter has logged.
    pub(crate) async fn eventually<T>(
        &self,
        what: &str,
        look: impl AsyncFn() -> Result<T>,
    ) -> Result<T> {
        match eventually(what, LIMIT, look).await {
            Ok(found) => Ok(found),
            Err(error) => Err(error.context(self.told().await)),
        }
    }

    /// What is known about this place, for whoever must find out why a test failed.
    pub(crate) async fn told(&self) -> String {
        let promotions = match self.karmada.list(&Kind::promotion()).await {
            Ok(mut promotions) => {
                for promotion in &mut promotions {
                    promotion["metadata"]["managedFields"].take();
                }
                let shown = promotions.iter().map(serde_saphyr::to_string);
                let shown: Result<Vec<_>, _> = shown.collect();
                shown.unwrap_or_default().join("---\n")
            }
            Err(error) => format!("{error:#}"),
        };
        format!(
            "in namespace {}\n--- Promotions:\n{promotions}\n--- the promoter's log:\n{}\n---",
            self.namespace,
            fleet::promoter_log(&self.fleet, &self.namespace)
        )
    }

    /// Creates the namespace in a member, as its administrator would.
    pub(crate) async fn namespace_in(&self, member: &str) -> Result<()> {
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": self.namespace, "labels": {"team": "shop"}},
        });
        self.member(member).ensure(&namespace).await?;
        Ok(())
    }

    /// Creates the namespace in the control plane, so that Karmada does not spread it.
    pub(crate) async fn namespace_in_karmada(&self) -> Result<()> {
        let labels = json!({"team": "shop", "namespace.karmada.io/skip-auto-propagation": "true"});
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": self.namespace, "labels": labels},
        });
        self.karmada.ensure(&namespace).await?;
        Ok(())
    }

    /// Sets the opt-in annotation of a member's Deployment.
    pub(crate) async fn annotate(&self, member: &str, name: &str, enabled: &str) -> Result<()> {
        let patch = json!({"metadata": {"annotations": {"promote.karmada.io/enabled": enabled}}});
        let member = self.member(member);
        member.patch(&Kind::deployment(), name, &patch).await?;
        Ok(())
    }

    /// Creates the Promotion of a member's Deployment, and the namespace before it.
    pub(crate) async fn promote(&self, name: &str, member: &str) -> Result<()> {
        self.promote_with(name, member, json!({})).await
    }

    /// The same, with more in its spec.
    pub(crate) async fn promote_with(&self, name: &str, member: &str, more: Value) -> Result<()> {
        self.promote_as(&self.karmada, name, member, more).await
    }

    /// The same as another user of the control plane. What is in `more` counts, the requester too.
    pub(crate) async fn promote_as(
        &self,
        user: &Cluster,
        name: &str,
        member: &str,
        more: Value,
    ) -> Result<()> {
        self.namespace_in_karmada().await?;
        let mut spec = json!({
            "clusters": [member],
            "requester": user.myself().await?,
            "workload": {"name": name},
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        let promotion = json!({
            "apiVersion": "promote.karmada.io/v1alpha1",
            "kind": "Promotion",
            "metadata": {"name": name},
            "spec": spec,
        });
        Box::pin(self.watch_writes(name, member)).await?;
        user.create(&promotion).await?;
        Ok(())
    }

    /// Remembers from now on what is written to a member's workload, whose Promotion is about to be
    /// created: should it be refused, nothing may have been written.
    pub(crate) async fn watch_writes(&self, name: &str, member: &str) -> Result<()> {
        let Some(member) = self.members.iter().find(|it| it.name() == member) else {
            return Ok(());
        };
        let mut watched = self.watched.lock().await;
        // One that does not answer is not written to either.
        if member.version().await.is_err() {
            return Ok(());
        }
        if !watched.writes.contains_key(member.name()) {
            let writes = Writes::record(member).await?;
            watched.writes.insert(member.name().to_owned(), writes);
        }
        let since = member.version().await?;
        watched.since.insert(name.to_owned(), since);
        Ok(())
    }

    /// Fails if anybody but those who are allowed to has written to a member's workload, or to what
    /// it could need, since its Promotion was created.
    pub(crate) async fn assert_unwritten(
        &self,
        name: &str,
        member: &Cluster,
        allowed: Allowed,
    ) -> Result<()> {
        let watched = self.watched.lock().await;
        let writes = watched.writes.get(member.name());
        let since = watched.since.get(name).copied();
        let (writes, since) = writes
            .zip(since)
            .with_context(|| format!("nobody watched {name} in {}", member.name()))?;
        writes.assert_none(name, since, allowed).await
    }

    /// Edits the spec of a Promotion.
    pub(crate) async fn edit(&self, name: &str, spec: Value) -> Result<()> {
        self.edit_as(&self.karmada, name, spec).await
    }

    /// The same as another user of the control plane, who is the requester then.
    pub(crate) async fn edit_as(&self, user: &Cluster, name: &str, spec: Value) -> Result<()> {
        let mut spec = spec;
        let before = self.karmada.get(&Kind::promotion(), name).await?;
        let mut requester = user.myself().await?;
        for (key, _) in before["spec"]["requester"]
            .as_object()
            .into_iter()
            .flatten()
        {
            // A merge patch leaves what it does not name; to name it is to make it null.
            let _ = &mut requester[key];
        }
        spec["requester"] = requester;
        let patch = json!({ "spec": spec });
        user.patch(&Kind::promotion(), name, &patch).await?;
        Ok(())
    }

    /// Creates a Promotion and waits until it is promoted.
    pub(crate) async fn promoted(&self, name: &str, member: &str) -> Result<Value> {
        self.promote(name, member).await?;
        self.until_phase(name, Phase::Promoted).await
    }

    /// Asks for the release of a promoted workload.
    pub(crate) async fn release(&self, name: &str) -> Result<()> {
        self.edit(name, json!({"desiredState": "Released"})).await
    }

    /// Asks for the release and waits for it.
    pub(crate) async fn released(&self, name: &str) -> Result<Value> {
        self.release(name).await?;
        self.until_phase(name, Phase::Released).await
    }

    /// Waits until a Promotion is in a phase that is about what its spec says now, and returns it.
    pub(crate) async fn until_phase(&self, name: &str, phase: Phase) -> Result<Value> {
        let what = format!("Promotion {name} is {phase}");
        self.eventually(&what, async || {
            let promotion = self.karmada.get(&Kind::promotion(), name).await?;
            let status = &promotion["status"];
            ensure!(
                status["phase"] == phase.to_string()
                    && status["observedGeneration"] == promotion["metadata"]["generation"],
                "it is {}, because {} ({})",
                status["phase"],
                status["reason"],
                status["message"]
            );
            Ok(promotion)
        })
        .await
    }

    /// Edits the clusters that a promoted workload is placed in.
    pub(crate) async fn place(&self, name: &str, clusters: &[&str]) -> Result<()> {
        let patch = json!({"spec": {"placement": {"clusterAffinity": {"clusterNames": clusters}}}});
        let policy = format!("deployment.{name}");
        self.karmada
            .patch(&Kind::propagation_policy(), &policy, &patch)
            .await?;
        Ok(())
    }

    /// Waits until an object is gone.
    pub(crate) async fn until_gone(
        &self,
        cluster: &Cluster,
        kind: &Kind,
        name: &str,
    ) -> Result<()> {
        let what = format!("{} {name} is gone from {}", kind.name(), cluster.name());
        self.eventually(&what, async || {
            let found = cluster.find(kind, name).await?;
            ensure!(found.is_none(), "it is there");
            Ok(())
        })
        .await
    }

    /// The Works of the objects of this namespace, for all members.
    pub(crate) async fn works(&self) -> Result<Vec<Value>> {
        let mut works = Vec::new();
        for member in self.fleet.members() {
            let execution = self.karmada.within(&format!("karmada-es-{member}"));
            works.extend(execution.list(&Kind::work()).await?);
        }
        works.retain(|work| manifest(work)["metadata"]["namespace"] == self.namespace.as_str());
        Ok(works)
    }

    /// Fails if the control plane has a template, policy, binding or Work of this namespace.
    pub(crate) async fn assert_nothing_federated(&self) -> Result<()> {
        let left = self.federated().await?;
        ensure!(left.is_empty(), "the control plane has {left:?}");
        Ok(())
    }

    /// The templates, policies, bindings and Works of this namespace: the kind, the name and the UID
    /// of each.
    pub(crate) async fn federated(&self) -> Result<Vec<[String; 3]>> {
        let mut found = self.works().await?;
        for kind in [
            Kind::config_map(),
            Kind::deployment(),
            Kind::propagation_policy(),
            Kind::resource_binding(),
            Kind::secret(),
            Kind::service_account(),
        ] {
            found.extend(self.karmada.list(&kind).await?);
        }
        let word = |word: &Value| word.as_str().unwrap_or_default().to_owned();
        let each = found.iter().map(|object| {
            let metadata = &object["metadata"];
            [
                word(&object["kind"]),
                word(&metadata["name"]),
                word(&metadata["uid"]),
            ]
        });
        Ok(each.collect())
    }

    /// Fails if a member has anything of this namespace.
    pub(crate) async fn assert_absent(&self, member: &str) -> Result<()> {
        let found = self
            .member(member)
            .find(&Kind::namespace(), &self.namespace)
            .await?;
        ensure!(found.is_none(), "{member} has namespace {}", self.namespace);
        Ok(())
    }

    /// Fails if any other member than this one has anything of this namespace.
    pub(crate) async fn assert_absent_elsewhere(&self, member: &str) -> Result<()> {
        for other in self.fleet.members().iter().filter(|other| *other != member) {
            self.assert_absent(other).await?;
        }
        Ok(())
    }

    /// Runs kubectl against `karmada` or a member, in this namespace.
    pub(crate) async fn kubectl(&self, cluster: &str, arguments: &[&str]) -> Result<String> {
        // In the end, because a plugin's name comes first.
        let mut all = arguments.to_vec();
        all.extend(["--namespace", &self.namespace]);
        fleet::run(&self.fleet, cluster, "kubectl", &all)
            .await
            .with_context(|| format!("in {cluster}"))
    }
}

/// The manifest that a Work carries.
pub(crate) fn manifest(work: &Value) -> &Value {
    &work["spec"]["workload"]["manifests"][0]
}

/// A name that no test of this or of another run has used on the fleet.
pub(super) fn unique(name: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_millis() % 100_000_000);
    format!("{name}-{now:x}{count:x}")
}
