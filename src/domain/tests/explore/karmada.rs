//! Karmada as it was seen on a real fleet: what it does with what stands in the control plane.

use promoter_api::promotion::Phase;

use crate::world::{OBJECTS, WORKLOAD, Work, World};

/// Something that Karmada does with one object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    /// Binds a claimed template.
    Bind(usize),
    /// Begins to delete what it rendered of a template that is gone.
    Collect(usize),
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
        let claimed = object.template.filter(|template| !template.held);
        if claimed.is_some() && object.policy.is_some() && !object.binding {
            events.push(Event::Bind(index));
        }
        if object.binding && rendered(world, index).is_some_and(|work| object.work != Some(work)) {
            events.push(Event::Render(index));
        }
        let Some(work) = object.work else { continue };
        if object.template.is_none() && !work.deleting {
            events.push(Event::Collect(index));
        }
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
        Event::Bind(index) => world.objects[index].binding = true,
        Event::Collect(index) => {
            world.objects[index].binding = false;
            if let Some(work) = &mut world.objects[index].work {
                work.deleting = true;
            }
        }
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
    let template = object.template.filter(|template| !template.held)?;
    let settings = object.policy?.settings;
    let before = object.work.filter(|work| !work.deleting);
    if object.work.is_some() && before.is_none() {
        return object.work;
    }
    let changed = before.is_some_and(|before| {
        (before.edit, before.replicas, before.retains)
            != (template.edit, template.replicas, template.retains)
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
