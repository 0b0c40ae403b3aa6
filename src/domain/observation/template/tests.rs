//! Whose a template is, and who has claimed it.

use serde_json::json;

use super::*;

#[test]
fn a_template_is_told_by_hold_claim_and_first_writer() {
    let claimed = TemplateState::Claimed(TemplateSettings {
        replicas: None,
        retains_replicas: false,
    });
    let ours = json!([
        {"manager": "kubectl-edit", "fieldsV1": {"f:spec": {}}},
        {"manager": "karmada-promoter", "fieldsV1": {"f:metadata": {}, "f:spec": {}}},
    ]);
    let others = json!([
        // We wrote a label onto what somebody else made.
        {"manager": "karmada-promoter", "fieldsV1": {"f:metadata": {}}},
        {"manager": "kubectl-create", "fieldsV1": {"f:spec": {}}},
    ]);
    let deleted = json!("2026-01-01T00:00:00Z");
    let hold = (marks::HOLD, marks::HOLD_VALUE);
    let claim = (marks::POLICY_ID, "id-1");
    for (name, labels, fields, deletion, expected) in [
        ("held", vec![hold], &ours, None, TemplateState::Held),
        (
            "held though it has our claim",
            vec![hold, claim],
            &ours,
            None,
            TemplateState::Held,
        ),
        (
            "claimed by our policy",
            vec![claim],
            &ours,
            None,
            claimed.clone(),
        ),
        (
            "promoted, and made anew by somebody else",
            vec![claim],
            &others,
            None,
            claimed,
        ),
        (
            "claimed by another policy",
            vec![(marks::POLICY_ID, "id-2")],
            &ours,
            None,
            TemplateState::Captured,
        ),
        (
            "claimed by a ClusterPropagationPolicy",
            vec![(marks::CLUSTER_POLICY_ID, "id-1")],
            &ours,
            None,
            TemplateState::Captured,
        ),
        (
            "claimed by none",
            vec![],
            &ours,
            None,
            TemplateState::Captured,
        ),
        (
            "held by somebody else",
            vec![(marks::HOLD, "another-tool")],
            &others,
            None,
            TemplateState::Foreign,
        ),
        (
            "made by somebody else",
            vec![(marks::POLICY_ID, "id-2")],
            &others,
            None,
            TemplateState::Foreign,
        ),
        (
            "on its way out",
            vec![hold],
            &ours,
            Some(&deleted),
            TemplateState::Deleting,
        ),
        (
            "claimed and on its way out",
            vec![claim],
            &ours,
            Some(&deleted),
            TemplateState::Deleting,
        ),
    ] {
        let labels: serde_json::Map<_, _> = labels
            .into_iter()
            .map(|(key, value)| (key.to_owned(), json!(value)))
            .collect();
        let template = json!({"metadata": {
            "deletionTimestamp": deletion,
            "labels": labels,
            "managedFields": fields,
        }});
        assert_eq!(
            TemplateState::of(Some(&template), Some(&policy())),
            expected,
            "{name}"
        );
    }
    assert_eq!(
        TemplateState::of(None, Some(&policy())),
        TemplateState::Absent
    );
}

#[test]
fn a_template_is_ours_whatever_of_its_content_we_wrote() {
    for (field, expected) in [
        ("f:automountServiceAccountToken", TemplateState::Captured),
        ("f:binaryData", TemplateState::Captured),
        ("f:data", TemplateState::Captured),
        ("f:imagePullSecrets", TemplateState::Captured),
        ("f:immutable", TemplateState::Captured),
        ("f:spec", TemplateState::Captured),
        ("f:type", TemplateState::Captured),
        ("f:metadata", TemplateState::Foreign),
        ("f:status", TemplateState::Foreign),
    ] {
        let template = json!({"metadata": {"managedFields": [
            {"manager": "karmada-promoter", "fieldsV1": {(field): {}}},
        ]}});
        assert_eq!(
            TemplateState::of(Some(&template), None),
            expected,
            "{field}"
        );
    }
}

/// An empty ConfigMap, or a ServiceAccount without pull Secrets: of such a one the API server
/// remembers nothing that we wrote, once Karmada has taken the claim off.
#[test]
fn the_template_that_a_policy_was_made_for_is_ours_though_it_is_empty() {
    let policy = staged("t1");
    let empty = |uid: &str, labels: Value| json!({"metadata": {"labels": labels, "uid": uid}});
    let state = |template: &Value| TemplateState::of(Some(template), Some(&policy));
    let claim = |id: &str| json!({ (marks::POLICY_ID): id });
    assert_eq!(state(&empty("t1", json!({}))), TemplateState::Held);
    assert_eq!(state(&empty("t1", claim("id-1"))), claimed());
    assert_eq!(state(&empty("t1", claim("id-2"))), TemplateState::Captured);
    // Another one of its name is somebody else's.
    assert_eq!(state(&empty("t2", json!({}))), TemplateState::Foreign);
    assert_eq!(state(&empty("t2", claim("id-2"))), TemplateState::Foreign);
    let nameless = json!({"metadata": {}});
    assert_eq!(state(&nameless), TemplateState::Foreign);
}

#[test]
fn what_a_staged_policy_claims_of_others_stays_theirs() {
    let theirs = json!({"metadata": {
        "labels": { (marks::POLICY_ID): "id-1" },
        "managedFields": [
            {"manager": "kubectl-create", "fieldsV1": {"f:data": {}}},
            // Karmada's claim.
            {"manager": "karmada-controller-manager", "fieldsV1": {"f:metadata": {}}},
        ],
        "uid": "t2",
    }});
    let mut unrecorded = staged("t1");
    unrecorded["metadata"]["annotations"][marks::STAGED_TEMPLATE] = Value::Null;
    for policy in [staged("t1"), unrecorded] {
        let state = TemplateState::of(Some(&theirs), Some(&policy));
        assert_eq!(state, TemplateState::ClaimedForeign, "{policy}");
    }
    // What is promoted may be created anew by whoever it belongs to.
    assert_eq!(TemplateState::of(Some(&theirs), Some(&policy())), claimed());
}

#[test]
fn ours_stays_ours_when_a_person_edits_it() {
    let edited = json!({"metadata": {
        "labels": { (marks::POLICY_ID): "id-1" },
        "managedFields": [{"manager": "kubectl-replace", "fieldsV1": {"f:data": {}}}],
        "uid": "t1",
    }});
    assert_eq!(
        TemplateState::of(Some(&edited), Some(&staged("t1"))),
        claimed()
    );
}

#[test]
fn a_claim_that_karmada_took_off_while_staging_is_put_back() {
    let template = json!({"metadata": {"managedFields": [
        {"manager": "karmada-promoter", "fieldsV1": {"f:spec": {}}},
    ]}});
    let mut staged = policy();
    staged["metadata"]["annotations"] = json!({ (marks::STAGED_BY): "p1" });
    let state = |template: &Value| TemplateState::of(Some(template), Some(&staged));
    assert_eq!(state(&template), TemplateState::Held);
    for other in [marks::POLICY_ID, marks::CLUSTER_POLICY_ID] {
        let mut captured = template.clone();
        captured["metadata"]["labels"] = json!({ (other): "another" });
        assert_eq!(state(&captured), TemplateState::Captured, "{other}");
    }
}

#[test]
fn without_an_id_of_the_policy_nothing_is_claimed_by_it() {
    let unclaimed = json!({"metadata": {"labels": {}}});
    let claimed = json!({"metadata": {"labels": { (marks::POLICY_ID): "id-1" }}});
    let mut without_id = policy();
    without_id["metadata"]["labels"] = json!({});
    for (template, policy) in [
        (&unclaimed, None),
        (&unclaimed, Some(&without_id)),
        (&claimed, None),
        (&claimed, Some(&without_id)),
    ] {
        assert_eq!(
            TemplateState::of(Some(template), policy),
            TemplateState::Foreign
        );
    }
}

#[test]
fn a_claimed_templates_replicas_are_read() {
    let template = |retain: &str| {
        json!({
            "metadata": {"labels": {
                (marks::POLICY_ID): "id-1", (marks::RETAIN_REPLICAS): retain,
            }},
            "spec": {"replicas": 0},
        })
    };
    for (retain, retains_replicas) in [("true", true), ("false", false)] {
        assert_eq!(
            TemplateState::of(Some(&template(retain)), Some(&policy())),
            TemplateState::Claimed(TemplateSettings {
                replicas: Some(0),
                retains_replicas,
            })
        );
    }
}

/// A policy of ours with an id, and no other setting.
fn policy() -> Value {
    json!({
        "metadata": {
            "labels": {
                (marks::MANAGED_BY): marks::FIELD_MANAGER,
                (marks::POLICY_ID): "id-1",
            },
        },
        "spec": {},
    })
}

/// The same, while it is staged and its template was made.
fn staged(template_uid: &str) -> Value {
    let mut policy = policy();
    policy["metadata"]["annotations"] = json!({
        (marks::STAGED_BY): "p1",
        (marks::STAGED_TEMPLATE): template_uid,
    });
    policy
}

fn claimed() -> TemplateState {
    TemplateState::Claimed(TemplateSettings {
        replicas: None,
        retains_replicas: false,
    })
}
