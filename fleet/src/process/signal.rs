//! Signals to a process of the fleet and all that it has started.

use rustix::process::{Pid, Signal, kill_process_group};

use super::ProcessError;

/// What the fleet sends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Kill,
    Terminate,
    Pause,
    Resume,
}

/// Sends the signal to the group that `pid` leads. A group that is gone is no error: the process
/// may end at any moment.
pub(super) fn send(kind: Kind, name: &str, pid: u32) -> Result<(), ProcessError> {
    let (signal, text) = match kind {
        Kind::Kill => (Signal::KILL, "SIGKILL"),
        Kind::Terminate => (Signal::TERM, "SIGTERM"),
        Kind::Pause => (Signal::STOP, "SIGSTOP"),
        Kind::Resume => (Signal::CONT, "SIGCONT"),
    };
    let Some(group) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Ok(());
    };
    match kill_process_group(group, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(errno) => Err(ProcessError::Signal {
            name: name.into(),
            signal: text,
            source: errno.into(),
        }),
    }
}
