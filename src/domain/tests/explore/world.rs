//! The world: what the promoter has recorded, what stands in the control plane and in the member,
//! and what may happen next.

use promoter_api::{
    promotion::{DependencyKind, DesiredState, Phase},
    reason::Reason,
};
use promoter_domain::{object::ObjectKey, observation::PolicySettings, step::Action};

use crate::karmada;

pub(crate) const CLUSTER: &str = "member1";
/// The dependency, and then the workload.
pub(crate) const OBJECTS: usize = 2;
pub(crate) const WORKLOAD: usize = 1;

/// Everything there is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "they are independent of each other"
)]
pub(crate) struct World {
    pub(crate) engines: [Option<Pending>; 2],
    pub(crate) intent: Desire,
    pub(crate) namespace: bool,
    pub(crate) objects: [Object; OBJECTS],
    pub(crate) record: Record,
    pub(crate) forgotten: bool,
    /// The member can refuse Karmada's writes that would undo an edit.
    pub(crate) guard_installed: bool,
    /// The guard was lifted in the end: what is edited from now on is Karmada's to undo.
    pub(crate) lifted: bool,
    /// A person's edit that nothing guards, so that Karmada may undo it.
    pub(crate) late: bool,
    /// One that is not to be lost for good: it was made before the promotion was verified.
    pub(crate) owed: bool,
    pub(crate) violation: Option<&'static str>,
    /// The member refuses Karmada's writes to the workload, but no dry runs.
    pub(crate) refuses_writes: bool,
    /// What a person edits needs other objects than were staged.
    pub(crate) edit_needs_more: bool,
    // What may still happen.
    pub(crate) incompatible: bool,
    pub(crate) may_change_mind: bool,
    pub(crate) may_delete: bool,
    pub(crate) may_edit: bool,
    /// Somebody may ask who may not have it, for the same or for something else.
    pub(crate) may_intrude: bool,
    pub(crate) may_refuse_writes: bool,
    pub(crate) second_engine: bool,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Desire {
    pub(crate) deleted: bool,
    pub(crate) desired: DesiredState,
    /// Changes with every edit of the spec.
    pub(crate) generation: u8,
    /// Whoever edited it last may have what they ask for.
    pub(crate) permitted: bool,
}

/// What the status says.
#[allow(
    clippy::struct_excessive_bools,
    reason = "they are independent of each other"
)]
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Record {
    pub(crate) phase: Phase,
    pub(crate) placed: bool,
    pub(crate) planned: bool,
    pub(crate) reason: Option<Reason>,
    pub(crate) rehearsed: bool,
    /// The edit that is being carried.
    pub(crate) carrying: Option<bool>,
    /// Whether an edit was carried.
    pub(crate) edited: bool,
    /// The workload as it was rehearsed, or as it was carried last.
    pub(crate) expected: Option<bool>,
    pub(crate) guarded: Option<bool>,
    /// The generation of the spec that the status answers.
    pub(crate) answered: u8,
    /// The last generation that was found to be permitted.
    pub(crate) authorized: Option<u8>,
    /// Changes with every write of the status, as a resource version does; kept small.
    pub(crate) version: u8,
}

#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Object {
    pub(crate) binding: bool,
    pub(crate) member: Member,
    pub(crate) policy: Option<Policy>,
    pub(crate) template: Option<Template>,
    pub(crate) work: Option<Work>,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Policy {
    pub(crate) settings: PolicySettings,
    /// Changes with every write, as a resource version does; kept small.
    pub(crate) version: u8,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Template {
    pub(crate) version: u8,
    pub(crate) held: bool,
    pub(crate) replicas: u8,
    pub(crate) retains: bool,
    /// A person's edit that it was made before.
    pub(crate) edit: bool,
    /// Changes with every write of the spec; kept small.
    pub(crate) generation: u8,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "they are independent of each other"
)]
pub(crate) struct Work {
    pub(crate) applied: Option<bool>,
    pub(crate) deleting: bool,
    pub(crate) edit: bool,
    pub(crate) generation: u8,
    pub(crate) overwrite: bool,
    pub(crate) preserve: bool,
    pub(crate) refused_by_guard: bool,
    pub(crate) replicas: u8,
    pub(crate) retains: bool,
    pub(crate) stopped: bool,
    pub(crate) suspended: bool,
}

#[allow(
    clippy::struct_excessive_bools,
    reason = "they are independent of each other"
)]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Member {
    pub(crate) edit: bool,
    /// The template's generation that Karmada wrote last.
    pub(crate) generation: Option<u8>,
    pub(crate) guarded: bool,
    pub(crate) marks: bool,
    pub(crate) replicas: u8,
    pub(crate) taken_over: bool,
    /// Karmada's write has undone an edit.
    pub(crate) undone: bool,
}

/// An action that an engine has decided on and has not finished.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Pending {
    pub(crate) action: Action,
    /// What was seen when it was decided: the versions of the status, the policies, the templates.
    pub(crate) version: u8,
    pub(crate) edit: bool,
    pub(crate) policies: [Option<u8>; OBJECTS],
    pub(crate) templates: [Option<u8>; OBJECTS],
}

/// Something that happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    ChangeMind,
    Crash(usize),
    Decide(usize),
    /// The phase has lasted too long, and then an engine decides.
    DecideOverdue(usize),
    Delete,
    Edit,
    Intrude(DesiredState),
    Karmada(karmada::Event),
    Perform(usize),
    RefuseWrites,
    Scale,
}

impl Event {
    /// Whether it happens without anybody's doing, and cannot be put off for ever.
    pub(crate) fn goes_on_by_itself(self) -> bool {
        match self {
            Self::Decide(_) | Self::DecideOverdue(_) | Self::Karmada(_) | Self::Perform(_) => true,
            Self::ChangeMind
            | Self::Crash(_)
            | Self::Delete
            | Self::Edit
            | Self::Intrude(_)
            | Self::RefuseWrites
            | Self::Scale => false,
        }
    }
}

impl Default for Member {
    fn default() -> Self {
        Self {
            edit: false,
            generation: None,
            guarded: false,
            marks: false,
            replicas: 2,
            taken_over: false,
            undone: false,
        }
    }
}

impl World {
    /// A Promotion that was just asked for.
    pub(crate) fn new(desired: DesiredState) -> Self {
        Self {
            engines: [None, None],
            edit_needs_more: false,
            forgotten: false,
            guard_installed: false,
            incompatible: false,
            intent: Desire {
                deleted: false,
                desired,
                generation: 1,
                permitted: true,
            },
            late: false,
            lifted: false,
            may_change_mind: false,
            may_delete: false,
            may_edit: false,
            may_intrude: false,
            may_refuse_writes: false,
            namespace: false,
            objects: Default::default(),
            owed: false,
            record: Record {
                answered: 1,
                authorized: None,
                carrying: None,
                edited: false,
                expected: None,
                guarded: None,
                phase: Phase::Pending,
                placed: false,
                planned: false,
                reason: None,
                rehearsed: false,
                version: 0,
            },
            refuses_writes: false,
            second_engine: false,
            violation: None,
        }
    }

    /// What may happen next.
    pub(crate) fn events(&self) -> Vec<Event> {
        if self.violation.is_some() {
            return Vec::new();
        }
        let mut events: Vec<_> = karmada::events(self)
            .into_iter()
            .map(Event::Karmada)
            .collect();
        let engines = if self.second_engine { 2 } else { 1 };
        for engine in 0..engines {
            if self.engines[engine].is_some() {
                events.extend([Event::Perform(engine), Event::Crash(engine)]);
            } else if !self.forgotten {
                events.push(Event::Decide(engine));
                if matches!(self.record.phase, Phase::Staging | Phase::Committing) {
                    events.push(Event::DecideOverdue(engine));
                }
            }
        }
        if self.may_change_mind {
            events.push(Event::ChangeMind);
        }
        if self.may_intrude {
            let wishes = [DesiredState::Promoted, DesiredState::Released];
            events.extend(wishes.map(Event::Intrude));
        }
        if self.may_delete {
            events.push(Event::Delete);
        }
        if self.may_refuse_writes && !self.objects[WORKLOAD].member.taken_over {
            events.push(Event::RefuseWrites);
        }
        let under_way = match self.record.phase {
            Phase::Pending
            | Phase::Staging
            | Phase::Abandoning
            | Phase::Committing
            | Phase::Verifying
            | Phase::Settling => true,
            // Karmada's last write is guarded from the moment on that the status says so.
            Phase::RollingBack | Phase::Releasing => self.is_guarded(),
            _ => false,
        };
        if self.may_edit && under_way && !self.lifted {
            events.push(Event::Edit);
            if self.is_before_commit() {
                events.push(Event::Scale);
            }
        }
        events
    }

    /// The world after something has happened.
    pub(crate) fn after(&self, event: Event) -> Self {
        let mut world = self.clone();
        match event {
            Event::ChangeMind => {
                world.may_change_mind = false;
                world.edit_spec(DesiredState::Released, true);
            }
            Event::Crash(engine) => world.engines[engine] = None,
            Event::Decide(engine) => world.decide(engine, false),
            Event::DecideOverdue(engine) => world.decide(engine, true),
            Event::Delete => {
                world.may_delete = false;
                world.intent.deleted = true;
            }
            Event::Edit => {
                world.may_edit = false;
                // What is edited in time is never undone, whether there is a guard or not.
                world.late = !world.is_guarded() && !world.is_before_commit();
                world.owed = world.late && world.record.phase != Phase::Settling;
                world.objects[WORKLOAD].member.edit = true;
            }
            Event::Intrude(desired) => {
                world.may_intrude = false;
                world.edit_spec(desired, false);
            }
            Event::Karmada(event) => karmada::happen(&mut world, event),
            Event::Perform(engine) => world.perform(engine),
            Event::RefuseWrites => {
                world.may_refuse_writes = false;
                world.refuses_writes = true;
            }
            Event::Scale => {
                world.may_edit = false;
                world.objects[WORKLOAD].member.replicas = 3;
            }
        }
        world
    }

    /// Whether the member refuses Karmada's writes that would undo an edit.
    pub(crate) fn is_guarded(&self) -> bool {
        self.guard_installed && self.objects[WORKLOAD].member.guarded
    }

    /// Whether nothing was committed, and nobody is about to.
    fn is_before_commit(&self) -> bool {
        let suspended = self
            .objects
            .iter()
            .all(|object| object.policy.is_none_or(|policy| policy.settings.suspended));
        let committing = self
            .engines
            .iter()
            .flatten()
            .any(|pending| matches!(pending.action, Action::Commit(_)));
        suspended && !committing
    }

    fn is_answered(&self) -> bool {
        self.record.answered == self.intent.generation
    }

    /// A write of the spec is a write of the Promotion: what was decided on before, about its
    /// status, is refused.
    fn edit_spec(&mut self, desired: DesiredState, permitted: bool) {
        self.intent.desired = desired;
        self.intent.generation += 1;
        self.intent.permitted = permitted;
        self.record.version = next(self.record.version);
    }

    /// Whether nothing is left to be done, and nothing half done remains.
    pub(crate) fn is_ended(&self) -> bool {
        if self.objects[WORKLOAD].member.guarded {
            return false;
        }
        let nothing = self.objects.iter().all(|object| {
            object.policy.is_none() && object.template.is_none() && object.work.is_none()
        });
        let free = self.objects.iter().all(|object| !object.member.taken_over);
        let kept = self.objects.iter().all(|object| {
            object.member.taken_over
                && object.work.is_some_and(|work| {
                    work.applied == Some(true)
                        && !work.suspended
                        && !work.preserve
                        && !work.overwrite
                })
                && object
                    .template
                    .is_some_and(|template| !template.held && !template.retains)
                && object
                    .policy
                    .is_some_and(|policy| !policy.settings.staged_by_us)
        });
        if self.forgotten {
            return (nothing && free) || kept;
        }
        match self.record.phase {
            Phase::Promoted => {
                let edit = self.objects[WORKLOAD]
                    .template
                    .is_some_and(|template| template.edit);
                let lost = self.owed && !edit;
                let wanted =
                    self.intent.desired == DesiredState::Promoted || !self.intent.permitted;
                kept && !lost && wanted && !self.intent.deleted && self.is_answered()
            }
            Phase::Refused | Phase::Rehearsed | Phase::Failed => {
                nothing && free && !self.intent.deleted && self.is_answered()
            }
            Phase::Released => {
                let clean = self.objects.iter().all(|object| !object.member.marks);
                nothing && free && clean && self.is_answered()
            }
            _ => false,
        }
    }
}

/// The next version; nothing lives long enough to meet the same one twice.
pub(crate) fn next(version: u8) -> u8 {
    (version + 1) % 16
}

pub(crate) fn key(index: usize) -> ObjectKey {
    if index == WORKLOAD {
        ObjectKey::deployment("web")
    } else {
        ObjectKey::dependency(DependencyKind::ConfigMap, "settings")
    }
}

pub(crate) fn index(key: &ObjectKey) -> usize {
    (0..OBJECTS)
        .find(|index| self::key(*index) == *key)
        .expect("only known objects are acted on")
}
