//! Texts in CEL expressions.

use serde_json::json;

/// A text as CEL writes it, which is as JSON does. Whoever has chosen it, it stays one text.
pub(crate) fn literal(text: &str) -> String {
    json!(text).to_string()
}

/// A condition for requests that are not this user's.
pub(crate) fn not_by(user: &str) -> String {
    format!("request.userInfo.username != {}", literal(user))
}

/// What [`literal`] wrote.
pub(crate) fn unquoted(expression: &str) -> Option<String> {
    serde_json::from_str(expression).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_leave_its_place() {
        assert_eq!(literal(r#"a" || true || "\"#), r#""a\" || true || \"\\""#);
        assert_eq!(literal("a\n'b'"), r#""a\n'b'""#);
    }

    #[test]
    fn a_text_is_read_back() {
        let text = "a\"b\\c\n";
        assert_eq!(unquoted(&literal(text)).as_deref(), Some(text));
        assert_eq!(unquoted("a + b"), None);
        assert_eq!(unquoted("\"a\" + \"b\""), None);
    }
}
