//! What an administrator installs, as pure values: whoever applies or prints them decides nothing.
//!
//! - [`member`]: the guard, in a member cluster.

pub mod member;
