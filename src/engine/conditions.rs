//! The conditions of a Promotion, as its phase and its reason have them.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use promoter_api::{
    promotion::{Phase, PromotionStatus},
    reason::Reason,
};
use promoter_domain::{authorization::Authority, step::Outcome};

/// Whether whoever asked may have what the spec says.
const AUTHORIZED: &str = "Authorized";

/// What a condition says.
struct Said {
    message: String,
    reason: String,
    status: &'static str,
}

/// Brings the conditions in line with the phase. One that a phase has nothing to say about stays.
pub(crate) fn update(status: &mut PromotionStatus, generation: Option<i64>, now: Timestamp) {
    let phase = status.phase;
    let undone = is_undone(phase);
    let said = [
        ("Planned", planned(status)),
        ("Promoted", promoted(status)),
        ("Rehearsed", rehearsed(status)),
        ("Released", released(phase)),
    ];
    for (kind, said) in said {
        if let Some(said) = said {
            set(status, kind, said, generation, now);
        } else if undone && matches!(kind, "Planned" | "Rehearsed") {
            // What it was refused for before is not what stands in the way now.
            let stale =
                |condition: &Condition| condition.type_ == kind && condition.status == "False";
            status.conditions.retain(|condition| !stale(condition));
        }
    }
}

/// Says that whoever asked may have it.
pub(crate) fn authorized(
    status: &mut PromotionStatus,
    authority: &Authority<'_>,
    generation: Option<i64>,
    now: Timestamp,
) {
    let reason = match authority {
        Authority::ApiServers(_) => "Allowed",
        Authority::Member(_) => "OptedIn",
    };
    let said = Said::new("True", reason, &authority.approval());
    set(status, AUTHORIZED, said, generation, now);
}

/// Says that whoever asked may not have it, and why.
pub(crate) fn denied(
    status: &mut PromotionStatus,
    denial: &Outcome,
    generation: Option<i64>,
    now: Timestamp,
) {
    let said = Said::new("False", &denial.reason.to_string(), &denial.message);
    set(status, AUTHORIZED, said, generation, now);
}

/// Says that nobody could be asked whether whoever asked may have it.
pub(crate) fn unanswered(
    status: &mut PromotionStatus,
    message: &str,
    generation: Option<i64>,
    now: Timestamp,
) {
    let said = Said::new("Unknown", "Unanswered", message);
    set(status, AUTHORIZED, said, generation, now);
}

fn set(
    status: &mut PromotionStatus,
    kind: &str,
    said: Said,
    generation: Option<i64>,
    now: Timestamp,
) {
    let Said {
        message,
        reason,
        status: value,
    } = said;
    let before = status
        .conditions
        .iter()
        .position(|condition| condition.type_ == kind);
    let before = before.map(|index| status.conditions.remove(index));
    let since = before
        .filter(|condition| condition.status == value)
        .map_or(Time(now), |condition| condition.last_transition_time);
    status.conditions.push(Condition {
        last_transition_time: since,
        message,
        observed_generation: generation,
        reason,
        status: value.to_owned(),
        type_: kind.to_owned(),
    });
    status.conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
}

/// Says whether dependencies stay behind because something in the member keeps writing them.
pub(crate) fn update_dependencies(
    status: &mut PromotionStatus,
    generation: Option<i64>,
    now: Timestamp,
) {
    const KIND: &str = "DependenciesFederated";

    let left: Vec<_> = status
        .dependencies
        .iter()
        .filter_map(|dependency| {
            let manager = dependency.managed_by.as_ref()?;
            let (kind, name) = (dependency.kind.as_str(), &dependency.name);
            Some(format!("{kind}/{name} by {manager}"))
        })
        .collect();
    if left.is_empty() {
        // There is something to say only where there was.
        let stale = |condition: &Condition| condition.type_ == KIND;
        status.conditions.retain(|condition| !stale(condition));
        return;
    }
    let message = format!(
        "what is kept up to date in the member is not federated, and must be made in other \
         clusters, too, before the workload is placed there: {}; or set \
         spec.managedDependencies to Copy",
        left.join(", ")
    );
    let said = Said::new("False", "ManagedInMember", &message);
    set(status, KIND, said, generation, now);
}

/// Whether the member's API server itself keeps Karmada from undoing an edit; nothing while that
/// was not looked at.
pub(crate) fn is_guarded(status: &PromotionStatus) -> Option<bool> {
    let mut conditions = status.conditions.iter();
    let guarded = conditions.find(|condition| condition.type_ == "Guarded")?;
    Some(guarded.status == "True")
}

/// Says whether the member guards the workload, or why not.
pub(crate) fn guarded(
    status: &mut PromotionStatus,
    cluster: &str,
    guarded: Result<(), String>,
    generation: Option<i64>,
    now: Timestamp,
) {
    let said = match guarded {
        Ok(()) => Said::new(
            "True",
            "GuardInstalled",
            &format!(
                "the API server of cluster {cluster} refuses every write of Karmada's that would \
                 undo an edit made there meanwhile"
            ),
        ),
        Err(problem) => Said::new(
            "False",
            "GuardNotInstalled",
            &format!(
                "cluster {cluster} does not guard the workload: {problem}; an edit that is made \
                 there just then may be undone before it is carried into the template; `kubectl \
                 promote member enable {cluster}` installs the guard"
            ),
        ),
    };
    set(status, "Guarded", said, generation, now);
}

fn planned(status: &PromotionStatus) -> Option<Said> {
    match status.phase {
        Phase::Observed | Phase::Staging => Some(Said::new(
            "True",
            "PlanAccepted",
            "nothing stands in the way",
        )),
        _ => refused(status, FoundBy::Plan),
    }
}

fn rehearsed(status: &PromotionStatus) -> Option<Said> {
    match status.phase {
        Phase::Committing | Phase::Rehearsed => Some(Said::new(
            "True",
            "Unchanged",
            "Karmada's write changes nothing but its own marks",
        )),
        Phase::Observed => Some(Said::new(
            "Unknown",
            "Predicted",
            "this is a prediction: nothing was staged",
        )),
        _ => refused(status, FoundBy::Rehearsal),
    }
}

/// What finds that a promotion cannot be.
#[derive(Clone, Copy, Eq, PartialEq)]
enum FoundBy {
    /// What Karmada and the member made of it.
    Attempt,
    /// Who asked, and what they may do: nothing was looked at.
    Authorization,
    /// What was there before anything was written.
    Plan,
    /// The member's answer to the dry run.
    Rehearsal,
}

impl FoundBy {
    const fn of(reason: Reason) -> Self {
        match reason {
            Reason::CommitRefused
            | Reason::LateEdit
            | Reason::StagingFailed
            | Reason::VerificationFailed => Self::Attempt,
            Reason::NamespaceNotAllowed | Reason::NotAuthorized | Reason::RequesterUnknown => {
                Self::Authorization
            }
            Reason::RehearsalImpossible | Reason::WouldChangeObject | Reason::WouldRestartPods => {
                Self::Rehearsal
            }
            _ => Self::Plan,
        }
    }
}

const fn is_undone(phase: Phase) -> bool {
    matches!(phase, Phase::Abandoning | Phase::Refused | Phase::Waiting)
}

/// A condition that is not met because it found the reason of a refusal.
fn refused(status: &PromotionStatus, by: FoundBy) -> Option<Said> {
    let reason = status.reason.filter(|reason| FoundBy::of(*reason) == by)?;
    is_undone(status.phase).then(|| {
        let message = status.message.as_deref().unwrap_or_default();
        Said::new("False", &reason.to_string(), message)
    })
}

fn promoted(status: &PromotionStatus) -> Option<Said> {
    let phase = status.phase;
    let word = phase.to_string();
    let said = match phase {
        Phase::Pending => Said::new("Unknown", &word, "nothing is decided yet"),
        Phase::Staging => Said::new("Unknown", &word, "it is being staged"),
        Phase::Committing => Said::new("Unknown", &word, "Karmada takes over"),
        Phase::Verifying | Phase::Settling => Said::new("Unknown", &word, "Karmada has taken over"),
        Phase::Promoted if !status.carried.is_empty() => Said::new(
            "True",
            &Reason::LateEdit.to_string(),
            "it was edited in the member while Karmada was taking it over; the edit was carried \
             into the template, and only its own ReplicaSets are new",
        ),
        Phase::Promoted => Said::new(
            "True",
            "Verified",
            "the same pods run as before, and Karmada keeps the workload",
        ),
        Phase::Rehearsed => Said::new("False", &word, "it was only rehearsed"),
        Phase::Released => Said::new("False", &word, "it was released"),
        Phase::Abandoning
        | Phase::Failed
        | Phase::Refused
        | Phase::RollingBack
        | Phase::Waiting => {
            let reason = status.reason.map_or(word, |reason| reason.to_string());
            Said::new(
                "False",
                &reason,
                status.message.as_deref().unwrap_or_default(),
            )
        }
        Phase::Observed | Phase::Releasing => return None,
    };
    Some(said)
}

fn released(phase: Phase) -> Option<Said> {
    let word = phase.to_string();
    match phase {
        Phase::Promoted => Some(Said::new("False", &word, "Karmada keeps the workload")),
        Phase::Releasing => Some(Said::new("False", &word, "Karmada is letting go")),
        Phase::Released => Some(Said::new(
            "True",
            &word,
            "Karmada has let go, and no trace of it remains",
        )),
        _ => None,
    }
}

impl Said {
    fn new(status: &'static str, reason: &str, message: &str) -> Self {
        Self {
            message: message.to_owned(),
            reason: reason.to_owned(),
            status,
        }
    }
}
