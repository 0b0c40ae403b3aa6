//! Merge patches that leave nothing behind ([RFC 7396](https://www.rfc-editor.org/rfc/rfc7396)).

use serde_json::Value;

/// A merge patch by which one value takes the place of another, with nothing of that one left.
#[must_use]
pub fn replacing(before: &Value, after: &Value) -> Value {
    let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else {
        return after.clone();
    };
    let gone = old
        .keys()
        .filter(|key| !new.contains_key(*key))
        .map(|key| (key.clone(), Value::Null));
    let kept = new.iter().map(|(key, value)| {
        let before = old.get(key).unwrap_or(&Value::Null);
        (key.clone(), replacing(before, value))
    });
    gone.chain(kept).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_of_an_earlier_requester_is_left() {
        let bob = json!({
            "cluster": "member1",
            "extra": {"scopes": ["all"], "team": ["shop"]},
            "groups": ["masters"],
            "username": "bob",
        });
        let alice = json!({"extra": {"team": ["pay"]}, "username": "alice"});
        let patch = json!({
            "cluster": null,
            "extra": {"scopes": null, "team": ["pay"]},
            "groups": null,
            "username": "alice",
        });
        assert_eq!(replacing(&bob, &alice), patch);
        assert_eq!(replacing(&Value::Null, &alice), alice);
    }

    #[test]
    fn a_patch_makes_of_one_value_the_other() {
        let before = json!({"a": {"b": [1], "c": {"d": 1}}, "e": 1, "f": {"g": 1}});
        let after = json!({"a": {"b": [2], "h": 1}, "f": 1, "i": {"j": {}}});
        let mut patched = before.clone();
        json_patch::merge(&mut patched, &replacing(&before, &after));
        assert_eq!(patched, after);
    }
}
