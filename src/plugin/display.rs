//! What a person sees while waiting: a line that changes on a terminal, and plain lines elsewhere.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::duration;

/// Where the progress of several workloads is shown.
pub(crate) struct Display {
    began: Instant,
    bars: Option<MultiProgress>,
    stream: Stream,
    width: usize,
}

/// Where progress goes: the standard output, unless that is for objects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stream {
    Error,
    Output,
}

/// The progress of one workload.
pub(crate) struct Track<'a> {
    bar: Option<ProgressBar>,
    display: &'a Display,
    workload: String,
}

impl Display {
    /// A display for workloads of those names.
    pub(crate) fn new<'a>(workloads: impl IntoIterator<Item = &'a str>, stream: Stream) -> Self {
        let terminal = match stream {
            Stream::Error => io::stderr().is_terminal(),
            Stream::Output => io::stdout().is_terminal(),
        };
        let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
        let bars = (terminal && !dumb).then(|| {
            MultiProgress::with_draw_target(match stream {
                Stream::Error => ProgressDrawTarget::stderr(),
                Stream::Output => ProgressDrawTarget::stdout(),
            })
        });
        Self {
            began: Instant::now(),
            bars,
            stream,
            width: workloads
                .into_iter()
                .map(str::len)
                .max()
                .unwrap_or_default(),
        }
    }

    /// Begins to show a workload.
    pub(crate) fn track(&self, workload: String) -> Track<'_> {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::no_length());
            bar.set_style(style("{spinner} {prefix} {took:>6}  {wide_msg}"));
            bar.set_prefix(self.prefix(&workload, ""));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Track {
            bar,
            display: self,
            workload,
        }
    }

    /// `shop/web  Staging`.
    fn prefix(&self, workload: &str, phase: &str) -> String {
        format!("{workload:<width$}  {phase:<12}", width = self.width)
    }

    /// `shop/web  Staging       0.4s  what it is about`.
    fn line(&self, workload: &str, phase: &str, detail: &str) -> String {
        let prefix = self.prefix(workload, phase);
        let elapsed = duration::elapsed(self.began.elapsed());
        let line = format!("{prefix} {elapsed:>6}  {}", on_one_line(detail));
        line.trim_end().to_owned()
    }

    /// Says something that went wrong, or may surprise.
    pub(crate) fn warn(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| complain(text)),
            None => complain(text),
        }
    }
}

impl Track<'_> {
    /// Shows that a phase began.
    pub(crate) fn phase(&self, phase: &str, detail: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_prefix(self.display.prefix(&self.workload, phase));
                bar.set_message(on_one_line(detail));
            }
            None => self.plain(phase, detail),
        }
    }

    /// Shows what it came to. The line stays.
    pub(crate) fn end(&self, phase: &str, detail: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_style(style("  {wide_msg}"));
                bar.finish_with_message(self.display.line(&self.workload, phase, detail));
            }
            None => self.plain(phase, detail),
        }
    }

    /// Takes the line away, if it has not ended.
    pub(crate) fn give_up(&self) {
        if let Some(bar) = self.bar.as_ref().filter(|bar| !bar.is_finished()) {
            bar.finish_and_clear();
        }
    }

    /// Says something about the workload that may surprise.
    pub(crate) fn warn(&self, text: &str) {
        self.display
            .warn(&format!("warning: {}: {text}\n", self.workload));
    }

    fn plain(&self, phase: &str, detail: &str) {
        let line = self.display.line(&self.workload, phase, detail);
        write(self.display.stream, &format!("{line}\n"));
    }
}

fn on_one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// A bar's style. `{took}` is the time since the bar was added, which goes on by itself.
fn style(template: &str) -> ProgressStyle {
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    style.with_key(
        "took",
        |state: &ProgressState, text: &mut dyn fmt::Write| {
            // There is nobody to tell that a line could not be drawn.
            let _ = text.write_str(&duration::elapsed(state.elapsed()));
        },
    )
}

/// Writes to the standard output.
pub(crate) fn print(text: &str) {
    write(Stream::Output, text);
}

/// Writes to the standard error.
pub(crate) fn complain(text: &str) {
    write(Stream::Error, text);
}

fn write(stream: Stream, text: &str) {
    // Nobody may be reading any more, as behind `| head`; the exit code still tells the end.
    let _ = match stream {
        Stream::Error => io::stderr().write_all(text.as_bytes()),
        Stream::Output => io::stdout().write_all(text.as_bytes()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_aligned_and_stay_lines() {
        let display = Display::new(["shop/web", "shop/checkout"], Stream::Output);
        assert_eq!(
            display.line("shop/web", "Staging", ""),
            "shop/web       Staging        0.0s"
        );
        assert_eq!(
            display.line("shop/checkout", "Waiting", "a\nb"),
            "shop/checkout  Waiting        0.0s  a b"
        );
    }
}
