//! The AdmissionReview: what an API server asks, and how it wants to be answered.
//!
//! Only the envelope is read here. The objects in it are borrowed as they came: many a decision
//! needs little of them, or nothing.
//!
//! Source: `k8s.io/api/admission/v1`, and `VerifyAdmissionResponse` of `k8s.io/apiserver`.

use std::borrow::Cow;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use json_patch::Patch;
use promoter_api::promotion::Requester;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";

/// A body that is no question, so that nothing can be answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Malformed {
    /// It is another kind of object, or another version of it.
    #[error("the body is {kind} of {api_version}, not {KIND} of {API_VERSION}")]
    Kind {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
    /// Nothing is asked.
    #[error("the {KIND} has no request, or one without a uid")]
    NoRequest,
    /// It cannot be read.
    #[error("the body is no {KIND}: {0}")]
    Unreadable(#[from] serde_json::Error),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    #[serde(borrow, default)]
    api_version: Cow<'a, str>,
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    request: Option<Request<'a>>,
}

/// What an API server asks about.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request<'a> {
    /// The object as it is to be; none when it is deleted.
    #[serde(borrow)]
    pub(crate) object: Option<&'a RawValue>,
    /// The object as it is; none when it is created.
    #[serde(borrow)]
    pub(crate) old_object: Option<&'a RawValue>,
    /// What is to be done with it.
    pub(crate) operation: Operation,
    #[serde(borrow, default)]
    uid: Cow<'a, str>,
    /// Who asks for it.
    #[serde(default)]
    pub(crate) user_info: UserInfo,
}

/// What is to be done with an object.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Operation {
    Create,
    Update,
    #[serde(other)]
    Other,
}

/// A user, as the API server's authenticator knows it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(crate) struct UserInfo {
    extra: std::collections::BTreeMap<String, Vec<String>>,
    groups: Vec<String>,
    uid: String,
    pub(crate) username: String,
}

/// What is answered.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It may happen as it was asked for.
    Allowed,
    /// It may happen, with this changed.
    Patched(Patch),
    /// It may not happen.
    Denied(Denial),
}

/// Why something may not happen.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Denial {
    /// An HTTP status, which becomes that of the API server's answer.
    pub(crate) code: u16,
    /// For the person who asked.
    pub(crate) message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a Denial>,
    uid: &'a str,
}

/// Answers a review by what `decide` says of its request.
pub(crate) fn answer(
    body: &[u8],
    decide: impl FnOnce(&Request<'_>) -> Verdict,
) -> Result<Vec<u8>, Malformed> {
    let Question {
        api_version,
        kind,
        request,
    } = serde_json::from_slice(body)?;
    if api_version != API_VERSION || kind != KIND {
        return Err(Malformed::Kind {
            api_version: api_version.into_owned(),
            kind: kind.into_owned(),
        });
    }
    let request = request
        .filter(|request| !request.uid.is_empty())
        .ok_or(Malformed::NoRequest)?;
    let verdict = decide(&request);
    let patch = match &verdict {
        Verdict::Patched(patch) => Some(BASE64_STANDARD.encode(serde_json::to_vec(patch)?)),
        Verdict::Allowed | Verdict::Denied(_) => None,
    };
    let status = match &verdict {
        Verdict::Denied(denial) => Some(denial),
        Verdict::Allowed | Verdict::Patched(_) => None,
    };
    Ok(serde_json::to_vec(&Answer {
        api_version: API_VERSION,
        kind: KIND,
        response: Response {
            allowed: status.is_none(),
            // Both or none.
            patch_type: patch.is_some().then_some("JSONPatch"),
            patch,
            status,
            uid: &request.uid,
        },
    })?)
}

impl From<&UserInfo> for Requester {
    /// A user of the control plane, which is the API server that asks.
    fn from(user: &UserInfo) -> Self {
        Self {
            cluster: None,
            extra: user.extra.clone(),
            groups: user.groups.clone(),
            uid: (!user.uid.is_empty()).then(|| user.uid.clone()),
            username: user.username.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use json_patch::{AddOperation, PatchOperation, jsonptr::PointerBuf};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn review(request: &Value) -> Vec<u8> {
        json!({"apiVersion": API_VERSION, "kind": KIND, "request": request})
            .to_string()
            .into_bytes()
    }

    fn answered(body: &[u8], verdict: Verdict) -> Value {
        serde_json::from_slice(&answer(body, |_| verdict).unwrap()).unwrap()
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
        };
        let response = &answered(&body, Verdict::Denied(denial))["response"];
        assert_eq!(response["allowed"], false);
        assert_eq!(response["status"], json!({"code": 403, "message": "no"}));
        assert!(response.get("patch").is_none());
    }

    #[test]
    fn objects_are_borrowed_as_they_came() {
        let body = br#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request":
            {"uid": "1", "operation": "CONNECT", "object": { "a":1.50 }, "oldObject": null,
             "userInfo": {"username": "alice", "extra": {"scope": ["x"]}}}}"#;
        let answer = answer(body, |request| {
            assert_eq!(request.object.unwrap().get(), "{ \"a\":1.50 }");
            assert!(request.old_object.is_none());
            assert_eq!(request.operation, Operation::Other);
            let requester = Requester::from(&request.user_info);
            assert_eq!(requester.username, "alice");
            assert_eq!(requester.extra["scope"], ["x"]);
            assert_eq!(requester.uid, None);
            Verdict::Allowed
        });
        assert!(answer.is_ok());
    }

    #[test]
    fn what_is_no_review_is_told_apart() {
        let kind = json!({"apiVersion": "v1", "kind": "Pod"}).to_string();
        let beta = json!({"apiVersion": "admission.k8s.io/v1beta1", "kind": KIND}).to_string();
        let empty = json!({"apiVersion": API_VERSION, "kind": KIND}).to_string();
        let no_uid = review(&json!({"operation": "CREATE"}));
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let twice = format!(
            r#"{{"apiVersion":"{API_VERSION}","kind":"{KIND}","request":null,"request":null}}"#
        );
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
        ] {
            let told = answer(body, |_| panic!("nothing was asked"));
            assert!(told.is_err(), "{}", String::from_utf8_lossy(body));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>()) {
            let _ = answer(&bytes, |_| Verdict::Allowed);
            // A review with some of them in it.
            let mut review = review(&json!({"uid": "1", "operation": "CREATE", "object": {}}));
            let at = at.index(review.len());
            review.splice(at..at, bytes);
            if let Ok(answer) = answer(&review, |_| Verdict::Allowed) {
                let answer: Value = serde_json::from_slice(&answer).unwrap();
                prop_assert_eq!(&answer["response"]["allowed"], &json!(true));
            }
        }
    }
}
