//! The control plane and its members, as they are reached over the network.
//!
//! - [`resource`]: where each kind of object stands in an API server;
//! - [`objects`]: reads and writes of one API server, as JSON;
//! - [`access`]: what users may do, as API servers answer it;
//! - [`members`]: the member clusters' own API servers, by the credentials that Karmada uses;
//! - [`watch`]: watches that go on through whatever happens to the API server;
//! - [`clusters`]: Karmada's Cluster objects as they come and go;
//! - [`election`]: which of several processes acts, by a Lease;
//! - [`events`]: events on objects of the control plane and of members;
//! - [`identity`]: who an API server says that somebody is;
//! - [`existing`]: what the control plane holds under the names that a promotion needs;
//! - [`workload`]: a workload with everything around it, read from a member, and [`reading`]: step
//!   by step.
//!
//! What is read here is decided on in the domain; nothing here decides but who leads.

pub mod access;
pub mod clusters;
pub mod election;
pub mod events;
pub mod existing;
pub mod identity;
pub mod members;
pub mod objects;
pub mod reading;
pub mod resource;
pub mod watch;
pub mod workload;

/// Chooses the cryptography of every TLS connection of this process.
///
/// rustls knows one per process; each binary calls this first. A second call changes nothing.
pub fn install_crypto_provider() {
    // The error is the provider that was installed before, which is what is wanted.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
