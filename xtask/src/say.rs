//! Prints for whoever reads.

use std::{io::Write, time::Duration};

/// Prints a line. A reader that has gone away, such as `head`, is no reason to fail.
pub(crate) fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A time as people say it.
pub(crate) fn lasted(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 99.95 {
        return format!("{seconds:.1} s");
    }
    let whole = (time + Duration::from_millis(500)).as_secs();
    format!("{}:{:02} min", whole / 60, whole % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_times_are_said_in_minutes() {
        assert_eq!(lasted(Duration::from_millis(1234)), "1.2 s");
        assert_eq!(lasted(Duration::from_millis(99_940)), "99.9 s");
        assert_eq!(lasted(Duration::from_millis(99_960)), "1:40 min");
        assert_eq!(lasted(Duration::from_millis(119_600)), "2:00 min");
    }
}
