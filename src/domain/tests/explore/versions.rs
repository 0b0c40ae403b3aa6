//! What tells one object, or one write of it, from another, and no more of it than that.
//!
//! Versions are only ever compared with what there is: what was seen either still is so, or is
//! not. So what there is has always the same version after an event, and whatever else is known is
//! stale. Two worlds in which the same may happen are then the same state, however often something
//! was written on the way.

use crate::world::{OBJECTS, Object, World};

/// What is not as it was any more.
const STALE: u8 = u8::MAX;

/// Which object it is, and how often it was written since the last event, as UID and resource
/// version tell.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Version {
    pub(crate) uid: u8,
    pub(crate) writes: u8,
}

impl Version {
    /// An object that was just created.
    pub(crate) const CREATED: Self = Self { uid: 1, writes: 0 };

    /// The same object after a write.
    pub(crate) fn written(self) -> Self {
        Self {
            writes: next(self.writes),
            ..self
        }
    }

    /// What was seen of something, now that this is there.
    fn compared(self, there: Option<Self>) -> Self {
        Self {
            uid: compared(self.uid, there.map(|there| there.uid)),
            writes: compared(0, there.is_some_and(|there| there == self).then_some(0)),
        }
    }
}

impl World {
    /// Forgets of all versions what nobody can tell from them.
    pub(crate) fn compare_versions(&mut self) {
        let (policies, templates) = (self.policies(), self.templates());
        for pending in self.engines.iter_mut().flatten() {
            pending.version = compared(pending.version, Some(self.record.version));
            for object in 0..OBJECTS {
                let policy = &mut pending.policies[object];
                *policy = policy.map(|seen| seen.compared(policies[object]));
                let template = &mut pending.templates[object];
                *template = template.map(|seen| seen.compared(templates[object]));
            }
        }
        self.record.version = 0;
        for object in &mut self.objects {
            object.compare_versions();
        }
    }
}

impl Object {
    fn compare_versions(&mut self) {
        let there = self.template.map(|template| template.version.uid);
        self.binding = self.binding.map(|uid| compared(uid, there));
        if let Some(work) = &mut self.work {
            work.template = compared(work.template, there);
        }
        if let Some(policy) = &mut self.policy {
            policy.template = policy.template.map(|uid| compared(uid, there));
            policy.version = Version::default();
        }
        if let Some(template) = &mut self.template {
            template.version = Version::default();
        }
    }
}

/// The version after a write.
pub(crate) const fn next(version: u8) -> u8 {
    version + 1
}

fn compared(seen: u8, there: Option<u8>) -> u8 {
    if Some(seen) == there { 0 } else { STALE }
}
