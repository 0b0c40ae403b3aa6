//! What an administrator installs, as pure values: whoever applies or prints them decides nothing.
//!
//! - [`control_plane`]: the types, rights and admission of Promotions, in the control plane;
//! - [`member`]: the guard, in a member cluster.

pub mod control_plane;
pub mod member;
