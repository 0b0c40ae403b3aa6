//! The workload that is promoted: a Deployment of two replicas that needs a ConfigMap and a Secret.

use serde_json::json;

use super::server::{CONFIG_MAP, DEPLOYMENT, NAMESPACE, SECRET, Server};

const REPLICAS: i64 = 2;

pub(super) struct Workload {
    pub(super) namespace: String,
}

impl Workload {
    pub(super) const NAME: &str = "web";
    /// The bindings of the workload and of what it needs.
    pub(super) const BINDINGS: [&str; 3] =
        ["credentials-secret", "settings-configmap", "web-deployment"];

    /// Creates one in a namespace of its own, which is in the control plane too: `karmadactl` does
    /// not create it.
    pub(super) async fn create(
        control_plane: &Server,
        member: &Server,
        index: usize,
    ) -> anyhow::Result<Self> {
        let namespace = format!("figures-{index}");
        let object = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": namespace,
                "labels": {"namespace.karmada.io/skip-auto-propagation": "true"},
            },
        });
        control_plane
            .create(NAMESPACE, None, object.clone())
            .await?;
        member.create(NAMESPACE, None, object).await?;
        let within = Some(namespace.as_str());
        let settings = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings"},
            "data": {"greeting": "hello"},
        });
        member.create(CONFIG_MAP, within, settings).await?;
        let credentials = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "credentials"},
            "stringData": {"password": "correct horse"},
        });
        member.create(SECRET, within, credentials).await?;
        let labels = json!({"app": Self::NAME});
        let deployment = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": Self::NAME},
            "spec": {
                "replicas": REPLICAS,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{
                        "name": "web",
                        "image": "registry.example/web:1.0",
                        "envFrom": [
                            {"configMapRef": {"name": "settings"}},
                            {"secretRef": {"name": "credentials"}},
                        ],
                    }]},
                },
            },
        });
        member.create(DEPLOYMENT, within, deployment).await?;
        Ok(Self { namespace })
    }

    /// Waits until all of its pods run and its controller has nothing left to do.
    pub(super) async fn until_available(&self, member: &Server) -> anyhow::Result<()> {
        let mut watch = member.watch(DEPLOYMENT, &self.namespace).await?;
        let available = |status: &serde_json::Value| {
            status["availableReplicas"] == REPLICAS && status["updatedReplicas"] == REPLICAS
        };
        watch
            .until("the pods of the workload", |deployment| {
                Ok(available(&deployment.data["status"]))
            })
            .await?;
        Ok(())
    }

    /// Asks for its removal, everywhere.
    pub(super) async fn delete(
        &self,
        control_plane: &Server,
        member: &Server,
    ) -> anyhow::Result<()> {
        control_plane
            .delete(NAMESPACE, None, &self.namespace)
            .await?;
        member.delete(NAMESPACE, None, &self.namespace).await
    }
}
