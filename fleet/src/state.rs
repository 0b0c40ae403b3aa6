//! What is written down of a fleet, so that other processes find it and clear up after it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{options::FleetOptions, process::Record, programs::Programs};

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct State {
    /// Whether it was meant to outlive the process that started it.
    pub(crate) detached: bool,
    pub(crate) options: FleetOptions,
    pub(crate) programs: Programs,
    /// The port of etcd, once the fleet is up.
    pub(crate) etcd: Option<u16>,
    pub(crate) members: Vec<String>,
    pub(crate) processes: Vec<Record>,
}

impl State {
    /// Reads a state; none when there is no file.
    pub(crate) fn read(path: &Path) -> std::io::Result<Option<Self>> {
        match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            contents => Ok(Some(serde_json::from_slice(&contents?)?)),
        }
    }

    /// Replaces the file at once, so that nobody reads half of it.
    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        let unfinished = path.with_extension("unfinished");
        std::fs::write(&unfinished, serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(unfinished, path)
    }

    pub(crate) fn has_living_processes(&self) -> bool {
        self.processes
            .iter()
            .any(|process| process.identity.is_alive())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let path = std::env::temp_dir().join(format!("state-{}.json", std::process::id()));
        assert!(State::read(&path).unwrap().is_none());
        let state: State = serde_json::from_value(json!({
            "detached": true,
            "options": FleetOptions::named("a"),
            "programs": {"folder": "/p", "kwok": "/k", "manifests": {"folder": "/m"}},
            "etcd": null,
            "members": ["member1"],
            "processes": [],
        }))
        .unwrap();
        state.write(&path).unwrap();
        let read = State::read(&path).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(read.detached);
        assert_eq!(read.members, ["member1"]);
        assert!(!read.has_living_processes());
    }
}
