//! Where the webhook's certificate is from, by flags.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::Context as _;
use clap::Args;
use kube::{Client, Config};
use promoter_admission::server::Certificate;
use promoter_certificate::{Keeper, Settings};
use promoter_kubernetes::objects::Objects;

/// Where pods find what their ServiceAccount is known by.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The flags about the webhook's certificate.
#[derive(Args)]
pub(super) struct CertificateArguments {
    /// The Secret that the certificate which it makes by itself is kept in.
    #[arg(
        long,
        value_name = "NAMESPACE/NAME",
        requires = "self_managed_certificate"
    )]
    certificate_secret: Option<SecretName>,

    /// A name that API servers reach it by, for the certificate that it makes by itself; can be
    /// given several times.
    #[arg(
        long = "dns-name",
        value_name = "NAME",
        requires = "self_managed_certificate"
    )]
    dns_names: Vec<String>,

    /// Make a certificate, renew it in time, and have the webhook configurations of the cluster
    /// that it runs in believe it. All replicas share it by a Secret there.
    #[arg(
        long,
        conflicts_with_all = ["tls_cert_file", "tls_private_key_file"],
        requires_all = ["certificate_secret", "dns_names"],
    )]
    self_managed_certificate: bool,

    /// The folder with the token and the authority (`token`, `ca.crt`) by which it reaches the
    /// cluster that it runs in.
    #[arg(long, value_name = "FOLDER", default_value = SERVICE_ACCOUNT)]
    service_account: PathBuf,

    /// The certificate's chain (PEM), read again when it changes.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "self_managed_certificate"
    )]
    tls_cert_file: Option<PathBuf>,

    /// The certificate's key (PEM), read again when it changes.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "self_managed_certificate"
    )]
    tls_private_key_file: Option<PathBuf>,

    /// The name of the mutating and the validating webhook configuration whose `caBundle` it keeps
    /// current.
    #[arg(long, value_name = "NAME", requires = "self_managed_certificate")]
    webhook_configuration: Option<String>,
}

/// A Secret, by its namespace and its name.
#[derive(Clone)]
struct SecretName {
    name: String,
    namespace: String,
}

impl CertificateArguments {
    /// What the server is to show. One that is kept by this program is there when this returns.
    pub(super) async fn certificate(self) -> anyhow::Result<Certificate> {
        if let (Some(certificate), Some(key)) = (self.tls_cert_file, self.tls_private_key_file) {
            return Ok(Certificate::Files { certificate, key });
        }
        let secret = self.certificate_secret.context("no --certificate-secret")?;
        let cluster = own_cluster(&self.service_account)?;
        let keeper = Keeper::new(
            Objects::new(cluster, "the cluster that the webhook runs in"),
            Settings {
                configuration: self.webhook_configuration,
                names: self.dns_names,
                secret: secret.name,
                secret_namespace: secret.namespace,
            },
        );
        Ok(Certificate::Kept(keeper.start().await?))
    }
}

impl FromStr for SecretName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((namespace, name))
                if !namespace.is_empty() && !name.is_empty() && !name.contains('/') =>
            {
                Ok(Self {
                    name: name.to_owned(),
                    namespace: namespace.to_owned(),
                })
            }
            _ => Err("a Secret is named NAMESPACE/NAME"),
        }
    }
}

/// The cluster that this process is a pod of. The token and the authority are read again when they
/// change.
fn own_cluster(service_account: &Path) -> anyhow::Result<Client> {
    let variable = |name| {
        std::env::var(name).with_context(|| {
            format!("there is no {name}: --self-managed-certificate is for the pod of a cluster")
        })
    };
    let (host, port) = (
        variable("KUBERNETES_SERVICE_HOST")?,
        variable("KUBERNETES_SERVICE_PORT")?,
    );
    let url = if host.contains(':') {
        format!("https://[{host}]:{port}")
    } else {
        format!("https://{host}:{port}")
    };
    let mut config = Config::new(url.parse().with_context(|| format!("{url} is no URL"))?);
    let (authority, token) = (
        service_account.join("ca.crt"),
        service_account.join("token"),
    );
    for file in [&authority, &token] {
        anyhow::ensure!(
            file.is_file(),
            "there is no {}: mount a token of the pod's ServiceAccount, with the cluster's \
             authority, and name its folder by --service-account",
            file.display()
        );
    }
    config.auth_info.token_file = Some(token.to_string_lossy().into_owned());
    // Those of the file, read again and again, and no others.
    config.root_cert = Some(Vec::new());
    config.root_cert_file = Some(authority);
    Client::try_from(config).context("no client can be made for the cluster it runs in")
}
