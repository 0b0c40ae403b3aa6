//! A dry run's result in words.

use promoter_api::promotion::{DependencyAction, Snapshot};
use promoter_domain::plan::Plan;
use serde_json::Value;

use crate::{
    preview::{Check, Planned, Preview, Verb},
    stripped::Stripped,
    table::{row, table},
};

/// What would be done with each object, and what the workload is now.
pub(crate) fn text(name: &str, cluster: &str, preview: &Preview) -> String {
    let Preview {
        objects,
        plan,
        stripped,
    } = preview;
    let mut rows: Vec<_> = stripped.iter().map(Stripped::row).collect();
    rows.extend(objects.iter().map(written));
    rows.extend(left(plan));
    format!(
        "{name} of cluster {cluster} can be promoted (dry run: nothing was written)\n{}  it runs \
         {}\n  {}\n",
        table(&rows, 2),
        running(&plan.before),
        checked(objects)
    )
}

/// What the control plane would not accept.
pub(crate) fn rejections(name: &str, preview: &Preview) -> Vec<String> {
    preview
        .objects
        .iter()
        .filter_map(|planned| match &planned.check {
            Check::Rejected(why) => Some(format!(
                "error: {name}: {} would not be accepted: {why}\n",
                key(&planned.object)
            )),
            _ => None,
        })
        .collect()
}

fn written(planned: &Planned) -> Vec<String> {
    let verb = match (planned.verb, &planned.check) {
        (Verb::Change, _) => "change",
        (Verb::Keep, _) | (Verb::Create, Check::Exists) => "keep",
        (Verb::Create, _) => "create",
    };
    let note = match &planned.check {
        Check::Accepted => "accepted by the control plane's dry run",
        Check::Exists => "exists already",
        Check::Rejected(_) => "NOT accepted by the control plane's dry run",
        Check::Untold => "not checked: the namespace does not exist yet",
    };
    row([verb, &key(&planned.object), note])
}

/// The dependencies for which nothing is created.
fn left(plan: &Plan) -> impl Iterator<Item = Vec<String>> + '_ {
    plan.dependencies.iter().filter_map(|dependency| {
        let verb = match dependency.action {
            DependencyAction::Created => return None,
            DependencyAction::Reused => "reuse",
            DependencyAction::Skipped => "skip",
            DependencyAction::Conflict => "conflict",
        };
        let key = format!("{}/{}", dependency.kind.as_str(), dependency.name);
        let note = match dependency.action {
            DependencyAction::Reused => "federated already, and equal",
            _ => dependency.message.as_deref().unwrap_or_default(),
        };
        Some(row([verb, &key, note]))
    })
}

fn running(before: &Snapshot) -> String {
    let count = |number: usize, noun: &str| match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    };
    let scaled = if before.autoscaled {
        ", scaled by an autoscaler"
    } else {
        ""
    };
    format!(
        "{} of {} wanted, with {}{scaled}; they stay",
        count(before.pods.len(), "pod"),
        before.replicas,
        count(before.replica_sets.len(), "ReplicaSet"),
    )
}

fn checked(objects: &[Planned]) -> String {
    let count = |check: &Check| {
        objects
            .iter()
            .filter(|planned| planned.check == *check)
            .count()
    };
    format!(
        "{} of {} objects were checked and accepted; what Karmada's write would change in the \
         member only the hub can tell: --observe",
        count(&Check::Accepted),
        objects.len() - count(&Check::Exists)
    )
}

fn key(object: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!(
        "{}/{}",
        word(&object["kind"]),
        word(&object["metadata"]["name"])
    )
}

#[cfg(test)]
mod tests {
    use promoter_api::promotion::{DependencyKind, DependencyStatus};
    use promoter_domain::object::ObjectKey;
    use promoter_kubernetes::resource::Resource;
    use serde_json::json;

    use super::*;

    fn preview(check: Check) -> Preview {
        Preview {
            objects: vec![Planned {
                check,
                object: json!({"kind": "Promotion", "metadata": {"name": "web"}}),
                resource: Resource::PROMOTION,
                verb: Verb::Create,
            }],
            plan: Box::new(Plan {
                before: Snapshot {
                    pods: vec!["a".into()],
                    replicas: 1,
                    ..Snapshot::default()
                },
                dependencies: vec![DependencyStatus {
                    action: DependencyAction::Skipped,
                    kind: DependencyKind::Secret,
                    managed_by: None,
                    message: Some("it is optional".into()),
                    name: "key".into(),
                    through_service_account: false,
                }],
                namespace: None,
                objects: Vec::new(),
                stale: Vec::new(),
            }),
            stripped: vec![Stripped {
                key: ObjectKey::deployment("web"),
                marks: vec![
                    "label karmada.io/managed".into(),
                    "annotation work.karmada.io/name".into(),
                ],
            }],
        }
    }

    #[test]
    fn everything_that_is_done_or_left_is_told() {
        let text = text("shop/web", "member1", &preview(Check::Accepted));
        for line in [
            "  strip    Deployment/web   taken off in the member: label karmada.io/managed, \
             annotation work.karmada.io/name\n",
            "  create   Promotion/web    accepted by the control plane's dry run\n",
            "  skip     Secret/key       it is optional\n",
            "  it runs 1 pod of 1 wanted, with 0 ReplicaSets; they stay\n",
            "  1 of 1 objects were checked",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn what_is_not_accepted_is_told_with_its_object() {
        assert!(rejections("shop/web", &preview(Check::Untold)).is_empty());
        assert_eq!(
            rejections("shop/web", &preview(Check::Rejected("forbidden".into()))),
            ["error: shop/web: Promotion/web would not be accepted: forbidden\n"]
        );
    }
}
