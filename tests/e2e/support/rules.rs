//! What an administrator of a cluster sets up for one namespace, and takes away again.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use super::{Cluster, Kind, Scene};

/// The user as whom Karmada, and with it the promoter, writes to a member.
pub(crate) fn karmada_in(member: &str) -> String {
    format!("system:serviceaccount:karmada-cluster:karmada-{member}")
}

/// Objects of a cluster that belong to no namespace. They go with this value, however the test
/// ends, so that no other test meets them.
pub(crate) struct Rules {
    cluster: Cluster,
    kubeconfig: PathBuf,
    objects: Vec<(Kind, String)>,
}

impl Rules {
    /// Creates objects in `karmada` or in a member.
    pub(crate) async fn create(scene: &Scene, cluster: &str, objects: &[Value]) -> Result<Self> {
        let (cluster, kubeconfig) = match cluster {
            "karmada" => (&scene.karmada, scene.fleet.kubeconfig().to_path_buf()),
            member => (scene.member(member), scene.fleet.member_kubeconfig(member)),
        };
        let mut rules = Self {
            cluster: cluster.clone(),
            kubeconfig,
            objects: Vec::new(),
        };
        for object in objects {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            rules.objects.push((Kind::of(object), name.to_owned()));
            rules.cluster.create(object).await?;
        }
        Ok(rules)
    }

    /// An admission policy that refuses Karmada's updates of the namespace's Deployments unless a
    /// CEL expression holds, saying `message`. Returns when it is in force.
    pub(crate) async fn refuse_karmada(
        scene: &Scene,
        member: &str,
        unless: &str,
        message: &str,
    ) -> Result<Self> {
        let name = format!("refuse-karmada.{}", scene.namespace);
        let user = format!("request.userInfo.username == '{}'", karmada_in(member));
        let policy = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConditions": [{"name": "karmada", "expression": user}],
                "matchConstraints": {
                    "namespaceSelector": of_namespace(&scene.namespace),
                    "resourceRules": [updates_of_deployments()],
                },
                "validations": [{"expression": unless, "message": message}],
            },
        });
        let binding = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        });
        let rules = Self::create(scene, member, &[policy, binding]).await?;
        let probe = Probe::create(scene, member).await?;
        let refused = async || {
            for dry_run in ["none", "server"] {
                let answer = probe.write_as(&karmada_in(member), dry_run).await;
                if answer.is_err_and(|error| format!("{error:#}").contains(message)) {
                    return Ok(());
                }
            }
            bail!("Karmada is not refused")
        };
        scene.eventually("the policy is in force", refused).await?;
        Ok(rules)
    }

    /// An admission policy of the control plane that lets nobody create what is in these resources
    /// of the namespace, saying `message`.
    pub(crate) async fn forbid_in_karmada(
        scene: &Scene,
        group: &str,
        resource: &str,
        message: &str,
    ) -> Result<Self> {
        scene.namespace_in_karmada().await?;
        let name = format!("forbid-{resource}.{}", scene.namespace);
        let policy = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {
                    "namespaceSelector": of_namespace(&scene.namespace),
                    "resourceRules": [{
                        "apiGroups": [group],
                        "apiVersions": ["*"],
                        "operations": ["CREATE"],
                        "resources": [resource],
                    }],
                },
                "validations": [{"expression": "false", "message": message}],
            },
        });
        let binding = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        });
        Self::create(scene, "karmada", &[policy, binding]).await
    }

    /// The same for Karmada's bindings, so that whatever is staged stays so. Returns when it is in
    /// force.
    pub(crate) async fn forbid_bindings(scene: &Scene) -> Result<Self> {
        let group = "work.karmada.io";
        let rules = Self::forbid_in_karmada(scene, group, "resourcebindings", "not yet").await?;
        let probe = json!({
            "apiVersion": "work.karmada.io/v1alpha2",
            "kind": "ResourceBinding",
            "metadata": {"name": "probe"},
            "spec": {"resource": {"apiVersion": "v1", "kind": "ConfigMap", "name": "probe"}},
        });
        scene
            .eventually("no binding can be created", async || {
                let bindings = Kind::resource_binding();
                let Err(error) = scene.karmada.create(&probe).await else {
                    scene.karmada.delete(&bindings, "probe").await?;
                    bail!("one was created");
                };
                ensure!(format!("{error:#}").contains("not yet"), "{error:#}");
                scene.until_gone(&scene.karmada, &bindings, "probe").await
            })
            .await?;
        Ok(rules)
    }

    /// Takes them away before the test ends.
    pub(crate) async fn lift(&mut self) -> Result<()> {
        for (kind, name) in std::mem::take(&mut self.objects) {
            self.cluster.delete(&kind, &name).await?;
        }
        Ok(())
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        let objects = std::mem::take(&mut self.objects);
        if objects.is_empty() {
            return;
        }
        // The test's own runtime, and its clients with it, may be ending too.
        let kubeconfig = std::mem::take(&mut self.kubeconfig);
        let name = self.cluster.name().to_owned();
        let removed = thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(async {
                let cluster = Cluster::connect(&kubeconfig, &name, "default").await?;
                for (kind, name) in objects {
                    cluster.delete(&kind, &name).await?;
                }
                anyhow::Ok(())
            })
        });
        if let Ok(Err(error)) = removed.join() {
            eprintln!(
                "rules of {} were left behind: {error:#}",
                self.cluster.name()
            );
        }
    }
}

/// A Deployment without pods, to find out when a rule is in force.
pub(crate) struct Probe<'a> {
    pub(super) member: &'a str,
    scene: &'a Scene,
}

impl<'a> Probe<'a> {
    pub(crate) async fn create(scene: &'a Scene, member: &'a str) -> Result<Self> {
        scene.member(member).ensure(&probe()).await?;
        Ok(Self { member, scene })
    }

    /// Writes to it as a user, or has the API server pretend to (`--dry-run`).
    pub(crate) async fn write_as(&self, user: &str, dry_run: &str) -> Result<()> {
        // A write that changes nothing does not get as far as a rule.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let label = format!("probed={}", COUNT.fetch_add(1, Ordering::Relaxed));
        let user = format!("--as={user}");
        let dry_run = format!("--dry-run={dry_run}");
        let words = ["label", "deployment/probe", &label, "--overwrite"];
        let words = [&words[..], &[&user, &dry_run]].concat();
        self.scene.kubectl(self.member, &words).await?;
        Ok(())
    }
}

/// Has the control plane pretend to create a Deployment, to find out when a rule is in force.
pub(crate) async fn create_probe(scene: &Scene) -> Result<()> {
    let words = [
        "create",
        "deployment",
        "probe",
        "--image=registry.example/probe",
    ];
    let words = [&words[..], &["--replicas=0", "--dry-run=server"]].concat();
    scene.kubectl("karmada", &words).await?;
    Ok(())
}

fn probe() -> Value {
    let labels = json!({"app": "probe"});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "probe"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": "registry.example/probe"}]},
            },
        },
    })
}

/// A selector of this one namespace.
pub(crate) fn of_namespace(namespace: &str) -> Value {
    json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}})
}

/// A rule for updates of Deployments.
pub(crate) fn updates_of_deployments() -> Value {
    json!({
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "operations": ["UPDATE"],
        "resources": ["deployments"],
    })
}
