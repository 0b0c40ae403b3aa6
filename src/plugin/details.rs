//! One Promotion, told in full.

use std::fmt::Write as _;

use jiff::Timestamp;
use promoter_api::promotion::{DependencyAction, Phase, PhaseTime, Promotion, PromotionStatus};

use crate::{
    duration, failure,
    request::{answers_request, phase},
    status::age,
    table::{row, table},
};

/// What the Promotion asks for and how far it has come.
pub(crate) fn text(promotion: &Promotion, now: Timestamp) -> String {
    let status = promotion.status.clone().unwrap_or_default();
    let mut text = head(promotion, &status, now);
    section(&mut text, "Conditions", &conditions(&status, now));
    section(&mut text, "Dependencies", &dependencies(&status));
    section(&mut text, "Clusters", &clusters(&status));
    let differences: Vec<_> = failure::Why::of(promotion).differences;
    if !differences.is_empty() {
        text.push_str("Differences:\n");
        text.push_str(&failure::differences(&differences, 2));
    }
    section(&mut text, "Phases", &phases(&status.phases, now));
    text
}

fn head(promotion: &Promotion, status: &PromotionStatus, now: Timestamp) -> String {
    let spec = &promotion.spec;
    let metadata = &promotion.metadata;
    let mut phase = phase(promotion).to_string();
    if promotion.status.is_some() && !answers_request(promotion) {
        phase.push_str(" (of an earlier request)");
    }
    let requester = spec.requester.as_ref().map(|it| match &it.cluster {
        Some(cluster) => format!("{} of cluster {cluster}", it.username),
        None => it.username.clone(),
    });
    let reason = status.reason.map(|reason| reason.to_string());
    let rows = [
        ("Name", metadata.name.clone().unwrap_or_default()),
        ("Namespace", metadata.namespace.clone().unwrap_or_default()),
        (
            "Workload",
            format!("{}/{}", spec.workload.kind, spec.workload.name),
        ),
        ("From", spec.clusters.join(", ")),
        ("Requester", requester.unwrap_or_default()),
        ("Wanted", spec.desired_state.to_string()),
        ("Phase", phase),
        ("Reason", reason.unwrap_or_default()),
        ("Message", status.message.clone().unwrap_or_default()),
        ("Placed in", status.placed.join(", ")),
        ("Age", age(metadata.creation_timestamp.as_ref(), now)),
    ];
    let rows: Vec<_> = rows
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| row([&format!("{key}:"), value]))
        .collect();
    table(&rows, 0)
}

fn section(text: &mut String, title: &str, rows: &[Vec<String>]) {
    // The first row is the header.
    if rows.len() > 1 {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{title}:\n{}", table(rows, 2).trim_end_matches('\n'));
    }
}

fn conditions(status: &PromotionStatus, now: Timestamp) -> Vec<Vec<String>> {
    let mut rows = vec![row(["TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"])];
    rows.extend(status.conditions.iter().map(|condition| {
        row([
            &condition.type_,
            &condition.status,
            &condition.reason,
            &age(Some(&condition.last_transition_time), now),
            &condition.message,
        ])
    }));
    rows
}

fn dependencies(status: &PromotionStatus) -> Vec<Vec<String>> {
    let mut rows = vec![row(["OBJECT", "ACTION", "MESSAGE"])];
    // Of what was only looked at or tried nothing is there.
    let tried = matches!(status.phase, Phase::Observed | Phase::Rehearsed);
    rows.extend(status.dependencies.iter().map(|dependency| {
        let action = match dependency.action {
            DependencyAction::Created if tried => "to be created".to_owned(),
            action => format!("{action:?}"),
        };
        row([
            &format!("{}/{}", dependency.kind.as_str(), dependency.name),
            &action,
            dependency.message.as_deref().unwrap_or_default(),
        ])
    }));
    rows
}

fn clusters(status: &PromotionStatus) -> Vec<Vec<String>> {
    let mut rows = vec![row(["NAME", "VERDICT"])];
    rows.extend(
        status
            .clusters
            .iter()
            .map(|cluster| row([&cluster.name, &format!("{:?}", cluster.verdict)])),
    );
    rows
}

/// Each phase, when it began, and how long it took until the next one did.
fn phases(phases: &[PhaseTime], now: Timestamp) -> Vec<Vec<String>> {
    let mut rows = vec![row(["PHASE", "BEGAN", "TOOK"])];
    rows.extend(phases.iter().enumerate().map(|(index, time)| {
        let took = phases.get(index + 1).and_then(|next| {
            let passed = next.since.0.duration_since(time.since.0);
            passed.try_into().ok().map(duration::elapsed)
        });
        row([
            &time.phase.to_string(),
            &format!("{} ago", age(Some(&time.since), now)),
            took.as_deref().unwrap_or_default(),
        ])
    }));
    rows
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_promotion_is_told_with_everything_that_its_status_holds() {
        let promotion: Promotion = serde_json::from_value(json!({
            "apiVersion": "promote.karmada.io/v1alpha1",
            "kind": "Promotion",
            "metadata": {"name": "web", "namespace": "shop", "generation": 1},
            "spec": {"clusters": ["member1"], "workload": {"name": "web"}},
            "status": {
                "phase": "Refused",
                "reason": "WouldRestartPods",
                "observedGeneration": 1,
                "dependencies": [{"kind": "Secret", "name": "key", "action": "Reused"}],
                "clusters": [{
                    "name": "member1",
                    "verdict": "WouldRestartPods",
                    "differences": [{
                        "object": "Deployment/web",
                        "path": "/spec/template/spec/nodeName",
                        "live": "\"a\"",
                    }],
                }],
                "phases": [
                    {"phase": "Staging", "since": "2026-01-01T00:00:00Z"},
                    {"phase": "Refused", "since": "2026-01-01T00:00:03Z"},
                ],
            },
        }))
        .unwrap();
        let text = text(&promotion, "2026-01-01T00:01:00Z".parse().unwrap());
        for line in [
            "Phase:       Refused\n",
            "Dependencies:\n  OBJECT       ACTION   MESSAGE\n  Secret/key   Reused\n",
            "Differences:\n  member1: Deployment/web   /spec/template/spec/nodeName   \"a\" → (none)\n",
            "  Staging   60s ago   3.0s\n",
            "  Refused   57s ago\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains("Conditions"), "{text}");
    }

    #[test]
    fn what_was_only_tried_has_created_nothing() {
        for (phase, action) in [
            ("Observed", "to be created"),
            ("Rehearsed", "to be created"),
            ("Promoted", "Created"),
        ] {
            let status = serde_json::from_value(json!({
                "phase": phase,
                "dependencies": [{"kind": "Secret", "name": "key", "action": "Created"}],
            }));
            let rows = dependencies(&status.unwrap());
            assert_eq!(rows[1][1], action, "{phase}");
        }
    }
}
