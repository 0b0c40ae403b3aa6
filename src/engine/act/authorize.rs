//! Asks whether whoever wants something may have it, before anything is read or done for them.

use jiff::Timestamp;
use promoter_api::promotion::PromotionStatus;
use promoter_domain::{
    authorization::{Access, Asked, Authority, Place, Purpose},
    object::ObjectKey,
    step::Outcome,
};
use promoter_kubernetes::{access, events::EventType, members::Member};

use super::write;
use crate::{Context, Error, flow::Flow, read::reach, record::Record};

/// One who asks, and the API servers that decide about them.
pub(super) struct Gate<'a> {
    pub(super) asked: Asked<'a>,
    pub(super) authority: Authority<'a>,
    /// Nothing where it has left Karmada.
    pub(super) member: Option<Member>,
}

impl Gate<'_> {
    /// Whether they may do all of it by themselves, or why they are denied it.
    pub(super) async fn ask(
        &self,
        context: &Context,
        accesses: &[Access],
    ) -> Result<Result<(), Outcome>, Error> {
        let requester = match self.authority {
            Authority::ApiServers(requester) => requester,
            Authority::Member(_) => return Ok(Ok(())),
        };
        let member = self.member.as_ref().map(|member| &member.objects);
        let denied =
            access::first_denied(&context.control_plane, member, requester, accesses).await?;
        Ok(denied.map_or(Ok(()), |access| Err(self.asked.denied(requester, access))))
    }
}

/// Records that what was asked for was denied. Nothing was looked at, and nobody is told of it
/// but who can see the Promotion.
pub(super) async fn deny(
    context: &Context,
    record: &Record,
    denial: &Outcome,
) -> Result<Flow, Error> {
    let status = record.denied(denial, Timestamp::now());
    tell(context, record, denial, &status).await
}

/// Asks about a change of what is promoted. Denied, it stays as it is.
pub(super) async fn authorize(context: &Context, record: &Record) -> Result<Flow, Error> {
    let key = record.workload();
    let purpose = Purpose::of_promoted(record.promotion.spec.desired_state);
    let asked = record.asked(record.origin(), &key, purpose);
    let authority = match asked.authority(&context.opt_ins) {
        Ok(authority) => authority,
        Err(denial) => return deny_change(context, record, &denial).await,
    };
    let dependencies: Vec<_> = record
        .dependencies()
        .map(|dependency| ObjectKey::dependency(dependency.kind, &dependency.name))
        .collect();
    let mut accesses = asked.workload_accesses();
    accesses.extend(asked.dependency_accesses(&dependencies));
    let is_there = |access: &Access| matches!(access.place, Place::Member(_));
    let member = if accesses.iter().any(is_there) {
        reach(context, record.origin()).await?
    } else {
        None
    };
    if member.is_none() {
        // A cluster that has left Karmada has no say, and nothing will be done in it.
        accesses.retain(|access| !is_there(access));
    }
    let gate = Gate {
        asked,
        authority,
        member,
    };
    if let Err(denial) = gate.ask(context, &accesses).await? {
        return deny_change(context, record, &denial).await;
    }
    let mut status = record.status();
    record.authorize(&mut status, &authority, Timestamp::now());
    write(context, record, &status).await?;
    Ok(Flow::Again)
}

/// Lets people see that nobody could be asked; it is tried again.
pub(crate) async fn unanswered(
    context: &Context,
    record: &Record,
    error: &access::Error,
) -> Result<(), Error> {
    let status = record.unanswered(&error.to_string(), Timestamp::now());
    write(context, record, &status).await
}

async fn deny_change(context: &Context, record: &Record, denial: &Outcome) -> Result<Flow, Error> {
    let status = record.change_denied(denial, Timestamp::now());
    tell(context, record, denial, &status).await
}

async fn tell(
    context: &Context,
    record: &Record,
    denial: &Outcome,
    status: &PromotionStatus,
) -> Result<Flow, Error> {
    let Outcome { message, reason } = denial;
    write(context, record, status).await?;
    let reason = reason.to_string();
    tracing::info!(
        namespace = record.namespace(),
        name = record.name(),
        reason,
        message,
        "denied"
    );
    context
        .events
        .publish(
            &record.reference(),
            EventType::Warning,
            &reason,
            "Authorize",
            message,
        )
        .await;
    Ok(Flow::Again)
}
