//! Why a fleet is not there or does not do as it is told.

use std::path::PathBuf;

use crate::{
    boot::BootError, cache::CacheError, certificates::CertificateError, process::ProcessError,
    programs::ProgramsError,
};

/// Why a fleet is not there or does not do as it is told.
#[derive(thiserror::Error)]
pub enum Error {
    /// A fleet cannot have this name.
    #[error(
        "{0:?} is no name for a fleet: use up to 63 lower-case letters, digits and dashes, not beginning with a dash"
    )]
    Name(String),
    /// A fleet needs members.
    #[error("a fleet needs at least one member")]
    NoMembers,
    /// There is such a fleet already.
    #[error(
        "a fleet named {0:?} is running already; take it down with `cargo xtask fleet down --name {0}`, or use another name"
    )]
    Running(String),
    /// There is no such fleet.
    #[error("there is no fleet named {0:?}; bring it up with `cargo xtask fleet up --name {0}`")]
    NotFound(String),
    /// The fleet never came up whole.
    #[error("the fleet {0:?} did not finish starting; take it down and start it again")]
    Unfinished(String),
    /// The programs are not there.
    #[error(transparent)]
    Programs(#[from] ProgramsError),
    /// The fleet did not come up.
    #[error("the fleet did not come up")]
    Boot(#[from] BootError),
    /// A process is not as it should be.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A kubeconfig of the fleet is not as it was written.
    #[error("{path} names no API server of this fleet")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
    },
    /// The user has no cache folder.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The disk refused.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// Whether trying again with other ports may help.
    pub(crate) fn is_lost_port(&self) -> bool {
        matches!(self, Self::Boot(error) if error.is_lost_port())
    }
}

/// As people read it, with every cause: tests that fail show an error this way, and the end of a
/// log is no use with its line ends escaped.
impl std::fmt::Debug for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{self}")?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_shown_once() {
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let error = Error::Boot(BootError::io("make a folder")(denied));
        assert_eq!(
            format!("{error:?}"),
            "the fleet did not come up: cannot make a folder: permission denied"
        );
    }
}
