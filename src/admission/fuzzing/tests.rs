//! A run of some seconds for each target, from examples that are mutated: what others write is
//! mostly right, and what is wrong in it is what is interesting.
//!
//! `PROMOTER_FUZZ_SECONDS` makes it longer. An input that fails is made as small as it can be, and
//! shown; put it into the folder of the examples, and it is tried from then on.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestError, TestRunner},
};
use rcgen::generate_simple_self_signed;

/// How long each target is tried.
const SECONDS: u64 = 5;

/// What is put in somewhere.
const TOKENS: [&[u8]; 26] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"true",
    b"\"\"",
    b"{}",
    b"-1e999",
    b"\\u0000",
    b"\\ud800",
    b"\\u002f",
    b"~1",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xe2\x80\xa8",
    b"\"annotations\":null",
    b"\"promote.karmada.io/enabled\":\"true\"",
    b"\"promote.karmada.io/requested-by\":\"0a1b2c3d:bob\"",
    b"-----BEGIN CERTIFICATE-----\n",
    b"-----END CERTIFICATE-----\n",
    b"-----BEGIN PRIVATE KEY-----\n",
];

#[test]
fn any_body_is_answered_or_refused() {
    try_out("review", Vec::new(), super::review);
}

#[test]
fn any_text_opts_in_or_does_not() {
    try_out("opt_in", Vec::new(), super::opt_in);
}

#[test]
fn any_file_makes_a_server_or_an_error() {
    let pair = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pair = format!("{}{}", pair.cert.pem(), pair.signing_key.serialize_pem());
    try_out("pem", vec![pair.into_bytes()], super::pem);
}

fn try_out(target: &str, mut examples: Vec<Vec<u8>>, test: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for entry in std::fs::read_dir(folder.join(target)).unwrap() {
        examples.push(std::fs::read(entry.unwrap().path()).unwrap());
    }
    for example in &examples {
        test(example);
    }
    let seconds = std::env::var("PROMOTER_FUZZ_SECONDS").ok();
    let seconds = seconds.map_or(SECONDS, |seconds| seconds.parse().unwrap());
    let until = Instant::now() + Duration::from_secs(seconds);
    let inputs = (select(examples), vec(Mutation::any(), 0..6));
    let inputs = inputs.prop_map(|(example, mutations)| {
        mutations
            .iter()
            .fold(example, |bytes, mutation| mutation.apply(bytes))
    });
    let mut runner = TestRunner::new(Config::default());
    let mut tried = 0_u64;
    while Instant::now() < until {
        let input = inputs.new_tree(&mut runner).unwrap();
        let tested = runner.run_one(input, |bytes| {
            test(&bytes);
            Ok(())
        });
        if let Err(TestError::Fail(why, bytes)) = tested {
            panic!("{why}, by \"{}\"", bytes.escape_ascii());
        }
        tried += 1;
    }
    assert!(tried > 0, "nothing was tried in {seconds} s");
    println!("{target}: {tried} inputs");
}

#[derive(Clone, Debug)]
enum Mutation {
    /// A part is there twice.
    Double(Index, usize),
    /// A byte is another.
    Flip(Index, u8),
    Insert(Index, &'static [u8]),
    Remove(Index, usize),
    /// The rest is not there.
    Truncate(Index),
}

impl Mutation {
    fn any() -> impl Strategy<Value = Self> {
        let at = any::<Index>;
        prop_oneof![
            2 => (at(), 1..64_usize).prop_map(|(at, length)| Self::Double(at, length)),
            2 => (at(), any::<u8>()).prop_map(|(at, byte)| Self::Flip(at, byte)),
            4 => (at(), select(&TOKENS[..])).prop_map(|(at, token)| Self::Insert(at, token)),
            2 => (at(), 1..64_usize).prop_map(|(at, length)| Self::Remove(at, length)),
            1 => at().prop_map(Self::Truncate),
        ]
    }

    fn apply(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let length = bytes.len();
        let place = |at: &Index| at.index(length + 1);
        let part = |at: &Index, long: usize| place(at)..(place(at) + long).min(length);
        match self {
            Self::Double(at, long) => {
                let part = bytes[part(at, *long)].to_vec();
                let at = place(at);
                bytes.splice(at..at, part);
            }
            Self::Flip(at, byte) => {
                if let Some(at) = bytes.get_mut(place(at)) {
                    *at ^= byte;
                }
            }
            Self::Insert(at, token) => {
                let at = place(at);
                bytes.splice(at..at, token.iter().copied());
            }
            Self::Remove(at, long) => {
                bytes.drain(part(at, *long));
            }
            Self::Truncate(at) => bytes.truncate(place(at)),
        }
        bytes
    }
}
