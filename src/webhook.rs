//! The webhook: what API servers ask before they keep an object.

mod certificate;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::Args;
use promoter_admission::{
    Routes,
    index::{self, Index},
    server::{CertificateSettings, Limits, Server, Settings},
};
use promoter_domain::opt_in::{OptIn, OptIns};
use promoter_installation::control_plane::HUB_USER;

use self::certificate::CertificateArguments;
use crate::{connect::connect, stopped::Stopped};

/// How often it is looked at whether the certificate has changed: soon enough for any rotation.
const INTERVAL: Duration = Duration::from_secs(5);

/// The flags of the webhook.
#[derive(Args)]
pub(crate) struct WebhookArguments {
    #[command(flatten)]
    certificate: CertificateArguments,

    /// Serve only clients with a certificate of these authorities (PEM).
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,

    /// Answer only for this member, and look only at its Works; may be repeated.
    #[arg(long, value_name = "NAME")]
    cluster: Vec<String>,

    /// The context of the kubeconfig.
    #[arg(long, requires = "kubeconfig")]
    context: Option<String>,

    /// Where it says over plain HTTP whether it lives and is ready (`/livez`, `/readyz`).
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8081")]
    health_listen: SocketAddr,

    /// The user as whom the hub reaches the control plane.
    #[arg(long, value_name = "NAME", default_value = HUB_USER)]
    hub_user: String,

    /// The kubeconfig of the Karmada control plane. Without it, the webhook does not know what is
    /// federated already, and leaves it to the hub to say so.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// Where it listens.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8443")]
    listen: SocketAddr,

    /// How many connections there are at a time; those idle the longest make way for new ones.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().connections)]
    max_connections: usize,

    /// Which clusters may opt in to which namespaces, as the hub is told; may be repeated. Names may
    /// end in *, for everything that begins so.
    #[arg(
        long,
        value_name = "CLUSTER=NAMESPACE[,NAMESPACE]",
        default_value = "*=*"
    )]
    opt_in: Vec<OptIn>,

    /// How long it goes on after it was asked to stop, in seconds, until nobody is sent to it.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    shutdown_delay: u64,
}

/// Serves until it is told to stop.
pub(crate) async fn run(arguments: WebhookArguments) -> anyhow::Result<()> {
    let WebhookArguments {
        certificate,
        client_ca,
        cluster,
        context,
        health_listen,
        hub_user,
        kubeconfig,
        listen,
        max_connections,
        opt_in,
        shutdown_delay,
    } = arguments;
    let stopped = Stopped::listen()?;
    let client = match kubeconfig {
        Some(path) => Some(connect(Some(path), context).await?),
        None => None,
    };
    let index = client.is_some().then(|| Arc::new(Index::new(&cluster)));
    let certificate = tokio::select! {
        certificate = certificate.certificate() => certificate?,
        () = stopped.wait() => return Ok(()),
    };
    let server = Server::bind(Settings {
        address: listen,
        certificates: CertificateSettings {
            certificate,
            client_authorities: client_ca,
            interval: INTERVAL,
        },
        health_address: health_listen,
        limits: Limits {
            connections: max_connections,
            shutdown_delay: Duration::from_secs(shutdown_delay),
            ..Limits::default()
        },
        routes: Routes {
            clusters: cluster,
            hub_user,
            index: index.clone(),
            opt_ins: OptIns::from(opt_in),
        },
    })
    .await?;
    tracing::info!(
        address = %server.address(),
        health_address = %server.health_address(),
        "the webhook is running"
    );
    let (Some(client), Some(index)) = (client, index) else {
        server.run(stopped.wait()).await;
        return Ok(());
    };
    tokio::select! {
        () = server.run(stopped.wait()) => Ok(()),
        Err(error) = index::feed(client, index) => {
            Err(error).context("it is no longer known what is federated")
        }
    }
}
