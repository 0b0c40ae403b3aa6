//! What a request makes of what may opt in.

use promoter_domain::verdict::SubjectKind;

use super::object::Object;
use crate::review::{Denial, Kind, Operation, Request};

/// A Deployment or Namespace, as it was and as it shall be.
pub(super) struct Change<'a> {
    pub(super) kind: SubjectKind,
    pub(super) new: Object<'a>,
    pub(super) old: Object<'a>,
}

impl<'a> Change<'a> {
    /// Reads it; there is none in a request about something else.
    ///
    /// # Errors
    ///
    /// The answer to give, where an object is not what Kubernetes' types say.
    pub(super) fn read(request: &Request<'a>) -> Result<Option<Self>, Denial> {
        let Some(kind) = subject_kind(request) else {
            return Ok(None);
        };
        let read = |object| Object::read(object, kind).map_err(|error| unreadable(&error));
        Ok(Some(Self {
            kind,
            new: read(request.object)?,
            old: read(request.old_object)?,
        }))
    }

    /// The value by which it opts in, if it does so newly. `"false"` asks for nothing.
    pub(super) fn opts_in(&self) -> Option<&str> {
        let value = self.new.value.as_deref().filter(|value| *value != "false");
        value.filter(|_| self.new.value != self.old.value)
    }
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

fn unreadable(error: &serde_json::Error) -> Denial {
    Denial {
        code: 422,
        message: format!("the object cannot be understood: {error}"),
        reason: "Invalid",
    }
}
