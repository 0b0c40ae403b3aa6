//! What an engine sees of the world: the observation that the step function gets.

use std::collections::BTreeSet;

use promoter_api::promotion::{OnClusterRemoval, Phase};
use promoter_domain::{
    observation::{
        Edit, LiveWorkload, ObjectState, PolicyState, TemplateSettings, TemplateState, WorkState,
    },
    step::{Intent, Observed},
};

use crate::{
    versions::Version,
    world::{CLUSTER, Maker, OBJECTS, Object, Template, WORKLOAD, World, key},
};

impl World {
    pub(crate) fn policies(&self) -> [Option<Version>; OBJECTS] {
        std::array::from_fn(|object| self.objects[object].policy.map(|policy| policy.version))
    }

    pub(crate) fn templates(&self) -> [Option<Version>; OBJECTS] {
        std::array::from_fn(|object| {
            self.objects[object]
                .template
                .map(|template| template.version)
        })
    }

    pub(crate) fn observed(&self, overdue: bool) -> Observed {
        let phase = self.record.phase;
        let mut observed = Observed {
            autoscaled: false,
            intent: Intent {
                authorized: self.is_authorized(),
                deleted: self.intent.deleted,
                desired: self.intent.desired,
                on_cluster_removal: OnClusterRemoval::Delete,
                renewed: self.record.answered != self.intent.generation,
                suspended: false,
            },
            edited: self.record.edited,
            guarded: self.record.guarded,
            live: self.live(),
            live_replicas: Some(i64::from(self.objects[WORKLOAD].member.replicas)),
            marked: false,
            namespace: self.namespace,
            objects: Vec::new(),
            origin: CLUSTER.to_owned(),
            overdue,
            phase,
            placed: self
                .record
                .placed
                .then(|| CLUSTER.to_owned())
                .into_iter()
                .collect::<BTreeSet<_>>(),
            reason: self.record.reason,
            rehearsed: self.record.rehearsed,
            template_edited: self.objects[WORKLOAD].template.is_none_or(|template| {
                self.record
                    .expected
                    .is_some_and(|expected| expected != template.edit)
            }),
            unrecorded: self.is_unrecorded(),
        };
        if self.record.planned {
            observed.objects = (0..OBJECTS)
                .map(|object| self.object_state(object))
                .collect();
        }
        let gone = self
            .objects
            .iter()
            .all(|object| object.template.is_none() && object.work.is_none());
        observed.marked = gone && self.objects.iter().any(|object| object.member.marks);
        observed
    }

    /// Whether an edit was carried, and that was not written down afterwards.
    pub(crate) fn is_unrecorded(&self) -> bool {
        let template = self.objects[WORKLOAD].template;
        self.record
            .carrying
            .is_some_and(|edit| template.is_some_and(|template| template.edit == edit))
    }

    /// The workload in the member, as far as the phase has it looked at.
    fn live(&self) -> Option<LiveWorkload> {
        let guarded = self.record.guarded == Some(true);
        let looked_at = match self.record.phase {
            Phase::Committing | Phase::Verifying | Phase::Settling => true,
            Phase::Abandoning | Phase::RollingBack => guarded || self.record.rehearsed,
            Phase::Releasing => guarded,
            _ => false,
        };
        let member = self.objects[WORKLOAD].member;
        let version = None;
        looked_at.then_some(LiveWorkload {
            current: self.is_current(),
            edit: self.edit(),
            guarded: member.guarded,
            version,
        })
    }

    /// An edit that the template does not know of, by what is recorded.
    pub(crate) fn edit(&self) -> Edit {
        let Object {
            member,
            template,
            work,
            ..
        } = &self.objects[WORKLOAD];
        // What Karmada writes for the last time is what the Work says.
        if template.is_none() {
            let stale = work.is_some_and(|work| work.edit != member.edit);
            return if member.guarded && stale {
                Edit::Made
            } else {
                Edit::None
            };
        }
        let Some(expected) = self.record.expected else {
            return Edit::None;
        };
        if member.edit == expected {
            let undone = !member.guarded && member.undone && !self.record.edited;
            return if undone { Edit::Undone } else { Edit::None };
        }
        // The first that was expected is what the workload was before the edit.
        let put_back = !self.is_current() && self.record.edited && !member.edit;
        if !member.guarded && (put_back || member.undone) {
            Edit::None
        } else {
            Edit::Made
        }
    }

    fn is_current(&self) -> bool {
        let workload = &self.objects[WORKLOAD];
        workload
            .template
            .is_some_and(|template| workload.member.generation == Some(template.generation))
    }

    /// Whether the status says that the spec as it is now is permitted.
    pub(crate) fn is_authorized(&self) -> bool {
        self.record.authorized == Some(self.intent.generation)
    }

    fn object_state(&self, index: usize) -> ObjectState {
        let object = &self.objects[index];
        let cluster = || vec![CLUSTER.to_owned()];
        ObjectState {
            attached: false,
            bound: object
                .binding
                .filter(|_| object.policy.is_some())
                .map(|_| cluster()),
            key: key(index),
            needed_elsewhere: false,
            needed_in: cluster(),
            policy: match object.policy {
                None => PolicyState::Absent,
                Some(policy) => PolicyState::Ours(policy.settings),
            },
            policy_version: None,
            template_version: None,
            template: match object.template {
                None => TemplateState::Absent,
                Some(template) => self.template_state(index, template),
            },
            works: object
                .work
                .map(|work| WorkState {
                    applied: work.applied,
                    cluster: CLUSTER.to_owned(),
                    current: object.template.is_some_and(|template| {
                        template.version.uid == work.template
                            && template.replicas == work.replicas
                            && template.edit == work.edit
                    }),
                    deleting: work.deleting,
                    dispatching_stopped: work.stopped,
                    managed: object.member.taken_over,
                    message: None,
                    preserve: work.preserve,
                    replicas: Some(i64::from(work.replicas)),
                    refused_by_guard: work.refused_by_guard,
                    retains_replicas: work.retains,
                    retried: false,
                    suspended: work.suspended,
                    taken_over: object.member.taken_over,
                    version: None,
                })
                .into_iter()
                .collect(),
        }
    }

    /// Whose a template is by what can be seen of it, and who has claimed it.
    ///
    /// Of the dependency nothing tells who made it but the policy: it is empty.
    fn template_state(&self, index: usize, template: Template) -> TemplateState {
        let policy = self.objects[index].policy;
        let recorded = policy.and_then(|policy| policy.template) == Some(template.version.uid);
        let ours = recorded || (index == WORKLOAD && template.maker == Maker::Engine);
        let staged = policy.is_some_and(|policy| policy.settings.staged_by_us);
        if template.held {
            TemplateState::Held
        } else if template.claimed && policy.is_some() {
            if ours || !staged {
                TemplateState::Claimed(TemplateSettings {
                    replicas: Some(i64::from(template.replicas)),
                    retains_replicas: template.retains,
                })
            } else {
                TemplateState::ClaimedForeign
            }
        } else {
            match (ours, staged && !template.claimed) {
                (true, true) => TemplateState::Held,
                (true, false) => TemplateState::Captured,
                (false, _) => TemplateState::Foreign,
            }
        }
    }
}
