//! The webhook's certificate, where no person and no other program makes it.
//!
//! One authority and one certificate are kept in one Secret, which all replicas share, and API
//! servers are told of the authority in the `caBundle` of the webhook's own configurations.
//!
//! - [`contents`]: what is in the Secret, and whether it is of use;
//! - [`decide`]: what is to be done about it, purely;
//! - [`issue`]: new authorities and certificates;
//! - [`bundle`]: what API servers are to know;
//! - [`keeper`]: does all that, again and again.
//!
//! Keys are in no message and in no log, and no type with one can be printed.

pub mod bundle;
pub mod contents;
pub mod decide;
pub mod issue;
pub mod keeper;
mod parsed;

pub use keeper::{Keeper, Settings};
