//! Waits for a Promotion by watching it.

use std::pin::pin;

use anyhow::anyhow;
use futures::StreamExt as _;
use kube::{
    Api,
    runtime::{WatchStreamExt as _, watcher},
};
use promoter_api::{
    promotion::{ClusterVerdict, DesiredState, Phase, PhaseTime, Promotion},
    reason::Reason,
};
use tokio::time::{Instant, timeout_at};

use crate::{
    connection::Connection,
    display::Track,
    duration::Limit,
    failure::{Failure, Why},
    report::{self, News},
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
            return Err(Failure::TimedOut(report::timed_out(&latest, limit)));
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
                track.end(&phase(&latest).to_string(), &report::summary(&latest));
                for warning in report::warnings(&latest) {
                    track.warn(&warning);
                }
                return Ok(());
            }
            Standing::Refused => {
                track.end(&phase(&latest).to_string(), &report::reason(&latest));
                return Err(Failure::Refused(Box::new(Why::of(&latest))));
            }
            Standing::RolledBack => {
                track.end(&phase(&latest).to_string(), &report::reason(&latest));
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
        // It stays promoted, and what was asked for is denied.
        Phase::Promoted if reason(promotion).is_some() => Standing::Refused,
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

fn reason(promotion: &Promotion) -> Option<Reason> {
    promotion.status.as_ref()?.reason
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
        let denied = json!({
            "phase": "Promoted", "observedGeneration": 2, "reason": "NotAuthorized",
        });
        assert_eq!(stands(Released, denied), Standing::Refused);
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
}
