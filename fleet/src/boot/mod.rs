//! Starts the components in the order in which they need each other, as much as possible at once.

mod control_plane;
mod host;
mod join;
mod manifests;
mod member;
mod tool;
mod wait;

use std::{path::PathBuf, sync::Arc};

use futures::future::try_join_all;

use crate::{
    certificates::CertificateError,
    client::{Api, ClientError},
    components,
    layout::Layout,
    options::FleetOptions,
    ports::Port,
    process::{ProcessError, Program, Supervisor},
    programs::Programs,
};
use control_plane::ControlPlane;
use member::Member;

/// Why a fleet did not come up.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// A component did not start, or did not stay.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A server did not take what it was given.
    #[error("cannot {action}")]
    Client {
        /// What was tried.
        action: String,
        /// What became of it.
        source: ClientError,
    },
    /// Something did not become ready.
    #[error("waited {seconds} s in vain for {what} ({last}); the logs are in {logs}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// What was seen last.
        last: String,
        /// Where to look.
        logs: PathBuf,
    },
    /// A command line tool failed.
    #[error("`{command}` failed ({status}):\n{output}")]
    Tool {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// What it printed.
        output: String,
    },
    /// The disk or the network interface refused.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: String,
        /// Why not.
        source: std::io::Error,
    },
}

impl BootError {
    pub(crate) fn is_lost_port(&self) -> bool {
        matches!(self, Self::Process(error) if error.is_lost_port())
    }

    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }

    fn client(action: impl Into<String>) -> impl FnOnce(ClientError) -> Self {
        let action = action.into();
        move |source| Self::Client { action, source }
    }
}

/// What every step needs.
pub(crate) struct Boot {
    pub(crate) supervisor: Arc<Supervisor>,
    pub(crate) programs: Programs,
    pub(crate) layout: Layout,
    pub(crate) options: FleetOptions,
}

impl Boot {
    /// Brings everything up: returns when each member is joined and ready, with etcd's port.
    pub(crate) async fn fleet(&self, members: &[String]) -> Result<u16, BootError> {
        manifests::write_audit_policy(&self.layout, &self.options.audit)?;
        let etcd = self.etcd().await?;
        let host = async {
            if self.options.host {
                self.start_host(etcd).await
            } else {
                Ok(())
            }
        };
        let ((), members, ()) = tokio::try_join!(
            ControlPlane::start(self, etcd),
            try_join_all(members.iter().map(|name| Member::start(self, etcd, name))),
            host,
        )?;
        try_join_all(members.iter().map(|member| self.join(member))).await?;
        Ok(etcd)
    }

    async fn etcd(&self) -> Result<u16, BootError> {
        let (client, peer) = (reserve()?, reserve()?);
        let port = client.number();
        let program = components::etcd(&self.programs, &self.layout.etcd(), port, peer.number());
        self.spawn("etcd", program, [client, peer])?;
        let api = Api::at(&format!("http://127.0.0.1:{port}"))
            .map_err(BootError::client("ask etcd for its health"))?;
        self.until("etcd", || api.is_well("/health")).await?;
        Ok(port)
    }

    /// Starts a process, letting go of its ports at the last moment.
    fn spawn<const PORTS: usize>(
        &self,
        name: &str,
        program: Program,
        ports: [Port; PORTS],
    ) -> Result<(), BootError> {
        drop(ports);
        Ok(self.supervisor.spawn(name, program)?)
    }
}

fn reserve() -> Result<Port, BootError> {
    Port::reserve().map_err(BootError::io("reserve a port on 127.0.0.1"))
}
