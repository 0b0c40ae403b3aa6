//! Requests as kube-apiserver makes them, HTTP/1.1 over connections that stay, and how long each
//! took.

mod client;
mod closed;
mod open;

pub(super) use client::{Connection, Question, connect};
pub(super) use closed::saturate;
pub(super) use open::at_rate;

use std::time::Duration;

/// What a load came to.
#[derive(Debug, Default)]
pub(super) struct Answered {
    /// One for each answer.
    pub(super) latencies: Vec<Duration>,
    /// From the first question until the last answer.
    pub(super) took: Duration,
}

impl Answered {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(super) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    /// The latency that this share of all answers took at the most.
    pub(super) fn percentile(&self, share: f64) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a share of a length is one"
        )]
        let rank = (sorted.len() as f64 * share).ceil() as usize;
        let index = rank.saturating_sub(1);
        sorted.get(index).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_answers() {
        let answered = Answered {
            latencies: (1..=200).rev().map(Duration::from_millis).collect(),
            took: Duration::from_secs(2),
        };
        assert_eq!(answered.percentile(0.5), Duration::from_millis(100));
        assert_eq!(answered.percentile(0.99), Duration::from_millis(198));
        assert!((answered.per_second() - 100.0).abs() < f64::EPSILON);
        assert_eq!(Answered::default().percentile(0.5), Duration::ZERO);
    }
}
