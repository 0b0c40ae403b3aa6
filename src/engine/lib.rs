//! Carries a Promotion out: observes, asks the domain for the next action, does it, again.
//!
//! - [`controller`]: wakes up for Promotions and for what Karmada makes of them;
//! - `known`: what a watch keeps of each Promotion;
//! - `reconcile`: the loop from observation to action;
//! - `observe`: reads the control plane and the members into the domain's small values, and
//!   `traces` what Karmada has left in the members;
//! - `act`: does what the step function says, one file for each group of actions;
//! - `record` and `conditions`: the Promotion itself, its status and its conditions.
//!
//! Nothing is decided here that the domain could decide, and nothing that was accepted lives in
//! this process alone: it may die after any write.

mod act;
mod conditions;
pub mod controller;
mod flow;
mod known;
mod observe;
mod read;
mod reconcile;
mod record;
mod traces;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use promoter_domain::opt_in::OptIns;
use promoter_kubernetes::{
    access,
    events::Events,
    members::{self, Members},
    objects::{self, Objects},
    workload,
};

/// What the engine works with.
#[derive(Clone)]
pub struct Context {
    /// The control plane.
    pub control_plane: Objects,
    /// Events on objects of the control plane.
    pub events: Events,
    /// This process' name in events.
    pub instance: String,
    /// How long things may take.
    pub limits: Limits,
    /// The members.
    pub members: Arc<Members>,
    /// Which clusters may opt in to which namespaces.
    pub opt_ins: Arc<OptIns>,
    /// Since when this process carries Promotions out.
    pub started: Instant,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the commit until every member has taken the write, before it is rolled back.
    pub commit: Duration,
    /// From the first staged object until Karmada has rendered everything.
    pub staging: Duration,
}

/// The engine could not go on; it tries again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An API server could not be asked what whoever wants something may do.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// A member cannot be reached.
    #[error(transparent)]
    Member(#[from] members::Error),
    /// An API server did not do what was asked.
    #[error(transparent)]
    Objects(#[from] objects::Error),
    /// An object cannot be understood.
    #[error("{0} cannot be understood: {1}")]
    Unreadable(String, serde_json::Error),
    /// The workload could not be read.
    #[error(transparent)]
    Workload(#[from] workload::Error),
}
