//! Looks at Deployments of API servers that are made of prepared answers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use kube::{Client, client::Body};
use promoter_kubernetes::{members::Members, objects::Objects};

use super::*;
use crate::promotions::Promotions;

const DEPLOYMENT: &str = "GET /apis/apps/v1/namespaces/shop/deployments/web";
const PROMOTION: &str = "GET /apis/promote.karmada.io/v1alpha1/namespaces/shop/promotions/web";
const NAMESPACE: &str = "GET /api/v1/namespaces/shop";
const CREATE_PROMOTION: &str = "POST /apis/promote.karmada.io/v1alpha1/namespaces/shop/promotions";
const PATCH_PROMOTION: &str =
    "PATCH /apis/promote.karmada.io/v1alpha1/namespaces/shop/promotions/web";
const CREATE_NAMESPACE: &str = "POST /api/v1/namespaces";
const CREATE_EVENT: &str = "POST /apis/events.k8s.io/v1/namespaces/shop/events";

/// An API server that knows its answers beforehand; the last one of each kind is given again.
#[derive(Default)]
struct Server {
    answers: Mutex<HashMap<&'static str, Vec<(u16, Value)>>>,
    writes: Mutex<Vec<(String, Value)>>,
}

impl Server {
    fn new(answers: impl IntoIterator<Item = (&'static str, u16, Value)>) -> Arc<Self> {
        let server = Self::default();
        for (request, status, body) in answers {
            let mut all = server.answers.lock().unwrap();
            all.entry(request).or_default().insert(0, (status, body));
        }
        Arc::new(server)
    }

    fn objects(self: &Arc<Self>) -> Objects {
        let server = Arc::clone(self);
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = Arc::clone(&server);
            async move { server.answer(request).await }
        });
        Objects::new(Client::new(service, "default"), "test")
    }

    async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, kube::Error> {
        let line = format!("{} {}", request.method(), request.uri().path());
        let body = request.into_body().collect_bytes().await?;
        if !line.starts_with("GET") {
            let body = serde_json::from_slice(&body).unwrap();
            self.writes.lock().unwrap().push((line.clone(), body));
        }
        let mut answers = self.answers.lock().unwrap();
        let (status, body) = match answers.get_mut(line.as_str()) {
            Some(answers) if answers.len() > 1 => answers.pop().unwrap(),
            Some(answers) => answers[0].clone(),
            None => (404, json!({})),
        };
        let body = if status < 400 {
            body
        } else {
            json!({
                "apiVersion": "v1", "kind": "Status", "status": "Failure",
                "code": status, "message": "no", "reason": "",
            })
        };
        Ok(Response::builder()
            .status(status)
            .body(Body::from(body.to_string().into_bytes()))
            .unwrap())
    }

    fn writes(&self) -> Vec<String> {
        let writes = self.writes.lock().unwrap();
        writes.iter().map(|(line, _)| line.clone()).collect()
    }

    fn written(&self, line: &str) -> Value {
        let writes = self.writes.lock().unwrap();
        let (_, body) = writes.iter().rfind(|(written, _)| written == line).unwrap();
        body.clone()
    }
}

/// Looks at Deployment `shop/web` of `member1` so many times, one after the other.
async fn looks(
    control_plane: &Arc<Server>,
    member: &Arc<Server>,
    times: usize,
) -> Vec<Result<(), Error>> {
    let control_plane = control_plane.objects();
    let door = Door {
        members: Arc::new(Members::new(control_plane.clone())),
        control_plane,
        instance: "test".to_owned(),
        opt_ins: Arc::new(vec!["*=*".parse().unwrap()].into()),
        promotions: Promotions::default(),
        warned: Mutex::default(),
    };
    let member = Member {
        name: "member1".to_owned(),
        objects: member.objects(),
    };
    let events = Events::new(member.objects.client().clone(), "test");
    let key = Key {
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
    };
    let mut outcomes = Vec::new();
    for _ in 0..times {
        outcomes.push(door.look(&member, &events, &key).await);
    }
    outcomes
}

fn deployment(enabled: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "1",
            "annotations": {"promote.karmada.io/enabled": enabled},
        },
    })
}

/// Somebody of the member, and nobody of the control plane.
fn annotator() -> Value {
    json!({"cluster": "member1", "username": "unknown (--trust-every-annotation)"})
}

fn promotion(cluster: &str, desired: &str, phase: &str, version: &str) -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "shop", "resourceVersion": version},
        "spec": {"clusters": [cluster], "desiredState": desired},
        "status": {"phase": phase},
    })
}

#[tokio::test]
async fn an_opt_in_creates_the_namespace_and_the_promotion() {
    let control_plane = Server::new([
        (CREATE_NAMESPACE, 201, json!({})),
        (CREATE_PROMOTION, 201, json!({})),
    ]);
    let member = Server::new([
        (DEPLOYMENT, 200, deployment("true")),
        (
            NAMESPACE,
            200,
            json!({"metadata": {"labels": {"team": "a"}}}),
        ),
    ]);
    looks(&control_plane, &member, 1).await.remove(0).unwrap();
    assert_eq!(control_plane.writes(), [CREATE_NAMESPACE, CREATE_PROMOTION]);
    let labels = &control_plane.written(CREATE_NAMESPACE)["metadata"]["labels"];
    assert_eq!(
        *labels,
        json!({"team": "a", "namespace.karmada.io/skip-auto-propagation": "true"})
    );
    let promotion = control_plane.written(CREATE_PROMOTION);
    assert_eq!(promotion["metadata"]["name"], "web");
    assert_eq!(promotion["spec"]["clusters"], json!(["member1"]));
    assert_eq!(promotion["spec"]["desiredState"], "Promoted");
    assert_eq!(promotion["spec"]["requester"], annotator());
    assert_eq!(promotion["spec"]["workload"]["name"], "web");
    assert!(member.writes().is_empty());
}

#[tokio::test]
async fn who_was_quicker_is_looked_at_again() {
    // Between reading and writing another cluster's Promotion was created, and the namespace.
    let control_plane = Server::new([
        (PROMOTION, 404, json!({})),
        (
            PROMOTION,
            200,
            promotion("member2", "Promoted", "Staging", "1"),
        ),
        (CREATE_NAMESPACE, 409, json!({})),
        (CREATE_PROMOTION, 409, json!({})),
    ]);
    let member = Server::new([
        (DEPLOYMENT, 200, deployment("true")),
        (CREATE_EVENT, 201, json!({})),
    ]);
    looks(&control_plane, &member, 1).await.remove(0).unwrap();
    let event = member.written(CREATE_EVENT);
    assert_eq!(event["reason"], "ConflictingTemplate");
    assert_eq!(event["regarding"]["uid"], "1");
    assert!(event["note"].as_str().unwrap().contains("member2"));
}

#[tokio::test]
async fn a_released_promotion_is_reopened_as_it_was_read() {
    let released = |version| promotion("member2", "Released", "Released", version);
    let control_plane = Server::new([
        (PROMOTION, 200, released("7")),
        (PROMOTION, 200, released("8")),
        (PATCH_PROMOTION, 409, json!({})),
        (PATCH_PROMOTION, 200, json!({})),
    ]);
    let member = Server::new([(DEPLOYMENT, 200, deployment("true"))]);
    looks(&control_plane, &member, 1).await.remove(0).unwrap();
    assert_eq!(control_plane.writes(), [PATCH_PROMOTION, PATCH_PROMOTION]);
    assert_eq!(
        control_plane.written(PATCH_PROMOTION),
        json!({
            "metadata": {"resourceVersion": "8"},
            "spec": {
                "clusters": ["member1"],
                "desiredState": "Promoted",
                "requester": annotator(),
            },
        })
    );
}

#[tokio::test]
async fn what_no_longer_asks_is_left_alone() {
    let released = promotion("member1", "Released", "Released", "7");
    for member in [
        Server::new([]),
        Server::new([(DEPLOYMENT, 200, deployment("false"))]),
    ] {
        let control_plane = Server::new([(PROMOTION, 200, released.clone())]);
        looks(&control_plane, &member, 1).await.remove(0).unwrap();
        assert!(control_plane.writes().is_empty());
        assert!(member.writes().is_empty());
    }
}

#[tokio::test]
async fn warnings_are_given_once_for_each_reason() {
    let control_plane = Server::new([]);
    let member = Server::new([
        (DEPLOYMENT, 200, deployment("yes")),
        (CREATE_EVENT, 201, json!({})),
    ]);
    for outcome in looks(&control_plane, &member, 3).await {
        outcome.unwrap();
    }
    assert_eq!(member.writes(), [CREATE_EVENT]);
    assert_eq!(member.written(CREATE_EVENT)["reason"], "InvalidAnnotation");
    assert!(control_plane.writes().is_empty());
}

#[tokio::test]
async fn failures_say_whose_they_are() {
    let control_plane = Server::new([(PROMOTION, 500, json!({}))]);
    let member = Server::new([(DEPLOYMENT, 200, deployment("true"))]);
    let error = looks(&control_plane, &member, 1).await.remove(0);
    assert!(matches!(error, Err(Error::ControlPlane(_))), "{error:?}");

    let member = Server::new([(DEPLOYMENT, 401, json!({}))]);
    let error = looks(&control_plane, &member, 1).await.remove(0);
    assert!(error.unwrap_err().is_unauthorized_by_member());

    let control_plane = Server::new([
        (CREATE_NAMESPACE, 201, json!({})),
        (CREATE_PROMOTION, 409, json!({})),
    ]);
    let member = Server::new([(DEPLOYMENT, 200, deployment("true"))]);
    let error = looks(&control_plane, &member, 1).await.remove(0);
    assert!(matches!(error, Err(Error::Contended(_))), "{error:?}");
}
