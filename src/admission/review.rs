//! The AdmissionReview: what an API server asks, and how it wants to be answered.
//!
//! Only the envelope is read here. Of the objects in it as much is read, in the same go, as whoever
//! decides needs of them.
//!
//! Source: `k8s.io/api/admission/v1`, and `VerifyAdmissionResponse` of `k8s.io/apiserver`.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use json_patch::Patch;
use promoter_api::promotion::Requester;
use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};

pub(crate) use self::skim::{allow_unread, skim};

mod skim;

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";

/// An answer with two warnings, or a patch and a status, seldom has more bytes.
const USUAL_ANSWER: usize = 1024;

/// A patch that stamps something seldom has more bytes.
const USUAL_PATCH: usize = 256;

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
#[serde(
    bound(deserialize = "N: Deserialize<'de>, O: Deserialize<'de>, U: Default + Deserialize<'de>"),
    rename_all = "camelCase"
)]
struct Question<'a, N, O, U> {
    #[serde(borrow, default)]
    api_version: Cow<'a, str>,
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    request: Option<Request<'a, N, O, U>>,
}

/// What an API server asks about, with as much of the objects, new and old, and of the user as is
/// decided on.
///
/// Whether it is a dry run is not read: nobody is answered otherwise for that.
#[derive(Deserialize)]
#[serde(
    bound(deserialize = "N: Deserialize<'de>, O: Deserialize<'de>, U: Default + Deserialize<'de>"),
    rename_all = "camelCase"
)]
pub(crate) struct Request<'a, N, O = N, U = UserInfo> {
    /// What the object is.
    #[serde(borrow, default)]
    pub(crate) kind: Kind<'a>,
    /// The object's name; empty where the API server has not chosen one yet.
    #[serde(borrow, default)]
    pub(crate) name: Cow<'a, str>,
    /// The object's namespace; empty where it has none.
    #[serde(borrow, default)]
    pub(crate) namespace: Cow<'a, str>,
    /// The object as it is to be; none when it is deleted.
    pub(crate) object: Option<N>,
    /// The object as it is; none when it is created.
    pub(crate) old_object: Option<O>,
    /// What is to be done with it.
    pub(crate) operation: Operation,
    #[serde(borrow, default)]
    uid: Cow<'a, str>,
    /// Who asks for it.
    #[serde(default)]
    pub(crate) user_info: U,
}

/// What an object is. Its version is the one that was registered for, whatever the client wrote.
#[derive(Debug, Default, Deserialize, PartialEq)]
pub(crate) struct Kind<'a> {
    #[serde(borrow, default)]
    pub(crate) group: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) kind: Cow<'a, str>,
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

/// A user, as the API server's authenticator knows it. Go writes a list that was never made as
/// `null`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(crate) struct UserInfo {
    #[serde(deserialize_with = "or_default")]
    extra: BTreeMap<String, Option<Vec<String>>>,
    #[serde(deserialize_with = "or_default")]
    groups: Vec<String>,
    uid: String,
    pub(crate) username: String,
}

/// As much of a user as can be written in a stamp.
#[derive(Debug, Default, Deserialize, PartialEq)]
pub(crate) struct Username<'a> {
    #[serde(borrow, default)]
    pub(crate) username: Cow<'a, str>,
}

/// What is decided on a request.
#[derive(Debug, PartialEq)]
pub(crate) struct Decision {
    /// For the API server's audit log. It puts the webhook's name before each key.
    pub(crate) audit: BTreeMap<&'static str, Cow<'static, str>>,
    /// What is answered.
    pub(crate) verdict: Verdict,
    /// For the person who asked, each a line. kubectl shows them whatever becomes of the request.
    pub(crate) warnings: Vec<String>,
}

/// What is answered.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It may happen as it was asked for.
    Allowed,
    /// It may happen, with this changed. Only mutating webhooks may say so.
    Patched(Patch),
    /// It may not happen.
    Denied(Denial),
}

/// Why something may not happen.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Denial {
    /// An HTTP status, which becomes that of the API server's answer. Never 409: the API server
    /// would take it for a conflict of versions, and ask again.
    pub(crate) code: u16,
    /// For the person who asked.
    pub(crate) message: String,
    /// The stable word.
    pub(crate) reason: &'static str,
}

/// An answer as it is sent.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) body: Vec<u8>,
    pub(crate) outcome: Outcome,
}

/// What an answer said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    Allowed,
    /// With the stable word.
    Denied(&'static str),
    Patched,
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
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: &'a BTreeMap<&'static str, Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a Denial>,
    uid: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [String],
}

/// Answers a review by what `decide` says of its request. Where the objects are not what it needs of
/// them, it is answered all the same, by what `unreadable` says.
pub(crate) fn answer<'a, N, O, U>(
    body: &'a [u8],
    decide: impl FnOnce(&Request<'a, N, O, U>) -> Decision,
    unreadable: impl FnOnce(&Request<'a, IgnoredAny, IgnoredAny, U>, &serde_json::Error) -> Decision,
) -> Result<Answered, Malformed>
where
    N: Deserialize<'a>,
    O: Deserialize<'a>,
    U: Default + Deserialize<'a>,
{
    match serde_json::from_slice::<Question<'a, N, O, U>>(body) {
        Ok(question) => question.answer(decide),
        Err(error) => match serde_json::from_slice::<Question<'a, _, _, U>>(body) {
            Ok(question) => question.answer(|request| unreadable(request, &error)),
            Err(_) => Err(error.into()),
        },
    }
}

impl<'a, N, O, U> Question<'a, N, O, U> {
    fn answer(
        self,
        decide: impl FnOnce(&Request<'a, N, O, U>) -> Decision,
    ) -> Result<Answered, Malformed> {
        let Self {
            api_version,
            kind,
            request,
        } = self;
        if api_version != API_VERSION || kind != KIND {
            return Err(Malformed::Kind {
                api_version: api_version.into_owned(),
                kind: kind.into_owned(),
            });
        }
        let request = request
            .filter(|request| !request.uid.is_empty())
            .ok_or(Malformed::NoRequest)?;
        request.answer(decide)
    }
}

impl<N, O, U> Request<'_, N, O, U> {
    /// Answers what `decide` says.
    pub(crate) fn answer(
        &self,
        decide: impl FnOnce(&Self) -> Decision,
    ) -> Result<Answered, Malformed> {
        answered(&self.uid, decide(self))
    }
}

/// A decision as it is sent.
fn answered(uid: &str, decision: Decision) -> Result<Answered, Malformed> {
    let Decision {
        audit,
        verdict,
        warnings,
    } = decision;
    let (outcome, patch, status) = match &verdict {
        Verdict::Allowed => (Outcome::Allowed, None, None),
        Verdict::Patched(patch) => {
            let patch = written(patch, USUAL_PATCH)?;
            (Outcome::Patched, Some(BASE64_STANDARD.encode(patch)), None)
        }
        Verdict::Denied(denial) => (Outcome::Denied(denial.reason), None, Some(denial)),
    };
    let answer = Answer {
        api_version: API_VERSION,
        kind: KIND,
        response: Response {
            allowed: status.is_none(),
            audit_annotations: &audit,
            // Both or none.
            patch_type: patch.is_some().then_some("JSONPatch"),
            patch,
            status,
            uid,
            warnings: &warnings,
        },
    };
    let body = written(&answer, USUAL_ANSWER)?;
    Ok(Answered { body, outcome })
}

/// As JSON, which usually takes no more than so many bytes.
fn written(value: &impl Serialize, usual: usize) -> serde_json::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(usual);
    serde_json::to_writer(&mut text, value)?;
    Ok(text)
}

/// What stands there, or what stands for nothing where that is `null`.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl From<Verdict> for Decision {
    fn from(verdict: Verdict) -> Self {
        Self {
            audit: BTreeMap::new(),
            verdict,
            warnings: Vec::new(),
        }
    }
}

impl From<&UserInfo> for Requester {
    /// A user of the control plane, which is the API server that asks.
    fn from(user: &UserInfo) -> Self {
        let extra = user.extra.iter();
        Self {
            cluster: None,
            extra: extra
                .map(|(key, values)| (key.clone(), values.clone().unwrap_or_default()))
                .collect(),
            groups: user.groups.clone(),
            uid: (!user.uid.is_empty()).then(|| user.uid.clone()),
            username: user.username.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
