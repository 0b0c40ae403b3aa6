//! The admission webhook: API servers ask it before they keep an object.
//!
//! - [`server`]: sockets, TLS, HTTP, and what a hostile client may not do;
//! - [`health`]: whether it lives and is ready, and its figures, `metrics`;
//! - `routes`: from a path and a body to an answer, without a socket;
//! - `review`: the AdmissionReview around a request, read and written;
//! - `json`: what is wanted of a long text, without reading all of it;
//! - `promotion`: whom a Promotion acts as;
//! - `opt_in`: who opts something of a member in, and whether it may be;
//! - [`index`]: what the control plane has, as far as that decides.
//!
//! What is decided is decided by pure functions of the request and of the index: nothing is looked
//! up meanwhile, nothing that was asked is remembered, and every replica answers the same.

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod health;
pub mod index;
mod json;
mod metrics;
mod opt_in;
mod promotion;
mod review;
mod routes;
pub mod server;
#[cfg(test)]
mod suites;

pub use routes::Routes;
