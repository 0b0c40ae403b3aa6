//! Who asks: written on what opts in, whatever somebody else wrote there.

use std::{borrow::Cow, collections::BTreeMap, sync::LazyLock};

use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, jsonptr::PointerBuf};
use promoter_api::marks;
use promoter_domain::stamp;
use serde_json::{Value, json};

use super::{
    Asked,
    change::Change,
    object::{Object, OldObject},
};
use crate::review::{Decision, Verdict};

/// Stamps what newly opts in with the request's user. A stamp that comes in any other way is put
/// back to what it was; one that is left out is lost, and nobody is stamped in its place.
///
/// `installation` names the policy that pins stamps in the member.
pub(crate) fn stamp(request: &Asked<'_>, installation: &str) -> Decision {
    let Some(change) = Change::of(request) else {
        return Verdict::Allowed.into();
    };
    let opts_in = change.opts_in().is_some();
    let new = change.new.and_then(Object::stamp);
    let old = change.old.and_then(OldObject::stamp);
    let username = &request.user_info.username;
    let (wanted, done) = if opts_in {
        // A stamp without a name would be nobody's.
        let stamp = (!username.is_empty()).then(|| stamp::stamp(installation, username));
        (stamp.map(Cow::Owned), "set")
    } else if new.is_some() && new != old {
        let done = if old.is_some() { "restored" } else { "removed" };
        (old.map(Cow::Borrowed), done)
    } else {
        return Verdict::Allowed.into();
    };
    let verdict = match &wanted {
        wanted if wanted.as_deref() == new => Verdict::Allowed,
        Some(wanted) => {
            let annotated = change.new.is_some_and(Object::is_annotated);
            Verdict::Patched(Patch(vec![add(wanted, annotated)]))
        }
        None => Verdict::Patched(Patch(vec![PatchOperation::Remove(RemoveOperation {
            path: pointer(),
        })])),
    };
    Decision {
        audit: BTreeMap::from([("stamp", Cow::Borrowed(done))]),
        verdict,
        warnings: Vec::new(),
    }
}

/// Sets the stamp. `add` takes the place of what is there, and without annotations there is
/// nowhere to put it.
fn add(stamp: &str, annotated: bool) -> PatchOperation {
    let (path, value): (PointerBuf, Value) = if annotated {
        (pointer(), json!(stamp))
    } else {
        let annotations = PointerBuf::from_tokens(["metadata", "annotations"]);
        (annotations, json!({marks::REQUESTED_BY: stamp}))
    };
    PatchOperation::Add(AddOperation { path, value })
}

fn pointer() -> PointerBuf {
    static POINTER: LazyLock<PointerBuf> =
        LazyLock::new(|| PointerBuf::from_tokens(["metadata", "annotations", marks::REQUESTED_BY]));
    POINTER.clone()
}
