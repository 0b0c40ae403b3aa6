//! Where an API server reaches our webhook.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

/// Where an API server reaches the webhook, and whose certificates it takes from it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Webhook {
    /// Where it is.
    pub address: Address,
    /// The authorities that its certificate is checked against, in PEM. Without them, those that
    /// the API server's machine trusts.
    pub authorities: Option<String>,
}

/// A place that an API server can call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Address {
    /// A Service of the API server's own cluster.
    Service {
        /// Its name.
        name: String,
        /// Its namespace.
        namespace: String,
        /// Its port.
        port: u16,
    },
    /// A URL, without our path.
    Url(String),
}

impl Webhook {
    /// The `clientConfig` for one of the webhook's paths.
    pub(crate) fn client(&self, path: &str) -> Value {
        let mut client = match &self.address {
            Address::Service {
                name,
                namespace,
                port,
            } => json!({"service": {
                "name": name, "namespace": namespace, "path": path, "port": port,
            }}),
            Address::Url(url) => json!({"url": format!("{}{path}", url.trim_end_matches('/'))}),
        };
        if let Some(authorities) = &self.authorities {
            client["caBundle"] = json!(BASE64_STANDARD.encode(authorities));
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_called_by_its_url_or_its_service() {
        let mut webhook = Webhook {
            address: Address::Url("https://webhook.example:9443/".to_owned()),
            authorities: Some("PEM".to_owned()),
        };
        assert_eq!(
            webhook.client("/path"),
            json!({"url": "https://webhook.example:9443/path", "caBundle": "UEVN"})
        );
        webhook.address = Address::Service {
            name: "webhook".to_owned(),
            namespace: "promoter".to_owned(),
            port: 443,
        };
        webhook.authorities = None;
        assert_eq!(
            webhook.client("/path"),
            json!({"service": {
                "name": "webhook", "namespace": "promoter", "path": "/path", "port": 443,
            }})
        );
    }
}
