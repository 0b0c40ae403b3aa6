//! One process as its supervisor knows it.

use std::process::{Child, ExitStatus};

use super::{Identity, Program};

/// What became of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    /// It has ended; how is known of own children only.
    Ended(Option<ExitStatus>),
}

pub(super) struct Entry {
    pub(super) program: Program,
    pub(super) identity: Identity,
    /// There when this process started it.
    pub(super) child: Option<Child>,
    pub(super) life: Life,
    /// Whether somebody asked it to end, so that its end is no mishap.
    pub(super) end_wanted: bool,
}

impl Entry {
    pub(super) fn started(program: Program, child: Child) -> Self {
        Self {
            program,
            identity: Identity::of(child.id()),
            child: Some(child),
            life: Life::Running,
            end_wanted: false,
        }
    }

    /// One that another process has started.
    pub(super) fn found(program: Program, identity: Identity) -> Self {
        Self {
            program,
            identity,
            child: None,
            life: Life::Running,
            end_wanted: false,
        }
    }

    /// Looks whether it still runs. A child is asked for, so that it does not stay a zombie.
    pub(super) fn look(&mut self) -> Life {
        if self.life == Life::Running {
            self.life = match &mut self.child {
                Some(child) => match child.try_wait() {
                    Ok(None) => Life::Running,
                    Ok(Some(status)) => Life::Ended(Some(status)),
                    Err(_) => Life::Ended(None),
                },
                None if self.identity.is_alive() => Life::Running,
                None => Life::Ended(None),
            };
        }
        self.life
    }
}
