//! Planning: reads the member, decides, and records what will be done.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use promoter_api::{
    marks,
    promotion::{ClusterVerdict, DesiredState, Phase},
    reason::Reason,
};
use promoter_domain::{
    authorization::{Asked, Place, Purpose},
    plan::{self, Live, Plan, Refusal, Request},
    precondition,
    step::Outcome,
    strip::opt_out_patch,
};
use promoter_kubernetes::{
    existing, members, members::Member, reading::Reading, resource::Resource,
};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::{
    authorize::{Gate, deny},
    enter, enter_with, rehearse, stale, strip, wait,
};
use crate::{Context, Error, flow::Flow, read::live, record, record::Record, traces::as_seen};

/// How soon it is looked again whether another Promotion is done with a shared dependency.
const BUSY: Duration = Duration::from_millis(500);

/// Plans the promotion and records the plan, or why there is none.
pub(super) async fn plan(context: &Context, record: &Record) -> Result<Flow, Error> {
    let spec = &record.promotion.spec;
    // What is wanted, not what an earlier attempt recorded.
    let cluster = spec.clusters.first().map_or("", String::as_str);
    if let Err(refusal) = precondition::check_kind(&spec.workload, record.namespace(), cluster) {
        return refuse(context, record, refusal).await;
    }
    let key = record.workload();
    let asked = record.asked(cluster, &key, Purpose::of(spec.desired_state));
    let authority = match asked.authority(&context.opt_ins) {
        Ok(authority) => authority,
        Err(denial) => return deny(context, record, &denial).await,
    };
    let (here, there): (Vec<_>, Vec<_>) = asked
        .workload_accesses()
        .into_iter()
        .partition(|access| access.place == Place::ControlPlane);
    let mut gate = Gate {
        asked,
        authority,
        member: None,
    };
    // Before it is told even whether there is such a cluster.
    if let Err(denial) = gate.ask(context, &here).await? {
        return deny(context, record, &denial).await;
    }
    let member = match context.members.get(cluster).await {
        Ok(member) => member,
        Err(error) => return unreachable(context, record, error).await,
    };
    gate.member = Some(member.clone());
    if let Err(denial) = gate.ask(context, &there).await? {
        return deny(context, record, &denial).await;
    }
    if spec.desired_state == DesiredState::Released {
        let record = record.with_authority(&authority, Timestamp::now());
        return released(context, &record, &member).await;
    }
    let live = match read(context, record, &gate, &member).await? {
        Ok(live) => live,
        Err(denial) => return deny(context, record, &denial).await,
    };
    let record = &record.with_authority(&authority, Timestamp::now());
    let namespace = record.namespace();
    let Some(live) = live else {
        let message = format!(
            "namespace {namespace} of cluster {cluster} has no {key}; create it there first, or \
             name the cluster that has it"
        );
        return refuse(
            context,
            record,
            Refusal::new(Reason::WorkloadMissing, message),
        )
        .await;
    };
    let existing = existing::read(&context.control_plane, cluster, namespace, &key, &live).await?;
    let request = Request {
        cluster,
        namespace,
        promotion: record.uid(),
        spec,
        workload: &key,
    };
    match plan::plan(&request, &live, &existing) {
        plan::Outcome::Busy(dependency) => {
            wait(
                context,
                record,
                format!("another Promotion has {dependency} in hand"),
            )
            .await?;
            Ok(Flow::After(BUSY))
        }
        plan::Outcome::Refused(refusal) => refuse(context, record, refusal).await,
        plan::Outcome::Plan(plan) => accept(context, record, &member, *plan).await,
    }
}

/// Reads the workload with what it needs, each only when whoever asked may read it. Nothing, where
/// there is no such workload.
async fn read(
    context: &Context,
    record: &Record,
    gate: &Gate<'_>,
    member: &Member,
) -> Result<Result<Option<Live>, Outcome>, Error> {
    let Asked {
        namespace,
        workload,
        ..
    } = gate.asked;
    let wanted = existing::wanted(&record.promotion.spec.dependencies);
    let reading = Reading::begin(&member.objects, namespace, &workload.name, wanted).await?;
    let Some(mut reading) = reading else {
        return Ok(Ok(None));
    };
    loop {
        let next = reading.next();
        if next.is_empty() {
            break;
        }
        let accesses = gate.asked.dependency_accesses(&next);
        if let Err(denial) = gate.ask(context, &accesses).await? {
            return Ok(Err(denial));
        }
        reading.fetch().await?;
    }
    Ok(Ok(Some(reading.finish().await?)))
}

/// Nothing of this Promotion is in the control plane: released is what nobody else federates.
async fn released(context: &Context, record: &Record, member: &Member) -> Result<Flow, Error> {
    let key = record.workload();
    let live = live(member, record.namespace(), &key).await?;
    let work = match &live {
        Some(live) => existing::work_behind(&context.control_plane, &member.name, live).await?,
        None => None,
    };
    if work.is_none() {
        return match &live {
            Some(live) if !opted_out(record, member, live).await? => Ok(Flow::Again),
            _ => enter(context, record, Phase::Released, None).await,
        };
    }
    let message = format!(
        "{key} of namespace {} in cluster {} is federated, but not by this Promotion, which \
         therefore cannot release it; set preserveResourcesOnDeletion in its policy, wait for it \
         on its Works, and delete its template",
        record.namespace(),
        member.name
    );
    refuse(
        context,
        record,
        Refusal::new(Reason::AlreadyFederated, message),
    )
    .await
}

/// Has the workload ask for nothing any more, or the door would begin anew at once. Not done is what
/// somebody has changed meanwhile.
async fn opted_out(record: &Record, member: &Member, live: &Value) -> Result<bool, Error> {
    let patch = opt_out_patch(live).and_then(|patch| as_seen(patch, live));
    let Some(patch) = patch else {
        return Ok(true);
    };
    let (key, namespace) = (record.workload(), Some(record.namespace()));
    strip::merge(member, key.kind.into(), namespace, &key.name, &patch).await
}

async fn accept(
    context: &Context,
    record: &Record,
    member: &Member,
    plan: Plan,
) -> Result<Flow, Error> {
    if record.promotion.spec.desired_state == DesiredState::Observed {
        return observe(context, record, member, plan).await;
    }
    if !plan.stale.is_empty() {
        return stale::strip(context, record, member, &plan.stale).await;
    }
    let mut record = record.clone();
    let metadata = &record.promotion.metadata;
    let mut finalizers = metadata.finalizers.clone().unwrap_or_default();
    if !finalizers.iter().any(|name| name == marks::FINALIZER) {
        finalizers.push(marks::FINALIZER.to_owned());
        let patch = json!({
            "metadata": {"finalizers": finalizers, "resourceVersion": metadata.resource_version},
        });
        let (namespace, name) = (Some(record.namespace()), record.name());
        let marked = context
            .control_plane
            .merge(Resource::PROMOTION, namespace, name, &patch)
            .await?;
        // What was planned is what the spec says still: the patch was for the Promotion as it was.
        record.promotion.metadata = ObjectMeta::deserialize(&marked["metadata"])
            .map_err(|error| Error::Unreadable(format!("Promotion {}", record.name()), error))?;
    }
    let record = &record;
    let Plan {
        before,
        dependencies,
        ..
    } = plan;
    enter_with(context, record, Phase::Staging, None, |status| {
        status.before = Some(before);
        status.clusters = record::cluster(&member.name, ClusterVerdict::Unknown, Vec::new());
        status.dependencies = dependencies;
        status.placed = Vec::new();
        status.rehearsed = None;
        record.answer(status);
    })
    .await
}

/// Predicts the rehearsal and records it; nothing else is written.
async fn observe(
    context: &Context,
    record: &Record,
    member: &Member,
    plan: Plan,
) -> Result<Flow, Error> {
    let verdict = rehearse::predict(member, record.namespace(), &plan).await?;
    let (verdict, differences) = match verdict {
        Ok(()) => (ClusterVerdict::PredictedUnchanged, Vec::new()),
        Err(refusal) => {
            let refusal = Refusal {
                dependencies: plan.dependencies,
                ..refusal
            };
            return refuse(context, record, refusal).await;
        }
    };
    enter_with(context, record, Phase::Observed, None, |status| {
        status.clusters = record::cluster(&member.name, verdict, differences);
        status.dependencies = plan.dependencies;
        record.answer(status);
    })
    .await
}

/// Records why it cannot be done, and tries again later if that may pass.
pub(super) async fn refuse(
    context: &Context,
    record: &Record,
    refusal: Refusal,
) -> Result<Flow, Error> {
    const FIRST: i64 = 2;
    const LONGEST: i64 = 60;

    let Refusal {
        dependencies,
        differences,
        message,
        reason,
    } = refusal;
    let phase = if reason.may_pass() {
        Phase::Waiting
    } else {
        Phase::Refused
    };
    let name = record
        .promotion
        .spec
        .clusters
        .first()
        .cloned()
        .unwrap_or_default();
    enter_with(
        context,
        record,
        phase,
        Some(Outcome { message, reason }),
        |status| {
            let verdict = rehearse::verdict(&differences);
            status.clusters = record::cluster(&name, verdict, differences);
            status.dependencies = dependencies;
            record.answer(status);
        },
    )
    .await?;
    if phase == Phase::Refused {
        return Ok(Flow::Again);
    }
    // The longer it has waited, the longer it waits.
    let waited = match record.phase() {
        Phase::Waiting => record.phase_age(Timestamp::now()),
        _ => 0,
    };
    let delay = u64::try_from(waited.clamp(FIRST, LONGEST)).unwrap_or(1);
    Ok(Flow::After(Duration::from_secs(delay)))
}

async fn unreachable(
    context: &Context,
    record: &Record,
    error: members::Error,
) -> Result<Flow, Error> {
    let reason = match &error {
        members::Error::NotReady(_) => Reason::ClusterNotReady,
        members::Error::Unknown(_) => Reason::ClusterUnknown,
        members::Error::Credentials { .. }
        | members::Error::NoEndpoint { .. }
        | members::Error::Unusable { .. } => Reason::RehearsalImpossible,
        members::Error::Objects(_) => return Err(error.into()),
    };
    refuse(context, record, Refusal::new(reason, error.to_string())).await
}
