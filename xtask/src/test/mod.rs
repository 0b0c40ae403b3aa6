//! `cargo xtask test`: every check and every test, cheapest first, with the time of each.

mod parts;
mod places;
mod rights;
mod secrets;
mod shared;
mod tally;

use clap::Args;

use self::parts::Parts;
use crate::{demo, interrupt::unless_interrupted, say::say};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Run only the tests whose names contain this, and no other checks
    filter: Option<String>,
    /// Run every case where otherwise a random sample is run
    #[arg(long)]
    full: bool,
    /// The seed of the random samples, to repeat a run
    #[arg(long, env = "PROMOTER_TEST_SEED")]
    seed: Option<u64>,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut parts = Parts::begin();
    let done = unless_interrupted(Box::pin(everything(&arguments, &mut parts))).await;
    say(parts.table(!arguments.full));
    if done.is_ok()
        && let Some(line) = parts.closing_line()
    {
        say(format_args!("\n{line}"));
    }
    done
}

async fn everything(arguments: &Arguments, parts: &mut Parts) -> anyhow::Result<()> {
    let filter = arguments.filter.as_deref();
    if filter.is_none() {
        checks(parts).await?;
    }
    let mut words = vec!["test", "--workspace"];
    words.extend(filter);
    let unit = parts.tests("unit tests", &words, &[]).await?;
    if filter.is_none() {
        let fleet = [
            "test",
            "--package=promoter-fleet",
            "--features=processes",
            "--test=fleet",
        ];
        parts.tests("fleet itself", &fleet, &[]).await?;
    }
    let end_to_end = shared::build(parts, filter).await?;
    if end_to_end > 0 || filter.is_none() {
        shared::run(arguments, parts).await?;
    }
    if filter.is_none() {
        return demo(parts).await;
    }
    anyhow::ensure!(unit + end_to_end > 0, "no test has such a name");
    Ok(())
}

/// What newcomers see first, which checks all that it claims.
async fn demo(parts: &mut Parts) -> anyhow::Result<()> {
    let told = async {
        demo::on(format!("demo-{}", std::process::id())).await?;
        Ok(((), "ok".to_owned()))
    };
    parts.part("demo", told).await
}

/// What is no test.
async fn checks(parts: &mut Parts) -> anyhow::Result<()> {
    let formatting = ["fmt", "--all", "--check"];
    parts.cargo("formatting", &formatting, &[]).await?;
    let generated = ["run", "--quiet", "--package", "codegen", "--", "--check"];
    parts.cargo("generated files", &generated, &[]).await?;
    let lints = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--features=e2e,promoter-fleet/processes",
        "--",
        "--deny=warnings",
    ];
    parts.cargo("lints", &lints, &[]).await?;
    // They are no part of the workspace, and are run by hand: here they are only compiled.
    let fuzzing = [
        "check",
        "--locked",
        "--manifest-path=fuzz/Cargo.toml",
        "--no-default-features",
        "--target-dir=target",
    ];
    parts.cargo("fuzz targets", &fuzzing, &[]).await?;
    // Nothing here is published, so the private items are documented too.
    let flags = "--deny=warnings --allow=rustdoc::private-intra-doc-links";
    let strict = [("RUSTDOCFLAGS", flags.to_owned())];
    let documentation = [
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ];
    parts.cargo("documentation", &documentation, &strict).await
}
