//! What a person edits in the member while Karmada takes the workload over or lets go of it.

use promoter_api::{
    marks::{GUARD, POD_TEMPLATE_HASH, REVISION, TEMPLATE_GENERATION, TEMPLATE_UID, WORK_NAME},
    promotion::{CarriedEdit, CarryingEdit, PromotionStatus},
};
use serde_json::Value;

use crate::{
    observation::{Edit, LiveWorkload, Version},
    snapshot::{identity, is_controlled_by, is_of_edit, pod_template_digest, spec_digest},
};

/// What is known of the workload when it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The Deployment in the member.
    pub live: &'a Value,
    /// The manifest of its Work, where the template is gone: what Karmada writes for the last time.
    pub manifest: Option<&'a Value>,
    /// The ReplicaSets in the member, where they may tell of an edit that was undone.
    pub replica_sets: &'a [Value],
    /// The template in the control plane.
    pub template: Option<&'a Value>,
}

impl Seen<'_> {
    /// What has become of the workload, given what was recorded of it.
    #[must_use]
    pub fn state(self, recorded: &PromotionStatus) -> LiveWorkload {
        let live = self.live;
        let guarded = live["metadata"]["labels"][GUARD].is_string();
        let current = self.is_current();
        LiveWorkload {
            current,
            edit: self.edit(recorded, guarded, current),
            guarded,
            version: Version::of(Some(live)),
        }
    }

    /// The edited Deployment, when there is an edit that the template does not know of.
    #[must_use]
    pub fn edited(self, recorded: &PromotionStatus) -> Option<Value> {
        match self.state(recorded).edit {
            Edit::None => None,
            Edit::Made => Some(self.live.clone()),
            Edit::Undone => {
                let mut edited = self.live.clone();
                let mut template = self.undone(recorded)?["spec"]["template"].clone();
                if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
                    labels.remove(POD_TEMPLATE_HASH);
                }
                edited["spec"]["template"] = template;
                Some(edited)
            }
        }
    }

    fn edit(self, recorded: &PromotionStatus, guarded: bool, current: bool) -> Edit {
        if self.is_last() {
            let stale = |manifest| spec_digest(manifest) != spec_digest(self.live);
            return if guarded && self.manifest.is_some_and(stale) {
                Edit::Made
            } else {
                Edit::None
            };
        }
        let (Some(before), Some(rehearsed)) = (&recorded.before, &recorded.rehearsed) else {
            return Edit::None;
        };
        // Another object of that name is no edit of this one.
        if self.live["metadata"]["uid"] != before.uid.as_str() {
            return Edit::None;
        }
        let earlier = || {
            let carried = recorded.carried.iter().map(|edit| &edit.spec_digest);
            std::iter::once(rehearsed).chain(carried)
        };
        let digest = spec_digest(self.live);
        if earlier().last() == Some(&digest) {
            let undone = !guarded && self.undone(recorded).is_some();
            return if undone { Edit::Undone } else { Edit::None };
        }
        if guarded {
            return Edit::Made;
        }
        // What Karmada has put back itself, or what a webhook has made of its write, is no edit.
        let put_back = !current && earlier().any(|earlier| *earlier == digest);
        if put_back || !is_of_somebody_else(self.live) {
            Edit::None
        } else {
            Edit::Made
        }
    }

    /// The ReplicaSet of the latest edit that Karmada's write has undone.
    ///
    /// It is told by what Karmada has written: had the person taken the edit back, none of the
    /// spec would be Karmada's.
    fn undone(self, recorded: &PromotionStatus) -> Option<Value> {
        let before = recorded.before.as_ref()?;
        if !wrote_spec(self.live) {
            return None;
        }
        let now = pod_template_digest(&self.live["spec"]["template"]);
        let revision = |replica_set: &Value| {
            let revision = replica_set["metadata"]["annotations"][REVISION].as_str();
            revision.and_then(|revision| revision.parse::<u64>().ok())
        };
        self.replica_sets
            .iter()
            .filter(|replica_set| is_controlled_by(replica_set, self.live))
            .filter(|replica_set| !before.replica_sets.contains(&identity(replica_set)))
            .filter(|replica_set| !is_of_edit(replica_set, &recorded.carried))
            .filter(|replica_set| pod_template_digest(&replica_set["spec"]["template"]) != now)
            .max_by_key(|replica_set| revision(replica_set))
            .cloned()
    }

    /// Whether there is no template any more that anything could be carried into.
    #[must_use]
    pub fn is_last(self) -> bool {
        self.template
            .is_none_or(|template| template["metadata"]["deletionTimestamp"].is_string())
    }

    /// Whether Karmada has written the template as it is now.
    fn is_current(self) -> bool {
        let Some(template) = self.template else {
            return false;
        };
        let (template, written) = (&template["metadata"], &self.live["metadata"]["annotations"]);
        let generation = template["generation"].as_i64().unwrap_or_default();
        written[TEMPLATE_UID] == template["uid"]
            && written[TEMPLATE_GENERATION] == generation.to_string().as_str()
    }
}

/// The record of an edit that is carried.
#[must_use]
pub fn carried(edited: &Value) -> CarriedEdit {
    CarriedEdit {
        pod_template_digest: pod_template_digest(&edited["spec"]["template"]),
        spec_digest: spec_digest(edited),
    }
}

/// The edit that was carried into the template, where that could not be said any more.
#[must_use]
pub fn unrecorded<'a>(
    recorded: &'a PromotionStatus,
    template: Option<&Value>,
) -> Option<&'a CarryingEdit> {
    let carrying = recorded.carrying.as_ref()?;
    (spec_digest(template?) == carrying.template_digest).then_some(carrying)
}

/// Whether Karmada's writes have changed the spec: the API server remembers who has set what.
fn wrote_spec(live: &Value) -> bool {
    managers(live)
        .filter(|entry| is_karmada(entry))
        .any(|entry| !entry["fieldsV1"]["f:spec"].is_null())
}

/// Whether somebody else has changed the spec when Karmada had last written, or Karmada has not
/// written yet. What a webhook makes of a write, the API server puts down to nobody.
fn is_of_somebody_else(live: &Value) -> bool {
    // RFC 3339, always in UTC and to the second: the order of the times is that of the texts.
    let written = managers(live)
        .filter(|entry| is_karmada(entry))
        .filter_map(|entry| entry["time"].as_str())
        .max();
    let Some(written) = written else { return true };
    managers(live)
        .filter(|entry| !is_karmada(entry))
        .filter(|entry| !entry["fieldsV1"]["f:spec"].is_null())
        .filter_map(|entry| entry["time"].as_str())
        .any(|time| time >= written)
}

/// Who has set which fields of an object itself, not of a subresource such as its scale.
fn managers(live: &Value) -> impl Iterator<Item = &Value> {
    live["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|entry| entry["subresource"].is_null())
}

/// Who has written Karmada's annotation is Karmada.
fn is_karmada(entry: &Value) -> bool {
    let annotation = format!("f:{WORK_NAME}");
    !entry["fieldsV1"]["f:metadata"]["f:annotations"][&annotation].is_null()
}

#[cfg(test)]
mod tests;
