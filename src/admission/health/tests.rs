//! The port over real sockets.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::*;

/// More than there is room for, several times over.
const CROWD: usize = 10 * CONNECTIONS;

/// How long kubelet waits for an answer, and how many in a row it has to miss before it restarts
/// a container.
const PROBE: (Duration, usize) = (Duration::from_secs(1), 3);

/// The port, until the token is dropped.
async fn serve() -> (SocketAddr, tokio_util::sync::DropGuard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let health = Health {
        registry: Registry::default(),
        unready: Box::new(|| None),
    };
    let stop = CancellationToken::new();
    health.serve(listener, stop.clone());
    (address, stop.drop_guard())
}

async fn probe(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The clients say nothing, or only begin to.
async fn crowd(address: SocketAddr) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for index in 0..CROWD {
        let mut stream = TcpStream::connect(address).await.unwrap();
        if index % 2 == 1 {
            // It may have hung up already.
            let _ = stream.write_all(b"GET /livez HTTP/1.1\r\n").await;
        }
        crowd.push(stream);
    }
    crowd
}

#[tokio::test]
async fn a_probe_is_answered_in_time_while_a_crowd_says_nothing() {
    let (address, _serving) = serve().await;
    let (patience, attempts) = PROBE;
    for _ in 0..3 {
        let _crowd = crowd(address).await;
        let mut answer = None;
        for _ in 0..attempts {
            if let Ok(in_time) = timeout(patience, probe(address)).await {
                answer = Some(in_time);
                break;
            }
        }
        let answer = answer.expect("kubelet would restart it");
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
}

#[tokio::test]
async fn who_is_silent_is_let_go_of_soon() {
    let (address, _serving) = serve().await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut said = Vec::new();
    let hung_up = timeout(PATIENCE / 2, silent.read_to_end(&mut said)).await;
    assert!(hung_up.is_ok(), "it is still connected");
}
