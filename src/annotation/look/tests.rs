//! Looks at Deployments of API servers that are made of prepared answers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use kube::{Client, client::Body};
use promoter_kubernetes::{members::Members, objects::Objects};

use super::*;
use crate::{promotions::Promotions, requester::Unstamped};

const DEPLOYMENT: &str = "GET /apis/apps/v1/namespaces/shop/deployments/web";
const PROMOTION: &str = "GET /apis/promote.karmada.io/v1alpha1/namespaces/shop/promotions/web";
const NAMESPACE: &str = "GET /api/v1/namespaces/shop";
const CREATE_PROMOTION: &str = "POST /apis/promote.karmada.io/v1alpha1/namespaces/shop/promotions";
const PATCH_PROMOTION: &str =
    "PATCH /apis/promote.karmada.io/v1alpha1/namespaces/shop/promotions/web";
const CREATE_NAMESPACE: &str = "POST /api/v1/namespaces";
const CREATE_EVENT: &str = "POST /apis/events.k8s.io/v1/namespaces/shop/events";
const PATCH_DEPLOYMENT: &str = "PATCH /apis/apps/v1/namespaces/shop/deployments/web";
const POLICY: &str = "GET /apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/opt-in.promote.karmada.io";
const BINDING: &str = "GET /apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/opt-in.promote.karmada.io";
const MYSELF: &str = "POST /apis/authentication.k8s.io/v1/selfsubjectreviews";

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
) -> Vec<Result<Looked, Error>> {
    looks_with(control_plane, member, Unstamped::Adopt, times).await
}

/// The same, by a hub that may hold what bears no stamp.
async fn looks_with(
    control_plane: &Arc<Server>,
    member: &Arc<Server>,
    unstamped: Unstamped,
    times: usize,
) -> Vec<Result<Looked, Error>> {
    let control_plane = control_plane.objects();
    let door = Door {
        members: Arc::new(Members::new(control_plane.clone())),
        control_plane,
        instance: "test".to_owned(),
        opt_ins: Arc::new(vec!["*=*".parse().unwrap()].into()),
        promotions: Promotions::default(),
        unstamped,
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
        outcomes.push(door.look(&member, &events, &key, true).await);
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
            "resourceVersion": "5",
            "annotations": {"promote.karmada.io/enabled": enabled},
        },
    })
}

/// Somebody of the member, and nobody of the control plane.
fn annotator() -> Value {
    json!({"cluster": "member1", "username": "unknown (--adopt-unstamped)"})
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
    assert_eq!(member.writes(), [CREATE_EVENT]);
    let event = member.written(CREATE_EVENT);
    assert_eq!(
        (&event["reason"], &event["type"]),
        (&json!("OptedIn"), &json!("Normal"))
    );
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
        (PATCH_DEPLOYMENT, 200, json!({"metadata": {}})),
    ]);
    looks(&control_plane, &member, 1).await.remove(0).unwrap();
    let answer = member.written(PATCH_DEPLOYMENT)["metadata"].clone();
    assert_eq!(
        answer["annotations"]["promote.karmada.io/reason"],
        "ConflictingTemplate"
    );
    assert_eq!(
        (&answer["resourceVersion"], &answer["uid"]),
        (&json!("5"), &json!("1"))
    );
    let event = member.written(CREATE_EVENT);
    assert_eq!(event["reason"], "ConflictingTemplate");
    assert_eq!(event["regarding"]["uid"], "1");
    assert!(event["note"].as_str().unwrap().contains("member2"));
}

#[tokio::test]
async fn a_released_promotion_is_reopened_as_it_was_read() {
    // Others' settings are not this one's, but for their having suspended it.
    let released = |version| {
        let mut promotion = promotion("member2", "Released", "Released", version);
        promotion["spec"]["managedDependencies"] = json!("Copy");
        promotion["spec"]["suspend"] = json!(true);
        promotion
    };
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
                "dependencies": ["ConfigMap", "Secret", "ServiceAccount"],
                "desiredState": "Promoted",
                "managedDependencies": "Skip",
                "managedWorkload": "Refuse",
                "onClusterRemoval": "Delete",
                "requester": annotator(),
                "staleMarks": "Refuse",
                "suspend": true,
                "workload": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
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
        (PATCH_DEPLOYMENT, 200, json!({"metadata": {}})),
    ]);
    for outcome in looks(&control_plane, &member, 3).await {
        outcome.unwrap();
    }
    let writes = member.writes();
    let events = writes.iter().filter(|write| *write == CREATE_EVENT);
    assert_eq!(events.count(), 1, "{writes:?}");
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

/// The policy and the binding by which a member pins stamps.
fn admission(installation: &str) -> [Value; 2] {
    let member = promoter_installation::member::Member {
        admission: Some(promoter_installation::member::Admission {
            installation: installation.to_owned(),
            webhook: None,
        }),
        guard: false,
        karmada_user: "karmada".to_owned(),
    };
    let objects = member.objects();
    let of = |kind: &str| {
        let found = objects.iter().find(|object| {
            object["kind"] == kind && object["metadata"]["name"] == "opt-in.promote.karmada.io"
        });
        found.unwrap().clone()
    };
    [
        of("ValidatingAdmissionPolicy"),
        of("ValidatingAdmissionPolicyBinding"),
    ]
}

/// A member with that admission.
fn pinning(installation: &str, deployment: Value) -> Arc<Server> {
    let [policy, binding] = admission(installation);
    let myself = json!({"status": {"userInfo": {"username": "karmada"}}});
    Server::new([
        (DEPLOYMENT, 200, deployment),
        (POLICY, 200, policy),
        (BINDING, 200, binding),
        (MYSELF, 201, myself),
        (CREATE_EVENT, 201, json!({})),
        (PATCH_DEPLOYMENT, 200, json!({"metadata": {}})),
        (NAMESPACE, 200, json!({"metadata": {}})),
    ])
}

fn control_plane() -> Arc<Server> {
    Server::new([
        (CREATE_NAMESPACE, 201, json!({})),
        (CREATE_PROMOTION, 201, json!({})),
    ])
}

fn stamped(stamp: &str) -> Value {
    let mut deployment = deployment("true");
    let metadata = &mut deployment["metadata"];
    metadata["annotations"]["promote.karmada.io/requested-by"] = json!(stamp);
    metadata["managedFields"] = somebody_sets("f:annotations");
    deployment
}

/// Somebody in the member has opted in by an annotation, or by a label.
fn somebody_sets(field: &str) -> Value {
    let fields = json!({"f:metadata": {field: {"f:promote.karmada.io/enabled": {}}}});
    json!([{"manager": "kubectl", "fieldsV1": fields}])
}

#[tokio::test]
async fn whom_a_stamp_names_is_the_requester() {
    let control_plane = control_plane();
    let member = pinning("0a1b2c3d", stamped("0a1b2c3d:alice"));
    let looked = looks_with(&control_plane, &member, Unstamped::Hold, 1)
        .await
        .remove(0);
    assert_eq!(looked.unwrap(), Looked::Done);
    let promotion = control_plane.written(CREATE_PROMOTION);
    assert_eq!(
        promotion["spec"]["requester"],
        json!({"cluster": "member1", "username": "alice"})
    );
    let note = member.written(CREATE_EVENT)["note"].clone();
    assert!(note.as_str().unwrap().contains("as alice asked"), "{note}");
}

#[tokio::test]
async fn a_stamp_that_nothing_pins_is_not_believed() {
    let [mut lax, binding] = admission("0a1b2c3d");
    lax["spec"]["failurePolicy"] = json!("Ignore");
    let unpinned = Server::new([
        (DEPLOYMENT, 200, stamped("0a1b2c3d:alice")),
        (POLICY, 200, lax),
        (BINDING, 200, binding),
        (
            MYSELF,
            201,
            json!({"status": {"userInfo": {"username": "karmada"}}}),
        ),
        (CREATE_EVENT, 201, json!({})),
        (PATCH_DEPLOYMENT, 200, json!({"metadata": {}})),
    ]);
    let nothing = Server::new([
        (DEPLOYMENT, 200, stamped("0a1b2c3d:alice")),
        (CREATE_EVENT, 201, json!({})),
        (PATCH_DEPLOYMENT, 200, json!({"metadata": {}})),
    ]);
    for (member, words) in [
        (
            pinning("0a1b2c3d", deployment("true")),
            "nothing recorded it",
        ),
        (
            pinning("0a1b2c3d", stamped("99999999:alice")),
            "nothing recorded it",
        ),
        (pinning("0a1b2c3d", stamped("alice")), "nothing recorded it"),
        (unpinned, "is not what this version installs"),
        (nothing, "kubectl promote member enable member1"),
    ] {
        let control_plane = control_plane();
        let looked = looks_with(&control_plane, &member, Unstamped::Hold, 1)
            .await
            .remove(0);
        assert!(matches!(looked, Ok(Looked::Held(_))), "{looked:?}");
        assert!(control_plane.writes().is_empty());
        let answer = member.written(PATCH_DEPLOYMENT)["metadata"]["annotations"].clone();
        assert_eq!(answer["promote.karmada.io/phase"], "Refused");
        assert_eq!(answer["promote.karmada.io/reason"], "RequesterUnknown");
        let message = answer["promote.karmada.io/message"].as_str().unwrap();
        for words in [words, "off and set it again"] {
            assert!(message.contains(words), "{message}");
        }
        assert_eq!(member.written(CREATE_EVENT)["note"], message);

        let looked = looks(&control_plane, &member, 1).await.remove(0);
        assert_eq!(looked.unwrap(), Looked::Done);
        let promotion = control_plane.written(CREATE_PROMOTION);
        assert_eq!(promotion["spec"]["requester"], annotator());
    }
}

#[tokio::test]
async fn a_namespace_asks_for_what_says_nothing_itself() {
    let mut silent = deployment("true");
    silent["metadata"]["annotations"] = json!({});
    let labelled = json!({"metadata": {
        "labels": {"promote.karmada.io/enabled": "true"},
        "annotations": {"promote.karmada.io/requested-by": "0a1b2c3d:bob"},
        "managedFields": somebody_sets("f:labels"),
    }});
    let [policy, binding] = admission("0a1b2c3d");
    for (deployment, promoted) in [(silent, true), (deployment("false"), false)] {
        let control_plane = control_plane();
        let member = Server::new([
            (DEPLOYMENT, 200, deployment),
            (NAMESPACE, 200, labelled.clone()),
            (POLICY, 200, policy.clone()),
            (BINDING, 200, binding.clone()),
            (
                MYSELF,
                201,
                json!({"status": {"userInfo": {"username": "karmada"}}}),
            ),
            (CREATE_EVENT, 201, json!({})),
        ]);
        let looked = looks_with(&control_plane, &member, Unstamped::Hold, 1)
            .await
            .remove(0);
        assert_eq!(looked.unwrap(), Looked::Done);
        if promoted {
            let promotion = control_plane.written(CREATE_PROMOTION);
            assert_eq!(
                promotion["spec"]["requester"],
                json!({"cluster": "member1", "username": "bob"})
            );
        } else {
            assert!(control_plane.writes().is_empty());
            assert!(member.writes().is_empty());
        }
    }
}

#[tokio::test]
async fn an_answer_goes_with_the_opt_in() {
    let mut former = deployment("true");
    former["metadata"]["annotations"] = json!({
        "promote.karmada.io/phase": "Refused",
        "promote.karmada.io/reason": "RequesterUnknown",
    });
    let member = Server::new([
        (DEPLOYMENT, 200, former),
        (PATCH_DEPLOYMENT, 409, json!({})),
        (PATCH_DEPLOYMENT, 200, json!({"metadata": {}})),
    ]);
    looks(&control_plane(), &member, 1).await.remove(0).unwrap();
    assert_eq!(member.writes(), [PATCH_DEPLOYMENT, PATCH_DEPLOYMENT]);
    assert_eq!(
        member.written(PATCH_DEPLOYMENT)["metadata"],
        json!({
            "annotations": {"promote.karmada.io/phase": null, "promote.karmada.io/reason": null},
            "resourceVersion": "5",
            "uid": "1",
        })
    );
}
