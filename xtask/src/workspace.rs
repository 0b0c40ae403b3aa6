//! This workspace's folders and Cargo.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::say::say;

/// The repository.
pub(crate) fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// Where Cargo puts the binaries of a development build. This program is one of them.
pub(crate) fn binaries() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    let folder = own.parent().context("this program is in no folder")?;
    Ok(folder.to_path_buf())
}

/// Where Cargo puts the binaries of a release build.
pub(crate) fn released() -> anyhow::Result<PathBuf> {
    let binaries = binaries()?;
    Ok(binaries.parent().unwrap_or(&binaries).join("release"))
}

/// A folder below Cargo's for files that people may want to look at afterwards.
pub(crate) fn kept(name: &str) -> anyhow::Result<PathBuf> {
    let binaries = binaries()?;
    let target = binaries.parent().unwrap_or(&binaries);
    Ok(target.join("xtask").join(name))
}

/// Runs Cargo in the workspace.
pub(crate) async fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    cargo_with(arguments, &[], |line| say(line)).await
}

/// Runs Cargo in the workspace, with variables of its own. Each line of its standard output is
/// given to `on_line`.
pub(crate) async fn cargo_with(
    arguments: &[&str],
    variables: &[(&str, String)],
    mut on_line: impl FnMut(&str),
) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let child = Command::new(cargo)
        .args(arguments)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // A group of its own, so that compilers and tests can be ended with it.
        .process_group(0)
        .spawn()
        .context("cannot run cargo")?;
    let mut group = Group(child);
    if let Some(output) = group.0.stdout.take() {
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines.next_line().await.context("cannot read from cargo")? {
            on_line(&line);
        }
    }
    let status = group.0.wait().await.context("cannot wait for cargo")?;
    if !status.success() {
        bail!("`cargo {}` failed ({status})", arguments.join(" "));
    }
    Ok(())
}

/// A child with all of its descendants, which end when this value is dropped before they have.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let running = self.0.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = running.and_then(rustix::process::Pid::from_raw) {
            // They may have ended at this very moment.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::TERM);
        }
    }
}
