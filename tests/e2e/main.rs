//! The promoter against real Karmada, end to end.
//!
//! `cargo xtask test` starts a fleet for the run; without one, the tests start their own:
//! `cargo test --features e2e --test e2e NAME`. What the tests share is in [`support`]. Each test
//! has a namespace of its own; one that breaks things, or that would disturb others, has a fleet
//! of its own.
//!
//! - `PROMOTER_TEST_FLEET`: the name of the fleet to use, with a promoter in it;
//! - `PROMOTER_TEST_FULL=1`: do all that is otherwise sampled;
//! - `PROMOTER_TEST_SEED`: draw the same sample again.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod answers;
mod authorization;
mod autoscaled;
mod capture;
mod chart;
mod control_plane;
mod crash;
mod denied;
mod dependencies;
mod door;
mod faults;
mod federated;
mod from_templates;
mod guard;
mod held;
mod kill_points;
mod kubernetes_cases;
mod large;
mod late_edits;
mod leader;
mod managed;
mod meanwhile;
mod namespace_opt_in;
mod namespaces;
mod opt_in;
mod opt_in_federated;
mod ordinary;
mod owners;
mod partway;
mod plugin;
mod preconditions;
mod promote;
mod readme;
mod refuse;
mod release;
mod requester;
mod rollback;
mod servers;
mod shared;
mod stamps;
mod support;
mod unanswered;
mod unconcerned;
mod unstamped;
mod versions;
mod webhook_certificate;
mod webhook_chart;
