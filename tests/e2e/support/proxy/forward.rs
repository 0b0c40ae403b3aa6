//! How a request gets to its API server, and the answer back.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use anyhow::{Context as _, Result};
use futures::TryStreamExt as _;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response, StatusCode, Uri,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
};
use kube::{
    Client, Config,
    client::Body,
    config::{AuthInfo, KubeConfigOptions, Kubeconfig},
};
use promoter_fleet::Fleet;
use promoter_installation::control_plane::HUB_USER;
use serde_json::{Value, json};

use super::{Asked, Fault, Seen, Shared, rule::Course};

type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// The collections of which the hub is to see those of one namespace: what it acts on by itself.
const SCOPED: [&str; 2] = [
    "/apis/apps/v1/deployments",
    "/apis/promote.karmada.io/v1alpha1/promotions",
];

/// The collection in which the namespace itself is.
const NAMESPACES: &str = "/api/v1/namespaces";

/// A real API server.
pub(super) struct Upstream {
    address: String,
    client: Client,
    cluster: String,
}

impl Upstream {
    /// The API server of `karmada`, as the hub, or of a member, as whoever asks.
    pub(super) async fn of(fleet: &Fleet, cluster: &str) -> Result<Self> {
        let path = match cluster {
            "karmada" => fleet.user_kubeconfig(cluster, HUB_USER, None)?,
            member => fleet.member_kubeconfig(member),
        };
        let read = Kubeconfig::read_from(&path)?;
        let server = read.clusters.first().and_then(|it| it.cluster.as_ref());
        let address = server.and_then(|it| it.server.clone());
        let mut config =
            Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
        if cluster != "karmada" {
            // The hub has a token, which goes with its requests.
            config.auth_info = AuthInfo::default();
        }
        Ok(Self {
            address: address.context("a kubeconfig has a server")?,
            client: super::client(config)?,
            cluster: cluster.to_owned(),
        })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

/// Answers a request as the API server would, or as the rule wants it. An error cuts the
/// connection.
pub(super) async fn answer(
    upstream: &Upstream,
    shared: &Arc<Shared>,
    request: Request<Incoming>,
) -> io::Result<Answer> {
    let asked = Asked::new(&upstream.cluster, request.method(), request.uri());
    let course = {
        let mut state = shared.lock();
        state.seen.push(Seen {
            asked: asked.clone(),
            at: Instant::now(),
        });
        state.rules.course(&asked)
    };
    shared.pass(course == Course::Wait).await;
    let fault = match course {
        Course::Pass | Course::Wait => None,
        Course::Die => {
            shared.kill().await;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Course::Fail(Fault::Cut) => return Err(io::ErrorKind::ConnectionReset.into()),
        Course::Fail(Fault::Refuse(code)) => return Ok(refuse(code)),
        Course::Fail(fault) => Some(fault),
    };
    let response = forward(upstream, shared, request).await?;
    match fault {
        None => pass(shared, &asked, response).await,
        Some(fault) => {
            if fault == Fault::KillUnanswered {
                shared.kill().await;
            }
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
}

async fn forward(
    upstream: &Upstream,
    shared: &Shared,
    request: Request<Incoming>,
) -> io::Result<Response<Body>> {
    let (mut parts, body) = request.into_parts();
    for name in [header::CONNECTION, header::CONTENT_LENGTH, header::HOST] {
        parts.headers.remove(name);
    }
    parts.uri = scoped(&parts.uri, &shared.namespace);
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let request = Request::from_parts(parts, Body::from(body));
    upstream
        .client
        .send(request)
        .await
        .map_err(io::Error::other)
}

/// Of everything that the hub acts on, what is in the namespace.
fn scoped(uri: &Uri, namespace: &str) -> Uri {
    if let Some(query) = uri.query()
        && uri.path() == NAMESPACES
        && query.contains("labelSelector=")
    {
        let scoped = format!("{NAMESPACES}?{query}&fieldSelector=metadata.name%3D{namespace}");
        return scoped.parse().expect("a path is a URI");
    }
    let Some((group, plural)) = SCOPED
        .into_iter()
        .find(|path| *path == uri.path())
        .and_then(|path| path.rsplit_once('/'))
    else {
        return uri.clone();
    };
    let query = uri.query().map(|it| format!("?{it}")).unwrap_or_default();
    let scoped = format!("{group}/namespaces/{namespace}/{plural}{query}");
    scoped.parse().expect("a path is a URI")
}

async fn pass(shared: &Arc<Shared>, asked: &Asked, response: Response<Body>) -> io::Result<Answer> {
    let (mut parts, body) = response.into_parts();
    for name in [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
    ] {
        parts.headers.remove(name);
    }
    // Only these tell of members.
    let rewrites = asked.resource == "clusters";
    let body = if asked.is_watch() && parts.status.is_success() {
        let lines = body.into_data_stream();
        let of_members = Arc::clone(shared);
        let followed = shared.watches.follow(lines, move |lines| {
            if rewrites {
                retold(&of_members, lines)
            } else {
                lines
            }
        });
        StreamBody::new(followed.into_stream()).boxed_unsync()
    } else {
        let mut body = body
            .collect()
            .await
            .map_err(io::Error::other)?
            .to_bytes()
            .to_vec();
        if rewrites {
            body = retold(shared, body);
        }
        full(body)
    };
    Ok(Response::from_parts(parts, body))
}

/// Clusters with the proxy's addresses for the members', and not ready when they are hidden.
fn retold(shared: &Shared, json: Vec<u8>) -> Vec<u8> {
    let mut text = String::from_utf8(json).expect("an API server sends UTF-8");
    for (real, own) in &shared.members {
        // In quotes: a port may begin as another one does.
        text = text.replace(&format!("{real:?}"), &format!("{own:?}"));
    }
    if shared.hidden.load(Ordering::SeqCst) {
        let ready = |status| format!(r#""type":"Ready","status":"{status}""#);
        text = text.replace(&ready("True"), &ready("False"));
    }
    text.into_bytes()
}

fn refuse(code: u16) -> Answer {
    let mut response = Response::new(full(status(code).to_string().into_bytes()));
    *response.status_mut() = StatusCode::from_u16(code).expect("an HTTP status");
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    if code == 429 {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// A refusal as API servers word it.
pub(super) fn status(code: u16) -> Value {
    let reason = match code {
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        _ => "InternalError",
    };
    json!({
        "apiVersion": "v1",
        "kind": "Status",
        "metadata": {},
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": format!("{reason}, says the test's proxy"),
    })
}

fn full(bytes: Vec<u8>) -> UnsyncBoxBody<Bytes, io::Error> {
    Full::new(Bytes::from(bytes))
        .map_err(|never| match never {})
        .boxed_unsync()
}
