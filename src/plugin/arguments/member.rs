//! The flags of `member enable` and `member disable`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use promoter_installation::member::FailurePolicy;

use super::{
    Format, label,
    webhook::{self, Service},
};

pub(super) const HELP: &str = "\
Parts:
  guard      A ValidatingAdmissionPolicy. While Karmada takes a Deployment over, or lets go of it,
             the member's API server refuses every write of Karmada's that would undo an edit made
             there meanwhile. Nobody else's writes are refused.
  admission  Who opts in by promote.karmada.io/enabled is named, may promote, and is answered at
             once: the configurations of the webhook, and ValidatingAdmissionPolicies that hold
             while it is away. Nothing else waits for the webhook.

Examples:
  # Install both with your own rights in the member, through Karmada's cluster proxy; the webhook
  # runs beside the hub
  kubectl promote member enable member1 --webhook-url https://promoter.example:8443 --ca-file ca.crt

  # The webhook runs in the member
  kubectl promote member enable member1 --webhook-service karmada-promoter/webhook --ca-file ca.crt

  # Without a webhook: who opts in has to say in a stamp of their own who they are
  kubectl promote member enable member1

  # Print it, for whoever administers the member
  kubectl promote member enable member1 -o yaml

  # Install it by the member's own kubeconfig
  kubectl promote member enable member1 --member-kubeconfig member1.kubeconfig";

/// What is to be done with a member cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum Member {
    /// Install the promoter's part of a member cluster, or bring it up to date; what an earlier
    /// enable has installed and this one does not name is removed
    Enable(Box<EnableMember>),
    /// Remove all of it from a member cluster, the webhook first; nothing is left
    Disable {
        #[command(flatten)]
        member: MemberCluster,
    },
}

/// The flags of `member enable`.
#[derive(Args, Debug)]
pub(crate) struct EnableMember {
    #[command(flatten)]
    pub(crate) member: MemberCluster,

    /// The user as whom Karmada writes to the member [default: asked of the member with the
    /// cluster's credentials, where you may read them]
    #[arg(long, value_name = "USER")]
    pub(crate) karmada_user: Option<String>,

    /// What is installed: guard, admission
    #[arg(
        long,
        value_name = "PARTS",
        value_delimiter = ',',
        default_value = "guard,admission",
        hide_possible_values = true
    )]
    pub(crate) parts: Vec<Part>,

    #[command(flatten)]
    pub(crate) webhook: MemberWebhook,

    /// Print what would be installed; write nothing
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
}

/// How the member's API server calls the webhook.
#[derive(Args, Debug)]
pub(crate) struct MemberWebhook {
    /// Where the member reaches the webhook that runs beside the hub
    #[arg(long, value_name = "URL", value_parser = webhook::url, group = "webhook")]
    pub(crate) webhook_url: Option<String>,

    /// The Service of the webhook that runs in the member [default port: 443]
    #[arg(long, value_name = "NAMESPACE/NAME[:PORT]", group = "webhook")]
    pub(crate) webhook_service: Option<Service>,

    /// The certificate authorities of the webhook (PEM) [default: those that the member's machine
    /// trusts]
    #[arg(long, value_name = "FILE", requires = "webhook")]
    pub(crate) ca_file: Option<PathBuf>,

    /// What becomes of an opt-in that the webhook does not stamp
    #[arg(
        long,
        value_name = "POLICY",
        ignore_case = true,
        default_value = "Ignore",
        requires = "webhook"
    )]
    pub(crate) mutating_failure_policy: WebhookFailure,

    /// What becomes of an opt-in that the webhook gives no verdict on
    #[arg(
        long,
        value_name = "POLICY",
        ignore_case = true,
        default_value = "Fail",
        requires = "webhook"
    )]
    pub(crate) validating_failure_policy: WebhookFailure,
}

/// A word of `--parts`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Part {
    Admission,
    Guard,
}

/// A word of the webhook's failure policies.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum WebhookFailure {
    /// It is refused
    #[value(name = "Fail")]
    Fail,
    /// It is kept all the same
    #[value(name = "Ignore")]
    Ignore,
}

/// A member cluster, and the way to it.
#[derive(Args, Debug)]
pub(crate) struct MemberCluster {
    /// The member cluster
    #[arg(value_parser = label)]
    pub(crate) cluster: String,

    /// The member's own kubeconfig, instead of Karmada's cluster proxy
    #[arg(long, value_name = "FILE")]
    pub(crate) member_kubeconfig: Option<PathBuf>,

    /// The context of the member's own kubeconfig
    #[arg(long, value_name = "NAME", requires = "member_kubeconfig")]
    pub(crate) member_context: Option<String>,
}

impl From<WebhookFailure> for FailurePolicy {
    fn from(word: WebhookFailure) -> Self {
        match word {
            WebhookFailure::Fail => Self::Fail,
            WebhookFailure::Ignore => Self::Ignore,
        }
    }
}
