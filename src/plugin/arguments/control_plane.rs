//! The flags of `control-plane`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use promoter_installation::control_plane::{HUB_USER, WEBHOOK_USER};

use super::{Format, webhook};

/// What can be done with the control plane.
#[derive(Debug, Subcommand)]
pub(crate) enum ControlPlane {
    /// Install the type Promotion, rights, and the admission of Promotions; can be done again
    Enable(Enable),
    /// Take away what enable has installed, except for the Promotions and their type
    Disable,
}

/// The flags of `control-plane enable`.
#[derive(Args, Debug)]
pub(crate) struct Enable {
    /// The user as whom the hub reaches the control plane; for a ServiceAccount,
    /// system:serviceaccount:NAMESPACE:NAME
    #[arg(long, value_name = "NAME", default_value = HUB_USER)]
    pub(crate) hub_user: String,

    /// The user as whom the webhook reaches the control plane, to see what is federated
    #[arg(long, value_name = "NAME", default_value = WEBHOOK_USER)]
    pub(crate) webhook_user: String,

    /// Where the control plane reaches the webhook. Without one, whoever asks for something has to
    /// say in the Promotion who they are, as `kubectl promote` does
    #[arg(long, value_name = "URL", value_parser = webhook::url)]
    pub(crate) webhook_url: Option<String>,

    /// The certificate authorities of the webhook (PEM) [default: those that the control plane's
    /// machine trusts]
    #[arg(long, value_name = "FILE", requires = "webhook_url")]
    pub(crate) ca_file: Option<PathBuf>,

    /// Print everything that would be installed; write nothing
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
}
