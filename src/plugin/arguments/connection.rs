//! The flags by which the control plane is reached.

use std::path::PathBuf;

use clap::Args;

use super::label;
use crate::duration::{self, Limit};

/// kubectl's own flags. `--cluster` is taken.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection to the Karmada control plane")]
pub(crate) struct Connection {
    /// The kubeconfig file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// The kubeconfig's context
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,

    /// The kubeconfig's user
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) user: Option<String>,

    /// The workloads' namespace [default: the context's]
    #[arg(short, long, global = true, value_name = "NAME", value_parser = label)]
    pub(crate) namespace: Option<String>,

    /// The URL of the control plane's API server
    #[arg(short, long, global = true, value_name = "URL")]
    pub(crate) server: Option<String>,

    /// A bearer token, instead of the kubeconfig's credentials
    #[arg(long, global = true, value_name = "TOKEN")]
    pub(crate) token: Option<String>,

    /// The user to act as
    #[arg(long = "as", global = true, value_name = "USER")]
    pub(crate) as_user: Option<String>,

    /// A group to act as; may be repeated
    #[arg(long, global = true, value_name = "GROUP", requires = "as_user")]
    pub(crate) as_group: Vec<String>,

    /// The UID to act as
    #[arg(long, global = true, value_name = "UID")]
    pub(crate) as_uid: Option<String>,

    /// The certificate authority's file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) certificate_authority: Option<PathBuf>,

    /// The client certificate's file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) client_certificate: Option<PathBuf>,

    /// The client key's file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) client_key: Option<PathBuf>,

    /// The name to check the server's certificate against
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) tls_server_name: Option<String>,

    /// Do not check the server's certificate
    #[arg(
        long,
        global = true,
        value_name = "BOOLEAN",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        action = clap::ArgAction::Set,
    )]
    pub(crate) insecure_skip_tls_verify: Option<bool>,

    /// How long to wait for the answer to one request; 0 waits for ever
    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        default_value = "0",
        value_parser = duration::limit
    )]
    pub(crate) request_timeout: Limit,
}
