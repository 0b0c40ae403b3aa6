//! AdmissionReviews as kube-apiserver sends them: an update, with the object before and after.

use hyper::body::Bytes;
use promoter_api::marks;
use serde_json::{Map, Value, json};

/// How many different ones there are of each kind and length.
const DIFFERENT: usize = 64;

/// A review, and what must be in its answer.
#[derive(Clone, Debug)]
pub(super) struct Review {
    pub(super) body: Bytes,
    pub(super) uid: String,
}

/// Of what a review is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject {
    /// A Deployment that nobody opts in: another image.
    Unrelated,
    /// A Deployment that is opted in.
    OptIn,
    /// A Work of Karmada with the Deployment in it.
    Work,
}

/// Reviews of about this many bytes.
pub(super) fn reviews(subject: Subject, bytes: usize) -> Vec<Review> {
    let length = |variables| review(subject, 0, variables, 0).body.len();
    // Each variable is as long as any other, or nearly.
    let (none, one) = (length(0), length(100));
    let each = (one - none) / 100;
    let mut variables = bytes.saturating_sub(none) / each;
    while variables > 0 && length(variables) > bytes {
        variables -= 1;
    }
    // Both objects have what is filled in.
    let filling = bytes.saturating_sub(length(variables)) / 2;
    (0..DIFFERENT)
        .map(|index| review(subject, index, variables, filling))
        .collect()
}

/// One about a single Deployment of the name.
pub(super) fn opt_in_of(namespace: &str, name: &str) -> Review {
    let (old, new) = (
        deployment(namespace, name, 4, 0, Edit::Before),
        deployment(namespace, name, 4, 0, Edit::OptedIn),
    );
    enveloped(uid(0), "Deployment", namespace, name, &old, &new)
}

fn review(subject: Subject, index: usize, variables: usize, filling: usize) -> Review {
    let (namespace, name) = ("shop", format!("web-{index:02}"));
    let object = |edit| deployment(namespace, &name, variables, filling, edit);
    let (kind, old, new) = match subject {
        Subject::Unrelated => ("Deployment", object(Edit::Before), object(Edit::NewImage)),
        Subject::OptIn => ("Deployment", object(Edit::Before), object(Edit::OptedIn)),
        Subject::Work => (
            "Work",
            work(&object(Edit::Before)),
            work(&object(Edit::NewImage)),
        ),
    };
    enveloped(uid(index), kind, namespace, &name, &old, &new)
}

fn uid(index: usize) -> String {
    format!("705ab4f5-6393-11e8-b7cc-{index:012}")
}

/// The members in the order in which kube-apiserver writes them.
fn enveloped(
    uid: String,
    kind: &str,
    namespace: &str,
    name: &str,
    old: &Value,
    new: &Value,
) -> Review {
    let (group, version, resource) = match kind {
        "Work" => ("work.karmada.io", "v1alpha1", "works"),
        _ => ("apps", "v1", "deployments"),
    };
    let of_kind = json!({"group": group, "version": version, "kind": kind});
    let of_resource = json!({"group": group, "version": version, "resource": resource});
    let user = json!({
        "username": "alice@example.org",
        "groups": ["shop-developers", "system:authenticated"],
        "extra": {"authentication.kubernetes.io/credential-id": ["X509SHA256=5d2f7a"]},
    });
    let options = json!({
        "kind": "UpdateOptions",
        "apiVersion": "meta.k8s.io/v1",
        "fieldManager": "kubectl-edit",
        "fieldValidation": "Strict",
    });
    let body = format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"{uid}","kind":{of_kind},"resource":{of_resource},"requestKind":{of_kind},"requestResource":{of_resource},"name":"{name}","namespace":"{namespace}","operation":"UPDATE","userInfo":{user},"object":{new},"oldObject":{old},"dryRun":false,"options":{options}}}}}"#
    );
    Review {
        body: Bytes::from(body),
        uid,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Edit {
    Before,
    NewImage,
    OptedIn,
}

/// A Deployment of one to some containers, which share the variables of their environments.
fn deployment(namespace: &str, name: &str, variables: usize, filling: usize, edit: Edit) -> Value {
    const IN_ONE: usize = 40;
    let containers: Vec<Value> = (0..=variables / IN_ONE)
        .map(|index| {
            let first = index * IN_ONE;
            container(index, first..variables.min(first + IN_ONE), edit)
        })
        .collect();
    let owned: Map<String, Value> = containers
        .iter()
        .map(|container| (keyed(container), owned_by_kubectl(container)))
        .collect();
    let mut annotations = json!({
        "deployment.kubernetes.io/revision": "3",
        "example.org/note": "x".repeat(filling),
    });
    if edit == Edit::OptedIn {
        annotations[marks::ENABLED] = json!("true");
    }
    let labels = json!({"app": name});
    json!({
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": "9a7e2f0c-5a53-4c0e-8f0f-3f8a1a3c1f11",
            "resourceVersion": "48213",
            "generation": if edit == Edit::NewImage { 4 } else { 3 },
            "creationTimestamp": "2026-03-01T08:00:00Z",
            "labels": labels,
            "annotations": annotations,
            "managedFields": [{
                "manager": "kubectl",
                "operation": "Apply",
                "apiVersion": "apps/v1",
                "time": "2026-03-01T08:00:00Z",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:spec": {
                    "f:replicas": {},
                    "f:template": {"f:spec": {"f:containers": owned}},
                }},
            }],
        },
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": containers, "restartPolicy": "Always"},
            },
        },
        "status": {"observedGeneration": 3, "replicas": 3, "readyReplicas": 3},
    })
}

fn container(index: usize, variables: std::ops::Range<usize>, edit: Edit) -> Value {
    let tag = if edit == Edit::NewImage {
        "1.28"
    } else {
        "1.27"
    };
    let environment: Vec<Value> = variables
        .map(|variable| match variable % 4 {
            0 => json!({
                "name": format!("SECRET_{variable:03}"),
                "valueFrom": {"secretKeyRef": {"name": "credentials", "key": "password"}},
            }),
            _ => json!({
                "name": format!("SETTING_{variable:03}"),
                "value": format!("https://service-{variable:03}.example.org/path?with=some&text"),
            }),
        })
        .collect();
    json!({
        "name": format!("container-{index}"),
        "image": format!("registry.example.org/shop/web-{index}:{tag}"),
        "imagePullPolicy": "IfNotPresent",
        "env": environment,
        "resources": {"requests": {"cpu": "100m"}},
    })
}

fn keyed(of: &Value) -> String {
    format!("k:{}", json!({"name": of["name"]}))
}

fn owned_by_kubectl(container: &Value) -> Value {
    let variables = container["env"].as_array().map_or(&[][..], Vec::as_slice);
    let variables: Map<String, Value> = variables
        .iter()
        .map(|variable| {
            (
                keyed(variable),
                json!({".": {}, "f:name": {}, "f:value": {}}),
            )
        })
        .collect();
    json!({".": {}, "f:name": {}, "f:image": {}, "f:env": variables})
}

/// As Karmada's binding controller makes it, before the webhook has completed it.
fn work(manifest: &Value) -> Value {
    let metadata = manifest["metadata"].clone();
    json!({
        "kind": "Work",
        "apiVersion": "work.karmada.io/v1alpha1",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": "48213",
            "creationTimestamp": "2026-03-01T08:00:00Z",
            "finalizers": ["karmada.io/execution-controller"],
        },
        "spec": {"workload": {"manifests": [manifest]}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reviews_are_as_long_as_they_are_to_be() {
        for subject in [Subject::OptIn, Subject::Unrelated, Subject::Work] {
            for bytes in [3600, 10_000, 36_000] {
                for review in reviews(subject, bytes) {
                    let length = review.body.len();
                    assert!(length.abs_diff(bytes) < 30, "{subject:?} {bytes}: {length}");
                }
            }
        }
    }

    #[test]
    fn they_are_about_what_they_say() {
        let of = |subject| -> Value {
            let review = reviews(subject, 10_000).swap_remove(1);
            serde_json::from_slice(&review.body).unwrap()
        };
        let annotation = |review: &Value, object: &str| {
            review["request"][object]["metadata"]["annotations"][marks::ENABLED].clone()
        };
        let opt_in = of(Subject::OptIn);
        assert_eq!(opt_in["request"]["uid"], uid(1));
        assert_eq!(annotation(&opt_in, "object"), "true");
        assert_eq!(annotation(&opt_in, "oldObject"), Value::Null);
        let unrelated = of(Subject::Unrelated);
        assert_eq!(annotation(&unrelated, "object"), Value::Null);
        let request = &unrelated["request"];
        assert_ne!(request["object"]["spec"], request["oldObject"]["spec"]);
        let work = of(Subject::Work);
        assert_eq!(work["request"]["object"]["kind"], "Work");
    }
}
