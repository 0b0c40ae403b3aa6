//! The end-to-end tests, on a fleet that they share. Those that break things start one of their own.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use promoter_fleet::{Audit, Fleet, FleetOptions};

use super::{
    Arguments,
    parts::Parts,
    rights,
    secrets::{self, Marker},
};
use crate::{
    bench,
    figures::{self, Figures},
    fleet::{self, Started},
    say::{lasted, say},
    workspace::{self, cargo_with},
};

/// Far more than all end-to-end tests take together: one that hangs is not waited for all night.
const PATIENCE: Duration = Duration::from_mins(40);

/// How many tests run at a time. They wait most of their time, so more than there are processors;
/// with many more, the fleet becomes what they wait for.
const THREADS: &str = "--test-threads=4";

/// Builds the tests and what they run, and returns how many have a name like that.
pub(super) async fn build(parts: &mut Parts, filter: Option<&str>) -> anyhow::Result<usize> {
    let work = async {
        fleet::promoter::build().await?;
        let mut words = vec!["test", "--features=e2e", "--test=e2e"];
        words.extend(filter);
        words.extend(["--", "--list"]);
        let mut count = 0;
        cargo_with(&words, &[], |line| {
            if line.ends_with(": test") {
                count += 1;
            }
        })
        .await?;
        Ok((count, format!("{count} end-to-end tests to run")))
    };
    parts.part("building", work).await
}

/// Brings the fleet up, runs the tests and takes it down again, whatever happens.
pub(super) async fn run(arguments: &Arguments, parts: &mut Parts) -> anyhow::Result<()> {
    let Started { fleet, took } = start(parts).await?;
    let marker = Marker::new(random());
    let tested = on(&fleet, took, &marker, arguments, parts).await;
    // What leaks most is what goes wrong: searched whatever the tests came to.
    let expected = tested.is_ok() && arguments.filter.is_none();
    let searched = secrets::search(&fleet, &marker, expected, parts).await;
    let tested = match (tested, searched) {
        (Err(failed), Err(found)) => Err(failed.context(format!("{found:#}; and"))),
        (tested, searched) => tested.and(searched),
    };
    // What failed may have used what nothing else does.
    let tested = match tested {
        Ok(()) if arguments.filter.is_none() => rights::check(&fleet, parts).await,
        other => other,
    };
    if tested.is_err() {
        report(&fleet);
    }
    let stopped = fleet.stop().await.context("cannot take the fleet down");
    tested.and(stopped)
}

async fn start(parts: &mut Parts) -> anyhow::Result<Started> {
    let work = async {
        let options = FleetOptions::named(format!("test-{}", std::process::id()))
            .audit(Audit::Users(rights::USERS.map(str::to_owned).to_vec()))
            .members(2);
        let started = fleet::start(options, Some(&[fleet::promoter::ENABLED])).await?;
        let ready = format!("fleet ready in {}", lasted(started.took));
        say(&ready);
        Ok((started, ready))
    };
    parts.part("fleet", work).await
}

async fn on(
    fleet: &Fleet,
    took: Duration,
    marker: &Marker,
    arguments: &Arguments,
    parts: &mut Parts,
) -> anyhow::Result<()> {
    // Figures are for whole runs, and taken first: later on the tests keep the fleet busy.
    let figures = if arguments.filter.is_none() {
        let figures = measure(fleet, parts).await?;
        smoke(fleet, parts).await?;
        Some(figures)
    } else {
        None
    };
    tests(fleet, marker, arguments, parts).await?;
    if let Some(figures) = figures {
        say(format_args!("{}\n", figures.table(took)));
    }
    Ok(())
}

async fn measure(fleet: &Fleet, parts: &mut Parts) -> anyhow::Result<Figures> {
    let work = async {
        let figures = figures::measure(fleet).await?;
        let summary = figures.summary();
        Ok((figures, summary))
    };
    parts.part("figures", work).await
}

/// Sees that the bench works. What it measures says nothing here.
async fn smoke(fleet: &Fleet, parts: &mut Parts) -> anyhow::Result<()> {
    let work = async {
        let cells = bench::admission::smoke(fleet).await?;
        Ok(((), format!("{cells} cells, every request answered")))
    };
    parts.part("bench, to see", work).await
}

async fn tests(
    fleet: &Fleet,
    marker: &Marker,
    arguments: &Arguments,
    parts: &mut Parts,
) -> anyhow::Result<()> {
    let seed = arguments.seed.unwrap_or_else(random);
    let mut variables = vec![
        ("PROMOTER_TEST_FLEET", fleet.name().to_owned()),
        ("PROMOTER_TEST_MARKER", marker.word().to_owned()),
        ("PROMOTER_TEST_SEED", seed.to_string()),
    ];
    if arguments.full {
        variables.push(("PROMOTER_TEST_FULL", "1".to_owned()));
    }
    let mut words = vec!["test", "--features=e2e", "--test=e2e"];
    words.extend(arguments.filter.as_deref());
    words.extend(["--", THREADS]);
    let run = parts.tests("end-to-end tests", &words, &variables);
    if arguments.full {
        run.await?;
        return Ok(());
    }
    match tokio::time::timeout(PATIENCE, run).await {
        Ok(done) => done.map(|_| ()),
        Err(_) => bail!(
            "the end-to-end tests did not end within {}",
            lasted(PATIENCE)
        ),
    }
}

/// A seed for this run: any number does, as long as the next one is another.
fn random() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| u64::from(now.subsec_nanos()))
}

/// Says what is left of a failed run. It fails already, so what goes wrong here is only said.
fn report(fleet: &Fleet) {
    for process in fleet.processes() {
        if !process.running {
            eprintln!("{} of the fleet had ended by then", process.name);
        }
    }
    let kept = workspace::kept("logs").map(|folder| folder.join(fleet.name()));
    match kept.and_then(|to| copy(&fleet::logs(fleet), &to).map(|()| to)) {
        Ok(folder) => eprintln!("the fleet's logs were kept in {}", folder.display()),
        Err(error) => eprintln!("the fleet's logs could not be kept: {error:#}"),
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    let entries =
        std::fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))?;
    for entry in entries {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))
            .with_context(|| format!("cannot copy {}", entry.path().display()))?;
    }
    Ok(())
}
