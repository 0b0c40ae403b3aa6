use promoter_domain::opt_in::OptIns;
use proptest::{collection::btree_map, prelude::*};
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    index::Index,
    review::{self, Decision, Request, Verdict},
};

const INSTALLATION: &str = "0a1b2c3d4e5f6789";

/// A request of alice's, as an API server puts it to a webhook.
fn request(kind: &str, operation: &str, new: &Value, old: Option<&Value>) -> String {
    let group = if kind == "Deployment" { "apps" } else { "" };
    json!({
        "uid": "1",
        "kind": {"group": group, "version": "v1", "kind": kind},
        "name": "web",
        "namespace": "shop",
        "operation": operation,
        "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
        "object": new,
        "oldObject": old,
        "dryRun": false,
    })
    .to_string()
}

fn stamped(kind: &str, operation: &str, new: &Value, old: Option<&Value>) -> Decision {
    decided(&request(kind, operation, new, old), |request| {
        stamp(request, INSTALLATION)
    })
}

/// As it is when a whole review is read.
fn decided<'a>(request: &'a str, decide: impl FnOnce(&Asked<'a>) -> Decision) -> Decision {
    match serde_json::from_str(request) {
        Ok(request) => decide(&request),
        Err(error) => {
            let request: Request<'_, IgnoredAny, IgnoredAny, Username<'_>> =
                serde_json::from_str(request).unwrap();
            unreadable(&request, &error)
        }
    }
}

/// The object after the decision.
fn admitted(kind: &str, operation: &str, new: &Value, old: Option<&Value>) -> Value {
    let mut object = new.clone();
    match stamped(kind, operation, new, old).verdict {
        Verdict::Allowed => {}
        Verdict::Patched(patch) => json_patch::patch(&mut object, &patch).unwrap(),
        Verdict::Denied(denial) => panic!("{denial:?}"),
    }
    object
}

fn judged(kind: &str, request_of: &Value, old: Option<&Value>, allowed: &str) -> Decision {
    let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
    let request = request(kind, operation, request_of, old);
    let opt_ins: OptIns = vec![allowed.parse().unwrap()].into();
    decided(&request, |request| {
        verdict(request, "member1", &opt_ins, None)
    })
}

fn deployment(annotations: &Value) -> Value {
    json!({"metadata": {"name": "web", "namespace": "shop", "annotations": annotations}})
}

fn enabled(value: &str) -> Value {
    deployment(&json!({marks::ENABLED: value}))
}

fn stamp_of(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"][marks::REQUESTED_BY].as_str()
}

const ALICE: &str = "0a1b2c3d4e5f6789:alice";

#[test]
fn whoever_opts_in_is_stamped() {
    for value in ["true", "yes", ""] {
        let created = admitted("Deployment", "CREATE", &enabled(value), None);
        assert_eq!(stamp_of(&created), Some(ALICE));
        for before in [
            json!({"metadata": {"name": "web"}}),
            deployment(&json!(null)),
            enabled("false"),
            enabled("other"),
        ] {
            let updated = admitted("Deployment", "UPDATE", &enabled(value), Some(&before));
            assert_eq!(updated, created);
        }
    }
    // By a Namespace, which opts in by a label.
    let namespace = json!({"metadata": {"name": "shop", "labels": {marks::ENABLED: "true"}}});
    let labelled = admitted("Namespace", "CREATE", &namespace, None);
    let mut expected = namespace;
    expected["metadata"]["annotations"] = json!({marks::REQUESTED_BY: ALICE});
    assert_eq!(labelled, expected);
    assert_eq!(
        admitted("Namespace", "UPDATE", &enabled("true"), None),
        enabled("true")
    );
}

#[test]
fn a_copied_stamp_is_overwritten_and_a_forged_one_put_back() {
    let bob = format!("{INSTALLATION}:bob");
    let with = |value: &str, stamp: &str| {
        deployment(&json!({marks::ENABLED: value, marks::REQUESTED_BY: stamp}))
    };
    let copied = admitted("Deployment", "CREATE", &with("true", &bob), None);
    assert_eq!(stamp_of(&copied), Some(ALICE));
    // Without opting in, a stamp comes from nowhere.
    for value in ["false", "true"] {
        let forged = admitted(
            "Deployment",
            "UPDATE",
            &with(value, &bob),
            Some(&enabled(value)),
        );
        assert_eq!(forged, enabled(value));
        let changed = admitted(
            "Deployment",
            "UPDATE",
            &with(value, "me"),
            Some(&with(value, &bob)),
        );
        assert_eq!(changed, with(value, &bob));
    }
    let forged = admitted("Deployment", "CREATE", &with("false", &bob), None);
    assert_eq!(stamp_of(&forged), None);
}

#[test]
fn a_stamp_that_is_left_out_is_lost_and_one_that_stays_stays() {
    let bob = deployment(&json!({marks::ENABLED: "true", marks::REQUESTED_BY: "bob"}));
    for (new, old) in [
        (enabled("true"), &bob),
        (bob.clone(), &bob),
        (deployment(&json!(null)), &bob),
        (enabled("false"), &bob),
    ] {
        let decision = stamped("Deployment", "UPDATE", &new, Some(old));
        assert_eq!(decision, Verdict::Allowed.into());
    }
    let other = deployment(&json!({"a": "b"}));
    let decision = stamped("Deployment", "DELETE", &enabled("true"), Some(&other));
    assert_eq!(decision, Verdict::Allowed.into());
    let scale = stamped("Scale", "UPDATE", &enabled("true"), Some(&other));
    assert_eq!(scale, Verdict::Allowed.into());
}

#[test]
fn the_audit_log_has_what_became_of_a_stamp() {
    let (mine, bobs) = (format!("{INSTALLATION}:alice"), "bob");
    let with =
        |stamp: &str| deployment(&json!({marks::ENABLED: "true", marks::REQUESTED_BY: stamp}));
    for (new, old, done) in [
        (enabled("true"), deployment(&json!({})), "set"),
        (with(&mine), deployment(&json!({})), "set"),
        (with(bobs), with(&mine), "restored"),
        (with(bobs), enabled("true"), "removed"),
    ] {
        let decision = stamped("Deployment", "UPDATE", &new, Some(&old));
        assert_eq!(decision.audit["stamp"], done, "{new}");
    }
}

#[test]
fn who_has_no_name_is_not_stamped() {
    let request = request("Deployment", "CREATE", &enabled("true"), None);
    let request = request.replace("alice", "");
    let decision = stamp(&serde_json::from_str(&request).unwrap(), INSTALLATION);
    assert_eq!(decision.verdict, Verdict::Allowed);
}

#[test]
fn an_opt_in_is_accepted_with_what_happens_next() {
    let decision = judged("Deployment", &enabled("true"), None, "*=*");
    assert_eq!(decision.verdict, Verdict::Allowed);
    assert_eq!(decision.audit["decision"], "accepted");
    let warnings = decision.warnings.join("\n");
    for words in [
        "Deployment shop/web of cluster member1 will be promoted",
        "promote.karmada.io/phase",
        "`kubectl promote status deployment/web -n shop`",
    ] {
        assert!(warnings.contains(words), "{warnings}");
    }
    let label = json!({"metadata": {"labels": {marks::ENABLED: "true"}}});
    let decision = judged("Namespace", &label, Some(&json!({"metadata": {}})), "*=web");
    assert_eq!(decision.verdict, Verdict::Allowed);
    let warnings = decision.warnings.join("\n");
    assert!(
        warnings.contains("Deployments of Namespace web of cluster member1 will be"),
        "{warnings}"
    );
}

#[test]
fn an_opt_in_is_rejected_with_the_reason_and_what_to_do() {
    for (value, allowed, code, reason, words) in [
        (
            "yes",
            "*=*",
            422,
            "InvalidAnnotation",
            r#""false" not to, and it is "yes""#,
        ),
        ("true", "*=pay", 403, "NamespaceNotAllowed", "--opt-in"),
    ] {
        let decision = judged("Deployment", &enabled(value), None, allowed);
        assert_eq!(decision.audit["decision"], reason);
        assert!(decision.warnings.is_empty());
        let Verdict::Denied(denial) = decision.verdict else {
            panic!("it is not denied");
        };
        assert_eq!((denial.code, denial.reason), (code, reason));
        assert!(denial.message.contains(words), "{}", denial.message);
    }
}

/// As in the API server, which reads the object of which this is said.
#[test]
fn of_an_annotation_that_is_there_twice_the_last_counts() {
    for (first, last) in [("false", "true"), ("true", "false")] {
        let object = deployment(&json!({"first": first, marks::ENABLED: last}));
        let key = format!("\"{}\"", marks::ENABLED);
        let request = request("Deployment", "CREATE", &object, None).replace("\"first\"", &key);
        assert_eq!(request.matches(&key).count(), 2);
        let request = serde_json::from_str(&request).unwrap();
        let stamped = stamp(&request, INSTALLATION).verdict;
        let opt_ins: OptIns = vec!["member2=shop".parse().unwrap()].into();
        let judged = verdict(&request, "member1", &opt_ins, None).verdict;
        assert_eq!(matches!(stamped, Verdict::Patched(_)), last == "true");
        assert_eq!(matches!(judged, Verdict::Denied(_)), last == "true");
    }
}

#[test]
fn nothing_is_said_to_what_does_not_newly_opt_in() {
    let old = enabled("true");
    for new in [
        enabled("true"),
        enabled("false"),
        deployment(&json!({"a": "b"})),
    ] {
        let decision = judged("Deployment", &new, Some(&old), "*=pay");
        assert_eq!(decision, Verdict::Allowed.into());
    }
    // What goes is not promoted any more, and can say what it likes.
    let mut going = enabled("yes");
    let staying = judged("Deployment", &going, None, "*=pay");
    assert!(matches!(staying.verdict, Verdict::Denied(_)));
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let decision = judged("Deployment", &going, None, "*=pay");
    assert_eq!(decision, Verdict::Allowed.into());
}

#[test]
fn without_a_name_it_is_told_of_by_its_place() {
    let object = json!({
        "metadata": {"generateName": "web-", "annotations": {marks::ENABLED: "true"}},
    });
    let request = request("Deployment", "CREATE", &object, None);
    let request = request.replace(r#""name":"web""#, r#""name":"""#);
    let opt_ins = vec!["*=*".parse().unwrap()].into();
    let asked = serde_json::from_str(&request).unwrap();
    let decision = verdict(&asked, "member1", &opt_ins, None);
    assert_eq!(decision.verdict, Verdict::Allowed);
    assert!(
        decision.warnings[0].starts_with("the new Deployment in namespace shop"),
        "{:?}",
        decision.warnings
    );
}

#[test]
fn before_everything_is_listed_only_what_needs_no_list_is_decided() {
    let index = Index::new(&[]);
    let told = |value: &str| {
        let request = request("Deployment", "CREATE", &enabled(value), None);
        let opt_ins = vec!["*=*".parse().unwrap()].into();
        let asked = serde_json::from_str(&request).unwrap();
        match verdict(&asked, "member1", &opt_ins, Some(&index)).verdict {
            Verdict::Denied(denial) => denial,
            other => panic!("{other:?}"),
        }
    };
    let denial = told("true");
    assert_eq!(denial.code, 503);
    assert!(denial.message.contains("try again"), "{}", denial.message);
    assert_eq!(told("yes").code, 422);
}

#[test]
fn only_what_names_us_may_concern_us() {
    assert!(!may_concern(
        request(
            "Deployment",
            "CREATE",
            &deployment(&json!({"a": "b"})),
            None
        )
        .as_bytes()
    ));
    assert!(may_concern(
        request("Deployment", "CREATE", &enabled("x"), None).as_bytes()
    ));
}

/// Annotations and labels of all kinds, ours among them.
fn marks() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just(marks::ENABLED.to_owned()),
        Just(marks::REQUESTED_BY.to_owned()),
        "[a-z~/\"\\\\]{0,8}",
    ];
    let value = prop_oneof![
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just(ALICE.to_owned()),
        "\\PC{0,8}",
    ];
    prop_oneof![
        Just(Value::Null),
        btree_map(key, value, 0..4).prop_map(|map| json!(map)),
    ]
}

pub(crate) fn objects() -> impl Strategy<Value = Value> {
    let going = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Value::Null)),
        1 => Just(Some(json!("2026-01-01T00:00:00Z"))),
    ];
    let name = "\\PC{0,8}";
    (marks(), marks(), name, going).prop_map(|(annotations, labels, name, going)| {
        let mut metadata = json!({"name": name, "annotations": annotations, "labels": labels});
        if let Some(going) = going {
            metadata["deletionTimestamp"] = going;
        }
        json!({"metadata": metadata})
    })
}

/// Anything that JSON can say.
pub(crate) fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let key = prop_oneof![
            Just("metadata".to_owned()),
            Just("annotations".to_owned()),
            Just(marks::ENABLED.to_owned()),
            "[a-z/~]{0,4}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(key, inner, 0..4).prop_map(|map| Value::from(Map::from_iter(map))),
        ]
    })
}

/// An object without its stamp, and without annotations where it has no others.
fn unstamped(mut object: Value) -> Value {
    let metadata = &mut object["metadata"];
    if let Some(annotations) = metadata["annotations"].as_object_mut() {
        annotations.remove(marks::REQUESTED_BY);
        if annotations.is_empty() {
            metadata["annotations"] = Value::Null;
        }
    }
    object
}

proptest! {
    #[test]
    fn a_patch_is_right_at_once_and_changes_the_stamp_only(
        new in objects(),
        old in proptest::option::of(objects()),
        namespace in any::<bool>(),
    ) {
        let kind = if namespace { "Namespace" } else { "Deployment" };
        let once = admitted(kind, "UPDATE", &new, old.as_ref());
        let again = stamped(kind, "UPDATE", &once, old.as_ref());
        prop_assert_eq!(&again.verdict, &Verdict::Allowed);
        prop_assert_eq!(unstamped(once.clone()), unstamped(new.clone()));

        let marks = if namespace { "labels" } else { "annotations" };
        let value = |object: &Value| {
            object["metadata"][marks][marks::ENABLED].as_str().map(str::to_owned)
        };
        let was = old.as_ref().and_then(value);
        let opts_in = value(&new).is_some_and(|value| value != "false") && value(&new) != was;
        let before = old.as_ref().and_then(stamp_of);
        if opts_in {
            prop_assert_eq!(stamp_of(&once), Some(ALICE));
        } else {
            // Nobody is stamped who was not before.
            prop_assert!(stamp_of(&once).is_none() || stamp_of(&once) == before);
        }
    }

    #[test]
    fn no_object_is_too_much(new in anything(), old in anything()) {
        for kind in ["Deployment", "Namespace"] {
            for operation in ["CREATE", "UPDATE"] {
                let _ = stamped(kind, operation, &new, Some(&old));
            }
            let _ = judged(kind, &new, Some(&old), "*=*");
        }
    }

    #[test]
    fn what_is_allowed_unread_is_allowed_when_read(object in objects(), uid in "[a-f0-9-]{1,36}") {
        let mut request: Value =
            serde_json::from_str(&request("Deployment", "UPDATE", &object, None)).unwrap();
        let fields = request.as_object_mut().unwrap();
        fields.remove("uid");
        // As Go writes it.
        let rest = request.to_string();
        let body = format!(
            r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"{uid}",{}}}"#,
            &rest[1..],
        );
        let unread = review::allow_unread(body.as_bytes()).unwrap();
        let read = review::answer::<IgnoredAny, IgnoredAny, Username<'_>>(
            body.as_bytes(),
            |_| Verdict::Allowed.into(),
            unreadable,
        );
        prop_assert_eq!(&unread.body, &read.unwrap().body);
        if !may_concern(body.as_bytes()) {
            let stamped = review::answer(
                body.as_bytes(),
                |request| stamp(request, INSTALLATION),
                unreadable,
            );
            prop_assert_eq!(unread.body, stamped.unwrap().body);
        }
    }
}
