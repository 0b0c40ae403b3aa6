//! What is run: a program, its arguments and what its environment has besides.

use std::{
    collections::BTreeMap,
    fs::File,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde::{Deserialize, Serialize};

/// A program to run as a process of the fleet.
///
/// Not a [`Command`], because it is kept: the process can be started again, also by another
/// process than the one that started it first.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    /// Whether its environment has nothing of the starting process's.
    #[serde(default)]
    isolated: bool,
}

impl Program {
    /// The program at `path`, without arguments.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            isolated: false,
        }
    }

    /// Leaves out of its environment whatever the starting process has.
    #[must_use]
    pub fn isolated(mut self) -> Self {
        self.isolated = true;
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment, which is otherwise that of the starting process.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Adds `--name=value`.
    #[must_use]
    pub(crate) fn flag(self, name: &str, value: impl std::fmt::Display) -> Self {
        self.argument(format!("--{name}={value}"))
    }

    /// Adds `--name=path`.
    #[must_use]
    pub(crate) fn path_flag(self, name: &str, path: &Path) -> Self {
        self.flag(name, path.display())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Starts it in a process group of its own, so that a Ctrl-C on the terminal is not meant for
    /// it and so that a signal reaches what it may have started itself.
    pub(super) fn spawn(&self, folder: &Path, log: &File) -> std::io::Result<Child> {
        let mut command = Command::new(&self.path);
        if self.isolated {
            command.env_clear();
        }
        command
            .args(&self.arguments)
            .envs(&self.environment)
            // Whoever calls may have a cluster selected that the fleet must not touch.
            .env_remove("KUBECONFIG")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            .process_group(0)
            .spawn()
    }

    #[cfg(test)]
    pub(crate) fn command_line(&self) -> &[String] {
        &self.arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_one_argument_each() {
        let program = Program::new("/bin/etcd")
            .flag("log-level", "warn")
            .path_flag("data-dir", Path::new("/data"))
            .arguments(["a", "b"]);
        assert_eq!(
            program.command_line(),
            ["--log-level=warn", "--data-dir=/data", "a", "b"]
        );
    }
}
