//! The flags of `control-plane`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use promoter_installation::control_plane::HUB_USER;

use super::Format;

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

    /// Where the control plane reaches the webhook. Without one, whoever asks for something has to
    /// say in the Promotion who they are, as `kubectl promote` does
    #[arg(long, value_name = "URL", value_parser = webhook_url)]
    pub(crate) webhook_url: Option<String>,

    /// The certificate authorities of the webhook (PEM) [default: those that the control plane's
    /// machine trusts]
    #[arg(long, value_name = "FILE", requires = "webhook_url")]
    pub(crate) ca_file: Option<PathBuf>,

    /// Print everything that would be installed; write nothing
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
}

/// What an API server accepts for a webhook: HTTPS, and nothing behind the path.
fn webhook_url(text: &str) -> Result<String, String> {
    let parsed: Result<http::Uri, _> = text.parse();
    match parsed {
        Ok(url)
            if url.scheme() == Some(&http::uri::Scheme::HTTPS)
                && url.query().is_none()
                && !text.contains(['#', '@']) =>
        {
            Ok(text.to_owned())
        }
        _ => Err("a webhook's URL begins with https://, and has no user, query or fragment".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_are_reached_by_https() {
        assert!(webhook_url("https://promoter.example:9443").is_ok());
        assert!(webhook_url("https://127.0.0.1:9443/behind/a/path").is_ok());
        for url in [
            "http://promoter.example",
            "promoter.example:9443",
            "https://a@promoter.example",
            "https://promoter.example/?a=b",
            "https://promoter.example/#a",
            "",
        ] {
            assert!(webhook_url(url).is_err(), "{url}");
        }
    }
}
