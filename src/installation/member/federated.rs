//! The ValidatingAdmissionPolicy that warns whoever edits in the member what Karmada will undo.

use promoter_api::marks::{
    ENABLED, FEDERATED_POLICY, GUARD, MANAGED, MANAGED_ANNOTATIONS, MANAGED_LABELS, RETAIN_REPLICAS,
};
use serde_json::{Value, json};

use super::guard::same_spec;
use crate::{ADMISSION, cel::not_by, metadata};

/// Kubernetes' own components, which keep a Deployment as it says it is to be.
const BY_KUBERNETES: &str = "\
request.userInfo.username.startsWith('system:serviceaccount:kube-system:') || \
request.userInfo.username.startsWith('system:kube-') || \
request.userInfo.username.startsWith('system:node:') || \
request.userInfo.username == 'system:apiserver'";

pub(super) fn policy(karmada_user: &str) -> Value {
    json!({
        "apiVersion": ADMISSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": metadata(FEDERATED_POLICY),
        "spec": {
            "failurePolicy": "Ignore",
            "matchConditions": [
                {"name": "not-by-karmada", "expression": not_by(karmada_user)},
                {"name": "not-by-kubernetes", "expression": format!("!({BY_KUBERNETES})")},
            ],
            "matchConstraints": {
                "matchPolicy": "Equivalent",
                "namespaceSelector": {},
                "objectSelector": {"matchLabels": {(MANAGED): "true"}},
                "resourceRules": [{
                    "apiGroups": ["apps"],
                    "apiVersions": ["v1"],
                    "operations": ["UPDATE"],
                    "resources": ["deployments"],
                    "scope": "Namespaced",
                }],
            },
            "variables": [
                {"name": "optIn", "expression": opt_in("object")},
                {"name": "optedIn", "expression": opt_in("oldObject")},
            ],
            "validations": [
                {
                    "expression": format!("{} || ({})", carried(), kept()),
                    "message": "this Deployment is federated: Karmada will undo this change. \
                                Change its template in the Karmada control plane instead",
                    "messageExpression": format!(
                        "'Deployment ' + {PLACE} + ' is federated: Karmada will undo this change. \
                         Change the template in the Karmada control plane instead (`kubectl edit \
                         deployment ' + object.metadata.name + ' -n ' + request.namespace + '` \
                         there)'"
                    ),
                },
                {
                    "expression": "variables.optIn == variables.optedIn || \
                        variables.optIn.orValue('false') != 'false' || \
                        variables.optedIn.orValue('true') == 'false'",
                    "message": "this Deployment is federated, and stays so",
                    "messageExpression": format!(
                        "'Deployment ' + {PLACE} + ' is federated, and stays so: to have Karmada \
                         let go of it, `kubectl promote release deployment/' + object.metadata.name + ' -n ' \
                         + request.namespace + '` in the Karmada control plane; it goes on \
                         running here'"
                    ),
                },
            ],
        },
    })
}

const PLACE: &str = "request.namespace + '/' + object.metadata.name";

/// While Karmada takes it over or lets go of it, an edit is carried into the template.
fn carried() -> String {
    format!("'{GUARD}' in oldObject.metadata.?labels.orValue({{}})")
}

/// Whether nothing changes that Karmada writes: the spec, but for replicas that it retains, and the
/// labels and annotations that it has written down as its own.
///
/// Source: Karmada's `pkg/util/objectwatcher/objectwatcher.go`, `pkg/util/label.go` and
/// `pkg/util/annotation.go`.
fn kept() -> String {
    let replicas = format!(
        "(object.spec.?replicas == oldObject.spec.?replicas || \
         oldObject.metadata.?labels[?'{RETAIN_REPLICAS}'].orValue('') == 'true')"
    );
    [
        same_spec(),
        replicas,
        same_keys("labels", MANAGED_LABELS),
        same_keys("annotations", MANAGED_ANNOTATIONS),
    ]
    .join(" && ")
}

/// Whether those labels or annotations are as they were whose keys an annotation lists.
fn same_keys(field: &str, listed_in: &str) -> String {
    format!(
        "oldObject.metadata.?annotations[?'{listed_in}'].orValue('').split(',').all(key, \
         object.metadata.?{field}[?key] == oldObject.metadata.?{field}[?key])"
    )
}

fn opt_in(object: &str) -> String {
    format!("{object}.metadata.?annotations[?'{ENABLED}']")
}
