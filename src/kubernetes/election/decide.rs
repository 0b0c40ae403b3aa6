//! Who leads: the pure rule.

use std::time::Duration;

use serde_json::Value;

/// What a Lease says, in so far as it decides who leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct View {
    duration: Duration,
    holder: String,
    transitions: i64,
}

/// What a process is to do about the Lease.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// Take it.
    Acquire {
        /// How often it will have changed hands by then.
        transitions: i64,
    },
    /// Go on holding it.
    Renew,
    /// Look again later.
    StandBy {
        /// Who holds it.
        holder: String,
    },
}

impl View {
    /// Reads it off a Lease. A holder that says no duration is not waited for.
    pub(super) fn of(lease: &Value) -> Self {
        let spec = &lease["spec"];
        let seconds = spec["leaseDurationSeconds"].as_u64().unwrap_or_default();
        Self {
            duration: Duration::from_secs(seconds),
            holder: spec["holderIdentity"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            transitions: spec["leaseTransitions"].as_i64().unwrap_or_default(),
        }
    }
}

/// The next step of the process with this identity, which has seen the Lease unchanged for so long.
///
/// How old the Lease says to be is not looked at: another machine's clock wrote that.
pub(super) fn decide(lease: Option<&View>, identity: &str, unchanged: Duration) -> Step {
    let Some(View {
        duration,
        holder,
        transitions,
    }) = lease
    else {
        return Step::Acquire { transitions: 0 };
    };
    if holder == identity {
        return Step::Renew;
    }
    if holder.is_empty() || unchanged >= *duration {
        return Step::Acquire {
            transitions: transitions.saturating_add(1),
        };
    }
    Step::StandBy {
        holder: holder.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lease(holder: &str) -> View {
        View::of(&json!({"spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": 15,
            "leaseTransitions": 2,
            // Long ago by this machine's clock: that of the holder is behind.
            "renewTime": "2001-01-01T00:00:00.000000Z",
        }}))
    }

    #[test]
    fn one_that_is_free_is_taken() {
        let at_once = Duration::ZERO;
        assert_eq!(
            decide(None, "me", at_once),
            Step::Acquire { transitions: 0 }
        );
        assert_eq!(
            decide(Some(&lease("")), "me", at_once),
            Step::Acquire { transitions: 3 }
        );
        let hollow = View::of(&json!({}));
        assert_eq!(
            decide(Some(&hollow), "me", at_once),
            Step::Acquire { transitions: 1 }
        );
    }

    #[test]
    fn the_own_one_is_kept_however_old_it_is() {
        let held = lease("me");
        for age in [0, 14, 15, 3600] {
            assert_eq!(
                decide(Some(&held), "me", Duration::from_secs(age)),
                Step::Renew
            );
        }
    }

    #[test]
    fn anothers_is_taken_only_after_it_has_stayed_the_same_for_its_duration() {
        let held = lease("other");
        let waits = Step::StandBy {
            holder: "other".to_owned(),
        };
        assert_eq!(decide(Some(&held), "me", Duration::ZERO), waits);
        assert_eq!(
            decide(Some(&held), "me", Duration::from_millis(14_999)),
            waits
        );
        assert_eq!(
            decide(Some(&held), "me", Duration::from_secs(15)),
            Step::Acquire { transitions: 3 }
        );
    }

    #[test]
    fn a_name_that_only_begins_alike_is_anothers() {
        assert_ne!(
            decide(Some(&lease("me_2")), "me", Duration::ZERO),
            Step::Renew
        );
    }
}
