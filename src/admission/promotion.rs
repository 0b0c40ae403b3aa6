//! Whom a Promotion acts as: whoever asked last for what its spec says.

use json_patch::{AddOperation, Patch, PatchOperation, jsonptr::PointerBuf};
use promoter_api::{marks, promotion::Requester};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use crate::review::{Denial, Operation, Request, Verdict};

/// As much of a Promotion as is decided on.
#[derive(Default, Deserialize)]
struct Promotion {
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
pub(crate) fn decide(request: &Request<'_>, hub_user: &str) -> Verdict {
    if request.operation == Operation::Other || request.user_info.username == hub_user {
        return Verdict::Allowed;
    }
    let read = |object| read(object).map_err(|error| denied(&error));
    let (new, old) = match (read(request.object), read(request.old_object)) {
        (Ok(new), Ok(old)) => (new, old),
        (Err(verdict), _) | (_, Err(verdict)) => return verdict,
    };
    // Without a spec, the API server refuses it by its schema.
    let Some(spec) = new.spec else {
        return Verdict::Allowed;
    };
    // The same once more is a wish, too: of whoever asks now.
    let asks_again = requested_at(&new.metadata) != requested_at(&old.metadata);
    if request.operation == Operation::Update && old.spec.as_ref() == Some(&spec) && !asks_again {
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

fn requested_at(metadata: &Metadata) -> Option<&Value> {
    metadata.annotations.as_ref()?.get(marks::REQUESTED_AT)
}

fn read(object: Option<&RawValue>) -> Result<Promotion, serde_json::Error> {
    object.map_or_else(
        || Ok(Promotion::default()),
        |object| serde_json::from_str(object.get()),
    )
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
