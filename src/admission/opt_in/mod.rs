//! What is decided on requests of a member that may opt something in: a Deployment by its
//! annotation, or a Namespace by its label.
//!
//! - [`mod@stamp`]: who asks, for the mutating webhook;
//! - [`mod@verdict`]: whether it may be, for the validating one;
//! - [`object`]: as much of the objects as both need.
//!
//! The matchConditions with which both are installed let nothing else through. They are not relied
//! on: who is called without them decides the same.

mod object;
mod stamp;
mod verdict;

use std::sync::LazyLock;

use memchr::memmem::Finder;
use promoter_api::marks;
use promoter_domain::verdict::SubjectKind;

use crate::review::{Denial, Kind, Operation, Request};

pub(crate) use self::{stamp::stamp, verdict::verdict};

/// Whether a review may concern us. What does not have our keys in it neither opts in nor bears a
/// stamp.
///
/// An API server writes reviews and their objects by Go's `encoding/json`, whatever the client has
/// sent. That escapes quotation marks, backslashes, `<`, `>`, `&`, control characters and two
/// separators of lines, and nothing of ours.
pub(crate) fn may_concern(review: &[u8]) -> bool {
    static OURS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(marks::OUR_DOMAIN));
    OURS.find(review).is_some()
}

/// What a request is about, if it can opt in.
fn subject_kind(request: &Request<'_>) -> Option<SubjectKind> {
    let Kind { group, kind } = &request.kind;
    if request.operation == Operation::Other {
        return None;
    }
    match (&**group, &**kind) {
        ("apps", "Deployment") => Some(SubjectKind::Deployment),
        ("", "Namespace") => Some(SubjectKind::Namespace),
        _ => None,
    }
}

/// The object is not what Kubernetes' types say.
fn unreadable(error: &serde_json::Error) -> Denial {
    Denial {
        code: 422,
        message: format!("the object cannot be understood: {error}"),
        reason: "Invalid",
    }
}

#[cfg(test)]
mod tests;
