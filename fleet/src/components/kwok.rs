//! kwok, and the node that it plays.

use serde_json::{Value, json};

use super::{ClusterFiles, cluster::KWOK};
use crate::{process::Program, programs::Programs};

pub(crate) fn kwok(programs: &Programs, files: &ClusterFiles, port: u16) -> Program {
    Program::new(programs.path("kwok"))
        .path_flag("kubeconfig", &files.kubeconfig_of(KWOK))
        .flag("manage-all-nodes", true)
        .flag("server-address", format!("127.0.0.1:{port}"))
        .flag("cidr", "10.0.0.1/16")
        .flag("node-ip", "127.0.0.1")
        .flag("node-lease-duration-seconds", 40)
        // It would otherwise read a configuration that the user may have.
        .variable("KWOK_WORKDIR", files.folder().to_string_lossy())
}

/// A node with room for everything that tests and benchmarks put on it.
pub(crate) fn node(name: &str) -> Value {
    let room = json!({"cpu": "1000", "memory": "4Ti", "pods": "10000", "ephemeral-storage": "4Ti"});
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
            },
        },
        "status": {"allocatable": room, "capacity": room},
    })
}
