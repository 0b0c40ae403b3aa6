//! What else keeps writing an object of a member, by the marks that it leaves there.
//!
//! | mark | source |
//! | --- | --- |
//! | label `app.kubernetes.io/managed-by: Helm`, annotation `meta.helm.sh/release-name` | Helm's `pkg/action/validate.go` |
//! | annotation `argocd.argoproj.io/tracking-id`, label `argocd.argoproj.io/instance` | Argo CD's documentation, "Resource Tracking" |
//! | label `app.kubernetes.io/instance`, written by one of Argo CD's field managers | the same, and `common.ArgoCDSSAManager` |
//! | labels `kustomize.toolkit.fluxcd.io/name`, `helm.toolkit.fluxcd.io/name` | Flux' Kustomization and `HelmRelease` |
//! | annotation `cert-manager.io/certificate-name`, label `controller.cert-manager.io/fao` | cert-manager 1.11 and later label every Secret of a Certificate |
//! | label `reconcile.external-secrets.io/managed: "true"` | External Secrets' `LabelManaged`, set whether it owns the Secret or not |
//! | annotation `sealedsecrets.bitnami.com/managed: "true"` | Sealed Secrets: it may overwrite a Secret that it does not own |
//!
//! The label `app.kubernetes.io/instance` alone says nothing: it was what Argo CD tracked by before
//! its version 3, and most charts set it as well. The API server remembers who wrote a label, so
//! that the one is told from the other.

use serde_json::Value;

/// Something that keeps writing an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Manager {
    /// What it was told by.
    pub mark: String,
    /// Its name, `cert-manager` or `ExternalSecret/db`.
    pub name: String,
}

struct Mark {
    kind: MarkKind,
    key: &'static str,
    manager: &'static str,
}

#[derive(Clone, Copy)]
enum MarkKind {
    Annotation(Option<&'static str>),
    Label(Option<&'static str>),
    /// A label that counts only when one of these field managers wrote it.
    LabelBy(&'static [&'static str]),
}

/// What deploys whole workloads.
const DEPLOYS: [Mark; 8] = [
    Mark::new(
        MarkKind::Label(Some("Helm")),
        "app.kubernetes.io/managed-by",
        "Helm",
    ),
    Mark::new(
        MarkKind::Annotation(None),
        "meta.helm.sh/release-name",
        "Helm",
    ),
    Mark::new(
        MarkKind::Annotation(None),
        "argocd.argoproj.io/tracking-id",
        "Argo CD",
    ),
    Mark::new(
        MarkKind::Label(None),
        "argocd.argoproj.io/instance",
        "Argo CD",
    ),
    Mark::new(
        MarkKind::LabelBy(&["argocd-controller", "argocd-application-controller"]),
        "app.kubernetes.io/instance",
        "Argo CD",
    ),
    Mark::new(
        MarkKind::Label(None),
        "kustomize.toolkit.fluxcd.io/name",
        "Flux",
    ),
    Mark::new(MarkKind::Label(None), "helm.toolkit.fluxcd.io/name", "Flux"),
    Mark::new(
        MarkKind::Annotation(None),
        "kustomize.toolkit.fluxcd.io/checksum",
        "Flux",
    ),
];

/// What writes single Secrets and ConfigMaps.
const WRITES: [Mark; 4] = [
    Mark::new(
        MarkKind::Annotation(None),
        "cert-manager.io/certificate-name",
        "cert-manager",
    ),
    Mark::new(
        MarkKind::Label(None),
        "controller.cert-manager.io/fao",
        "cert-manager",
    ),
    Mark::new(
        MarkKind::Label(Some("true")),
        "reconcile.external-secrets.io/managed",
        "External Secrets",
    ),
    Mark::new(
        MarkKind::Annotation(Some("true")),
        "sealedsecrets.bitnami.com/managed",
        "Sealed Secrets",
    ),
];

impl Manager {
    /// The tool that manages a workload. What owns it is a matter of its own.
    #[must_use]
    pub fn of_workload(object: &Value) -> Option<Self> {
        marked(object, &DEPLOYS)
    }

    /// What keeps writing a dependency: a controller that owns it, or a tool that marks it.
    #[must_use]
    pub fn of_dependency(object: &Value) -> Option<Self> {
        owner(object)
            .or_else(|| marked(object, &WRITES))
            .or_else(|| marked(object, &DEPLOYS))
    }
}

impl Mark {
    const fn new(kind: MarkKind, key: &'static str, manager: &'static str) -> Self {
        Self { kind, key, manager }
    }

    fn is_on(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        let has = |field: &str, wanted: Option<&str>| {
            let value = metadata[field][self.key].as_str();
            value.is_some() && (wanted.is_none() || value == wanted)
        };
        match self.kind {
            MarkKind::Annotation(value) => has("annotations", value),
            MarkKind::Label(value) => has("labels", value),
            MarkKind::LabelBy(managers) => {
                has("labels", None) && self.was_written_by(object, managers)
            }
        }
    }

    fn was_written_by(&self, object: &Value, managers: &[&str]) -> bool {
        let field = format!("f:{}", self.key);
        object["metadata"]["managedFields"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|entry| {
                entry["manager"]
                    .as_str()
                    .is_some_and(|manager| managers.contains(&manager))
            })
            .any(|entry| {
                entry["fieldsV1"]["f:metadata"]["f:labels"]
                    .get(&field)
                    .is_some()
            })
    }
}

fn marked(object: &Value, marks: &[Mark]) -> Option<Manager> {
    let mark = marks.iter().find(|mark| mark.is_on(object))?;
    let kind = match mark.kind {
        MarkKind::Annotation(_) => "annotation",
        MarkKind::Label(_) | MarkKind::LabelBy(_) => "label",
    };
    Some(Manager {
        mark: format!("{kind} {}", mark.key),
        name: mark.manager.to_owned(),
    })
}

/// The controller among the owners. Another owner only has the object deleted with it.
fn owner(object: &Value) -> Option<Manager> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    let word = |key: &str| owner[key].as_str().unwrap_or_default();
    Some(Manager {
        mark: "ownerReference".to_owned(),
        name: format!("{}/{}", word("kind"), word("name")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(metadata: &Value) -> (Option<String>, Option<String>) {
        let object = json!({ "metadata": metadata });
        (
            Manager::of_workload(&object).map(|manager| manager.name),
            Manager::of_dependency(&object).map(|manager| manager.name),
        )
    }

    fn both(name: &str) -> (Option<String>, Option<String>) {
        (Some(name.to_owned()), Some(name.to_owned()))
    }

    #[test]
    fn what_deploys_workloads_is_known_by_its_marks() {
        for (metadata, name) in [
            (
                json!({"labels": {"app.kubernetes.io/managed-by": "Helm"}}),
                "Helm",
            ),
            (
                json!({"annotations": {"meta.helm.sh/release-name": "shop"}}),
                "Helm",
            ),
            (
                json!({"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:a/b"}}),
                "Argo CD",
            ),
            (
                json!({"labels": {"argocd.argoproj.io/instance": "shop"}}),
                "Argo CD",
            ),
            (
                json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}),
                "Flux",
            ),
            (
                json!({"labels": {"helm.toolkit.fluxcd.io/name": "shop"}}),
                "Flux",
            ),
        ] {
            assert_eq!(names(&metadata), both(name), "{metadata}");
        }
    }

    #[test]
    fn the_instance_label_counts_only_where_argo_cd_wrote_it() {
        let written_by = |manager: &str, field: &str| {
            json!({
                "labels": {"app.kubernetes.io/instance": "shop"},
                "managedFields": [
                    {"manager": "kubectl", "fieldsV1": {"f:data": {}}},
                    {"manager": manager, "fieldsV1": {"f:metadata": {"f:labels": {field: {}}}}},
                ],
            })
        };
        let label = "f:app.kubernetes.io/instance";
        for manager in ["argocd-controller", "argocd-application-controller"] {
            assert_eq!(names(&written_by(manager, label)), both("Argo CD"));
        }
        assert_eq!(names(&written_by("helm", label)), (None, None));
        assert_eq!(
            names(&written_by("argocd-controller", "f:team")),
            (None, None)
        );
        assert_eq!(
            names(&json!({"labels": {"app.kubernetes.io/instance": "shop"}})),
            (None, None)
        );
    }

    #[test]
    fn what_writes_secrets_is_known_by_marks_and_owners() {
        let owned = |kind: &str, controller: bool| {
            json!({"ownerReferences": [
                {"kind": "ConfigMap", "name": "other"},
                {"kind": kind, "name": "db", "controller": controller},
            ]})
        };
        for (metadata, name) in [
            (
                json!({"annotations": {"cert-manager.io/certificate-name": "tls"}}),
                "cert-manager",
            ),
            (
                json!({"labels": {"controller.cert-manager.io/fao": "true"}}),
                "cert-manager",
            ),
            (
                json!({"labels": {"reconcile.external-secrets.io/managed": "true"}}),
                "External Secrets",
            ),
            (
                json!({"annotations": {"sealedsecrets.bitnami.com/managed": "true"}}),
                "Sealed Secrets",
            ),
            (owned("ExternalSecret", true), "ExternalSecret/db"),
            (owned("SealedSecret", true), "SealedSecret/db"),
        ] {
            let expected = (None, Some(name.to_owned()));
            assert_eq!(names(&metadata), expected, "{metadata}");
        }
        for metadata in [
            owned("ExternalSecret", false),
            json!({"annotations": {"cert-manager.io/issuer-name": "shop"}}),
            json!({"annotations": {"sealedsecrets.bitnami.com/managed": "false"}}),
            json!({"labels": {"app.kubernetes.io/managed-by": "kubectl"}}),
            json!({}),
        ] {
            assert_eq!(names(&metadata), (None, None), "{metadata}");
        }
    }
}
