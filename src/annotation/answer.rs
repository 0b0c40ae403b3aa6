//! What a Deployment says of its own opt-in, for whoever looks at it in the member.
//!
//! Only what lasts is said. A promotion or a release that is under way compares the Deployment
//! again and again and takes marks off, and is not to find new ones meanwhile.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use promoter_api::{
    marks::{MANAGED_ANNOTATIONS, MESSAGE, PHASE, REASON},
    promotion::Phase,
};
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

/// The answer's annotations; all of them absent where there is no answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) message: Option<String>,
    pub(crate) phase: Option<String>,
    pub(crate) reason: Option<String>,
}

impl Answer {
    /// What a Deployment says now.
    pub(crate) fn read(deployment: &ObjectMeta) -> Self {
        let text = |key| deployment.annotations.as_ref()?.get(key).cloned();
        Self {
            message: text(MESSAGE),
            phase: text(PHASE),
            reason: text(REASON),
        }
    }

    /// What it is to say while its Promotion is not looked at yet.
    pub(crate) fn pending() -> Self {
        Self {
            phase: Some(Phase::Pending.to_string()),
            ..Self::default()
        }
    }

    /// What it is to say where nothing comes of the opt-in.
    pub(crate) fn refused(reason: &str, message: &str) -> Self {
        /// As much as an event may say; annotations are limited, too.
        const LONGEST: usize = 1024;

        Self {
            message: Some(message[..message.floor_char_boundary(LONGEST)].to_owned()),
            phase: Some(Phase::Refused.to_string()),
            reason: Some(reason.to_owned()),
        }
    }

    /// What it is to say of its Promotion; nothing where what it says is to stay as it is.
    ///
    /// What was refused to somebody who was not found to be allowed anything is not told there.
    pub(crate) fn of_promotion(generation: Option<i64>, promotion: &Value) -> Option<Self> {
        let status = &promotion["status"];
        let phase = Phase::deserialize(&status["phase"]).ok()?;
        let is_authorized = status["authorized"]["generation"].as_i64() == generation;
        let lasts = match phase {
            Phase::Waiting | Phase::Refused => is_authorized,
            phase => phase.is_at_rest(),
        };
        let is_current = status["observedGeneration"].as_i64() == generation;
        (lasts && is_current).then(|| Self {
            message: None,
            phase: Some(phase.to_string()),
            reason: status["reason"]
                .as_str()
                .filter(|_| is_authorized)
                .map(str::to_owned),
        })
    }

    /// Whether Karmada writes a part of what a Deployment says, because its template says it: a
    /// manifest was taken from a member, say.
    pub(crate) fn is_karmadas(deployment: &ObjectMeta) -> bool {
        let annotations = deployment.annotations.as_ref();
        let keys = annotations.and_then(|all| all.get(MANAGED_ANNOTATIONS));
        keys.is_some_and(|keys| {
            keys.split(',')
                .any(|key| [MESSAGE, PHASE, REASON].contains(&key))
        })
    }

    /// Whether there is no answer.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it says that Karmada has the workload.
    pub(crate) fn is_promoted(&self) -> bool {
        self.phase.as_deref() == Some(Phase::Promoted.to_string().as_str())
    }

    /// The annotations that say it.
    pub(crate) fn annotations(&self) -> Map<String, Value> {
        let said = self
            .entries()
            .filter_map(|(key, value)| Some((key.to_owned(), json!(value?))));
        said.collect()
    }

    /// A merge patch's annotations, by which another answer no longer says what this one does not.
    pub(crate) fn removals(&self, other: &Self) -> Map<String, Value> {
        let removed = self
            .entries()
            .zip(other.entries())
            .filter(|((_, value), (_, other))| value.is_none() && other.is_some())
            .map(|((key, _), _)| (key.to_owned(), Value::Null));
        removed.collect()
    }

    fn entries(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        [
            (MESSAGE, self.message.as_deref()),
            (PHASE, self.phase.as_deref()),
            (REASON, self.reason.as_deref()),
        ]
        .into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promotion(phase: &str, reason: Option<&str>, authorized: Option<i64>) -> Value {
        json!({"status": {
            "authorized": {"generation": authorized},
            "observedGeneration": 2,
            "phase": phase,
            "reason": reason,
        }})
    }

    fn said(promotion: &Value) -> Option<(String, Option<String>)> {
        let answer = Answer::of_promotion(Some(2), promotion)?;
        assert_eq!(answer.message, None);
        Some((answer.phase?, answer.reason))
    }

    #[test]
    fn what_karmada_writes_is_karmadas() {
        let listed = |keys: &str| ObjectMeta {
            annotations: Some([(MANAGED_ANNOTATIONS.to_owned(), keys.to_owned())].into()),
            ..ObjectMeta::default()
        };
        assert!(Answer::is_karmadas(&listed(
            "team,promote.karmada.io/phase"
        )));
        for keys in ["", "team", "promote.karmada.io/enabled"] {
            assert!(!Answer::is_karmadas(&listed(keys)), "{keys}");
        }
        assert!(!Answer::is_karmadas(&ObjectMeta::default()));
    }

    #[test]
    fn what_lasts_is_said_and_nothing_on_the_way() {
        for phase in ["Promoted", "Failed", "Observed", "Rehearsed", "Released"] {
            let promotion = promotion(phase, None, None);
            assert_eq!(said(&promotion), Some((phase.to_owned(), None)));
        }
        for phase in [
            "Pending",
            "Staging",
            "Abandoning",
            "Committing",
            "Verifying",
            "Settling",
            "RollingBack",
            "Releasing",
            "ThoughtOfLater",
        ] {
            assert_eq!(said(&promotion(phase, None, Some(2))), None, "{phase}");
        }
        let mut outdated = promotion("Promoted", None, Some(2));
        outdated["status"]["observedGeneration"] = json!(1);
        assert_eq!(said(&outdated), None);
        assert_eq!(said(&json!({"status": {}})), None);
    }

    #[test]
    fn what_somebody_may_not_have_is_not_told_in_the_member() {
        for phase in ["Refused", "Waiting"] {
            let word = Some("DependencyMissing".to_owned());
            let of = |authorized| promotion(phase, word.as_deref(), authorized);
            assert_eq!(said(&of(Some(2))), Some((phase.to_owned(), word.clone())));
            for authorized in [Some(1), None] {
                assert_eq!(said(&of(authorized)), None);
            }
        }
        let denied = promotion("Promoted", Some("NotAuthorized"), Some(1));
        assert_eq!(said(&denied), Some(("Promoted".to_owned(), None)));
    }

    #[test]
    fn it_is_read_as_it_is_written() {
        let long = "ä".repeat(1024);
        let refused = Answer::refused("RequesterUnknown", &long);
        assert_eq!(refused.message.as_ref().unwrap().len(), 1024);
        let annotations = refused.annotations();
        assert_eq!(annotations["promote.karmada.io/phase"], "Refused");
        assert_eq!(annotations["promote.karmada.io/reason"], "RequesterUnknown");
        let metadata: ObjectMeta =
            serde_json::from_value(json!({"annotations": annotations})).unwrap();
        assert_eq!(Answer::read(&metadata), refused);
        assert!(Answer::read(&ObjectMeta::default()).is_empty());

        assert_eq!(Answer::pending().annotations().len(), 1);
        let removed = Answer::pending().removals(&refused);
        let expected = json!({
            "promote.karmada.io/message": null,
            "promote.karmada.io/reason": null,
        });
        assert_eq!(Value::Object(removed), expected);
        assert!(refused.removals(&Answer::pending()).is_empty());
        assert_eq!(Answer::default().removals(&refused).len(), 3);
    }
}
