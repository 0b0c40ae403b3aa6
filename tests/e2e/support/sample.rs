//! How much of what could be tested is tested.

use std::{
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

/// Whether everything is to be tested.
pub(crate) fn is_full() -> bool {
    std::env::var("PROMOTER_TEST_FULL").is_ok_and(|value| value == "1")
}

/// How often something is done: `full` times when everything is to be tested, else `count` times.
pub(crate) fn times(count: usize, full: usize) -> usize {
    if is_full() { full } else { count }
}

/// So many of these, drawn at random; all of them when everything is to be tested. The seed is
/// printed with the test's output.
pub(crate) fn draw<T>(mut from: Vec<T>, count: usize) -> Vec<T> {
    if is_full() {
        return from;
    }
    let mut state = seed();
    println!("PROMOTER_TEST_SEED={state}");
    let mut drawn = Vec::new();
    while drawn.len() < count && !from.is_empty() {
        state = next(state);
        let index = usize::try_from(state % from.len() as u64).expect("an index");
        drawn.push(from.swap_remove(index));
    }
    drawn
}

/// The seed of this run.
pub(crate) fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let given = std::env::var("PROMOTER_TEST_SEED");
        given
            .ok()
            .and_then(|seed| seed.parse().ok())
            .unwrap_or_else(|| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                now.map_or(1, |now| u64::from(now.subsec_nanos()))
            })
    })
}

/// The next of a row of numbers that look random.
///
/// Source: Sebastiano Vigna's public-domain `SplitMix64`.
pub(crate) fn next(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
