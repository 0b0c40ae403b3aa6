//! etcd, one for all API servers of a fleet.

use std::path::Path;

use crate::{process::Program, programs::Programs};

/// Serves clients on one port and its absent peers on another.
pub(crate) fn etcd(programs: &Programs, data: &Path, client: u16, peer: u16) -> Program {
    let client = format!("http://127.0.0.1:{client}");
    let peer = format!("http://127.0.0.1:{peer}");
    Program::new(programs.path("etcd"))
        .path_flag("data-dir", data)
        .flag("listen-client-urls", &client)
        .flag("advertise-client-urls", &client)
        .flag("listen-peer-urls", &peer)
        .flag("initial-advertise-peer-urls", &peer)
        .flag("initial-cluster", format!("default={peer}"))
        .flag("log-level", "warn")
        // The data need not survive the machine, and waiting for disks is half of a write.
        .flag("unsafe-no-fsync", true)
        // Thousands of workloads in several clusters do not fit in the default of 2 GiB for long.
        .flag("quota-backend-bytes", 8_u64 << 30)
}
