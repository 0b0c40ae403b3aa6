//! What keeps a command from being done, as it is told and as it ends the process.

use std::fmt::Write as _;

use promoter_api::{
    promotion::{Difference, Promotion},
    reason::Reason,
};
use promoter_domain::{plan::Refusal, rehearsal};
use promoter_kubernetes::{objects, workload};

use crate::{exit::Exit, table};

/// One workload's command was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something could not be asked, or was answered with an error.
    Error(anyhow::Error),
    /// Nothing was changed.
    Refused(Box<Why>),
    /// Karmada's write was undone.
    RolledBack(Box<Why>),
    /// It goes on.
    TimedOut(String),
}

/// Why a promotion was refused or failed.
#[derive(Debug, Default)]
pub(crate) struct Why {
    /// What Karmada's write would change, by cluster where that is known.
    pub(crate) differences: Vec<(Option<String>, Difference)>,
    /// What happened, to which object, and what to do.
    pub(crate) message: String,
    /// The stable word.
    pub(crate) reason: Option<Reason>,
    /// How many differences there are besides.
    pub(crate) remaining: usize,
}

impl Failure {
    /// A refusal that needs no details.
    pub(crate) fn refused(reason: Reason, message: impl Into<String>) -> Self {
        Self::Refused(Box::new(Why {
            message: message.into(),
            reason: Some(reason),
            ..Why::default()
        }))
    }

    /// How the process ends.
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::Error(_) => Exit::Error,
            Self::Refused(_) => Exit::Refused,
            Self::RolledBack(_) => Exit::Failed,
            Self::TimedOut(_) => Exit::TimedOut,
        }
    }

    /// What a person reads: what happened to which workload, and the differences below it.
    pub(crate) fn text(&self, workload: &str) -> String {
        match self {
            Self::Error(error) => format!("error: {workload}: {}\n", chain(error)),
            Self::Refused(why) => why.text(workload, "refused"),
            Self::RolledBack(why) => why.text(workload, "failed and rolled back"),
            Self::TimedOut(message) => format!("timed out: {workload}: {message}\n"),
        }
    }
}

impl Why {
    /// What a Promotion's status says.
    pub(crate) fn of(promotion: &Promotion) -> Self {
        let Some(status) = &promotion.status else {
            return Self::default();
        };
        let differences = status.clusters.iter().flat_map(|cluster| {
            cluster
                .differences
                .iter()
                .map(|difference| (Some(cluster.name.clone()), difference.clone()))
        });
        Self {
            differences: differences.collect(),
            message: status.message.clone().unwrap_or_default(),
            reason: status.reason,
            remaining: status
                .clusters
                .iter()
                .filter_map(|cluster| usize::try_from(cluster.remaining_difference_count?).ok())
                .sum(),
        }
    }

    fn text(&self, workload: &str, what: &str) -> String {
        let reason = self
            .reason
            .map(|reason| format!(" ({reason})"))
            .unwrap_or_default();
        let mut text = format!("{what}: {workload}{reason}: {}\n", self.message);
        text.push_str(&differences(&self.differences, 2));
        if self.remaining > 0 {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  … and {} more", self.remaining);
        }
        text
    }
}

/// Differences below one another: object, path, and what is and would be.
pub(crate) fn differences(found: &[(Option<String>, Difference)], indent: usize) -> String {
    let rows: Vec<_> = found
        .iter()
        .map(|(cluster, difference)| {
            let object = match cluster {
                Some(cluster) => format!("{cluster}: {}", difference.object),
                None => difference.object.clone(),
            };
            let change = match (&difference.live, &difference.rendered) {
                // Of Secrets no value is told.
                (None, None) => "differs".to_owned(),
                (live, rendered) => format!(
                    "{} → {}",
                    live.as_deref().unwrap_or("(none)"),
                    rendered.as_deref().unwrap_or("(none)")
                ),
            };
            table::row([&object, &difference.path, &change])
        })
        .collect();
    table::table(&rows, indent)
}

/// An error with its causes, each told once.
///
/// Our own errors tell what the API server said already, so that its `Status` below them adds
/// nothing; what lies below a connection that failed does.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let told = match cause.downcast_ref::<kube::Error>() {
            Some(kube::Error::Api(status)) => status.message.clone(),
            _ => cause.to_string(),
        };
        if text.is_empty() {
            text = told;
        } else if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        if matches!(
            cause.downcast_ref::<kube::Error>(),
            Some(kube::Error::Api(_))
        ) {
            break;
        }
    }
    text
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Error(error)
    }
}

impl From<objects::Error> for Failure {
    fn from(error: objects::Error) -> Self {
        Self::Error(error.into())
    }
}

impl From<workload::Error> for Failure {
    fn from(error: workload::Error) -> Self {
        Self::Error(error.into())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let (differences, remaining) = rehearsal::most_telling(refusal.differences);
        let differences = differences.into_iter();
        Self::Refused(Box::new(Why {
            differences: differences.map(|difference| (None, difference)).collect(),
            message: refusal.message,
            reason: Some(refusal.reason),
            remaining,
        }))
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_refusal_tells_its_word_and_aligned_differences() {
        let difference = |object: &str, path: &str, live: Option<&str>, rendered: Option<&str>| {
            let difference = Difference {
                live: live.map(str::to_owned),
                object: object.into(),
                path: path.into(),
                rendered: rendered.map(str::to_owned),
            };
            (Some("member1".to_owned()), difference)
        };
        let failure = Failure::Refused(Box::new(Why {
            differences: vec![
                difference("Deployment/web", "/spec/paused", None, Some("true")),
                difference("Secret/key", "/data/a", None, None),
            ],
            message: "pods would be replaced".into(),
            reason: Some(Reason::WouldRestartPods),
            remaining: 7,
        }));
        assert_eq!(failure.exit(), Exit::Refused);
        assert_eq!(
            failure.text("shop/web"),
            "refused: shop/web (WouldRestartPods): pods would be replaced\n\
            \x20 member1: Deployment/web   /spec/paused   (none) → true\n\
            \x20 member1: Secret/key       /data/a        differs\n\
            \x20 … and 7 more\n"
        );
    }

    #[test]
    fn causes_are_told_once() {
        let error = anyhow!("connection refused")
            .context("cannot connect: connection refused")
            .context("cluster member1");
        assert_eq!(
            chain(&error),
            "cluster member1: cannot connect: connection refused"
        );
    }
}
