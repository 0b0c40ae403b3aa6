//! The server over real sockets.

mod admit;
mod certificates;
mod drain;
mod hostile;
mod support;
mod tls;

use serde_json::Value;

use self::support::{Fixture, post, review};

#[tokio::test]
async fn a_review_is_answered_and_the_connection_stays() {
    let fixture = Fixture::start(|_| {}).await;
    let mut client = fixture.connect().await;
    for uid in ["one", "two"] {
        let answer = client.ask(&post(&review(uid))).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["response"]["uid"], uid);
        assert_eq!(body["response"]["patchType"], "JSONPatch");
    }
}

#[tokio::test]
async fn what_is_no_review_has_its_status() {
    let fixture = Fixture::start(|_| {}).await;
    let body = String::from_utf8(review("1")).unwrap();
    let length = body.len();
    for (status, request) in [
        (
            404,
            format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"),
        ),
        (
            405,
            "GET /mutate/promotions HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        ),
        (
            415,
            format!(
                "POST /mutate/promotions HTTP/1.1\r\nHost: a\r\nContent-Type: text/yaml\r\n\
                 Content-Length: {length}\r\n\r\n{body}"
            ),
        ),
    ] {
        let answer = fixture.connect().await.ask(request.as_bytes()).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("allow").is_some(), status == 405);
    }
    for body in [&b""[..], b"{}", b"{\"kind\":", b"\xff", b"null"] {
        let answer = fixture.connect().await.ask(&post(body)).await;
        assert_eq!(answer.status, 400);
    }
    let deep = "[".repeat(1 << 20);
    // What would be a review, if it did not say two things.
    let uid = body.replacen(r#""uid":"1""#, r#""uid":"1","uid":"2""#, 1);
    let review: Value = serde_json::from_str(&body).unwrap();
    let request = format!(r#"{{"request":{},"#, review["request"]);
    let request = body.replacen('{', &request, 1);
    for (twice, key) in [(&uid, r#""uid":"#), (&request, r#""request":"#)] {
        assert_eq!(twice.matches(key).count(), 2, "{twice}");
    }
    for body in [deep, uid, request] {
        let answer = fixture.connect().await.ask(&post(body.as_bytes())).await;
        assert_eq!(answer.status, 400);
    }
    let answer = fixture.connect().await.ask(&post(body.as_bytes())).await;
    assert_eq!(answer.status, 200);
}
