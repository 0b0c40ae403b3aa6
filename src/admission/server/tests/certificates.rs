//! Certificates that change.

use std::time::Instant;

use super::support::{Authority, Client, Fixture, INTERVAL, PATIENCE, Pair, install, post, review};

#[tokio::test]
async fn a_certificate_is_changed_without_a_connection_being_lost() {
    let fixture = Fixture::start(|_| {}).await;
    let mut open = fixture.connect().await;
    let first = open.peer();

    let second = fixture.authority.server();
    install(&fixture.folder, "second", &second);
    until_shown(&fixture, &second).await;
    assert_ne!(first, second.der);
    assert_eq!(open.ask(&post(&review("1"))).await.status, 200);

    // Keys that do not fit, files that are no PEM, and none at all, one after another.
    let broken = [
        Pair {
            key: fixture.authority.server().key,
            ..fixture.authority.server()
        },
        Pair {
            certificate: "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----".to_owned(),
            ..fixture.authority.server()
        },
        Pair {
            certificate: String::new(),
            key: String::new(),
            ..fixture.authority.server()
        },
    ];
    for (version, pair) in ["third", "fourth", "fifth"].into_iter().zip(broken) {
        install(&fixture.folder, version, &pair);
        // It is looked at many times meanwhile.
        let began = Instant::now();
        while began.elapsed() < INTERVAL * 5 {
            let mut client = fixture.connect().await;
            assert_eq!(client.peer(), second.der);
            assert_eq!(client.ask(&post(&review("1"))).await.status, 200);
        }
    }
    std::fs::remove_dir_all(fixture.folder.join("fifth")).unwrap();
    assert_eq!(fixture.connect().await.peer(), second.der);

    let last = fixture.authority.server();
    install(&fixture.folder, "sixth", &last);
    until_shown(&fixture, &last).await;
    assert_eq!(open.ask(&post(&review("1"))).await.status, 200);
}

#[tokio::test]
async fn no_request_is_lost_while_certificates_change() {
    let fixture = Fixture::start(|_| {}).await;
    let asked = async {
        let mut kept = fixture.connect().await;
        for _ in 0..100 {
            for client in [&mut kept, &mut fixture.connect().await] {
                assert_eq!(client.ask(&post(&review("1"))).await.status, 200);
            }
        }
    };
    let changed = async {
        for version in 0.. {
            let pair = fixture.authority.server();
            install(&fixture.folder, &version.to_string(), &pair);
            until_shown(&fixture, &pair).await;
        }
    };
    tokio::select! {
        () = asked => {}
        () = changed => {}
    }
}

#[tokio::test]
async fn authorities_of_clients_are_changed_too() {
    let (first, second) = (Authority::new("first"), Authority::new("second"));
    let fixture = Fixture::start_with(Some(&first), |_| {}).await;
    assert!(fixture.knock(Some(first.client())).await.is_ok());
    std::fs::write(fixture.folder.join("clients.crt"), second.pem()).unwrap();
    let began = Instant::now();
    while fixture.knock(Some(second.client())).await.is_err() {
        assert!(began.elapsed() < PATIENCE, "the authority is not known");
    }
    assert!(fixture.knock(Some(first.client())).await.is_err());
}

/// Waits until new connections are shown a certificate.
async fn until_shown(fixture: &Fixture, pair: &Pair) -> Client {
    let began = Instant::now();
    loop {
        let mut client = fixture.connect().await;
        assert_eq!(client.ask(&post(&review("1"))).await.status, 200);
        if client.peer() == pair.der {
            return client;
        }
        assert!(began.elapsed() < PATIENCE, "the certificate is not shown");
    }
}
