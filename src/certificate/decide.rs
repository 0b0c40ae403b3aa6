//! What is to be done about the authority and the certificate, given what there is and the time.
//!
//! An authority is changed in steps, each of which is kept in the Secret before the next:
//!
//! 1. a new authority is put before the old one, which goes on to be believed;
//! 2. once API servers have been told of both, the new one signs a certificate, and that is shown;
//! 3. a day after that, when no replica can show the old one any more, the old one is left out.
//!
//! Where nobody but people can tell API servers, as beside the hub, nobody knows when they have done
//! so. Then the old authority goes on signing until it ends itself, which is for years.
//!
//! A certificate that is not valid *yet* is kept: some clock is wrong, and if it is this
//! machine's, then replacing the certificate would only begin a quarrel with all the others.

use jiff::{SignedDuration, Timestamp};

use crate::{
    contents::{Contents, Signer},
    issue::{BACKDATED, CERTIFICATE_LIFE},
};

/// How long the authority before is believed after the new one has signed.
pub const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// How long before its end an authority that people know signs no more, whether they have been told
/// of another or not: what it signs is not to outlive it.
pub const HANDOVER: SignedDuration = CERTIFICATE_LIFE;

/// Whether API servers believe the newest authority.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Told {
    /// They have been told of it, and have had the time to use that.
    All,
    /// They have not, or just now.
    NotYet,
    /// There is nothing of ours by which they could be told: people do that.
    ByPeople,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Make a new authority, which signs later. The certificate is shown further on.
    AddAuthority,
    /// Make everything anew: there is nothing to go on with.
    Begin,
    /// Nothing.
    Keep,
    /// Have an authority sign a new certificate.
    Renew(Signer),
    /// Leave all authorities out but the newest.
    Retire,
    /// Wait until API servers have been told of the newest authority.
    WaitForBundle,
}

/// What is to be done next.
#[must_use]
pub fn decide(contents: &Contents, names: &[String], told: Told, now: Timestamp) -> Step {
    let signer = contents.signer(Signer::Newest, now);
    let usable = contents.usable(names, now);
    let (signer, usable) = match (signer, usable) {
        (None, None) => return Step::Begin,
        (None, Some(_)) => return Step::AddAuthority,
        (Some(_), None) if told == Told::ByPeople => return Step::Renew(known(contents, now)),
        (Some(_), None) => return Step::Renew(Signer::Newest),
        (Some(signer), Some(usable)) => (signer, usable),
    };
    if signer.is_due(now) {
        return Step::AddAuthority;
    }
    if !usable.by_newest {
        return match told {
            Told::All => Step::Renew(Signer::Newest),
            Told::NotYet => Step::WaitForBundle,
            Told::ByPeople if usable.certificate.is_due(now) => Step::Renew(known(contents, now)),
            Told::ByPeople if usable.authority.ends_within(HANDOVER, now) => {
                Step::Renew(Signer::Newest)
            }
            Told::ByPeople => Step::Keep,
        };
    }
    if usable.certificate.is_due(now) {
        return Step::Renew(Signer::Newest);
    }
    if is_settled(contents, names, now) && contents.with_newest_only() != *contents {
        return Step::Retire;
    }
    Step::Keep
}

/// Who signs as long as people may not have told of another.
fn known(contents: &Contents, now: Timestamp) -> Signer {
    match contents.signer(Signer::Oldest, now) {
        Some(oldest) if !oldest.ends_within(HANDOVER, now) => Signer::Oldest,
        _ => Signer::Newest,
    }
}

/// When the newest authority begins to sign, where it does not yet and API servers are told of it by
/// people. Whoever has not been told by then believes the webhook no more.
#[must_use]
pub fn untold(contents: &Contents, names: &[String], now: Timestamp) -> Option<Timestamp> {
    let usable = contents.usable(names, now)?;
    if usable.by_newest {
        return None;
    }
    Some(match contents.key_of(&usable.authority) {
        Some(_) => usable.authority.not_after - HANDOVER,
        None => usable.certificate.due(),
    })
}

/// Whether nobody can need another authority than the newest any more.
#[must_use]
pub fn is_settled(contents: &Contents, names: &[String], now: Timestamp) -> bool {
    contents.usable(names, now).is_some_and(|usable| {
        let since = usable.certificate.not_before + BACKDATED;
        usable.by_newest && now.duration_since(since) >= OVERLAP
    })
}

/// Whether the certificate only begins to be valid later, and when.
#[must_use]
pub fn begins_later(contents: &Contents, names: &[String], now: Timestamp) -> Option<Timestamp> {
    let not_before = contents.usable(names, now)?.certificate.not_before;
    (not_before > now).then_some(not_before)
}

#[cfg(test)]
mod tests;
