//! The admission webhook: API servers ask it before they keep an object.
//!
//! - [`server`]: sockets, TLS, HTTP, and what a hostile client may not do;
//! - `routes`: from a path and a body to an answer, without a socket;
//! - `review`: the AdmissionReview around a request, read and written;
//! - `promotion`: whom a Promotion acts as.
//!
//! What is decided is decided by pure functions of the request: nothing is looked up, nothing is
//! remembered, and every replica answers the same.

mod promotion;
mod review;
mod routes;
pub mod server;

pub use routes::Routes;
