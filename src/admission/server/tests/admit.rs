//! The routes of members, and what is told of them.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::support::{Client, Fixture, head, head_to, review};
use crate::{Routes, index::Index};

const INSTALLATION: &str = "0a1b2c3d4e5f6789";

/// A review of a Deployment of alice's, as Go writes it.
fn deployment(annotations: &Value) -> Vec<u8> {
    let object = json!({"metadata": {
        "name": "web", "namespace": "shop", "annotations": annotations,
    }});
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"7-a","kind":{{"group":"apps","version":"v1","kind":"Deployment"}},"name":"web","namespace":"shop","operation":"UPDATE","userInfo":{{"username":"alice"}},"object":{object},"oldObject":{{"metadata":{{}}}}}}}}"#
    )
    .into_bytes()
}

fn opt_in() -> Vec<u8> {
    deployment(&json!({"promote.karmada.io/enabled": "true"}))
}

fn routes() -> Routes {
    Routes {
        clusters: Vec::new(),
        hub_user: "hub".to_owned(),
        index: None,
        opt_ins: vec!["*=*".parse().unwrap()].into(),
    }
}

async fn ask(client: &mut Client, path: &str, body: &[u8]) -> (u16, Value) {
    let mut request = head_to(path, &format!("Content-Length: {}", body.len()));
    request.extend_from_slice(body);
    let answer = client.ask(&request).await;
    let review: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    (answer.status, review["response"].clone())
}

#[tokio::test]
async fn an_opt_in_is_stamped_and_answered() {
    let fixture = Fixture::start(|_| {}).await;
    let mut client = fixture.connect().await;
    for (path, stamp) in [
        ("/admit/member1/mutate".to_owned(), "alice".to_owned()),
        (
            format!("/admit/member1/mutate/{INSTALLATION}"),
            format!("{INSTALLATION}:alice"),
        ),
    ] {
        let (status, response) = ask(&mut client, &path, &opt_in()).await;
        assert_eq!((status, &response["uid"]), (200, &json!("7-a")));
        assert_eq!(response["patchType"], "JSONPatch");
        let patch = BASE64_STANDARD.decode(response["patch"].as_str().unwrap());
        let patch: Value = serde_json::from_slice(&patch.unwrap()).unwrap();
        assert_eq!(
            patch,
            json!([{
                "op": "add",
                "path": "/metadata/annotations/promote.karmada.io~1requested-by",
                "value": stamp,
            }])
        );
    }
    let (_, response) = ask(&mut client, "/admit/member1/validate", &opt_in()).await;
    assert_eq!(response["allowed"], true);
    assert!(response.get("patch").is_none() && response.get("patchType").is_none());
    let warning = response["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("Deployment shop/web of cluster member1"),
        "{warning}"
    );
    assert_eq!(
        response["auditAnnotations"],
        json!({"decision": "accepted"})
    );

    let wrong = deployment(&json!({"promote.karmada.io/enabled": "yes"}));
    let (status, response) = ask(&mut client, "/admit/member1/validate", &wrong).await;
    assert_eq!((status, &response["allowed"]), (200, &json!(false)));
    assert_eq!(response["status"]["code"], 422);
    assert_eq!(response["status"]["reason"], "InvalidAnnotation");
}

#[tokio::test]
async fn what_does_not_concern_us_is_allowed() {
    let fixture = Fixture::start(|_| {}).await;
    let mut client = fixture.connect().await;
    let allowed = json!({"allowed": true, "uid": "7-a"});
    for annotations in [json!(null), json!({"a": "<b> \u{2028}"})] {
        for path in ["/admit/m/mutate", "/admit/m/validate"] {
            let told = ask(&mut client, path, &deployment(&annotations)).await;
            assert_eq!(told, (200, allowed.clone()));
        }
    }
    // What breaks off is no review, whoever it concerns.
    let body = deployment(&json!(null));
    for body in [&body[..body.len() / 2], b"", b"{}", b"\xff"] {
        let (status, _) = ask(&mut client, "/admit/m/validate", body).await;
        assert_eq!(status, 400);
    }
}

#[tokio::test]
async fn nothing_is_decided_at_other_paths() {
    let fixture = Fixture::start_at(
        Routes {
            clusters: vec!["member1".to_owned()],
            ..routes()
        },
        None,
        |_| {},
    )
    .await;
    let mut client = fixture.connect().await;
    for (path, expected) in [
        ("/admit/member1/validate", 200),
        ("/admit/member1/mutate", 200),
        // Another webhook answers for that one.
        ("/admit/member2/validate", 404),
        ("/admit//validate", 404),
        ("/admit/Member1/validate", 404),
        ("/admit/-member1/validate", 404),
        ("/admit/member1", 404),
        ("/admit/member1/", 404),
        ("/admit/member1/validate/", 404),
        ("/admit/member1/validate/0a1b2c3d4e5f6789", 404),
        ("/admit/member1/mutate/", 404),
        ("/admit/member1/mutate/short", 404),
        ("/admit/member1/mutate/0a1b2c3d4e5f6789/x", 404),
        ("/admit/member1/%76alidate", 404),
    ] {
        let (status, _) = ask(&mut client, path, &opt_in()).await;
        assert_eq!(status, expected, "{path}");
    }
}

#[tokio::test]
async fn it_is_ready_once_it_knows_what_the_control_plane_has() {
    let index = Arc::new(Index::new(&[]));
    let routes = Routes {
        index: Some(Arc::clone(&index)),
        ..routes()
    };
    let fixture = Fixture::start_at(routes, None, |_| {}).await;
    let mut client = fixture.connect().await;
    assert!(fixture.ask_health("/livez").await.contains("200 OK"));
    assert!(fixture.ask_health("/readyz").await.contains("503"));
    let (status, response) = ask(&mut client, "/admit/member1/validate", &opt_in()).await;
    assert_eq!((status, &response["status"]["code"]), (200, &json!(503)));
    let figures = fixture.ask_health("/metrics").await;
    assert!(
        figures.contains(r#"promoter_webhook_index_listed{kind="Work"} 0"#),
        "{figures}"
    );

    index.list_nothing();
    assert!(fixture.ask_health("/readyz").await.contains("200 OK"));
    let (_, response) = ask(&mut client, "/admit/member1/validate", &opt_in()).await;
    assert_eq!(response["allowed"], true);
    let figures = fixture.ask_health("/metrics").await;
    for line in [
        r#"promoter_webhook_index_listed{kind="Work"} 1"#,
        r#"promoter_webhook_index_entries{kind="Promotion"} 0"#,
    ] {
        assert!(figures.contains(line), "{figures}");
    }
}

#[tokio::test]
async fn what_was_answered_is_counted() {
    let fixture = Fixture::start(|_| {}).await;
    // It hangs up before it is known.
    assert!(fixture.connect_with(&[b"h2"]).await.is_err());
    let mut client = fixture.connect().await;
    let wrong = deployment(&json!({"promote.karmada.io/enabled": "yes"}));
    for (path, body) in [
        ("/admit/a/mutate", opt_in()),
        ("/admit/b/mutate", opt_in()),
        ("/admit/a/mutate", deployment(&json!(null))),
        ("/admit/a/validate", opt_in()),
        ("/admit/a/validate", wrong),
        ("/admit/a/validate", b"{".to_vec()),
        ("/mutate/promotions", review("1")),
        ("/elsewhere", review("1")),
    ] {
        ask(&mut client, path, &body).await;
    }
    let refused = client.ask(&head("Content-Length: 100000000")).await;
    assert_eq!(refused.status, 413);
    client.until_closed().await;
    let _open = fixture.connect().await;
    let figures = fixture.ask_health("/metrics").await;
    assert!(
        figures.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{figures}"
    );
    for line in [
        r#"requests_total{route="mutate",outcome="patched",reason=""} 2"#,
        r#"requests_total{route="mutate",outcome="allowed",reason=""} 1"#,
        r#"requests_total{route="validate",outcome="allowed",reason=""} 1"#,
        r#"requests_total{route="validate",outcome="denied",reason="InvalidAnnotation"} 1"#,
        r#"requests_total{route="validate",outcome="malformed",reason=""} 1"#,
        r#"requests_total{route="promotions",outcome="patched",reason=""} 1"#,
        r#"requests_total{route="promotions",outcome="refused",reason="413"} 1"#,
        r#"requests_total{route="none",outcome="refused",reason="404"} 1"#,
        r#"request_duration_seconds_count{route="mutate"} 3"#,
        r#"request_duration_seconds_bucket{le="10.0",route="validate"} 3"#,
        r#"connection_failures_total{cause="handshake"} 1"#,
        r#"certificate_reloads_total{outcome="ok"} 0"#,
    ] {
        let line = format!("promoter_webhook_{line}");
        assert!(figures.contains(&line), "{line} is not in {figures}");
    }
    let value = |name: &str| -> f64 {
        let line = figures.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    };
    assert!(value("promoter_webhook_connections ") >= 1.0);
    // rcgen's certificates last for very long.
    assert!(value("promoter_webhook_certificate_not_after_timestamp_seconds ") > 4e9);
    assert!(figures.ends_with("# EOF\n"), "{figures}");
}
