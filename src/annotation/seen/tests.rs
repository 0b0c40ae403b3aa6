use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use kube::{Client, client::Body};
use promoter_domain::opt_in::OptIns;
use promoter_kubernetes::{members::Members, objects::Objects};
use serde_json::{Value, json};

use super::*;
use crate::{promotions::Promotions, requester::Unstamped};

/// A door that nobody has asked anything through.
fn door() -> Door {
    let nobody = tower::service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(Body::empty()))
    });
    let control_plane = Objects::new(Client::new(nobody, "default"), "test");
    let anywhere: OptIns = vec!["*=*".parse().unwrap()].into();
    Door {
        members: Arc::new(Members::new(control_plane.clone())),
        control_plane,
        instance: "test".to_owned(),
        opt_ins: Arc::new(anywhere),
        promotions: Promotions::default(),
        unstamped: Unstamped::Hold,
        warned: Mutex::default(),
    }
}

fn deployment(labels: &Value, annotations: &Value) -> ObjectMeta {
    serde_json::from_value(json!({
        "annotations": annotations,
        "labels": labels,
        "managedFields": [{
            "manager": "kubectl",
            "fieldsV1": {"f:metadata": {"f:annotations": {"f:promote.karmada.io/enabled": {}}}},
        }],
        "name": "web",
        "namespace": "shop",
        "uid": "1",
    }))
    .unwrap()
}

fn namespace(enabled: &str) -> PartialObjectMeta<Namespace> {
    serde_json::from_value(json!({
        "apiVersion": "meta.k8s.io/v1",
        "kind": "PartialObjectMetadata",
        "metadata": {"name": "shop", "labels": {"promote.karmada.io/enabled": enabled}},
    }))
    .unwrap()
}

fn web() -> Task {
    Task::Deployment(Key {
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
    })
}

fn next(seen: &mut Seen<'_>) -> Option<Task> {
    seen.queue.take(Instant::now())
}

#[tokio::test]
async fn what_asks_for_nothing_costs_nothing() {
    let door = door();
    let mut seen = Seen::new(&door, "member1");
    for annotations in [json!({}), json!({"promote.karmada.io/enabled": "false"})] {
        seen.deployment(&deployment(&json!({}), &annotations));
        assert_eq!(next(&mut seen), None);
    }
    // What says something still is to say it no more.
    let former = json!({"promote.karmada.io/phase": "Refused"});
    seen.deployment(&deployment(&json!({}), &former));
    assert_eq!(next(&mut seen), Some(web()));
}

#[tokio::test]
async fn what_is_held_is_looked_at_when_it_or_the_admission_changes() {
    let door = door();
    let mut seen = Seen::new(&door, "member1");
    let asking = |stamp: &str| {
        let annotations = json!({
            "promote.karmada.io/enabled": "true",
            "promote.karmada.io/reason": "RequesterUnknown",
            "promote.karmada.io/requested-by": stamp,
        });
        deployment(&json!({}), &annotations)
    };
    let held = |metadata: &ObjectMeta| {
        Outcome::Deployment(Looked::Held(Held {
            opt_in: OptIn::of(metadata, None).unwrap(),
            uid: metadata.uid.clone(),
        }))
    };
    seen.deployment(&asking("alice"));
    assert_eq!(next(&mut seen), Some(web()));
    seen.done(web(), held(&asking("alice")));
    seen.deployment(&asking("alice"));
    assert_eq!(next(&mut seen), None);
    seen.deployment(&asking("bob"));
    assert_eq!(next(&mut seen), Some(web()));
    // While it is in hand, too: what it found may be what was before.
    seen.admission();
    seen.done(web(), held(&asking("bob")));
    assert_eq!(next(&mut seen), Some(web()));
    seen.done(web(), held(&asking("bob")));
    assert_eq!(next(&mut seen), None);
    seen.admission();
    assert_eq!(next(&mut seen), Some(web()));
    seen.done(web(), Outcome::Deployment(Looked::Done));
    seen.admission();
    assert_eq!(next(&mut seen), None);
}

#[tokio::test]
async fn a_namespace_has_its_deployments_looked_at() {
    let door = door();
    let mut seen = Seen::new(&door, "member1");
    seen.namespace(Event::Init);
    seen.namespace(Event::InitDone);
    let silent = deployment(&json!({}), &json!({}));
    seen.deployment(&silent);
    assert_eq!(next(&mut seen), None);
    seen.namespace(Event::Apply(namespace("true")));
    let task = next(&mut seen).unwrap();
    assert_eq!(task, Task::Namespace("shop".to_owned()));
    seen.done(task, Outcome::Namespace(vec![silent.clone()]));
    assert_eq!(next(&mut seen), Some(web()));
    seen.done(web(), Outcome::Deployment(Looked::Done));
    seen.deployment(&silent);
    assert_eq!(next(&mut seen), Some(web()));
    seen.done(web(), Outcome::Deployment(Looked::Done));
    let own = deployment(&json!({}), &json!({"promote.karmada.io/enabled": "false"}));
    seen.deployment(&own);
    assert_eq!(next(&mut seen), None);
}

#[tokio::test]
async fn what_was_found_to_be_federated_is_not_looked_at_again() {
    let door = door();
    let mut seen = Seen::new(&door, "member1");
    seen.namespace(Event::Init);
    seen.namespace(Event::InitApply(namespace("true")));
    seen.namespace(Event::InitDone);
    // The Deployments are listed after that.
    assert_eq!(next(&mut seen), None);
    let federated = deployment(&json!({"karmada.io/managed": "true"}), &json!({}));
    seen.deployment(&federated);
    assert_eq!(next(&mut seen), Some(web()));
    seen.done(web(), Outcome::Deployment(Looked::Done));
    door.warns_first("1", "AlreadyFederated");
    seen.deployment(&federated);
    assert_eq!(next(&mut seen), None);
    // Karmada has let go of it.
    seen.deployment(&deployment(&json!({}), &json!({})));
    assert_eq!(next(&mut seen), Some(web()));
}
