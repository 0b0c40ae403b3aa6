//! Installs objects that belong to no namespace, and takes them away.

use std::path::Path;

use anyhow::{Context as _, ensure};
use promoter_api::marks::MANAGED_BY;
use promoter_kubernetes::{objects::Objects, resource::Resource};
use serde_json::Value;

use crate::display::print;

/// Applies objects, one after another.
pub(crate) async fn apply(place: &Objects, objects: &[Value]) -> anyhow::Result<()> {
    for object in objects {
        let resource = resource(object)?;
        place.apply(resource, None, name(object), object).await?;
        print(&format!("{}/{} applied\n", resource.plural(), name(object)));
    }
    Ok(())
}

/// Deletes objects, one after another. One that is gone is passed over. Returns the metadata of those
/// that there were.
pub(crate) async fn remove(place: &Objects, objects: &[Value]) -> anyhow::Result<Vec<Value>> {
    let mut removed = Vec::new();
    for object in objects {
        let (resource, name) = (resource(object)?, name(object));
        let Some(found) = find(place, object).await? else {
            continue;
        };
        let uid = found["metadata"]["uid"].as_str().unwrap_or_default();
        place.delete(resource, None, name, uid).await?;
        print(&format!("{}/{name} deleted\n", resource.plural()));
        removed.push(found);
    }
    Ok(removed)
}

/// What can be installed and is not wanted, in the order in which it is to be removed.
pub(crate) fn surplus(everything: Vec<Value>, wanted: &[Value]) -> Vec<Value> {
    let is_wanted = |object: &Value| wanted.iter().any(|other| is_same(object, other));
    let mut surplus = everything;
    surplus.retain(|object| !is_wanted(object));
    surplus.reverse();
    surplus
}

/// The metadata of an object as it is there.
pub(crate) async fn find(place: &Objects, object: &Value) -> anyhow::Result<Option<Value>> {
    let resource = resource(object)?;
    Ok(place.get_metadata(resource, None, name(object)).await?)
}

/// Whether Helm has installed an object, by its metadata.
pub(crate) fn is_by_helm(found: &Value) -> bool {
    found["metadata"]["labels"][MANAGED_BY] == "Helm"
}

/// What an object is called in a sentence.
pub(crate) fn said(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or_default();
    format!("{kind} {}", name(object))
}

/// The certificate authorities in a file. They are public; what stands beside them may not be.
pub(crate) fn authorities(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the certificate authorities in {shown}"))?;
    ensure!(
        text.contains("-----BEGIN CERTIFICATE-----"),
        "{shown} holds no certificate in PEM"
    );
    ensure!(
        !text.contains("PRIVATE KEY-----"),
        "{shown} holds a private key: name a file with nothing but the certificate authorities"
    );
    Ok(text)
}

/// Whether two objects are of the same kind and name.
fn is_same(object: &Value, other: &Value) -> bool {
    object["kind"] == other["kind"] && name(object) == name(other)
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn resource(object: &Value) -> anyhow::Result<Resource> {
    let resource = match object["kind"].as_str() {
        Some("ClusterRole") => Resource::CLUSTER_ROLE,
        Some("ClusterRoleBinding") => Resource::CLUSTER_ROLE_BINDING,
        Some("CustomResourceDefinition") => Resource::CUSTOM_RESOURCE_DEFINITION,
        Some("MutatingWebhookConfiguration") => Resource::MUTATING_WEBHOOK_CONFIGURATION,
        Some("ValidatingAdmissionPolicy") => Resource::VALIDATING_ADMISSION_POLICY,
        Some("ValidatingAdmissionPolicyBinding") => Resource::VALIDATING_ADMISSION_POLICY_BINDING,
        Some("ValidatingWebhookConfiguration") => Resource::VALIDATING_WEBHOOK_CONFIGURATION,
        _ => return Err(anyhow::anyhow!("{}", object["kind"])).context("it is never installed"),
    };
    Ok(resource)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{control_plane, member};

    #[test]
    fn everything_of_a_control_plane_and_of_a_member_can_be_installed() {
        let in_control_plane = control_plane::everything();
        let in_member = member::everything();
        for object in in_control_plane
            .objects()
            .into_iter()
            .chain(in_member.objects())
        {
            let path = resource(&object).unwrap().path(None);
            let api_version = object["apiVersion"].as_str().unwrap();
            assert!(path.starts_with(&format!("/apis/{api_version}/")), "{path}");
            assert!(!name(&object).is_empty());
        }
    }
    #[test]
    fn what_is_not_wanted_is_removed_from_the_last_to_the_first() {
        let object = |name: &str| json!({"kind": "ClusterRole", "metadata": {"name": name}});
        let everything = ["a", "b", "c", "d"].map(object).to_vec();
        let wanted = [object("b")];

        let names: Vec<_> = surplus(everything, &wanted)
            .iter()
            .map(|it| name(it).to_owned())
            .collect();
        assert_eq!(names, ["d", "c", "a"]);
    }
}
