//! The flags of `member enable` and `member disable`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Format, label};

pub(super) const HELP: &str = "\
The guard is a ValidatingAdmissionPolicy. While Karmada takes a Deployment over, or lets go of it,
the member's API server refuses every write of Karmada's that would undo an edit made there
meanwhile. Nobody else's writes are ever refused.

Examples:
  # Install it with your own rights in the member, through Karmada's cluster proxy
  kubectl promote member enable member1

  # Print it, for whoever administers the member
  kubectl promote member enable member1 -o yaml

  # Install it by the member's own kubeconfig
  kubectl promote member enable member1 --member-kubeconfig member1.kubeconfig";

/// What is to be done with a member cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum Member {
    /// Install the guard in a member cluster, or bring it up to date
    Enable {
        #[command(flatten)]
        member: MemberCluster,

        /// The user as whom Karmada writes to the member [default: asked of the member with the
        /// cluster's credentials, where you may read them]
        #[arg(long, value_name = "USER")]
        karmada_user: Option<String>,

        /// Print what would be installed; write nothing
        #[arg(short, long, value_name = "FORMAT")]
        output: Option<Format>,
    },
    /// Remove the guard from a member cluster; nothing of it is left
    Disable {
        #[command(flatten)]
        member: MemberCluster,
    },
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
