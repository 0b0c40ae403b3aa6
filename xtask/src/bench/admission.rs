//! `cargo xtask bench admission`: the webhook beside a server that decides nothing, and beside
//! Karmada's.
//!
//! All of them run at the same time and are asked in turns, each round in the other order than the
//! one before, so that whatever else the machine does is shared. The requests come from this
//! process.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use clap::Args;
use promoter_fleet::{Fleet, FleetOptions};
use serde::Serialize;
use tokio::process::Command;

use super::{
    index::{self, Works},
    load::{self, Answered, Connection, Question},
    report::{Case, Measured, Mode, Report},
    servers::{Contestant, Servers, questions},
};
use crate::{
    fleet::{self, Started},
    interrupt::unless_interrupted,
    say::say,
    workspace,
};

const CONNECTIONS: [usize; 2] = [25, 200];
const BODIES: [usize; 3] = [3600, 10_000, 36_000];

#[derive(Args)]
pub(crate) struct Arguments {
    /// Measure this very build, and do not build another
    #[arg(long, hide = true)]
    as_built: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// See that it works: a development build, a small index, and no time to measure anything
    #[arg(long)]
    quick: bool,
    /// How many requests come in a second, at a constant rate
    #[arg(long, default_value_t = Setup::default().requests_per_second)]
    rate: u32,
    /// How often everything is measured
    #[arg(long, default_value_t = Setup::default().rounds)]
    rounds: usize,
    /// How long each measurement takes
    #[arg(long, default_value_t = Setup::default().seconds)]
    seconds: f64,
}

/// How it is measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Setup {
    build: &'static str,
    index_entries: usize,
    processors: usize,
    requests_per_second: u32,
    rounds: usize,
    seconds: f64,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    if !arguments.as_built && !arguments.quick {
        return unless_interrupted(released()).await;
    }
    if arguments.quick {
        fleet::promoter::build().await?;
    }
    let setup = if arguments.quick {
        Setup::quick()
    } else {
        Setup {
            requests_per_second: arguments.rate,
            rounds: arguments.rounds,
            seconds: arguments.seconds,
            ..Setup::default()
        }
    };
    ensure!(setup.rounds > 0 && setup.requests_per_second > 0);
    let work = async {
        let options = FleetOptions::named(format!("bench-{}", std::process::id())).members(1);
        let Started { fleet, .. } = fleet::start(options, None).await?;
        index::define_promotions(&fleet).await?;
        if !arguments.quick {
            quieten(&fleet)?;
        }
        let measured = measure(&fleet, setup).await;
        fleet.stop().await?;
        let report = measured?;
        if arguments.json {
            say(format_args!("{:#}", report.json()));
        } else {
            say(report.table());
        }
        Ok(())
    };
    unless_interrupted(Box::pin(work)).await
}

/// Sees on a fleet that the bench works, and returns how many cells it has measured.
pub(crate) async fn smoke(fleet: &Fleet) -> anyhow::Result<usize> {
    let report = measure(fleet, Setup::quick()).await?.json();
    let cells = report["cells"].as_array().map_or(&[][..], Vec::as_slice);
    let expected = CONNECTIONS.len() * BODIES.len() * 2 * Contestant::ALL.len();
    ensure!(
        cells.len() == expected,
        "{} cells are not {expected}: {report:#}",
        cells.len()
    );
    for cell in cells {
        for key in ["requests_per_second", "p50_ms", "p99_ms", "rss_mib"] {
            let value = cell[key].as_f64().unwrap_or_default();
            ensure!(value > 0.0, "{key} is missing: {cell:#}");
        }
    }
    let ratios = report["ratios"]
        .as_object()
        .context("there are no ratios")?;
    ensure!(
        ratios.len() == 5 && ratios.values().all(serde_json::Value::is_number),
        "a ratio is missing: {ratios:?}"
    );
    Ok(cells.len())
}

/// Builds what is measured as it is shipped, and has that measure itself.
async fn released() -> anyhow::Result<()> {
    workspace::cargo(&[
        "build",
        "--release",
        "--package=karmada-promoter",
        "--package=xtask",
    ])
    .await?;
    let program = workspace::released()?.join("xtask");
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    words.push("--as-built".to_owned());
    let mut child = Command::new(&program)
        .args(&words)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let status = child.wait().await?;
    if !status.success() {
        bail!("the bench has failed ({status})");
    }
    Ok(())
}

/// Stops what takes no part, so that nothing else happens on the machine.
fn quieten(fleet: &Fleet) -> anyhow::Result<()> {
    let takes_part = [
        "etcd",
        "karmada-aggregated-apiserver",
        "karmada-apiserver",
        "karmada-webhook",
    ];
    for process in fleet.processes() {
        if !takes_part.contains(&process.name.as_str()) {
            fleet.pause(&process.name)?;
        }
    }
    Ok(())
}

async fn measure(fleet: &Fleet, setup: Setup) -> anyhow::Result<Report> {
    eprintln!("creating {} Works for the index …", setup.index_entries);
    let works = Works::create(fleet, setup.index_entries).await?;
    let servers = Servers::start(fleet, setup.index_entries).await?;
    let mut report = Report::new(setup);
    for connections in CONNECTIONS {
        eprintln!("{connections} connections each …");
        let mut contest = Contest::open(&servers, connections).await?;
        for body_bytes in BODIES {
            let questions = Contestant::ALL
                .into_iter()
                .map(|contestant| Ok((contestant, questions(contestant, body_bytes)?)))
                .collect::<anyhow::Result<BTreeMap<_, _>>>()?;
            for mode in [Mode::Saturation, Mode::Rate] {
                let case = Case {
                    connections,
                    body_bytes,
                    mode,
                };
                contest.hold(case, &questions, setup, &mut report).await?;
            }
        }
    }
    Servers::stop(fleet).await?;
    works.delete().await?;
    Ok(report)
}

/// All servers, with as many connections to each.
struct Contest<'a> {
    connections: BTreeMap<Contestant, Vec<Connection>>,
    servers: &'a Servers,
}

impl<'a> Contest<'a> {
    async fn open(servers: &'a Servers, count: usize) -> anyhow::Result<Self> {
        let mut connections = BTreeMap::new();
        for contestant in Contestant::ALL {
            let server = servers.of(contestant);
            let open = load::connect(server.address, &server.authority, count);
            connections.insert(contestant, open.await?);
        }
        Ok(Self {
            connections,
            servers,
        })
    }

    async fn hold(
        &mut self,
        case: Case,
        questions: &BTreeMap<Contestant, Arc<[Question]>>,
        setup: Setup,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        for round in 0..setup.rounds {
            let mut order = Contestant::ALL;
            if round % 2 == 1 {
                order.reverse();
            }
            for contestant in order {
                let questions = questions.get(&contestant).context("nothing is asked")?;
                let measured = self
                    .measure(contestant, case.mode, questions, setup)
                    .await
                    .with_context(|| format!("{contestant:?}, {case:?}"))?;
                report.add(case, contestant, measured);
            }
        }
        Ok(())
    }

    async fn measure(
        &mut self,
        contestant: Contestant,
        mode: Mode,
        questions: &Arc<[Question]>,
        setup: Setup,
    ) -> anyhow::Result<Measured> {
        let connections = self.connections.entry(contestant).or_default();
        let process = self.servers.of(contestant).process;
        let time = Duration::from_secs_f64(setup.seconds);
        load::saturate(connections, questions, time / 10).await?;
        let before = process.processor_time()?;
        let answered: Answered = match mode {
            Mode::Rate => {
                load::at_rate(connections, questions, setup.requests_per_second, time).await?
            }
            Mode::Saturation => load::saturate(connections, questions, time).await?,
        };
        let used = process.processor_time()?.saturating_sub(before);
        Ok(Measured::new(&answered, used, process.resident_bytes()?))
    }
}

impl Setup {
    /// One that shows that everything works, and no more.
    fn quick() -> Self {
        Self {
            index_entries: 50,
            requests_per_second: 200,
            rounds: 1,
            seconds: 0.1,
            ..Self::default()
        }
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            build: if cfg!(debug_assertions) {
                "development"
            } else {
                "release"
            },
            index_entries: 10_000,
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            requests_per_second: 1000,
            rounds: 5,
            seconds: 3.0,
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} build, {} processors shared with the requests' sender, an index of {} entries;\n\
             medians of {} rounds of {} s; at a constant rate: {} requests/s",
            self.build,
            self.processors,
            self.index_entries,
            self.rounds,
            self.seconds,
            self.requests_per_second
        )
    }
}
