//! The fleet's processes: started with a log each, supervised, and gone when their owner is.
//!
//! Two things see to the last. A watchdog process holds the end of a pipe whose other end is this
//! process: when it breaks, however that came about, the watchdog kills what it was told of. And a
//! record on the disk says who was started, for whoever uses the same fleet name next.

mod entry;
mod handle;
mod identity;
mod log;
mod program;
mod signal;
mod supervisor;
mod watchdog;

use std::path::PathBuf;

pub use handle::Process;
pub(crate) use identity::Identity;
pub use program::Program;
pub(crate) use supervisor::{Record, Supervisor};

/// Why a process is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started.
    #[error("cannot start {name} ({program})")]
    Spawn {
        /// The process.
        name: String,
        /// Its program.
        program: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ended although nobody asked it to.
    #[error("{name} has ended by itself ({status}); the end of {log}:\n{tail}")]
    Died {
        /// The process.
        name: String,
        /// How it ended.
        status: String,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// It does not end although it was killed.
    #[error("{name} (process {pid}) was killed but does not end; look at its state in /proc/{pid}")]
    Stuck {
        /// The process.
        name: String,
        /// Its process id.
        pid: u32,
    },
    /// There is no process of that name.
    #[error("the fleet has no process {name:?}; it has {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Those that exist.
        known: String,
    },
    /// It is running already.
    #[error("{name} is running already; kill it first, or use restart")]
    Running {
        /// The process.
        name: String,
    },
    /// A signal could not be sent.
    #[error("cannot send {signal} to {name}")]
    Signal {
        /// The process.
        name: String,
        /// The signal.
        signal: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The disk refused.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl ProcessError {
    /// Whether another process took the port between its choice and its use.
    pub(crate) fn is_lost_port(&self) -> bool {
        matches!(self, Self::Died { tail, .. } if tail.contains("address already in use"))
    }
}
