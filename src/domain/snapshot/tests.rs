//! Which changes mean that pods were replaced.

use serde_json::json;

use super::*;

#[test]
fn only_what_belongs_to_the_deployment_counts() {
    let snapshot = taken(&deployment(), &replica_sets(), &pods());
    assert_eq!(
        snapshot.replica_sets,
        [identity("5d", "r1"), identity("6e", "r0")]
    );
    assert_eq!(snapshot.pods, ["p1", "p2"]);
    assert_eq!((snapshot.uid.as_str(), snapshot.replicas), ("d1", 2));
}

#[test]
fn the_digest_is_of_the_spec_without_replicas_and_nulls() {
    let digest = taken(&deployment(), &[], &[]).spec_digest;
    assert_eq!(digest.len(), 64);
    // Were the keys not sorted, an equal spec could have another digest.
    assert_eq!(json!({"b": 1, "a": 2}).to_string(), r#"{"a":2,"b":1}"#);

    let mut same = deployment();
    same["spec"]["replicas"] = json!(7);
    same["spec"]["template"]["metadata"]["creationTimestamp"] = Value::Null;
    same["metadata"]["generation"] = json!(9);
    assert_eq!(taken(&same, &[], &[]).spec_digest, digest);

    let mut other = deployment();
    other["spec"]["template"]["spec"]["containers"][0]["image"] = json!("nginx:1.28");
    assert_ne!(taken(&other, &[], &[]).spec_digest, digest);
}

#[test]
fn a_workload_that_only_got_other_metadata_is_unchanged() {
    let before = taken(&deployment(), &replica_sets(), &pods());
    let mut after = before.clone();
    assert_eq!(compare(&before, &after), Ok(()));
    // The history's limit.
    after.replica_sets.retain(|it| it.uid == "r1");
    assert_eq!(compare(&before, &after), Ok(()));
}

#[test]
fn every_change_is_told() {
    let before = taken(&deployment(), &replica_sets(), &pods());

    let after = Snapshot {
        uid: "d2".to_owned(),
        ..before.clone()
    };
    assert_eq!(compare(&before, &after), Err(SnapshotChange::Recreated));

    let after = Snapshot {
        spec_digest: String::new(),
        ..before.clone()
    };
    assert_eq!(compare(&before, &after), Err(SnapshotChange::SpecChanged));

    let mut after = before.clone();
    after.replica_sets.push(identity("7f", "r2"));
    let change = compare(&before, &after).unwrap_err();
    assert_eq!(
        change.to_string(),
        "there are new ReplicaSets: pod-template-hash 7f"
    );

    // Made again with the hash that it had.
    let mut after = before.clone();
    after.replica_sets = vec![identity("5d", "r3")];
    let change = compare(&before, &after).unwrap_err();
    assert_eq!(
        change,
        SnapshotChange::NewReplicaSets {
            hashes: vec!["5d".to_owned()]
        }
    );

    let after = Snapshot {
        pods: vec!["p1".to_owned(), "p3".to_owned()],
        ..before.clone()
    };
    let change = compare(&before, &after).unwrap_err();
    assert_eq!(change.to_string(), "pods were replaced: gone 1, new 1");
}

#[test]
fn pods_of_a_scaled_workload_come_and_go() {
    let before = taken(&deployment(), &replica_sets(), &pods());
    let fewer = Snapshot {
        pods: vec!["p3".to_owned()],
        ..before.clone()
    };
    assert!(compare(&before, &fewer).is_err());
    assert_eq!(
        compare(
            &before,
            &Snapshot {
                autoscaled: true,
                ..fewer.clone()
            }
        ),
        Ok(())
    );
    assert_eq!(
        compare(
            &before,
            &Snapshot {
                replicas: 1,
                ..fewer.clone()
            }
        ),
        Ok(())
    );
    assert_eq!(
        compare(
            &Snapshot {
                autoscaled: true,
                ..before
            },
            &fewer
        ),
        Ok(())
    );
}

#[test]
fn an_edit_that_was_carried_brings_its_own_replica_set_and_no_other() {
    let before = taken(&deployment(), &replica_sets(), &pods());
    let mut edited = deployment();
    edited["spec"]["template"]["spec"]["containers"][0]["image"] = json!("nginx:1.28");
    let carried = [CarriedEdit {
        pod_template_digest: pod_template_digest(&edited["spec"]["template"]),
        spec_digest: spec_digest(&edited),
    }];
    let new = |uid: &str, deployment: &Value| {
        let mut new = owned(uid, "d1", json!({"labels": {"pod-template-hash": uid}}));
        new["spec"] = json!({"template": deployment["spec"]["template"]});
        new["spec"]["template"]["metadata"]["labels"]["pod-template-hash"] = json!(uid);
        new
    };
    let compared = |now: &Value, sets: &[Value], carried: &[CarriedEdit]| {
        compare_edited(&before, &taken(now, sets, &[]), carried, sets)
    };
    let own = [replica_sets(), vec![new("r5", &edited)]].concat();
    assert_eq!(compared(&edited, &own, &carried), Ok(()));
    // It may not have one yet.
    assert_eq!(compared(&edited, &replica_sets(), &carried), Ok(()));

    let mut other = edited.clone();
    other["spec"]["template"]["spec"]["hostname"] = json!("web");
    let anothers = [own.clone(), vec![new("r6", &other)]].concat();
    let hashes = vec!["r6".to_owned()];
    assert_eq!(
        compared(&edited, &anothers, &carried),
        Err(SnapshotChange::NewReplicaSets { hashes })
    );
    for now in [&deployment(), &other] {
        assert_eq!(
            compared(now, &own, &carried),
            Err(SnapshotChange::SpecChanged)
        );
    }
    assert_eq!(
        compared(&edited, &own, &[]),
        Err(SnapshotChange::SpecChanged)
    );
}

fn taken(deployment: &Value, replica_sets: &[Value], pods: &[Value]) -> Snapshot {
    snapshot(deployment, replica_sets, pods, false)
}

fn identity(hash: &str, uid: &str) -> ReplicaSetIdentity {
    ReplicaSetIdentity {
        pod_template_hash: hash.to_owned(),
        uid: uid.to_owned(),
    }
}

fn deployment() -> Value {
    json!({
        "metadata": {"name": "web", "uid": "d1", "generation": 1},
        "spec": {
            "replicas": 2,
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "nginx:1.27"}]},
            },
        },
    })
}

fn replica_sets() -> Vec<Value> {
    vec![
        owned("r0", "d1", json!({"labels": {"pod-template-hash": "6e"}})),
        owned("r1", "d1", json!({"labels": {"pod-template-hash": "5d"}})),
        owned("r9", "d9", json!({"labels": {"pod-template-hash": "5d"}})),
    ]
}

fn pods() -> Vec<Value> {
    let in_phase = |uid, phase| {
        let mut pod = owned(uid, "r1", json!({}));
        pod["status"] = json!({"phase": phase});
        pod
    };
    vec![
        in_phase("p2", "Running"),
        in_phase("p1", "Pending"),
        in_phase("p4", "Failed"),
        in_phase("p5", "Succeeded"),
        owned(
            "p6",
            "r1",
            json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}),
        ),
        owned("p7", "r9", json!({})),
        json!({"metadata": {"uid": "p8"}}),
        json!({"metadata": {"uid": "p9", "ownerReferences": [{"uid": "r1"}]}}),
    ]
}

fn owned(uid: &str, owner: &str, mut metadata: Value) -> Value {
    metadata["uid"] = json!(uid);
    metadata["ownerReferences"] = json!([{"uid": "other"}, {"uid": owner, "controller": true}]);
    json!({"metadata": metadata})
}
