//! The engine: it asks the step function and does what that says, one write at a time.

use promoter_api::{
    promotion::{DesiredState, Phase},
    reason::Reason,
};
use promoter_domain::{
    object::ObjectKey,
    observation::{Edit, PolicySettings},
    step::{Action, step},
};

use crate::{
    versions::{Version, next},
    world::{
        Maker, Member, OBJECTS, Object, Pending, Policy, Template, WORKLOAD, World, index, key,
    },
};

impl World {
    pub(crate) fn decide(&mut self, engine: usize, overdue: bool) {
        let action = step(&self.observed(overdue));
        if !self.intent.permitted && begins(&action) {
            self.violation = Some("something was begun for somebody who may not have it");
        }
        self.engines[engine] = match action {
            Action::Wait(_) | Action::Rest => None,
            action => Some(Pending {
                action,
                version: self.record.version,
                edit: self.objects[WORKLOAD].member.edit,
                policies: self.policies(),
                templates: self.templates(),
            }),
        };
    }

    /// Does one write of what an engine has decided on.
    pub(crate) fn perform(&mut self, engine: usize) {
        let Some(pending) = self.engines[engine].take() else {
            return;
        };
        let (object, left) = first(&pending.action);
        if let Some(object) = object {
            if let Some(again) = self.write_object(&pending, object) {
                self.engines[engine] = Some(again);
                return;
            }
        } else {
            self.write_alone(engine, &pending);
        }
        // What was seen for the next writes is what was seen for the first.
        // (With a closure, rustc 1.95 trips over the arrays.)
        if let Some(action) = left {
            self.engines[engine] = Some(Pending { action, ..pending });
        }
    }

    /// A write of one of the objects that an action names. Tells where another has to follow before
    /// it is done.
    fn write_object(&mut self, pending: &Pending, object: usize) -> Option<Pending> {
        let seen_policy = self.policies()[object] == pending.policies[object];
        let rolling_back = self.record.phase == Phase::RollingBack;
        match &pending.action {
            Action::Commit(keys) if self.is_late_edit(keys) => self.late_edit(pending, keys),
            Action::CreatePolicies(_) => {
                let policy = Policy {
                    settings: staged(),
                    template: None,
                    version: Version::CREATED,
                };
                self.objects[object].policy.get_or_insert(policy);
            }
            Action::CreateTemplates(_) => {
                let Member { edit, replicas, .. } = self.objects[object].member;
                let retains = object == WORKLOAD;
                let new = Template {
                    version: Version::CREATED,
                    maker: Maker::Engine,
                    claimed: false,
                    held: true,
                    replicas,
                    retains,
                    edit,
                    generation: 0,
                };
                self.objects[object].template.get_or_insert(new);
            }
            Action::DeletePolicies(_) => self.delete_policy(pending, object),
            Action::LetGo(_) => {
                if object == WORKLOAD && self.objects[object].member.taken_over {
                    self.assert_guarded();
                }
                self.delete_template(pending, object);
            }
            Action::DeleteTemplates(_) => self.delete_template(pending, object),
            Action::LiftHolds(_) => return self.lift(pending, object),
            Action::Commit(_) if seen_policy => {
                self.assert_guarded();
                self.policy(object, |settings| {
                    settings.suspended = false;
                    settings.preserve = true;
                });
            }
            Action::MarkReleased(_) if seen_policy => {
                self.policy(object, |settings| settings.released_by_us = true);
            }
            Action::Preserve(_) if seen_policy => self.policy(object, |settings| {
                settings.preserve = true;
                settings.suspended &= !rolling_back;
            }),
            Action::Settle(_) if seen_policy => self.policy(object, |settings| {
                *settings = PolicySettings {
                    overwrite: false,
                    preserve: false,
                    propagate_dependencies: object == WORKLOAD,
                    released_by_us: false,
                    staged_by_us: false,
                    ..*settings
                };
            }),
            Action::Withdraw(_) if seen_policy => self.policy(object, |settings| {
                settings.overwrite = false;
                settings.preserve = false;
                settings.suspended = true;
            }),
            // Refused: the object is not what it was when it was seen.
            _ => {}
        }
        None
    }

    /// Deletes a template as it was seen, by its UID.
    fn delete_template(&mut self, pending: &Pending, object: usize) {
        let template = &mut self.objects[object].template;
        let seen = pending.templates[object].map(|version| version.uid);
        if let Some(found) = template.filter(|found| Some(found.version.uid) == seen) {
            *template = None;
            if found.maker == Maker::Person {
                self.violation = Some("what somebody else made was deleted");
            }
        }
    }

    fn delete_policy(&mut self, pending: &Pending, object: usize) {
        let Object {
            policy, template, ..
        } = &mut self.objects[object];
        if policy.is_none_or(|policy| Some(policy.version) != pending.policies[object]) {
            return;
        }
        *policy = None;
        if template.is_some_and(|template| template.maker == Maker::Engine && !template.held) {
            self.violation = Some("a policy was deleted before its template");
        }
    }

    /// Writes down which template was made, and then lifts its hold: two writes.
    fn lift(&mut self, pending: &Pending, object: usize) -> Option<Pending> {
        let seen_policy = self.policies()[object] == pending.policies[object];
        let seen_template = self.templates()[object] == pending.templates[object];
        let seen = pending.templates[object].map(|version| version.uid);
        let policy = self.objects[object]
            .policy
            .as_mut()
            .filter(|_| seen_policy)?;
        if policy.template != seen {
            policy.template = seen;
            policy.version = policy.version.written();
            let mut again = pending.clone();
            again.policies[object] = Some(policy.version);
            return Some(again);
        }
        if seen_template {
            self.template(object, |template| {
                template.held = false;
                template.claimed = true;
            });
        }
        None
    }

    /// A write that is not about one of several objects.
    fn write_alone(&mut self, engine: usize, pending: &Pending) {
        let version = pending.version;
        let seen_template = self.templates()[WORKLOAD] == pending.templates[WORKLOAD];
        match &pending.action {
            Action::CreateNamespace => self.namespace = true,
            Action::EndRetention if seen_template => {
                self.template(WORKLOAD, |template| template.retains = false);
            }
            Action::SetReplicas(replicas) if seen_template => {
                let replicas = u8::try_from(*replicas).unwrap_or_default();
                self.template(WORKLOAD, |template| {
                    template.replicas = replicas;
                    template.generation += 1;
                });
            }
            Action::CarryEdit => self.carry(engine, pending),
            Action::Guard => self.guard(engine, pending),
            Action::Unguard if self.objects[WORKLOAD].member.edit == pending.edit => {
                self.objects[WORKLOAD].member.guarded = false;
                self.lifted = matches!(self.record.phase, Phase::Settling | Phase::Releasing);
            }
            Action::Enter(phase, outcome) => {
                self.enter(
                    version,
                    *phase,
                    outcome.as_ref().map(|outcome| outcome.reason),
                );
            }
            Action::Follow(_) if version == self.record.version => {
                self.record.placed = true;
                self.record.version = next(self.record.version);
            }
            Action::Forget => self.forgotten = true,
            Action::Free(key, _) => {
                if let Some(work) = &mut self.objects[index(key)].work {
                    work.preserve = false;
                }
            }
            Action::Retry => {
                if let Some(work) = &mut self.objects[WORKLOAD].work {
                    work.refused_by_guard = false;
                }
            }
            Action::Authorize if version == self.record.version => self.authorize(),
            Action::Plan if version == self.record.version && !self.intent.permitted => {
                self.record.answered = self.intent.generation;
                self.record.authorized = None;
                self.enter(version, Phase::Refused, Some(Reason::NotAuthorized));
            }
            Action::Plan if version == self.record.version => {
                self.record.authorized = Some(self.intent.generation);
                self.plan(version);
            }
            Action::Rehearse => self.rehearse(version),
            Action::Strip { .. } => {
                for object in self
                    .objects
                    .iter_mut()
                    .filter(|object| object.work.is_none())
                {
                    object.member.marks = false;
                }
            }
            // What it is compared with is what was recorded then, and what comes of it is refused.
            Action::Verify if version != self.record.version => {}
            // It was edited this very moment.
            Action::Verify if self.edit() != Edit::None => {}
            Action::Verify if self.record.expected != Some(self.objects[WORKLOAD].member.edit) => {
                self.violation = Some("an edit that was carried is taken for a change of pods");
                self.enter(
                    version,
                    Phase::RollingBack,
                    Some(Reason::VerificationFailed),
                );
            }
            Action::Verify => self.enter(version, Phase::Settling, None),
            _ => {}
        }
    }

    /// Asks about a change of what is promoted.
    fn authorize(&mut self) {
        if self.intent.permitted {
            self.record.authorized = Some(self.intent.generation);
        } else {
            self.record.answered = self.intent.generation;
        }
        self.record.version = next(self.record.version);
    }

    fn plan(&mut self, version: u8) {
        if self.intent.desired == DesiredState::Released {
            self.enter(version, Phase::Released, None);
            return;
        }
        self.record.answered = self.intent.generation;
        if self.has_others() {
            self.enter(version, Phase::Refused, Some(Reason::ConflictingTemplate));
            return;
        }
        self.record.planned = true;
        self.record.rehearsed = false;
        self.enter(version, Phase::Staging, None);
    }

    /// Whether somebody else's templates have the names of ours.
    fn has_others(&self) -> bool {
        let mut templates = self.objects.iter().filter_map(|object| object.template);
        templates.any(|template| template.maker == Maker::Person)
    }

    fn rehearse(&mut self, version: u8) {
        let theirs = |object: &Object| object.work.is_some_and(|it| it.maker == Maker::Person);
        if self.is_edited() || self.incompatible || self.objects.iter().any(theirs) {
            self.enter(version, Phase::Abandoning, Some(Reason::WouldRestartPods));
            return;
        }
        if version != self.record.version {
            return;
        }
        self.record.rehearsed = true;
        self.record.expected = Some(self.objects[WORKLOAD].member.edit);
        let alone = self.intent.desired == DesiredState::Rehearsed;
        let phase = if alone {
            Phase::Abandoning
        } else {
            Phase::Committing
        };
        self.enter(version, phase, None);
    }

    /// Where there is a guard, Karmada does not write to the workload without it. A second engine may
    /// do late what it decided on while the guard was on.
    fn assert_guarded(&mut self) {
        let guarded = self.objects[WORKLOAD].member.guarded;
        if self.guard_installed && !guarded && !self.second_engine {
            self.violation = Some("Karmada may write to what could be guarded, and is not");
        }
    }

    /// Marks the workload, and then writes down whether it is guarded: two writes.
    fn guard(&mut self, engine: usize, pending: &Pending) {
        let releasing = self.record.phase == Phase::Releasing;
        let seen = pending.version == self.record.version;
        let member = self.objects[WORKLOAD].member;
        if self.guard_installed && !member.guarded {
            if releasing && self.record.expected != Some(member.edit) {
                // Written down first: an edit may follow the mark at once.
                let same = self.objects[WORKLOAD]
                    .work
                    .is_none_or(|work| work.edit == member.edit);
                if seen && same {
                    self.record.expected = Some(member.edit);
                    self.record.version = next(self.record.version);
                }
                return;
            }
            self.objects[WORKLOAD].member.guarded = true;
            self.engines[engine] = Some(pending.clone());
        } else if seen {
            self.record.guarded = Some(self.guard_installed);
            self.record.version = next(self.record.version);
        }
    }

    /// Writes an edit down, carries it into the template, and says that it did: three writes. Where
    /// the template is gone, it is carried into the Work, in one.
    fn carry(&mut self, engine: usize, pending: &Pending) {
        let edited = match (self.edit(), self.record.carrying) {
            (_, Some(edited)) if self.is_unrecorded() => edited,
            (Edit::None, _) => return,
            (Edit::Made, _) => self.objects[WORKLOAD].member.edit,
            (Edit::Undone, _) => true,
        };
        let seen = pending.version == self.record.version;
        let seen_template = self.templates()[WORKLOAD] == pending.templates[WORKLOAD];
        let workload = &mut self.objects[WORKLOAD];
        match (&mut workload.template, &mut workload.work) {
            (Some(template), _) if template.edit != edited => {
                if !seen_template {
                    return;
                }
                if self.record.carrying != Some(edited) {
                    if seen {
                        self.record.carrying = Some(edited);
                        self.record.version = next(self.record.version);
                        self.engines[engine] = Some(Pending {
                            version: self.record.version,
                            ..pending.clone()
                        });
                    }
                    return;
                }
                template.edit = edited;
                template.generation += 1;
                template.version = template.version.written();
                if template.maker == Maker::Person {
                    self.violation = Some("what somebody else made was changed");
                }
                let templates = self.templates();
                self.engines[engine] = Some(Pending {
                    templates,
                    ..pending.clone()
                });
                return;
            }
            (None, Some(work)) if work.edit != edited => {
                work.edit = edited;
                self.engines[engine] = Some(pending.clone());
                return;
            }
            _ => {}
        }
        if !seen {
            return;
        }
        self.record.carrying = None;
        self.record.edited = true;
        self.record.expected = Some(edited);
        let revocable = matches!(self.record.phase, Phase::Committing | Phase::Verifying);
        if self.edit_needs_more && revocable {
            let reason = Some(Reason::CommitRefused);
            self.enter(pending.version, Phase::RollingBack, reason);
        } else {
            self.record.version = next(self.record.version);
        }
    }

    /// What was rehearsed is read again before the workload is committed.
    fn is_late_edit(&self, keys: &[ObjectKey]) -> bool {
        keys.contains(&key(WORKLOAD)) && self.is_edited()
    }

    fn late_edit(&mut self, pending: &Pending, keys: &[ObjectKey]) {
        let untouched = keys.len() == OBJECTS;
        let phase = if untouched {
            Phase::Abandoning
        } else {
            Phase::RollingBack
        };
        self.enter(pending.version, phase, Some(Reason::LateEdit));
    }

    /// Whether the workload is not what its template was made from.
    fn is_edited(&self) -> bool {
        let workload = &self.objects[WORKLOAD];
        workload
            .template
            .is_none_or(|template| template.edit != workload.member.edit)
    }

    /// Writes the status, unless somebody has written it since it was read.
    fn enter(&mut self, version: u8, phase: Phase, reason: Option<Reason>) {
        if version != self.record.version {
            return;
        }
        let keeps = matches!(
            phase,
            Phase::Abandoning
                | Phase::Failed
                | Phase::Refused
                | Phase::RollingBack
                | Phase::Waiting
        );
        if phase.is_at_rest() && self.objects[WORKLOAD].member.guarded && !self.second_engine {
            self.violation = Some("the guard was left behind");
        }
        if reason.is_some() || !keeps {
            self.record.reason = reason;
        }
        match phase {
            Phase::Pending => {
                self.record.planned = false;
                self.record.rehearsed = false;
                self.record.answered = self.intent.generation;
                self.record.carrying = None;
                self.record.edited = false;
                self.record.expected = None;
                self.record.guarded = None;
            }
            Phase::Promoted => self.record.placed = true,
            Phase::Releasing => {
                if self.is_authorized() {
                    self.record.answered = self.intent.generation;
                }
                self.record.carrying = None;
                self.record.edited = false;
                self.record.expected = None;
                self.record.guarded = None;
                self.lifted = false;
            }
            Phase::Released | Phase::Settling if self.is_authorized() => {
                self.record.answered = self.intent.generation;
            }
            _ => {}
        }
        self.record.phase = phase;
        self.record.version = next(self.record.version);
    }

    fn policy(&mut self, object: usize, change: impl Fn(&mut PolicySettings)) {
        if let Some(policy) = &mut self.objects[object].policy {
            change(&mut policy.settings);
            policy.version = policy.version.written();
        }
    }

    fn template(&mut self, object: usize, change: impl Fn(&mut Template)) {
        if let Some(template) = &mut self.objects[object].template {
            change(template);
            template.version = template.version.written();
            if template.maker == Maker::Person {
                self.violation = Some("what somebody else made was changed");
            }
        }
    }
}

/// Whether an action begins something that was not begun before: it creates what Karmada acts on,
/// lets Karmada take over, or has it let go of what is promoted.
fn begins(action: &Action) -> bool {
    matches!(
        action,
        Action::CreateNamespace
            | Action::CreatePolicies(_)
            | Action::CreateTemplates(_)
            | Action::LiftHolds(_)
            | Action::Rehearse
            | Action::Enter(Phase::Committing | Phase::Releasing | Phase::Staging, _)
    )
}

/// The first object that an action is about, and the action without it.
fn first(action: &Action) -> (Option<usize>, Option<Action>) {
    let (keys, again): (_, fn(Vec<ObjectKey>) -> Action) = match action {
        Action::Commit(keys) => (keys, Action::Commit),
        Action::CreatePolicies(keys) => (keys, Action::CreatePolicies),
        Action::CreateTemplates(keys) => (keys, Action::CreateTemplates),
        Action::DeletePolicies(keys) => (keys, Action::DeletePolicies),
        Action::DeleteTemplates(keys) => (keys, Action::DeleteTemplates),
        Action::LetGo(keys) => (keys, Action::LetGo),
        Action::LiftHolds(keys) => (keys, Action::LiftHolds),
        Action::MarkReleased(keys) => (keys, Action::MarkReleased),
        Action::Preserve(keys) => (keys, Action::Preserve),
        Action::Settle(keys) => (keys, Action::Settle),
        Action::Withdraw(keys) => (keys, Action::Withdraw),
        _ => return (None, None),
    };
    let left = keys.get(1..).filter(|left| !left.is_empty());
    (
        keys.first().map(index),
        left.map(|left| again(left.to_vec())),
    )
}

/// A policy as it is created.
fn staged() -> PolicySettings {
    PolicySettings {
        orphaned: false,
        overwrite: true,
        preserve: false,
        propagate_dependencies: false,
        released_by_us: false,
        staged_by_us: true,
        suspended: true,
    }
}
