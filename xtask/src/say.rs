//! Prints for whoever reads.

use std::io::Write;

/// Prints a line. A reader that has gone away, such as `head`, is no reason to fail.
pub(crate) fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
