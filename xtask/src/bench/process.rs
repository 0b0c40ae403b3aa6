//! What a process has used, as the system counts it.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;

/// A process that is looked at from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observed(pub(super) u32);

impl Observed {
    /// The time that it has had a processor.
    pub(super) fn processor_time(self) -> anyhow::Result<Duration> {
        let stat = self.read("stat")?;
        let ticks = ticks(&stat).with_context(|| format!("cannot understand {stat:?}"))?;
        // A file's worth of ticks is exact in a floating-point number.
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let seconds = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
        Ok(Duration::from_secs_f64(seconds))
    }

    /// The bytes of it that are in memory.
    pub(super) fn resident_bytes(self) -> anyhow::Result<u64> {
        let status = self.read("status")?;
        let kibibytes = kibibytes(&status, "VmRSS:").context("the system tells no VmRSS")?;
        Ok(kibibytes * 1024)
    }

    fn read(self, file: &str) -> anyhow::Result<String> {
        let path = PathBuf::from(format!("/proc/{}/{file}", self.0));
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }
}

/// The fields 14 and 15 of `/proc/PID/stat`, counted after the name, which may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn kibibytes(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 99 0 0 0 250 50 0 0 20 0 4 0 1 2 3";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("7"), None);
    }

    #[test]
    fn memory_is_found() {
        let status = "Name:\ta\nVmHWM:\t  900 kB\nVmRSS:\t  800 kB\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(800));
        assert_eq!(kibibytes("Name:\ta\n", "VmRSS:"), None);
    }

    #[test]
    fn this_process_has_used_something() {
        let own = Observed(std::process::id());
        assert!(own.resident_bytes().unwrap() > 0);
        assert!(own.processor_time().is_ok());
    }
}
