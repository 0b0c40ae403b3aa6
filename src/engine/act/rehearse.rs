//! The rehearsal: asks the members what Karmada's write would change, by a dry run of it.

use promoter_api::{
    promotion::{
        ClusterVerdict, DependencyAction, DependencyStatus, DesiredState, Difference, Phase,
    },
    reason::Reason,
};
use promoter_domain::{
    object::ObjectKey,
    observation::{self, ObjectState},
    plan::{Plan, Refusal},
    rehearsal,
    snapshot::spec_digest,
    step::{Observed, Outcome},
};
use promoter_kubernetes::{members::Member, objects::Write};
use serde_json::Value;

use super::{enter, enter_with, origin};
use crate::{
    Context, Error,
    flow::Flow,
    read::{self, live},
    record::Record,
};

/// How often a dry run is tried that crosses with somebody's write to the same object.
const TRIES: usize = 5;

/// Rehearses every staged object in the cluster that it is promoted from.
pub(super) async fn rehearse(
    context: &Context,
    record: &Record,
    observed: &Observed,
) -> Result<Flow, Error> {
    let member = origin(context, record).await?;
    let namespace = record.namespace();
    let mut differences = Vec::new();
    let mut spec = None;
    for key in record.objects() {
        let Some(manifest) = rendered(context, &key, namespace, &member.name).await? else {
            if key == record.workload() {
                // The Work has gone since it was observed.
                return Ok(Flow::Again);
            }
            continue;
        };
        match rehearse_one(&member, namespace, &key, &manifest).await {
            Ok(Ok(rehearsed)) => {
                differences.extend(rehearsed.differences);
                if key == record.workload() {
                    spec = Some(spec_digest(&rehearsed.live));
                }
            }
            Ok(Err(refusal)) => return refuse(context, record, refusal).await,
            // A webhook that does not answer, say. It may come back, but is not waited for forever.
            Err(Error::Objects(error)) if observed.overdue => {
                let message = format!(
                    "the rehearsal of Karmada's write was not answered: {error}; see to it that \
                     the member answers, and ask again"
                );
                let refusal = Refusal::new(Reason::RehearsalImpossible, message);
                return refuse(context, record, refusal).await;
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(refusal) = refusal(&member.name, differences) {
        let before = record.status().before.map(|before| before.spec_digest);
        let edited = spec.is_some() && spec != before;
        let refusal = if edited {
            // Not Karmada's write is different, but what it is compared with.
            let message = format!(
                "{} of namespace {namespace} in cluster {} was changed while it was being \
                 promoted; it is planned again",
                record.workload(),
                member.name
            );
            Refusal::new(Reason::LateEdit, message)
        } else {
            refusal
        };
        return refuse(context, record, refusal).await;
    }
    let dependencies = dependencies(record, observed);
    let template = read::template(context, record).await?;
    let template = template.as_ref().map(spec_digest);
    let passed = |status: &mut promoter_api::promotion::PromotionStatus| {
        status.dependencies = dependencies;
        status.rehearsed = spec;
        status.template_digest = template;
        status.clusters =
            crate::record::cluster(&member.name, ClusterVerdict::Unchanged, Vec::new());
    };
    let phase = match record.promotion.spec.desired_state {
        DesiredState::Promoted => Phase::Committing,
        DesiredState::Observed | DesiredState::Rehearsed | DesiredState::Released => {
            Phase::Abandoning
        }
    };
    enter_with(context, record, phase, None, passed).await
}

/// The dependencies as they turned out: since this one was planned, another Promotion may have
/// federated some of them, or released them.
fn dependencies(record: &Record, observed: &Observed) -> Vec<DependencyStatus> {
    let mut dependencies = record.status().dependencies;
    for dependency in &mut dependencies {
        match dependency.action {
            DependencyAction::Created | DependencyAction::Reused => {}
            DependencyAction::Conflict | DependencyAction::Skipped => continue,
        }
        let key = ObjectKey::dependency(dependency.kind, &dependency.name);
        let ours = observed
            .object(&key)
            .and_then(ObjectState::settings)
            .is_some_and(|settings| settings.staged_by_us);
        dependency.action = if ours {
            DependencyAction::Created
        } else {
            DependencyAction::Reused
        };
    }
    dependencies
}

/// Predicts the rehearsal of a plan of which nothing is staged.
pub(super) async fn predict(
    member: &Member,
    namespace: &str,
    plan: &Plan,
) -> Result<Result<(), Refusal>, Error> {
    let mut differences = Vec::new();
    for object in &plan.objects {
        let manifest = rehearsal::predicted_manifest(&object.template);
        match rehearse_one(member, namespace, &object.key, &manifest).await? {
            Ok(rehearsed) => differences.extend(rehearsed.differences),
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    Ok(refusal(&member.name, differences).map_or(Ok(()), Err))
}

/// What differences come to.
pub(super) fn verdict(differences: &[Difference]) -> ClusterVerdict {
    if rehearsal::restarts_pods(differences) {
        ClusterVerdict::WouldRestartPods
    } else if differences.is_empty() {
        ClusterVerdict::Unknown
    } else {
        ClusterVerdict::WouldChange
    }
}

/// The manifest that Karmada has rendered of an object for a cluster.
pub(super) async fn rendered(
    context: &Context,
    key: &ObjectKey,
    namespace: &str,
    cluster: &str,
) -> Result<Option<Value>, Error> {
    let work = read::work(context, namespace, key, cluster).await?;
    Ok(work.map(|work| observation::manifest(&work).clone()))
}

/// What the dry run of one object came to.
pub(super) struct Rehearsed {
    pub(super) differences: Vec<Difference>,
    pub(super) live: Value,
}

/// Puts a manifest to the member as Karmada would, without anything being kept.
pub(super) async fn rehearse_one(
    member: &Member,
    namespace: &str,
    key: &ObjectKey,
    manifest: &Value,
) -> Result<Result<Rehearsed, Refusal>, Error> {
    let mut tries = 0;
    loop {
        let Some(live) = live(member, namespace, key).await? else {
            return Ok(Err(Refusal::new(
                Reason::LateEdit,
                format!(
                    "{key} of namespace {namespace} in cluster {} has gone meanwhile; it is \
                     planned again",
                    member.name
                ),
            )));
        };
        let body = rehearsal::body(manifest, &live, key.kind);
        let answer = member
            .objects
            .replace(
                key.kind.into(),
                Some(namespace),
                &key.name,
                &body,
                Write::DryRun,
            )
            .await;
        tries += 1;
        match answer {
            Ok(answer) => {
                let differences = rehearsal::differences(key, &live, &answer);
                return Ok(Ok(Rehearsed { differences, live }));
            }
            Err(error) if error.is_conflict() && tries < TRIES => {}
            Err(error) if error.is_refusal() => {
                return Ok(Err(Refusal::new(
                    Reason::RehearsalImpossible,
                    format!(
                        "the rehearsal of Karmada's write was refused: {error}; let that rule \
                         pass dry runs and writes of the identity that Karmada uses there"
                    ),
                )));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

pub(super) fn refusal(cluster: &str, differences: Vec<Difference>) -> Option<Refusal> {
    let first = differences.first()?;
    let what = format!("{} {}", first.object, first.path);
    let more = match differences.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (reason, message) = if rehearsal::restarts_pods(&differences) {
        (
            Reason::WouldRestartPods,
            format!(
                "Karmada's write would change {what}{more} in cluster {cluster}, and so replace \
                 every pod; look for an OverridePolicy in the control plane or a webhook in the \
                 member that changes it, and see status.clusters for the values"
            ),
        )
    } else {
        (
            Reason::WouldChangeObject,
            format!(
                "Karmada's write would change {what}{more} in cluster {cluster}; look for an \
                 OverridePolicy in the control plane or a webhook in the member that changes it, \
                 and see status.clusters for the values"
            ),
        )
    };
    Some(Refusal {
        differences,
        ..Refusal::new(reason, message)
    })
}

/// Has everything staged taken away again, with the reason in the status.
async fn refuse(context: &Context, record: &Record, refusal: Refusal) -> Result<Flow, Error> {
    let Refusal {
        differences,
        message,
        reason,
        ..
    } = refusal;
    let name = record.origin().to_owned();
    let outcome = Outcome { message, reason };
    if differences.is_empty() {
        return enter(context, record, Phase::Abandoning, Some(outcome)).await;
    }
    enter_with(
        context,
        record,
        Phase::Abandoning,
        Some(outcome),
        |status| {
            let verdict = verdict(&differences);
            status.clusters = crate::record::cluster(&name, verdict, differences);
        },
    )
    .await
}
