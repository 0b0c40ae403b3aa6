//! Which clusters may opt in to which namespaces: a setting of whoever runs the hub.
//!
//! The users of a member are its administrator's; that the control plane takes their word for a
//! namespace, which may be somebody else's there, has to be allowed.

use std::str::FromStr;

/// Everything that is allowed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OptIns(Vec<OptIn>);

/// The namespaces that some clusters may opt in to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OptIn {
    cluster: Pattern,
    namespaces: Vec<Pattern>,
}

/// A name, or the beginning of names.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Pattern {
    Beginning(String),
    Name(String),
}

/// A setting cannot be understood.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// Something is no name.
    #[error(
        "{0:?} is no name: names have lower-case letters, digits, dots and hyphens, and may end in \
         *, for everything that begins so"
    )]
    Name(String),
    /// It has not the form of a setting.
    #[error(
        "{0:?} does not say which namespaces a cluster may opt in to: write \
         CLUSTER=NAMESPACE,NAMESPACE, as in member1=shop,team-*"
    )]
    Shape(String),
}

impl OptIns {
    /// Whether a cluster may opt in to a namespace.
    #[must_use]
    pub fn allow(&self, cluster: &str, namespace: &str) -> bool {
        self.0.iter().any(|opt_in| {
            opt_in.cluster.matches(cluster)
                && opt_in
                    .namespaces
                    .iter()
                    .any(|pattern| pattern.matches(namespace))
        })
    }
}

impl From<Vec<OptIn>> for OptIns {
    fn from(all: Vec<OptIn>) -> Self {
        Self(all)
    }
}

impl FromStr for OptIn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (cluster, namespaces) = text
            .split_once('=')
            .ok_or_else(|| Error::Shape(text.to_owned()))?;
        Ok(Self {
            cluster: cluster.parse()?,
            namespaces: namespaces
                .split(',')
                .map(str::parse)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, begins) = match text.strip_suffix('*') {
            Some(beginning) => (beginning, true),
            None => (text, false),
        };
        let known = |character: char| {
            character.is_ascii_lowercase()
                || character.is_ascii_digit()
                || matches!(character, '-' | '.')
        };
        if text.is_empty() || !name.chars().all(known) {
            return Err(Error::Name(text.to_owned()));
        }
        Ok(if begins {
            Self::Beginning(name.to_owned())
        } else {
            Self::Name(name.to_owned())
        })
    }
}

impl Pattern {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Beginning(beginning) => name.starts_with(beginning),
            Self::Name(only) => name == only,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(settings: &[&str]) -> OptIns {
        let all: Result<Vec<OptIn>, _> = settings.iter().map(|text| text.parse()).collect();
        all.unwrap().into()
    }

    #[test]
    fn a_cluster_may_opt_in_to_what_any_setting_allows() {
        let opt_ins = parsed(&["member1=shop,team-*", "edge-*=kiosk", "member2=*"]);
        for (cluster, namespace, allowed) in [
            ("member1", "shop", true),
            ("member1", "shop2", false),
            ("member1", "team-a", true),
            ("member1", "team", false),
            ("member1", "kiosk", false),
            ("member10", "shop", false),
            ("edge-7", "kiosk", true),
            ("edge-7", "shop", false),
            ("member2", "shop", true),
            ("member3", "shop", false),
        ] {
            assert_eq!(
                opt_ins.allow(cluster, namespace),
                allowed,
                "{cluster} {namespace}"
            );
        }
        assert!(parsed(&["*=*"]).allow("any", "thing"));
        assert!(!parsed(&[]).allow("any", "thing"));
    }

    #[test]
    fn what_is_no_setting_is_named() {
        for (text, named) in [
            ("member1", "\"member1\" does not say"),
            ("", "\"\" does not say"),
            ("=shop", "\"\" is no name"),
            ("member1=", "\"\" is no name"),
            ("member1=shop,", "\"\" is no name"),
            ("member1=*shop", "\"*shop\" is no name"),
            ("member1=a*b", "\"a*b\" is no name"),
            ("member1=shop, pay", "\" pay\" is no name"),
            ("member1=shop=pay", "\"shop=pay\" is no name"),
            ("Member1=shop", "\"Member1\" is no name"),
            ("member1=**", "\"**\" is no name"),
        ] {
            let error = text.parse::<OptIn>().unwrap_err().to_string();
            assert!(error.starts_with(named), "{error}");
        }
    }
}
