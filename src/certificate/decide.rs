//! What is to be done about the authority and the certificate, given what there is and the time.
//!
//! An authority is changed in steps, each of which is kept in the Secret before the next:
//!
//! 1. a new authority is put before the old one, which goes on to be believed;
//! 2. once API servers have been told of both, the new one signs a certificate, and that is shown;
//! 3. a day after that, when no replica can show the old one any more, the old one is left out.
//!
//! A certificate that is not valid *yet* is kept: some clock is wrong, and if it is this
//! machine's, then replacing the certificate would only begin a quarrel with all the others.

use jiff::{SignedDuration, Timestamp};

use crate::{contents::Contents, issue::BACKDATED};

/// How long the authority before is believed after the new one has signed.
pub const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// What is to be done next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Make a new authority, which signs later. The certificate is shown further on.
    AddAuthority,
    /// Make everything anew: there is nothing to go on with.
    Begin,
    /// Nothing.
    Keep,
    /// Have the newest authority sign a new certificate.
    Renew,
    /// Leave all authorities out but the newest.
    Retire,
    /// Wait until API servers have been told of the newest authority.
    WaitForBundle,
}

/// What is to be done next, where `published` says whether API servers have known the newest
/// authority for long enough.
#[must_use]
pub fn decide(contents: &Contents, names: &[String], published: bool, now: Timestamp) -> Step {
    let signer = contents.signer(now);
    let usable = contents.usable(names, now);
    let (signer, usable) = match (signer, usable) {
        (None, None) => return Step::Begin,
        (None, Some(_)) => return Step::AddAuthority,
        (Some(_), None) => return Step::Renew,
        (Some(signer), Some(usable)) => (signer, usable),
    };
    if signer.is_due(now) {
        return Step::AddAuthority;
    }
    if !usable.by_newest {
        return if published {
            Step::Renew
        } else {
            Step::WaitForBundle
        };
    }
    if usable.certificate.is_due(now) {
        return Step::Renew;
    }
    if is_settled(contents, names, now) && contents.with_newest_only() != *contents {
        return Step::Retire;
    }
    Step::Keep
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
