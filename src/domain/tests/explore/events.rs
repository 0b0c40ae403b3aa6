//! What may happen, and what the world is like afterwards.

use promoter_api::promotion::{DesiredState, Phase};

use crate::{
    karmada,
    versions::{Version, next},
    world::{Maker, OBJECTS, Template, WORKLOAD, World},
};

/// Something that happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    ChangeMind,
    Crash(usize),
    /// Somebody creates a template under the name of an object.
    Create(usize),
    Decide(usize),
    /// The phase has lasted too long, and then an engine decides.
    DecideOverdue(usize),
    Delete,
    Edit,
    Intrude(DesiredState),
    Karmada(karmada::Event),
    /// Karmada takes the claim off a template.
    LoseClaim(usize),
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
            | Self::Create(_)
            | Self::Delete
            | Self::Edit
            | Self::Intrude(_)
            | Self::LoseClaim(_)
            | Self::RefuseWrites
            | Self::Scale => false,
        }
    }
}

impl World {
    /// What may happen next.
    pub(crate) fn events(&self) -> Vec<Event> {
        let anew = matches!(self.record.phase, Phase::Pending | Phase::Waiting);
        if self.violation.is_some() || (self.once && anew) {
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
        events.extend(self.of_templates());
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
            Event::Create(object) => {
                world.may_create = false;
                world.create(object);
            }
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
            Event::LoseClaim(object) => {
                world.may_lose_claim = false;
                if let Some(template) = &mut world.objects[object].template {
                    template.claimed = false;
                    template.version = template.version.written();
                }
            }
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
        world.compare_versions();
        world
    }

    /// What may happen to the templates.
    fn of_templates(&self) -> Vec<Event> {
        let mut events = Vec::new();
        // Later on, the name is taken, or what is created under it is to take over.
        let staged = matches!(self.record.phase, Phase::Staging | Phase::Abandoning);
        for object in 0..OBJECTS {
            let template = self.objects[object].template;
            if self.may_create && staged && template.is_none() {
                events.push(Event::Create(object));
            }
            let staging = self.record.phase == Phase::Staging;
            if self.may_lose_claim && staging && template.is_some_and(|it| it.claimed) {
                events.push(Event::LoseClaim(object));
            }
        }
        events
    }

    fn create(&mut self, object: usize) {
        self.objects[object].template = Some(Template {
            version: Version::CREATED,
            maker: Maker::Person,
            claimed: false,
            held: false,
            replicas: 1,
            retains: false,
            edit: false,
            generation: 0,
        });
    }

    /// A write of the spec is a write of the Promotion: what was decided on before, about its
    /// status, is refused.
    fn edit_spec(&mut self, desired: DesiredState, permitted: bool) {
        self.intent.desired = desired;
        self.intent.generation += 1;
        self.intent.permitted = permitted;
        self.record.version = next(self.record.version);
    }
}
