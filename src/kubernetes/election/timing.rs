//! How long a Lease holds, and how often it is looked at.

use std::time::Duration;

/// How long a Lease holds, and how often it is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timing {
    /// How long others leave it alone after it was renewed.
    pub(super) duration: Duration,
    /// How long its holder goes on leading after it was renewed.
    pub(super) renew_deadline: Duration,
    /// How often it is renewed.
    pub(super) retry_period: Duration,
}

/// A process would lead when another one may lead too, or would not try often enough.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TimingError {
    /// The holder would go on too long.
    #[error("the lease's duration must be longer than its renew deadline")]
    Deadline,
    /// One answer that is lost would end the leadership.
    #[error("the lease's renew deadline must be at least twice as long as its retry period")]
    Retry,
    /// It would be renewed all the time.
    #[error("the lease's retry period must be at least a second")]
    Zero,
}

impl Timing {
    /// Checks that at no time two processes lead.
    pub fn new(
        duration: Duration,
        renew_deadline: Duration,
        retry_period: Duration,
    ) -> Result<Self, TimingError> {
        if retry_period < Duration::from_secs(1) {
            return Err(TimingError::Zero);
        }
        if renew_deadline < retry_period.saturating_mul(2) {
            return Err(TimingError::Retry);
        }
        if duration <= renew_deadline {
            return Err(TimingError::Deadline);
        }
        Ok(Self {
            duration,
            renew_deadline,
            retry_period,
        })
    }

    /// How often a process that stands by looks: more often than the holder renews, so that one
    /// that was released is taken over soon.
    pub(super) fn look_period(&self) -> Duration {
        self.retry_period / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_stops_before_anybody_takes_over() {
        let timing = |duration, deadline, retry| {
            let seconds = Duration::from_secs;
            Timing::new(seconds(duration), seconds(deadline), seconds(retry))
        };
        assert!(timing(15, 10, 2).is_ok());
        assert!(timing(3, 2, 1).is_ok());
        assert_eq!(timing(10, 10, 2), Err(TimingError::Deadline));
        assert_eq!(timing(15, 3, 2), Err(TimingError::Retry));
        assert_eq!(timing(15, 10, 0), Err(TimingError::Zero));
    }
}
