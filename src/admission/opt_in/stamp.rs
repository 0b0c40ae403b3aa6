//! Who asks: written on what opts in, whatever somebody else wrote there.

use std::{borrow::Cow, collections::BTreeMap};

use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, jsonptr::PointerBuf};
use promoter_api::marks;
use promoter_domain::stamp;
use serde_json::{Value, json};

use super::change::Change;
use crate::review::{Decision, Request, Verdict};

/// Stamps what newly opts in with the request's user. A stamp that comes in any other way is put
/// back to what it was; one that is left out is lost, and nobody is stamped in its place.
///
/// `installation` names the policy that pins stamps in the member.
pub(crate) fn stamp(request: &Request<'_>, installation: &str) -> Decision {
    let change = match Change::read(request) {
        Ok(Some(change)) => change,
        Ok(None) => return Verdict::Allowed.into(),
        Err(denial) => return Verdict::Denied(denial).into(),
    };
    let username = &request.user_info.username;
    let opts_in = change.opts_in().is_some();
    let Change { new, old, .. } = change;
    let (wanted, done) = if opts_in {
        // A stamp without a name would be nobody's.
        let stamp = (!username.is_empty()).then(|| stamp::stamp(installation, username));
        (stamp.map(Cow::Owned), "set")
    } else if new.stamp.is_some() && new.stamp != old.stamp {
        let done = if old.stamp.is_some() {
            "restored"
        } else {
            "removed"
        };
        (old.stamp, done)
    } else {
        return Verdict::Allowed.into();
    };
    let verdict = match (&wanted, &new.stamp) {
        (wanted, stamp) if wanted == stamp => Verdict::Allowed,
        (Some(wanted), _) => Verdict::Patched(Patch(vec![add(wanted, new.annotated)])),
        (None, _) => Verdict::Patched(Patch(vec![PatchOperation::Remove(RemoveOperation {
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
    PointerBuf::from_tokens(["metadata", "annotations", marks::REQUESTED_BY])
}
