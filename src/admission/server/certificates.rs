//! The server's certificate, looked at again and again: whoever keeps it changes it.
//!
//! kubelet changes the files of a mounted Secret by putting a symbolic link in the place of
//! another: what was watched is not written to, but gone. So the files are simply read every few
//! seconds, which costs nothing and misses nothing.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    server::{VerifierBuilderError, WebPkiClientVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::{sync::watch, time::MissedTickBehavior};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use super::{Certificate, CertificateSettings};
use crate::metrics::Metrics;

/// No server can be made of the certificate.
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
        source: pem::Error,
    },
    /// This program's cryptography is not usable.
    #[error("no TLS server can be set up: {0}")]
    Provider(rustls::Error),
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
    acceptor: Acceptor,
    read: Contents,
    settings: CertificateSettings,
}

/// What connections are accepted by.
struct Acceptor {
    acceptor: TlsAcceptor,
    /// When the certificate that it shows ends, in seconds since 1970; 0 where it does not say.
    end: i64,
}

/// What there is at a moment.
#[derive(PartialEq)]
struct Contents {
    client_authorities: Option<File>,
    shown: Shown,
}

/// What the server shows.
enum Shown {
    Files { certificate: File, key: File },
    Kept(Arc<CertifiedKey>),
}

/// A file as it was read.
#[derive(PartialEq)]
struct File {
    bytes: Vec<u8>,
    path: PathBuf,
}

impl Certificates {
    pub(super) async fn read(settings: CertificateSettings) -> Result<Self, CertificateError> {
        let read = Contents::of(&settings).await?;
        Ok(Self {
            acceptor: read.acceptor()?,
            read,
            settings,
        })
    }

    /// What new connections are accepted by, from now on.
    ///
    /// A pair that is no use, or that is being changed at this very moment, leaves the one before
    /// in its place.
    pub(super) fn watch(
        self,
        stop: CancellationToken,
        metrics: Arc<Metrics>,
    ) -> watch::Receiver<TlsAcceptor> {
        let Self {
            acceptor,
            mut read,
            settings,
        } = self;
        let Acceptor { acceptor, end } = acceptor;
        metrics.certificate_not_after.set(end);
        let (sender, receiver) = watch::channel(acceptor);
        let mut ticks = tokio::time::interval(settings.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut complaint = String::new();
        let work = async move {
            loop {
                ticks.tick().await;
                let result = match Contents::of(&settings).await {
                    Ok(now) if now == read => continue,
                    Ok(now) => {
                        let made = now.acceptor();
                        read = now;
                        made
                    }
                    Err(error) => Err(error),
                };
                match result {
                    Ok(Acceptor { acceptor, end }) => {
                        complaint.clear();
                        metrics.reloaded(true);
                        metrics.certificate_not_after.set(end);
                        tracing::info!("a new certificate is used from now on");
                        sender.send_replace(acceptor);
                    }
                    Err(error) => {
                        // Told once, not every few seconds.
                        let told = error.to_string();
                        if told != complaint {
                            metrics.reloaded(false);
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
    async fn of(settings: &CertificateSettings) -> Result<Self, CertificateError> {
        let client_authorities = match &settings.client_authorities {
            Some(path) => Some(File::read(path).await?),
            None => None,
        };
        let shown = match &settings.certificate {
            Certificate::Files { certificate, key } => Shown::Files {
                certificate: File::read(certificate).await?,
                key: File::read(key).await?,
            },
            Certificate::Kept(kept) => Shown::Kept(kept.borrow().clone()),
        };
        Ok(Self {
            client_authorities,
            shown,
        })
    }

    fn acceptor(&self) -> Result<Acceptor, CertificateError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let shown = self.shown.certified_key(&provider)?;
        let end = shown.cert.first().and_then(|certificate| end(certificate));
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(CertificateError::Provider)?;
        let builder = match &self.client_authorities {
            Some(authorities) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(authorities.certificates()?);
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .map_err(|source| CertificateError::Authorities {
                            path: authorities.path.clone(),
                            source,
                        })?;
                builder.with_client_cert_verifier(verifier)
            }
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Acceptor {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            end: end.unwrap_or_default(),
        })
    }
}

impl Shown {
    fn certified_key(
        &self,
        provider: &CryptoProvider,
    ) -> Result<Arc<CertifiedKey>, CertificateError> {
        let (certificate, key) = match self {
            Self::Files { certificate, key } => (certificate, key),
            Self::Kept(kept) => return Ok(Arc::clone(kept)),
        };
        let chain = certificate.certificates()?;
        let private = PrivateKeyDer::from_pem_slice(&key.bytes).map_err(key.pem())?;
        CertifiedKey::from_der(chain, private, provider)
            .map(Arc::new)
            .map_err(|source| CertificateError::Pair {
                certificate: certificate.path.clone(),
                key: key.path.clone(),
                source,
            })
    }
}

impl PartialEq for Shown {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Files { certificate, key },
                Self::Files {
                    certificate: other_certificate,
                    key: other_key,
                },
            ) => certificate == other_certificate && key == other_key,
            (Self::Kept(kept), Self::Kept(other)) => Arc::ptr_eq(kept, other),
            _ => false,
        }
    }
}

impl File {
    async fn read(path: &Path) -> Result<Self, CertificateError> {
        let path = path.to_path_buf();
        match tokio::fs::read(&path).await {
            Ok(bytes) => Ok(Self { bytes, path }),
            Err(source) => Err(CertificateError::Read { path, source }),
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
        let certificates = CertificateDer::pem_slice_iter(&self.bytes);
        certificates.collect::<Result<_, _>>().map_err(self.pem())
    }

    /// What is wrong with it where it is not PEM.
    fn pem(&self) -> impl FnOnce(pem::Error) -> CertificateError {
        let path = self.path.clone();
        move |source| CertificateError::Pem { path, source }
    }
}

/// When a certificate ends.
fn end(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

/// Whether a server can be made of what files say.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn can_serve(
    certificate: &[u8],
    key: &[u8],
    client_authorities: Option<&[u8]>,
) -> Result<(), CertificateError> {
    let file = |bytes: &[u8]| File {
        bytes: bytes.to_vec(),
        path: PathBuf::new(),
    };
    let contents = Contents {
        client_authorities: client_authorities.map(file),
        shown: Shown::Files {
            certificate: file(certificate),
            key: file(key),
        },
    };
    contents.acceptor().map(|_| ())
}
