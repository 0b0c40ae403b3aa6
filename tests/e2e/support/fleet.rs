//! The fleets that the tests run on.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use promoter_fleet::{Fleet, FleetOptions, Process, Program};
use promoter_installation::control_plane::HUB_USER;
use tokio::{
    process::Command,
    sync::{Mutex, MutexGuard, OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::{chart, kept, promoter::Promoter};

/// The hub's name among a fleet's processes.
pub(crate) const PROMOTER: &str = "promoter";

/// The webhook's name among a fleet's processes.
pub(crate) const WEBHOOK: &str = "admission-webhook";

/// Installs the guard in a member (`enable`) or removes it (`disable`).
pub(crate) async fn guard(fleet: &Fleet, member: &str, action: &str) -> Result<()> {
    let words = match action {
        "enable" => vec!["promote", "member", action, member, "--parts=guard"],
        _ => vec!["promote", "member", action, member],
    };
    run(fleet, "karmada", "kubectl", &words).await?;
    Ok(())
}

/// The fleet that all tests share: the one that was started for the run, or else one that lives as
/// long as this process.
///
/// A test may do there only what another test in another namespace cannot notice. Its member1 is
/// guarded and admits opt-ins, with the fleet's webhook; its member2 has nothing of ours.
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
pub(crate) async fn rough(flags: &[&str]) -> Result<RwLockWriteGuard<'static, Arc<Fleet>>> {
    let fleet = rough_without_promoter().await?;
    start_promoter(&fleet, flags).await?;
    Ok(fleet)
}

/// The same fleet, for one test at a time that starts hubs of its own.
pub(crate) async fn rough_without_promoter() -> Result<RwLockWriteGuard<'static, Arc<Fleet>>> {
    let fleet = rough_lock().await?.write().await;
    for process in fleet.processes() {
        if process.name.starts_with(PROMOTER) {
            fleet.kill(&process.name).await?;
        }
    }
    mend(&fleet, "disable").await?;
    Ok(fleet)
}

/// The same fleet, for several tests at a time that break nothing but hubs of their own.
pub(crate) async fn rough_for_hubs() -> Result<RwLockReadGuard<'static, Arc<Fleet>>> {
    static MENDING: Mutex<()> = Mutex::const_new(());
    let fleet = rough_lock().await?.read().await;
    let mending = MENDING.lock().await;
    mend(&fleet, "enable").await?;
    drop(mending);
    Ok(fleet)
}

async fn rough_lock() -> Result<&'static RwLock<Arc<Fleet>>> {
    static ROUGH: OnceCell<RwLock<Arc<Fleet>>> = OnceCell::const_new();
    let start = || async { anyhow::Ok(RwLock::new(own("rough", 1).await?)) };
    ROUGH.get_or_try_init(start).await
}

/// Ends the promoter that sees every namespace, and brings back what a test before has left broken;
/// `guarded` says whether the guard is there, `enable` or `disable`.
async fn mend(fleet: &Fleet, guarded: &str) -> Result<()> {
    for process in fleet.processes() {
        if process.name == PROMOTER {
            fleet.kill(PROMOTER).await?;
        } else if process.running {
            // One that was paused is running, too.
            fleet.resume(&process.name)?;
        } else if !process.name.starts_with(PROMOTER) {
            fleet.restart(&process.name).await?;
        }
    }
    join(fleet, "member1").await?;
    fleet.until_ready().await?;
    guard(fleet, "member1", guarded).await
}

/// Joins a member that was unjoined; one that has joined is left as it is.
pub(crate) async fn join(fleet: &Fleet, member: &str) -> Result<()> {
    let all = run(
        fleet,
        "karmada",
        "kubectl",
        &["get", "clusters", "--output=name"],
    )
    .await?;
    if all
        .lines()
        .any(|line| line.ends_with(&format!("/{member}")))
    {
        return Ok(());
    }
    let kubeconfig = fleet.member_kubeconfig(member);
    let kubeconfig = kubeconfig.to_string_lossy();
    let arguments = [
        "join",
        member,
        "--cluster-kubeconfig",
        &kubeconfig,
        "--cluster-context",
        member,
    ];
    run(fleet, "karmada", "karmadactl", &arguments).await?;
    Ok(())
}

/// The fleet with a host cluster, for the tests that install the chart there, for one of them at a
/// time: each of its hubs carries out every Promotion. No hub runs in it by itself.
pub(crate) async fn hosted() -> Result<MutexGuard<'static, Arc<Fleet>>> {
    static HOSTED: OnceCell<Mutex<Arc<Fleet>>> = OnceCell::const_new();
    let start = || async {
        let name = format!("e2e-hosted-{}", std::process::id());
        let fleet = Fleet::start(FleetOptions::named(name).members(1).host(true)).await?;
        install(&fleet).await?;
        kept::everything(&fleet);
        anyhow::Ok(Mutex::new(Arc::new(fleet)))
    };
    let fleet = HOSTED.get_or_try_init(start).await?.lock().await;
    // The test before may have failed half-way.
    for process in fleet.processes() {
        let is_pod = chart::PODS.iter().any(|pod| process.name.starts_with(pod));
        if process.running && is_pod {
            fleet.kill(&process.name).await?;
        }
    }
    Ok(fleet)
}

async fn start(name: &str, members: usize, flags: &[&str]) -> Result<Fleet> {
    let name = format!("e2e-{name}-{}", std::process::id());
    let fleet = Fleet::start(FleetOptions::named(name).members(members)).await?;
    let webhook = install(&fleet).await?;
    if members > 1 {
        let words = ["promote", "member", "enable", "member1"];
        let flags = webhook.flags();
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();
        run(&fleet, "karmada", "kubectl", &[&words[..], &flags].concat()).await?;
    }
    start_promoter(&fleet, flags).await?;
    kept::everything(&fleet);
    Ok(fleet)
}

/// Starts the webhook and installs the promoter in the control plane, as its administrator does.
async fn install(fleet: &Fleet) -> Result<Promoter> {
    let webhook = Promoter::start(fleet, WEBHOOK, &[]).await?;
    let url = format!("--webhook-url={}", webhook.url());
    let authority = format!("--ca-file={}", webhook.authority().display());
    let words = ["promote", "control-plane", "enable", &url, &authority];
    run(fleet, "karmada", "kubectl", &words).await?;
    webhook.until_ready().await?;
    Ok(webhook)
}

/// Starts the promoter's hub as a process of the fleet, as a user with the rights that it has
/// everywhere else and no more. It is alone, and does not have to wait for the end of a Lease that
/// one before it had when it was killed.
pub(crate) async fn start_promoter(fleet: &Fleet, flags: &[&str]) -> Result<Process> {
    // Not every member of a fleet has the admission that stamps who opted in.
    let mut all = vec!["--leader-elect=false", "--adopt-unstamped"];
    all.extend(flags);
    let kubeconfig = fleet.user_kubeconfig("karmada", HUB_USER, None)?;
    start_hub(fleet, PROMOTER, &kubeconfig, &all).await
}

/// Starts a hub as a process of the fleet, under a name that begins with [`PROMOTER`].
pub(crate) async fn start_hub(
    fleet: &Fleet,
    process: &str,
    kubeconfig: &Path,
    flags: &[&str],
) -> Result<Process> {
    let hub = Program::new(env!("CARGO_BIN_EXE_karmada-promoter"))
        .argument("hub")
        .argument("--kubeconfig")
        .argument(kubeconfig.to_string_lossy())
        .arguments(flags.iter().copied());
    let started = fleet.run(process, hub).await?;
    kept::log(fleet, process);
    Ok(started)
}

/// The end of the promoters' logs, the lines about a namespace only.
pub(crate) fn promoter_log(fleet: &Fleet, namespace: &str) -> String {
    const LINES: usize = 40;

    let processes = fleet.processes();
    let promoters = processes
        .iter()
        .filter(|process| process.name.starts_with(PROMOTER));
    let mut found = Vec::new();
    for promoter in promoters {
        let log = std::fs::read_to_string(fleet.log(&promoter.name)).unwrap_or_default();
        let lines: Vec<_> = log
            .lines()
            .filter(|line| line.contains(namespace))
            .collect();
        let last = &lines[lines.len().saturating_sub(LINES)..];
        found.extend(last.iter().map(|line| (*line).to_owned()));
    }
    found.join("\n")
}

/// Runs one of the fleet's programs (`kubectl`, `karmadactl`, `helm`) against one of its clusters,
/// and returns what it printed.
pub(crate) async fn run(
    fleet: &Fleet,
    cluster: &str,
    program: &str,
    arguments: &[&str],
) -> Result<String> {
    let kubeconfig = match cluster {
        "host" => fleet.host_kubeconfig().context("the fleet has no host")?,
        "karmada" => fleet.kubeconfig().to_path_buf(),
        member => fleet.member_kubeconfig(member),
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
            // What a server serves is remembered by its address, and other fleets have had that.
            .env("KUBECACHEDIR", folder(fleet).join("work/kubectl"))
            .env("PATH", path)
            .kill_on_drop(true)
            .output(),
    )
    .await
    .with_context(|| format!("{} does not end", said()))?
    .with_context(|| format!("cannot run {}", said()))?;
    kept::output(&String::from_utf8_lossy(&output.stderr));
    if arguments.first() == Some(&"promote") {
        kept::output(&String::from_utf8_lossy(&output.stdout));
    }
    ensure!(
        output.status.success(),
        "{} failed: {}",
        said(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The folder with a fleet's files.
pub(super) fn folder(fleet: &Fleet) -> &Path {
    let kubeconfig = fleet.kubeconfig();
    kubeconfig.ancestors().nth(2).unwrap_or(kubeconfig)
}

/// The folder with `kubectl-promote`, which is built first: Cargo builds for a test only what is in
/// the test's own package.
pub(crate) fn plugins() -> &'static Path {
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
