use proptest::{collection::btree_map, prelude::*};
use serde::de::IgnoredAny;
use serde_json::json;

use super::*;

const HUB: &str = "karmada-promoter";

/// What is decided on a request by a user with groups.
fn decided(operation: &str, user: &str, new: &Value, old: Option<&Value>) -> Verdict {
    let request = json!({
        "uid": "1",
        "operation": operation,
        "userInfo": {"username": user, "groups": ["shop", "system:authenticated"]},
        "object": new,
        "oldObject": old,
    })
    .to_string();
    decided_on(&request)
}

/// The Promotion after the decision.
fn admitted(operation: &str, user: &str, new: &Value, old: Option<&Value>) -> Value {
    let mut object = new.clone();
    match decided(operation, user, new, old) {
        Verdict::Allowed => {}
        Verdict::Patched(patch) => {
            json_patch::patch(&mut object, &patch).unwrap();
        }
        Verdict::Denied(denial) => panic!("{denial:?}"),
    }
    object
}

fn promotion(requester: Option<Value>) -> Value {
    let mut promotion = json!({
        "metadata": {"name": "web"},
        "spec": {"clusters": ["member1"], "workload": {"name": "web"}},
    });
    if let Some(requester) = requester {
        promotion["spec"]["requester"] = requester;
    }
    promotion
}

fn alice() -> Value {
    json!({"username": "alice", "groups": ["shop", "system:authenticated"]})
}

#[test]
fn whoever_creates_one_is_its_requester() {
    let created = admitted("CREATE", "alice", &promotion(None), None);
    assert_eq!(created, promotion(Some(alice())));
    // Once more, as when another webhook has changed something else.
    assert_eq!(decided("CREATE", "alice", &created, None), Verdict::Allowed);
}

#[test]
fn what_somebody_wrote_there_is_overwritten() {
    for forged in [
        json!({"username": "bob"}),
        json!({"username": "alice", "groups": ["system:masters"]}),
        json!({"username": "alice", "cluster": "member1"}),
        json!({"username": "alice", "groups": ["shop", "system:authenticated"], "uid": "7"}),
        json!(null),
        json!("alice"),
    ] {
        let created = admitted("CREATE", "alice", &promotion(Some(forged)), None);
        assert_eq!(created["spec"]["requester"], alice());
    }
}

#[test]
fn an_edit_of_the_spec_makes_the_editor_the_requester() {
    let old = promotion(Some(json!({"username": "bob"})));
    let mut new = old.clone();
    new["spec"]["desiredState"] = json!("Released");
    let edited = admitted("UPDATE", "alice", &new, Some(&old));
    assert_eq!(edited["spec"]["requester"], alice());
    // To name somebody is an edit as well, and so is to name nobody.
    for new in [
        promotion(Some(json!({"username": "carol"}))),
        promotion(None),
    ] {
        let edited = admitted("UPDATE", "alice", &new, Some(&old));
        assert_eq!(edited["spec"]["requester"], alice());
    }
}

#[test]
fn an_edit_of_anything_else_makes_nobody_a_requester() {
    let old = promotion(Some(json!({"username": "bob"})));
    let mut new = old.clone();
    new["metadata"]["labels"] = json!({"team": "shop"});
    assert_eq!(
        decided("UPDATE", "alice", &new, Some(&old)),
        Verdict::Allowed
    );
    // One that is older than the webhook has no requester, and gets none by a label.
    let (old, mut new) = (promotion(None), promotion(None));
    new["metadata"]["labels"] = json!({"team": "shop"});
    assert_eq!(
        decided("UPDATE", "alice", &new, Some(&old)),
        Verdict::Allowed
    );
}

#[test]
fn the_hub_names_others() {
    let of_member = json!({"username": "bob", "cluster": "member1"});
    let new = promotion(Some(of_member));
    assert_eq!(decided("CREATE", HUB, &new, None), Verdict::Allowed);
}

#[test]
fn what_is_not_created_or_updated_does_not_concern_it() {
    for operation in ["DELETE", "CONNECT", "THOUGHT_OF_LATER"] {
        assert_eq!(
            decided(operation, "alice", &json!(null), Some(&promotion(None))),
            Verdict::Allowed
        );
    }
}

/// As it is when a whole review is read.
fn decided_on(request: &str) -> Verdict {
    match serde_json::from_str(request) {
        Ok(request) => decide(&request, HUB),
        Err(error) => {
            let request: Request<'_, IgnoredAny> = serde_json::from_str(request).unwrap();
            unreadable(&request, HUB, &error)
        }
    }
}

#[test]
fn what_has_no_spec_is_left_to_the_schema() {
    for object in [json!(null), json!({}), json!({"spec": null})] {
        assert_eq!(decided("CREATE", "alice", &object, None), Verdict::Allowed);
    }
}

#[test]
fn what_cannot_be_understood_is_denied() {
    let deep = "[".repeat(1_000) + &"]".repeat(1_000);
    let request = format!(
        r#"{{"uid": "1", "operation": "CREATE", "userInfo": {{"username": "alice"}},
            "object": {{"spec": {{"clusters": {deep}}}}}}}"#
    );
    for verdict in [
        decided_on(&request),
        decided("CREATE", "alice", &json!([]), None),
        decided(
            "UPDATE",
            "alice",
            &promotion(None),
            Some(&json!({"spec": 1})),
        ),
    ] {
        assert!(
            matches!(verdict, Verdict::Denied(Denial { code: 422, .. })),
            "{verdict:?}"
        );
    }
}

#[test]
fn whoever_asks_again_is_the_requester() {
    let old = promotion(Some(json!({"username": "bob"})));
    let mut again = old.clone();
    again["metadata"]["annotations"] = json!({"promote.karmada.io/requested-at": "now"});
    let admitted = admitted("UPDATE", "alice", &again, Some(&old));
    assert_eq!(admitted["spec"]["requester"], alice());
    // Any other annotation asks for nothing.
    let mut noted = old.clone();
    noted["metadata"]["annotations"] = json!({"note": "x"});
    let verdict = decided("UPDATE", "alice", &noted, Some(&old));
    assert_eq!(verdict, Verdict::Allowed);
}

/// Any JSON, now and then with the words that are decided on.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("spec".to_owned()),
        Just("requester".to_owned()),
        Just("username".to_owned()),
        ".{0,8}",
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(key.clone(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_was_admitted_is_admitted_as_it_is(
        spec in any_json(),
        old in any_json(),
        user in "[a-z]{1,4}",
        is_update in any::<bool>(),
    ) {
        let operation = if is_update { "UPDATE" } else { "CREATE" };
        let (new, old) = (json!({"spec": spec}), json!({"spec": old}));
        let old = is_update.then_some(&old);
        let Verdict::Patched(patch) = decided(operation, &user, &new, old) else {
            return Ok(());
        };
        let mut admitted = new.clone();
        json_patch::patch(&mut admitted, &patch).unwrap();
        prop_assert_eq!(&admitted["spec"]["requester"]["username"], &json!(user));
        prop_assert_eq!(decided(operation, &user, &admitted, old), Verdict::Allowed);
        // Nothing else of it has changed.
        let mut rest = new;
        rest["spec"]["requester"] = admitted["spec"]["requester"].clone();
        prop_assert_eq!(rest, admitted);
    }

    #[test]
    fn whatever_comes_is_decided(object in any_json(), old in any_json()) {
        for operation in ["CREATE", "UPDATE", "DELETE"] {
            decided(operation, "alice", &object, Some(&old));
        }
    }
}
