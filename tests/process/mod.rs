//! The webhook as a process of its own, with a certificate from files.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};
use tokio_rustls::TlsConnector;

/// No condition takes this long.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The process. It ends with this value.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    pub(crate) child: Child,
}

impl Process {
    /// Starts it with `tls.crt` and `tls.key` of a folder. It listens when this returns.
    pub(crate) async fn start(folder: &Path) -> Self {
        let (address, health) = (free_address(), free_address());
        let flag = |name: &str, file: &str| format!("--{name}={}", folder.join(file).display());
        let child = Command::new(env!("CARGO_BIN_EXE_karmada-promoter"))
            .arg("webhook")
            .arg(format!("--listen={address}"))
            .arg(format!("--health-listen={health}"))
            .arg(flag("tls-cert-file", "tls.crt"))
            .arg(flag("tls-private-key-file", "tls.key"))
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let process = Self { address, child };
        let listens = async || TcpStream::connect(address).await.is_ok();
        until("the webhook listens", listens).await;
        process
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Connects with servers whose certificates these authorities have signed.
pub(crate) fn connector(
    authorities: impl IntoIterator<Item = CertificateDer<'static>>,
) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// Looks again and again until it is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "still not: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// The head of a request as an API server sends it.
pub(crate) fn head(path: &str, length: usize) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    )
    .into_bytes()
}

/// One that nobody listens on at the moment.
fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}
