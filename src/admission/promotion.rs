//! Whom a Promotion acts as: whoever asked last for what its spec says.

use json_patch::{AddOperation, Patch, PatchOperation, jsonptr::PointerBuf};
use promoter_api::{marks, promotion::Requester};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::review::{Denial, Operation, Request, Verdict};

/// As much of a Promotion as is decided on.
#[derive(Deserialize)]
pub(crate) struct Promotion {
    #[serde(default)]
    metadata: Metadata,
    spec: Option<Map<String, Value>>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    annotations: Option<Map<String, Value>>,
}

/// Names the requester of a Promotion that is created, or that asks for something else than
/// before. What a person wrote there is not trusted, and not needed.
///
/// The hub names others, who are users of members; what it writes is left alone.
pub(crate) fn decide(request: &Request<'_, Promotion>, hub_user: &str) -> Verdict {
    if is_left_alone(request, hub_user) {
        return Verdict::Allowed;
    }
    let (new, old) = (request.object.as_ref(), request.old_object.as_ref());
    // Without a spec, the API server refuses it by its schema.
    let Some(spec) = new.and_then(|new| new.spec.as_ref()) else {
        return Verdict::Allowed;
    };
    // The same once more is a wish, too: of whoever asks now.
    let asks_again = new.and_then(requested_at) != old.and_then(requested_at);
    let was = old.and_then(|old| old.spec.as_ref());
    if request.operation == Operation::Update && was == Some(spec) && !asks_again {
        return Verdict::Allowed;
    }
    let requester = match serde_json::to_value(Requester::from(&request.user_info)) {
        Ok(requester) => requester,
        Err(error) => return denied(&error),
    };
    if spec.get("requester") == Some(&requester) {
        return Verdict::Allowed;
    }
    // `add` takes the place of what is there.
    Verdict::Patched(Patch(vec![PatchOperation::Add(AddOperation {
        path: PointerBuf::from_tokens(["spec", "requester"]),
        value: requester,
    })]))
}

/// What is said of one that is not what its type says.
pub(crate) fn unreadable<O>(
    request: &Request<'_, O>,
    hub_user: &str,
    error: &serde_json::Error,
) -> Verdict {
    if is_left_alone(request, hub_user) {
        Verdict::Allowed
    } else {
        denied(error)
    }
}

fn is_left_alone<O>(request: &Request<'_, O>, hub_user: &str) -> bool {
    request.operation == Operation::Other || request.user_info.username == hub_user
}

fn requested_at(promotion: &Promotion) -> Option<&Value> {
    promotion
        .metadata
        .annotations
        .as_ref()?
        .get(marks::REQUESTED_AT)
}

fn denied(error: &serde_json::Error) -> Verdict {
    Verdict::Denied(Denial {
        code: 422,
        message: format!("the Promotion cannot be understood: {error}"),
        reason: "Invalid",
    })
}

#[cfg(test)]
mod tests;
