//! Whether the server lives and is ready, over plain HTTP on a port of its own.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response, StatusCode, body::Body, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};
use tokio_util::sync::CancellationToken;

use super::http::line;

/// kubelet asks by a connection of its own each time.
const CONNECTIONS: usize = 32;

const PATIENCE: Duration = Duration::from_secs(10);

/// How the server is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// It still answers, but nobody new is to be sent to it.
    Draining,
    /// It answers.
    Ready,
}

/// Where it is said.
pub(super) struct Health(TcpListener);

impl Health {
    pub(super) const fn new(listener: TcpListener) -> Self {
        Self(listener)
    }

    /// Says it until it is told to stop.
    pub(super) fn serve(self, state: watch::Receiver<State>, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        let work = async move {
            while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
                let Ok((stream, _)) = self.0.accept().await else {
                    continue;
                };
                let state = state.clone();
                tokio::spawn(async move {
                    let _slot = slot;
                    // Whoever hangs up has what it wanted; whoever takes too long gets nothing.
                    let _ = tokio::time::timeout(PATIENCE, serve(stream, state)).await;
                });
            }
        };
        tokio::spawn(async move { stop.run_until_cancelled(work).await });
    }
}

async fn serve(stream: TcpStream, state: watch::Receiver<State>) -> hyper::Result<()> {
    let service = service_fn(move |request| {
        let response = answer(&request, *state.borrow());
        async move { Ok::<_, Infallible>(response) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn answer<B: Body>(request: &Request<B>, state: State) -> Response<Full<Bytes>> {
    match (request.uri().path(), state) {
        ("/livez", _) | ("/readyz", State::Ready) => line(StatusCode::OK, "ok\n"),
        ("/readyz", State::Draining) => line(
            StatusCode::SERVICE_UNAVAILABLE,
            "asked to stop; what has begun is finished\n",
        ),
        _ => line(StatusCode::NOT_FOUND, "there are /livez and /readyz\n"),
    }
}
