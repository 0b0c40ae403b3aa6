//! What a request to an API server is about.

use std::fmt;

use hyper::{Method, Uri};

/// A request, in the API server's own words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Asked {
    pub(crate) cluster: String,
    pub(crate) dry_run: bool,
    /// The resource, with the subresource after a slash.
    pub(crate) resource: String,
    pub(crate) verb: &'static str,
    /// A watch that goes on from where another has ended.
    pub(crate) resumes: bool,
}

/// A sort of API write.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Write {
    pub(crate) cluster: String,
    pub(crate) resource: String,
    pub(crate) verb: &'static str,
}

impl Asked {
    pub(crate) fn new(cluster: &str, method: &Method, uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        let pairs: Vec<_> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .collect();
        let value = |key| {
            pairs
                .iter()
                .find(|(name, _)| *name == key)
                .map(|(_, it)| *it)
        };
        let (resource, named) = resource(uri.path());
        let watches = matches!(value("watch"), Some("true" | "1"));
        let verb = match (method.as_str(), named) {
            ("GET", _) if watches => "watch",
            ("GET", true) => "get",
            ("GET", false) => "list",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", true) => "delete",
            ("DELETE", false) => "deletecollection",
            _ => "other",
        };
        Self {
            cluster: cluster.to_owned(),
            dry_run: value("dryRun").is_some_and(|value| !value.is_empty()),
            resource,
            resumes: watches
                && value("sendInitialEvents") != Some("true")
                && value("resourceVersion").is_some_and(|version| !matches!(version, "" | "0")),
            verb,
        }
    }

    pub(crate) fn is_watch(&self) -> bool {
        self.verb == "watch"
    }

    /// Whether it is the election's, not the promotions'.
    pub(crate) fn is_lease(&self) -> bool {
        self.resource == "leases"
    }

    /// What is written, if anything is kept of the request. Reviews of who may do what are created
    /// and not kept.
    pub(crate) fn write(&self) -> Option<Write> {
        let writes = matches!(
            self.verb,
            "create" | "update" | "patch" | "delete" | "deletecollection"
        );
        let keeps = !self.dry_run && !self.is_lease() && !self.resource.ends_with("reviews");
        (writes && keeps).then(|| Write {
            cluster: self.cluster.clone(),
            resource: self.resource.clone(),
            verb: self.verb,
        })
    }
}

impl fmt::Display for Write {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cluster,
            resource,
            verb,
        } = self;
        write!(formatter, "{verb} {resource} in {cluster}")
    }
}

/// The resource of a path, with the subresource, and whether one object of it is named.
fn resource(path: &str) -> (String, bool) {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let skipped = match parts.next() {
        Some("api") => 1,
        Some("apis") => 2,
        _ => return (path.to_owned(), false),
    };
    let parts: Vec<_> = parts.skip(skipped).collect();
    match parts[..] {
        // A namespace and its subresources are objects of their own.
        ["namespaces", _, "status" | "finalize"] | ["namespaces"] | ["namespaces", _] => {
            let named = parts.len() > 1;
            let subresource = parts.get(2).map(|it| format!("/{it}")).unwrap_or_default();
            (format!("namespaces{subresource}"), named)
        }
        ["namespaces", _, ref parts @ ..] | ref parts => match parts {
            [resource] => ((*resource).to_owned(), false),
            [resource, _] => ((*resource).to_owned(), true),
            [resource, _, subresource, ..] => (format!("{resource}/{subresource}"), true),
            [] => (path.to_owned(), false),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &Method, uri: &str) -> (String, bool) {
        let asked = Asked::new("karmada", method, &uri.parse().expect("a URI"));
        let words = format!("{} {}", asked.verb, asked.resource);
        (words, asked.write().is_some())
    }

    #[test]
    fn requests_are_told_apart() {
        let promotions = "/apis/promote.karmada.io/v1alpha1/namespaces/shop/promotions";
        let watch = "/apis/promote.karmada.io/v1alpha1/promotions?watch=true&resourceVersion=7";
        let pods = "/api/v1/namespaces/shop/pods/web";
        for (method, uri, words, writes) in [
            (Method::GET, watch, "watch promotions", false),
            (Method::GET, promotions, "list promotions", false),
            (Method::POST, promotions, "create promotions", true),
            (Method::GET, pods, "get pods", false),
            (Method::DELETE, pods, "delete pods", true),
            (
                Method::POST,
                "/api/v1/namespaces?fieldManager=x",
                "create namespaces",
                true,
            ),
            (
                Method::GET,
                "/api/v1/namespaces/shop",
                "get namespaces",
                false,
            ),
            (Method::GET, "/version", "list /version", false),
        ] {
            assert_eq!(asked(&method, uri), (words.to_owned(), writes), "{uri}");
        }
        let status = format!("{promotions}/web/status?force=true");
        let patched = asked(&Method::PATCH, &status);
        assert_eq!(patched, ("patch promotions/status".to_owned(), true));
        let rehearsed = asked(&Method::PUT, &format!("{pods}?dryRun=All"));
        assert_eq!(rehearsed, ("update pods".to_owned(), false));
    }
}
