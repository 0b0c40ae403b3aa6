//! Reading bodies without letting anybody fill the memory.

use std::{sync::Arc, time::Duration};

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Bytes, Incoming};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};

use super::Limits;

/// A body up to this length is nobody's concern: every review of an ordinary object is shorter.
const SHORT: usize = 256 << 10;

/// How much memory long bodies may take.
pub(super) struct Budget {
    /// How many bytes all of them together may have.
    ///
    /// They are taken as they arrive, not as they are announced: whoever wants to use them up has
    /// to send them.
    bytes: Arc<Semaphore>,
    /// Whose turn it is to be understood. That can take many times a body's length: a number of one
    /// digit becomes a value of 32 bytes.
    turn: Semaphore,
}

/// A body, and the share of the budget that it holds.
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unread {
    /// The client hung up, or does not speak HTTP.
    Broken,
    /// Others have sent too much at the moment.
    Crowded,
    /// It took too long.
    Late,
    /// It is longer than any review.
    TooLong,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(bytes)),
            turn: Semaphore::new(1),
        }
    }

    pub(super) async fn read(&self, mut body: Incoming, limits: &Limits) -> Result<Whole, Unread> {
        let length = body.size_hint();
        let announced = length.lower();
        if announced > limits.body as u64 {
            return Err(Unread::TooLong);
        }
        let deadline = deadline(limits.body_timeout);
        let mut bytes = Vec::new();
        let mut share: Option<OwnedSemaphorePermit> = None;
        loop {
            let frame = timeout_at(deadline, body.frame())
                .await
                .map_err(|_| Unread::Late)?;
            let data = match frame {
                None => break,
                Some(Err(_)) => return Err(Unread::Broken),
                Some(Ok(frame)) => frame.into_data(),
            };
            // What is no data is a trailer, which says nothing.
            let Ok(data) = data else { continue };
            if bytes.is_empty() {
                // Most are there at once, and are left where they are.
                if length.exact() == Some(data.len() as u64) && data.len() <= SHORT {
                    return Ok(Whole {
                        bytes: data,
                        _share: None,
                    });
                }
                bytes.reserve(usize::try_from(announced).map_or(SHORT, cautious));
            }
            let so_far = bytes.len() + data.len();
            if so_far > limits.body {
                return Err(Unread::TooLong);
            }
            let held = share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let more = so_far.saturating_sub(SHORT).saturating_sub(held);
            if more > 0 {
                let taken = u32::try_from(more)
                    .ok()
                    .and_then(|more| Arc::clone(&self.bytes).try_acquire_many_owned(more).ok())
                    .ok_or(Unread::Crowded)?;
                match &mut share {
                    Some(share) => share.merge(taken),
                    None => share = Some(taken),
                }
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Whole {
            bytes: bytes.into(),
            _share: share,
        })
    }

    /// Waits until a body may be understood, which it may as long as the permit is held. A short
    /// one needs none.
    pub(super) async fn turn(&self, body: &Whole) -> Option<SemaphorePermit<'_>> {
        if body.bytes.len() <= SHORT {
            return None;
        }
        // The semaphore is never closed.
        self.turn.acquire().await.ok()
    }
}

/// Room for a short body at once, and for a long one as it comes.
fn cautious(announced: usize) -> usize {
    announced.min(SHORT)
}

fn deadline(patience: Duration) -> Instant {
    Instant::now() + patience
}
