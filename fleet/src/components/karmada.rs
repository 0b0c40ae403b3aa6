//! The components of Karmada.

use super::{ClusterFiles, kubernetes::etcd_prefix};
use crate::{options::Speed, process::Program, programs::Programs};

/// The controllers of karmada-controller-manager whose concurrency is raised.
const CONCURRENT: [&str; 7] = [
    "clusterresourcebinding",
    "resourcebinding",
    "work",
    "propagation-policy",
    "cluster-propagation-policy",
    "resource-template",
    "dependent-resource",
];

pub(crate) fn aggregated_apiserver(
    programs: &Programs,
    files: &ClusterFiles,
    port: u16,
    etcd: u16,
) -> Program {
    let kubeconfig = files.administrator();
    Program::new(programs.path("karmada-aggregated-apiserver"))
        .path_flag("kubeconfig", kubeconfig)
        .path_flag("authentication-kubeconfig", kubeconfig)
        .path_flag("authorization-kubeconfig", kubeconfig)
        .flag("etcd-servers", format!("http://127.0.0.1:{etcd}"))
        .flag("etcd-prefix", etcd_prefix(&files.name))
        .flag("bind-address", "127.0.0.1")
        .flag("secure-port", port)
        .path_flag("tls-cert-file", &files.certificate("tls"))
        .path_flag("tls-private-key-file", &files.key("tls"))
}

pub(crate) fn webhook(
    programs: &Programs,
    files: &ClusterFiles,
    port: u16,
    health: u16,
    speed: Speed,
) -> Program {
    let program = Program::new(programs.path("karmada-webhook"))
        .path_flag("kubeconfig", files.administrator())
        .flag("bind-address", "127.0.0.1")
        .flag("secure-port", port)
        .path_flag("cert-dir", files.folder())
        .flag("health-probe-bind-address", loopback(health))
        .flag("metrics-bind-address", 0);
    at_speed(program, speed)
}

pub(crate) fn controller_manager(
    programs: &Programs,
    files: &ClusterFiles,
    health: u16,
    speed: Speed,
) -> Program {
    let program = Program::new(programs.path("karmada-controller-manager"))
        .path_flag("kubeconfig", files.administrator())
        .flag("health-probe-bind-address", loopback(health))
        .flag("metrics-bind-address", 0)
        .flag("leader-elect", false)
        // A member that is not ready at first is looked at again soon.
        .flag("cluster-status-update-frequency", "3s");
    match speed {
        Speed::AsShipped => program,
        Speed::Fast => CONCURRENT
            .iter()
            .fold(at_speed(program, speed), |program, controller| {
                program.flag(&format!("concurrent-{controller}-syncs"), 20)
            })
            .flag("cluster-api-qps", 400)
            .flag("cluster-api-burst", 800),
    }
}

pub(crate) fn scheduler(
    programs: &Programs,
    files: &ClusterFiles,
    health: u16,
    speed: Speed,
) -> Program {
    let program = Program::new(programs.path("karmada-scheduler"))
        .path_flag("kubeconfig", files.administrator())
        .flag("health-probe-bind-address", loopback(health))
        .flag("metrics-bind-address", 0)
        .flag("leader-elect", false);
    at_speed(program, speed)
}

fn loopback(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn at_speed(program: Program, speed: Speed) -> Program {
    match speed {
        Speed::Fast => program
            .flag("kube-api-qps", 1000)
            .flag("kube-api-burst", 2000),
        Speed::AsShipped => program,
    }
}
