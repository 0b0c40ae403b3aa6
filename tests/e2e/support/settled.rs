//! The proof that a promotion was completed, once.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{Kind, Scene};

/// Fails unless the control plane has one template and one policy for each object of a promoted
/// [`super::Workload::typical`], all of them settled, and nothing else.
pub(crate) async fn assert_typical(scene: &Scene, name: &str) -> Result<()> {
    let objects = [
        format!("configmap.{name}-settings"),
        format!("deployment.{name}"),
        format!("secret.{name}-password"),
    ];
    let karmada = &scene.karmada;
    let policies = karmada.list(&Kind::propagation_policy()).await?;
    for policy in &policies {
        let spec = &policy["spec"];
        ensure!(
            spec["conflictResolution"] == "Abort"
                && spec["preserveResourcesOnDeletion"] == false
                && spec["suspension"].is_null()
                && policy["metadata"]["annotations"]["promote.karmada.io/staged-by"].is_null(),
            "a policy is not settled: {policy}"
        );
    }
    ensure!(names(&policies) == objects, "{:?}", names(&policies));
    let mut templates = Vec::new();
    for kind in [Kind::config_map(), Kind::deployment(), Kind::secret()] {
        for template in karmada.list(&kind).await? {
            let name = template["metadata"]["name"].as_str().unwrap_or_default();
            templates.push(format!("{}.{name}", kind.name().to_lowercase()));
        }
    }
    ensure!(templates == objects, "{templates:?}");
    let works = scene.works().await?;
    ensure!(works.len() == objects.len(), "{:?}", names(&works));
    let bindings = karmada.list(&Kind::resource_binding()).await?;
    ensure!(bindings.len() == objects.len(), "{:?}", names(&bindings));
    Ok(())
}

fn names(objects: &[Value]) -> Vec<&str> {
    let names = objects.iter().map(|object| &object["metadata"]["name"]);
    names.filter_map(Value::as_str).collect()
}
