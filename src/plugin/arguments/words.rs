//! The words that flags take.

use clap::ValueEnum;
use promoter_api::promotion::OnClusterRemoval;

/// A word of `--dependencies`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Dependency {
    #[value(name = "ConfigMap", alias = "configmaps", alias = "cm")]
    ConfigMap,
    #[value(name = "Secret", alias = "secrets")]
    Secret,
    #[value(name = "ServiceAccount", alias = "serviceaccounts", alias = "sa")]
    ServiceAccount,
    #[value(name = "none")]
    None,
}

/// A word of `--on-cluster-removal`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Removal {
    /// It is deleted there
    #[value(name = "Delete")]
    Delete,
    /// It goes on running there
    #[value(name = "Preserve")]
    Preserve,
}

/// A format for programs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    Json,
    Yaml,
}

/// A format of `status`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum StatusFormat {
    Json,
    Wide,
    Yaml,
}

impl From<Removal> for OnClusterRemoval {
    fn from(removal: Removal) -> Self {
        match removal {
            Removal::Delete => Self::Delete,
            Removal::Preserve => Self::Preserve,
        }
    }
}
