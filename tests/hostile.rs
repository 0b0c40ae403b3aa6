//! The webhook as a process of its own, and clients that mean no good: it goes on, it answers
//! everybody else, and it takes no more memory than it may.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod process;

use std::{
    cell::Cell,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use promoter_api::marks::ENABLED;
use rcgen::generate_simple_self_signed;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use self::process::{PATIENCE, Process, connector, head, until};

/// How long an API server waits for a webhook of ours, the connection included.
const TIMEOUT_SECONDS: Duration = Duration::from_secs(5);

/// What is left of the chart's limit for what the kernel holds for the pod, such as sockets.
const KERNEL: u64 = 64 << 20;

/// How many clients want nothing at a time.
const IDLE: usize = 3000;

/// How many clients it has room for.
const PLACES: usize = 512;

/// How many clients do the same at a time: more than it has room for.
const CROWD: usize = PLACES + 88;

/// How many files this process has open, with room for what is not a client. The usual limit is
/// 1024.
const FILES: u64 = (IDLE + CROWD) as u64 + 400;

const PROMOTIONS: &str = "/mutate/promotions";
const STAMP: &str = "/admit/member1/mutate/0a1b2c3d4e5f6071";
const VERDICT: &str = "/admit/member1/validate";

#[tokio::test]
async fn hostile_clients_get_neither_its_memory_nor_its_attention() {
    // The webhook has the limits of whoever starts it.
    raise_the_limit_of_open_files();
    let webhook = Webhook::start().await;
    webhook.assert_serves().await;
    let at_rest = webhook.bytes("VmRSS:");

    // Thousands that want nothing: no handshake, no header, half a header.
    let mut idle = Vec::new();
    for index in 0..IDLE {
        let mut stream = webhook.dial().await;
        if index % 3 == 1 {
            // It may have hung up already.
            let _ = stream.write_all(b"\x16\x03\x01\x02\0\x01").await;
        }
        idle.push(stream);
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

    // Crowds that announce a body, send a part of it and wait: nothing of a short one; and of the
    // longest that there can be so much that all of them together take what memory there is.
    let much = vec![b' '; 384 << 10];
    for (length, part) in [(100, &much[..0]), (7 << 20, &much[..])] {
        let sent = [&head(PROMOTIONS, length), part].concat();
        let crowd = webhook.crowd(sent).await;
        webhook.assert_serves().await;
        webhook.assert_bounded(&format!("clients with a part of {length} bytes"));
        drop(crowd);
    }

    // Whole bodies that cost more to understand than to send: alone first, when nothing but what
    // they are decides on the answer, and then several at a time.
    for (path, body, expected) in costly() {
        assert!(body.len() <= 7 << 20, "{}", body.len());
        let start = body[..body.len().min(80)].to_owned();
        let body: Arc<str> = body.into();
        assert_eq!(webhook.ask_alone(path, &body).await, expected, "{start}");
        let clients = (0..4).map(|_| webhook.ask(path, Arc::clone(&body)));
        for status in futures::future::join_all(clients).await {
            // Others that came at the same time may have had what there is.
            assert!([expected, 408, 503].contains(&status), "{status}: {start}");
        }
        webhook.assert_serves().await;
        webhook.assert_bounded(&start);
    }
    println!(
        "{} MiB at rest, {} MiB at the most, {} MiB in the end",
        at_rest >> 20,
        webhook.bytes("VmHWM:") >> 20,
        webhook.bytes("VmRSS:") >> 20
    );
}

/// Bodies that cost more to understand than to send, where each is sent, and its status. What is no
/// review is told apart from what is one, however long that is.
fn costly() -> Vec<(&'static str, String, u16)> {
    let arrays = "[".repeat(7 << 20);
    let requests = "{\"request\":".repeat(600_000);
    let numbers = "0,".repeat(3 << 20);
    let objects = "{},".repeat(2 << 20);
    let keys: Vec<String> = (0..500_000).map(|key| format!("\"{key}\":0,")).collect();
    let keys = keys.concat();
    let texts: Vec<String> = (0..400_000).map(|key| format!(",\"{key}\":\"\"")).collect();
    let texts = texts.concat();
    let escapes = "\\u0061".repeat(1_000_000);
    let mut costly = vec![
        (
            PROMOTIONS,
            of_promotion(&format!("{{\"a\":[{numbers}0]}}")),
            200,
        ),
        (
            PROMOTIONS,
            of_promotion(&format!("{{\"a\":[{objects}{{}}]}}")),
            200,
        ),
        (PROMOTIONS, of_promotion(&format!("{{{keys}\"a\":0}}")), 200),
        (
            PROMOTIONS,
            of_promotion(&format!("{{\"a\":\"{escapes}\"}}")),
            200,
        ),
    ];
    for path in [PROMOTIONS, STAMP, VERDICT] {
        costly.push((path, arrays.clone(), 400));
        costly.push((path, requests.clone(), 400));
    }
    for path in [STAMP, VERDICT] {
        costly.push((path, of_deployment(&texts, ""), 200));
        costly.push((
            path,
            of_deployment(&format!(",\"a\":\"{escapes}\""), ""),
            200,
        ));
        costly.push((path, of_deployment("", &format!("[{objects}{{}}]")), 200));
        // What is wrong with it stands at its end.
        costly.push((path, of_deployment("", &format!("[{numbers}")), 400));
    }
    costly
}

/// A review of a Promotion with this spec.
fn of_promotion(spec: &str) -> String {
    review(
        ("promote.karmada.io", "Promotion"),
        &format!(r#"{{"metadata":{{"name":"web"}},"spec":{spec}}}"#),
    )
}

/// A review of a Deployment that opts in, with more annotations, and with this spec.
fn of_deployment(annotations: &str, spec: &str) -> String {
    let spec = if spec.is_empty() { "{}" } else { spec };
    review(
        ("apps", "Deployment"),
        &format!(
            r#"{{"metadata":{{"name":"web","annotations":{{"{ENABLED}":"true"{annotations}}}}},"spec":{spec}}}"#
        ),
    )
}

fn review((group, kind): (&str, &str), object: &str) -> String {
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"1","kind":{{"group":"{group}","kind":"{kind}"}},"namespace":"shop","operation":"CREATE","userInfo":{{"username":"alice"}},"object":{object}}}}}"#
    )
}

/// The process, and a way to connect with it.
struct Webhook {
    bound: u64,
    connector: TlsConnector,
    folder: PathBuf,
    process: Process,
}

impl Webhook {
    async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("promoter-hostile-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let certificate = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        std::fs::write(folder.join("tls.crt"), certificate.cert.pem()).unwrap();
        let key = certificate.signing_key.serialize_pem();
        std::fs::write(folder.join("tls.key"), key).unwrap();
        Self {
            bound: bound(),
            connector: connector([certificate.cert.der().clone()]),
            process: Process::start(&folder).await,
            folder,
        }
    }

    async fn dial(&self) -> TcpStream {
        TcpStream::connect(self.process.address).await.unwrap()
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        let name = ServerName::from(self.process.address.ip());
        let stream = self.dial().await;
        self.connector.connect(name, stream).await.unwrap()
    }

    /// A crowd that comes all at once, of which everyone sends this and waits. Returns when they
    /// have every place.
    async fn crowd(&self, sent: Vec<u8>) -> JoinSet<()> {
        let (address, sent) = (self.process.address, Arc::new(sent));
        let begun = Arc::new(AtomicUsize::new(0));
        let mut crowd = JoinSet::new();
        for _ in 0..CROWD {
            let (connector, sent) = (self.connector.clone(), Arc::clone(&sent));
            let begun = Arc::clone(&begun);
            crowd.spawn(async move {
                let stream = TcpStream::connect(address).await.unwrap();
                let name = ServerName::from(address.ip());
                // Whoever is sent away does not come again.
                let Ok(mut client) = connector.connect(name, stream).await else {
                    return;
                };
                let _ = client.write_all(&sent).await;
                begun.fetch_add(1, Ordering::Relaxed);
                let _ = client.read_to_end(&mut Vec::new()).await;
            });
        }
        let taken = async || begun.load(Ordering::Relaxed) >= PLACES;
        until("all places are taken", taken).await;
        crowd
    }

    /// Asks on a connection of its own, and returns the status.
    async fn ask(&self, path: &str, body: Arc<str>) -> u16 {
        let mut client = self.connect().await;
        client.write_all(&head(path, body.len())).await.unwrap();
        // Refused, it is not read to its end.
        let _ = client.write_all(body.as_bytes()).await;
        let mut start = [0; 12];
        let read = timeout(PATIENCE, client.read_exact(&mut start)).await;
        read.expect("an answer is waited for").unwrap();
        let start = std::str::from_utf8(&start).unwrap();
        start.strip_prefix("HTTP/1.1 ").unwrap().parse().unwrap()
    }

    /// Asks while nobody else does: as soon as what others had is free again, there is room and
    /// time.
    async fn ask_alone(&self, path: &str, body: &Arc<str>) -> u16 {
        let status = Cell::new(0);
        until("there is room for one", async || {
            status.set(self.ask(path, Arc::clone(body)).await);
            ![408, 503].contains(&status.get())
        })
        .await;
        status.get()
    }

    async fn assert_serves(&self) {
        let body: Arc<str> = of_promotion("{}").into();
        let status = timeout(TIMEOUT_SECONDS, self.ask(PROMOTIONS, body)).await;
        assert_eq!(status.expect("an API server has given up"), 200);
    }

    fn assert_bounded(&self, by: &str) {
        let most = self.bytes("VmHWM:");
        println!("{} MiB at the most after {by}", most >> 20);
        assert!(most < self.bound, "{most} bytes in memory after {by}");
    }

    /// A figure of its memory.
    fn bytes(&self, key: &str) -> u64 {
        let path = format!("/proc/{}/status", self.process.child.id());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kibibytes = line.unwrap().split_ascii_whitespace().next().unwrap();
        kibibytes.parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What it may have in memory while everybody does their worst, so that a pod of the chart is not
/// ended for it. The program's limits come to about 370 MiB: 64 MiB of long bodies, 256 KiB of a
/// short one for each of 512 connections, buffers of about 100 KiB for each, and one long body that
/// is understood at a time, which may take 100 MiB.
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

/// As far as is needed, for this process and those that it starts.
fn raise_the_limit_of_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= FILES) {
        return;
    }
    assert!(
        maximum.is_none_or(|maximum| maximum >= FILES),
        "this test opens {FILES} files, and the hard limit is {maximum:?}: raise it (`ulimit -Hn`)"
    );
    let raised = Rlimit {
        current: Some(FILES),
        maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}
