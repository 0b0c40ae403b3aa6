//! The processes of a fleet: looked at, broken and mended, and more of them.

use std::process::ExitStatus;

use super::Fleet;
use crate::{
    error::Error,
    layout,
    process::{Process, Program},
};

/// One process of a fleet, as it is at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessStatus {
    /// Its name in the fleet, such as `member1-apiserver`.
    pub name: String,
    /// Its process id, the last one if it has ended.
    pub pid: u32,
    /// Whether it runs.
    pub running: bool,
}

impl Fleet {
    /// All processes, by name.
    #[must_use]
    pub fn processes(&self) -> Vec<ProcessStatus> {
        self.boot
            .supervisor
            .list()
            .into_iter()
            .map(|(name, pid, running)| ProcessStatus { name, pid, running })
            .collect()
    }

    /// An error that names a process which has ended by itself, if there is one.
    pub fn check(&self) -> Result<(), Error> {
        Ok(self.boot.supervisor.check()?)
    }

    /// A handle on one process.
    pub fn process(&self, name: &str) -> Result<Process, Error> {
        self.boot.supervisor.pid(name)?;
        Ok(Process::new(name, &self.boot.supervisor))
    }

    /// Kills a process with SIGKILL and waits until it is gone.
    pub async fn kill(&self, process: &str) -> Result<Option<ExitStatus>, Error> {
        Ok(self.boot.supervisor.kill(process).await?)
    }

    /// Starts a process again as it was started, killing it first if it runs. Returns as soon as it
    /// runs; [`Self::until_ready`] waits until it answers.
    pub async fn restart(&self, process: &str) -> Result<(), Error> {
        Ok(self.boot.supervisor.restart(process).await?)
    }

    /// Stops a process with SIGSTOP: it holds its connections and answers nothing.
    pub fn pause(&self, process: &str) -> Result<(), Error> {
        Ok(self.boot.supervisor.pause(process)?)
    }

    /// Lets a paused process go on.
    pub fn resume(&self, process: &str) -> Result<(), Error> {
        Ok(self.boot.supervisor.resume(process)?)
    }

    /// Runs one more program as a process of this fleet, with a log of its own; it ends with the
    /// fleet. One of that name that has ended is replaced.
    #[expect(
        clippy::unused_async,
        reason = "like the other actions on processes, which do wait"
    )]
    pub async fn run(&self, name: &str, program: Program) -> Result<Process, Error> {
        if !layout::is_valid_name(name) {
            return Err(Error::Name(name.into()));
        }
        self.boot.supervisor.spawn(name, program)?;
        Ok(Process::new(name, &self.boot.supervisor))
    }
}
