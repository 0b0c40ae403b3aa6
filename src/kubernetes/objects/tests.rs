//! What is asked of an API server, and what is made of its answers.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    thread::{self, JoinHandle},
};

use kube::Config;
use promoter_domain::object::ObjectKind;
use serde_json::json;

use super::*;

const NAMESPACE: Option<&str> = Some("shop");

#[tokio::test]
async fn a_failure_names_place_verb_object_and_what_was_said() {
    let denied = r#"admission webhook "policy.example.com" denied the request: no"#;
    let error = got(403, &failure(403, denied)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("member member1: cannot get deployments/web: {denied}")
    );
    assert_eq!(error.message(), denied);

    let server = Server::start(500, &failure(500, "etcd is away"));
    let error = server
        .objects
        .list(Resource::POD, NAMESPACE, Some("app=web"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "member member1: cannot list pods: etcd is away"
    );
    assert_eq!(
        server.asked().0,
        "GET /api/v1/namespaces/shop/pods?&labelSelector=app%3Dweb"
    );
}

#[tokio::test]
async fn an_answer_that_is_no_status_is_told_as_it_is() {
    let error = got(404, "404 page not found\n").await;
    assert_eq!(error.unwrap(), None);
    let error = got(502, "<html>bad gateway</html>").await.unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::BAD_GATEWAY));
    assert_eq!(
        error.to_string(),
        "member member1: cannot get deployments/web: <html>bad gateway</html>"
    );
}

#[tokio::test]
async fn nobody_listening_is_told_with_its_cause() {
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = objects(&format!("http://{address}"))
        .get(ObjectKind::Deployment.into(), NAMESPACE, "web")
        .await
        .unwrap_err();
    assert_eq!(error.status(), None);
    assert!(!error.is_refusal() && !error.is_conflict() && !error.is_not_found());
    let text = error.to_string();
    let start = "member member1: cannot get deployments/web: ";
    assert!(text.starts_with(start), "{text}");
    assert_eq!(text.matches("Connection refused").count(), 1, "{text}");
}

#[tokio::test]
async fn statuses_are_told_apart() {
    for (code, not_found, conflict, refusal) in [
        (400, false, false, true),
        (401, false, false, false),
        (403, false, false, true),
        (404, true, false, false),
        (405, false, false, true),
        (409, false, true, false),
        (410, false, false, false),
        (413, false, false, true),
        (415, false, false, false),
        (422, false, false, true),
        (429, false, false, false),
        (500, false, false, false),
        (503, false, false, false),
        (504, false, false, false),
    ] {
        let error = written(code).await;
        assert_eq!(error.status().unwrap().as_u16(), code);
        assert_eq!(error.is_not_found(), not_found, "{code}");
        assert_eq!(error.is_conflict(), conflict, "{code}");
        assert_eq!(error.is_refusal(), refusal, "{code}");
    }
}

#[tokio::test]
async fn only_an_object_that_is_not_there_is_nothing() {
    let object = json!({"metadata": {"name": "web"}, "fieldOfALaterVersion": [1, null]});
    let found = got(200, &object.to_string()).await.unwrap();
    assert_eq!(found, Some(object));
    assert_eq!(got(404, &failure(404, "no")).await.unwrap(), None);
    for code in [401, 403, 500] {
        let error = got(code, &failure(code, "no")).await.unwrap_err();
        assert_eq!(error.status().unwrap().as_u16(), code);
    }
}

#[tokio::test]
async fn an_object_is_deleted_only_while_it_is_the_one_that_was_meant() {
    for (code, expected) in [(200, None), (404, None), (409, Some(409)), (403, Some(403))] {
        let body = if code == 200 {
            json!({"kind": "Status", "status": "Success"}).to_string()
        } else {
            failure(code, "no")
        };
        let server = Server::start(code, &body);
        let answer = server
            .objects
            .delete(ObjectKind::Secret.into(), NAMESPACE, "keys", "s1")
            .await;
        let status = answer.err().map(|error| error.status().unwrap().as_u16());
        assert_eq!(status, expected, "{code}");
        let (request, body) = server.asked();
        assert_eq!(request, "DELETE /api/v1/namespaces/shop/secrets/keys?");
        assert_eq!(
            body,
            json!({"preconditions": {"uid": "s1"}, "propagationPolicy": "Background"})
        );
    }
}

#[tokio::test]
async fn an_object_is_deleted_only_while_it_is_as_it_was_seen() {
    let server = Server::start(409, &failure(409, "it was changed"));
    let version = Version {
        resource_version: "7".to_owned(),
        uid: "p1".to_owned(),
    };
    let resource = Resource::PROPAGATION_POLICY;
    let answer = server
        .objects
        .delete_version(resource, NAMESPACE, "secret.keys", &version)
        .await;
    assert!(answer.unwrap_err().is_conflict());
    let (_, body) = server.asked();
    assert_eq!(
        body["preconditions"],
        json!({"resourceVersion": "7", "uid": "p1"})
    );
}

#[tokio::test]
async fn a_dry_run_asks_for_one_and_a_write_does_not() {
    let object = json!({"metadata": {"name": "web"}});
    for (write, query) in [
        (Write::DryRun, "?&dryRun=All&fieldManager=karmada-promoter"),
        (Write::ForGood, "?&fieldManager=karmada-promoter"),
    ] {
        let path = "/apis/apps/v1/namespaces/shop/deployments";
        let deployments = Resource::from(ObjectKind::Deployment);

        let server = Server::start(201, &object.to_string());
        let created = server
            .objects
            .create(deployments, NAMESPACE, &object, write)
            .await;
        assert_eq!(created.unwrap(), object);
        assert_eq!(
            server.asked(),
            (format!("POST {path}{query}"), object.clone())
        );

        let server = Server::start(200, &object.to_string());
        let replaced = server
            .objects
            .replace(deployments, NAMESPACE, "web", &object, write)
            .await;
        assert_eq!(replaced.unwrap(), object);
        assert_eq!(
            server.asked(),
            (format!("PUT {path}/web{query}"), object.clone())
        );
    }
}

/// What comes of reading a Deployment when the API server answers so.
async fn got(code: u16, body: &str) -> Result<Option<Value>, Error> {
    let server = Server::start(code, body);
    let answer = server
        .objects
        .get(ObjectKind::Deployment.into(), NAMESPACE, "web")
        .await;
    let request = "GET /apis/apps/v1/namespaces/shop/deployments/web";
    assert_eq!(server.asked().0, request);
    answer
}

/// The error of a write that the API server answers so.
async fn written(code: u16) -> Error {
    let server = Server::start(code, &failure(code, "no"));
    let patch = json!({"spec": {"replicas": 3}});
    let answer = server
        .objects
        .merge(ObjectKind::Deployment.into(), NAMESPACE, "web", &patch)
        .await;
    let (request, body) = server.asked();
    assert_eq!(
        request,
        "PATCH /apis/apps/v1/namespaces/shop/deployments/web?&fieldManager=karmada-promoter"
    );
    assert_eq!(body, patch);
    answer.unwrap_err()
}

fn failure(code: u16, message: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "code": code, "message": message, "reason": "Reason",
    })
    .to_string()
}

fn objects(url: &str) -> Objects {
    crate::install_crypto_provider();
    let mut config = Config::new(url.parse().unwrap());
    config.default_retry = false;
    Objects::new(Client::try_from(config).unwrap(), "member member1")
}

/// An API server that answers one request.
struct Server {
    objects: Objects,
    thread: JoinHandle<(String, Value)>,
}

impl Server {
    fn start(code: u16, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = format!(
            "HTTP/1.1 {code} Status\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Self {
            objects: objects(&url),
            thread: thread::spawn(move || answer_once(&listener, &answer)),
        }
    }

    /// The method, path and query that were asked, and the body that came with it.
    fn asked(self) -> (String, Value) {
        self.thread.join().unwrap()
    }
}

fn answer_once(listener: &TcpListener, answer: &str) -> (String, Value) {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let request = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let header = line.trim_end().to_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    reader.get_mut().write_all(answer.as_bytes()).unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    (request, body)
}
