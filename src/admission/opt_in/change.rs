//! What a request makes of what may opt in.

use promoter_domain::verdict::SubjectKind;

use super::object::Object;
use crate::review::{Decision, Denial, Kind, Operation, Request, Verdict};

/// A Deployment or Namespace, as it was and as it shall be.
pub(super) struct Change<'r, 'a> {
    pub(super) kind: SubjectKind,
    pub(super) new: Option<&'r Object<'a>>,
    pub(super) old: Option<&'r Object<'a>>,
}

impl<'r, 'a> Change<'r, 'a> {
    /// There is none in a request about something else.
    pub(super) fn of(request: &'r Request<'a, Object<'a>>) -> Option<Self> {
        Some(Self {
            kind: subject_kind(request)?,
            new: request.object.as_ref(),
            old: request.old_object.as_ref(),
        })
    }

    /// The value by which it opts in, if it does so newly. `"false"` asks for nothing.
    pub(super) fn opts_in(&self) -> Option<&'r str> {
        let [value, before] =
            [self.new, self.old].map(|object| object.and_then(|object| object.value(self.kind)));
        value.filter(|value| *value != "false" && Some(*value) != before)
    }
}

/// What is said of objects that are not what Kubernetes' types say.
pub(crate) fn unreadable<O>(request: &Request<'_, O>, error: &serde_json::Error) -> Decision {
    match subject_kind(request) {
        None => Verdict::Allowed.into(),
        Some(_) => Verdict::Denied(Denial {
            code: 422,
            message: format!("the object cannot be understood: {error}"),
            reason: "Invalid",
        })
        .into(),
    }
}

/// What a request is about, if it can opt in.
fn subject_kind<O>(request: &Request<'_, O>) -> Option<SubjectKind> {
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
