//! What `certs/README.md` tells to run makes a certificate that the webhook serves with.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod process;

use std::{path::Path, process::Command};

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use self::process::{PATIENCE, Process, connector, head};

const README: &str = include_str!("../certs/README.md");

#[tokio::test]
async fn a_certificate_made_by_hand_as_described_is_served_with() {
    let name = format!("promoter-certs-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    run(&folder, &commands());

    let webhook = Process::start(&folder).await;
    let authority = CertificateDer::from_pem_file(folder.join("ca.crt")).unwrap();
    let connector = connector([authority]);
    let connect = async |name: &'static str| {
        let stream = TcpStream::connect(webhook.address).await.unwrap();
        let name = ServerName::try_from(name).unwrap();
        connector.connect(name, stream).await
    };
    let mut client = connect("promoter.example").await.unwrap();
    let body = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"DELETE"}}"#;
    client
        .write_all(&head("/mutate/promotions", body.len()))
        .await
        .unwrap();
    client.write_all(body.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    let read = timeout(PATIENCE, client.read_exact(&mut start)).await;
    read.expect("an answer is waited for").unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    assert!(connect("another.example").await.is_err());

    drop(webhook);
    std::fs::remove_dir_all(&folder).unwrap();
}

/// The commands of the text, from the first to the one that checks what they have made: what follows
/// needs a cluster.
fn commands() -> String {
    let commands = README.lines().filter_map(|line| line.strip_prefix("    "));
    let commands: Vec<&str> = commands.collect();
    let checks = |line: &&str| line.starts_with("openssl verify");
    let last = commands
        .iter()
        .position(checks)
        .expect("nothing is checked");
    commands[..=last].join("\n")
}

/// Runs commands in a folder.
fn run(folder: &Path, commands: &str) {
    let output = Command::new("sh")
        .args(["-euc", commands])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{commands}: {output:?}");
}
