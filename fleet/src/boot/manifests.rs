//! Karmada's manifests, with the addresses and the authority of this fleet filled in.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Boot, BootError};
use crate::{layout::Layout, options::Audit};

/// What Karmada keeps its own objects in.
const NAMESPACES: &str = "apiVersion: v1
kind: Namespace
metadata:
  name: karmada-system
---
apiVersion: v1
kind: Namespace
metadata:
  name: karmada-cluster
";

/// What exists before Karmada's servers run, and what only once they answer: a policy could not be
/// written while its webhook is configured and away.
const BEFORE: &str = "resources:
- crds
- namespaces.yaml
- cluster-proxy-admin.yaml
- aggregated-roles.yaml
";

/// The addresses that the manifests get.
pub(super) struct Addresses<'a> {
    pub(super) authority: &'a str,
    pub(super) webhook: u16,
    pub(super) aggregated_apiserver: u16,
}

impl Boot {
    /// Renders the manifests into the fleet's folder: a kustomization of what comes first, and
    /// single files of what comes later.
    pub(super) fn render_manifests(&self, addresses: &Addresses<'_>) -> Result<(), BootError> {
        let to = self.layout.manifests();
        render(self.programs.manifests().folder(), &to, addresses)
            .and_then(|()| std::fs::write(to.join("namespaces.yaml"), NAMESPACES))
            .and_then(|()| std::fs::write(to.join("kustomization.yaml"), BEFORE))
            .map_err(BootError::io(format!(
                "render Karmada's manifests into {}",
                to.display()
            )))
    }
}

/// Writes the policy of the API servers' audit logs, if there are to be any.
pub(super) fn write_audit_policy(layout: &Layout, audit: &Audit) -> Result<(), BootError> {
    let Some(policy) = audit_policy(audit) else {
        return Ok(());
    };
    let path = layout.audit_policy();
    std::fs::write(&path, policy.to_string())
        .map_err(BootError::io(format!("write {}", path.display())))
}

/// YAML is a superset of JSON.
fn audit_policy(audit: &Audit) -> Option<Value> {
    let rule = match audit {
        Audit::Nothing => return None,
        Audit::Everything => json!({"level": "Metadata"}),
        Audit::Users(users) => json!({"level": "Metadata", "users": users}),
    };
    Some(json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [rule, {"level": "None"}],
    }))
}

fn render(from: &Path, to: &Path, addresses: &Addresses<'_>) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            render(&path, &target, addresses)?;
        } else {
            std::fs::write(target, fill_in(&std::fs::read_to_string(path)?, addresses))?;
        }
    }
    Ok(())
}

fn fill_in(manifest: &str, addresses: &Addresses<'_>) -> String {
    let webhook = format!("https://127.0.0.1:{}/", addresses.webhook);
    manifest
        .replace("{{caBundle}}", &STANDARD.encode(addresses.authority))
        .replace("https://{{name}}.{{namespace}}.svc:443/", &webhook)
        .replace("https://karmada-webhook.karmada-system.svc:443/", &webhook)
        // Nothing resolves Service names here: the Service stands for the loopback interface, and
        // the port is that of the APIService's reference.
        .replace(
            "karmada-aggregated-apiserver.karmada-system.svc.cluster.local",
            "localhost",
        )
        .replace(
            "    namespace: karmada-system\n  version:",
            &format!(
                "    namespace: karmada-system\n    port: {}\n  version:",
                addresses.aggregated_apiserver
            ),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(manifest: &str) -> String {
        let addresses = Addresses {
            authority: "CA",
            webhook: 1,
            aggregated_apiserver: 2,
        };
        fill_in(manifest, &addresses)
    }

    #[test]
    fn webhooks_are_reached_on_the_loopback_interface() {
        for manifest in [
            "url: https://{{name}}.{{namespace}}.svc:443/x\nca: {{caBundle}}",
            "url: https://karmada-webhook.karmada-system.svc:443/x\nca: {{caBundle}}",
        ] {
            assert_eq!(filled(manifest), "url: https://127.0.0.1:1/x\nca: Q0E=");
        }
    }

    #[test]
    fn the_aggregated_api_gets_its_port() {
        let service =
            "  service:\n    name: a\n    namespace: karmada-system\n  version: v1alpha1\n";
        assert!(filled(service).contains("    port: 2\n  version: v1alpha1"));
    }
}
