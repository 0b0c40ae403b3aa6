//! Installs objects that belong to no namespace, and takes them away.

use anyhow::Context as _;
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

/// Deletes objects, one after another. One that is gone is passed over.
pub(crate) async fn remove(place: &Objects, objects: &[Value]) -> anyhow::Result<()> {
    for object in objects {
        let (resource, name) = (resource(object)?, name(object));
        let Some(found) = place.get_metadata(resource, None, name).await? else {
            continue;
        };
        let uid = found["metadata"]["uid"].as_str().unwrap_or_default();
        place.delete(resource, None, name, uid).await?;
        print(&format!("{}/{name} deleted\n", resource.plural()));
    }
    Ok(())
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
        _ => return Err(anyhow::anyhow!("{}", object["kind"])).context("it is never installed"),
    };
    Ok(resource)
}

#[cfg(test)]
mod tests {
    use promoter_installation::{
        control_plane::ControlPlane,
        webhook::{Address, Webhook},
    };

    use super::*;

    #[test]
    fn everything_of_a_control_plane_can_be_installed() {
        let everything = ControlPlane {
            hub_user: "hub".to_owned(),
            webhook: Some(Webhook {
                address: Address::Url("https://webhook.example".to_owned()),
                authorities: None,
            }),
        };
        for object in everything.objects() {
            let path = resource(&object).unwrap().path(None);
            let api_version = object["apiVersion"].as_str().unwrap();
            assert!(path.starts_with(&format!("/apis/{api_version}/")), "{path}");
            assert!(!name(&object).is_empty());
        }
    }
}
