//! Waits for a Promotion by watching it.

use std::{pin::pin, time::Duration};

use anyhow::anyhow;
use futures::StreamExt as _;
use kube::{
    Api,
    runtime::{WatchStreamExt as _, watcher},
};
use promoter_api::{
    promotion::{ClusterVerdict, DependencyAction, DesiredState, Phase, PhaseTime, Promotion},
    reason::Reason,
};
use tokio::time::{Instant, timeout_at};

use crate::{
    connection::Connection,
    display::Track,
    duration::{self, Limit},
    failure::{Failure, Why},
    request::{answers_request, goal, phase},
};

/// How a Promotion stands to what is waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    Done,
    Refused,
    RolledBack,
    /// Somebody asked for something else meanwhile.
    Superseded,
    UnderWay,
}

/// Waits until the Promotion, as it was written, is done, and shows each phase as it begins.
///
/// `known` are the phases that it had gone through before it was written.
pub(crate) async fn follow(
    connection: &Connection,
    written: &Promotion,
    known: &[PhaseTime],
    limit: Limit,
    track: &Track<'_>,
) -> Result<(), Failure> {
    let name = written.metadata.name.as_deref().unwrap_or_default();
    let api: Api<Promotion> = Api::namespaced(connection.watches.clone(), &connection.namespace);
    let mut stream = pin!(watcher::watch_object(api, name).default_backoff());
    let deadline = limit.0.map(|limit| Instant::now() + limit);
    let mut news = News::new(known);
    let mut latest = written.clone();
    loop {
        let Some(event) = before(deadline, stream.next()).await else {
            return Err(Failure::TimedOut(timed_out(&latest, limit)));
        };
        let promotion = match event {
            Some(Ok(Some(promotion))) if promotion.metadata.uid == written.metadata.uid => {
                promotion
            }
            Some(Ok(_)) => {
                return Err(anyhow!("the Promotion was deleted while it was waited for").into());
            }
            Some(Err(error)) => {
                // What passes by itself is watched again by the stream.
                if let Some(refused) = refused(&error) {
                    return Err(anyhow!("cannot watch the Promotion: {refused}").into());
                }
                continue;
            }
            None => return Err(anyhow!("the watch of the Promotion ended").into()),
        };
        let standing = standing(&promotion, written.spec.desired_state);
        for (phase, detail) in news.of(&promotion, standing != Standing::UnderWay) {
            track.phase(&phase.to_string(), &detail);
        }
        latest = promotion;
        match standing {
            Standing::UnderWay => {}
            Standing::Done => {
                track.end(&phase(&latest).to_string(), &summary(&latest));
                for warning in warnings(&latest) {
                    track.warn(&warning);
                }
                return Ok(());
            }
            Standing::Refused => {
                track.end(&phase(&latest).to_string(), &reason(&latest));
                return Err(Failure::Refused(Box::new(Why::of(&latest))));
            }
            Standing::RolledBack => {
                track.end(&phase(&latest).to_string(), &reason(&latest));
                return Err(Failure::RolledBack(Box::new(Why::of(&latest))));
            }
            Standing::Superseded => {
                return Err(anyhow!(
                    "somebody asked for another state meanwhile: {}",
                    latest.spec.desired_state
                )
                .into());
            }
        }
    }
}

async fn before<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

fn standing(promotion: &Promotion, wanted: DesiredState) -> Standing {
    if promotion.spec.desired_state != wanted {
        return Standing::Superseded;
    }
    if !answers_request(promotion) {
        return Standing::UnderWay;
    }
    match phase(promotion) {
        Phase::Refused => Standing::Refused,
        Phase::Failed => Standing::RolledBack,
        phase if phase == goal(wanted) => {
            if would_be_refused(promotion) {
                Standing::Refused
            } else {
                Standing::Done
            }
        }
        _ => Standing::UnderWay,
    }
}

/// Whether what was only predicted or rehearsed would not be done.
fn would_be_refused(promotion: &Promotion) -> bool {
    let predicted = matches!(phase(promotion), Phase::Observed | Phase::Rehearsed);
    let Some(status) = promotion.status.as_ref().filter(|_| predicted) else {
        return false;
    };
    status.reason.is_some()
        || status.clusters.iter().any(|cluster| match cluster.verdict {
            ClusterVerdict::PredictedUnchanged | ClusterVerdict::Unchanged => false,
            ClusterVerdict::Unknown
            | ClusterVerdict::WouldChange
            | ClusterVerdict::WouldRestartPods => true,
        })
}

/// The answer of an API server that will not change by itself.
fn refused(error: &watcher::Error) -> Option<String> {
    let (watcher::Error::InitialListFailed(kube::Error::Api(status))
    | watcher::Error::WatchStartFailed(kube::Error::Api(status))
    | watcher::Error::WatchFailed(kube::Error::Api(status))
    | watcher::Error::WatchError(status)) = error
    else {
        return None;
    };
    matches!(status.code, 401 | 403 | 404).then(|| status.message.clone())
}

fn timed_out(promotion: &Promotion, limit: Limit) -> String {
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

fn reason(promotion: &Promotion) -> String {
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
fn summary(promotion: &Promotion) -> String {
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
fn warnings(promotion: &Promotion) -> Vec<String> {
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
struct News {
    seen: Vec<PhaseTime>,
    told: Option<(Phase, Option<Reason>)>,
}

impl News {
    fn new(known: &[PhaseTime]) -> Self {
        Self {
            seen: known.to_vec(),
            told: None,
        }
    }

    /// The phases that began since it was asked last, those that passed in between included. Of
    /// one that is `last`, the end is told elsewhere.
    fn of(&mut self, promotion: &Promotion, last: bool) -> Vec<(Phase, String)> {
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

    fn stands(wanted: DesiredState, status: Value) -> Standing {
        standing(&promotion(&wanted.to_string(), status), wanted)
    }

    #[test]
    fn a_phase_at_rest_ends_the_waiting_only_when_it_answers() {
        use DesiredState::{Promoted, Released};
        let status = |phase: &str| json!({"phase": phase, "observedGeneration": 2});
        assert_eq!(stands(Promoted, status("Promoted")), Standing::Done);
        assert_eq!(stands(Released, status("Released")), Standing::Done);
        assert_eq!(stands(Promoted, status("Refused")), Standing::Refused);
        assert_eq!(stands(Promoted, status("Failed")), Standing::RolledBack);
        for phase in ["Waiting", "Staging", "RollingBack", "Released"] {
            assert_eq!(
                stands(Promoted, status(phase)),
                Standing::UnderWay,
                "{phase}"
            );
        }
        let old = json!({"phase": "Refused", "observedGeneration": 1});
        assert_eq!(stands(Promoted, old), Standing::UnderWay);
        let other = promotion("Released", status("Promoted"));
        assert_eq!(standing(&other, Promoted), Standing::Superseded);
    }

    #[test]
    fn a_prediction_is_done_only_when_it_is_good() {
        let status = |verdict: &str| {
            json!({
                "phase": "Observed",
                "observedGeneration": 2,
                "clusters": [{"name": "member1", "verdict": verdict}],
            })
        };
        for (verdict, expected) in [
            ("PredictedUnchanged", Standing::Done),
            ("WouldRestartPods", Standing::Refused),
            ("WouldChange", Standing::Refused),
            ("Unknown", Standing::Refused),
        ] {
            let standing = stands(DesiredState::Observed, status(verdict));
            assert_eq!(standing, expected, "{verdict}");
        }
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
