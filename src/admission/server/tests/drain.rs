//! The end.

use std::time::Duration;

use super::support::{Fixture, head, post, review};

#[tokio::test]
async fn what_has_begun_is_finished_and_nobody_new_is_served() {
    let mut fixture = Fixture::start(|limits| {
        // Long enough to look at.
        limits.shutdown_delay = Duration::from_millis(300);
    })
    .await;
    assert!(fixture.ask_health("/livez").await.contains("200 OK"));
    assert!(fixture.ask_health("/readyz").await.contains("200 OK"));
    assert!(fixture.ask_health("/").await.contains("404"));

    let body = review("1");
    let (mut begun, mut idle) = (fixture.connect().await, fixture.connect().await);
    assert_eq!(idle.ask(&post(&body)).await.status, 200);
    let half = body.len() / 2;
    let line = format!("Content-Length: {}", body.len());
    begun.send(&head(&line)).await.unwrap();
    begun.send(&body[..half]).await.unwrap();

    fixture.stop.cancel();
    // At first it only says so.
    while !fixture.ask_health("/readyz").await.contains("503") {}
    assert!(fixture.ask_health("/livez").await.contains("200 OK"));
    assert_eq!(fixture.connect().await.ask(&post(&body)).await.status, 200);

    idle.until_closed().await;
    assert!(fixture.connect_with(&[]).await.is_err());
    begun.send(&body[half..]).await.unwrap();
    let answer = begun.answer().await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("connection"), Some("close"));
    let ended = tokio::time::timeout(super::support::PATIENCE, &mut fixture.running).await;
    ended.unwrap().unwrap();
}

/// API servers keep connections for their next request: were they let go of only in the end, one of
/// these could be on its way.
#[tokio::test]
async fn whoever_asks_until_the_end_is_sent_elsewhere_before() {
    let fixture = Fixture::start(|limits| {
        limits.shutdown_delay = super::support::PATIENCE;
    })
    .await;
    let body = review("1");
    let mut client = fixture.connect().await;
    let answer = client.ask(&post(&body)).await;
    assert_eq!(answer.header("connection"), None);

    fixture.stop.cancel();
    while !fixture.ask_health("/readyz").await.contains("503") {}
    let answer = client.ask(&post(&body)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("connection"), Some("close"));
    client.until_closed().await;
    // Others are answered further on.
    let answer = fixture.connect().await.ask(&post(&body)).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn nobody_keeps_it_from_ending() {
    let mut fixture = Fixture::start(|limits| {
        limits.drain = Duration::from_millis(200);
    })
    .await;
    let mut slow = fixture.connect().await;
    slow.send(&head("Content-Length: 1000")).await.unwrap();
    fixture.stop.cancel();
    let ended = tokio::time::timeout(super::support::PATIENCE, &mut fixture.running).await;
    ended.unwrap().unwrap();
}
