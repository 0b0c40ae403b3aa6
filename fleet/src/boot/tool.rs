//! Runs `kubectl` and `karmadactl` for the steps that they do best.

use std::process::Stdio;

use tokio::process::Command;

use super::{Boot, BootError};

impl Boot {
    /// Runs one of the fleet's command line tools to its end.
    pub(super) async fn tool(&self, name: &str, arguments: &[&str]) -> Result<(), BootError> {
        let command = || format!("{name} {}", arguments.join(" "));
        let output = Command::new(self.programs.path(name))
            .args(arguments)
            .env_remove("KUBECONFIG")
            // Their caches belong to this fleet: its servers' addresses will be somebody else's.
            .env("HOME", self.layout.work())
            .current_dir(self.layout.work())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(BootError::io(format!("run `{}`", command())))?;
        if output.status.success() {
            return Ok(());
        }
        let text = [output.stdout, output.stderr].concat();
        Err(BootError::Tool {
            command: command(),
            status: output.status.to_string(),
            output: String::from_utf8_lossy(&text).trim().into(),
        })
    }
}
