//! What nothing can be faster than: hyper and rustls with the webhook's own settings of TLS, where
//! the body is read and a fixed answer is given.

use std::{convert::Infallible, net::SocketAddr, path::Path, sync::Arc};

use anyhow::Context;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// The uid in every answer.
pub(super) const UID: &str = "00000000-0000-4000-8000-000000000000";

const ANSWER: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"allowed":true,"uid":"00000000-0000-4000-8000-000000000000"}}"#;

/// Serves until the process ends.
pub(super) async fn serve(
    address: SocketAddr,
    certificate: &Path,
    key: &Path,
) -> anyhow::Result<()> {
    let acceptor = acceptor(certificate, key)?;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    loop {
        let (stream, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        // Whoever hangs up has what it wanted.
        tokio::spawn(async move { connection(stream, &acceptor).await.ok() });
    }
}

fn acceptor(certificate: &Path, key: &Path) -> anyhow::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn connection(stream: TcpStream, acceptor: &TlsAcceptor) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let stream = acceptor.accept(stream).await?;
    http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await?;
    Ok(())
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    // One that is broken ends the connection by itself.
    let _ = request.into_body().collect().await;
    let mut response = Response::new(Full::from(ANSWER));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_has_the_uid_that_is_told() {
        let answer: serde_json::Value = serde_json::from_str(ANSWER).unwrap();
        assert_eq!(answer["response"]["uid"], UID);
    }
}
