//! Waiting for a condition.

use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep, timeout_at};

/// How long a condition may take, on a slow machine with other tests beside it.
pub(crate) const LIMIT: Duration = Duration::from_mins(3);

const INTERVAL: Duration = Duration::from_millis(75);

/// Looks again and again until `look` succeeds, and returns what it has found. What it failed with
/// the last time is what the error says when the time is over.
///
/// A test looks through [`super::Scene::eventually`], whose error says more.
pub(crate) async fn eventually<T>(
    what: &str,
    limit: Duration,
    look: impl AsyncFn() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    let mut seen = anyhow!("the first look did not end");
    loop {
        match timeout_at(deadline, look()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) => seen = error,
            Err(_) => {}
        }
        if Instant::now() >= deadline {
            return Err(anyhow!(
                "after {limit:?}, still not: {what}; last seen: {seen:#}"
            ));
        }
        sleep(INTERVAL).await;
    }
}
