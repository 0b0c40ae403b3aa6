//! The fleets that the tests run on.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use promoter_fleet::{Fleet, FleetOptions, Process, Program};
use tokio::{
    process::Command,
    sync::{Mutex, MutexGuard, OnceCell},
};

use super::marked;

/// The promoter's name among a fleet's processes.
pub(crate) const PROMOTER: &str = "promoter";

/// The fleet that all tests share: the one that was started for the run, or else one that lives as
/// long as this process.
///
/// A test may do there only what another test in another namespace cannot notice.
pub(crate) fn shared() -> Arc<Fleet> {
    static SHARED: OnceLock<Arc<Fleet>> = OnceLock::new();
    let fleet = SHARED.get_or_init(|| {
        if let Ok(name) = std::env::var("PROMOTER_TEST_FLEET") {
            let attached = Fleet::attach(&name);
            return Arc::new(attached.expect("the fleet of PROMOTER_TEST_FLEET runs"));
        }
        // Tests have a runtime each, and none of them outlives this one.
        let started = thread::spawn(|| {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(start("shared", 2, &[]))
        });
        let started = started.join().expect("starting a fleet does not panic");
        Arc::new(started.expect("a fleet starts"))
    });
    Arc::clone(fleet)
}

/// A fleet that only one test uses, with a promoter. It ends with its last owner.
pub(crate) async fn own(name: &str, members: usize) -> Result<Arc<Fleet>> {
    Ok(Arc::new(start(name, members, &[]).await?))
}

/// The fleet on which tests break things, for one of them at a time: every fleet more is a dozen
/// processes more at the same time. Its promoter is started anew, with these flags.
pub(crate) async fn rough(flags: &[&str]) -> Result<MutexGuard<'static, Arc<Fleet>>> {
    static ROUGH: OnceCell<Mutex<Arc<Fleet>>> = OnceCell::const_new();
    let start = || async { anyhow::Ok(Mutex::new(own("rough", 1).await?)) };
    let fleet = ROUGH.get_or_try_init(start).await?.lock().await;
    // The test before may have failed half-way.
    for process in fleet.processes() {
        if !process.running && process.name != PROMOTER {
            fleet.restart(&process.name).await?;
        }
    }
    fleet.until_ready().await?;
    fleet.kill(PROMOTER).await?;
    start_promoter(&fleet, flags).await?;
    Ok(fleet)
}

async fn start(name: &str, members: usize, flags: &[&str]) -> Result<Fleet> {
    let name = format!("e2e-{name}-{}", std::process::id());
    let fleet = Fleet::start(FleetOptions::named(name).members(members)).await?;
    apply_types(&fleet).await?;
    start_promoter(&fleet, flags).await?;
    marked::keep_log(&fleet);
    Ok(fleet)
}

/// Starts the promoter's hub as a process of the fleet.
pub(crate) async fn start_promoter(fleet: &Fleet, flags: &[&str]) -> Result<Process> {
    let hub = Program::new(env!("CARGO_BIN_EXE_karmada-promoter"))
        .argument("hub")
        .argument("--kubeconfig")
        .argument(fleet.kubeconfig().to_string_lossy())
        // Nothing stamps who asked in a fleet without admission.
        .argument("--trust-every-annotation")
        .arguments(flags.iter().copied());
    Ok(fleet.run(PROMOTER, hub).await?)
}

/// The end of the promoter's log, the lines about a namespace only.
pub(crate) fn promoter_log(fleet: &Fleet, namespace: &str) -> String {
    const LINES: usize = 40;

    let log = std::fs::read_to_string(fleet.log(PROMOTER)).unwrap_or_default();
    let mut lines: Vec<_> = log
        .lines()
        .rev()
        .filter(|line| line.contains(namespace))
        .take(LINES)
        .collect();
    lines.reverse();
    lines.join("\n")
}

/// Runs one of the fleet's programs (`kubectl`, `karmadactl`, `helm`) against one of its clusters,
/// and returns what it printed.
pub(crate) async fn run(
    fleet: &Fleet,
    cluster: &str,
    program: &str,
    arguments: &[&str],
) -> Result<String> {
    let kubeconfig = if cluster == "karmada" {
        fleet.kubeconfig().to_path_buf()
    } else {
        fleet.member_kubeconfig(cluster)
    };
    let said = || format!("{program} {}", arguments.join(" "));
    // kubectl finds its plugin on the path.
    let path = match arguments.first() {
        Some(&"promote") => std::env::join_paths([fleet.programs(), plugins()])?,
        _ => fleet.programs().into(),
    };
    let output = tokio::time::timeout(
        Duration::from_mins(1),
        Command::new(fleet.programs().join(program))
            .args(arguments)
            .env("KUBECONFIG", kubeconfig)
            .env("PATH", path)
            .kill_on_drop(true)
            .output(),
    )
    .await
    .with_context(|| format!("{} does not end", said()))?
    .with_context(|| format!("cannot run {}", said()))?;
    ensure!(
        output.status.success(),
        "{} failed: {}",
        said(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The folder with `kubectl-promote`, which is built first: Cargo builds for a test only what is in
/// the test's own package.
pub(super) fn plugins() -> &'static Path {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = std::process::Command::new(cargo)
            .args(["build", "--quiet", "--package", "kubectl-promote"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        let built = built.expect("Cargo runs");
        assert!(built.success(), "kubectl-promote does not build");
    });
    let promoter = Path::new(env!("CARGO_BIN_EXE_karmada-promoter"));
    promoter.parent().expect("the promoter is in a folder")
}

/// Teaches a control plane the promoter's types.
async fn apply_types(fleet: &Fleet) -> Result<()> {
    let types = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/karmada-promoter/crds");
    let types = types.to_string_lossy();
    for action in [
        ["apply", "--server-side"],
        // The hub watches them from its first moment on.
        ["wait", "--for=condition=Established"],
    ] {
        let arguments = [action[0], action[1], "--filename", &types];
        run(fleet, "karmada", "kubectl", &arguments).await?;
    }
    Ok(())
}
