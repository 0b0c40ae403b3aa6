//! A Deployment with all that it needs, running in a member.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Kind, Scene, secret_value};

/// A Deployment to be, with objects that are created before it.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    deployment: Value,
    name: String,
    objects: Vec<Value>,
}

impl Workload {
    /// A Deployment of two replicas with one container, and nothing that it needs.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            deployment: json!({
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name, "labels": {"app": name}},
                "spec": {
                    "replicas": 2,
                    "selector": {"matchLabels": {"app": name}},
                    "template": {
                        "metadata": {"labels": {"app": name}},
                        "spec": {
                            "containers": [{"name": "app", "image": "registry.example/shop/web:1.0"}],
                            // So that a pod of a test is gone at once when it is deleted.
                            "terminationGracePeriodSeconds": 0,
                        },
                    },
                },
            }),
            name: name.to_owned(),
            objects: Vec::new(),
        }
    }

    /// A Deployment whose environment comes from ConfigMap `NAME-settings` and Secret
    /// `NAME-password`.
    pub(crate) fn typical(name: &str) -> Self {
        Self::new(name)
            .config_map(&format!("{name}-settings"))
            .secret(&format!("{name}-password"))
    }

    pub(crate) fn replicas(mut self, replicas: u32) -> Self {
        self.deployment["spec"]["replicas"] = json!(replicas);
        self
    }

    /// Takes its environment from a ConfigMap, which is created unless it is there.
    pub(crate) fn config_map(self, name: &str) -> Self {
        self.with(json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name},
            "data": {"GREETING": format!("hello from {name}")},
        }))
        .environment(json!({"configMapRef": {"name": name}}))
    }

    /// Takes its environment from a Secret, which is created unless it is there.
    pub(crate) fn secret(self, name: &str) -> Self {
        self.with(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "stringData": {"PASSWORD": secret_value(name)},
        }))
        .environment(json!({"secretRef": {"name": name}}))
    }

    /// Runs as a ServiceAccount, which is created, with a pull Secret of its own.
    pub(crate) fn service_account(self, name: &str, pull_secret: &str) -> Self {
        self.with(super::pull_secret(pull_secret))
            .with(json!({
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": name},
                "imagePullSecrets": [{"name": pull_secret}],
            }))
            .pod(|pod| pod["serviceAccountName"] = json!(name))
    }

    /// Adds an object that is created before the Deployment, unless it is there.
    pub(crate) fn with(mut self, object: Value) -> Self {
        self.objects.push(object);
        self
    }

    /// Changes the pod's spec.
    pub(crate) fn pod(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.deployment["spec"]["template"]["spec"]);
        self
    }

    /// Changes each of the objects that are created before the Deployment.
    pub(crate) fn objects(mut self, change: impl FnMut(&mut Value)) -> Self {
        self.objects.iter_mut().for_each(change);
        self
    }

    /// Changes the Deployment.
    pub(crate) fn deployment(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.deployment);
        self
    }

    /// The Deployment.
    pub(crate) const fn object(&self) -> &Value {
        &self.deployment
    }

    /// Creates everything in a member, the namespace too, and waits until all pods run.
    pub(crate) async fn deploy(&self, scene: &Scene, member: &str) -> Result<()> {
        scene.namespace_in(member).await?;
        let cluster = scene.member(member);
        for object in &self.objects {
            cluster.ensure(object).await?;
        }
        cluster.create(&self.deployment).await?;
        until_running(scene, member, &self.name).await
    }

    fn environment(mut self, source: Value) -> Self {
        let container = &mut self.deployment["spec"]["template"]["spec"]["containers"][0];
        match &mut container["envFrom"] {
            Value::Array(sources) => sources.push(source),
            none => *none = json!([source]),
        }
        self
    }
}

/// A Secret to pull images with.
pub(crate) fn pull_secret(name: &str) -> Value {
    let login = json!({"auths": {"registry.example": {"username": "shop", "password": secret_value(name)}}});
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": login.to_string()},
    })
}

/// Waits until a Deployment is rolled out and all its pods run.
pub(crate) async fn until_running(scene: &Scene, member: &str, name: &str) -> Result<()> {
    let what = format!("all pods of {name} run in {member}");
    scene
        .eventually(&what, async || {
            let deployment = scene.member(member).get(&Kind::deployment(), name).await?;
            assert_rolled_out(&deployment)
        })
        .await
}

/// Fails unless all pods of a Deployment run, and are of its newest template.
pub(super) fn assert_rolled_out(deployment: &Value) -> Result<()> {
    let (spec, status) = (&deployment["spec"], &deployment["status"]);
    let wanted = spec["replicas"].as_i64();
    let counted = |key: &str| Some(status[key].as_i64().unwrap_or_default());
    ensure!(
        status["observedGeneration"] == deployment["metadata"]["generation"]
            && ["replicas", "updatedReplicas", "availableReplicas"]
                .into_iter()
                .all(|key| counted(key) == wanted),
        "{wanted:?} replicas are wanted, the status is {status}"
    );
    Ok(())
}
