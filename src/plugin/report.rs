//! What a person is told of a Promotion that is waited for.

use std::time::Duration;

use promoter_api::{
    promotion::{ClusterVerdict, DependencyAction, DesiredState, Phase, PhaseTime, Promotion},
    reason::Reason,
};

use crate::{
    duration::{self, Limit},
    request::{answers_request, phase},
};

/// What is said when it was waited for long enough.
pub(crate) fn timed_out(promotion: &Promotion, limit: Limit) -> String {
    let waited = duration::elapsed(limit.0.unwrap_or(Duration::ZERO));
    if !answers_request(promotion) {
        return format!(
            "nothing has taken the Promotion up in {waited}; is the promoter's hub running? It is \
             done as soon as the hub does"
        );
    }
    let name = promotion.metadata.name.as_deref().unwrap_or_default();
    let namespace = promotion.metadata.namespace.as_deref().unwrap_or_default();
    format!(
        "{} after {waited}{}; it goes on, see `kubectl promote status deployment/{name} -n \
         {namespace}`",
        phase(promotion),
        detail(promotion)
            .map(|detail| format!(", {detail}"))
            .unwrap_or_default()
    )
}

/// The reason alone.
pub(crate) fn reason(promotion: &Promotion) -> String {
    let reason = promotion.status.as_ref().and_then(|status| status.reason);
    reason.map(|reason| reason.to_string()).unwrap_or_default()
}

/// The reason and the message.
fn detail(promotion: &Promotion) -> Option<String> {
    let status = promotion.status.as_ref()?;
    match (status.reason, status.message.as_deref()) {
        (Some(reason), Some(message)) => Some(format!("{reason}: {message}")),
        (Some(reason), None) => Some(reason.to_string()),
        (None, message) => message.map(str::to_owned),
    }
}

/// What is said of what is done: of a prediction, what it is.
pub(crate) fn summary(promotion: &Promotion) -> String {
    let status = promotion.status.as_ref();
    let verdicts: Vec<_> = status
        .iter()
        .filter(|status| matches!(status.phase, Phase::Observed | Phase::Rehearsed))
        .flat_map(|status| &status.clusters)
        .map(|cluster| {
            let verdict = match cluster.verdict {
                ClusterVerdict::PredictedUnchanged => {
                    "predicted: Karmada's write would change nothing but its own marks"
                }
                _ => "rehearsed: Karmada's write changes nothing but its own marks",
            };
            format!("{} {verdict}", cluster.name)
        })
        .collect();
    if verdicts.is_empty() {
        status
            .and_then(|status| status.message.clone())
            .unwrap_or_default()
    } else {
        verdicts.join("; ")
    }
}

/// What a person may not expect of the dependencies that were wanted.
pub(crate) fn warnings(promotion: &Promotion) -> Vec<String> {
    if promotion.spec.desired_state == DesiredState::Released {
        return Vec::new();
    }
    let wanted = &promotion.spec.dependencies;
    let dependencies = promotion.status.iter().flat_map(|it| &it.dependencies);
    dependencies
        .filter(|dependency| wanted.contains(&dependency.kind))
        .filter_map(|dependency| {
            let what = match dependency.action {
                DependencyAction::Created => return None,
                DependencyAction::Reused => "was federated already and is shared",
                DependencyAction::Skipped => "stays where it is",
                DependencyAction::Conflict => "differs from its namesake in the control plane",
            };
            let why = dependency.message.as_ref();
            Some(format!(
                "{}/{} {what}{}",
                dependency.kind.as_str(),
                dependency.name,
                why.map(|why| format!(": {why}")).unwrap_or_default()
            ))
        })
        .collect()
}

/// Tells each phase once.
pub(crate) struct News {
    seen: Vec<PhaseTime>,
    told: Option<(Phase, Option<Reason>)>,
}

impl News {
    /// `known` are the phases that were told of an earlier request.
    pub(crate) fn new(known: &[PhaseTime]) -> Self {
        Self {
            seen: known.to_vec(),
            told: None,
        }
    }

    /// The phases that began since it was asked last, those that passed in between included. Of
    /// one that is `last`, the end is told elsewhere.
    pub(crate) fn of(&mut self, promotion: &Promotion, last: bool) -> Vec<(Phase, String)> {
        let Some(status) = &promotion.status else {
            return Vec::new();
        };
        if !answers_request(promotion) {
            return Vec::new();
        }
        let mut begun = Vec::new();
        for time in &status.phases {
            if !self.seen.contains(time) {
                self.seen.push(time.clone());
                begun.push((time.phase, String::new()));
            }
        }
        begun.retain(|(phase, _)| *phase != status.phase);
        let now = (status.phase, status.reason);
        if !last && self.told != Some(now) {
            begun.push((status.phase, detail(promotion).unwrap_or_default()));
        }
        self.told = Some(now);
        begun
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "`json!` makes values")]
    fn promotion(wanted: &str, status: Value) -> Promotion {
        serde_json::from_value(json!({
            "apiVersion": "promote.karmada.io/v1alpha1",
            "kind": "Promotion",
            "metadata": {"name": "web", "namespace": "shop", "generation": 2},
            "spec": {
                "clusters": ["member1"],
                "desiredState": wanted,
                "workload": {"name": "web"},
            },
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn each_phase_is_told_once_and_none_is_left_out() {
        let time = |phase: &str, since: &str| json!({"phase": phase, "since": since});
        let old = time("Refused", "2026-01-01T00:00:00Z");
        let staging = time("Staging", "2026-01-02T00:00:00Z");
        let committing = time("Committing", "2026-01-02T00:00:01Z");
        let status = |phase: &str, phases: &[&Value]| {
            promotion(
                "Promoted",
                json!({"phase": phase, "observedGeneration": 2, "phases": phases}),
            )
        };
        let before = status("Refused", &[&old]);
        let mut news = News::new(&before.status.unwrap().phases);
        let now = status("Committing", &[&old, &staging, &committing]);
        let told = |news: Vec<(Phase, String)>| -> Vec<Phase> {
            news.into_iter().map(|(phase, _)| phase).collect()
        };
        assert_eq!(
            told(news.of(&now, false)),
            [Phase::Staging, Phase::Committing]
        );
        assert!(news.of(&now, false).is_empty());
        let verifying = time("Verifying", "2026-01-02T00:00:02Z");
        let promoted = time("Promoted", "2026-01-02T00:00:03Z");
        let end = status(
            "Promoted",
            &[&old, &staging, &committing, &verifying, &promoted],
        );
        assert_eq!(told(news.of(&end, true)), [Phase::Verifying]);
    }

    #[test]
    fn timing_out_tells_why_it_still_waits() {
        let limit = Limit(Some(Duration::from_mins(5)));
        let waiting = promotion(
            "Promoted",
            json!({
                "phase": "Waiting",
                "observedGeneration": 2,
                "reason": "DependencyMissing",
                "message": "ConfigMap/a is missing",
            }),
        );
        let text = timed_out(&waiting, limit);
        assert!(
            text.starts_with("Waiting after 5m00s, DependencyMissing: ConfigMap/a is missing; "),
            "{text}"
        );
        let unseen = promotion("Promoted", Value::Null);
        assert!(timed_out(&unseen, limit).contains("is the promoter's hub running?"));
    }

    #[test]
    fn only_what_was_wanted_is_warned_of() {
        let mut promotion = promotion(
            "Promoted",
            json!({"dependencies": [
                {"kind": "Secret", "name": "a", "action": "Skipped", "message": "why"},
                {"kind": "ConfigMap", "name": "b", "action": "Reused"},
                {"kind": "ConfigMap", "name": "c", "action": "Created"},
            ]}),
        );
        assert_eq!(
            warnings(&promotion),
            [
                "Secret/a stays where it is: why",
                "ConfigMap/b was federated already and is shared"
            ]
        );
        promotion.spec.dependencies.clear();
        assert!(warnings(&promotion).is_empty());
    }
}
