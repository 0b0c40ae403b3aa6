//! Karmada's own manifests, copied out of its module beside the programs, so that starting a fleet
//! needs no Go.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{ProgramsError, io_error};

/// What is copied: from Karmada's module, to the name it has here.
const COPIED: [(&str, &str); 5] = [
    ("charts/karmada/_crds", "crds"),
    (
        "artifacts/deploy/karmada-aggregated-apiserver-apiservice.yaml",
        "apiservice.yaml",
    ),
    (
        "artifacts/deploy/webhook-configuration.yaml",
        "webhooks.yaml",
    ),
    (
        "artifacts/deploy/cluster-proxy-admin-rbac.yaml",
        "cluster-proxy-admin.yaml",
    ),
    (
        "artifacts/deploy/admin-clusterrole-aggregation.yaml",
        "aggregated-roles.yaml",
    ),
];

/// The copied manifests, their placeholders still in them.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Manifests {
    folder: PathBuf,
}

impl Manifests {
    pub(super) fn kept_in(programs: &Path) -> Self {
        Self {
            folder: programs.join("manifests"),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Copies what the fleet needs out of Karmada's module.
    pub(super) fn copy_from(&self, karmada: &Path) -> Result<(), ProgramsError> {
        std::fs::create_dir_all(&self.folder).map_err(io_error("create", &self.folder))?;
        COPIED
            .iter()
            .try_for_each(|(from, to)| copy(&karmada.join(from), &self.folder.join(to)))
    }
}

/// Copies contents only: Go keeps its modules read-only, and a copy that is would be in the way.
fn copy(from: &Path, to: &Path) -> Result<(), ProgramsError> {
    if !from.is_dir() {
        let contents = std::fs::read(from).map_err(io_error("read", from))?;
        return std::fs::write(to, contents).map_err(io_error("write", to));
    }
    std::fs::create_dir_all(to).map_err(io_error("create", to))?;
    for entry in std::fs::read_dir(from).map_err(io_error("list", from))? {
        let entry = entry.map_err(io_error("list", from))?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
