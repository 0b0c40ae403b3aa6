//! The official JSON patch suite, on the library that patches are built with.

use json_patch::Patch;
use serde::Deserialize;
use serde_json::Value;

const SUITES: [&str; 2] = [
    include_str!("json-patch/tests.json"),
    include_str!("json-patch/spec_tests.json"),
];

#[derive(Deserialize)]
struct Case {
    #[serde(default)]
    comment: String,
    #[serde(default)]
    disabled: bool,
    doc: Value,
    error: Option<String>,
    expected: Option<Value>,
    patch: Value,
}

#[test]
fn the_official_suite_passes() {
    let cases = SUITES.map(|suite| serde_json::from_str::<Vec<Case>>(suite).unwrap());
    let (mut applied, mut refused) = (0, 0);
    for case in cases.into_iter().flatten().filter(|case| !case.disabled) {
        let result = apply(&case);
        match (&case.error, &case.expected) {
            (None, Some(expected)) => {
                assert_eq!(result.as_ref(), Ok(expected), "{}", case.comment);
                applied += 1;
            }
            (None, None) => {
                result.unwrap_or_else(|error| panic!("{}: {error}", case.comment));
                applied += 1;
            }
            (Some(error), _) => {
                assert!(result.is_err(), "{} ({error})", case.comment);
                refused += 1;
            }
        }
    }
    // The suite is all there: four of its 95 are disabled.
    assert_eq!((applied + refused, applied > 50), (91, true));
}

fn apply(case: &Case) -> Result<Value, String> {
    let patch: Patch =
        serde_json::from_value(case.patch.clone()).map_err(|error| error.to_string())?;
    let mut document = case.doc.clone();
    json_patch::patch(&mut document, &patch).map_err(|error| error.to_string())?;
    Ok(document)
}
