//! All processes of one fleet: starts them, keeps the record of them, ends them.

use std::{
    collections::BTreeMap,
    fs::File,
    path::PathBuf,
    process::ExitStatus,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{
    Identity, ProcessError, Program,
    entry::{Entry, Life},
    log,
    signal::{self, Kind},
    watchdog::Watchdog,
};
use crate::layout::Layout;

const END_TIMEOUT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// What is written down of a process, for others to find it by.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) program: Program,
    pub(crate) identity: Identity,
}

pub(crate) struct Supervisor {
    work: PathBuf,
    logs: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    entries: BTreeMap<String, Entry>,
    watchdog: Option<Watchdog>,
    changed: Box<dyn Fn(Vec<Record>) -> std::io::Result<()> + Send>,
}

impl Supervisor {
    /// One whose processes end with this process; until then and until they are gone, `lock` is
    /// held. `changed` gets the record after each change.
    pub(crate) fn start(
        layout: &Layout,
        lock: &File,
        keep_logs: bool,
        changed: impl Fn(Vec<Record>) -> std::io::Result<()> + Send + 'static,
    ) -> Result<Self, ProcessError> {
        let watchdog = Watchdog::start(layout.folder(), lock, keep_logs)?;
        Ok(Self::new(layout, BTreeMap::new(), Some(watchdog), changed))
    }

    /// One for processes that another process has started.
    pub(crate) fn find(
        layout: &Layout,
        records: Vec<Record>,
        changed: impl Fn(Vec<Record>) -> std::io::Result<()> + Send + 'static,
    ) -> Self {
        let entries = records
            .into_iter()
            .map(|record| (record.name, Entry::found(record.program, record.identity)))
            .collect();
        Self::new(layout, entries, None, changed)
    }

    fn new(
        layout: &Layout,
        entries: BTreeMap<String, Entry>,
        watchdog: Option<Watchdog>,
        changed: impl Fn(Vec<Record>) -> std::io::Result<()> + Send + 'static,
    ) -> Self {
        Self {
            work: layout.work(),
            logs: layout.logs(),
            inner: Mutex::new(Inner {
                entries,
                watchdog,
                changed: Box::new(changed),
            }),
        }
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        log::path(&self.logs, name)
    }

    /// Starts a process, or starts it anew with another program when one of that name has ended.
    pub(crate) fn spawn(&self, name: &str, program: Program) -> Result<(), ProcessError> {
        let log = log::open(&self.log(name))?;
        let mut inner = self.lock();
        inner.refresh();
        if let Some(entry) = inner.entries.get(name)
            && entry.life == Life::Running
        {
            return Err(ProcessError::Running { name: name.into() });
        }
        let child = program
            .spawn(&self.work, &log)
            .map_err(|source| ProcessError::Spawn {
                name: name.into(),
                program: program.path().to_path_buf(),
                source,
            })?;
        let pid = child.id();
        if let Some(watchdog) = &mut inner.watchdog {
            watchdog.watch(pid);
        }
        inner
            .entries
            .insert(name.into(), Entry::started(program, child));
        self.record(&inner)
    }

    /// Kills a process outright and waits until it is gone.
    pub(crate) async fn kill(&self, name: &str) -> Result<Option<ExitStatus>, ProcessError> {
        self.end(name, Kind::Kill)?;
        self.until_ended(name).await
    }

    /// Asks a process to end and waits until it has.
    pub(crate) async fn terminate(&self, name: &str) -> Result<Option<ExitStatus>, ProcessError> {
        self.end(name, Kind::Terminate)?;
        self.until_ended(name).await
    }

    /// Starts a process again with what it was started with, killing it first if it runs.
    pub(crate) async fn restart(&self, name: &str) -> Result<(), ProcessError> {
        self.kill(name).await?;
        let program = self.with_entry(name, |entry| entry.program.clone())?;
        self.spawn(name, program)
    }

    pub(crate) fn pause(&self, name: &str) -> Result<(), ProcessError> {
        self.signal(name, Kind::Pause)
    }

    pub(crate) fn resume(&self, name: &str) -> Result<(), ProcessError> {
        self.signal(name, Kind::Resume)
    }

    /// Waits until a process ends, without a time limit. Who waits expects it to.
    pub(crate) async fn wait(&self, name: &str) -> Result<Option<ExitStatus>, ProcessError> {
        self.with_entry(name, |entry| entry.end_wanted = true)?;
        loop {
            if let Life::Ended(status) = self.with_entry(name, |entry| entry.life)? {
                return Ok(status);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    pub(crate) fn is_running(&self, name: &str) -> Result<bool, ProcessError> {
        self.with_entry(name, |entry| entry.life == Life::Running)
    }

    pub(crate) fn pid(&self, name: &str) -> Result<u32, ProcessError> {
        self.with_entry(name, |entry| entry.identity.pid)
    }

    /// The processes by name, and whether each runs.
    pub(crate) fn list(&self) -> Vec<(String, u32, bool)> {
        let mut inner = self.lock();
        inner.refresh();
        inner
            .entries
            .iter()
            .map(|(name, entry)| {
                let running = entry.life == Life::Running;
                (name.clone(), entry.identity.pid, running)
            })
            .collect()
    }

    /// An error that names a process which has ended by itself, when there is one.
    pub(crate) fn check(&self) -> Result<(), ProcessError> {
        let mut inner = self.lock();
        inner.refresh();
        for (name, entry) in &inner.entries {
            if let Life::Ended(status) = entry.life
                && !entry.end_wanted
            {
                let log = self.log(name);
                return Err(ProcessError::Died {
                    name: name.clone(),
                    status: status.map_or_else(
                        || "with a status that only its parent knows".into(),
                        |status| status.to_string(),
                    ),
                    tail: log::tail(&log),
                    log,
                });
            }
        }
        Ok(())
    }

    /// Kills everything at once. API servers go first: without etcd, they would log what they miss.
    /// Returns when all are gone; blocks the thread, because it also serves `drop`.
    pub(crate) fn kill_all(&self) -> Result<(), ProcessError> {
        let mut inner = self.lock();
        let mut names: Vec<String> = inner.entries.keys().cloned().collect();
        names.sort_by_key(|name| match name.as_str() {
            "etcd" => 2,
            name if name.ends_with("apiserver") => 0,
            _ => 1,
        });
        for name in &names {
            if let Some(entry) = inner.entries.get_mut(name) {
                entry.end_wanted = true;
                if entry.look() == Life::Running {
                    signal::send(Kind::Kill, name, entry.identity.pid)?;
                }
            }
        }
        let started = Instant::now();
        for (name, entry) in &mut inner.entries {
            while entry.look() == Life::Running {
                if started.elapsed() > END_TIMEOUT {
                    return Err(ProcessError::Stuck {
                        name: name.clone(),
                        pid: entry.identity.pid,
                    });
                }
                std::thread::sleep(POLL_INTERVAL);
            }
        }
        inner.entries.clear();
        Ok(())
    }

    /// Stops watching: from now on the processes end only when they are told to.
    pub(crate) fn dismiss_watchdog(&self) {
        if let Some(watchdog) = self.lock().watchdog.take() {
            watchdog.leave();
        }
    }

    fn end(&self, name: &str, kind: Kind) -> Result<(), ProcessError> {
        self.with_entry(name, |entry| entry.end_wanted = true)?;
        self.signal(name, kind)
    }

    fn signal(&self, name: &str, kind: Kind) -> Result<(), ProcessError> {
        self.with_entry(name, |entry| match entry.life {
            Life::Running => signal::send(kind, name, entry.identity.pid),
            Life::Ended(_) => Ok(()),
        })?
    }

    async fn until_ended(&self, name: &str) -> Result<Option<ExitStatus>, ProcessError> {
        match tokio::time::timeout(END_TIMEOUT, self.wait(name)).await {
            Ok(ended) => ended,
            Err(_) => Err(ProcessError::Stuck {
                name: name.into(),
                pid: self.pid(name)?,
            }),
        }
    }

    fn with_entry<T>(
        &self,
        name: &str,
        action: impl FnOnce(&mut Entry) -> T,
    ) -> Result<T, ProcessError> {
        let mut inner = self.lock();
        inner.refresh();
        match inner.entries.get_mut(name) {
            Some(entry) => Ok(action(entry)),
            None => Err(ProcessError::Unknown {
                name: name.into(),
                known: inner.entries.keys().cloned().collect::<Vec<_>>().join(", "),
            }),
        }
    }

    fn record(&self, inner: &Inner) -> Result<(), ProcessError> {
        let records = inner
            .entries
            .iter()
            .map(|(name, entry)| Record {
                name: name.clone(),
                program: entry.program.clone(),
                identity: entry.identity,
            })
            .collect();
        (inner.changed)(records).map_err(|source| ProcessError::Io {
            action: "write the record of the processes beside",
            path: self.work.clone(),
            source,
        })
    }

    /// A panic elsewhere leaves the entries whole, and they have to be killed all the same.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Looks at every process. The watchdog forgets those that have ended: their ids may soon be
    /// somebody else's.
    fn refresh(&mut self) {
        for entry in self.entries.values_mut() {
            if entry.life == Life::Running
                && entry.look() != Life::Running
                && let Some(watchdog) = &mut self.watchdog
            {
                watchdog.forget(entry.identity.pid);
            }
        }
    }
}
