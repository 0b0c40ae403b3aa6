//! The words that flags take.

use clap::ValueEnum;
use promoter_api::promotion::{ManagedDependencies, ManagedWorkload, OnClusterRemoval, StaleMarks};

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

/// A word of `--managed-dependencies`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum ManagedDependency {
    /// They stay as they are in the member
    #[value(name = "Skip")]
    Skip,
    /// They are federated as they are now
    #[value(name = "Copy")]
    Copy,
}

/// A word of `--managed-workload`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Managed {
    /// They are not promoted
    #[value(name = "Refuse")]
    Refuse,
    /// They are promoted as they are
    #[value(name = "Allow")]
    Allow,
}

/// A word of `--stale-marks`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Stale {
    /// They are not promoted
    #[value(name = "Refuse")]
    Refuse,
    /// The marks are taken off in the member first
    #[value(name = "Strip")]
    Strip,
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

impl From<Managed> for ManagedWorkload {
    fn from(managed: Managed) -> Self {
        match managed {
            Managed::Allow => Self::Allow,
            Managed::Refuse => Self::Refuse,
        }
    }
}

impl From<ManagedDependency> for ManagedDependencies {
    fn from(managed: ManagedDependency) -> Self {
        match managed {
            ManagedDependency::Copy => Self::Copy,
            ManagedDependency::Skip => Self::Skip,
        }
    }
}

impl From<Stale> for StaleMarks {
    fn from(stale: Stale) -> Self {
        match stale {
            Stale::Refuse => Self::Refuse,
            Stale::Strip => Self::Strip,
        }
    }
}
