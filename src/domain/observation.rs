//! What is seen of a promotion's objects, as small values that the step function decides on.

mod template;

use std::collections::BTreeSet;

use promoter_api::marks;
use serde_json::Value;

pub use self::template::{TemplateSettings, TemplateState};

use crate::object::{ObjectKey, ObjectKind};

/// One object of a promotion, as the control plane and the members show it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ObjectState {
    /// Whether Karmada has bound it only because workloads need it.
    pub attached: bool,
    /// The clusters that its binding places it in; nothing while there is no binding of ours.
    pub bound: Option<Vec<String>>,
    /// The object.
    pub key: ObjectKey,
    /// Whether another promoted workload needs it.
    pub needed_elsewhere: bool,
    /// The clusters that its own policy and the workloads that Karmada knows to need it ask for.
    pub needed_in: Vec<String>,
    /// Its policy.
    pub policy: PolicyState,
    /// Which policy was seen, as it was.
    pub policy_version: Option<Version>,
    /// Its resource template.
    pub template: TemplateState,
    /// Which template was seen, as it was.
    pub template_version: Option<Version>,
    /// What Karmada rendered for each cluster.
    pub works: Vec<WorkState>,
}

/// The workload in the member that it is promoted from, while Karmada takes it over or lets go of
/// it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct LiveWorkload {
    /// Karmada has written the template as it is now.
    pub current: bool,
    /// What a person has edited meanwhile.
    pub edit: Edit,
    /// It bears the mark under which the member refuses Karmada's writes that would undo an edit.
    pub guarded: bool,
    /// Which one was seen, as it was.
    pub version: Option<Version>,
}

/// An edit of the workload in the member, made after it was rehearsed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Edit {
    /// There it stands, and the template does not know of it.
    Made,
    /// There is none that the template does not know of.
    None,
    /// Karmada's write has undone it; its ReplicaSet is left.
    Undone,
}

/// What was seen of an object: a write that was decided on by it must not happen to what the
/// object has become since, or to another one of its name.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Version {
    /// The object's resource version.
    pub resource_version: String,
    /// The object's UID.
    pub uid: String,
}

/// The policy under the name that ours has.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum PolicyState {
    /// There is none.
    Absent,
    /// There is one that is not ours.
    Foreign,
    /// Another Promotion is staging or releasing it.
    InHand,
    /// It is ours.
    Ours(PolicySettings),
}

/// What decides how Karmada treats what a policy claims.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "they are independent fields of a policy"
)]
pub struct PolicySettings {
    /// A Promotion that is no more has marked it as being staged or as about to go.
    pub orphaned: bool,
    /// Karmada may take over what it finds in a member.
    pub overwrite: bool,
    /// Objects stay in the member when their Work is deleted.
    pub preserve: bool,
    /// Karmada takes dependencies along to every cluster.
    pub propagate_dependencies: bool,
    /// This Promotion has marked it as about to go.
    pub released_by_us: bool,
    /// Nothing is dispatched to members.
    pub suspended: bool,
    /// This Promotion has marked it as being staged.
    pub staged_by_us: bool,
}

/// What Karmada rendered for one cluster, and what became of it there.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "they are independent facts about a Work"
)]
pub struct WorkState {
    /// Whether the member has taken the manifest; nothing while Karmada has not said.
    pub applied: Option<bool>,
    /// The cluster.
    pub cluster: String,
    /// The manifest is that of the template as it is now.
    pub current: bool,
    /// It is on its way out.
    pub deleting: bool,
    /// Karmada has said that it dispatches nothing of it.
    pub dispatching_stopped: bool,
    /// The live object in the member bears the mark of some Karmada.
    pub managed: bool,
    /// What Karmada said when the member did not take it.
    pub message: Option<String>,
    /// The object stays in the member when this is deleted.
    pub preserve: bool,
    /// The number of replicas in the manifest, for a workload.
    pub replicas: Option<i64>,
    /// The member did not take it because of the guard.
    pub refused_by_guard: bool,
    /// The manifest lets the member keep its own number of replicas.
    pub retains_replicas: bool,
    /// Karmada was made to look at it again, and has not written it since.
    pub retried: bool,
    /// Nothing of it is to be dispatched.
    pub suspended: bool,
    /// The live object in the member bears the mark of this very Work.
    pub taken_over: bool,
    /// Which one was seen, as it was.
    pub version: Option<Version>,
}

impl Version {
    /// Reads it off an object.
    #[must_use]
    pub fn of(object: Option<&Value>) -> Option<Self> {
        let metadata = &object?["metadata"];
        Some(Self {
            resource_version: metadata["resourceVersion"].as_str()?.to_owned(),
            uid: metadata["uid"].as_str()?.to_owned(),
        })
    }
}

impl PolicyState {
    /// Reads it off a policy, from the point of view of one Promotion.
    ///
    /// `is_gone` tells of the UID of another Promotion whether that is no more: its marks hold
    /// nobody up.
    #[must_use]
    pub fn of(policy: Option<&Value>, promotion: &str, is_gone: impl Fn(&str) -> bool) -> Self {
        let Some(policy) = policy else {
            return Self::Absent;
        };
        let metadata = &policy["metadata"];
        if metadata["labels"][marks::MANAGED_BY] != marks::FIELD_MANAGER {
            return Self::Foreign;
        }
        let mark = |key: &str| metadata["annotations"][key].as_str();
        let marked = [mark(marks::STAGED_BY), mark(marks::RELEASED_BY)];
        // One on its way out is nobody's any more; whoever needs one waits until it has gone.
        let going = metadata["deletionTimestamp"].is_string();
        let others = marked.into_iter().flatten().filter(|by| *by != promotion);
        let (gone, there): (Vec<_>, Vec<_>) = others.partition(|by| is_gone(by));
        if going || !there.is_empty() {
            return Self::InHand;
        }
        let spec = &policy["spec"];
        Self::Ours(PolicySettings {
            orphaned: !gone.is_empty(),
            overwrite: spec["conflictResolution"] == "Overwrite",
            preserve: spec["preserveResourcesOnDeletion"] == true,
            propagate_dependencies: spec["propagateDeps"] == true,
            released_by_us: mark(marks::RELEASED_BY) == Some(promotion),
            suspended: spec["suspension"]["dispatching"] == true,
            staged_by_us: mark(marks::STAGED_BY) == Some(promotion),
        })
    }
}

impl PolicySettings {
    /// Whether a Promotion that is no more has left it before anything of it was dispatched.
    #[must_use]
    pub const fn is_left_over(&self) -> bool {
        self.orphaned && self.suspended && !self.preserve
    }
}

impl WorkState {
    /// Reads it off a Work of one cluster, the template it comes from, and the live object.
    ///
    /// Read field by field: a Work with something in it that this program does not know is still
    /// a Work, and must not be taken for one that is gone. Nothing only where there is no name.
    #[must_use]
    pub fn of(
        work: &Value,
        cluster: &str,
        template: Option<&Value>,
        live: Option<&Value>,
    ) -> Option<Self> {
        let name = work["metadata"]["name"].as_str()?;
        let manifest = manifest(work);
        let spec = &work["spec"];
        let conditions = work["status"]["conditions"].as_array();
        let condition = |kind: &str| {
            let mut conditions = conditions.into_iter().flatten();
            conditions.find(|condition| condition["type"] == kind)
        };
        let applied = condition("Applied");
        let message = applied
            .filter(|condition| condition["status"] == "False")
            .map(|condition| condition["message"].as_str().unwrap_or_default().to_owned());
        let marks_of_live = live.map(|live| &live["metadata"]);
        let managed =
            marks_of_live.is_some_and(|metadata| metadata["labels"][marks::MANAGED] == "true");
        let work_of_live = marks_of_live.map(|metadata| &metadata["annotations"]);
        let taken_over = managed
            && work_of_live.is_some_and(|annotations| {
                annotations[marks::WORK_NAME] == name
                    && annotations[marks::WORK_NAMESPACE] == work["metadata"]["namespace"]
            });
        Some(Self {
            applied: applied.and_then(|condition| match condition["status"].as_str() {
                Some("True") => Some(true),
                Some("False") => Some(false),
                _ => None,
            }),
            cluster: cluster.to_owned(),
            current: is_current(manifest, template),
            deleting: work["metadata"]["deletionTimestamp"].is_string(),
            managed,
            dispatching_stopped: condition("Dispatching")
                .is_some_and(|condition| condition["status"] == "False"),
            refused_by_guard: message
                .as_deref()
                .is_some_and(|message| message.contains(marks::GUARD_POLICY)),
            message,
            preserve: spec["preserveResourcesOnDeletion"] == true,
            replicas: manifest["spec"]["replicas"].as_i64(),
            retains_replicas: manifest["metadata"]["labels"][marks::RETAIN_REPLICAS] == "true",
            // Karmada writes it always; the engine takes it off.
            retried: spec["suspendDispatching"].is_null(),
            suspended: spec["suspendDispatching"] == true,
            taken_over,
            version: Version::of(Some(work)),
        })
    }
}

/// The manifest that a Work carries.
#[must_use]
pub fn manifest(work: &Value) -> &Value {
    &work["spec"]["workload"]["manifests"][0]
}

/// The clusters that a binding of ours places its object in, once the scheduler has seen it.
///
/// Read field by field, as Works are: one with something in it that this program does not know is
/// still a binding.
#[must_use]
pub fn bound(binding: Option<&Value>, policy: Option<&Value>) -> Option<Vec<String>> {
    let (binding, policy) = (binding?, policy?);
    let claim = binding["metadata"]["labels"][marks::POLICY_ID].as_str()?;
    if policy["metadata"]["labels"][marks::POLICY_ID] != claim {
        return None;
    }
    let status = &binding["status"];
    let scheduled = status["conditions"]
        .as_array()?
        .iter()
        .any(|condition| condition["type"] == "Scheduled" && condition["status"] == "True");
    let seen = status["schedulerObservedGeneration"] == binding["metadata"]["generation"];
    let mut clusters: Vec<_> = binding["spec"]["clusters"]
        .as_array()?
        .iter()
        .filter_map(|cluster| cluster["name"].as_str().map(str::to_owned))
        .collect();
    clusters.sort();
    (scheduled && seen).then_some(clusters)
}

/// Whether a binding is there only because workloads need what it binds: no policy places it.
///
/// Source: Karmada's `pkg/dependenciesdistributor/dependencies_distributor.go`,
/// `buildAttachedBinding`.
#[must_use]
pub fn is_attached(binding: Option<&Value>) -> bool {
    binding.is_some_and(|binding| binding["spec"]["placement"].is_null())
}

/// The other workloads that Karmada says need what a binding binds.
#[must_use]
pub fn required_by_others(binding: Option<&Value>, namespace: &str, workload: &ObjectKey) -> bool {
    binding
        .and_then(|binding| binding["spec"]["requiredBy"].as_array())
        .into_iter()
        .flatten()
        .any(|by| by["namespace"] != namespace || by["name"] != workload.binding_name().as_str())
}

/// The clusters that an object's own policy and the workloads that need it ask for.
#[must_use]
pub fn needed_in(binding: Option<&Value>, policy: Option<&Value>) -> Vec<String> {
    let placement = policy
        .and_then(|policy| {
            policy["spec"]["placement"]["clusterAffinity"]["clusterNames"].as_array()
        })
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let required = binding
        .and_then(|binding| binding["spec"]["requiredBy"].as_array())
        .into_iter()
        .flatten()
        .filter_map(|by| by["clusters"].as_array())
        .flatten()
        .filter_map(|cluster| cluster["name"].as_str());
    let clusters: BTreeSet<_> = placement.chain(required).map(str::to_owned).collect();
    clusters.into_iter().collect()
}

/// Whether a manifest was rendered from the template as it is now.
///
/// Karmada writes the template's UID and generation onto the manifest. A kind without generations
/// (ConfigMap, Secret, ServiceAccount) is told by its UID alone: what it holds cannot be compared,
/// as a person's OverridePolicy may change it.
fn is_current(manifest: &Value, template: Option<&Value>) -> bool {
    let Some(template) = template else {
        return false;
    };
    let annotations = &manifest["metadata"]["annotations"];
    if annotations[marks::TEMPLATE_UID] != template["metadata"]["uid"] {
        return false;
    }
    let rendered = annotations[marks::TEMPLATE_GENERATION].as_str();
    match template["metadata"]["generation"].as_i64() {
        Some(generation) => rendered == Some(generation.to_string().as_str()),
        None => true,
    }
}

impl ObjectState {
    /// Whether it is the workload.
    #[must_use]
    pub fn is_workload(&self) -> bool {
        self.key.kind == ObjectKind::Deployment
    }

    /// The settings of its policy, when that is ours.
    #[must_use]
    pub const fn settings(&self) -> Option<&PolicySettings> {
        match &self.policy {
            PolicyState::Ours(settings) => Some(settings),
            PolicyState::Absent | PolicyState::Foreign | PolicyState::InHand => None,
        }
    }

    /// What Karmada rendered of it for a cluster.
    #[must_use]
    pub fn work_in(&self, cluster: &str) -> Option<&WorkState> {
        self.works.iter().find(|work| work.cluster == cluster)
    }
}

#[cfg(test)]
mod tests;
