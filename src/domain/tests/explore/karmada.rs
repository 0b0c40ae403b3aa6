//! Karmada as it was seen on a real fleet: what it does with what stands in the control plane.

use promoter_api::promotion::Phase;

use crate::world::{Maker, OBJECTS, WORKLOAD, Work, World};

/// Something that Karmada does with one object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    /// Binds a claimed template.
    Bind(usize),
    /// Claims a template for the policy that selects its name.
    Claim(usize),
    /// Begins to delete what it rendered of a template that is gone.
    Collect(usize),
    /// Takes off the claim of a policy that is gone. What it rendered stays.
    Disclaim(usize),
    /// Writes into the member.
    Dispatch(usize),
    /// Ends a Work that is on its way out.
    Finalize(usize),
    /// Renders a template, or brings the Work in line with policy and template.
    Render(usize),
    /// Says that it dispatches nothing.
    Stop(usize),
}

/// What Karmada may do next.
pub(crate) fn events(world: &World) -> Vec<Event> {
    let mut events = Vec::new();
    for (index, object) in world.objects.iter().enumerate().take(OBJECTS) {
        if let Some(template) = object.template {
            let uid = template.version.uid;
            match (object.policy, template.claimed) {
                (Some(_), false) if !template.held => events.push(Event::Claim(index)),
                (None, true) => events.push(Event::Disclaim(index)),
                (Some(_), true) if object.binding != Some(uid) => events.push(Event::Bind(index)),
                _ => {}
            }
        }
        if rendered(world, index).is_some_and(|work| object.work != Some(work)) {
            events.push(Event::Render(index));
        }
        let there = object.template.map(|template| template.version.uid);
        let lost = |uid| Some(uid) != there;
        let work = object.work.filter(|work| !work.deleting);
        if object.binding.is_some_and(lost)
            || (object.binding.is_none() && work.is_some_and(|work| lost(work.template)))
        {
            events.push(Event::Collect(index));
        }
        let Some(work) = object.work else { continue };
        let undoes = object.member.taken_over && is_edited(world, index, work);
        let answered = work.applied == Some(!refuses(world, index, work));
        if !work.deleting
            && !work.suspended
            && (!answered || (undoes && !refuses(world, index, work)))
        {
            events.push(Event::Dispatch(index));
        }
        if !work.deleting && work.suspended && !work.stopped {
            events.push(Event::Stop(index));
        }
        let for_ever = work.preserve && !object.member.taken_over && !work.overwrite;
        let refused = work.preserve && world.is_guarded() && is_edited(world, index, work);
        if work.deleting && !for_ever && !refused {
            events.push(Event::Finalize(index));
        }
    }
    events
}

/// Lets it happen.
pub(crate) fn happen(world: &mut World, event: Event) {
    match event {
        Event::Bind(index) => {
            let object = &mut world.objects[index];
            object.binding = object.template.map(|template| template.version.uid);
        }
        Event::Claim(index) => claim(world, index, true),
        Event::Collect(index) => {
            world.objects[index].binding = None;
            if let Some(work) = &mut world.objects[index].work {
                work.deleting = true;
            }
        }
        Event::Disclaim(index) => claim(world, index, false),
        Event::Dispatch(index) => dispatch(world, index),
        Event::Finalize(index) => finalize(world, index),
        Event::Render(index) => world.objects[index].work = rendered(world, index),
        Event::Stop(index) => {
            if let Some(work) = &mut world.objects[index].work {
                work.stopped = true;
            }
        }
    }
}

fn claim(world: &mut World, index: usize, claimed: bool) {
    if let Some(template) = &mut world.objects[index].template {
        template.claimed = claimed;
        template.version = template.version.written();
    }
}

/// Whether the member refuses Karmada's write of an object.
fn refuses(world: &World, index: usize, work: Work) -> bool {
    let guarded = world.is_guarded() && is_edited(world, index, work);
    index == WORKLOAD && (world.refuses_writes || guarded)
}

/// Whether Karmada's write would undo an edit.
fn is_edited(world: &World, index: usize, work: Work) -> bool {
    index == WORKLOAD && world.objects[index].member.edit != work.edit
}

/// The Work as policy and template would have it now.
fn rendered(world: &World, index: usize) -> Option<Work> {
    let object = &world.objects[index];
    let template = object.template.filter(|template| template.claimed)?;
    if object.binding != Some(template.version.uid) {
        return None;
    }
    let settings = object.policy?.settings;
    let before = object.work.filter(|work| !work.deleting);
    if object.work.is_some() && before.is_none() {
        return object.work;
    }
    let changed = before.is_some_and(|before| {
        (
            before.edit,
            before.replicas,
            before.retains,
            before.template,
        ) != (
            template.edit,
            template.replicas,
            template.retains,
            template.version.uid,
        )
    });
    Some(Work {
        applied: before
            .and_then(|before| before.applied)
            .filter(|_| !changed),
        deleting: false,
        edit: template.edit,
        generation: template.generation,
        overwrite: settings.overwrite,
        preserve: settings.preserve,
        refused_by_guard: false,
        replicas: template.replicas,
        retains: template.retains,
        stopped: before.is_some_and(|before| before.stopped) && settings.suspended,
        suspended: settings.suspended,
        template: template.version.uid,
        maker: template.maker,
    })
}

fn dispatch(world: &mut World, index: usize) {
    let Some(mut work) = world.objects[index].work else {
        return;
    };
    let refuses = refuses(world, index, work);
    let taken_over = world.objects[index].member.taken_over;
    if refuses || !(taken_over || work.overwrite) {
        work.applied = Some(false);
        work.refused_by_guard = world.is_guarded() && is_edited(world, index, work);
        world.objects[index].work = Some(work);
        return;
    }
    work.applied = Some(true);
    work.refused_by_guard = false;
    world.objects[index].work = Some(work);
    write(world, index, work);
    world.objects[index].member.taken_over = true;
    world.objects[index].member.marks = true;
}

/// Ends a Work as Karmada's execution controller does.
fn finalize(world: &mut World, index: usize) {
    let Some(work) = world.objects[index].work.take() else {
        return;
    };
    let member = world.objects[index].member;
    if !work.preserve {
        if member.taken_over {
            world.violation = Some("the object was deleted in the member");
        }
        return;
    }
    // What is preserved is written once more, taken over or not.
    if !member.taken_over {
        world.violation =
            Some("the member was written to by the deletion of what was never taken over");
        return;
    }
    write(world, index, work);
    world.objects[index].member.taken_over = false;
}

/// A write into the member, which must change nothing but marks.
fn write(world: &mut World, index: usize, work: Work) {
    if !world.record.rehearsed {
        world.violation = Some("the member was written to before a rehearsal passed");
    }
    if work.maker == Maker::Person {
        world.violation = Some("the member was written to with what somebody else made");
    }
    if index != WORKLOAD {
        return;
    }
    let promoted = matches!(world.record.phase, Phase::Promoted | Phase::Releasing);
    let unguarded = world.late && !world.is_guarded();
    let member = &mut world.objects[index].member;
    member.generation = Some(work.generation);
    if work.edit != member.edit {
        if unguarded && member.edit {
            member.edit = false;
            member.undone = true;
        } else if unguarded {
            // Only now it is in the template.
            member.edit = true;
        } else {
            world.violation = Some("a person's edit was undone");
        }
    }
    if !work.retains && work.replicas != member.replicas && !promoted {
        world.violation = Some("the workload was scaled by the promotion");
    }
}
