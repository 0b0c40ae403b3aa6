//! A Promotion in so far as others must know it: whom to wake, and who needs what.
//!
//! It is read field by field: one that another version of this program has written may say things
//! that this one does not know. It must not keep the watch from telling of the others, and what it
//! needs must not be taken away.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, api::DynamicObject, core::NamespaceResourceScope};
use promoter_api::{
    promotion::{DependencyAction, Phase, Promotion},
    reason::Reason,
};
use promoter_domain::object::ObjectKey;
use serde::Deserialize;
use serde_json::Value;

/// What is known of a Promotion.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "DynamicObject")]
pub(crate) struct Known {
    /// The clusters that the workload is to be promoted from.
    clusters: Vec<String>,
    /// The recorded dependencies, and whether each goes along with the workload.
    dependencies: Vec<(ObjectKey, bool)>,
    metadata: ObjectMeta,
    /// The recorded phase; nothing where this version does not know it.
    phase: Option<Phase>,
    reason: Option<Reason>,
    workload: Option<ObjectKey>,
}

impl Known {
    /// Whether what becomes of an object concerns it. One that is at rest cares for its workload
    /// only.
    pub(crate) fn is_concerned(&self, is_meant: impl Fn(&ObjectKey) -> bool) -> bool {
        if self.workload.as_ref().is_some_and(&is_meant) {
            return true;
        }
        self.phase.is_some_and(|phase| !phase.is_at_rest())
            && self.dependencies.iter().any(|(key, _)| is_meant(key))
    }

    /// The recorded dependencies that go along with the workload.
    pub(crate) fn dependencies(&self) -> impl Iterator<Item = &ObjectKey> {
        let along = self.dependencies.iter().filter(|(_, along)| *along);
        along.map(|(key, _)| key)
    }

    /// Whether it is the Promotion of that UID.
    pub(crate) fn is(&self, uid: &str) -> bool {
        self.metadata.uid.as_deref() == Some(uid)
    }

    /// Whether it relies on its dependencies' staying federated. One in a phase that this version
    /// does not know may.
    pub(crate) fn relies_on_them(&self) -> bool {
        self.phase.is_none_or(|phase| {
            matches!(
                phase,
                Phase::Staging
                    | Phase::Committing
                    | Phase::Verifying
                    | Phase::Settling
                    | Phase::Promoted
            )
        })
    }

    /// The workload, where it names one.
    pub(crate) const fn workload(&self) -> Option<&ObjectKey> {
        self.workload.as_ref()
    }

    /// Whether it waits for nothing but that this cluster can be used.
    pub(crate) fn waits_for_cluster(&self, cluster: &str) -> bool {
        self.phase == Some(Phase::Waiting)
            && self.reason == Some(Reason::ClusterNotReady)
            && self.clusters.iter().any(|name| name == cluster)
    }
}

impl From<DynamicObject> for Known {
    fn from(promotion: DynamicObject) -> Self {
        let DynamicObject {
            data, mut metadata, ..
        } = promotion;
        // It is the larger part of an object, and says nothing about whom to wake.
        metadata.managed_fields = None;
        let (spec, status) = (&data["spec"], &data["status"]);
        let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
        Self {
            clusters: array(&spec["clusters"])
                .iter()
                .filter_map(|cluster| cluster.as_str().map(str::to_owned))
                .collect(),
            dependencies: array(&status["dependencies"])
                .iter()
                .filter_map(|dependency| {
                    let kind = Deserialize::deserialize(&dependency["kind"]).ok()?;
                    let key = ObjectKey::dependency(kind, dependency["name"].as_str()?);
                    let stays = matches!(
                        DependencyAction::deserialize(&dependency["action"]),
                        Ok(DependencyAction::Conflict | DependencyAction::Skipped)
                    );
                    Some((key, !stays))
                })
                .collect(),
            metadata,
            phase: match &status["phase"] {
                Value::Null => Some(Phase::Pending),
                phase => Phase::deserialize(phase).ok(),
            },
            reason: Reason::deserialize(&status["reason"]).ok(),
            workload: spec["workload"]["name"].as_str().map(ObjectKey::deployment),
        }
    }
}

impl Resource for Known {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        Promotion::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        Promotion::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        Promotion::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        Promotion::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn known(status: &Value) -> Known {
        serde_json::from_value(json!({
            "apiVersion": "promote.karmada.io/v1alpha1",
            "kind": "Promotion",
            "metadata": {"name": "web", "namespace": "shop", "managedFields": [{"manager": "kubectl"}]},
            "spec": {"clusters": ["member1"], "workload": {"name": "web"}},
            "status": status,
        }))
        .unwrap()
    }

    fn is_meant(name: &str) -> impl Fn(&ObjectKey) -> bool {
        move |key| key.name == name
    }

    #[test]
    fn what_it_cannot_understand_does_not_keep_it_from_being_read() {
        let promotion = known(&json!({
            "phase": "ThoughtOfLater",
            "reason": "ThoughtOfLater",
            "dependencies": [{"kind": "ThoughtOfLater", "name": "settings"}, {"kind": 3}, 4],
        }));
        assert_eq!(promotion.meta().name.as_deref(), Some("web"));
        assert_eq!(promotion.meta().managed_fields, None);
        assert!(promotion.is_concerned(is_meant("web")));
        assert!(!promotion.is_concerned(is_meant("settings")));
        assert!(!promotion.waits_for_cluster("member1"));
    }

    #[test]
    fn what_it_may_need_is_told() {
        let settings =
            |action: &str| json!([{"kind": "ConfigMap", "name": "settings", "action": action}]);
        for (phase, action, needs) in [
            ("Promoted", "Created", true),
            ("Staging", "Reused", true),
            ("Promoted", "Skipped", false),
            ("Promoted", "ThoughtOfLater", true),
            ("ThoughtOfLater", "Created", true),
            ("Releasing", "Created", false),
            ("Refused", "Created", false),
        ] {
            let promotion = known(&json!({"phase": phase, "dependencies": settings(action)}));
            let told = promotion.relies_on_them() && promotion.dependencies().count() == 1;
            assert_eq!(told, needs, "{phase} {action}");
        }
    }

    #[test]
    fn one_that_is_at_rest_cares_for_its_workload_only() {
        let dependencies = json!([{"kind": "ConfigMap", "name": "settings"}]);
        for (phase, cares) in [("Staging", true), ("Promoted", false)] {
            let promotion = known(&json!({"phase": phase, "dependencies": dependencies}));
            assert!(promotion.is_concerned(is_meant("web")), "{phase}");
            assert_eq!(
                promotion.is_concerned(is_meant("settings")),
                cares,
                "{phase}"
            );
            assert!(!promotion.is_concerned(is_meant("other")), "{phase}");
        }
    }

    #[test]
    fn only_what_waits_for_a_cluster_is_woken_by_it() {
        for (phase, reason, cluster, waits) in [
            ("Waiting", "ClusterNotReady", "member1", true),
            ("Waiting", "ClusterNotReady", "member2", false),
            ("Waiting", "RolloutInProgress", "member1", false),
            ("Refused", "ClusterNotReady", "member1", false),
        ] {
            let promotion = known(&json!({"phase": phase, "reason": reason}));
            assert_eq!(
                promotion.waits_for_cluster(cluster),
                waits,
                "{phase} {reason} {cluster}"
            );
        }
    }
}
