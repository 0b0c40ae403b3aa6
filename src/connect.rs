//! The way to the control plane.

use std::path::PathBuf;

use anyhow::Context as _;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// A client of the control plane that a kubeconfig names. Without one, `KUBECONFIG` and the usual
/// places are looked at.
pub(crate) async fn connect(
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
) -> anyhow::Result<Client> {
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
