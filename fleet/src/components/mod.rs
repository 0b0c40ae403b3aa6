//! The command lines of the fleet's components. No component knows another but by the ports and
//! files given here.

mod cluster;
mod etcd;
mod karmada;
mod kubernetes;
mod kwok;

pub(crate) use cluster::{ClusterFiles, HOST, KARMADA};
pub(crate) use etcd::etcd;
pub(crate) use karmada::{aggregated_apiserver, controller_manager, scheduler, webhook};
pub(crate) use kubernetes::{ApiServer, kube_apiserver, kube_controller_manager, kube_scheduler};
pub(crate) use kwok::{kwok, node};
