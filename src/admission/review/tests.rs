use json_patch::{AddOperation, PatchOperation, jsonptr::PointerBuf};
use proptest::prelude::*;
use serde_json::{Value, json, value::RawValue};

use super::*;

fn review(request: &Value) -> Vec<u8> {
    json!({"apiVersion": API_VERSION, "kind": KIND, "request": request})
        .to_string()
        .into_bytes()
}

fn answered(body: &[u8], verdict: Verdict) -> Value {
    let answer = answer_by(body, |_| verdict.into()).unwrap();
    serde_json::from_slice(&answer.body).unwrap()
}

/// Whatever the objects are.
fn answer_by<'a>(
    body: &'a [u8],
    decide: impl FnOnce(&Request<'a, &'a RawValue>) -> Decision,
) -> Result<Answered, Malformed> {
    answer(body, decide, |_, error| panic!("{error}"))
}

#[test]
fn the_uid_comes_back_and_nothing_that_is_not_needed() {
    let body = review(&json!({"uid": "a\"b", "operation": "CREATE"}));
    assert_eq!(
        answered(&body, Verdict::Allowed),
        json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {"allowed": true, "uid": "a\"b"},
        })
    );
}

#[test]
fn a_patch_comes_with_its_type_and_a_denial_with_its_status() {
    let body = review(&json!({"uid": "1", "operation": "UPDATE"}));
    let patch = Patch(vec![PatchOperation::Add(AddOperation {
        path: PointerBuf::from_tokens(["a/b"]),
        value: json!(1),
    })]);
    let response = &answered(&body, Verdict::Patched(patch))["response"];
    assert_eq!(response["patchType"], "JSONPatch");
    let patch = BASE64_STANDARD.decode(response["patch"].as_str().unwrap());
    let patch: Value = serde_json::from_slice(&patch.unwrap()).unwrap();
    assert_eq!(patch, json!([{"op": "add", "path": "/a~1b", "value": 1}]));

    let denial = Denial {
        code: 403,
        message: "no".to_owned(),
        reason: "No",
    };
    let response = &answered(&body, Verdict::Denied(denial))["response"];
    assert_eq!(response["allowed"], false);
    assert_eq!(
        response["status"],
        json!({"code": 403, "message": "no", "reason": "No"})
    );
    assert!(response.get("patch").is_none());
}

#[test]
fn as_much_is_read_of_objects_as_is_needed() {
    let body = br#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request":
        {"uid": "1", "operation": "CONNECT", "object": { "a":1.50 }, "oldObject": null,
         "userInfo": {"username": "alice", "extra": {"scope": ["x"]}}}}"#;
    let answer = answer_by(body, |request| {
        assert_eq!(request.object.unwrap().get(), "{ \"a\":1.50 }");
        assert!(request.old_object.is_none());
        assert_eq!(request.operation, Operation::Other);
        let requester = Requester::from(&request.user_info);
        assert_eq!(requester.username, "alice");
        assert_eq!(requester.extra["scope"], ["x"]);
        assert_eq!(requester.uid, None);
        Verdict::Allowed.into()
    });
    assert!(answer.is_ok());
}

#[test]
fn a_review_of_objects_that_cannot_be_understood_is_answered() {
    for object in [json!({"a": "x"}), json!([]), json!({"a": [[[]]]})] {
        let body = review(&json!({"uid": "1", "operation": "CREATE", "object": object}));
        let answer = answer::<BTreeMap<String, u8>, BTreeMap<String, u8>, UserInfo>(
            &body,
            |_| panic!("{object} is understood"),
            |request, _| {
                assert_eq!(request.operation, Operation::Create);
                Verdict::Allowed.into()
            },
        );
        assert_eq!(answer.unwrap().outcome, Outcome::Allowed);
    }
}

/// As Go writes lists that were never made.
#[test]
fn what_a_user_has_none_of_may_be_null() {
    let user =
        json!({"username": "alice", "groups": null, "extra": {"scope": null, "team": ["x"]}});
    let body = review(&json!({"uid": "1", "operation": "CREATE", "userInfo": user}));
    let answer = answer_by(&body, |request| {
        let requester = Requester::from(&request.user_info);
        assert_eq!(requester.username, "alice");
        assert!(requester.groups.is_empty());
        assert!(requester.extra["scope"].is_empty());
        assert_eq!(requester.extra["team"], ["x"]);
        Verdict::Allowed.into()
    });
    assert!(answer.is_ok());
    let body = review(&json!({"uid": "1", "operation": "CREATE", "userInfo": {"extra": null}}));
    assert!(answer_by(&body, |_| Verdict::Allowed.into()).is_ok());
}

#[test]
fn what_is_no_review_is_told_apart() {
    let kind = json!({"apiVersion": "v1", "kind": "Pod"}).to_string();
    let beta = json!({"apiVersion": "admission.k8s.io/v1beta1", "kind": KIND}).to_string();
    let empty = json!({"apiVersion": API_VERSION, "kind": KIND}).to_string();
    let no_uid = review(&json!({"operation": "CREATE"}));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let once = r#"{"operation":"CREATE","uid":"1"}"#;
    let envelope = format!(r#"{{"apiVersion":"{API_VERSION}","kind":"{KIND}""#);
    let requests = |requests: &str| format!(r"{envelope},{requests}}}");
    let twice = requests(&format!(r#""request":{once},"request":{once}"#));
    let uids = requests(r#""request":{"operation":"CREATE","uid":"1","uid":"1"}"#);
    let valid = requests(&format!(r#""request":{once}"#));
    assert!(answer_by(valid.as_bytes(), |_| Verdict::Allowed.into()).is_ok());
    for body in [
        &b""[..],
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        kind.as_bytes(),
        beta.as_bytes(),
        empty.as_bytes(),
        &no_uid,
        deep.as_bytes(),
        twice.as_bytes(),
        uids.as_bytes(),
    ] {
        let told = answer_by(body, |_| panic!("nothing was asked"));
        assert!(told.is_err(), "{}", String::from_utf8_lossy(body));
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>()) {
        let _ = answer_by(&bytes, |_| Verdict::Allowed.into());
        // A review with some of them in it.
        let mut review = review(&json!({"uid": "1", "operation": "CREATE", "object": {}}));
        let at = at.index(review.len());
        review.splice(at..at, bytes);
        if let Ok(answer) = answer_by(&review, |_| Verdict::Allowed.into()) {
            let answer: Value = serde_json::from_slice(&answer.body).unwrap();
            prop_assert_eq!(&answer["response"]["allowed"], &json!(true));
        }
    }
}
