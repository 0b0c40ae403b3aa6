//! Whether a process lives and is ready, and its figures, over plain HTTP on a port of their own.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Bytes},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::{encoding::text, registry::Registry};
use tokio::{
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};
use tokio_util::sync::CancellationToken;

use crate::server::EXHAUSTED;

/// kubelet asks by a connection of its own each time. Where there are more, the oldest ends: a
/// probe that had to wait for somebody who says nothing would be a reason to restart the process.
const CONNECTIONS: usize = 32;

/// How long a client may take to ask.
const HEADER: Duration = Duration::from_secs(2);

/// How long it may take until it has its answer.
const PATIENCE: Duration = Duration::from_secs(10);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// What is told of a process.
pub struct Health {
    /// Its figures.
    pub registry: Registry,
    /// Nothing where it is ready, or else why it is not.
    pub unready: Box<dyn Fn() -> Option<&'static str> + Send + Sync>,
}

impl Health {
    /// Tells it in a task of its own, until that is to stop.
    pub fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let health = Arc::new(self);
        let work = async move {
            let mut connections = VecDeque::with_capacity(CONNECTIONS);
            loop {
                let stream = match listener.accept().await {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!("cannot accept a connection to the health port: {error}");
                        tokio::time::sleep(EXHAUSTED).await;
                        continue;
                    }
                };
                make_room(&mut connections);
                let health = Arc::clone(&health);
                let connection = tokio::spawn(async move {
                    // Whoever hangs up has what it wanted; whoever takes too long gets nothing.
                    let _ = tokio::time::timeout(PATIENCE, health.answer_all(stream)).await;
                });
                connections.push_back(connection.abort_handle());
            }
        };
        tokio::spawn(async move { stop.run_until_cancelled(work).await });
    }

    async fn answer_all(&self, stream: TcpStream) -> hyper::Result<()> {
        let service = service_fn(|request| {
            let response = self.answer(&request);
            async move { Ok::<_, Infallible>(response) }
        });
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service)
            .await
    }

    fn answer<B: Body>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        match request.uri().path() {
            "/livez" => respond(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" => match (self.unready)() {
                None => respond(StatusCode::OK, TEXT, "ok\n"),
                Some(why) => respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{why}\n")),
            },
            "/metrics" => {
                let mut figures = String::new();
                match text::encode(&mut figures, &self.registry) {
                    Ok(()) => respond(StatusCode::OK, OPEN_METRICS, figures),
                    Err(error) => respond(
                        StatusCode::INTERNAL_SERVER_ERROR,
                        TEXT,
                        format!("the figures cannot be written: {error}\n"),
                    ),
                }
            }
            _ => respond(
                StatusCode::NOT_FOUND,
                TEXT,
                "there are /livez, /readyz and /metrics\n",
            ),
        }
    }
}

/// Leaves room for one connection more.
fn make_room(connections: &mut VecDeque<AbortHandle>) {
    connections.retain(|connection| !connection.is_finished());
    if connections.len() >= CONNECTIONS
        && let Some(oldest) = connections.pop_front()
    {
        oldest.abort();
    }
}

/// A response with a body of some type.
pub(crate) fn respond(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests;
