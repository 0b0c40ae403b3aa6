//! The fleet as its users see it.

mod credentials;
mod processes;

pub use credentials::ServerCertificate;
pub use processes::ProcessStatus;

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    boot::Boot,
    claim::claim,
    components::{HOST, KARMADA},
    error::Error,
    layout::{self, Layout},
    options::FleetOptions,
    process::{Record, Supervisor},
    programs::Programs,
    state::State,
};

/// How often other ports are tried when somebody takes one before its process has it.
const ATTEMPTS: usize = 3;

/// A running fleet. Those that this process has started end with this value, or with this process,
/// however it ends.
pub struct Fleet {
    boot: Boot,
    kubeconfig: PathBuf,
    state: Arc<Mutex<State>>,
    members: Vec<String>,
    /// There while the fleet ends with this value.
    lock: Option<File>,
}

impl Fleet {
    /// Starts a fleet and returns when every member is joined and ready. Programs that are not
    /// there yet are built first, which takes minutes and is shown on the standard error.
    pub async fn start(options: FleetOptions) -> Result<Self, Error> {
        if !layout::is_valid_name(&options.name) {
            return Err(Error::Name(options.name));
        }
        if options.members == 0 {
            return Err(Error::NoMembers);
        }
        let programs = Programs::prepare().await?;
        let mut attempt = 1;
        loop {
            match Self::attempt(&options, &programs).await {
                Err(error) if error.is_lost_port() && attempt < ATTEMPTS => attempt += 1,
                result => return result,
            }
        }
    }

    /// A fleet that another process has started. It goes on when this value is dropped.
    pub fn attach(name: &str) -> Result<Self, Error> {
        if !layout::is_valid_name(name) {
            return Err(Error::Name(name.into()));
        }
        let layout = Layout::of(name)?;
        let state = State::read(&layout.state())
            .map_err(Error::io("read", layout.state()))?
            .ok_or_else(|| Error::NotFound(name.into()))?;
        let (programs, options) = (state.programs.clone(), state.options.clone());
        let (members, processes) = (state.members.clone(), state.processes.clone());
        let state = Arc::new(Mutex::new(state));
        let supervisor = Supervisor::find(&layout, processes, recorder(&state, &layout));
        Ok(Self {
            kubeconfig: layout.kubeconfig(KARMADA),
            boot: Boot {
                supervisor: Arc::new(supervisor),
                programs,
                layout,
                options,
            },
            state,
            members,
            lock: None,
        })
    }

    /// Lets the fleet live on after this process.
    pub fn detach(mut self) -> Result<(), Error> {
        self.update_state(|state| state.detached = true)?;
        self.boot.supervisor.dismiss_watchdog();
        self.lock = None;
        Ok(())
    }

    /// Ends the fleet, whoever started it, and removes its files (the logs only if they are not to
    /// be kept).
    pub async fn stop(mut self) -> Result<(), Error> {
        let folder = self.boot.layout.folder().to_path_buf();
        let ended = tokio::task::spawn_blocking(move || self.end()).await;
        ended.unwrap_or_else(|error| {
            let source = std::io::Error::other(error);
            Err(Error::io("end the fleet in", folder)(source))
        })
    }

    /// The fleet's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.boot.options.name
    }

    /// The members: `member1`, `member2`, and so on.
    #[must_use]
    pub fn members(&self) -> &[String] {
        &self.members
    }

    /// The administrator's kubeconfig for the control plane, with the context `karmada`.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The administrator's kubeconfig for a member, with a context of its name.
    #[must_use]
    pub fn member_kubeconfig(&self, member: &str) -> PathBuf {
        self.boot.layout.kubeconfig(member)
    }

    /// The administrator's kubeconfig for the host cluster, with the context `host`, if the fleet
    /// has one.
    #[must_use]
    pub fn host_kubeconfig(&self) -> Option<PathBuf> {
        let host = self.boot.options.host;
        host.then(|| self.boot.layout.kubeconfig(HOST))
    }

    /// The certificate by which a cluster's servers are known to those that trust the cluster, and
    /// its key, in PEM: for a server of one's own that is to be taken for one of them. The control
    /// plane's name is `karmada`.
    #[must_use]
    pub fn server_certificate(&self, cluster: &str) -> (PathBuf, PathBuf) {
        let folder = self.boot.layout.certificates(cluster);
        (folder.join("tls.crt"), folder.join("tls.key"))
    }

    /// The folder with `kubectl`, `karmadactl`, `helm` and the components' programs.
    #[must_use]
    pub fn programs(&self) -> &Path {
        self.boot.programs.folder()
    }

    /// The log of a process, over restarts.
    #[must_use]
    pub fn log(&self, process: &str) -> PathBuf {
        self.boot.supervisor.log(process)
    }

    /// The audit log of a cluster's API server, written if [`FleetOptions::audit`] is set. The
    /// control plane's name is `karmada`, the host cluster's `host`.
    #[must_use]
    pub fn audit_log(&self, cluster: &str) -> PathBuf {
        self.boot.layout.audit_log(cluster)
    }

    /// Variables for a shell or a process that is to work with this fleet: `KUBECONFIG_KARMADA`,
    /// `KUBECONFIG_MEMBER1` and so on, `KUBECONFIG_HOST` if there is a host cluster, `KUBECONFIG`
    /// with all of their contexts, and `PATH`.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let clusters: Vec<(String, String)> = std::iter::once(KARMADA)
            .chain(self.members.iter().map(String::as_str))
            .chain(self.boot.options.host.then_some(HOST))
            .map(|cluster| {
                let path = self.boot.layout.kubeconfig(cluster);
                let variable = format!("KUBECONFIG_{}", cluster.to_uppercase());
                (variable, path.to_string_lossy().into_owned())
            })
            .collect();
        let files: Vec<&str> = clusters.iter().map(|(_, path)| path.as_str()).collect();
        let all = ("KUBECONFIG".into(), files.join(":"));
        let programs = self.programs().to_string_lossy();
        let path = match std::env::var("PATH") {
            Ok(path) => format!("{programs}:{path}"),
            Err(_) => programs.into_owned(),
        };
        clusters
            .into_iter()
            .chain([all, ("PATH".into(), path)])
            .collect()
    }

    /// Waits until every API server answers and Karmada finds every member ready.
    pub async fn until_ready(&self) -> Result<(), Error> {
        Ok(self.boot.until_ready(&self.members).await?)
    }

    /// Adds a member, and returns its name when it is joined and ready.
    pub async fn add_member(&mut self) -> Result<String, Error> {
        let name = member_name(self.members.len());
        let etcd = self.with_state(|state| state.etcd);
        let etcd = etcd.ok_or_else(|| Error::Unfinished(self.name().into()))?;
        self.boot.add_member(etcd, &name).await?;
        self.members.push(name.clone());
        let members = self.members.clone();
        self.update_state(|state| state.members = members)?;
        Ok(name)
    }

    async fn attempt(options: &FleetOptions, programs: &Programs) -> Result<Self, Error> {
        let layout = Layout::of(&options.name)?;
        let lock = claim(&options.name, &layout).await?;
        let state = Arc::new(Mutex::new(State {
            detached: false,
            options: options.clone(),
            programs: programs.clone(),
            etcd: None,
            members: (0..options.members).map(member_name).collect(),
            processes: Vec::new(),
        }));
        let changed = recorder(&state, &layout);
        let supervisor = Supervisor::start(&layout, &lock, options.keep_logs, changed)?;
        // From here on, dropping the value ends what has been started.
        let fleet = Self {
            kubeconfig: layout.kubeconfig(KARMADA),
            boot: Boot {
                supervisor: Arc::new(supervisor),
                programs: programs.clone(),
                layout,
                options: options.clone(),
            },
            state,
            members: (0..options.members).map(member_name).collect(),
            lock: Some(lock),
        };
        let etcd = fleet.boot.fleet(&fleet.members).await?;
        fleet.update_state(|state| state.etcd = Some(etcd))?;
        Ok(fleet)
    }

    fn end(&mut self) -> Result<(), Error> {
        let layout = &self.boot.layout;
        // Whoever has attached to it may have started more than this process has heard of.
        let told = State::read(&layout.state()).map_err(Error::io("read", layout.state()))?;
        self.boot.supervisor.kill_all()?;
        if let Some(told) = told {
            Supervisor::find(layout, told.processes, |_| Ok(())).kill_all()?;
        }
        let logs = layout.logs();
        let kept: &[&Path] = if self.boot.options.keep_logs {
            &[&logs]
        } else {
            &[]
        };
        layout
            .remove(kept)
            .map_err(Error::io("remove", layout.folder()))?;
        self.boot.supervisor.dismiss_watchdog();
        self.lock = None;
        Ok(())
    }

    fn update_state(&self, change: impl FnOnce(&mut State)) -> Result<(), Error> {
        let path = self.boot.layout.state();
        self.with_state(|state| {
            change(state);
            state.write(&path).map_err(Error::io("write", &path))
        })
    }

    fn with_state<T>(&self, action: impl FnOnce(&mut State) -> T) -> T {
        action(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // Nobody is there to be told; the watchdog, which is dismissed last, tries once more.
            let _ = self.end();
        }
    }
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Fleet")
            .field("name", &self.name())
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}

fn member_name(index: usize) -> String {
    format!("member{}", index + 1)
}

/// Writes every change of the processes into the fleet's state file.
fn recorder(
    state: &Arc<Mutex<State>>,
    layout: &Layout,
) -> impl Fn(Vec<Record>) -> std::io::Result<()> + Send + 'static {
    let (state, path) = (Arc::clone(state), layout.state());
    move |records| {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.processes = records;
        state.write(&path)
    }
}
