//! The webhook: what API servers ask before they keep an object.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;
use promoter_admission::{
    Routes,
    server::{CertificateFiles, Limits, Server, Settings},
};
use promoter_installation::control_plane::HUB_USER;

use crate::stopped::Stopped;

/// How often the certificate's files are looked at: soon enough for any rotation.
const INTERVAL: Duration = Duration::from_secs(5);

/// The flags of the webhook.
#[derive(Args)]
pub(crate) struct WebhookArguments {
    /// Serve only clients with a certificate of these authorities (PEM).
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,

    /// Where it says over plain HTTP whether it lives and is ready (`/livez`, `/readyz`).
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8081")]
    health_listen: SocketAddr,

    /// The user as whom the hub reaches the control plane.
    #[arg(long, value_name = "NAME", default_value = HUB_USER)]
    hub_user: String,

    /// Where it listens.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8443")]
    listen: SocketAddr,

    /// How many connections there are at a time; those idle the longest make way for new ones.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().connections)]
    max_connections: usize,

    /// How long it goes on after it was asked to stop, in seconds, until nobody is sent to it.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    shutdown_delay: u64,

    /// The certificate's chain (PEM), read again when it changes.
    #[arg(long, value_name = "FILE")]
    tls_cert_file: PathBuf,

    /// The certificate's key (PEM), read again when it changes.
    #[arg(long, value_name = "FILE")]
    tls_private_key_file: PathBuf,
}

/// Serves until it is told to stop.
pub(crate) async fn run(arguments: WebhookArguments) -> anyhow::Result<()> {
    let WebhookArguments {
        client_ca,
        health_listen,
        hub_user,
        listen,
        max_connections,
        shutdown_delay,
        tls_cert_file,
        tls_private_key_file,
    } = arguments;
    let stopped = Stopped::listen()?;
    let server = Server::bind(Settings {
        address: listen,
        certificates: CertificateFiles {
            certificate: tls_cert_file,
            client_authorities: client_ca,
            interval: INTERVAL,
            key: tls_private_key_file,
        },
        health_address: health_listen,
        limits: Limits {
            connections: max_connections,
            shutdown_delay: Duration::from_secs(shutdown_delay),
            ..Limits::default()
        },
        routes: Routes { hub_user },
    })
    .await?;
    tracing::info!(
        address = %server.address(),
        health_address = %server.health_address(),
        "the webhook is running"
    );
    server.run(stopped.wait()).await;
    Ok(())
}
