//! What `staleMarks: Strip` would take off objects in the member, before anything is staged.

use promoter_domain::{
    object::ObjectKey,
    plan::{Live, Plan},
    strip,
};

use crate::table::row;

/// A member's object with the marks of another Karmada that would be taken off it.
pub(crate) struct Stripped {
    /// The object.
    pub(crate) key: ObjectKey,
    /// The marks, in words.
    pub(crate) marks: Vec<String>,
}

/// What the plan has taken off the objects as they were read.
pub(crate) fn of(plan: &Plan, live: &Live) -> Vec<Stripped> {
    let live = |key: &ObjectKey| {
        let mut dependencies = live.dependencies.iter();
        match dependencies.find(|dependency| dependency.reference.key == *key) {
            Some(dependency) => dependency.object.as_ref(),
            None => Some(&live.deployment),
        }
    };
    let marks = |key| live(key).map(strip::marks).unwrap_or_default();
    plan.stale
        .iter()
        .map(|key| Stripped {
            key: key.clone(),
            marks: marks(key),
        })
        .collect()
}

/// What is said of it where only objects are printed.
pub(crate) fn notes(name: &str, cluster: &str, stripped: &[Stripped]) -> String {
    let notes = stripped.iter().map(|Stripped { key, marks }| {
        let marks = marks.join(", ");
        format!("note: {name}: of {key} in cluster {cluster} would be taken off: {marks}\n")
    });
    notes.collect()
}

impl Stripped {
    /// It among what would be done with each object.
    pub(crate) fn row(&self) -> Vec<String> {
        let note = format!("taken off in the member: {}", self.marks.join(", "));
        row(["strip", &self.key.to_string(), &note])
    }
}

#[cfg(test)]
mod tests {
    use promoter_api::promotion::{DependencyKind, Snapshot};
    use promoter_domain::{
        closure::{Reference, ReferenceSource},
        plan::LiveDependency,
    };
    use serde_json::json;

    use super::*;

    #[test]
    fn each_object_is_told_with_its_own_marks() {
        let settings = ObjectKey::dependency(DependencyKind::ConfigMap, "settings");
        let labels = json!({"karmada.io/managed": "true", "team": "shop"});
        let live = Live {
            autoscalers: Vec::new(),
            dependencies: vec![LiveDependency {
                object: Some(json!({"metadata": {"labels": labels}})),
                reference: Reference {
                    key: settings.clone(),
                    required: true,
                    source: ReferenceSource::PodTemplate,
                },
            }],
            deployment: json!({"metadata": {
                "annotations": {"work.karmada.io/name": "web-1"},
                "labels": labels,
            }}),
            namespace: None,
            pods: Vec::new(),
            replica_sets: Vec::new(),
        };
        let plan = Plan {
            before: Snapshot::default(),
            dependencies: Vec::new(),
            namespace: None,
            objects: Vec::new(),
            stale: vec![settings, ObjectKey::deployment("web")],
        };
        assert_eq!(
            notes("shop/web", "member1", &of(&plan, &live)),
            "note: shop/web: of ConfigMap/settings in cluster member1 would be taken off: label \
             karmada.io/managed\n\
             note: shop/web: of Deployment/web in cluster member1 would be taken off: label \
             karmada.io/managed, annotation work.karmada.io/name\n"
        );
    }
}
