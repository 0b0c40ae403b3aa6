//! The server's certificate, read again when its files change.
//!
//! kubelet changes the files of a mounted Secret by putting a symbolic link in the place of
//! another: what was watched is not written to, but gone. So the files are simply read every few
//! seconds, which costs nothing and misses nothing.

use std::{io, path::PathBuf, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{VerifierBuilderError, WebPkiClientVerifier},
};
use tokio::{sync::watch, time::MissedTickBehavior};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::CertificateFiles;

/// No server can be made of the files.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The authorities of clients are of no use.
    #[error("{path} names no usable authority of clients: {source}")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        source: VerifierBuilderError,
    },
    /// Certificate and key do not go together, or are of a kind that TLS does not know.
    #[error("{certificate} and {key} are no pair for TLS: {source}")]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// It is not PEM.
    #[error("{path} has not the PEM that is expected: {source}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The certificate, and where it is from.
pub(super) struct Certificates {
    acceptor: TlsAcceptor,
    files: CertificateFiles,
    read: Contents,
}

/// What the files say.
#[derive(PartialEq)]
struct Contents {
    certificate: Vec<u8>,
    client_authorities: Option<Vec<u8>>,
    key: Vec<u8>,
}

impl Certificates {
    pub(super) async fn read(files: CertificateFiles) -> Result<Self, CertificateError> {
        let read = Contents::of(&files).await?;
        Ok(Self {
            acceptor: read.acceptor(&files)?,
            files,
            read,
        })
    }

    /// What new connections are accepted by, from now on.
    ///
    /// A pair that is no use, or that is being changed at this very moment, leaves the one before
    /// in its place.
    pub(super) fn watch(self, stop: CancellationToken) -> watch::Receiver<TlsAcceptor> {
        let Self {
            acceptor,
            files,
            mut read,
        } = self;
        let (sender, receiver) = watch::channel(acceptor);
        let mut ticks = tokio::time::interval(files.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut complaint = String::new();
        let work = async move {
            loop {
                ticks.tick().await;
                let result = match Contents::of(&files).await {
                    Ok(now) if now == read => continue,
                    Ok(now) => {
                        let made = now.acceptor(&files);
                        read = now;
                        made
                    }
                    Err(error) => Err(error),
                };
                match result {
                    Ok(acceptor) => {
                        complaint.clear();
                        tracing::info!("a new certificate is used from now on");
                        sender.send_replace(acceptor);
                    }
                    Err(error) => {
                        // Told once, not every few seconds.
                        let told = error.to_string();
                        if told != complaint {
                            tracing::warn!("{told}; the certificate before it is used further on");
                            complaint = told;
                        }
                    }
                }
            }
        };
        tokio::spawn(async move { stop.run_until_cancelled(work).await });
        receiver
    }
}

impl Contents {
    async fn of(files: &CertificateFiles) -> Result<Self, CertificateError> {
        let read = async |path: &PathBuf| {
            tokio::fs::read(path)
                .await
                .map_err(|source| CertificateError::Read {
                    path: path.clone(),
                    source,
                })
        };
        let client_authorities = match &files.client_authorities {
            Some(path) => Some(read(path).await?),
            None => None,
        };
        Ok(Self {
            certificate: read(&files.certificate).await?,
            client_authorities,
            key: read(&files.key).await?,
        })
    }

    fn acceptor(&self, files: &CertificateFiles) -> Result<TlsAcceptor, CertificateError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let pem = |path: &PathBuf| {
            let path = path.clone();
            move |source| CertificateError::Pem { path, source }
        };
        let chain = certificates(&self.certificate).map_err(pem(&files.certificate))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(pem(&files.key))?;
        let pair = |source| CertificateError::Pair {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            source,
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(pair)?;
        let builder = match (&self.client_authorities, &files.client_authorities) {
            (Some(authorities), Some(path)) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(certificates(authorities).map_err(pem(path))?);
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .map_err(|source| CertificateError::Authorities {
                            path: path.clone(),
                            source,
                        })?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(pair)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error> {
    CertificateDer::pem_slice_iter(pem).collect()
}

/// Whether a server can be made of what files say.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn can_serve(
    certificate: &[u8],
    key: &[u8],
    client_authorities: Option<&[u8]>,
) -> Result<(), CertificateError> {
    let files = CertificateFiles {
        certificate: PathBuf::new(),
        client_authorities: client_authorities.map(|_| PathBuf::new()),
        interval: std::time::Duration::ZERO,
        key: PathBuf::new(),
    };
    let contents = Contents {
        certificate: certificate.to_vec(),
        client_authorities: client_authorities.map(<[u8]>::to_vec),
        key: key.to_vec(),
    };
    contents.acceptor(&files).map(|_| ())
}
