//! How the story looks: numbered chapters, commands as one would type them, small tables. On
//! anything but a terminal it is plain lines.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use crate::say::{lasted, say};

pub(super) struct Narrator {
    chapter: usize,
    indent: &'static str,
    styled: bool,
    started: Instant,
}

impl Narrator {
    pub(super) fn new() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            chapter: 0,
            indent: "   ",
            styled: std::io::stdout().is_terminal() && !plain,
            started: Instant::now(),
        }
    }

    /// Building is not part of the story.
    pub(super) fn start_clock(&mut self) {
        self.started = Instant::now();
    }

    pub(super) fn chapter(&mut self, title: &str) {
        self.chapter += 1;
        let heading = format!("{}. {title}", self.chapter);
        say(format_args!("\n{}", self.style("1", &heading)));
    }

    /// A sentence of the story.
    pub(super) fn tell(&self, sentence: &str) {
        say(format_args!("{}{sentence}", self.indent));
    }

    /// A command as one would type it.
    pub(super) fn command(&self, line: &str) {
        let prompt = self.style("2", "$");
        self.tell(&format!("{prompt} {}", self.style("36", line)));
    }

    /// What a command printed.
    pub(super) fn output(&self, text: &str) {
        for line in text.trim_end().lines() {
            say(format_args!("{}  {line}", self.indent));
        }
    }

    /// Something that was seen a while after something was asked for.
    pub(super) fn moment(&self, after: Duration, what: &str) {
        let after = format!("{:>7}", lasted(after));
        self.tell(&format!("{}  {what}", self.style("2", &after)));
    }

    /// Something that was claimed and holds.
    pub(super) fn proven(&self, what: &str) {
        self.tell(&format!("{} {what}", self.style("32", "proven:")));
    }

    /// A table; the first row is its heading.
    pub(super) fn table(&self, rows: &[Vec<String>]) {
        for (index, line) in aligned(rows).iter().enumerate() {
            let style = if index == 0 { "2" } else { "0" };
            say(format_args!("{}  {}", self.indent, self.style(style, line)));
        }
    }

    pub(super) fn end(&self, sentence: &str) {
        let took = lasted(self.started.elapsed());
        say(format_args!("\n{sentence} The story took {took}."));
    }

    /// What to do with a fleet that is left running.
    pub(super) fn try_next(&self, fleet: &str) {
        self.end("The fleet is left running.");
        let commands = [
            (
                "use it in this shell",
                format!("eval \"$(cargo xtask fleet env --name {fleet})\""),
            ),
            (
                "opt in again",
                "kubectl --context member1 -n shop annotate deployment web \
                 promote.karmada.io/enabled=true --overwrite"
                    .to_owned(),
            ),
            (
                "or ask by command, and wait",
                "kubectl promote deployment/cart -n shop -C member1 --context karmada".to_owned(),
            ),
            (
                "see what would be created",
                "kubectl promote deployment/payment -n shop -C member1 --context karmada --dry-run"
                    .to_owned(),
            ),
            (
                "see all promotions",
                "kubectl --context karmada get promotions -A".to_owned(),
            ),
            (
                "read the promoter's log",
                format!("cargo xtask fleet logs promoter --name {fleet}"),
            ),
            (
                "take it down",
                format!("cargo xtask fleet down --name {fleet}"),
            ),
        ];
        for (what, command) in commands {
            say(format_args!("\n{}{what}:", self.indent));
            self.command(&command);
        }
    }

    fn style(&self, code: &str, text: &str) -> String {
        if self.styled && code != "0" {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// The rows with their columns below each other.
fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        })
        .collect();
    rows.iter()
        .map(|row| {
            let cells: Vec<_> = row
                .iter()
                .zip(&widths)
                .map(|(cell, &width)| format!("{cell:<width$}"))
                .collect();
            cells.join("   ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["pod", "uid"], ["web-1", "a"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), ["pod     uid", "web-1   a"]);
    }
}
