//! Every state that can be reached from a beginning, and whether what must hold does.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    rc::Rc,
};

use promoter_api::promotion::{DesiredState, Phase};

use crate::{events::Event, world::World};

/// What is explored, and what came of it.
struct Explored {
    /// How each state was reached first.
    came_from: Vec<Option<(usize, Event)>>,
    states: Vec<Rc<World>>,
    /// For each state, those that the engine or Karmada lead to from it.
    successors: Vec<Vec<usize>>,
}

/// Explores everything from a beginning, and fails unless it ends well, whatever happens, in each of
/// these phases and in no other, unless it is forgotten.
pub(crate) fn explored(name: &str, beginning: World, phases: &[Phase]) {
    let alone = !beginning.second_engine;
    let explored = Explored::from(beginning);
    // What a second engine has left behind is nobody's to take away.
    if alone {
        explored.assert_ends();
    }
    let ends = explored.states.iter().filter(|world| world.is_ended());
    println!(
        "{name}: {} states, {} of them ends",
        explored.states.len(),
        ends.clone().count()
    );
    // Where it is deleted and forgotten, there is no phase to be in.
    let recorded = ends.filter(|world| !world.forgotten);
    let words = |phases: &mut dyn Iterator<Item = Phase>| -> BTreeSet<String> {
        phases.map(|phase| phase.to_string()).collect()
    };
    assert_eq!(
        words(&mut recorded.map(|world| world.record.phase)),
        words(&mut phases.iter().copied()),
        "{name}: the phases in which it ends"
    );
}

/// How it is when everything is staged and rehearsed, and nobody has decided on anything yet.
pub(crate) fn rehearsed() -> World {
    let explored = Explored::from(World::new(DesiredState::Promoted));
    let mut states = explored.states.iter();
    let rehearsed = states.find(|world| {
        world.record.phase == Phase::Committing && world.engines.iter().all(Option::is_none)
    });
    World::clone(rehearsed.expect("a promotion is committed"))
}

impl Explored {
    /// Follows every event from a beginning, and stops at the first violation, with the way to it.
    fn from(beginning: World) -> Self {
        let beginning = Rc::new(beginning);
        let mut known = HashMap::from([(Rc::clone(&beginning), 0)]);
        let mut explored = Self {
            came_from: vec![None],
            states: vec![beginning],
            successors: vec![Vec::new()],
        };
        let mut queue = VecDeque::from([0]);
        while let Some(index) = queue.pop_front() {
            let world = Rc::clone(&explored.states[index]);
            for event in world.events() {
                let next = Rc::new(world.after(event));
                let target = *known.entry(Rc::clone(&next)).or_insert_with(|| {
                    explored.states.push(Rc::clone(&next));
                    explored.successors.push(Vec::new());
                    explored.came_from.push(Some((index, event)));
                    queue.push_back(explored.states.len() - 1);
                    explored.states.len() - 1
                });
                if let Some(violation) = next.violation {
                    panic!("{violation}\n{}", explored.way(target));
                }
                let targets = &mut explored.successors[index];
                if event.goes_on_by_itself() && target != index && !targets.contains(&target) {
                    targets.push(target);
                }
            }
        }
        explored
    }

    /// Fails unless every way on which only the engine and Karmada act comes to an end, and what
    /// has ended stays so.
    fn assert_ends(&self) {
        let ended: Vec<_> = self.states.iter().map(|world| world.is_ended()).collect();
        let not_ended = |target: &&usize| !ended[**target];
        // How many ways on there are that are not known to come to an end.
        let mut open = vec![0; self.states.len()];
        let mut predecessors = vec![Vec::new(); self.states.len()];
        for (index, targets) in self.successors.iter().enumerate() {
            for target in targets.iter().filter(not_ended) {
                assert!(
                    !ended[index],
                    "it had ended, and goes on\n{}",
                    self.way(*target)
                );
                open[index] += 1;
                predecessors[*target].push(index);
            }
            assert!(
                ended[index] || !targets.is_empty(),
                "from here nothing goes on\n{}",
                self.way(index)
            );
        }
        let mut left = ended.iter().filter(|ended| !**ended).count();
        let mut queue: VecDeque<_> = (0..self.states.len())
            .filter(|index| !ended[*index] && open[*index] == 0)
            .collect();
        while let Some(index) = queue.pop_front() {
            left -= 1;
            for predecessor in &predecessors[index] {
                open[*predecessor] -= 1;
                if open[*predecessor] == 0 {
                    queue.push_back(*predecessor);
                }
            }
        }
        if left > 0 {
            let round = self.round(&ended, &open);
            panic!("from here it may go round for ever\n{round}");
        }
    }

    /// A way round that comes to no end, and the way to it.
    fn round(&self, ended: &[bool], open: &[usize]) -> String {
        let goes_round = |index: usize| !ended[index] && open[index] > 0;
        let mut index = (0..self.states.len())
            .find(|index| goes_round(*index))
            .unwrap_or_default();
        let mut passed = Vec::new();
        while !passed.contains(&index) {
            passed.push(index);
            let mut targets = self.successors[index].iter();
            index = targets
                .find(|target| goes_round(**target))
                .copied()
                .unwrap_or(index);
        }
        let begins = passed.iter().position(|it| *it == index).unwrap_or(0);
        let mut lines = vec![self.way(index)];
        for step in &passed[begins..] {
            lines.push(format!("round: {:?}", self.states[*step]));
        }
        lines.join("\n")
    }

    /// The events that lead to a state, and the state.
    fn way(&self, mut index: usize) -> String {
        let last = format!("{:?}", self.states[index]);
        let mut events = Vec::new();
        while let Some((before, event)) = self.came_from[index] {
            events.push(format!(
                "  {event:?} in {:?}",
                self.states[before].record.phase
            ));
            index = before;
        }
        events.reverse();
        format!("{}\n{last}", events.join("\n"))
    }
}
