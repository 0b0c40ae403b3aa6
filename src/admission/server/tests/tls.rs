//! What is spoken, and with whom.

use std::time::Duration;

use rustls::{
    ProtocolVersion,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::support::{Authority, Fixture, PATIENCE, post, review};
use crate::server::Limits;

#[tokio::test]
async fn http_1_1_is_what_is_spoken() {
    let fixture = Fixture::start(|_| {}).await;
    let both = fixture.connect_with(&[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(both.protocol(), Some(&b"http/1.1"[..]));
    assert!(fixture.connect_with(&[b"h2"]).await.is_err());
}

#[tokio::test]
async fn tls_1_2_is_the_least() {
    let fixture = Fixture::start(|_| {}).await;
    for (version, spoken) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let mut client = fixture.connect_by(version).await;
        assert_eq!(client.version(), Some(spoken));
        assert_eq!(client.ask(&post(&review("1"))).await.status, 200);
    }

    // RFC 4346: what a client sends that speaks TLS 1.1, with one cipher suite and no extensions.
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    let length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(&hello);
    let mut old = TcpStream::connect(fixture.address).await.unwrap();
    old.write_all(&record).await.unwrap();
    let mut answer = Vec::new();
    let closed = timeout(PATIENCE, old.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "it is waited for more");
    // A fatal alert, and nothing else: protocol_version, or that there is nothing to agree on.
    assert_eq!(answer[0], 21, "{answer:?}");
    assert_eq!(answer[5], 2, "{answer:?}");
    assert!([40, 70].contains(&answer[6]), "{answer:?}");
}

#[test]
fn an_api_server_lets_go_of_a_connection_before_the_webhook_does() {
    // Go's clients keep one for 90 s, and what stands between them and us may keep it for longer.
    assert!(Limits::default().idle >= Duration::from_mins(2));
}

#[tokio::test]
async fn clients_without_a_certificate_are_not_served_where_one_is_wanted() {
    let authority = Authority::new("clients");
    let fixture = Fixture::start_with(Some(&authority), |_| {}).await;
    let (stranger, friend) = (Authority::new("strangers"), authority.client());
    assert!(fixture.knock(None).await.is_err());
    assert!(fixture.knock(Some(stranger.client())).await.is_err());
    let mut client = fixture.knock(Some(friend)).await.unwrap();
    assert_eq!(client.ask(&post(&review("1"))).await.status, 200);
}
