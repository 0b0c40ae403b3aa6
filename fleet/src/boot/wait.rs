//! Waits for conditions, as long as everything that runs keeps running.

use std::time::{Duration, Instant};

use super::{Boot, BootError};
use crate::client::ClientError;

/// Much more than any step takes, for machines that are busy with other things.
const TIMEOUT: Duration = Duration::from_mins(3);
const INTERVAL: Duration = Duration::from_millis(50);

impl Boot {
    /// Asks again and again until the answer is yes. An error is a no: what is asked may not be
    /// there yet. A process that ends meanwhile is an error that names it.
    pub(super) async fn until<A>(
        &self,
        what: &str,
        mut condition: impl FnMut() -> A,
    ) -> Result<(), BootError>
    where
        A: Future<Output = Result<bool, ClientError>>,
    {
        let started = Instant::now();
        loop {
            self.supervisor.check()?;
            let last = match condition().await {
                Ok(true) => return Ok(()),
                Ok(false) => "not yet so".into(),
                Err(error) => error.to_string(),
            };
            if started.elapsed() > TIMEOUT {
                return Err(BootError::TimedOut {
                    what: what.into(),
                    seconds: TIMEOUT.as_secs(),
                    last,
                    logs: self.layout.logs(),
                });
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

/// Whether an object's status has a condition that is true.
pub(super) fn has_condition(object: &serde_json::Value, condition: &str) -> bool {
    object["status"]["conditions"]
        .as_array()
        .is_some_and(|conditions| {
            conditions
                .iter()
                .any(|found| found["type"] == condition && found["status"] == "True")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_condition_counts_when_it_is_true() {
        let object =
            |status: &str| json!({"status": {"conditions": [{"type": "Ready", "status": status}]}});
        assert!(has_condition(&object("True"), "Ready"));
        assert!(!has_condition(&object("Unknown"), "Ready"));
        assert!(!has_condition(&object("True"), "Available"));
        assert!(!has_condition(&json!({}), "Ready"));
    }
}
