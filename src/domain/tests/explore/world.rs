//! The world: what the promoter has recorded, what stands in the control plane and in the member,
//! and what may happen next.

use promoter_api::{
    promotion::{DependencyKind, DesiredState, Phase},
    reason::Reason,
};
use promoter_domain::{object::ObjectKey, observation::PolicySettings, step::Action};

use crate::versions::Version;

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
    /// The rehearsal finds that Karmada's write would replace the pods.
    pub(crate) incompatible: bool,
    /// A promotion that is begun anew is not followed.
    pub(crate) once: bool,
    /// Two engines act, neither of which knows of the other.
    pub(crate) second_engine: bool,
    // What may still happen.
    pub(crate) may_change_mind: bool,
    pub(crate) may_delete: bool,
    pub(crate) may_edit: bool,
    /// Somebody may ask who may not have it, for the same or for something else.
    pub(crate) may_intrude: bool,
    /// Somebody creates a template of a name that is about to be used.
    pub(crate) may_create: bool,
    /// Karmada takes off a claim whose policy it has not heard of, as after a restart.
    pub(crate) may_lose_claim: bool,
    pub(crate) may_refuse_writes: bool,
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
    /// Changes with every write of the status, as a resource version does.
    pub(crate) version: u8,
}

#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Object {
    /// The UID of the template that Karmada has bound.
    pub(crate) binding: Option<u8>,
    pub(crate) member: Member,
    pub(crate) policy: Option<Policy>,
    pub(crate) template: Option<Template>,
    pub(crate) work: Option<Work>,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Policy {
    pub(crate) settings: PolicySettings,
    /// The UID of the template that was made for it.
    pub(crate) template: Option<u8>,
    pub(crate) version: Version,
}

/// Who made a template.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Maker {
    Engine,
    /// What is in it is nothing like what is in the member.
    Person,
}

#[allow(
    clippy::struct_excessive_bools,
    reason = "they are independent of each other"
)]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Template {
    pub(crate) version: Version,
    pub(crate) maker: Maker,
    /// It bears the claim of our policy.
    pub(crate) claimed: bool,
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
    /// The template that it was rendered from.
    pub(crate) template: u8,
    /// Who made that.
    pub(crate) maker: Maker,
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
    pub(crate) policies: [Option<Version>; OBJECTS],
    pub(crate) templates: [Option<Version>; OBJECTS],
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
            may_create: false,
            may_delete: false,
            may_edit: false,
            may_intrude: false,
            may_lose_claim: false,
            may_refuse_writes: false,
            namespace: false,
            objects: Default::default(),
            once: false,
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

    /// Whether the member refuses Karmada's writes that would undo an edit.
    pub(crate) fn is_guarded(&self) -> bool {
        self.guard_installed && self.objects[WORKLOAD].member.guarded
    }

    /// Whether nothing was committed, and nobody is about to.
    pub(crate) fn is_before_commit(&self) -> bool {
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

    /// Whether nothing is left to be done, and nothing half done remains.
    pub(crate) fn is_ended(&self) -> bool {
        if self.objects[WORKLOAD].member.guarded {
            return false;
        }
        let nothing = self.objects.iter().all(|object| {
            object.policy.is_none()
                && match object.template {
                    None => object.work.is_none(),
                    // What Karmada made of it stays as long as it does, and goes nowhere.
                    Some(template) => {
                        template.maker == Maker::Person
                            && !template.claimed
                            && object.work.is_none_or(|work| {
                                work.template == template.version.uid
                                    && work.suspended
                                    && !work.preserve
                                    && !work.deleting
                            })
                    }
                }
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
                    .is_some_and(|template| template.claimed && !template.retains)
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
