//! Reading bodies without letting anybody fill the memory.

use std::{sync::Arc, time::Duration};

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::Limits;

/// A body up to this length is nobody's concern: every review of an ordinary object is shorter.
const SHORT: usize = 256 << 10;

/// How many bytes all long bodies together may have.
///
/// It is taken as the bytes arrive, not as they are announced: whoever wants to use it up has to
/// send it.
#[derive(Clone)]
pub(super) struct Budget(Arc<Semaphore>);

/// A body, and the share of the budget that it holds.
pub(super) struct Whole {
    pub(super) bytes: Vec<u8>,
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
        Self(Arc::new(Semaphore::new(bytes)))
    }

    pub(super) async fn read(&self, mut body: Incoming, limits: &Limits) -> Result<Whole, Unread> {
        let announced = body.size_hint().lower();
        if announced > limits.body as u64 {
            return Err(Unread::TooLong);
        }
        let deadline = deadline(limits.body_timeout);
        let mut bytes = Vec::with_capacity(usize::try_from(announced).map_or(SHORT, cautious));
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
            let length = bytes.len() + data.len();
            if length > limits.body {
                return Err(Unread::TooLong);
            }
            let held = share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let more = length.saturating_sub(SHORT).saturating_sub(held);
            if more > 0 {
                let taken = u32::try_from(more)
                    .ok()
                    .and_then(|more| Arc::clone(&self.0).try_acquire_many_owned(more).ok())
                    .ok_or(Unread::Crowded)?;
                match &mut share {
                    Some(share) => share.merge(taken),
                    None => share = Some(taken),
                }
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Whole {
            bytes,
            _share: share,
        })
    }
}

/// Room for a short body at once, and for a long one as it comes.
fn cautious(announced: usize) -> usize {
    announced.min(SHORT)
}

fn deadline(patience: Duration) -> Instant {
    Instant::now() + patience
}
