//! What was measured, for people and for programs.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use serde::Serialize;
use serde_json::{Value, json};

use super::{admission::Setup, load::Answered, servers::Contestant};

/// How requests come.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    /// At a constant rate, whatever the server does.
    Rate,
    /// As fast as the server answers.
    Saturation,
}

/// What is measured at once, by all contestants in turns.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(super) struct Case {
    pub(super) connections: usize,
    pub(super) body_bytes: usize,
    pub(super) mode: Mode,
}

/// One measurement.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Measured {
    requests: usize,
    requests_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_us_per_request: f64,
    rss_mib: f64,
}

/// All measurements of a run.
pub(super) struct Report {
    cells: BTreeMap<(Case, Contestant), Vec<Measured>>,
    setup: Setup,
}

impl Measured {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(super) fn new(answered: &Answered, processor: Duration, resident: u64) -> Self {
        let milliseconds = |share| answered.percentile(share).as_secs_f64() * 1e3;
        let requests = answered.latencies.len();
        Self {
            requests,
            requests_per_second: answered.per_second(),
            p50_ms: milliseconds(0.5),
            p99_ms: milliseconds(0.99),
            cpu_us_per_request: processor.as_secs_f64() * 1e6 / requests.max(1) as f64,
            rss_mib: resident as f64 / f64::from(1 << 20),
        }
    }
}

impl Report {
    pub(super) const fn new(setup: Setup) -> Self {
        Self {
            cells: BTreeMap::new(),
            setup,
        }
    }

    pub(super) fn add(&mut self, case: Case, contestant: Contestant, measured: Measured) {
        let rounds = self.cells.entry((case, contestant)).or_default();
        rounds.push(measured);
    }

    /// Everything, for programs.
    pub(super) fn json(&self) -> Value {
        let cells: Vec<Value> = self
            .cells
            .iter()
            .map(|((case, contestant), rounds)| {
                let of = |value: fn(&Measured) -> f64| median(rounds.iter().map(value));
                json!({
                    "server": contestant,
                    "connections": case.connections,
                    "body_bytes": case.body_bytes,
                    "mode": case.mode,
                    "requests_per_second": of(|measured| measured.requests_per_second),
                    "p50_ms": of(|measured| measured.p50_ms),
                    "p99_ms": of(|measured| measured.p99_ms),
                    "cpu_us_per_request": of(|measured| measured.cpu_us_per_request),
                    "rss_mib": of(|measured| measured.rss_mib),
                    "rounds": rounds,
                })
            })
            .collect();
        json!({"cells": cells, "ratios": self.ratios(), "setup": self.setup})
    }

    /// The same, for people.
    pub(super) fn table(&self) -> String {
        let mut table = format!(
            "{}\n{:<16} {:>11} {:>7} {:>11} {:>11} {:>9} {:>9} {:>9} {:>9}",
            self.setup,
            "server",
            "connections",
            "bytes",
            "mode",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "CPU µs",
            "RSS MiB"
        );
        for ((case, contestant), rounds) in &self.cells {
            let of = |value: fn(&Measured) -> f64| median(rounds.iter().map(value));
            // Writing to a string cannot fail.
            let _ = write!(
                table,
                "\n{:<16} {:>11} {:>7} {:>11} {:>11.0} {:>9.3} {:>9.3} {:>9.1} {:>9.1}",
                word(contestant),
                case.connections,
                case.body_bytes,
                word(&case.mode),
                of(|measured| measured.requests_per_second),
                of(|measured| measured.p50_ms),
                of(|measured| measured.p99_ms),
                of(|measured| measured.cpu_us_per_request),
                of(|measured| measured.rss_mib),
            );
        }
        for (name, ratio) in self.ratios() {
            let _ = write!(table, "\n{name:<34} {ratio:>7.2}");
        }
        table
    }

    /// What is wanted of the webhook, at 25 connections and 10 KB: the median over the rounds, in
    /// each of which both were measured one after the other.
    fn ratios(&self) -> BTreeMap<&'static str, f64> {
        use Contestant::{Echo, KarmadaWebhook, OptIn, Unrelated};
        let rate: fn(&Measured) -> f64 = |measured| measured.requests_per_second;
        let p99: fn(&Measured) -> f64 = |measured| measured.p99_ms;
        let ratio = |one, other, mode, value: fn(&Measured) -> f64| {
            let pairs = self.rounds(one, mode).zip(self.rounds(other, mode));
            median(pairs.map(|(one, other)| value(one) / value(other)))
        };
        let memory = [Mode::Rate, Mode::Saturation]
            .into_iter()
            .flat_map(|mode| self.rounds(Unrelated, mode).chain(self.rounds(OptIn, mode)));
        BTreeMap::from([
            (
                "optin_vs_echo_rps",
                ratio(OptIn, Echo, Mode::Saturation, rate),
            ),
            (
                "unrelated_vs_echo_p99",
                ratio(Unrelated, Echo, Mode::Rate, p99),
            ),
            (
                "unrelated_vs_echo_rps",
                ratio(Unrelated, Echo, Mode::Saturation, rate),
            ),
            (
                "unrelated_vs_karmada_webhook_rps",
                ratio(Unrelated, KarmadaWebhook, Mode::Saturation, rate),
            ),
            (
                "webhook_rss_mib",
                median(memory.map(|measured| measured.rss_mib)),
            ),
        ])
    }

    fn rounds(&self, contestant: Contestant, mode: Mode) -> impl Iterator<Item = &Measured> {
        let case = Case {
            connections: 25,
            body_bytes: 10_000,
            mode,
        };
        self.cells.get(&(case, contestant)).into_iter().flatten()
    }
}

/// The word that programs know it by.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle.wrapping_sub(1)), sorted.get(middle)) {
        (Some(low), Some(high)) if sorted.len().is_multiple_of(2) => f64::midpoint(*low, *high),
        (_, Some(middle)) => *middle,
        (_, None) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(per_second: f64, p99_ms: f64) -> Measured {
        Measured {
            requests: 1,
            requests_per_second: per_second,
            p50_ms: 0.1,
            p99_ms,
            cpu_us_per_request: 1.0,
            rss_mib: 20.0,
        }
    }

    #[test]
    fn ratios_are_of_pairs() {
        let mut report = Report::new(Setup::default());
        let case = |mode| Case {
            connections: 25,
            body_bytes: 10_000,
            mode,
        };
        // The machine had less to give in the second round, to both.
        for (echo, unrelated) in [(1000.0, 900.0), (100.0, 80.0), (1000.0, 950.0)] {
            let mode = case(Mode::Saturation);
            report.add(mode, Contestant::Echo, measured(echo, 1.0));
            report.add(mode, Contestant::Unrelated, measured(unrelated, 1.0));
            report.add(mode, Contestant::OptIn, measured(unrelated / 2.0, 1.0));
            report.add(mode, Contestant::KarmadaWebhook, measured(echo / 10.0, 1.0));
            let mode = case(Mode::Rate);
            report.add(mode, Contestant::Echo, measured(1.0, 1.0));
            report.add(mode, Contestant::Unrelated, measured(1.0, 1.25));
        }
        let ratios = report.ratios();
        for (name, expected) in [
            ("unrelated_vs_echo_rps", 0.9),
            ("optin_vs_echo_rps", 0.45),
            ("unrelated_vs_karmada_webhook_rps", 9.0),
            ("unrelated_vs_echo_p99", 1.25),
            ("webhook_rss_mib", 20.0),
        ] {
            assert!((ratios[name] - expected).abs() < 1e-9, "{name}: {ratios:?}");
        }
        assert_eq!(report.json()["cells"][0]["server"], "echo");
    }

    #[test]
    fn the_median_of_an_even_number_is_between_two() {
        assert!((median([3.0, 1.0, 2.0].into_iter()) - 2.0).abs() < 1e-9);
        assert!((median([4.0, 1.0, 2.0, 3.0].into_iter()) - 2.5).abs() < 1e-9);
        assert!(median(std::iter::empty()).is_nan());
    }
}
