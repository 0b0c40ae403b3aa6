//! Whether what was installed works, by trying.
//!
//! An API server is given an object that names somebody else as who asks, without having it kept:
//! the webhook is to put it right, or else the policy behind it to refuse it.

use std::time::{Duration, Instant};

use promoter_kubernetes::objects::Error;

/// What follows says what was seen instead.
pub(crate) const NOT_IN_FORCE: &str = "everything is applied, but not in force after 30 s";

/// How long an API server may take to serve a new type, and to call what it was told to call.
const PATIENCE: Duration = Duration::from_secs(30);

const INTERVAL: Duration = Duration::from_millis(200);

/// What an API server makes of an object that names somebody else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// It takes it as it is: nothing is in force yet.
    Accepted,
    /// The webhook has put it right.
    Corrected,
    /// The policy refuses it, because the webhook has not answered.
    Refused,
}

/// Whether it is in force.
#[derive(Debug)]
pub(crate) enum InForce {
    /// No, because the API server could not answer, or because it takes what it is given.
    No(Option<Error>),
    /// The policy is, but the webhook does not answer.
    WithoutWebhook,
    Yes,
}

/// Tries until it is answered as it should be, with a webhook or without, for half a minute.
pub(crate) async fn until(
    with_webhook: bool,
    probe: impl AsyncFn() -> Result<Answer, Error>,
) -> InForce {
    let began = Instant::now();
    loop {
        let answer = probe().await;
        match (&answer, with_webhook) {
            (Ok(Answer::Corrected), true) | (Ok(Answer::Refused), false) => return InForce::Yes,
            _ => {}
        }
        if began.elapsed() >= PATIENCE {
            return match answer {
                Ok(Answer::Refused) => InForce::WithoutWebhook,
                Ok(_) => InForce::No(None),
                Err(error) => InForce::No(Some(error)),
            };
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
