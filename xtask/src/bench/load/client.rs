//! A connection, and one question on it.

use std::{borrow::Cow, net::SocketAddr, sync::Arc};

use anyhow::{Context, bail, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, StatusCode, Uri,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use serde::{Deserialize, de::IgnoredAny};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What is asked, and what must be answered.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) body: Bytes,
    /// Whether the object must be changed.
    pub(crate) patched: bool,
    pub(crate) uid: String,
    pub(crate) uri: Uri,
}

/// A connection that stays.
pub(crate) struct Connection(SendRequest<Full<Bytes>>);

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    response: Response<'a>,
}

#[derive(Deserialize)]
struct Response<'a> {
    allowed: bool,
    patch: Option<IgnoredAny>,
    status: Option<Status>,
    #[serde(borrow)]
    uid: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    reason: String,
}

/// Opens connections to a server that the authority (PEM) has signed for.
pub(crate) async fn connect(
    address: SocketAddr,
    authority: &[u8],
    count: usize,
) -> anyhow::Result<Vec<Connection>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority) {
        roots.add(certificate?)?;
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // kube-apiserver keeps no sessions.
    config.resumption = rustls::client::Resumption::disabled();
    let connector = TlsConnector::from(Arc::new(config));
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        let connection = open(address, &connector).await;
        connections.push(connection.with_context(|| format!("cannot connect to {address}"))?);
    }
    Ok(connections)
}

async fn open(address: SocketAddr, connector: &TlsConnector) -> anyhow::Result<Connection> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::from(address.ip());
    let stream = connector.connect(name, stream).await?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the sender. What goes wrong is told to whoever asks.
    tokio::spawn(async move { connection.await.ok() });
    Ok(Connection(sender))
}

impl Connection {
    /// Asks, and makes sure that the answer is what it must be.
    pub(crate) async fn ask(&mut self, question: &Question) -> anyhow::Result<()> {
        let answer = self.exchange(question).await?;
        let Answer { response } = serde_json::from_slice(&answer)
            .with_context(|| format!("no AdmissionReview: {}", String::from_utf8_lossy(&answer)))?;
        let is_right = response.allowed
            && response.uid == question.uid
            && response.patch.is_some() == question.patched;
        ensure!(
            is_right,
            "not the answer that is due: {}",
            String::from_utf8_lossy(&answer)
        );
        Ok(())
    }

    /// Asks, and returns the reason for which it is denied; nothing if it is allowed.
    pub(crate) async fn denial(&mut self, question: &Question) -> anyhow::Result<Option<String>> {
        let answer = self.exchange(question).await?;
        let Answer { response } = serde_json::from_slice(&answer)?;
        let status = response.status.unwrap_or_default();
        Ok((!response.allowed).then_some(status.reason))
    }

    async fn exchange(&mut self, question: &Question) -> anyhow::Result<Bytes> {
        let request = Request::post(question.uri.clone())
            .header(HOST, "localhost")
            .header(ACCEPT, "application/json, */*")
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, "kube-apiserver-admission")
            .body(Full::new(question.body.clone()))?;
        self.0.ready().await.context("the connection has ended")?;
        let response = self.0.send_request(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        if status != StatusCode::OK {
            bail!("{status}: {}", String::from_utf8_lossy(&answer));
        }
        Ok(answer)
    }
}
