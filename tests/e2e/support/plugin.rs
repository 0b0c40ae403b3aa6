//! `kubectl promote …`, as a user runs it.

use std::{ffi::OsString, path::Path, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use tokio::{process::Command, time::timeout};

use super::{LIMIT, Scene, fleet, kept};

/// How a command ended and what it printed.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) error: String,
    pub(crate) output: String,
}

/// Runs `kubectl promote` with these words, in the scene's namespace of the control plane.
pub(crate) async fn kubectl_promote(scene: &Scene, words: &[&str]) -> Result<Answer> {
    let namespace = ["-n", &scene.namespace];
    let words = [words, &namespace].concat();
    run(scene, scene.fleet.kubeconfig().as_os_str().into(), &words).await
}

/// Runs `kubectl promote` with these words and this `KUBECONFIG`.
pub(crate) async fn run(scene: &Scene, kubeconfig: OsString, words: &[&str]) -> Result<Answer> {
    let programs: &Path = scene.fleet.programs();
    // kubectl finds its plugin on the path.
    let path = std::env::join_paths([programs, fleet::plugins()])?;
    let mut command = Command::new(programs.join("kubectl"));
    let command = command
        .arg("promote")
        .args(words)
        .env("KUBECONFIG", kubeconfig)
        .env("PATH", path)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let said = || format!("kubectl promote {}", words.join(" "));
    let ended = timeout(LIMIT, command.output()).await;
    let ended = ended.with_context(|| format!("{} does not end", said()))??;
    let text = |bytes| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        kept::output(&text);
        text
    };
    Ok(Answer {
        code: ended.status.code().with_context(said)?,
        error: text(&ended.stderr),
        output: text(&ended.stdout),
    })
}

impl Answer {
    /// Fails unless the command ended with this exit code and printed these words, in this order,
    /// on its standard output.
    pub(crate) fn assert_output(&self, code: i32, words: &[&str]) -> Result<()> {
        self.assert(code, &self.output, words)
    }

    /// The same, on its standard error.
    pub(crate) fn assert_error(&self, code: i32, words: &[&str]) -> Result<()> {
        self.assert(code, &self.error, words)
    }

    fn assert(&self, code: i32, text: &str, words: &[&str]) -> Result<()> {
        ensure!(self.code == code, "not exit code {code}: {self:#?}");
        let mut rest = text;
        for word in words {
            let found = rest.find(word);
            let found = found.with_context(|| format!("no {word:?}, or not there: {self:#?}"))?;
            rest = &rest[found + word.len()..];
        }
        Ok(())
    }
}
