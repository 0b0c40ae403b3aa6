//! `--dry-run`: what promoting would come to. Nothing is written anywhere.

use anyhow::anyhow;
use futures::future::join_all;
use jiff::Timestamp;
use promoter_api::{
    promotion::{DesiredState, Phase, Promotion, PromotionSpec},
    reason::Reason,
};
use promoter_domain::{
    object::ObjectKey,
    plan::{self, Outcome, Plan},
};
use promoter_kubernetes::{
    existing,
    objects::{Objects, Write},
    resource::Resource,
    workload,
};
use serde_json::Value;

use crate::{
    arguments::Format,
    ask,
    connection::Connection,
    display::{complain, print},
    exit::Exit,
    failure::{Failure, chain},
    manifest, namespace,
    request::{self, Step, Wish, phase},
    stripped::{self, Stripped},
    summary,
};

/// What promoting one workload would come to.
pub(crate) struct Preview {
    /// What would be created, in that order.
    pub(crate) objects: Vec<Planned>,
    /// The plan.
    pub(crate) plan: Box<Plan>,
    /// What would be taken off objects in the member before anything else, as `spec.staleMarks` says.
    pub(crate) stripped: Vec<Stripped>,
}

/// An object that would be written.
pub(crate) struct Planned {
    /// What the control plane says of it.
    pub(crate) check: Check,
    /// The object.
    pub(crate) object: Value,
    /// Where it stands.
    pub(crate) resource: Resource,
    /// What would be done with it.
    pub(crate) verb: Verb,
}

/// What would be done with an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verb {
    Change,
    Create,
    Keep,
}

/// What the control plane says of an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Check {
    /// It would be accepted.
    Accepted,
    /// There is one of that name already, which would be used.
    Exists,
    /// It would not be accepted, and why.
    Rejected(String),
    /// It cannot be told while the namespace is missing.
    Untold,
}

/// What there is to show.
enum Shown {
    Already,
    Preview(Preview),
    /// It is promoted, and its spec asks for what was denied to somebody.
    SetBack,
    UnderWay(String),
}

/// Shows it for each workload.
pub(crate) async fn run(
    connection: &Connection,
    targets: &[ObjectKey],
    cluster: &str,
    wish: &Wish,
    output: Option<Format>,
) -> anyhow::Result<Exit> {
    let mut exits = Vec::new();
    if let Err(error) = connection.check_promotions().await {
        complain(&format!("error: {}\n", chain(&error)));
        exits.push(Exit::Error);
    }
    let member = match namespace::check(&connection.namespace) {
        Ok(()) => connection.member(cluster).await,
        Err(failure) => Err(failure),
    };
    let member = match member {
        Ok(member) => member,
        Err(failure) => {
            let names: Vec<_> = targets
                .iter()
                .map(|target| format!("{}/{}", connection.namespace, target.name))
                .collect();
            complain(&failure.text(&names.join(", ")));
            exits.push(failure.exit());
            return Ok(Exit::worst(exits));
        }
    };
    let shown = join_all(
        targets
            .iter()
            .map(|target| one(connection, &member, target, cluster, wish)),
    )
    .await;
    let mut objects = Vec::new();
    for (target, shown) in targets.iter().zip(shown) {
        let name = format!("{}/{}", connection.namespace, target.name);
        let preview = match shown {
            Ok(Shown::Preview(preview)) => preview,
            Ok(Shown::Already) => {
                complain(&format!(
                    "{name} is promoted already; nothing would be written\n"
                ));
                continue;
            }
            Ok(Shown::SetBack) => {
                complain(&format!(
                    "{name} is promoted already; what its spec asks for and was not done would be \
                     set back\n"
                ));
                continue;
            }
            Ok(Shown::UnderWay(phase)) => {
                complain(&format!(
                    "{name} is under way ({phase}); nothing would be written\n"
                ));
                continue;
            }
            Err(failure) => {
                complain(&failure.text(&name));
                exits.push(failure.exit());
                continue;
            }
        };
        match output {
            None => print(&summary::text(&name, cluster, &preview)),
            Some(_) => complain(&stripped::notes(&name, cluster, &preview.stripped)),
        }
        for rejected in summary::rejections(&name, &preview) {
            complain(&rejected);
            exits.push(Exit::Error);
        }
        objects.extend(preview.objects);
    }
    if objects.iter().any(|planned| planned.check == Check::Untold) {
        complain(&format!(
            "note: namespace {} does not exist in the control plane yet, so that the control \
             plane could not check what would be created in it\n",
            connection.namespace
        ));
    }
    if let Some(format) = output {
        print_objects(objects, format)?;
    }
    Ok(Exit::worst(exits))
}

async fn one(
    connection: &Connection,
    member: &Objects,
    target: &ObjectKey,
    cluster: &str,
    wish: &Wish,
) -> Result<Shown, Failure> {
    let namespace = connection.namespace.as_str();
    let found = ask::promotion(connection, &target.name).await?;
    let step = request::step(target, namespace, wish, found.as_ref(), Timestamp::now())?;
    let (promotion, verb) = match (step, &found) {
        (Step::Create(promotion), _) => (value(&promotion)?, Verb::Create),
        (Step::Patch(_), Some(found))
            if phase(found) == Phase::Promoted && wish.desired_state == DesiredState::Promoted =>
        {
            return Ok(Shown::SetBack);
        }
        (Step::Patch(patch), Some(found)) => (patched(found, &patch)?, Verb::Change),
        (Step::Already(_), _) => return Ok(Shown::Already),
        // Nothing has been staged yet.
        (Step::Follow, Some(found)) if matches!(phase(found), Phase::Pending | Phase::Waiting) => {
            (patched(found, &Value::Null)?, Verb::Keep)
        }
        (Step::Follow | Step::Patch(_), found) => {
            let phase = found.as_ref().map(phase).unwrap_or_default();
            return Ok(Shown::UnderWay(phase.to_string()));
        }
    };
    let spec: PromotionSpec =
        serde_json::from_value(promotion["spec"].clone()).map_err(anyhow::Error::from)?;
    let wanted = existing::wanted(&spec.dependencies);
    let live = workload::read(member, namespace, &target.name, wanted).await?;
    let Some(live) = live else {
        return Err(Failure::refused(
            Reason::WorkloadMissing,
            format!("cluster {cluster} has no {target} in namespace {namespace}"),
        ));
    };
    let existing =
        existing::read(&connection.control_plane, cluster, namespace, target, &live).await?;
    let request = plan::Request {
        cluster,
        namespace,
        promotion: found
            .as_ref()
            .and_then(|found| found.metadata.uid.as_deref())
            .unwrap_or("dry-run"),
        spec: &spec,
        workload: target,
    };
    let plan = match plan::plan(&request, &live, &existing) {
        Outcome::Plan(plan) => plan,
        Outcome::Refused(refusal) => return Err(refusal.into()),
        Outcome::Busy(key) => {
            return Err(anyhow!(
                "{key}, which it needs, is being promoted or released with another workload; try \
                 again when that is done"
            )
            .into());
        }
    };
    let mut objects = listed(&plan, &promotion, verb);
    let checks = objects
        .iter()
        .map(|planned| check(connection, planned, existing.namespace));
    let checks = join_all(checks).await;
    for (planned, check) in objects.iter_mut().zip(checks) {
        planned.check = check;
    }
    let stripped = stripped::of(&plan, &live);
    Ok(Shown::Preview(Preview {
        objects,
        plan,
        stripped,
    }))
}

/// The namespace, the Promotion, and each object after its policy.
fn listed(plan: &Plan, promotion: &Value, verb: Verb) -> Vec<Planned> {
    let planned = |resource, object: &Value, verb| Planned {
        check: Check::Untold,
        object: object.clone(),
        resource,
        verb,
    };
    let namespace = plan.namespace.iter();
    let mut objects: Vec<_> = namespace
        .map(|namespace| planned(Resource::NAMESPACE, namespace, Verb::Create))
        .collect();
    objects.push(planned(Resource::PROMOTION, promotion, verb));
    for object in &plan.objects {
        objects.push(planned(
            Resource::PROPAGATION_POLICY,
            &object.policy,
            Verb::Create,
        ));
        objects.push(planned(
            object.key.kind.into(),
            &object.template,
            Verb::Create,
        ));
    }
    objects
}

/// Asks the control plane by its own dry run.
async fn check(connection: &Connection, planned: &Planned, has_namespace: bool) -> Check {
    let namespace = match planned.resource {
        Resource::NAMESPACE => None,
        _ if has_namespace => Some(connection.namespace.as_str()),
        _ => return Check::Untold,
    };
    let Planned {
        object, resource, ..
    } = planned;
    let control_plane = &connection.control_plane;
    let answer = match planned.verb {
        Verb::Change => {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            control_plane
                .replace(*resource, namespace, name, object, Write::DryRun)
                .await
        }
        Verb::Create => {
            control_plane
                .create(*resource, namespace, object, Write::DryRun)
                .await
        }
        Verb::Keep => return Check::Exists,
    };
    match answer {
        Ok(_) => Check::Accepted,
        Err(error) if error.is_conflict() && planned.verb == Verb::Create => Check::Exists,
        Err(error) => Check::Rejected(error.to_string()),
    }
}

fn print_objects(objects: Vec<Planned>, format: Format) -> anyhow::Result<()> {
    let mut objects: Vec<_> = objects.into_iter().map(|planned| planned.object).collect();
    let mut redacted = false;
    for object in &mut objects {
        redacted |= manifest::redact(object);
    }
    if redacted {
        complain(&format!(
            "note: values of Secrets are printed as {}; they would be created as they are in the \
             member\n",
            manifest::REDACTED
        ));
    }
    print(&manifest::documents(&manifest::unique(objects), format)?);
    Ok(())
}

/// A Promotion as it would be after the patch.
fn patched(found: &Promotion, patch: &Value) -> Result<Value, Failure> {
    let mut promotion = found.clone();
    promotion.status = None;
    promotion.metadata.managed_fields = None;
    let mut promotion = value(&promotion)?;
    merge(&mut promotion["spec"], &patch["spec"]);
    let annotations = &patch["metadata"]["annotations"];
    merge(&mut promotion["metadata"]["annotations"], annotations);
    Ok(promotion)
}

/// As the API server does it (RFC 7396).
fn merge(object: &mut Value, changes: &Value) {
    for (key, value) in changes.as_object().into_iter().flatten() {
        if value.is_object() && object[key].is_object() {
            merge(&mut object[key], value);
        } else if value.is_null() {
            if let Some(object) = object.as_object_mut() {
                object.remove(key);
            }
        } else {
            object[key] = value.clone();
        }
    }
}

fn value(promotion: &Promotion) -> Result<Value, Failure> {
    Ok(serde_json::to_value(promotion).map_err(anyhow::Error::from)?)
}
