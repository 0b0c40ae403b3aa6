//! The labels and annotations that decide something, each where its owner defines it.

/// The annotation by which a person opts a Deployment in: `"true"` or `"false"`.
pub const ENABLED: &str = "promote.karmada.io/enabled";
/// On what opts in: who asked, as the member's admission knows them. `promoter_domain::stamp` has
/// its form.
pub const REQUESTED_BY: &str = "promote.karmada.io/requested-by";
/// On a Deployment that opted in: what stands in the way and what to do, where no Promotion says so.
pub const MESSAGE: &str = "promote.karmada.io/message";
/// On a Deployment that opted in: the phase of its Promotion, for whoever annotated it.
pub const PHASE: &str = "promote.karmada.io/phase";
/// On a Deployment that opted in: the reason of that phase.
pub const REASON: &str = "promote.karmada.io/reason";
/// The suffix of every key of ours.
pub const OUR_DOMAIN: &str = "promote.karmada.io";
/// The field manager of our server-side applies and the value of our holds and managed-by labels.
pub const FIELD_MANAGER: &str = "karmada-promoter";
/// On a policy of ours: the UID of the Promotion that is staging it, until it is committed.
pub const STAGED_BY: &str = "promote.karmada.io/staged-by";
/// On a policy of ours: the UID of the template that was made for it, until it is committed.
/// Somebody else may make one of that name meanwhile, which the policy would claim as well.
pub const STAGED_TEMPLATE: &str = "promote.karmada.io/staged-template";
/// On a policy of ours: the UID of the Promotion that is about to delete it, so that nobody
/// begins to reuse it meanwhile.
pub const RELEASED_BY: &str = "promote.karmada.io/released-by";
/// On a policy of ours: the cluster that the object was promoted from, which its placement keeps.
pub const ORIGIN: &str = "promote.karmada.io/origin";
/// On a dependency's policy of ours: `"true"` where its placement follows the workloads that need
/// it, because Karmada does not see that they do.
pub const FOLLOWS: &str = "promote.karmada.io/follows";
/// On a Promotion: when a person asked for it anew, after it was refused or had failed.
pub const REQUESTED_AT: &str = "promote.karmada.io/requested-at";
/// The finalizer on a Promotion, so that nothing staged outlives it.
pub const FINALIZER: &str = "promote.karmada.io/engine";
/// Label of a member's Deployment while its API server is to refuse every write of Karmada's that
/// would undo an edit. A label, because annotations are copied to ReplicaSets and raise the
/// generation.
pub const GUARD: &str = "promote.karmada.io/guard";
/// The name of the `ValidatingAdmissionPolicy`, and of its binding, that refuses those writes. It
/// stands in what the member answers to them.
pub const GUARD_POLICY: &str = "guard.promote.karmada.io";
/// Label of the Secret in which the webhook keeps a certificate that it has made by itself.
pub const CERTIFICATE: &str = "promote.karmada.io/certificate";
/// The value of that label. A Secret without it is somebody else's, and is not written to.
pub const CERTIFICATE_SELF_MANAGED: &str = "self-managed";
/// The name of the `ValidatingAdmissionPolicy` of a member, and of its binding, that pins who has
/// opted in; and of the webhooks' configurations there.
pub const OPT_IN_POLICY: &str = "opt-in.promote.karmada.io";
/// The name of the `ValidatingAdmissionPolicy` of a cluster, and of its binding, that lets a webhook
/// which the chart has installed there change nothing of its configurations but the `caBundle`.
pub const CA_BUNDLE_POLICY: &str = "ca-bundle.promote.karmada.io";
/// The name of the `ValidatingAdmissionPolicy` of a member, and of its binding, that warns whoever
/// edits what Karmada will undo.
pub const FEDERATED_POLICY: &str = "federated.promote.karmada.io";
/// Kubernetes' recommended label for the tool that manages an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Non-empty, it makes Karmada's detector ignore a template: our hold.
///
/// Source: Karmada's `pkg/detector/detector.go`, `Reconcile`.
pub const HOLD: &str = "resourcetemplate.karmada.io/claimed-by";
/// The value of our holds.
pub const HOLD_VALUE: &str = "promote.karmada.io";
/// On a template: keep the member's own number of replicas.
pub const RETAIN_REPLICAS: &str = "resourcetemplate.karmada.io/retain-replicas";
/// Label of a policy, of what it has claimed and of what is rendered from that: the policy's id.
pub const POLICY_ID: &str = "propagationpolicy.karmada.io/permanent-id";
/// The same for a `ClusterPropagationPolicy`.
pub const CLUSTER_POLICY_ID: &str = "clusterpropagationpolicy.karmada.io/permanent-id";
/// Annotation of what a policy has claimed: the policy's namespace.
pub const POLICY_NAMESPACE: &str = "propagationpolicy.karmada.io/namespace";
/// Annotation of what a policy has claimed: the policy's name.
pub const POLICY_NAME: &str = "propagationpolicy.karmada.io/name";
/// Label of a binding and of its Works: the binding's id.
pub const BINDING_ID: &str = "resourcebinding.karmada.io/permanent-id";
/// Annotation of a rendered manifest: the generation of the template it was rendered from.
pub const TEMPLATE_GENERATION: &str = "resourcetemplate.karmada.io/generation";
/// Annotation of a rendered manifest: the UID of the template it was rendered from.
pub const TEMPLATE_UID: &str = "resourcetemplate.karmada.io/uid";
/// Annotation of a rendered manifest: the label keys that Karmada manages on it.
pub const MANAGED_LABELS: &str = "resourcetemplate.karmada.io/managed-labels";
/// Annotation of a rendered manifest: the annotation keys that Karmada manages on it.
pub const MANAGED_ANNOTATIONS: &str = "resourcetemplate.karmada.io/managed-annotations";
/// Label of a member's object that Karmada has taken over.
pub const MANAGED: &str = "karmada.io/managed";
/// Annotation of a member's object that Karmada has taken over: its Work's namespace.
pub const WORK_NAMESPACE: &str = "work.karmada.io/namespace";
/// Annotation of a member's object that Karmada has taken over: its Work's name.
pub const WORK_NAME: &str = "work.karmada.io/name";
/// Label of a namespace of the control plane that Karmada is not to create in the members.
pub const SKIP_AUTO_PROPAGATION: &str = "namespace.karmada.io/skip-auto-propagation";

/// The Deployment controller's count of its roll-outs.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
/// The ReplicaSets' history of revisions.
pub const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// What `kubectl apply` remembers.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The hash by which a ReplicaSet and its pods carry their pod template.
pub const POD_TEMPLATE_HASH: &str = "pod-template-hash";

/// Whether a label's or annotation's key belongs to Karmada or to us.
///
/// The prefix of such a key is `karmada.io` or a subdomain of it.
#[must_use]
pub fn is_karmada_key(key: &str) -> bool {
    key.split_once('/')
        .is_some_and(|(prefix, _)| prefix == "karmada.io" || prefix.ends_with(".karmada.io"))
}

/// Whether a label's or annotation's key belongs to us.
#[must_use]
pub fn is_our_key(key: &str) -> bool {
    key.split_once('/')
        .is_some_and(|(prefix, _)| prefix == OUR_DOMAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn karmada_keys_are_told_by_their_prefix() {
        for key in [MANAGED, HOLD, ENABLED, WORK_NAME] {
            assert!(is_karmada_key(key), "{key}");
        }
        for key in [
            "app",
            "notkarmada.io/managed",
            "karmada.io",
            "example.com/karmada.io",
        ] {
            assert!(!is_karmada_key(key), "{key}");
        }
        assert!(is_our_key(ENABLED));
        assert!(!is_our_key(MANAGED));
    }
}
