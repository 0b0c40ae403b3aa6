//! What the tests are written with.
//!
//! - [`fleet`]: the run's shared fleet, and fleets of a test's own;
//! - [`Scene`]: one test's namespace in the control plane and in every member, and what a user
//!   does there: annotate, promote, release;
//! - [`Cluster`] and [`Kind`]: objects of one API server, as JSON;
//! - [`Workload`]: a Deployment with all that it needs, running in a member;
//! - [`Before`]: the proof that a workload's pods were left alone;
//! - [`Hub`]: a hub behind a proxy of its own;
//! - [`settled`]: the proof that a promotion was completed, once;
//! - [`secret_value`]: what Secrets carry, and is found nowhere else after the run;
//! - [`marks`]: the proof that no trace of Karmada is left;
//! - [`Kubectl`]: kubectl, as somebody in a member runs it;
//! - [`opting_in`]: what somebody is told who opts in;
//! - [`Recording`]: everything that ever happened to the objects of a kind;
//! - [`Writes`]: the proof that nothing was written to what was refused;
//! - [`promoter`]: the promoter's webhook, and how often it is asked;
//! - [`kubectl_promote`]: `kubectl promote …`, with its exit code and all that it printed;
//! - [`proxy`]: the fleet's API servers, with a proxy before them that can be told to fail;
//! - [`chart`]: the chart, installed by helm, and run as a node would run it;
//! - [`Rules`] and [`Webhook`]: what a member's administrator sets up for one namespace;
//! - [`user`]: people with rights of their own;
//! - [`sample`]: how much of what could be tested is tested.
#![allow(dead_code, reason = "not every filter of the tests uses everything")]

mod answer;
mod before;
pub(crate) mod chart;
mod cluster;
pub(crate) mod edits;
pub(crate) mod fleet;
mod hub;
mod kept;
mod kind;
pub(crate) mod kubectl;
pub(crate) mod marked;
pub(crate) mod marks;
pub(crate) mod opting_in;
pub(crate) mod plugin;
pub(crate) mod promoter;
pub(crate) mod proxy;
mod recording;
mod refusal;
mod rules;
pub(crate) mod sample;
mod scene;
pub(crate) mod settled;
pub(crate) mod sight;
pub(crate) mod user;
mod wait;
mod webhook;
mod workload;
mod writes;

pub(crate) use before::Before;
pub(crate) use cluster::{Cluster, Identity};
pub(crate) use hub::{Did, Hub};
pub(crate) use kind::Kind;
pub(crate) use kubectl::Kubectl;
pub(crate) use marked::secret_value;
pub(crate) use plugin::{Answer, kubectl_promote};
pub(crate) use promoter::Promoter;
pub(crate) use recording::Recording;
pub(crate) use rules::{Probe, Rules, create_probe, karmada_in, of_namespace};
pub(crate) use scene::{Scene, manifest};
pub(crate) use wait::{LIMIT, eventually};
pub(crate) use webhook::{INJECTED, Injects, Webhook};
pub(crate) use workload::{Workload, pull_secret, until_running};
pub(crate) use writes::{Allowed, Writes};
