//! Writes every generated file of the repository, or with `--check` says which are stale.
//!
//! Three kinds are generated: the `CustomResourceDefinition`s of our own types and what is installed
//! in a member, both for the chart, and the Rust types of Karmada's, from the definitions in the
//! Karmada module that the fleet pins.
//! It is a program of its own because kopium brings another version of the Kubernetes types.

mod crd;
mod karmada;
mod member;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Parser;

/// Writes the generated files.
#[derive(Parser)]
struct Arguments {
    /// Write nothing; fail when a file is not what would be written.
    #[arg(long)]
    check: bool,
}

/// A file as it should be.
struct Generated {
    path: PathBuf,
    content: String,
}

fn main() -> Result<()> {
    let Arguments { check } = Arguments::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the code generator's crate has no parent folder")?;

    let mut files = crd::definitions(root)?;
    files.extend(member::objects(root)?);
    files.extend(karmada::types(root)?);

    let mut stale = Vec::new();
    for Generated { path, content } in &files {
        let shown = path.strip_prefix(root).unwrap_or(path).display();
        if std::fs::read_to_string(path).is_ok_and(|current| current == *content) {
            continue;
        }
        if check {
            stale.push(shown.to_string());
            continue;
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        std::fs::write(path, content).with_context(|| format!("cannot write {shown}"))?;
        println!("wrote {shown}");
    }
    if !stale.is_empty() {
        bail!(
            "stale: {}; run `cargo xtask generate` and commit what it writes",
            stale.join(", ")
        );
    }
    println!("{} generated files are current", files.len());
    Ok(())
}
