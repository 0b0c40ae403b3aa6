//! Answers that do not end: the watches.

use std::{collections::VecDeque, io, pin::Pin};

use futures::{Stream, StreamExt as _, stream};
use hyper::body::{Bytes, Frame};
use tokio::sync::watch;

/// How a watch ends before its time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    /// The connection is cut.
    Cut,
    /// The connection is cut, and where the hub wants to go on from where it was, it is told that
    /// this is too long ago: by an answer of HTTP status 410.
    CutAndExpire,
    /// The API server says that where it was is too long ago: in the watch itself.
    Expire,
}

/// Tells all open watches to end.
pub(super) struct Endings(watch::Sender<Option<Ending>>);

/// What the API server has sent and not all of it was passed on.
struct Open<B> {
    body: Pin<Box<B>>,
    /// What came after the last whole line.
    begun: Vec<u8>,
    ending: watch::Receiver<Option<Ending>>,
    /// Lines to be passed on.
    ready: VecDeque<io::Result<Bytes>>,
    over: bool,
}

impl Default for Endings {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Endings {
    /// How many watches are open.
    pub(super) fn open(&self) -> usize {
        self.0.receiver_count()
    }

    /// Ends the watches that are open.
    pub(super) fn end(&self, ending: Ending) {
        self.0.send_replace(Some(ending));
    }

    /// Passes a watch on, whole lines at a time, until it ends or is told to.
    pub(super) fn follow<B, E>(
        &self,
        body: B,
        rewrite: impl Fn(Vec<u8>) -> Vec<u8> + Send + 'static,
    ) -> impl Stream<Item = io::Result<Frame<Bytes>>> + Send + 'static
    where
        B: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: std::error::Error + Send + Sync + 'static,
    {
        let mut ending = self.0.subscribe();
        ending.mark_unchanged();
        let open = Open {
            body: Box::pin(body),
            begun: Vec::new(),
            ending,
            ready: VecDeque::new(),
            over: false,
        };
        stream::unfold(open, Open::next)
            .map(move |lines| Ok(Frame::data(Bytes::from(rewrite(lines?.to_vec())))))
    }
}

impl<B, E> Open<B>
where
    B: Stream<Item = Result<Bytes, E>> + Send,
    E: std::error::Error + Send + Sync + 'static,
{
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some((ready, self));
            }
            if self.over {
                return None;
            }
            tokio::select! {
                changed = self.ending.changed() => {
                    self.over = true;
                    // Whoever could tell it to end is gone.
                    changed.ok()?;
                    let ending = *self.ending.borrow_and_update();
                    self.ready.extend(ending.map(last_words));
                }
                sent = self.body.next() => match sent {
                    Some(Ok(bytes)) => self.take(&bytes),
                    Some(Err(error)) => {
                        self.over = true;
                        self.ready.push_back(Err(io::Error::other(error)));
                    }
                    None => self.over = true,
                },
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.begun.extend_from_slice(bytes);
        if let Some(end) = self.begun.iter().rposition(|byte| *byte == b'\n') {
            let rest = self.begun.split_off(end + 1);
            let lines = std::mem::replace(&mut self.begun, rest);
            self.ready.push_back(Ok(Bytes::from(lines)));
        }
    }
}

fn last_words(ending: Ending) -> io::Result<Bytes> {
    match ending {
        Ending::Cut | Ending::CutAndExpire => Err(io::ErrorKind::ConnectionReset.into()),
        Ending::Expire => {
            let status = super::forward::status(410);
            let event = serde_json::json!({"type": "ERROR", "object": status});
            Ok(Bytes::from(format!("{event}\n")))
        }
    }
}
