//! Whether something may opt in, told to whoever asks while they wait.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use promoter_api::{marks, promotion::DesiredState};
use promoter_domain::{
    opt_in::OptIns,
    verdict::{self, Accepted, Existing, Rejection, Subject, SubjectKind},
};

use super::{Asked, change::Change};
use crate::{
    index::Index,
    review::{Decision, Denial, Verdict},
};

/// The verdict on what newly opts in, in a cluster; nothing is said to anything else.
///
/// Without an index nothing is known of the control plane, and the hub says later what speaks
/// against it there.
pub(crate) fn verdict(
    request: &Asked<'_>,
    cluster: &str,
    opt_ins: &OptIns,
    index: Option<&Index>,
) -> Decision {
    let asked = Change::of(request).and_then(|change| {
        let new = change.new.filter(|new| !new.is_going())?;
        Some((change.kind, new, change.opts_in()?))
    });
    let Some((kind, new, value)) = asked else {
        return Verdict::Allowed.into();
    };
    // The request's name is empty where the API server has chosen the object's.
    let name = if request.name.is_empty() {
        new.name()
    } else {
        &*request.name
    };
    let subject = Subject {
        cluster,
        kind,
        name,
        namespace: match kind {
            SubjectKind::Deployment => &request.namespace,
            SubjectKind::Namespace => name,
        },
    };
    match decide(&subject, value, opt_ins, index) {
        Ok(accepted) => Decision {
            audit: audited("accepted"),
            verdict: Verdict::Allowed,
            warnings: acceptance(&subject, accepted),
        },
        Err(denial) => Decision {
            audit: audited(denial.reason),
            verdict: Verdict::Denied(denial),
            warnings: Vec::new(),
        },
    }
}

fn decide(
    subject: &Subject<'_>,
    value: &str,
    opt_ins: &OptIns,
    index: Option<&Index>,
) -> Result<Accepted, Denial> {
    let rejected = |rejection: Rejection| denial(&rejection, subject);
    // What needs no look at the control plane.
    let accepted =
        verdict::decide(subject, value, opt_ins, Existing::default()).map_err(rejected)?;
    let (Some(index), SubjectKind::Deployment) = (index, subject.kind) else {
        return Ok(accepted);
    };
    let known = index.known().ok_or_else(|| Denial {
        code: 503,
        message: format!(
            "{subject} is not promoted: this webhook has just begun, and does not know yet what \
             the control plane has; try again in a moment"
        ),
        reason: "ServiceUnavailable",
    })?;
    let existing = known.existing(subject);
    verdict::decide(subject, value, opt_ins, existing).map_err(rejected)
}

fn denial(rejection: &Rejection, subject: &Subject<'_>) -> Denial {
    let code = match rejection {
        Rejection::InvalidValue(_) => 422,
        Rejection::AlreadyFederated
        | Rejection::ConflictingPromotion(_)
        | Rejection::ConflictingTemplate
        | Rejection::NamespaceNotAllowed
        | Rejection::NamespaceReserved => 403,
    };
    Denial {
        code,
        message: rejection.message(subject),
        reason: rejection.reason(),
    }
}

/// What happens next, and how to follow it.
fn acceptance(subject: &Subject<'_>, accepted: Accepted) -> Vec<String> {
    let Subject {
        cluster,
        name,
        namespace,
        ..
    } = subject;
    let (phase, reason) = (marks::PHASE, marks::REASON);
    let follow = |whose: &str, name: fmt::Arguments<'_>| {
        format!(
            "the annotations {phase} and {reason} and the events of {whose} tell how it goes; in \
             the control plane, `kubectl promote status{name} -n {namespace}`"
        )
    };
    let follow = match subject.kind {
        SubjectKind::Namespace => follow("each", format_args!("")),
        SubjectKind::Deployment if name.is_empty() => follow("it", format_args!("")),
        SubjectKind::Deployment => follow("it", format_args!(" deployment/{name}")),
    };
    let next = match (subject.kind, accepted) {
        (SubjectKind::Namespace, _) => format!(
            "the Deployments of {subject} will be promoted to Karmada, those to come as well, but \
             for those whose own annotation {} says \"false\"",
            marks::ENABLED
        ),
        (SubjectKind::Deployment, Accepted::Begins) => {
            format!("{subject} will be promoted to Karmada, with its pods as they are")
        }
        (SubjectKind::Deployment, Accepted::InHand(desired)) => match desired {
            // What a person has asked for in the control plane is not gone beyond.
            DesiredState::Observed | DesiredState::Rehearsed => format!(
                "{subject} has a Promotion already, which goes no further than {desired}: `kubectl \
                 promote deployment/{name} -n {namespace} -C {cluster}` in the control plane has it \
                 promoted"
            ),
            DesiredState::Promoted | DesiredState::Released => {
                format!("{subject} has a Promotion already, which goes on as it is")
            }
        },
        (SubjectKind::Deployment, Accepted::Reopens) => {
            format!("{subject} was released, and will be promoted to Karmada again")
        }
    };
    vec![next, follow]
}

fn audited(decision: &'static str) -> BTreeMap<&'static str, Cow<'static, str>> {
    BTreeMap::from([("decision", Cow::Borrowed(decision))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_more_than_was_asked_for_before_is_told_how_to_get_it() {
        let subject = Subject {
            cluster: "member1",
            kind: SubjectKind::Deployment,
            name: "web",
            namespace: "shop",
        };
        let told = |desired| acceptance(&subject, Accepted::InHand(desired)).swap_remove(0);
        for desired in [DesiredState::Observed, DesiredState::Rehearsed] {
            let told = told(desired);
            let further = format!("goes no further than {desired}: ");
            let more = "`kubectl promote deployment/web -n shop -C member1` in the control plane";
            assert!(told.contains(&further) && told.contains(more), "{told}");
        }
        for desired in [DesiredState::Promoted, DesiredState::Released] {
            let told = told(desired);
            assert!(told.ends_with("goes on as it is"), "{told}");
        }
    }
}
