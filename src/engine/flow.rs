//! When a Promotion is to be looked at again.

use std::time::Duration;

/// What is to happen after an action.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Flow {
    /// Look again after a while, or sooner when something changes.
    After(Duration),
    /// Look again at once.
    Again,
    /// Look again when something changes.
    Rest,
}
