//! The step function: what is seen of a promotion in, the next action out.
//!
//! It is the one place that knows the order of things. It is called again after every action and
//! every change, with everything read afresh, so an action that was lost, repeated or done by a
//! process that has died since is seen as what it is. Each phase is a function of its own:
//!
//! - [`stage`]: policies and templates go into the control plane, nothing reaches a member;
//! - [`commit`]: Karmada takes over, is verified, and is settled;
//! - [`guard`]: what people edit meanwhile is never lost;
//! - [`let_go`]: what was staged, committed or promoted is undone.

mod commit;
mod guard;
mod let_go;
mod stage;

use std::collections::BTreeSet;

use promoter_api::{
    promotion::{DesiredState, OnClusterRemoval, Phase},
    reason::Reason,
};

use crate::{
    object::ObjectKey,
    observation::{LiveWorkload, ObjectState},
};

/// Everything that the next action depends on.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "they are independent observations"
)]
pub struct Observed {
    /// Whether the workload is scaled by something in the member.
    pub autoscaled: bool,
    /// Whether an edit was carried.
    pub edited: bool,
    /// Whether the member was found to refuse Karmada's writes that would undo an edit; nothing
    /// while it was not looked at.
    pub guarded: Option<bool>,
    /// What a person wants.
    pub intent: Intent,
    /// The workload in the member that it is promoted from, while Karmada takes it over or lets go
    /// of it.
    pub live: Option<LiveWorkload>,
    /// The live workload's number of replicas, where it could be read.
    pub live_replicas: Option<i64>,
    /// Whether objects in the members bear marks of a Karmada that has let go of them.
    pub marked: bool,
    /// Whether the namespace is in the control plane.
    pub namespace: bool,
    /// The objects in the order in which they are staged: dependencies first, the workload last.
    pub objects: Vec<ObjectState>,
    /// The cluster that the workload is promoted from.
    pub origin: String,
    /// Whether the phase has lasted longer than it may.
    pub overdue: bool,
    /// The recorded phase.
    pub phase: Phase,
    /// The recorded clusters that the workload is placed in.
    pub placed: BTreeSet<String>,
    /// The recorded reason for which what was begun is undone.
    pub reason: Option<Reason>,
    /// Whether the rehearsal has passed.
    pub rehearsed: bool,
    /// Whether somebody has edited the workload's template since it was rehearsed.
    pub template_edited: bool,
    /// Whether an edit was carried into the template, and the hub ended before it could say so.
    pub unrecorded: bool,
}

/// What a person wants.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "they are independent of each other"
)]
pub struct Intent {
    /// It was found that whoever asked may have what the spec says now.
    pub authorized: bool,
    /// The Promotion is being deleted.
    pub deleted: bool,
    /// How far to go.
    pub desired: DesiredState,
    /// The spec, or the request, is newer than what the status is about.
    pub renewed: bool,
    /// What happens in a cluster that leaves the placement, by the last spec that was authorized.
    pub on_cluster_removal: OnClusterRemoval,
    /// Nothing new is to begin.
    pub suspended: bool,
}

/// The next thing to do. Each can be done twice without harm.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// Find out whether whoever asked for a change of what is promoted may have it.
    Authorize,
    /// Carry what a person has edited in the member into what Karmada writes there.
    CarryEdit,
    /// Resume dispatching of these policies, in this order.
    Commit(Vec<ObjectKey>),
    /// Create the namespace in the control plane.
    CreateNamespace,
    /// Create the policies of these objects, in this order and not past one that is there already.
    CreatePolicies(Vec<ObjectKey>),
    /// Create the resource templates of these objects under our hold.
    CreateTemplates(Vec<ObjectKey>),
    /// Delete the policies of these objects.
    DeletePolicies(Vec<ObjectKey>),
    /// Delete the resource templates of these objects.
    DeleteTemplates(Vec<ObjectKey>),
    /// Let the workload's template decide on its replicas again.
    EndRetention,
    /// Record a phase.
    Enter(Phase, Option<Outcome>),
    /// Bring the namespace and the pull Secrets to the clusters that the workload is placed in.
    Follow(Vec<String>),
    /// Let go of the Work of an object in a cluster in which there is nothing to preserve.
    Free(ObjectKey, String),
    /// Forget the Promotion: nothing is left to be done for it.
    Forget,
    /// Have the member refuse every write of Karmada's that would undo an edit, if it can.
    Guard,
    /// Lift the hold on these templates and claim them for their policies, in one write.
    LiftHolds(Vec<ObjectKey>),
    /// Ask the members what letting go of these objects would write, and if that is nothing,
    /// delete their templates.
    LetGo(Vec<ObjectKey>),
    /// Mark the policies of these objects as about to go: nobody begins to need them any more, and
    /// whatever was decided on before and has not happened yet, does not.
    MarkReleased(Vec<ObjectKey>),
    /// Find out whether whoever asked may have it, read the member and plan.
    Plan,
    /// Make these objects stay in the members when their Works go.
    Preserve(Vec<ObjectKey>),
    /// Ask the members what Karmada's write would do, before anything is committed.
    Rehearse,
    /// Nothing to do until something is asked for.
    Rest,
    /// Have Karmada look at the workload's Work again, which the member has refused before.
    Retry,
    /// Write the live number of replicas into the workload's template.
    SetReplicas(i64),
    /// Bring these policies to how they are for good.
    Settle(Vec<ObjectKey>),
    /// Take Karmada's marks off the members' objects; a person's opt-in too, when it was a release.
    Strip {
        /// Whether to write that the workload is not to be promoted by any automatic door.
        disable: bool,
    },
    /// Let Karmada's writes of the workload pass in the member again.
    Unguard,
    /// Compare the workload in the member with what it was.
    Verify,
    /// Wait until Karmada, or another Promotion, has gone on.
    Wait(String),
    /// Stop dispatching of these objects, which the member has not let Karmada take over.
    Withdraw(Vec<ObjectKey>),
}

/// Why a phase is entered, for people and scripts.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Outcome {
    /// What happened, to which object, and what to do.
    pub message: String,
    /// The stable word.
    pub reason: Reason,
}

/// The next thing to do.
#[must_use]
pub fn step(observed: &Observed) -> Action {
    match observed.phase {
        Phase::Pending | Phase::Waiting => begin(observed),
        Phase::Staging => stage::step(observed),
        Phase::Committing => commit::commit(observed),
        Phase::Verifying => commit::verify(observed),
        Phase::Settling => commit::settle(observed),
        Phase::Promoted => promoted(observed),
        Phase::Abandoning => let_go::abandon(observed),
        Phase::RollingBack => let_go::roll_back(observed),
        Phase::Releasing => let_go::release(observed),
        Phase::Observed | Phase::Rehearsed | Phase::Refused | Phase::Failed | Phase::Released => {
            at_rest(observed)
        }
    }
}

fn begin(observed: &Observed) -> Action {
    let Intent {
        deleted, suspended, ..
    } = observed.intent;
    if deleted {
        return Action::Forget;
    }
    if suspended {
        return Action::Rest;
    }
    Action::Plan
}

fn at_rest(observed: &Observed) -> Action {
    if observed.intent.deleted {
        return Action::Forget;
    }
    if observed.intent.renewed && !observed.intent.suspended {
        return Action::Enter(Phase::Pending, None);
    }
    Action::Rest
}

/// A promoted workload is an ordinary workload of Karmada; only what Karmada does not do for
/// other clusters is done here.
fn promoted(observed: &Observed) -> Action {
    if observed.intent.deleted {
        return Action::Forget;
    }
    let Intent {
        authorized,
        desired,
        renewed,
        ..
    } = observed.intent;
    // What was refused is asked about again only when it is asked for again.
    if renewed && !authorized {
        return Action::Authorize;
    }
    if authorized && desired == DesiredState::Released {
        return Action::Enter(Phase::Releasing, None);
    }
    if let Some(bound) = observed
        .workload()
        .and_then(|workload| workload.bound.as_ref())
        && bound.iter().cloned().collect::<BTreeSet<_>>() != observed.placed
    {
        return Action::Follow(bound.clone());
    }
    if renewed {
        return Action::Enter(Phase::Settling, None);
    }
    Action::Rest
}

impl Observed {
    /// An object's state, when it is among the objects.
    #[must_use]
    pub fn object(&self, key: &ObjectKey) -> Option<&ObjectState> {
        self.objects.iter().find(|object| object.key == *key)
    }

    /// The workload's state, when it is among the objects.
    #[must_use]
    pub fn workload(&self) -> Option<&ObjectState> {
        self.objects.iter().find(|object| object.is_workload())
    }
}

/// The keys of the objects for which something holds, in their order.
fn keys<'a>(
    objects: impl IntoIterator<Item = &'a ObjectState>,
    holds: impl Fn(&ObjectState) -> bool,
) -> Vec<ObjectKey> {
    objects
        .into_iter()
        .filter(|object| holds(object))
        .map(|object| object.key.clone())
        .collect()
}

#[cfg(test)]
mod tests;
