//! Karmada's types, from the definitions in the Karmada module that the fleet's `go.mod` pins.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use kopium::{Derive, TypeGenerator};
use kopium_k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use crate::Generated;

/// The definition below `_crds/bases`, the version that is used, and the module it becomes.
const DEFINITIONS: [(&str, &str, &str); 4] = [
    (
        "policy/policy.karmada.io_overridepolicies.yaml",
        "v1alpha1",
        "override_policy",
    ),
    (
        "policy/policy.karmada.io_propagationpolicies.yaml",
        "v1alpha1",
        "propagation_policy",
    ),
    (
        "work/work.karmada.io_resourcebindings.yaml",
        "v1alpha2",
        "resource_binding",
    ),
    ("work/work.karmada.io_works.yaml", "v1alpha1", "work"),
];

/// One Rust file for each of Karmada's types.
pub(crate) fn types(root: &Path) -> Result<Vec<Generated>> {
    let definitions = module_folder(root)?.join("charts/karmada/_crds/bases");
    DEFINITIONS
        .iter()
        .map(|(file, version, module)| {
            let path = definitions.join(file);
            let yaml = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read Karmada's {file}"))?;
            let definition: CustomResourceDefinition = serde_saphyr::from_str(&yaml)
                .with_context(|| format!("Karmada's {file} is no definition"))?;
            let mut builder = TypeGenerator::builder();
            for derived in ["Default", "PartialEq"] {
                builder = builder.derive(Derive::all(derived));
            }
            let source = builder
                .api_version(Some((*version).to_owned()))
                .emit_docs(true)
                .hide_prelude(false)
                .smart_derive_elision(true)
                .build()
                .generate_rust_types_for(&definition, None::<String>)?;
            Ok(Generated {
                path: root.join(format!("src/api/karmada/{module}.rs")),
                content: formatted(&format!(
                    "// Written by `cargo xtask generate` from Karmada's {file}.\n{source}"
                ))?,
            })
        })
        .collect()
}

/// Where the Go client keeps the Karmada module of the fleet.
fn module_folder(root: &Path) -> Result<PathBuf> {
    const MODULE: &str = "github.com/karmada-io/karmada";
    let go = |arguments: &[&str]| -> Result<String> {
        let output = Command::new("go")
            .args(arguments)
            .current_dir(root.join("fleet/karmada"))
            .output()
            .context("cannot run go: install Go 1.25 or newer, it brings Karmada's definitions")?;
        ensure!(
            output.status.success(),
            "go {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    };
    go(&["mod", "download", MODULE])?;
    let folder = go(&["list", "-m", "-f", "{{.Dir}}", MODULE])?;
    if folder.is_empty() {
        bail!("go knows no folder of {MODULE}; run `go mod download` in fleet/karmada");
    }
    Ok(PathBuf::from(folder))
}

/// The source as rustfmt prints it, so that the formatter's check holds for generated files too.
fn formatted(source: &str) -> Result<String> {
    let mut child = Command::new("rustfmt")
        .args([
            "--edition",
            "2024",
            "--config",
            "max_width=100,style_edition=2024",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run rustfmt: add it with `rustup component add rustfmt`")?;
    child
        .stdin
        .take()
        .context("rustfmt takes no input")?
        .write_all(source.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "rustfmt refused the generated source"
    );
    Ok(String::from_utf8(output.stdout)?)
}
