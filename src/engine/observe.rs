//! Reads the control plane and the members into the small values that the domain decides on.

use std::{collections::BTreeSet, time::Duration};

use futures::future::{try_join, try_join_all};
use jiff::Timestamp;
use promoter_api::{
    marks,
    promotion::{DependencyAction, Phase},
};
use promoter_domain::{
    late_edit::{self, Seen},
    object::ObjectKey,
    observation::{self, ObjectState, PolicyState, TemplateState, Version, WorkState},
    snapshot,
    step::Observed,
};
use promoter_kubernetes::{
    objects::{self, Objects},
    resource::Resource,
    workload,
};
use serde_json::Value;

use crate::{
    Context, Error, conditions,
    known::Known,
    read::{self, others, reach},
    record::Record,
    traces,
};

/// Reads what the next action depends on; what the phase has no use for is not read.
pub(crate) async fn observe(context: &Context, record: &Record) -> Result<Observed, Error> {
    let phase = record.phase();
    let status = record.status();
    let mut observed = Observed {
        autoscaled: status
            .before
            .as_ref()
            .is_some_and(|before| before.autoscaled),
        intent: record.intent(),
        edited: !status.carried.is_empty(),
        guarded: conditions::is_guarded(&status),
        live: None,
        live_replicas: None,
        marked: false,
        namespace: true,
        objects: Vec::new(),
        origin: record.origin().to_owned(),
        overdue: is_overdue(context, record, Timestamp::now()),
        phase,
        placed: record.placed(),
        reason: status.reason,
        rehearsed: status.rehearsed.is_some(),
        template_edited: false,
        unrecorded: false,
    };
    match phase {
        Phase::Pending
        | Phase::Waiting
        | Phase::Observed
        | Phase::Rehearsed
        | Phase::Refused
        | Phase::Failed
        | Phase::Released => {}
        Phase::Verifying => {
            let template = read::template(context, record).await?;
            let mut state = placement(context, record).await?;
            state.template_version = Version::of(template.as_ref());
            observed.objects = vec![state];
            live_workload(context, record, &mut observed, None, template.as_ref()).await?;
        }
        Phase::Promoted => observed.objects = vec![placement(context, record).await?],
        Phase::Staging
        | Phase::Abandoning
        | Phase::Committing
        | Phase::Settling
        | Phase::RollingBack
        | Phase::Releasing => objects(context, record, &mut observed).await?,
    }
    Ok(observed)
}

/// Every object with everything about it.
async fn objects(context: &Context, record: &Record, observed: &mut Observed) -> Result<(), Error> {
    let namespace = record.namespace();
    observed.namespace = context
        .control_plane
        .get(Resource::NAMESPACE, None, namespace)
        .await?
        .is_some();
    let users = match observed.phase {
        Phase::Releasing | Phase::RollingBack => users(context, record).await?,
        _ => BTreeSet::new(),
    };
    let keys = record.objects();
    let read = try_join_all(keys.iter().map(|key| object(context, record, key, &users))).await?;
    let mut replicas = None;
    for Read {
        live,
        live_replicas,
        state,
        template,
    } in read
    {
        if state.is_workload() {
            live_workload(context, record, observed, live, template.as_ref()).await?;
        }
        replicas = replicas.or(live_replicas);
        observed.objects.push(state);
    }
    observed.live_replicas = replicas;
    // What others have in hand, made or federate themselves is not this Promotion's to be waited for.
    let gone = observed.objects.iter().all(|object| {
        let may_be_others = !object.is_workload() || object.template == TemplateState::Foreign;
        let is_others = may_be_others && object.settings().is_none();
        is_others
            || object.needed_elsewhere
            || (object.works.is_empty() && object.template == TemplateState::Absent)
    });
    if gone && matches!(observed.phase, Phase::Releasing | Phase::RollingBack) {
        observed.marked = traces::are_left(context, record).await?;
    }
    Ok(())
}

/// What has become of the workload in the member that it is promoted from.
async fn live_workload(
    context: &Context,
    record: &Record,
    observed: &mut Observed,
    live: Option<Value>,
    template: Option<&Value>,
) -> Result<(), Error> {
    let status = record.status();
    if !record.carries_edits() {
        return Ok(());
    }
    let digest = template.map(snapshot::spec_digest);
    observed.template_edited = status.template_digest.is_some() && digest != status.template_digest;
    observed.unrecorded = late_edit::unrecorded(&status, template).is_some();
    // The mark may be there, and the hub have died before it could say so.
    let may_be_marked =
        matches!(observed.phase, Phase::Abandoning | Phase::RollingBack) && record.was_committing();
    let needed =
        observed.phase == Phase::Verifying || observed.guarded == Some(true) || may_be_marked;
    let live = match live {
        None if needed => match reach(context, record.origin()).await? {
            Some(member) => read::live(&member, record.namespace(), &record.workload()).await?,
            None => None,
        },
        live => live,
    };
    let Some(live) = live else { return Ok(()) };
    // Only where nothing refuses it may Karmada have undone an edit: not where the mark is missing
    // that a person's edit has taken off.
    let refused =
        observed.guarded == Some(true) && live["metadata"]["labels"][marks::GUARD].is_string();
    let may_be_undone = !refused && matches!(observed.phase, Phase::Verifying | Phase::Settling);
    let mut replica_sets = Vec::new();
    if may_be_undone && let Some(member) = reach(context, record.origin()).await? {
        let running = workload::running(&member.objects, record.namespace(), &live);
        (replica_sets, _) = running.await?;
    }
    let mut seen = Seen {
        live: &live,
        manifest: None,
        replica_sets: &replica_sets,
        template,
    };
    let work = if seen.is_last() {
        read::work(
            context,
            record.namespace(),
            &record.workload(),
            record.origin(),
        )
        .await?
    } else {
        None
    };
    seen.manifest = work.as_ref().map(observation::manifest);
    observed.live = Some(seen.state(&status));
    Ok(())
}

struct Read {
    /// The workload in the member that it is promoted from.
    live: Option<Value>,
    live_replicas: Option<i64>,
    state: ObjectState,
    /// The workload's template.
    template: Option<Value>,
}

async fn object(
    context: &Context,
    record: &Record,
    key: &ObjectKey,
    users: &BTreeSet<ObjectKey>,
) -> Result<Read, Error> {
    let namespace = record.namespace();
    let control_plane = &context.control_plane;
    let policy_name = key.policy_name();
    let binding_name = key.binding_name();
    let (policy, (template, binding)) = try_join(
        control_plane.get(Resource::PROPAGATION_POLICY, Some(namespace), &policy_name),
        try_join(
            telling(control_plane, namespace, key),
            control_plane.get(Resource::RESOURCE_BINDING, Some(namespace), &binding_name),
        ),
    )
    .await?;
    let needed_in = observation::needed_in(binding.as_ref(), policy.as_ref());
    let bound = observation::bound(binding.as_ref(), policy.as_ref());
    let clusters: BTreeSet<&str> = record
        .clusters()
        .chain(needed_in.iter().map(String::as_str))
        .chain(bound.iter().flatten().map(String::as_str))
        .collect();
    let reads = clusters
        .into_iter()
        .map(|cluster| work(context, record, key, cluster, template.as_ref()));
    let mut works = Vec::new();
    let mut live = None;
    for (cluster, found) in try_join_all(reads).await? {
        let Some(found) = found else { continue };
        if cluster == record.origin() {
            live = found.live;
        }
        works.push(found.state);
    }
    let state = ObjectState {
        attached: observation::is_attached(binding.as_ref()),
        bound,
        key: key.clone(),
        needed_elsewhere: users.contains(key)
            || (key.kind.as_dependency().is_some()
                && observation::required_by_others(
                    binding.as_ref(),
                    namespace,
                    &record.workload(),
                )),
        needed_in,
        policy: policy_state(context, record, policy.as_ref()).await?,
        policy_version: Version::of(policy.as_ref()),
        template: TemplateState::of(template.as_ref(), policy.as_ref()),
        template_version: Version::of(template.as_ref()),
        works,
    };
    let live_replicas = live
        .as_ref()
        .and_then(|live| live["spec"]["replicas"].as_i64());
    let is_workload = state.is_workload();
    Ok(Read {
        live: live.filter(|_| is_workload),
        live_replicas,
        state,
        template: template.filter(|_| is_workload),
    })
}

/// A policy as this Promotion sees it. What marks it is looked for only where that matters.
async fn policy_state(
    context: &Context,
    record: &Record,
    policy: Option<&Value>,
) -> Result<PolicyState, Error> {
    let state = PolicyState::of(policy, record.uid(), |_| false);
    if state != PolicyState::InHand {
        return Ok(state);
    }
    // Read after the policy was: whoever had marked it by then and is not there is no more.
    let others = others(context, record).await?;
    let is_gone = |by: &str| others.iter().all(|other| other.is_not(by));
    Ok(PolicyState::of(policy, record.uid(), is_gone))
}

struct FoundWork {
    live: Option<Value>,
    state: WorkState,
}

/// The Work of an object in one cluster, and the live object that it is about.
///
/// The live object is read after the Work: a Work that says that dispatching has stopped then
/// proves that the live object will not be written to any more.
async fn work<'a>(
    context: &Context,
    record: &Record,
    key: &ObjectKey,
    cluster: &'a str,
    template: Option<&Value>,
) -> Result<(&'a str, Option<FoundWork>), Error> {
    let namespace = record.namespace();
    let work = read::work(context, namespace, key, cluster).await?;
    let Some(work) = work else {
        return Ok((cluster, None));
    };
    // While staging, nothing has reached the member, and what is there is not asked for.
    let live = match record.phase() {
        Phase::Staging | Phase::Abandoning => None,
        _ => match reach(context, cluster).await? {
            Some(member) => telling(&member.objects, namespace, key).await?,
            None => None,
        },
    };
    let state = WorkState::of(&work, cluster, template, live.as_ref());
    Ok((cluster, state.map(|state| FoundWork { live, state })))
}

/// What an observation needs of an object: of a dependency, which may be large, the metadata alone.
async fn telling(
    objects: &Objects,
    namespace: &str,
    key: &ObjectKey,
) -> Result<Option<Value>, objects::Error> {
    let (resource, namespace) = (key.kind.into(), Some(namespace));
    if key.kind.as_dependency().is_some() {
        objects.get_metadata(resource, namespace, &key.name).await
    } else {
        objects.get(resource, namespace, &key.name).await
    }
}

/// Only where the workload is placed: all that matters of one that is promoted.
async fn placement(context: &Context, record: &Record) -> Result<ObjectState, Error> {
    let key = record.workload();
    let namespace = Some(record.namespace());
    let policy_name = key.policy_name();
    let binding_name = key.binding_name();
    let (policy, binding) = try_join(
        context
            .control_plane
            .get(Resource::PROPAGATION_POLICY, namespace, &policy_name),
        context
            .control_plane
            .get(Resource::RESOURCE_BINDING, namespace, &binding_name),
    )
    .await?;
    Ok(ObjectState {
        attached: false,
        bound: observation::bound(binding.as_ref(), policy.as_ref()),
        needed_elsewhere: false,
        needed_in: Vec::new(),
        policy: policy_state(context, record, policy.as_ref()).await?,
        policy_version: Version::of(policy.as_ref()),
        template: TemplateState::Absent,
        template_version: None,
        works: Vec::new(),
        key,
    })
}

/// The dependencies that other Promotions of the namespace rely on.
///
/// Read from the API server, not from a cache: a Promotion writes down what it relies on before
/// it looks whether that is about to go, and this one marks what is to go before it looks here.
async fn users(context: &Context, record: &Record) -> Result<BTreeSet<ObjectKey>, Error> {
    let others = others(context, record).await?;
    let relying = others.iter().filter(|other| other.relies_on_them());
    Ok(relying.flat_map(Known::dependencies).cloned().collect())
}

/// How much longer staging and committing may take for each object.
const EACH_OBJECT: Duration = Duration::from_secs(1);

fn is_overdue(context: &Context, record: &Record, now: Timestamp) -> bool {
    let limit = match record.phase() {
        Phase::Staging => context.limits.staging,
        Phase::Committing => context.limits.commit,
        _ => return false,
    };
    let objects = u32::try_from(record.objects().len()).unwrap_or(u32::MAX);
    let limit = limit.saturating_add(EACH_OBJECT.saturating_mul(objects));
    // While no hub ran, nobody could go on.
    let running = context.started.elapsed();
    let age = u64::try_from(record.phase_age(now)).unwrap_or_default();
    running.min(Duration::from_secs(age)) >= limit
}

impl Record {
    /// Every cluster that it was promoted from or is placed in.
    pub(crate) fn clusters(&self) -> impl Iterator<Item = &str> {
        let placed = self
            .promotion
            .status
            .iter()
            .flat_map(|status| &status.placed);
        placed.map(String::as_str).chain([self.origin()])
    }

    /// Whether a dependency was to be federated by this Promotion.
    pub(crate) fn creates(&self, key: &ObjectKey) -> bool {
        self.dependencies().any(|dependency| {
            dependency.action == DependencyAction::Created
                && ObjectKey::dependency(dependency.kind, &dependency.name) == *key
        })
    }

    /// Whether a dependency is only seen through the workload's ServiceAccount.
    pub(crate) fn follows(&self, key: &ObjectKey) -> bool {
        self.dependencies().any(|dependency| {
            dependency.through_service_account
                && ObjectKey::dependency(dependency.kind, &dependency.name) == *key
        })
    }
}
