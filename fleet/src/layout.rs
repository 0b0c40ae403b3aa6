//! Where the files of one fleet are.

use std::path::{Path, PathBuf};

use crate::cache::{self, CacheError};

/// The files of one fleet, all in one folder.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    folder: PathBuf,
}

impl Layout {
    pub(crate) fn of(fleet: &str) -> Result<Self, CacheError> {
        Ok(Self::at(cache::folder()?.join("fleets").join(fleet)))
    }

    pub(crate) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Creates the folders that processes expect.
    pub(crate) fn create(&self) -> std::io::Result<()> {
        for folder in [
            self.logs(),
            self.work(),
            self.kubeconfigs(),
            self.manifests(),
        ] {
            std::fs::create_dir_all(folder)?;
        }
        Ok(())
    }

    /// Removes everything but what is kept. A folder that is gone is no error.
    pub(crate) fn remove(&self, kept: &[&Path]) -> std::io::Result<()> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        if kept.is_empty() {
            return std::fs::remove_dir_all(&self.folder);
        }
        for entry in entries {
            let path = entry?.path();
            if kept.contains(&path.as_path()) {
                continue;
            }
            if path.is_dir() {
                std::fs::remove_dir_all(path)?;
            } else {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.join("state.json")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.folder.join("lock")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// The processes' working folder: some leave files where they stand.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.join("work")
    }

    pub(crate) fn etcd(&self) -> PathBuf {
        self.folder.join("etcd")
    }

    pub(crate) fn audit_log(&self, cluster: &str) -> PathBuf {
        self.logs().join(format!("{cluster}-apiserver.audit.log"))
    }

    pub(crate) fn audit_policy(&self) -> PathBuf {
        self.folder.join("audit-policy.yaml")
    }

    pub(crate) fn manifests(&self) -> PathBuf {
        self.folder.join("manifests")
    }

    /// The administrator's kubeconfig of a cluster.
    pub(crate) fn kubeconfig(&self, cluster: &str) -> PathBuf {
        self.kubeconfigs().join(format!("{cluster}.yaml"))
    }

    pub(crate) fn certificates(&self, cluster: &str) -> PathBuf {
        self.folder.join("certificates").join(cluster)
    }

    fn kubeconfigs(&self) -> PathBuf {
        self.folder.join("kubeconfigs")
    }
}

/// Whether a fleet may have this name: it becomes the name of a folder.
pub(crate) fn is_valid_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 63
        && !name.starts_with('-')
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        assert!(is_valid_name("e2e-1"));
        for name in ["", "-x", "a/b", "..", "A", &"a".repeat(64)] {
            assert!(!is_valid_name(name), "{name}");
        }
    }
}
