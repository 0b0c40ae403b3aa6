#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| promoter_admission::fuzzing::opt_in(bytes));
