//! `fleet status` and `fleet logs`.

use std::{fs::File, io};

use anyhow::{Context, bail};
use promoter_fleet::Fleet;

use crate::say::say;

/// Lists the processes.
pub(super) fn status(fleet: &Fleet) {
    let members = fleet.members().iter().map(String::as_str);
    let host = fleet.host_kubeconfig().map(|_| "host");
    let clusters: Vec<&str> = members.chain(host).collect();
    let clusters = clusters.join(", ");
    say(format_args!("fleet {} with {clusters}", fleet.name()));
    for process in fleet.processes() {
        let state = if process.running { "running" } else { "ended" };
        say(format_args!(
            "{:<34} {:>8} {state}",
            process.name, process.pid
        ));
    }
}

/// Prints a log as it is so far.
pub(super) fn log(fleet: &Fleet, process: &str) -> anyhow::Result<()> {
    fleet.process(process)?;
    let path = fleet.log(process);
    let mut file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    match io::copy(&mut file, &mut io::stdout().lock()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => bail!("cannot print {}: {error}", path.display()),
        Ok(_) => Ok(()),
    }
}
