use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// How long a value is, one byte after the other. In JSON there are no backslashes but in strings.
fn length_slowly(bytes: &[u8]) -> Option<usize> {
    let (mut depth, mut inside, mut escaped) = (0_usize, false, false);
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' if !escaped => inside = !inside,
            b'{' | b'[' if !inside => depth += 1,
            b'}' | b']' if !inside => depth = depth.checked_sub(1)?,
            _ => {}
        }
        escaped = *byte == b'\\' && !escaped;
        if !inside && depth == 0 {
            return Some(index + 1);
        }
    }
    None
}

/// Everything that may be taken for something else.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        8 => Just(b'a'),
        2 => any::<u8>(),
        2 => Just(b'"'),
        2 => Just(b'\\'),
        1 => prop::sample::select(&b"{}[]"[..]),
    ];
    prop::collection::vec(byte, 0..300)
}

fn keys(text: &str) -> Result<Vec<&[u8]>, Unusual> {
    let mut reader = Reader::new(text.as_bytes());
    let mut keys = Vec::new();
    reader.enter()?;
    while let Some(key) = reader.key()? {
        keys.push(key);
        reader.jump()?;
    }
    Ok(keys)
}

#[test]
fn members_are_read_or_jumped_over() {
    let text = br#"{"a":{"a":[1,"}\\\""]},"b":"x\"y","c":null,"d":-1.5e+3,"e":{}},"rest"#;
    let mut reader = Reader::new(text);
    reader.enter().unwrap();
    assert_eq!(reader.key(), Ok(Some(&b"a"[..])));
    assert_eq!(reader.jump(), Ok(&br#"{"a":[1,"}\\\""]}"#[..]));
    assert_eq!(reader.key(), Ok(Some(&b"b"[..])));
    assert_eq!(reader.text().unwrap(), "x\"y");
    assert_eq!(reader.key(), Ok(Some(&b"c"[..])));
    assert_eq!(reader.value::<Option<u8>>(), Ok(None));
    assert_eq!(reader.key(), Ok(Some(&b"d"[..])));
    assert_eq!(reader.value(), Ok(-1500.0));
    assert_eq!(reader.key(), Ok(Some(&b"e"[..])));
    reader.enter().unwrap();
    assert_eq!(reader.key(), Ok(None));
    assert_eq!(reader.key(), Ok(None));
    assert_eq!(reader.rest, br#","rest"#);
}

#[test]
fn what_go_would_not_write_is_unusual() {
    for text in [
        "",
        "[]",
        " {}",
        "{",
        "{ }",
        r#"{"a""#,
        r#"{"a":"#,
        r#"{"a":1"#,
        r#"{"a":1,}"#,
        r#"{,"a":1}"#,
        r#"{"a":1 }"#,
        r#"{"a": 1}"#,
        r#"{"a" :1}"#,
        r#"{"a":1"b":2}"#,
        r#"{"\u0061":1}"#,
        r#"{"a":}"#,
        r#"{"a":"x}"#,
        r#"{"a":"x\"}"#,
        r#"{"a":[}"#,
        r#"{"a":]}"#,
    ] {
        assert_eq!(keys(text), Err(Unusual), "{text}");
    }
    assert_eq!(once(&mut None, 1), Ok(()));
    assert_eq!(once(&mut Some(1), 1), Err(Unusual));
}

/// However deep it is, and wherever blocks of bytes begin.
#[test]
fn a_length_is_found_at_every_place_of_a_block() {
    for long in 0..200 {
        let deep = format!("{}{}", "[".repeat(long), "]".repeat(long));
        let text = json!({"}": "x".repeat(long), "\\".repeat(long): [{}, "\"".repeat(long)]});
        for text in [deep, text.to_string(), json!("\\".repeat(long)).to_string()] {
            let behind = format!("{text}]}}\"");
            let mut reader = Reader::new(behind.as_bytes());
            if !text.is_empty() {
                assert_eq!(reader.jump(), Ok(text.as_bytes()));
            }
        }
    }
    let deep = "[".repeat(100_000);
    assert_eq!(Reader::new(deep.as_bytes()).jump(), Err(Unusual));
}

proptest! {
    #[test]
    fn a_length_is_what_it_is_byte_for_byte(bytes in bytes()) {
        for (first, length) in [
            (b'[', length::of_nested as fn(&[u8]) -> Option<usize>),
            (b'{', length::of_nested),
            (b'"', length::of_string),
        ] {
            let mut text = bytes.clone();
            text.insert(0, first);
            prop_assert_eq!(length(&text), length_slowly(&text), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_value_ends_where_it_ends(
        values in prop::collection::vec(crate::opt_in::tests::anything(), 1..4),
    ) {
        let members: Vec<_> = values.iter().map(|value| format!("\"a\":{value}")).collect();
        let text = format!("{{{},\"b\":0}}", members.join(","));
        let mut reader = Reader::new(text.as_bytes());
        reader.enter().unwrap();
        for value in values {
            prop_assert_eq!(reader.key(), Ok(Some(&b"a"[..])));
            prop_assert_eq!(reader.value::<Value>(), Ok(value));
        }
        prop_assert_eq!(reader.key(), Ok(Some(&b"b"[..])));
    }
}
