//! Runs kubectl, as the reader of the story would.

use std::{
    path::PathBuf,
    process::{Output, Stdio},
};

use anyhow::{Context, bail, ensure};
use promoter_fleet::Fleet;
use serde_json::Value;
use tokio::process::{Child, Command};

use super::narrator::Narrator;
use crate::{fleet, workspace};

pub(super) struct Kubectl {
    program: PathBuf,
    variables: Vec<(String, String)>,
}

impl Kubectl {
    pub(super) fn of(fleet: &Fleet) -> anyhow::Result<Self> {
        Ok(Self {
            program: fleet.programs().join("kubectl"),
            variables: fleet::variables(fleet)?,
        })
    }

    /// Runs a command in front of the reader. Words are parted by single spaces; one that holds
    /// spaces itself stands in single quotes.
    pub(super) async fn show(&self, narrator: &Narrator, line: &str) -> anyhow::Result<()> {
        narrator.command(&format!("kubectl {line}"));
        narrator.output(&everything(&self.run(&words(line)).await?));
        Ok(())
    }

    /// Runs a command in front of the reader, who is spared its output.
    pub(super) async fn show_only_command(
        &self,
        narrator: &Narrator,
        line: &str,
    ) -> anyhow::Result<()> {
        narrator.command(&format!("kubectl {line}"));
        self.run(&words(line)).await?;
        Ok(())
    }

    /// Runs a command in front of the reader that is to be refused, in words with `reason` in them.
    pub(super) async fn show_refusal(
        &self,
        narrator: &Narrator,
        line: &str,
        reason: &str,
    ) -> anyhow::Result<()> {
        narrator.command(&format!("kubectl {line}"));
        let output = self.output(&words(line)).await?;
        let said = everything(&output);
        narrator.output(&said);
        ensure!(
            !output.status.success() && said.contains(reason),
            "`kubectl {line}` was not refused with {reason}"
        );
        Ok(())
    }

    /// Runs a command behind the scenes.
    pub(super) async fn run_quietly(&self, line: &str) -> anyhow::Result<()> {
        self.run(&words(line)).await?;
        Ok(())
    }

    /// Reads a list of objects behind the scenes.
    pub(super) async fn list(&self, line: &str) -> anyhow::Result<Vec<Value>> {
        let mut words = words(line);
        words.extend(["--output", "json"]);
        let mut list: Value = serde_json::from_slice(&self.run(&words).await?.stdout)
            .with_context(|| format!("cannot understand what `kubectl {line}` printed"))?;
        match list["items"].take() {
            Value::Array(items) => Ok(items),
            _ => bail!("`kubectl {line}` printed no list"),
        }
    }

    /// Starts a command whose output is read as it comes; it ends with the returned child.
    pub(super) fn follow(&self, narrator: &Narrator, line: &str) -> anyhow::Result<Child> {
        narrator.command(&format!("kubectl {line}"));
        self.command(&words(line))
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run kubectl")
    }

    async fn run(&self, words: &[&str]) -> anyhow::Result<Output> {
        let output = self.output(words).await?;
        if !output.status.success() {
            bail!(
                "`kubectl {}` failed ({}):\n{}",
                words.join(" "),
                output.status,
                everything(&output).trim()
            );
        }
        Ok(output)
    }

    async fn output(&self, words: &[&str]) -> anyhow::Result<Output> {
        let output = self.command(words).output().await;
        output.context("cannot run kubectl")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(workspace::root())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

/// All that was printed. Plugins say on the standard error how far they are, so it comes first.
fn everything(output: &Output) -> String {
    let printed = [output.stderr.as_slice(), output.stdout.as_slice()].concat();
    String::from_utf8_lossy(&printed).into_owned()
}

/// The words of a command line in which single quotes, and nothing else, keep words together.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part);
        } else {
            words.extend(part.split_ascii_whitespace());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_words_together() {
        assert_eq!(
            words("patch web -p '{\"a\": [1, 2]}' --type merge"),
            ["patch", "web", "-p", "{\"a\": [1, 2]}", "--type", "merge"]
        );
    }
}
