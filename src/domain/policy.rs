//! The `PropagationPolicies`, and the patches that stage, commit and settle them.
//!
//! Every patch is a JSON merge patch (RFC 7386). `docs/protocol.md` tells why each field has the
//! value it has, and which runs against a real fleet showed it.

use std::collections::BTreeSet;

use promoter_api::{
    marks::{
        FIELD_MANAGER, FOLLOWS, HOLD, MANAGED_BY, ORIGIN, POLICY_ID, POLICY_NAME, POLICY_NAMESPACE,
        RELEASED_BY, RETAIN_REPLICAS, STAGED_BY, STAGED_TEMPLATE,
    },
    promotion::OnClusterRemoval,
};
use serde_json::{Value, json};

use crate::object::{ObjectKey, ObjectKind};

/// The policy for one object, as it is created: nothing is dispatched and nothing preserved.
///
/// - `promotion_uid`: the Promotion that is staging it.
/// - `follows`: whether its placement is to follow the workloads that need the object, because
///   Karmada does not see that they do; see [`placement_patch`].
///
/// `propagateDeps` must stay false while anything is staged: the bindings that Karmada makes for
/// dependencies are not suspended with the workload
/// (`pkg/dependenciesdistributor/dependencies_distributor.go`, `buildAttachedBinding`).
/// `preserveResourcesOnDeletion` must stay unset: deleting a suspended Work that has it writes
/// into the member (`pkg/controllers/execution/execution_controller.go`, `handleWorkDelete`).
#[must_use]
pub fn staged_policy(
    key: &ObjectKey,
    namespace: &str,
    cluster: &str,
    promotion_uid: &str,
    follows: bool,
) -> Value {
    let mut annotations = json!({ (ORIGIN): cluster, (STAGED_BY): promotion_uid });
    if follows {
        annotations[FOLLOWS] = json!("true");
    }
    json!({
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {
            "name": key.policy_name(),
            "namespace": namespace,
            "labels": { (MANAGED_BY): FIELD_MANAGER },
            "annotations": annotations,
        },
        "spec": {
            "resourceSelectors": [{
                "apiVersion": key.kind.api_version(),
                "kind": key.kind.as_str(),
                "namespace": namespace,
                "name": key.name,
            }],
            "priority": 1000,
            "conflictResolution": "Overwrite",
            "propagateDeps": false,
            "suspension": { "dispatching": true },
            "placement": {
                "clusterAffinity": { "clusterNames": [cluster] },
                "replicaScheduling": { "replicaSchedulingType": "Duplicated" },
            },
        },
    })
}

/// Of a policy: this is the template that was made for it.
///
/// Written while the template is under our hold. Once the hold is lifted, nothing else tells it for
/// certain from one that somebody else has made.
#[must_use]
pub fn staged_template_patch(template_uid: &str) -> Value {
    json!({ "metadata": { "annotations": { (STAGED_TEMPLATE): template_uid } } })
}

/// Of a template: lifts the hold and claims it for a policy, in one write, so that no other
/// policy can be faster.
///
/// `policy_id` is the policy's label [`POLICY_ID`], which Karmada's webhook gave it. The claim is
/// what Karmada would write itself (`pkg/detector/claim.go`, `AddPPClaimMetadata`).
#[must_use]
pub fn claim_patch(policy_id: &str, namespace: &str, policy_name: &str) -> Value {
    json!({
        "metadata": {
            "labels": { (HOLD): null, (POLICY_ID): policy_id },
            "annotations": { (POLICY_NAMESPACE): namespace, (POLICY_NAME): policy_name },
        },
    })
}

/// Of a policy: Karmada begins to write into the member, and from then on leaves what is there
/// when the template goes.
#[must_use]
pub fn commit_patch() -> Value {
    json!({ "spec": { "suspension": null, "preserveResourcesOnDeletion": true } })
}

/// Of a policy, after the take-over: it becomes an ordinary one.
///
/// A dependency is never preserved: copies in clusters that the workload leaves would go stale,
/// and could not be taken over again when it returns. Its own policy keeps it at its origin.
#[must_use]
pub fn settle_patch(kind: ObjectKind, on_cluster_removal: OnClusterRemoval) -> Value {
    let spec = if kind == ObjectKind::Deployment {
        json!({
            "conflictResolution": "Abort",
            "preserveResourcesOnDeletion": on_cluster_removal == OnClusterRemoval::Preserve,
            "propagateDeps": true,
        })
    } else {
        json!({ "conflictResolution": "Abort", "preserveResourcesOnDeletion": false })
    };
    json!({
        "metadata": {
            "annotations": { (RELEASED_BY): null, (STAGED_BY): null, (STAGED_TEMPLATE): null },
        },
        "spec": spec,
    })
}

/// Of a policy, as the first step of a release: what is in the members stays there when the
/// template goes.
#[must_use]
pub fn preserve_patch() -> Value {
    json!({ "spec": { "preserveResourcesOnDeletion": true } })
}

/// Of a policy whose commit the member refused: nothing is written into the member any more, not
/// even when the template goes.
#[must_use]
pub fn withdraw_patch() -> Value {
    json!({
        "spec": {
            "conflictResolution": "Abort",
            "preserveResourcesOnDeletion": null,
            "suspension": { "dispatching": true },
        },
    })
}

/// Of a dependency's policy that follows the workloads: its origin and every cluster that a
/// workload which needs it is placed in.
#[must_use]
pub fn placement_patch(origin: &str, placed: &BTreeSet<String>) -> Value {
    let clusters: BTreeSet<&str> = placed
        .iter()
        .map(String::as_str)
        .chain(std::iter::once(origin))
        .collect();
    json!({ "spec": { "placement": { "clusterAffinity": { "clusterNames": clusters } } } })
}

/// Of a template whose replicas are retained: the member's number of replicas, which the end of
/// retention would otherwise change.
#[must_use]
pub fn replicas_patch(live_replicas: i64) -> Value {
    json!({ "spec": { "replicas": live_replicas } })
}

/// Of a template: from now on its replicas count, in every cluster.
#[must_use]
pub fn end_retention_patch() -> Value {
    json!({ "metadata": { "labels": { (RETAIN_REPLICAS): null } } })
}

#[cfg(test)]
mod tests {
    use promoter_api::promotion::DependencyKind;

    use super::*;

    #[test]
    fn a_staged_policy_dispatches_and_preserves_nothing() {
        let policy = staged_policy(
            &ObjectKey::deployment("web"),
            "shop",
            "member1",
            "p1",
            false,
        );
        assert_eq!(
            policy,
            json!({
                "apiVersion": "policy.karmada.io/v1alpha1",
                "kind": "PropagationPolicy",
                "metadata": {
                    "name": "deployment.web",
                    "namespace": "shop",
                    "labels": {"app.kubernetes.io/managed-by": "karmada-promoter"},
                    "annotations": {
                        "promote.karmada.io/origin": "member1",
                        "promote.karmada.io/staged-by": "p1",
                    },
                },
                "spec": {
                    "resourceSelectors": [
                        {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web"},
                    ],
                    "priority": 1000,
                    "conflictResolution": "Overwrite",
                    "propagateDeps": false,
                    "suspension": {"dispatching": true},
                    "placement": {
                        "clusterAffinity": {"clusterNames": ["member1"]},
                        "replicaScheduling": {"replicaSchedulingType": "Duplicated"},
                    },
                },
            })
        );
    }

    #[test]
    fn a_policy_that_follows_says_so() {
        let key = ObjectKey::dependency(DependencyKind::Secret, "pull");
        let policy = staged_policy(&key, "shop", "member1", "p1", true);
        assert_eq!(policy["metadata"]["name"], json!("secret.pull"));
        assert_eq!(policy["metadata"]["annotations"][FOLLOWS], json!("true"));
        assert_eq!(
            policy["spec"]["resourceSelectors"][0]["apiVersion"],
            json!("v1")
        );
    }

    #[test]
    fn a_policy_remembers_the_template_that_was_made_for_it() {
        assert_eq!(
            staged_template_patch("t1"),
            json!({"metadata": {"annotations": {"promote.karmada.io/staged-template": "t1"}}})
        );
    }

    #[test]
    fn the_claim_lifts_the_hold_in_the_same_patch() {
        assert_eq!(
            claim_patch("id-1", "shop", "deployment.web"),
            json!({"metadata": {
                "labels": {
                    "resourcetemplate.karmada.io/claimed-by": null,
                    "propagationpolicy.karmada.io/permanent-id": "id-1",
                },
                "annotations": {
                    "propagationpolicy.karmada.io/namespace": "shop",
                    "propagationpolicy.karmada.io/name": "deployment.web",
                },
            }})
        );
    }

    #[test]
    fn only_a_workload_is_ever_preserved_when_settled() {
        for (kind, removal, expected) in [
            (
                ObjectKind::Deployment,
                OnClusterRemoval::Delete,
                json!({"conflictResolution": "Abort", "preserveResourcesOnDeletion": false, "propagateDeps": true}),
            ),
            (
                ObjectKind::Deployment,
                OnClusterRemoval::Preserve,
                json!({"conflictResolution": "Abort", "preserveResourcesOnDeletion": true, "propagateDeps": true}),
            ),
            (
                ObjectKind::Secret,
                OnClusterRemoval::Preserve,
                json!({"conflictResolution": "Abort", "preserveResourcesOnDeletion": false}),
            ),
        ] {
            let patch = settle_patch(kind, removal);
            assert_eq!(patch["spec"], expected, "{kind:?} {removal:?}");
            assert_eq!(
                patch["metadata"],
                json!({"annotations": {
                    (RELEASED_BY): null, (STAGED_BY): null, (STAGED_TEMPLATE): null,
                }})
            );
        }
    }

    #[test]
    fn the_other_patches_are_those_of_the_protocol() {
        assert_eq!(
            commit_patch(),
            json!({"spec": {"suspension": null, "preserveResourcesOnDeletion": true}})
        );
        assert_eq!(
            preserve_patch(),
            json!({"spec": {"preserveResourcesOnDeletion": true}})
        );
        assert_eq!(
            withdraw_patch(),
            json!({"spec": {
                "preserveResourcesOnDeletion": null,
                "suspension": {"dispatching": true},
                "conflictResolution": "Abort",
            }})
        );
        assert_eq!(replicas_patch(0), json!({"spec": {"replicas": 0}}));
        assert_eq!(
            end_retention_patch(),
            json!({"metadata": {"labels": {"resourcetemplate.karmada.io/retain-replicas": null}}})
        );
    }

    #[test]
    fn the_origin_stays_in_the_placement() {
        let placed = |clusters: &[&str]| clusters.iter().copied().map(str::to_owned).collect();
        for (clusters, expected) in [
            (&[][..], json!(["member2"])),
            (
                &["member3", "member1"],
                json!(["member1", "member2", "member3"]),
            ),
            (&["member2"], json!(["member2"])),
        ] {
            let patch = placement_patch("member2", &placed(clusters));
            assert_eq!(
                patch["spec"]["placement"]["clusterAffinity"]["clusterNames"],
                expected
            );
        }
    }
}
