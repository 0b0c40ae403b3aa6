//! The `CustomResourceDefinition`s of our own types.

use std::path::Path;

use anyhow::{Context, Result};
use kube::CustomResourceExt as _;
use promoter_api::promotion::Promotion;

use crate::Generated;

/// The definitions for the control plane. They are not in the chart's `crds`: Helm would install
/// them in the host cluster, where nothing reads them.
pub(crate) fn definitions(root: &Path) -> Result<Vec<Generated>> {
    let folder = root.join("charts/karmada-promoter/control-plane");
    let definition = Promotion::crd();
    let name = definition
        .metadata
        .name
        .clone()
        .context("the definition of Promotion has no name")?;
    // By way of a JSON value, whose keys are sorted: the same input gives the same file.
    let yaml = serde_saphyr::to_string(&serde_json::to_value(definition)?)?;
    Ok(vec![Generated {
        path: folder.join(format!("{name}.yaml")),
        content: format!("# Written by `cargo xtask generate` from src/api/promotion.rs.\n{yaml}"),
    }])
}
