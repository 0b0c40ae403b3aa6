//! Says how far a build is: one line that changes on a terminal, a line now and then elsewhere.

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

const PLAIN_INTERVAL: Duration = Duration::from_secs(30);
const TERMINAL_INTERVAL: Duration = Duration::from_millis(100);

pub(super) struct Progress {
    what: &'static str,
    packages: usize,
    downloaded: usize,
    compiled: usize,
    started: Instant,
    shown: Option<Instant>,
    terminal: bool,
}

impl Progress {
    pub(super) fn start(what: &'static str) -> Self {
        eprintln!("building the fleet's programs ({what}); this happens once per version");
        Self {
            what,
            packages: 0,
            downloaded: 0,
            compiled: 0,
            started: Instant::now(),
            shown: None,
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Of how many packages the programs consist. Those in Go's own cache are not compiled again,
    /// so that the count need not be reached.
    pub(super) fn expect(&mut self, packages: usize) {
        self.packages = packages;
    }

    pub(super) fn downloaded(&mut self, module: &str) {
        self.downloaded += 1;
        let count = format!("downloading module {}", self.downloaded);
        self.show(&count, module);
    }

    pub(super) fn compiled(&mut self, package: &str) {
        self.compiled += 1;
        let count = format!(
            "compiled {} of at most {} packages",
            self.compiled, self.packages
        );
        self.show(&count, package);
    }

    fn show(&mut self, count: &str, last: &str) {
        let interval = if self.terminal {
            TERMINAL_INTERVAL
        } else {
            PLAIN_INTERVAL
        };
        if self.shown.is_some_and(|shown| shown.elapsed() < interval) {
            return;
        }
        self.shown = Some(Instant::now());
        let line = line(self.what, count, self.started.elapsed());
        if self.terminal {
            // Clears the line first: the next one may be shorter.
            eprint!("\r\x1b[2K{line} {}", shorten(last, 40));
            // Progress that cannot be shown is not worth an error.
            let _ = std::io::stderr().flush();
        } else {
            eprintln!("{line}");
        }
    }

    pub(super) fn finish(self) {
        let clear = if self.terminal { "\r\x1b[2K" } else { "" };
        eprintln!(
            "{clear}built the fleet's programs ({}) in {}",
            self.what,
            minutes(self.started.elapsed())
        );
    }
}

fn line(what: &str, count: &str, elapsed: Duration) -> String {
    format!("{what}: {count}, {}", minutes(elapsed))
}

fn minutes(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    format!("{}:{:02} min", seconds / 60, seconds % 60)
}

/// The end of a package's path says more than its beginning.
fn shorten(package: &str, length: usize) -> String {
    let skipped = package.chars().count().saturating_sub(length);
    package.chars().skip(skipped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_counts_and_tells_the_time() {
        assert_eq!(
            line("kwok", "compiled 3 packages", Duration::from_secs(75)),
            "kwok: compiled 3 packages, 1:15 min"
        );
    }

    #[test]
    fn a_long_package_keeps_its_end() {
        assert_eq!(shorten("k8s.io/kubernetes/pkg", 3), "pkg");
        assert_eq!(shorten("fmt", 40), "fmt");
    }
}
