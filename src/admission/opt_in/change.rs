//! What a request makes of what may opt in.

use promoter_domain::verdict::SubjectKind;

use super::{
    Asked,
    object::{Object, OldObject},
};
use crate::review::{Decision, Denial, Kind, Operation, Request, Verdict};

/// A Deployment or Namespace, as it was and as it shall be.
pub(super) struct Change<'r, 'a> {
    pub(super) kind: SubjectKind,
    pub(super) new: Option<&'r Object<'a>>,
    pub(super) old: Option<&'r OldObject<'a>>,
}

impl<'r, 'a> Change<'r, 'a> {
    /// There is none in a request about something else.
    pub(super) fn of(request: &'r Asked<'a>) -> Option<Self> {
        Some(Self {
            kind: subject_kind(request)?,
            new: request.object.as_ref(),
            old: request.old_object.as_ref(),
        })
    }

    /// The value by which it opts in, if it does so newly. `"false"` asks for nothing.
    pub(super) fn opts_in(&self) -> Option<&'r str> {
        let value = self.new.and_then(|object| object.value(self.kind));
        let before = self.old.and_then(|object| object.value(self.kind));
        value.filter(|value| *value != "false" && Some(*value) != before)
    }
}

/// What is said of objects that are not what Kubernetes' types say.
pub(crate) fn unreadable<N, O, U>(
    request: &Request<'_, N, O, U>,
    error: &serde_json::Error,
) -> Decision {
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
fn subject_kind<N, O, U>(request: &Request<'_, N, O, U>) -> Option<SubjectKind> {
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
