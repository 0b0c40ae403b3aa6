//! What the Secrets of the tests carry, so that it can be looked for wherever no Secret may be.
//!
//! `cargo xtask test` gives the marker and looks for it afterwards: in the promoter's logs, in all
//! events and Promotions, and in what the commands printed (`xtask/src/test/secrets.rs`).

use std::{
    fs::OpenOptions,
    io::Write as _,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use promoter_fleet::Fleet;

use super::fleet;

/// A value for a Secret.
pub(crate) fn secret_value(name: &str) -> String {
    let marker = std::env::var("PROMOTER_TEST_MARKER");
    let marker = marker.unwrap_or_else(|_| "nobody-may-read-this".to_owned());
    format!("{marker} of {name}")
}

/// Keeps what a command printed, for being searched.
pub(crate) fn keep_output(text: &str) {
    let Some(path) = kept("commands") else { return };
    let file = OpenOptions::new().create(true).append(true).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.expect("the output of a command can be kept");
}

/// Keeps a promoter's log beyond the end of its fleet, for being searched.
pub(crate) fn keep_log(fleet: &Fleet) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let Some(path) = kept(&format!("promoter-{}-{count}", std::process::id())) else {
        return;
    };
    // The file stays as long as it has a name. It is appended to whenever the process is started.
    let linked = std::fs::hard_link(fleet.log(fleet::PROMOTER), path);
    linked.expect("the promoter's log can be kept");
}

/// A file among the logs of the run's fleet, where there is one that outlives the tests.
fn kept(name: &str) -> Option<PathBuf> {
    std::env::var_os("PROMOTER_TEST_FLEET")?;
    Some(fleet::shared().log(&format!("kept-{name}")))
}
