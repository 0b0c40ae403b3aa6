//! Clients that mean no good, or cannot do better.

use std::time::Duration;

use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};

use super::support::{Client, Fixture, PATIENCE, head, post, review};

/// How long an API server waits for a webhook of ours, the connection included.
const TIMEOUT_SECONDS: Duration = Duration::from_secs(5);

async fn assert_served(fixture: &Fixture) {
    let answer = timeout(TIMEOUT_SECONDS, async {
        fixture.connect().await.ask(&post(&review("1"))).await
    })
    .await;
    assert_eq!(answer.unwrap().status, 200);
}

/// A client whose body the server waits for.
async fn announced(fixture: &Fixture, length: usize) -> Client {
    let mut client = fixture.connect().await;
    let lines = format!("Content-Length: {length}\r\nExpect: 100-continue");
    assert_eq!(client.ask(&head(&lines)).await.status, 100);
    client
}

#[tokio::test]
async fn a_body_that_is_too_long_is_not_read() {
    let fixture = Fixture::start(|limits| limits.body = 1000).await;
    let mut client = fixture.connect().await;
    let answer = client.ask(&head("Content-Length: 1001")).await;
    assert_eq!(answer.status, 413);
    client.until_closed().await;

    // One whose length nobody has told.
    let mut client = fixture.connect().await;
    client
        .send(&head("Transfer-Encoding: chunked"))
        .await
        .unwrap();
    let chunk = format!("200\r\n{}\r\n", " ".repeat(0x200));
    client.send(chunk.repeat(2).as_bytes()).await.unwrap();
    assert_eq!(client.answer().await.unwrap().status, 413);
    assert_served(&fixture).await;
}

#[tokio::test]
async fn long_bodies_share_what_memory_there_is() {
    let fixture = Fixture::start(|limits| {
        limits.body_timeout = 3 * PATIENCE;
        limits.long_bodies = 1 << 20;
    })
    .await;
    let long = vec![b' '; (256 << 10) + (3 << 18)];
    // Three quarters are taken by one that does not end, unless the next one is quicker.
    let crowded = async {
        loop {
            let mut holds = fixture.connect().await;
            let announced = head(&format!("Content-Length: {}", 2 << 20));
            holds.send(&announced).await.unwrap();
            holds.send(&long).await.unwrap();
            let answer = fixture.connect().await.ask(&post(&long)).await;
            if answer.status == 503 {
                return holds;
            }
            assert_eq!(answer.status, 400);
        }
    };
    let holds = timeout(PATIENCE, crowded).await.unwrap();
    assert_served(&fixture).await;
    drop(holds);
    let room = async { while fixture.connect().await.ask(&post(&long)).await.status != 400 {} };
    timeout(PATIENCE, room).await.unwrap();
}

#[tokio::test]
async fn a_length_is_told_once() {
    let fixture = Fixture::start(|_| {}).await;
    for lines in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: -1",
        "Content-Length: 5, 6",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip",
    ] {
        let mut client = fixture.connect().await;
        let answer = client.ask(&head(lines)).await;
        assert_eq!(answer.status, 400, "{lines}");
        client.until_closed().await;
    }
    // Told both ways, it counts as the chunks say, and what is left over is no second request.
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
    ] {
        let body = review("1");
        let request = [
            &head(lines),
            format!("{:x}\r\n", body.len()).as_bytes(),
            &body,
            b"\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        ]
        .concat();
        let mut client = fixture.connect().await;
        assert_eq!(client.ask(&request).await.status, 200, "{lines}");
        assert_eq!(client.until_closed().await, b"", "{lines}");
    }
    assert_served(&fixture).await;
}

#[tokio::test]
async fn who_hangs_up_half_way_harms_nobody() {
    let fixture = Fixture::start(|_| {}).await;
    for bytes in [
        &b""[..],
        b"\x16\x03\x01",
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 4096],
    ] {
        use tokio::io::AsyncWriteExt as _;
        let mut stream = TcpStream::connect(fixture.address).await.unwrap();
        // It may have hung up already.
        let _ = stream.write_all(bytes).await;
    }
    for sent in [
        &b"POST /mut"[..],
        &head("Content-Length: 100"),
        b"\0\0\0\0\r\n\r\n",
    ] {
        let mut client = fixture.connect().await;
        client.send(sent).await.unwrap();
    }
    assert_served(&fixture).await;
}

#[tokio::test]
async fn who_is_slow_is_not_waited_for() {
    let fixture = Fixture::start(|limits| {
        limits.handshake = Duration::from_millis(100);
        limits.body_timeout = Duration::from_millis(100);
        limits.idle = Duration::from_millis(300);
    })
    .await;
    let mut no_handshake = TcpStream::connect(fixture.address).await.unwrap();
    let mut rest = Vec::new();
    let closed = timeout(PATIENCE, no_handshake.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "a handshake is waited for");

    let mut no_body = fixture.connect().await;
    no_body.send(&head("Content-Length: 100")).await.unwrap();
    assert_eq!(no_body.answer().await.unwrap().status, 408);

    let mut no_header = fixture.connect().await;
    no_header
        .send(b"POST /mutate/promotions HTTP/1.1\r\n")
        .await
        .unwrap();
    no_header.until_closed().await;
    fixture.connect().await.until_closed().await;
    assert_served(&fixture).await;
}

#[tokio::test]
async fn those_that_are_idle_make_way() {
    let fixture = Fixture::start(|limits| limits.connections = 8).await;
    let mut idle: Vec<Client> = Vec::new();
    let mut half: Vec<Client> = Vec::new();
    let mut raw: Vec<TcpStream> = Vec::new();
    for _ in 0..50 {
        idle.push(fixture.connect().await);
        let mut client = fixture.connect().await;
        // The place of one that was dismissed at once may be gone by now.
        let _ = client.send(b"POST / HTTP/1.1\r\n").await;
        half.push(client);
        raw.push(TcpStream::connect(fixture.address).await.unwrap());
        assert_served(&fixture).await;
    }
    idle[0].until_closed().await;
    half[0].until_closed().await;
}

#[tokio::test]
async fn those_that_are_busy_keep_their_place() {
    let fixture = Fixture::start(|limits| limits.connections = 2).await;
    let body = review("1");
    let mut busy = fixture.connect().await;
    busy.send(&head(&format!("Content-Length: {}", body.len())))
        .await
        .unwrap();
    for _ in 0..20 {
        assert_served(&fixture).await;
    }
    busy.send(&body).await.unwrap();
    assert_eq!(busy.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn those_that_owe_a_body_make_way() {
    let fixture = Fixture::start(|limits| {
        limits.body_timeout = 3 * PATIENCE;
        limits.connections = 8;
    })
    .await;
    let mut slow: Vec<Client> = Vec::new();
    for _ in 0..24 {
        slow.push(announced(&fixture, 100).await);
        // Half of them send a little again and again, unless they were dismissed.
        for client in slow.iter_mut().step_by(2) {
            let _ = client.send(b" ").await;
        }
    }
    assert_served(&fixture).await;
    slow[0].until_closed().await;
    slow[1].until_closed().await;
}

#[tokio::test]
async fn a_body_that_comes_at_once_is_waited_for() {
    let fixture = Fixture::start(|limits| limits.connections = 1).await;
    let body = review("1");
    for _ in 0..5 {
        let mut busy = announced(&fixture, body.len()).await;
        let waits = timeout(Duration::from_millis(100), fixture.connect()).await;
        assert!(waits.is_err(), "somebody is served in its place");
        busy.send(&body).await.unwrap();
        assert_eq!(busy.answer().await.unwrap().status, 200);
    }
    assert_served(&fixture).await;
}
