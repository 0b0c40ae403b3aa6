//! Workloads as kubectl's users name them.

use promoter_domain::object::ObjectKey;

/// A workload cannot be told from what was typed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Error {
    /// `deployment/`.
    #[error("{0:?} has no name; a workload is named as deployment/NAME or deployment NAME")]
    NoName(String),
    /// `deployment/web api`.
    #[error("{0:?} has no type beside it; name either all workloads as TYPE/NAME or none")]
    Mixed(String),
    /// Not a name that Kubernetes knows.
    #[error(
        "{0:?} is no name: names consist of lower-case letters, digits, '-' and '.', and begin and \
         end with a letter or digit"
    )]
    NotAName(String),
    /// `statefulset/web`.
    #[error("{0:?} cannot be promoted: Deployments can (deployment/NAME, deploy/NAME)")]
    UnsupportedKind(String),
}

/// The workloads of a command line: `TYPE/NAME …` or `TYPE NAME …`, each once.
pub(crate) fn parse(words: &[String]) -> Result<Vec<ObjectKey>, Error> {
    let mut targets: Vec<ObjectKey> = Vec::new();
    for name in names(words)? {
        if !is_name(name) {
            return Err(Error::NotAName(name.to_owned()));
        }
        let target = ObjectKey::deployment(name);
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    Ok(targets)
}

/// Whether it is the name of a namespace or of a cluster.
///
/// Names become parts of URLs; none may hold a slash.
pub(crate) fn is_label(name: &str) -> bool {
    name.len() <= 63 && !name.contains('.') && is_name(name)
}

fn names(words: &[String]) -> Result<Vec<&str>, Error> {
    match words {
        [kind, names @ ..] if !kind.contains('/') => {
            check_kind(kind)?;
            if names.is_empty() {
                return Err(Error::NoName(kind.clone()));
            }
            match names.iter().find(|name| name.contains('/')) {
                Some(name) => Err(Error::Mixed(name.clone())),
                None => Ok(names.iter().map(String::as_str).collect()),
            }
        }
        words => words.iter().map(|word| name(word)).collect(),
    }
}

fn name(word: &str) -> Result<&str, Error> {
    match word.split_once('/') {
        None => Err(Error::Mixed(word.to_owned())),
        Some((kind, name)) => {
            check_kind(kind)?;
            if name.is_empty() {
                return Err(Error::NoName(word.to_owned()));
            }
            Ok(name)
        }
    }
}

/// kubectl's words for a Deployment: short, singular and plural, with group and version or not.
fn check_kind(word: &str) -> Result<(), Error> {
    let lower = word.to_ascii_lowercase();
    let (kind, rest) = lower.split_once('.').unwrap_or((&lower, ""));
    let known = matches!(kind, "deploy" | "deployment" | "deployments")
        && matches!(rest, "" | "apps" | "v1.apps");
    if known {
        Ok(())
    } else {
        Err(Error::UnsupportedKind(word.to_owned()))
    }
}

/// Whether it is an object's name: an RFC 1123 subdomain.
fn is_name(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            let bytes = label.as_bytes();
            !label.starts_with('-')
                && !label.ends_with('-')
                && !bytes.is_empty()
                && bytes
                    .iter()
                    .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Vec<String>, Error> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Ok(parse(&words)?.into_iter().map(|key| key.name).collect())
    }

    #[test]
    fn workloads_are_named_as_kubectl_does() {
        for line in [
            "deployment/web",
            "deployment web",
            "deploy/web",
            "Deployment/web",
            "deployments.apps/web",
            "deployment.v1.apps web",
        ] {
            assert_eq!(parsed(line).unwrap(), ["web"], "{line}");
        }
        assert_eq!(parsed("deploy/a deployment/b").unwrap(), ["a", "b"]);
        assert_eq!(parsed("deploy a b a").unwrap(), ["a", "b"]);
        assert_eq!(parsed("deploy status").unwrap(), ["status"]);
    }

    #[test]
    fn what_is_no_workload_is_told() {
        let kind = |kind: &str| Err(Error::UnsupportedKind(kind.into()));
        assert_eq!(parsed("statefulset/web"), kind("statefulset"));
        assert_eq!(parsed("web"), kind("web"));
        assert_eq!(
            parsed("deployments.extensions/web"),
            kind("deployments.extensions")
        );
        assert_eq!(
            parsed("deployment"),
            Err(Error::NoName("deployment".into()))
        );
        assert_eq!(
            parsed("deployment/"),
            Err(Error::NoName("deployment/".into()))
        );
        assert_eq!(parsed("deploy/a b"), Err(Error::Mixed("b".into())));
        assert_eq!(
            parsed("deploy a deploy/b"),
            Err(Error::Mixed("deploy/b".into()))
        );
        for name in ["a/b", "..", "A", "-a", "a_b"] {
            assert_eq!(
                parsed(&format!("deploy/{name}")),
                Err(Error::NotAName(name.into()))
            );
        }
    }

    #[test]
    fn labels_have_no_dots() {
        assert!(is_label("member-1"));
        assert!(!is_label("member.1"));
        assert!(!is_label("../kube-system"));
        assert!(!is_label(&"a".repeat(64)));
    }
}
