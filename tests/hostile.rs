//! The webhook as a process of its own, and clients that mean no good: it goes on, it answers
//! everybody else, and it takes no more memory than it may.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use rcgen::generate_simple_self_signed;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// No condition takes this long.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is left of the chart's limit for what the kernel holds for the pod, such as sockets.
const KERNEL: u64 = 64 << 20;

/// How many clients do the same at a time: more than it has room for.
const CROWD: usize = 600;

#[tokio::test]
async fn hostile_clients_get_neither_its_memory_nor_its_attention() {
    let webhook = Webhook::start().await;
    webhook.assert_serves().await;
    let at_rest = webhook.bytes("VmRSS:");

    // Thousands that want nothing: no handshake, no header, half a header.
    let mut idle = VecDeque::new();
    for index in 0..3000_usize {
        let mut stream = webhook.dial().await;
        if index % 3 == 1 {
            // It may have hung up already.
            let _ = stream.write_all(b"\x16\x03\x01\x02\0\x01").await;
        }
        idle.push_back(stream);
        if idle.len() > CROWD {
            idle.pop_front();
        }
        if index % 500 == 0 {
            webhook.assert_serves().await;
        }
    }
    let mut half = Vec::new();
    for _ in 0..CROWD {
        let mut client = webhook.connect().await;
        let _ = client
            .write_all(b"POST /mutate/promotions HTTP/1.1\r\n")
            .await;
        half.push(client);
    }
    webhook.assert_serves().await;
    drop((idle, half));
    webhook.assert_bounded("idle clients");

    // A crowd that announces the longest body there can be, sends a part of it and waits.
    let mut crowd = Vec::new();
    let part = vec![b' '; 1 << 20];
    for _ in 0..CROWD / 4 {
        let mut client = webhook.connect().await;
        let _ = client.write_all(&head(7 << 20)).await;
        let _ = client.write_all(&part).await;
        crowd.push(client);
    }
    webhook.assert_serves().await;
    webhook.assert_bounded("clients with long bodies");
    drop(crowd);

    // Whole bodies that cost more to understand than to send, many at a time.
    let numbers = "0,".repeat(3 << 20);
    let objects = "{},".repeat(2 << 20);
    let keys: Vec<String> = (0..500_000).map(|key| format!("\"{key}\":0,")).collect();
    let keys = keys.concat();
    for body in [
        "[".repeat(7 << 20),
        "{\"request\":".repeat(600_000),
        of_promotion(&format!("{{\"a\":[{numbers}0]}}")),
        of_promotion(&format!("{{\"a\":[{objects}{{}}]}}")),
        of_promotion(&format!("{{{keys}\"a\":0}}")),
        of_promotion(&format!("{{\"a\":\"{}\"}}", "\\u0061".repeat(1_000_000))),
    ] {
        assert!(body.len() <= 7 << 20, "{}", body.len());
        let body: Arc<str> = body.into();
        let clients = (0..4).map(|_| webhook.ask(Arc::clone(&body)));
        for status in futures::future::join_all(clients).await {
            // A Promotion is answered, what is none is not; and others that came at the same time
            // may have had what there is.
            assert!([200, 400, 408, 503].contains(&status), "{status}");
        }
        webhook.assert_serves().await;
        webhook.assert_bounded(&body[..body.len().min(80)]);
    }
    println!(
        "{} MiB at rest, {} MiB at the most, {} MiB in the end",
        at_rest >> 20,
        webhook.bytes("VmHWM:") >> 20,
        webhook.bytes("VmRSS:") >> 20
    );
}

/// A review of a Promotion with this spec.
fn of_promotion(spec: &str) -> String {
    review(&format!(r#"{{"metadata":{{"name":"web"}},"spec":{spec}}}"#))
}

fn review(object: &str) -> String {
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"1","operation":"CREATE","userInfo":{{"username":"alice"}},"object":{object}}}}}"#
    )
}

fn head(length: usize) -> Vec<u8> {
    format!(
        "POST /mutate/promotions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    )
    .into_bytes()
}

/// The process.
struct Webhook {
    address: SocketAddr,
    bound: u64,
    child: Child,
    connector: TlsConnector,
    folder: PathBuf,
}

impl Webhook {
    async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("promoter-hostile-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let certificate = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        std::fs::write(folder.join("tls.crt"), certificate.cert.pem()).unwrap();
        let key = certificate.signing_key.serialize_pem();
        std::fs::write(folder.join("tls.key"), key).unwrap();
        let (address, health) = (free_address(), free_address());
        let flag = |name: &str, path: &Path| format!("--{name}={}", path.display());
        let child = Command::new(env!("CARGO_BIN_EXE_karmada-promoter"))
            .arg("webhook")
            .arg(format!("--listen={address}"))
            .arg(format!("--health-listen={health}"))
            .arg(flag("tls-cert-file", &folder.join("tls.crt")))
            .arg(flag("tls-private-key-file", &folder.join("tls.key")))
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let webhook = Self {
            address,
            bound: bound(),
            child,
            connector: TlsConnector::from(Arc::new(config)),
            folder,
        };
        let began = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            assert!(began.elapsed() < PATIENCE, "the webhook does not listen");
            sleep(Duration::from_millis(50)).await;
        }
        webhook
    }

    async fn dial(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        let name = ServerName::from(self.address.ip());
        let stream = self.dial().await;
        self.connector.connect(name, stream).await.unwrap()
    }

    /// Asks on a connection of its own, and returns the status.
    async fn ask(&self, body: Arc<str>) -> u16 {
        let mut client = self.connect().await;
        client.write_all(&head(body.len())).await.unwrap();
        // Refused, it is not read to its end.
        let _ = client.write_all(body.as_bytes()).await;
        let mut start = [0; 12];
        let read = timeout(PATIENCE, client.read_exact(&mut start)).await;
        read.expect("an answer is waited for").unwrap();
        let start = std::str::from_utf8(&start).unwrap();
        start.strip_prefix("HTTP/1.1 ").unwrap().parse().unwrap()
    }

    async fn assert_serves(&self) {
        let object = json!({"metadata": {"name": "web"}, "spec": {}});
        let body = review(&object.to_string());
        assert_eq!(self.ask(body.into()).await, 200);
    }

    fn assert_bounded(&self, by: &str) {
        let most = self.bytes("VmHWM:");
        assert!(most < self.bound, "{most} bytes in memory after {by}");
    }

    /// A figure of its memory.
    fn bytes(&self, key: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kibibytes = line.unwrap().split_ascii_whitespace().next().unwrap();
        kibibytes.parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What it may have in memory while everybody does their worst, so that a pod of the chart is not
/// ended for it. The program's limits come to about 320 MiB: 64 MiB of long bodies, 256 KiB of a
/// short one for each of 512 connections, their buffers, and one long body that is understood at a
/// time.
fn bound() -> u64 {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/charts/karmada-promoter/values.yaml"
    );
    let values = std::fs::read_to_string(path).unwrap();
    let values: Value = serde_saphyr::from_str(&values).unwrap();
    let limit = &values["webhook"]["resources"]["limits"]["memory"];
    let mebibytes = limit.as_str().and_then(|limit| limit.strip_suffix("Mi"));
    let mebibytes: u64 = mebibytes.expect("a limit in Mi").parse().unwrap();
    (mebibytes << 20) - KERNEL
}

/// One that nobody listens on at the moment.
fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}
