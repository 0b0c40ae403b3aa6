//! A plain client of one server of the fleet: it reads and creates JSON, and asks for readiness.

use std::{path::Path, time::Duration};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value;

/// Why a request had no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A kubeconfig of the fleet cannot be used.
    #[error("cannot use the kubeconfig {path}")]
    Kubeconfig {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: kube::config::KubeconfigError,
    },
    /// An address is not one.
    #[error("{0} is no address")]
    Address(String),
    /// A request could not be formed.
    #[error("cannot form a request: {0}")]
    Request(#[from] http::Error),
    /// The server did not answer, or not with what was asked for.
    #[error("{0}")]
    Kube(Box<kube::Error>),
}

impl From<kube::Error> for ClientError {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}

impl ClientError {
    pub(crate) fn is_status(&self, code: u16) -> bool {
        match self {
            Self::Kube(error) => {
                matches!(error.as_ref(), kube::Error::Api(status) if status.code == code)
            }
            _ => false,
        }
    }
}

#[derive(Clone)]
pub(crate) struct Api {
    client: Client,
}

impl Api {
    /// The API server of a cluster, as the user of a kubeconfig.
    pub(crate) async fn of(kubeconfig: &Path) -> Result<Self, ClientError> {
        let error = |source| ClientError::Kubeconfig {
            path: kubeconfig.to_path_buf(),
            source,
        };
        let contents = Kubeconfig::read_from(kubeconfig).map_err(error)?;
        let config = Config::from_custom_kubeconfig(contents, &KubeConfigOptions::default())
            .await
            .map_err(error)?;
        Self::with(config)
    }

    /// Some other server, without credentials and without asking who it is: it is one of ours on
    /// the loopback interface, and only asked whether it is ready.
    pub(crate) fn at(address: &str) -> Result<Self, ClientError> {
        let url = address
            .parse()
            .map_err(|_| ClientError::Address(address.into()))?;
        let mut config = Config::new(url);
        config.accept_invalid_certs = true;
        Self::with(config)
    }

    fn with(mut config: Config) -> Result<Self, ClientError> {
        install_cryptography();
        config.connect_timeout = Some(Duration::from_secs(5));
        config.read_timeout = Some(Duration::from_secs(30));
        Ok(Self {
            client: Client::try_from(config)?,
        })
    }

    /// Whether the server answers `path` well.
    pub(crate) async fn is_well(&self, path: &str) -> Result<bool, ClientError> {
        let request = http::Request::get(path).body(Vec::new())?;
        self.client.request_text(request).await?;
        Ok(true)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, ClientError> {
        let request = http::Request::get(path).body(Vec::new())?;
        Ok(self.client.request(request).await?)
    }

    /// Creates an object in the collection at `path`. One that is there already is left alone.
    pub(crate) async fn create(&self, path: &str, object: &Value) -> Result<(), ClientError> {
        let request = http::Request::post(path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(object.to_string().into_bytes())?;
        match self.client.request::<Value>(request).await {
            Ok(_) => Ok(()),
            Err(error) => match ClientError::from(error) {
                error if error.is_status(409) => Ok(()),
                error => Err(error),
            },
        }
    }
}

/// rustls wants one cryptography per process. It may be chosen already, by a test or by the
/// program that uses this crate; that choice stands.
fn install_cryptography() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
