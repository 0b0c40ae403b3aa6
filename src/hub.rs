//! The hub: the engine and the annotation door, beside the Karmada control plane.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Args;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use promoter_domain::opt_in::{OptIn, OptIns};
use promoter_engine::{Context, Limits, controller};
use promoter_kubernetes::{events::Events, members::Members, objects::Objects, resource::Resource};
use tokio::signal::unix::{SignalKind, signal};

/// The flags of the hub.
#[derive(Args)]
pub(crate) struct HubArguments {
    /// How long a member may refuse Karmada's write, in seconds, before it is rolled back.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    commit_timeout: u64,

    /// How many Promotions are carried out at a time.
    #[arg(long, value_name = "COUNT", default_value_t = 32)]
    concurrency: u16,

    /// The context of the kubeconfig.
    #[arg(long)]
    context: Option<String>,

    /// The kubeconfig of the Karmada control plane. Without it, `KUBECONFIG` and the usual places.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,

    /// Which clusters may opt in to which namespaces by annotations; may be repeated. Names may end
    /// in *, for everything that begins so.
    #[arg(
        long,
        value_name = "CLUSTER=NAMESPACE[,NAMESPACE]",
        default_value = "*=*"
    )]
    opt_in: Vec<OptIn>,

    /// How long Karmada may take to render what is staged, in seconds, before it is given up.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    staging_timeout: u64,

    /// Promote every Deployment that is annotated `promote.karmada.io/enabled: "true"`, whoever
    /// annotated it. Without it, annotations are not looked at.
    #[arg(long)]
    trust_every_annotation: bool,
}

/// Runs until it is told to stop.
pub(crate) async fn run(arguments: HubArguments) -> anyhow::Result<()> {
    let HubArguments {
        commit_timeout,
        concurrency,
        context,
        kubeconfig,
        opt_in,
        staging_timeout,
        trust_every_annotation,
    } = arguments;
    let client = connect(kubeconfig, context).await?;
    let control_plane = Objects::new(client.clone(), "the control plane");
    control_plane
        .list(Resource::PROMOTION, Some("default"), None)
        .await
        .context(
            "the control plane does not serve Promotions; apply the CustomResourceDefinition of \
             charts/karmada-promoter/crds to it first",
        )?;
    let members = Arc::new(Members::new(control_plane.clone()));
    let opt_ins = Arc::new(OptIns::from(opt_in));
    let instance = std::env::var("HOSTNAME").unwrap_or_default();
    let engine = controller::run(
        Context {
            control_plane: control_plane.clone(),
            events: Events::new(client, &instance),
            instance: instance.clone(),
            limits: Limits {
                commit: Duration::from_secs(commit_timeout),
                staging: Duration::from_secs(staging_timeout),
            },
            members: Arc::clone(&members),
            opt_ins: Arc::clone(&opt_ins),
            started: Instant::now(),
        },
        concurrency,
        stopped()?,
    );
    tracing::info!(trust_every_annotation, concurrency, "the hub is running");
    if !trust_every_annotation {
        engine.await;
        return Ok(());
    }
    tokio::select! {
        () = engine => Ok(()),
        result = promoter_annotation::run(control_plane, members, opt_ins, &instance) => {
            result.context("the annotation door has closed")
        }
    }
}

async fn connect(kubeconfig: Option<PathBuf>, context: Option<String>) -> anyhow::Result<Client> {
    let options = KubeConfigOptions {
        context,
        ..KubeConfigOptions::default()
    };
    let config = match kubeconfig {
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(&path)
                .with_context(|| format!("cannot read the kubeconfig {}", path.display()))?;
            Config::from_custom_kubeconfig(kubeconfig, &options).await
        }
        None => Config::from_kubeconfig(&options).await,
    };
    let config = config.context("the kubeconfig names no usable control plane")?;
    Client::try_from(config).context("no client can be made of the kubeconfig")
}

/// Done when the process is asked to stop, by an interrupt or a termination.
fn stopped() -> anyhow::Result<impl Future<Output = ()> + Send + Sync + 'static> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("asked to stop; what is under way is brought to a safe place");
    })
}
