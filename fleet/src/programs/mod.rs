//! The fleet's programs: Kubernetes, etcd, Karmada, helm and kwok, built by Go from the modules in
//! `fleet/karmada` and `fleet/kwok` and kept in a folder of the user, so that each version is built
//! once per machine.

mod build;
mod key;
mod lock;
mod manifests;
mod module;
mod progress;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cache;
pub(crate) use manifests::Manifests;
use module::GoModule;

/// Why the programs are not there.
#[derive(Debug, thiserror::Error)]
pub enum ProgramsError {
    /// There is no Go to build them with.
    #[error(
        "cannot build the fleet's programs: there is no `go` on the PATH; install Go {needed} or newer from https://go.dev/dl/"
    )]
    GoMissing {
        /// What `go.mod` asks for.
        needed: String,
    },
    /// Go could not build them.
    #[error("`{command}` failed in {folder} ({status}); the end of its output:\n{tail}")]
    Build {
        /// The command line, without its environment.
        command: String,
        /// Where it ran.
        folder: PathBuf,
        /// How it ended.
        status: String,
        /// The last lines that it printed.
        tail: String,
    },
    /// A `go.mod` does not say what is looked for.
    #[error("{path} does not {missing}; restore it from the repository")]
    Module {
        /// The `go.mod`.
        path: PathBuf,
        /// What it should do.
        missing: String,
    },
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
    /// The user has no cache folder.
    #[error(transparent)]
    Cache(#[from] cache::CacheError),
}

/// The programs of this version of the fleet, ready to run.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Programs {
    folder: PathBuf,
    kwok: PathBuf,
    manifests: Manifests,
}

impl Programs {
    /// Finds the programs, or builds them first, showing progress on the standard error.
    pub async fn prepare() -> Result<Self, ProgramsError> {
        let karmada = build::ensure(&GoModule::karmada()?).await?;
        let kwok = build::ensure(&GoModule::kwok()?).await?;
        Ok(Self {
            folder: karmada.join("bin"),
            kwok: kwok.join("bin").join("kwok"),
            manifests: Manifests::kept_in(&karmada),
        })
    }

    /// The folder that holds `kubectl`, `karmadactl`, `helm`, `etcd` and the components.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// One of the programs, such as `kube-apiserver` or `karmada-webhook`.
    #[must_use]
    pub fn path(&self, program: &str) -> PathBuf {
        if program == "kwok" {
            return self.kwok.clone();
        }
        self.folder.join(program)
    }

    pub(crate) fn manifests(&self) -> &Manifests {
        &self.manifests
    }
}

fn io_error<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(std::io::Error) -> ProgramsError + use<'a> {
    move |source| ProgramsError::Io {
        action,
        path: path.to_path_buf(),
        source,
    }
}
