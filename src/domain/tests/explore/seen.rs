//! What an engine sees of the world: the observation that the step function gets.

use std::collections::BTreeSet;

use promoter_api::promotion::OnClusterRemoval;
use promoter_domain::{
    observation::{ObjectState, PolicyState, TemplateSettings, TemplateState, WorkState},
    step::{Intent, Observed},
};

use crate::world::{CLUSTER, OBJECTS, WORKLOAD, World, key};

impl World {
    pub(crate) fn policies(&self) -> [Option<u8>; OBJECTS] {
        std::array::from_fn(|object| self.objects[object].policy.map(|policy| policy.version))
    }

    pub(crate) fn templates(&self) -> [Option<u8>; OBJECTS] {
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

    /// Whether the status says that the spec as it is now is permitted.
    pub(crate) fn is_authorized(&self) -> bool {
        self.record.authorized == Some(self.intent.generation)
    }

    fn object_state(&self, index: usize) -> ObjectState {
        let object = &self.objects[index];
        let cluster = || vec![CLUSTER.to_owned()];
        ObjectState {
            attached: false,
            bound: object.binding.then(cluster),
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
                Some(template) if template.held => TemplateState::Held,
                Some(template) => TemplateState::Claimed(TemplateSettings {
                    replicas: Some(i64::from(template.replicas)),
                    retains_replicas: template.retains,
                }),
            },
            works: object
                .work
                .map(|work| WorkState {
                    applied: work.applied,
                    cluster: CLUSTER.to_owned(),
                    current: object.template.is_some_and(|template| {
                        template.replicas == work.replicas && template.edit == work.edit
                    }),
                    deleting: work.deleting,
                    dispatching_stopped: work.stopped,
                    managed: object.member.taken_over,
                    message: None,
                    preserve: work.preserve,
                    replicas: Some(i64::from(work.replicas)),
                    retains_replicas: work.retains,
                    suspended: work.suspended,
                    taken_over: object.member.taken_over,
                })
                .into_iter()
                .collect(),
        }
    }
}
