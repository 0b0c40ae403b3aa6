//! A member cluster as Karmada knows it (`cluster.karmada.io/v1alpha1`), with the fields we read.
//!
//! Source: Karmada's `pkg/apis/cluster/v1alpha1/types.go`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use serde::{Deserialize, Serialize};

/// How the control plane reaches the member cluster.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[kube(
    group = "cluster.karmada.io",
    version = "v1alpha1",
    kind = "Cluster",
    plural = "clusters",
    status = "ClusterStatus",
    schema = "disabled",
    derive = "Default",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSpec {
    /// The URL of the member's API server.
    #[serde(default)]
    pub api_endpoint: Option<String>,
    /// Whether the member's certificate goes unchecked.
    #[serde(default)]
    pub insecure_skip_tls_verification: bool,
    /// Headers that the proxy of `proxy_url` wants.
    #[serde(default, rename = "proxyHeader")]
    pub proxy_header: Option<std::collections::BTreeMap<String, String>>,
    /// The proxy by which the member is reached.
    #[serde(default, rename = "proxyURL")]
    pub proxy_url: Option<String>,
    /// The Secret with the credentials by which Karmada writes to the member.
    #[serde(default)]
    pub secret_ref: Option<SecretReference>,
    /// `Push` or `Pull`.
    #[serde(default)]
    pub sync_mode: String,
}

/// What Karmada saw of the member cluster.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// `Ready` among them.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// The version of the member's API server.
    #[serde(default)]
    pub kubernetes_version: Option<String>,
}

/// A Secret of the control plane.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct SecretReference {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

impl Cluster {
    /// Whether Karmada says that the member can be used.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.metadata.deletion_timestamp.is_none()
            && self.status.as_ref().is_some_and(|status| {
                status
                    .conditions
                    .iter()
                    .any(|condition| condition.type_ == "Ready" && condition.status == "True")
            })
    }
}
