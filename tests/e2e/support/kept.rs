//! What is kept for being searched for values of Secrets (`xtask/src/test/secrets.rs`) beside the logs
//! of the run's fleet: what commands printed, and what was said in fleets that are gone by then.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use futures::{AsyncBufReadExt as _, TryStreamExt as _, future::join_all};
use kube::{
    api::{ListParams, WatchParams},
    core::Request,
};
use promoter_fleet::Fleet;
use serde_json::Value;

use super::{Cluster, Kind, fleet};

/// Keeps what a command printed.
pub(crate) fn output(text: &str) {
    let Some(mut file) = appended("commands") else {
        return;
    };
    let written = file.write_all(text.as_bytes());
    written.expect("the output of a command can be kept");
}

/// Keeps the log of a process beyond the end of its fleet.
pub(crate) fn log(fleet: &Fleet, process: &str) {
    link(fleet, &fleet.log(process));
}

/// Keeps all that is said in a fleet of a test's own beyond its end: the logs of its processes, and
/// what is ever in the events, in the Promotions, and in the Deployments of its members.
pub(crate) fn everything(fleet: &Fleet) {
    for process in fleet.processes() {
        log(fleet, &process.name);
    }
    let control_plane = [Kind::event(), Kind::promotion()]
        .map(|kind| ("karmada", fleet.kubeconfig().to_path_buf(), kind));
    let members = fleet.members().iter().flat_map(|member| {
        [Kind::event(), Kind::deployment()]
            .map(|kind| (member.as_str(), fleet.member_kubeconfig(member), kind))
    });
    let mut watches = Vec::new();
    for (cluster, kubeconfig, kind) in control_plane.into_iter().chain(members) {
        let name = format!("{}-{cluster}-{}", fleet.name(), kind.plural());
        let Some(file) = appended(&name) else { return };
        watches.push((kubeconfig, kind, file));
    }
    // Tests have a runtime each, and none of them outlives the fleet.
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let watches = watches.into_iter();
        let watches = watches.map(|(kubeconfig, kind, file)| keep(kubeconfig, kind, file));
        runtime.expect("a runtime").block_on(join_all(watches));
    });
}

/// Keeps every state of every object of a kind, as long as there is the fleet.
async fn keep(kubeconfig: PathBuf, kind: Kind, mut file: File) {
    const AGAIN: Duration = Duration::from_millis(250);

    while kubeconfig.exists() {
        // It ends with the API server, which some tests restart.
        let _ = watch(&kubeconfig, &kind, &mut file).await;
        tokio::time::sleep(AGAIN).await;
    }
}

async fn watch(kubeconfig: &Path, kind: &Kind, file: &mut File) -> Result<()> {
    let cluster = Cluster::connect(kubeconfig, "", "").await?;
    let client = cluster.client();
    let requests = Request::new(kind.path());
    let list = requests.list(&ListParams::default())?;
    let list = client.request_text(list).await?;
    writeln!(file, "{list}")?;
    let list: Value = serde_json::from_str(&list)?;
    let version = list["metadata"]["resourceVersion"].as_str();
    let version = version.context("a list has a version")?;
    let watch = requests.watch(&WatchParams::default(), version)?;
    let mut lines = client.request_stream(watch).await?.lines();
    while let Some(line) = lines.try_next().await? {
        writeln!(file, "{line}")?;
    }
    Ok(())
}

/// Gives a log a second name among those of the run's fleet. The file stays as long as it has one;
/// it is appended to whenever the process is started.
fn link(fleet: &Fleet, log: &Path) {
    let Some(to) = log
        .file_stem()
        .and_then(|process| kept(&format!("{}-{}", fleet.name(), process.to_string_lossy())))
    else {
        return;
    };
    // Those of the run's fleet are searched as they are.
    if to.parent() == log.parent() {
        return;
    }
    match std::fs::hard_link(log, to) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        linked => linked.expect("a log can be kept"),
    }
}

fn appended(name: &str) -> Option<File> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(kept(name)?);
    Some(file.expect("a file can be kept"))
}

/// A file among the logs of the run's fleet, where there is one that outlives the tests.
fn kept(name: &str) -> Option<PathBuf> {
    std::env::var_os("PROMOTER_TEST_FLEET")?;
    Some(fleet::shared().log(&format!("kept-{name}")))
}
