//! The step function under every interleaving of what may happen around it.
//!
//! A small world is explored exhaustively: the engine, which does what the step function says, one
//! write at a time, and may die between any two of them; a second engine with an older view;
//! Karmada, which claims, binds, renders, dispatches and cleans up whenever it likes, and takes a
//! claim off once; a person who changes their mind, deletes the Promotion, edits the workload or
//! scales it; one who asks for what they may not have; one who creates a template of a name that is
//! being staged; a member that refuses Karmada's writes.
//!
//! # What must hold
//!
//! - Safety, in every state that can be reached: a member's object is never written to before its
//!   rehearsal passed, never deleted, never scaled, and no edit of it is lost; nothing is begun for
//!   somebody who may not have it; what somebody else made is neither changed nor deleted; a policy
//!   does not go before the template of ours that it claims.
//! - Liveness, where one engine acts: from every state that can be reached, every way on which only
//!   the engine and Karmada go on comes to an end, without waiting for luck (there is no way round);
//!   and what has ended stays so. An end is a promotion with all settled, or nothing staged at all.
//!   With a second engine that is not so: what it writes late may be left behind, under our hold,
//!   where nothing takes it up.
//! - That there is at most one template and one policy for each object cannot be violated, nor can
//!   the model: their names follow from the object's (`ObjectKey`), and the API server has one
//!   object of a name.
//!
//! # How far it goes
//!
//! One workload and one dependency (all that tells whose it is, is what the policy says of it) in
//! one member; one engine or two; of each thing that people and members may do, one occurrence, in
//! the combinations of the tests below; any number of crashes. Somebody creates a template while
//! the promotion is staged or abandoned, not later. With two engines, edits are followed from the
//! rehearsal until the promotion is begun anew. Versions are not bounded (`versions`).
//! The tests print how many states there were (`cargo test -p promoter-domain --test explore --
//! --nocapture`).

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "the whole of it is a test"
)]

mod engine;
mod events;
mod karmada;
mod search;
mod seen;
mod versions;
mod world;

use promoter_api::promotion::{DesiredState, Phase};
use search::{explored, rehearsed};
use world::World;

/// Where a promotion ends: it is refused as well when Karmada takes too long to render it, and rolled
/// back when that takes too long to take over.
const THROUGH_OR_NOT: [Phase; 3] = [Phase::Failed, Phase::Promoted, Phase::Refused];

const OR_RELEASED: [Phase; 4] = [
    Phase::Failed,
    Phase::Promoted,
    Phase::Refused,
    Phase::Released,
];

#[test]
fn a_promotion_survives_crashes_anywhere() {
    explored(
        "promotion",
        World::new(DesiredState::Promoted),
        &THROUGH_OR_NOT,
    );
}

#[test]
fn a_promotion_that_the_member_refuses_is_rolled_back() {
    let world = World {
        may_refuse_writes: true,
        ..World::new(DesiredState::Promoted)
    };
    explored("refused commit", world, &THROUGH_OR_NOT);
}

#[test]
fn a_rehearsal_that_fails_leaves_nothing() {
    let world = World {
        incompatible: true,
        ..World::new(DesiredState::Promoted)
    };
    explored("refused rehearsal", world, &[Phase::Refused]);
}

#[test]
fn a_rehearsal_alone_leaves_nothing() {
    explored(
        "rehearsal alone",
        World::new(DesiredState::Rehearsed),
        &[Phase::Refused, Phase::Rehearsed],
    );
}

#[test]
fn a_person_may_change_their_mind_at_any_time() {
    let world = World {
        may_change_mind: true,
        ..World::new(DesiredState::Promoted)
    };
    explored("a change of mind", world, &OR_RELEASED);
}

#[test]
fn a_promotion_may_be_deleted_at_any_time() {
    let world = World {
        may_delete: true,
        ..World::new(DesiredState::Promoted)
    };
    explored("deletion", world, &THROUGH_OR_NOT);
}

#[test]
fn without_a_guard_a_late_edit_is_repaired() {
    let world = World {
        may_edit: true,
        ..World::new(DesiredState::Promoted)
    };
    explored("edits", world, &THROUGH_OR_NOT);
}

#[test]
fn with_the_guard_no_edit_is_ever_undone() {
    let world = World {
        guard_installed: true,
        may_edit: true,
        ..World::new(DesiredState::Promoted)
    };
    explored("guarded edits", world, &THROUGH_OR_NOT);
}

#[test]
fn with_the_guard_an_edit_outlives_a_rollback() {
    for edit_needs_more in [false, true] {
        let world = World {
            edit_needs_more,
            guard_installed: true,
            may_edit: true,
            may_refuse_writes: true,
            ..World::new(DesiredState::Promoted)
        };
        explored("guarded edits and a rollback", world, &THROUGH_OR_NOT);
    }
}

#[test]
fn with_the_guard_an_edit_outlives_a_release() {
    let world = World {
        guard_installed: true,
        may_change_mind: true,
        may_edit: true,
        ..World::new(DesiredState::Promoted)
    };
    explored("guarded edits and a release", world, &OR_RELEASED);
}

/// What a second engine with an old view writes late may be left behind, under our hold, where
/// nothing takes it up; no member is harmed. That there is only one is the lease's job.
#[test]
fn two_engines_do_no_harm() {
    let world = World {
        guard_installed: true,
        second_engine: true,
        ..World::new(DesiredState::Promoted)
    };
    explored("two engines", world, &THROUGH_OR_NOT);
}

/// Whatever comes between, the worst that they do to each other is that one has to look again.
#[test]
fn two_engines_release() {
    let world = World {
        may_change_mind: true,
        second_engine: true,
        ..World::new(DesiredState::Promoted)
    };
    explored("two engines and a release", world, &OR_RELEASED);
}

#[test]
fn two_engines_roll_back() {
    let world = World {
        may_refuse_writes: true,
        second_engine: true,
        ..World::new(DesiredState::Promoted)
    };
    explored("two engines and a refused commit", world, &THROUGH_OR_NOT);
}

#[test]
fn two_engines_carry_edits() {
    for guard_installed in [false, true] {
        let world = World {
            guard_installed,
            may_edit: true,
            once: true,
            second_engine: true,
            ..rehearsed()
        };
        explored(
            "two engines and edits",
            world,
            &[Phase::Failed, Phase::Promoted],
        );
    }
}

/// It is as if they had deleted it, at the most: what was begun is aborted or finished, as it was
/// permitted, and what they asked for is not done.
#[test]
fn somebody_who_may_not_have_it_may_ask_at_any_time() {
    for (desired, phases) in [
        (DesiredState::Promoted, &THROUGH_OR_NOT[..]),
        (DesiredState::Rehearsed, &[Phase::Refused, Phase::Rehearsed]),
        (DesiredState::Released, &[Phase::Refused, Phase::Released]),
    ] {
        let world = World {
            may_intrude: true,
            ..World::new(desired)
        };
        explored("an intruder", world, phases);
    }
}

/// What was denied to one is done for another.
#[test]
fn an_intruder_and_one_who_may_have_it_ask_in_any_order() {
    let world = World {
        may_change_mind: true,
        may_intrude: true,
        ..World::new(DesiredState::Promoted)
    };
    explored("an intruder, and a change of mind", world, &OR_RELEASED);
}

/// It is theirs: whatever becomes of the promotion, it stays as they made it, and nothing of it
/// gets to the member.
#[test]
fn somebody_else_may_create_a_template_at_any_time() {
    for second_engine in [false, true] {
        let world = World {
            may_create: true,
            second_engine,
            ..World::new(DesiredState::Promoted)
        };
        explored("somebody else's template", world, &THROUGH_OR_NOT);
    }
}

#[test]
fn karmada_may_take_a_claim_off() {
    let world = World {
        may_lose_claim: true,
        ..World::new(DesiredState::Promoted)
    };
    explored("a lost claim", world, &THROUGH_OR_NOT);
}
