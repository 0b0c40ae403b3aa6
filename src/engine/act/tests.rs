//! What is written names what it was decided on: to API servers that are made of prepared answers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use http::{Request, Response};
use kube::{Client, client::Body};
use promoter_api::promotion::{DependencyKind, DesiredState, OnClusterRemoval, Promotion};
use promoter_domain::{
    observation::{ObjectState, PolicyState, TemplateState, WorkState},
    step::Intent,
};
use promoter_kubernetes::{members::Members, objects::Objects};

use super::*;
use crate::Limits;

const WORK: &str = "/apis/work.karmada.io/v1alpha1/namespaces/karmada-es-member1/works/";
const SECRETS: &str = "/api/v1/namespaces/shop/secrets";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/web";
const REPLICA_SETS: &str = "/apis/apps/v1/namespaces/shop/replicasets";

/// An API server that knows its answers beforehand.
#[derive(Clone, Default)]
struct Server {
    /// What is read; anything else is not there.
    objects: Arc<HashMap<String, Value>>,
    /// The status with which a patch of what is at this path is answered instead.
    refused: Arc<HashMap<String, u16>>,
    patches: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Server {
    fn new<const N: usize>(objects: [(&str, Value); N]) -> Self {
        let objects = objects.map(|(path, object)| (path.to_owned(), object));
        Self {
            objects: Arc::new(objects.into()),
            ..Self::default()
        }
    }

    fn refusing(mut self, path: &str, status: u16) -> Self {
        self.refused = Arc::new([(path.to_owned(), status)].into());
        self
    }

    fn objects(&self) -> Objects {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { server.answer(request).await }
        });
        Objects::new(Client::new(service, "default"), "test")
    }

    async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, kube::Error> {
        let at = request.uri().path().to_owned();
        let (status, body) = if request.method() == http::Method::PATCH {
            let body = request.into_body().collect_bytes().await?;
            let patch: Value = serde_json::from_slice(&body).unwrap();
            let status = self.refused.get(&at).copied().unwrap_or(200);
            self.patches.lock().unwrap().push((at, patch.clone()));
            (status, patch)
        } else {
            let found = self.objects.get(&at).cloned();
            found.map_or((404, Value::Null), |object| (200, object))
        };
        let body = match status {
            200 => body,
            _ => json!({
                "apiVersion": "v1", "kind": "Status", "status": "Failure",
                "code": status, "message": "no", "reason": "",
            }),
        };
        let response = Response::builder().status(status);
        Ok(response
            .body(Body::from(body.to_string().into_bytes()))
            .unwrap())
    }

    fn patches(&self) -> Vec<(String, Value)> {
        self.patches.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_work_is_freed_as_it_was_seen_and_no_later_one() {
    let server = Server::default();
    let hub = context(&server);
    let key = key();
    let freed = let_go::free(&hub, &record(), &observed(), &key, "member1").await;
    assert!(matches!(freed, Ok(Flow::Again)));
    let (at, patch) = server.patches().remove(0);
    assert!(at.starts_with(WORK), "{at}");
    assert_eq!(
        patch,
        json!({
            "metadata": {"resourceVersion": "7", "uid": "w1"},
            "spec": {"preserveResourcesOnDeletion": false},
        })
    );

    // Of the next Work of that name, or one that has changed, nothing is known: it is looked again.
    let changed = Server::default().refusing(&at, 409);
    let freed = let_go::free(&context(&changed), &record(), &observed(), &key, "member1").await;
    assert!(matches!(freed, Err(Error::Objects(error)) if error.is_conflict()));
    let gone = Server::default().refusing(&at, 404);
    let freed = let_go::free(&context(&gone), &record(), &observed(), &key, "member1").await;
    assert!(matches!(freed, Ok(Flow::Again)));
}

#[tokio::test]
async fn a_work_that_was_not_seen_is_not_written() {
    let server = Server::default();
    let hub = context(&server);
    let mut observed = observed();
    for object in &mut observed.objects {
        object.works[0].cluster = "member2".to_owned();
    }
    let freed = let_go::free(&hub, &record(), &observed, &key(), "member1").await;
    assert!(matches!(freed, Ok(Flow::Again)));
    let retried = guard::retry(&hub, &record(), &observed).await;
    assert!(matches!(retried, Ok(Flow::Again)));
    assert_eq!(server.patches(), []);
}

#[tokio::test]
async fn karmada_is_made_to_look_again_at_the_work_that_was_seen() {
    let server = Server::default();
    let retried = guard::retry(&context(&server), &record(), &observed()).await;
    assert!(matches!(retried, Ok(Flow::After(_))));
    let (at, patch) = server.patches().remove(0);
    assert!(at.starts_with(WORK), "{at}");
    assert_eq!(
        patch,
        json!({
            "metadata": {"resourceVersion": "7", "uid": "w1"},
            "spec": {"suspendDispatching": null},
        })
    );
    let changed = Server::default().refusing(&at, 409);
    let retried = guard::retry(&context(&changed), &record(), &observed()).await;
    assert!(matches!(retried, Err(Error::Objects(error)) if error.is_conflict()));
}

#[tokio::test]
async fn marks_are_taken_off_what_was_seen_to_be_nobodys() {
    let secret = format!("{SECRETS}/keys");
    let member = left_marked();
    let stripped = strip_in(&member).await;
    assert!(stripped);
    let patches = member.patches();
    let mark = json!({"work.karmada.io/conflict-resolution": null});
    assert_eq!(
        patches,
        [
            (
                secret.clone(),
                json!({"metadata": {"annotations": mark, "resourceVersion": "3", "uid": "s1"}})
            ),
            (
                format!("{REPLICA_SETS}/web-1"),
                json!({"metadata": {"annotations": mark, "resourceVersion": "5", "uid": "r1"}})
            ),
        ]
    );

    // Somebody has it taken over meanwhile: nothing is wrong, and it is looked at again, when a Work
    // says whose it is; what else there is has nothing to do with it.
    let changed = left_marked().refusing(&secret, 409);
    let stripped = strip_in(&changed).await;
    assert!(!stripped);
    assert_eq!(changed.patches().len(), 2);
}

/// Takes the marks off, where no Work is in the control plane, and tells whether that settled it.
async fn strip_in(member: &Server) -> bool {
    let context = context(&Server::default());
    let member = Member {
        name: "member1".to_owned(),
        objects: member.objects(),
    };
    strip::strip_in(&context, &record(), &member, false)
        .await
        .unwrap()
}

#[test]
fn what_was_not_as_before_is_told_with_object_cluster_and_remedy() {
    let key = ObjectKey::deployment("web");
    let outcome = commit::not_as_before(&key, "shop", "member1", "it is gone");
    assert_eq!(
        outcome.message,
        "after the commit, Deployment/web of namespace shop in cluster member1 was not what it was \
         before: it is gone; everything was rolled back. Look for what else writes it there, and \
         ask again"
    );
}

/// A member in which Karmada has left marks on a Secret, and on a ReplicaSet.
fn left_marked() -> Server {
    let marks = json!({"work.karmada.io/conflict-resolution": "overwrite"});
    let secret = json!({"metadata": {
        "annotations": marks, "name": "keys", "resourceVersion": "3", "uid": "s1",
    }});
    let deployment = json!({
        "metadata": {"generation": 1, "name": "web", "resourceVersion": "4", "uid": "d1"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}},
        "status": {"observedGeneration": 1},
    });
    let replica_set = json!({"metadata": {
        "annotations": marks,
        "name": "web-1",
        "ownerReferences": [{"uid": "d1"}],
        "resourceVersion": "5",
        "uid": "r1",
    }});
    Server::new([
        (&format!("{SECRETS}/keys"), secret),
        (DEPLOYMENT, deployment),
        (REPLICA_SETS, json!({"items": [replica_set]})),
        ("/api/v1/namespaces/shop/pods", json!({"items": []})),
    ])
}

fn context(control_plane: &Server) -> Context {
    let objects = control_plane.objects();
    Context {
        events: Events::new(objects.client().clone(), "test"),
        instance: "test".to_owned(),
        limits: Limits {
            commit: Duration::from_mins(1),
            staging: Duration::from_mins(1),
        },
        members: Arc::new(Members::new(objects.clone())),
        control_plane: objects,
        opt_ins: Arc::new(Vec::new().into()),
        started: Instant::now(),
    }
}

fn key() -> ObjectKey {
    ObjectKey::dependency(DependencyKind::Secret, "keys")
}

/// A promotion of Deployment `web`, and of Secret `keys` with it.
fn record() -> Record {
    let promotion = json!({
        "apiVersion": "promote.karmada.io/v1alpha1",
        "kind": "Promotion",
        "metadata": {"name": "web", "namespace": "shop", "uid": "p1"},
        "spec": {"clusters": ["member1"], "workload": {"name": "web"}},
        "status": {
            "dependencies": [{"action": "Created", "kind": "Secret", "name": "keys"}],
            "phase": "Releasing",
        },
    });
    let promotion: Promotion = serde_json::from_value(promotion).unwrap();
    Record { promotion }
}

/// The two of them, of each of which Karmada has a Work in `member1`.
fn observed() -> Observed {
    Observed {
        autoscaled: false,
        edited: false,
        guarded: None,
        intent: Intent {
            authorized: true,
            deleted: false,
            desired: DesiredState::Released,
            on_cluster_removal: OnClusterRemoval::Delete,
            renewed: false,
            suspended: false,
        },
        live: None,
        live_replicas: None,
        marked: false,
        namespace: true,
        objects: vec![object(key()), object(ObjectKey::deployment("web"))],
        origin: "member1".to_owned(),
        overdue: false,
        phase: Phase::Releasing,
        placed: ["member1".to_owned()].into(),
        reason: None,
        rehearsed: true,
        template_edited: false,
        unrecorded: false,
    }
}

fn object(key: ObjectKey) -> ObjectState {
    let work = json!({"metadata": {"name": "web-1", "resourceVersion": "7", "uid": "w1"}});
    ObjectState {
        attached: false,
        bound: None,
        key,
        needed_elsewhere: false,
        needed_in: Vec::new(),
        policy: PolicyState::Absent,
        policy_version: None,
        template: TemplateState::Absent,
        template_version: None,
        works: WorkState::of(&work, "member1", None, None)
            .into_iter()
            .collect(),
    }
}
