//! A real Karmada fleet on one machine: etcd, the API servers and controllers of Karmada and of its
//! member clusters, all of them the real programs, as processes on the loopback interface. Nodes
//! and pods are played by kwok.
//!
//! ```no_run
//! # async fn example() -> Result<(), promoter_fleet::Error> {
//! use promoter_fleet::{Fleet, FleetOptions};
//!
//! let fleet = Fleet::start(FleetOptions::named("example").members(2)).await?;
//! println!("Karmada is reached by {}", fleet.kubeconfig().display());
//! fleet.stop().await
//! # }
//! ```
//!
//! The programs are built by Go on first use, from the modules beside this crate.

mod boot;
mod cache;
mod certificates;
mod claim;
mod client;
mod components;
mod error;
mod fleet;
mod kubeconfig;
mod layout;
mod options;
mod ports;
mod process;
mod programs;
mod state;

pub use boot::BootError;
pub use cache::CacheError;
pub use certificates::CertificateError;
pub use client::ClientError;
pub use error::Error;
pub use fleet::{Fleet, ProcessStatus, ServerCertificate};
pub use options::{Audit, FleetOptions, Speed};
pub use process::{Process, ProcessError, Program};
pub use programs::{Programs, ProgramsError};
