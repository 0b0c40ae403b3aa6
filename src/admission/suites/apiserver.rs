//! Our patches, applied by the library by which the API server applies them.

use promoter_api::marks;
use proptest::{
    collection::btree_map, option, prelude::*, strategy::ValueTree as _, test_runner::TestRunner,
};
use serde_json::{Value, json};

use super::{MUTATE, PROMOTIONS, answer, go, patch, patched, review};

/// How many objects of each kind there are.
const SAMPLE: usize = 200;

#[test]
fn the_api_server_makes_of_our_patches_what_we_do() {
    let mut runner = TestRunner::deterministic();
    let mut sample = |strategy: BoxedStrategy<Value>| -> Vec<Value> {
        let object = |_| strategy.new_tree(&mut runner).unwrap().current();
        (0..SAMPLE).map(object).collect()
    };
    let asked = [
        (PROMOTIONS, sample(promotion())),
        (MUTATE, sample(deployment())),
        (MUTATE, sample(namespace())),
    ];

    let mut input = String::new();
    let mut ours = Vec::new();
    for (path, object) in asked
        .iter()
        .flat_map(|(path, objects)| objects.iter().map(move |object| (path, object)))
    {
        let patch = patch(&answer(path, &review(object, None).to_string()).unwrap());
        if patch.0.is_empty() {
            continue;
        }
        input.push_str(&json!({"document": object, "patch": patch}).to_string());
        input.push('\n');
        ours.push(patched(object, &patch));
    }
    assert!(ours.len() > SAMPLE, "only {} were patched", ours.len());
    let printed = go(&["run", "./apply-patch"], &input);
    let theirs: Vec<Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(theirs.len(), ours.len());
    for (theirs, ours) in theirs.iter().zip(&ours) {
        assert_eq!(theirs["result"], *ours, "{theirs}");
    }
}

#[test]
fn the_api_servers_library_refuses_what_cannot_be_applied() {
    let pair = json!({"document": {}, "patch": [{"op": "remove", "path": "/gone"}]});
    let printed: Value =
        serde_json::from_str(&go(&["run", "./apply-patch"], &pair.to_string())).unwrap();
    assert!(printed["error"].is_string(), "{printed}");
}

fn promotion() -> BoxedStrategy<Value> {
    let requester = option::of(prop_oneof![
        Just(json!(null)),
        text().prop_map(|name| json!({"username": name, "groups": []})),
    ]);
    (metadata(), requester, text())
        .prop_map(|(metadata, requester, extra)| {
            let mut spec = json!({"clusters": ["member1"], extra: 1});
            if let Some(requester) = requester {
                spec["requester"] = requester;
            }
            json!({"kind": "Promotion", "metadata": metadata, "spec": spec})
        })
        .boxed()
}

fn deployment() -> BoxedStrategy<Value> {
    let object =
        |metadata| json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata});
    metadata().prop_map(object).boxed()
}

/// One that is labelled, and may be stamped already.
fn namespace() -> BoxedStrategy<Value> {
    let object = |(mut metadata, label): (Value, bool)| {
        if label {
            metadata["labels"] = json!({marks::ENABLED: "true"});
        }
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    };
    (metadata(), any::<bool>()).prop_map(object).boxed()
}

/// Metadata with any annotations, or with none in one way or the other.
fn metadata() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        4 => text(),
        1 => Just(marks::REQUESTED_BY.to_owned()),
        1 => Just(marks::ENABLED.to_owned()),
    ];
    let annotations = prop_oneof![
        1 => Just(None),
        1 => Just(Some(json!(null))),
        4 => btree_map(key, text(), 0..5).prop_map(|map| Some(json!(map))),
    ];
    annotations.prop_map(|annotations| {
        let mut metadata = json!({"name": "web", "namespace": "shop"});
        if let Some(annotations) = annotations {
            metadata["annotations"] = annotations;
        }
        metadata
    })
}

/// Text with what pointers and JSON have to escape.
fn text() -> impl Strategy<Value = String> {
    "[a-z~/\"\\\\ é<&\u{2028}0-9.]{0,12}"
}
