//! What is decided on requests of a member that may opt something in: a Deployment by its
//! annotation, or a Namespace by its label.
//!
//! - [`mod@stamp`]: who asks, for the mutating webhook;
//! - [`mod@verdict`]: whether it may be, for the validating one;
//! - [`change`]: as much of a request as both need.
//!
//! The matchConditions with which both are installed let nothing else through. They are not relied
//! on: who is called without them decides the same.

mod change;
mod object;
mod stamp;
mod verdict;

use std::sync::LazyLock;

pub(crate) use self::{change::unreadable, stamp::stamp, verdict::verdict};
use memchr::memmem::Finder;
use promoter_api::marks;

use self::object::{Object, OldObject};
use crate::review::{Request, Username};

/// A request with as much of it as is decided on here.
pub(crate) type Asked<'a> = Request<'a, Object<'a>, OldObject<'a>, Username<'a>>;

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

#[cfg(test)]
pub(crate) mod tests;
