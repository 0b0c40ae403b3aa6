//! `cargo xtask generate`: the code generator is a program of its own, because it needs other
//! versions of some crates than the product does.

use clap::Args;

use crate::workspace;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail when a file is not what would be written
    #[arg(long)]
    check: bool,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut words = vec!["run", "--quiet", "--package", "codegen"];
    if arguments.check {
        words.extend(["--", "--check"]);
    }
    workspace::cargo(&words).await
}
