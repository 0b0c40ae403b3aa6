//! A server on the loopback interface, and a client that may do whatever it likes.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::{
    ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

use crate::{
    Routes,
    server::{Certificate, CertificateSettings, Limits, Server, Settings},
};

/// How often files are looked at in tests.
pub(super) const INTERVAL: Duration = Duration::from_millis(20);

/// No condition takes this long.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A server that runs.
pub(super) struct Fixture {
    pub(super) address: SocketAddr,
    pub(super) authority: Authority,
    pub(super) folder: PathBuf,
    pub(super) health: SocketAddr,
    pub(super) running: JoinHandle<()>,
    pub(super) stop: CancellationToken,
}

/// Signs certificates.
pub(super) struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, in PEM.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
    pub(super) der: CertificateDer<'static>,
    pub(super) key_der: Vec<u8>,
}

/// An open connection.
pub(super) struct Client(TlsStream<TcpStream>);

/// An HTTP response.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    head: String,
    pub(super) status: u16,
}

impl Fixture {
    pub(super) async fn start(change: impl FnOnce(&mut Limits)) -> Self {
        Self::start_with(None, change).await
    }

    pub(super) async fn start_with(
        clients: Option<&Authority>,
        change: impl FnOnce(&mut Limits),
    ) -> Self {
        let routes = Routes {
            clusters: Vec::new(),
            hub_user: "hub".to_owned(),
            index: None,
            opt_ins: vec!["*=*".parse().unwrap()].into(),
        };
        Self::start_at(routes, clients, change).await
    }

    pub(super) async fn start_at(
        routes: Routes,
        clients: Option<&Authority>,
        change: impl FnOnce(&mut Limits),
    ) -> Self {
        let authority = Authority::new("server");
        let folder = folder();
        install(&folder, "first", &authority.server());
        let client_authorities = clients.map(|clients| {
            let path = folder.join("clients.crt");
            std::fs::write(&path, &clients.pem).unwrap();
            path
        });
        let mut limits = Limits {
            shutdown_delay: Duration::ZERO,
            ..Limits::default()
        };
        change(&mut limits);
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::bind(Settings {
            address: local,
            certificates: CertificateSettings {
                certificate: Certificate::Files {
                    certificate: folder.join("tls.crt"),
                    key: folder.join("tls.key"),
                },
                client_authorities,
                interval: INTERVAL,
            },
            health_address: local,
            limits,
            routes,
        })
        .await
        .unwrap();
        let (address, health) = (server.address(), server.health_address());
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        Self {
            address,
            authority,
            folder,
            health,
            running: tokio::spawn(server.run(stopped)),
            stop,
        }
    }

    /// A client that the server has taken.
    pub(super) async fn connect(&self) -> Client {
        self.connect_with(&[]).await.unwrap()
    }

    /// The same, for a client that speaks these protocols.
    pub(super) async fn connect_with(&self, protocols: &[&[u8]]) -> io::Result<Client> {
        self.open(None, protocols, rustls::ALL_VERSIONS).await
    }

    /// A client that speaks one version of TLS.
    pub(super) async fn connect_by(&self, version: &'static SupportedProtocolVersion) -> Client {
        self.open(None, &[], &[version]).await.unwrap()
    }

    /// A client with a certificate, or without. TLS 1.3 tells it only with the first answer
    /// whether it is taken.
    pub(super) async fn knock(&self, pair: Option<Pair>) -> io::Result<Client> {
        let mut client = self.open(pair, &[], rustls::ALL_VERSIONS).await?;
        client.try_ask(&post(&review("knock"))).await?;
        Ok(client)
    }

    /// What the health port answers.
    pub(super) async fn ask_health(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.health).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn open(
        &self,
        pair: Option<Pair>,
        protocols: &[&[u8]],
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<Client> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.certificate.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match pair {
            Some(pair) => builder
                .with_client_auth_cert(vec![pair.der], PrivateKeyDer::Pkcs8(pair.key_der.into()))
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = protocols.iter().map(|&name| name.to_vec()).collect();
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
        let connector = TlsConnector::from(Arc::new(config));
        Ok(Client(connector.connect(name, stream).await?))
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.running.abort();
        // Nobody looks at what is left in a folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap();
        Self {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(parameters, key),
        }
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn server(&self) -> Pair {
        self.pair(ExtendedKeyUsagePurpose::ServerAuth)
    }

    pub(super) fn client(&self) -> Pair {
        self.pair(ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn pair(&self, usage: ExtendedKeyUsagePurpose) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        parameters.extended_key_usages = vec![usage];
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().clone(),
            key_der: key.serialize_der(),
        }
    }
}

impl Client {
    pub(super) async fn ask(&mut self, request: &[u8]) -> Answer {
        self.try_ask(request).await.unwrap()
    }

    pub(super) async fn try_ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.send(request).await?;
        self.answer().await
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    /// Reads one response.
    pub(super) async fn answer(&mut self) -> io::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await?);
        }
        let mut answer = Answer {
            body: Vec::new(),
            head: String::from_utf8(head).unwrap(),
            status: 0,
        };
        let status = answer.head.split(' ').nth(1);
        answer.status = status.unwrap().parse().unwrap();
        let length = answer.header("content-length").unwrap_or("0");
        answer.body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut answer.body).await?;
        Ok(answer)
    }

    /// Waits until the server has hung up. Returns what it has said before that.
    pub(super) async fn until_closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "the server does not hang up");
        rest
    }

    pub(super) fn version(&self) -> Option<ProtocolVersion> {
        self.0.get_ref().1.protocol_version()
    }

    pub(super) fn protocol(&self) -> Option<&[u8]> {
        self.0.get_ref().1.alpn_protocol()
    }

    /// The certificate that the server has shown.
    pub(super) fn peer(&self) -> CertificateDer<'static> {
        let shown = self.0.get_ref().1.peer_certificates().unwrap();
        shown[0].clone().into_owned()
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Puts a pair where the server looks, as kubelet does: by a link to a folder that is put in the
/// place of the one before.
pub(super) fn install(folder: &Path, version: &str, pair: &Pair) {
    let data = folder.join(version);
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("tls.crt"), &pair.certificate).unwrap();
    std::fs::write(data.join("tls.key"), &pair.key).unwrap();
    let new = folder.join("..data_tmp");
    std::os::unix::fs::symlink(version, &new).unwrap();
    std::fs::rename(&new, folder.join("..data")).unwrap();
    for file in ["tls.crt", "tls.key"] {
        let link = folder.join(file);
        if !link.is_symlink() {
            std::os::unix::fs::symlink(Path::new("..data").join(file), link).unwrap();
        }
    }
}

/// A review whose answer has a patch.
pub(super) fn review(uid: &str) -> Vec<u8> {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "operation": "CREATE",
            "userInfo": {"username": "alice"},
            "object": {"spec": {"clusters": ["member1"]}},
        },
    })
    .to_string()
    .into_bytes()
}

/// A request as an API server sends it.
pub(super) fn post(body: &[u8]) -> Vec<u8> {
    let mut request = head(&format!("Content-Length: {}", body.len()));
    request.extend_from_slice(body);
    request
}

/// The head of such a request, with one more line.
pub(super) fn head(line: &str) -> Vec<u8> {
    head_to("/mutate/promotions", line)
}

/// The same to some path.
pub(super) fn head_to(path: &str, line: &str) -> Vec<u8> {
    format!(
        "POST {path}?timeout=5s HTTP/1.1\r\nHost: a\r\n\
         Content-Type: application/json\r\n{line}\r\n\r\n"
    )
    .into_bytes()
}

fn folder() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("promoter-admission-{}-{count}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
