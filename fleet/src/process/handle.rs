//! A handle on one process of a fleet.

use std::{path::PathBuf, process::ExitStatus, sync::Arc};

use super::{ProcessError, Supervisor};

/// One process of a fleet. It belongs to the fleet, not to this handle: dropping the handle does
/// nothing, and the process ends with its fleet.
#[derive(Clone)]
pub struct Process {
    name: String,
    supervisor: Arc<Supervisor>,
}

impl Process {
    pub(crate) fn new(name: &str, supervisor: &Arc<Supervisor>) -> Self {
        Self {
            name: name.into(),
            supervisor: Arc::clone(supervisor),
        }
    }

    /// The name that the fleet has it under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id, the last one if it has ended.
    pub fn pid(&self) -> Result<u32, ProcessError> {
        self.supervisor.pid(&self.name)
    }

    /// Whether it runs; a paused one does.
    pub fn is_running(&self) -> Result<bool, ProcessError> {
        self.supervisor.is_running(&self.name)
    }

    /// The file with all that it has printed, over restarts.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.supervisor.log(&self.name)
    }

    /// Kills it with SIGKILL and waits until it is gone. Nothing happens when it has ended.
    pub async fn kill(&self) -> Result<Option<ExitStatus>, ProcessError> {
        self.supervisor.kill(&self.name).await
    }

    /// Asks it to end with SIGTERM and waits, 20 seconds at most, until it has.
    pub async fn terminate(&self) -> Result<Option<ExitStatus>, ProcessError> {
        self.supervisor.terminate(&self.name).await
    }

    /// Starts it again as it was started, killing it first if it runs.
    pub async fn restart(&self) -> Result<(), ProcessError> {
        self.supervisor.restart(&self.name).await
    }

    /// Stops it with SIGSTOP: it holds its connections and answers nothing.
    pub fn pause(&self) -> Result<(), ProcessError> {
        self.supervisor.pause(&self.name)
    }

    /// Lets a paused one go on.
    pub fn resume(&self) -> Result<(), ProcessError> {
        self.supervisor.resume(&self.name)
    }

    /// Waits until it ends by itself. The status is none when another process had started it.
    pub async fn wait(&self) -> Result<Option<ExitStatus>, ProcessError> {
        self.supervisor.wait(&self.name).await
    }
}

impl std::fmt::Debug for Process {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Process").field(&self.name).finish()
    }
}
