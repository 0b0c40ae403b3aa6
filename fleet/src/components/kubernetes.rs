//! The components of Kubernetes, for the members and for Karmada's control plane.

use std::path::Path;

use super::{
    ClusterFiles, HOST, KARMADA,
    cluster::{CONTROLLER_MANAGER, SCHEDULER},
};
use crate::{options::Speed, process::Program, programs::Programs};

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// The addresses of Services: of the loopback interface, so that whoever wants to can stand in for
/// kube-proxy there.
const SERVICES: &str = "127.96.0.0/12";

/// The controllers that Karmada's control plane has: nothing runs there.
const KARMADA_CONTROLLERS: &str = "namespace,garbagecollector,serviceaccount-token,\
ttl-after-finished,bootstrapsigner,tokencleaner,csrcleaner,csrsigning,clusterrole-aggregation";

/// The controllers that the host cluster has: it takes in what people install there, and makes pods
/// of it, which nothing schedules.
const HOST_CONTROLLERS: &str = "clusterrole-aggregation,deployment,disruption,garbagecollector,\
namespace,replicaset,root-ca-cert-publisher,serviceaccount,serviceaccount-token";

/// What an API server needs to know besides its cluster's files.
pub(crate) struct ApiServer<'a> {
    pub(crate) port: u16,
    pub(crate) etcd: u16,
    /// Where to write an audit log by which policy, if at all.
    pub(crate) audit: Option<(&'a Path, &'a Path)>,
}

pub(crate) fn kube_apiserver(
    programs: &Programs,
    files: &ClusterFiles,
    server: &ApiServer<'_>,
) -> Program {
    let program = Program::new(programs.path("kube-apiserver"))
        .flag("bind-address", "127.0.0.1")
        .flag("secure-port", server.port)
        // A machine without a network has no address to find, and nobody looks for the Endpoints.
        .flag("advertise-address", "127.0.0.1")
        .flag("endpoint-reconciler-type", "none")
        .flag("etcd-servers", format!("http://127.0.0.1:{}", server.etcd))
        .flag("etcd-prefix", etcd_prefix(&files.name))
        .flag("authorization-mode", "Node,RBAC")
        .flag("allow-privileged", true)
        .flag("enable-bootstrap-token-auth", true)
        .flag("service-cluster-ip-range", SERVICES)
        .flag("service-account-issuer", ISSUER)
        .path_flag("service-account-key-file", &files.token_public_key())
        .path_flag(
            "service-account-signing-key-file",
            &files.token_private_key(),
        )
        .path_flag("client-ca-file", &files.certificate("ca"))
        .path_flag("tls-cert-file", &files.certificate("tls"))
        .path_flag("tls-private-key-file", &files.key("tls"))
        .path_flag("proxy-client-cert-file", &files.certificate("front-proxy"))
        .path_flag("proxy-client-key-file", &files.key("front-proxy"))
        .path_flag("requestheader-client-ca-file", &files.certificate("ca"))
        .flag("requestheader-allowed-names", "front-proxy-client")
        .flag("requestheader-extra-headers-prefix", "X-Remote-Extra-")
        .flag("requestheader-group-headers", "X-Remote-Group")
        .flag("requestheader-username-headers", "X-Remote-User")
        .flag("profiling", false);
    let program = match server.audit {
        Some((policy, log)) => program
            .path_flag("audit-policy-file", policy)
            .path_flag("audit-log-path", log)
            // All of it in one file: by default another one is begun after 100 MB.
            .flag("audit-log-maxsize", 10_000),
        None => program,
    };
    if files.name == KARMADA {
        program.flag(
            "disable-admission-plugins",
            "StorageObjectInUseProtection,ServiceAccount",
        )
    } else {
        program
    }
}

pub(crate) fn kube_controller_manager(
    programs: &Programs,
    files: &ClusterFiles,
    port: u16,
    speed: Speed,
) -> Program {
    let kubeconfig = if files.name == KARMADA {
        files.administrator().to_path_buf()
    } else {
        files.kubeconfig_of(CONTROLLER_MANAGER)
    };
    let program = serving(
        Program::new(programs.path("kube-controller-manager")),
        files,
        port,
        &kubeconfig,
    )
    .path_flag("cluster-signing-cert-file", &files.certificate("ca"))
    .path_flag("cluster-signing-key-file", &files.key("ca"))
    .path_flag("root-ca-file", &files.certificate("ca"))
    .path_flag(
        "service-account-private-key-file",
        &files.token_private_key(),
    )
    .flag("use-service-account-credentials", true);
    let program = match files.name.as_str() {
        HOST => program.flag("controllers", HOST_CONTROLLERS),
        KARMADA => program.flag("controllers", KARMADA_CONTROLLERS),
        _ => program,
    };
    at_speed(program, speed)
}

pub(crate) fn kube_scheduler(
    programs: &Programs,
    files: &ClusterFiles,
    port: u16,
    speed: Speed,
) -> Program {
    let program = serving(
        Program::new(programs.path("kube-scheduler")),
        files,
        port,
        &files.kubeconfig_of(SCHEDULER),
    );
    at_speed(program, speed)
}

/// Where an API server keeps its objects in the etcd that all share.
pub(super) fn etcd_prefix(cluster: &str) -> String {
    format!("/{cluster}")
}

/// A client of an API server that answers health checks with the cluster's certificate. It is
/// alone, so that it need not wait until nobody else leads.
fn serving(program: Program, files: &ClusterFiles, port: u16, kubeconfig: &Path) -> Program {
    program
        .path_flag("kubeconfig", kubeconfig)
        .path_flag("authentication-kubeconfig", kubeconfig)
        .path_flag("authorization-kubeconfig", kubeconfig)
        .flag("bind-address", "127.0.0.1")
        .flag("secure-port", port)
        .path_flag("tls-cert-file", &files.certificate("tls"))
        .path_flag("tls-private-key-file", &files.key("tls"))
        .flag("leader-elect", false)
        .flag("profiling", false)
}

fn at_speed(program: Program, speed: Speed) -> Program {
    match speed {
        Speed::Fast => program
            .flag("kube-api-qps", 1000)
            .flag("kube-api-burst", 2000),
        Speed::AsShipped => program,
    }
}
