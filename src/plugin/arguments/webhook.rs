//! Where a webhook is, as flags say it.

use std::str::FromStr;

use promoter_installation::webhook::Address;

use super::label;

/// The port of a Service that names none.
const PORT: u16 = 443;

/// A Service: `NAMESPACE/NAME` or `NAMESPACE/NAME:PORT`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Service(pub(crate) Address);

impl FromStr for Service {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (namespace, rest) = text
            .split_once('/')
            .ok_or("a Service is named as NAMESPACE/NAME or NAMESPACE/NAME:PORT")?;
        let (name, port) = match rest.split_once(':') {
            Some((name, port)) => {
                let port = port.parse().ok().filter(|&port| port > 0);
                (name, port.ok_or("a port is a number from 1 to 65535")?)
            }
            None => (rest, PORT),
        };
        Ok(Self(Address::Service {
            name: label(name)?,
            namespace: label(namespace)?,
            port,
        }))
    }
}

/// What an API server accepts for a webhook: HTTPS, and nothing behind the path.
pub(super) fn url(text: &str) -> Result<String, String> {
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
        assert!(url("https://promoter.example:9443").is_ok());
        assert!(url("https://127.0.0.1:9443/behind/a/path").is_ok());
        for wrong in [
            "http://promoter.example",
            "promoter.example:9443",
            "https://a@promoter.example",
            "https://promoter.example/?a=b",
            "https://promoter.example/#a",
            "",
        ] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_service_is_named_with_its_namespace() {
        let service = |port| {
            Ok(Service(Address::Service {
                name: "webhook".to_owned(),
                namespace: "promoter".to_owned(),
                port,
            }))
        };
        assert_eq!("promoter/webhook".parse(), service(443));
        assert_eq!("promoter/webhook:9443".parse(), service(9443));
        for wrong in [
            "webhook",
            "a/b:0",
            "a/b:c",
            "a/b:65536",
            "A/b",
            "a/",
            "/b",
            "a/b/c",
        ] {
            assert!(wrong.parse::<Service>().is_err(), "{wrong}");
        }
    }
}
