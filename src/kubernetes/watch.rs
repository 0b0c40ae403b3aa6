//! Watches that go on through whatever happens to the API server.

use std::{pin::Pin, time::Duration};

use futures::{
    Stream,
    stream::{self, StreamExt as _},
};
use http::StatusCode;
use kube::{
    Api, Resource,
    runtime::{
        utils::Backoff as _,
        watcher::{self, DefaultBackoff, Event, watcher},
    },
};
use serde::de::DeserializeOwned;

/// A watch was interrupted; it goes on by itself when it is asked for what comes next.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    message: String,
    status: Option<StatusCode>,
}

/// Watches every object behind `api`: first those that are there, then what becomes of them.
///
/// After an error the next item comes with a growing delay. Two things are done that kube's
/// watcher and its `default_backoff` leave out: the delay grows as well while not even the first
/// list succeeds, although each try begins with an `Init`; and a watch that the API server refuses
/// to resume begins anew instead of being resumed from the same place for ever.
pub fn watch<K>(api: Api<K>) -> impl Stream<Item = Result<Event<K>, Error>> + Send + 'static
where
    K: Clone + DeserializeOwned + std::fmt::Debug + Resource + Send + Sync + 'static,
{
    watch_some(api, watcher::Config::default())
}

/// The same for the objects that a configuration selects. One that is no longer selected is told of
/// as if it were gone.
pub fn watch_some<K>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = Result<Event<K>, Error>> + Send + 'static
where
    K: Clone + DeserializeOwned + std::fmt::Debug + Resource + Send + Sync + 'static,
{
    stream::unfold(Watch::new(api, config), |mut watch| async {
        let event = watch.next().await?;
        Some((event, watch))
    })
}

struct Watch<K> {
    api: Api<K>,
    backoff: DefaultBackoff,
    config: watcher::Config,
    delay: Option<Duration>,
    events: Events<K>,
}

type Events<K> = Pin<Box<dyn Stream<Item = watcher::Result<Event<K>>> + Send>>;

impl<K> Watch<K>
where
    K: Clone + DeserializeOwned + std::fmt::Debug + Resource + Send + Sync + 'static,
{
    fn new(api: Api<K>, config: watcher::Config) -> Self {
        Self {
            events: begin(&api, &config),
            api,
            backoff: DefaultBackoff::default(),
            config,
            delay: None,
        }
    }

    async fn next(&mut self) -> Option<Result<Event<K>, Error>> {
        if let Some(delay) = self.delay.take() {
            tokio::time::sleep(delay).await;
        }
        match self.events.next().await? {
            Ok(event) => {
                // Only what the API server said shows that it answers again.
                if !matches!(event, Event::Init) {
                    self.backoff.reset();
                }
                Some(Ok(event))
            }
            Err(error) => {
                // The API server is there, it only wants the list to be read anew.
                if matches!(&error, watcher::Error::WatchError(status) if status.code == StatusCode::GONE.as_u16())
                {
                    self.backoff.reset();
                }
                self.delay = self.backoff.next();
                if matches!(
                    &error,
                    watcher::Error::WatchStartFailed(kube::Error::Api(status))
                        if status.code != StatusCode::TOO_MANY_REQUESTS.as_u16()
                ) {
                    self.events = begin(&self.api, &self.config);
                }
                Some(Err(error.into()))
            }
        }
    }
}

fn begin<K>(api: &Api<K>, config: &watcher::Config) -> Events<K>
where
    K: Clone + DeserializeOwned + std::fmt::Debug + Resource + Send + Sync + 'static,
{
    Box::pin(watcher(api.clone(), config.clone()))
}

impl Error {
    /// Whether the API server refused the credentials, or that they may watch.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(
            self.status,
            Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        )
    }
}

impl From<watcher::Error> for Error {
    fn from(error: watcher::Error) -> Self {
        let status = match &error {
            watcher::Error::InitialListFailed(kube::Error::Api(status))
            | watcher::Error::WatchStartFailed(kube::Error::Api(status))
            | watcher::Error::WatchFailed(kube::Error::Api(status))
            | watcher::Error::WatchError(status) => Some(status),
            _ => None,
        };
        match status {
            Some(status) => Self {
                message: format!("{} ({})", status.message, status.code),
                status: StatusCode::from_u16(status.code).ok(),
            },
            None => Self {
                message: with_causes(&error),
                status: None,
            },
        }
    }
}

/// An error with its causes, those left out that it says itself.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn a_refusal_is_told_from_an_interruption() {
        let answered = |code| {
            let status = Status {
                code,
                message: "no".to_owned(),
                ..Status::default()
            };
            Error::from(watcher::Error::WatchStartFailed(kube::Error::Api(
                Box::new(status),
            )))
        };
        assert!(answered(401).is_denied());
        assert!(answered(403).is_denied());
        assert!(!answered(410).is_denied());
        assert_eq!(answered(410).to_string(), "no (410)");
        assert!(!Error::from(watcher::Error::NoResourceVersion).is_denied());
    }
}
