//! The parts of a test run: what each is, how long it took and what it came to.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use super::tally::Tally;
use crate::{
    say::{lasted, say},
    workspace::cargo_with,
};

/// What a run without `--full` may take when the fleet's programs are there.
const LIMIT: Duration = Duration::from_mins(35);

/// A run, part by part.
pub(super) struct Parts {
    started: Instant,
    rows: Vec<Row>,
    closing_line: Option<String>,
}

struct Row {
    name: String,
    took: Duration,
    result: String,
}

impl Parts {
    pub(super) fn begin() -> Self {
        Self {
            started: Instant::now(),
            rows: Vec::new(),
            closing_line: None,
        }
    }

    /// Runs a part and takes its time. What it returns is what it came to.
    pub(super) async fn part<T>(
        &mut self,
        name: &str,
        work: impl Future<Output = anyhow::Result<(T, String)>>,
    ) -> anyhow::Result<T> {
        let started = Instant::now();
        self.rows.push(Row {
            name: name.to_owned(),
            took: Duration::ZERO,
            result: "not finished".to_owned(),
        });
        let done = work.await;
        let took = started.elapsed();
        say(format_args!("-- {name} took {}\n", lasted(took)));
        if let Some(row) = self.rows.last_mut() {
            row.took = took;
            row.result = match &done {
                Ok((_, result)) => result.clone(),
                Err(_) => "FAILED".to_owned(),
            };
        }
        done.map(|(value, _)| value)
    }

    /// Runs Cargo as a part.
    pub(super) async fn cargo(
        &mut self,
        name: &str,
        arguments: &[&str],
        variables: &[(&str, String)],
    ) -> anyhow::Result<()> {
        announce(arguments, variables);
        let work = async {
            cargo_with(arguments, variables, |line| say(line)).await?;
            Ok(((), "ok".to_owned()))
        };
        self.part(name, work).await
    }

    /// Runs tests as a part, and returns how many have passed.
    pub(super) async fn tests(
        &mut self,
        name: &str,
        arguments: &[&str],
        variables: &[(&str, String)],
    ) -> anyhow::Result<usize> {
        announce(arguments, variables);
        let mut tally = Tally::default();
        let work = async {
            let ran = cargo_with(arguments, variables, |line| {
                say(line);
                tally.see(line);
            });
            ran.await?;
            Ok(((), tally.summary()))
        };
        self.part(name, work).await?;
        if let Some(line) = tally.closing_line() {
            self.closing_line = Some(line.to_owned());
        }
        Ok(tally.passed())
    }

    /// The test runner's own last word.
    pub(super) fn closing_line(&self) -> Option<&str> {
        self.closing_line.as_deref()
    }

    /// What each part took and came to.
    pub(super) fn table(&self, limited: bool) -> String {
        let mut table = format!("{:<20} {:>10}   {}", "part", "time", "result");
        let total = self.started.elapsed();
        let within = match limited {
            true if total > LIMIT => format!("more than the {} it may take", lasted(LIMIT)),
            true => format!("it may take {}", lasted(LIMIT)),
            false => String::new(),
        };
        let rows = self
            .rows
            .iter()
            .map(|row| (row.name.as_str(), row.took, row.result.as_str()))
            .chain([("total", total, within.as_str())]);
        for (name, took, result) in rows {
            // Writing to a string cannot fail.
            let _ = write!(table, "\n{name:<20} {:>10}   {result}", lasted(took));
        }
        table
    }
}

/// Shows a command as one would type it.
fn announce(arguments: &[&str], variables: &[(&str, String)]) {
    let mut line = "$ ".to_owned();
    for (name, value) in variables {
        let quote = if value.contains(' ') { "'" } else { "" };
        let _ = write!(line, "{name}={quote}{value}{quote} ");
    }
    say(format_args!("{line}cargo {}", arguments.join(" ")));
}
