//! The member clusters' own API servers, by the endpoint and the credentials that Karmada uses.
//!
//! A rehearsal must be asked by the identity that will write, since a member's admission may
//! answer another one differently; and Karmada's cluster proxy refuses dry runs.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use kube::{Client, Config};
use promoter_api::karmada::{
    Cluster,
    cluster::{ClusterSpec, SecretReference},
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use secrecy::SecretString;
use serde_json::Value;

use crate::{
    objects::{self, Objects},
    resource::Resource,
};

/// The members that Karmada knows.
pub struct Members {
    control_plane: Objects,
    /// A client for each member, as long as the way to it stays the same.
    known: Mutex<HashMap<String, Known>>,
}

/// A member cluster that can be reached.
#[derive(Clone)]
pub struct Member {
    /// The cluster's name in Karmada.
    pub name: String,
    /// Its objects.
    pub objects: Objects,
}

/// A member cluster cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its credentials are not what they should be.
    #[error(
        "Karmada's Secret {namespace}/{name} with the credentials of cluster {cluster} {problem}; \
         join the cluster anew"
    )]
    Credentials {
        /// The cluster.
        cluster: String,
        /// The Secret's name.
        name: String,
        /// The Secret's namespace.
        namespace: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The Cluster object gives no way to reach it.
    #[error("cluster {cluster} has no {missing}: it cannot be reached from here (a Pull cluster?)")]
    NoEndpoint {
        /// The cluster.
        cluster: String,
        /// The field that is missing.
        missing: &'static str,
    },
    /// Karmada says that it is not ready.
    #[error("Karmada says that cluster {0} is not ready; see `kubectl get cluster {0} -o yaml`")]
    NotReady(String),
    /// The control plane did not answer.
    #[error(transparent)]
    Objects(#[from] objects::Error),
    /// Karmada knows no such cluster.
    #[error("Karmada knows no cluster {0}; `kubectl get clusters` lists those that have joined")]
    Unknown(String),
    /// No client can be made of what the Cluster says.
    #[error("cluster {cluster}: its endpoint or proxy is not usable: {problem}")]
    Unusable {
        /// The cluster.
        cluster: String,
        /// What is wrong.
        problem: String,
    },
}

struct Known {
    spec: ClusterSpec,
    objects: Objects,
}

impl Members {
    /// The members of a control plane.
    #[must_use]
    pub fn new(control_plane: Objects) -> Self {
        Self {
            control_plane,
            known: Mutex::default(),
        }
    }

    /// The member of that name, if Karmada knows it and says that it is ready.
    pub async fn get(&self, name: &str) -> Result<Member, Error> {
        let cluster = self
            .control_plane
            .get(Resource::CLUSTER, None, name)
            .await?
            .ok_or_else(|| Error::Unknown(name.to_owned()))?;
        let cluster: Cluster =
            serde_json::from_value(cluster).map_err(|error| Error::Unusable {
                cluster: name.to_owned(),
                problem: error.to_string(),
            })?;
        self.reach(&cluster).await
    }

    /// The member that a Cluster object describes.
    pub async fn reach(&self, cluster: &Cluster) -> Result<Member, Error> {
        let name = cluster.metadata.name.clone().unwrap_or_default();
        if !cluster.is_ready() {
            return Err(Error::NotReady(name));
        }
        let known = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known
                .get(&name)
                .filter(|known| known.spec == cluster.spec)
                .map(|known| known.objects.clone())
        };
        let objects = match known {
            Some(objects) => objects,
            None => self.connect(&name, &cluster.spec).await?,
        };
        Ok(Member { name, objects })
    }

    /// Forgets the credentials of a member, after it has refused them.
    pub fn forget(&self, name: &str) {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }

    async fn connect(&self, name: &str, spec: &ClusterSpec) -> Result<Objects, Error> {
        let missing = |missing| Error::NoEndpoint {
            cluster: name.to_owned(),
            missing,
        };
        let reference = spec
            .secret_ref
            .as_ref()
            .ok_or_else(|| missing("spec.secretRef"))?;
        let secret = self
            .control_plane
            .get(
                Resource::SECRET,
                Some(&reference.namespace),
                &reference.name,
            )
            .await?;
        let credentials = Credentials::parse(name, reference, secret.as_ref())?;
        let config = credentials.config(name, spec)?;
        let client = Client::try_from(config).map_err(|error| Error::Unusable {
            cluster: name.to_owned(),
            problem: error.to_string(),
        })?;
        let objects = Objects::new(client, format!("cluster {name}"));
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(
                name.to_owned(),
                Known {
                    spec: spec.clone(),
                    objects: objects.clone(),
                },
            );
        Ok(objects)
    }
}

/// What the Secret of a Cluster's `secretRef` holds.
struct Credentials {
    authorities: Option<Vec<Vec<u8>>>,
    token: SecretString,
}

impl Credentials {
    /// Source: Karmada's `pkg/apis/cluster/v1alpha1/types.go`, `SecretTokenKey` and
    /// `SecretCADataKey`.
    fn parse(
        cluster: &str,
        reference: &SecretReference,
        secret: Option<&Value>,
    ) -> Result<Self, Error> {
        let wrong = |problem| Error::Credentials {
            cluster: cluster.to_owned(),
            name: reference.name.clone(),
            namespace: reference.namespace.clone(),
            problem,
        };
        let secret = secret.ok_or_else(|| wrong("does not exist"))?;
        let value = |key: &str| {
            secret["data"][key]
                .as_str()
                .and_then(|encoded| BASE64_STANDARD.decode(encoded).ok())
        };
        let token = value("token")
            .and_then(|token| String::from_utf8(token).ok())
            .ok_or_else(|| wrong("has no token"))?;
        let authorities = value("caBundle")
            .filter(|bundle| !bundle.is_empty())
            .map(|bundle| {
                CertificateDer::pem_slice_iter(&bundle)
                    .map(|certificate| certificate.map(|certificate| certificate.to_vec()))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|_| wrong("has a caBundle that is not PEM"))
            })
            .transpose()?;
        Ok(Self {
            authorities,
            token: token.into(),
        })
    }

    fn config(self, cluster: &str, spec: &ClusterSpec) -> Result<Config, Error> {
        const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
        // A watch is silent for long; a request that is answered takes seconds at the most.
        const READ_TIMEOUT: Duration = Duration::from_secs(330);

        let unusable = |problem: String| Error::Unusable {
            cluster: cluster.to_owned(),
            problem,
        };
        let endpoint = spec
            .api_endpoint
            .as_deref()
            .filter(|endpoint| !endpoint.is_empty());
        let endpoint = endpoint.ok_or_else(|| Error::NoEndpoint {
            cluster: cluster.to_owned(),
            missing: "spec.apiEndpoint",
        })?;
        let uri = |uri: &str| {
            uri.parse::<http::Uri>()
                .map_err(|error| unusable(format!("{uri}: {error}")))
        };
        let mut config = Config::new(uri(endpoint)?);
        config.accept_invalid_certs = spec.insecure_skip_tls_verification;
        config.auth_info.token = Some(self.token);
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.proxy_url = spec
            .proxy_url
            .as_deref()
            .filter(|url| !url.is_empty())
            .map(uri)
            .transpose()?;
        config.read_timeout = Some(READ_TIMEOUT);
        config.reset_reader_on_write = true;
        config.root_cert = self.authorities;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reference() -> SecretReference {
        SecretReference {
            name: "member1".into(),
            namespace: "karmada-cluster".into(),
        }
    }

    #[test]
    fn wrong_credentials_are_named_without_their_values() {
        let cases = [
            (None, "does not exist"),
            (Some(json!({"data": {}})), "has no token"),
            (
                Some(
                    json!({"data": {"token": "c2VjcmV0", "caBundle": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCiUlJSUKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="}}),
                ),
                "has a caBundle that is not PEM",
            ),
        ];
        for (secret, problem) in cases {
            let error = Credentials::parse("member1", &reference(), secret.as_ref())
                .err()
                .unwrap()
                .to_string();
            assert!(error.contains(problem), "{error}");
            assert!(error.contains("karmada-cluster/member1"), "{error}");
            assert!(!error.contains("secret,"), "{error}");
        }
    }

    #[test]
    fn a_cluster_without_an_endpoint_is_named() {
        let secret = json!({"data": {"token": "c2VjcmV0"}});
        let credentials = Credentials::parse("member1", &reference(), Some(&secret)).unwrap();
        let error = credentials
            .config("member1", &ClusterSpec::default())
            .unwrap_err();
        assert!(error.to_string().contains("spec.apiEndpoint"), "{error}");
    }
}
