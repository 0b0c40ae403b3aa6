//! More users and servers of a fleet's clusters than those that it has by itself.

use std::path::PathBuf;

use kube::config::Kubeconfig;

use super::Fleet;
use crate::{components::ClusterFiles, error::Error, ports::Port};

/// The files of a server's certificate.
#[derive(Clone, Debug)]
pub struct ServerCertificate {
    /// The authority that has signed it.
    pub authority: PathBuf,
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Fleet {
    /// The kubeconfig of a user of a cluster, made when it is asked for first, in a group if so
    /// wanted. The user has no rights but those that the cluster gives to that name. The control
    /// plane's name is `karmada`.
    pub fn user_kubeconfig(
        &self,
        cluster: &str,
        user: &str,
        group: Option<&str>,
    ) -> Result<PathBuf, Error> {
        let port = self.port(cluster)?;
        Ok(ClusterFiles::add_user(
            &self.boot.layout,
            cluster,
            port,
            user,
            group,
        )?)
    }

    /// Makes a certificate for a server on this machine, signed by a cluster's authority. It is for
    /// the Service of the server's name in the namespace `default`, too.
    pub fn add_server(&self, cluster: &str, server: &str) -> Result<ServerCertificate, Error> {
        let layout = &self.boot.layout;
        let (certificate, key) = ClusterFiles::add_server(layout, cluster, server)?;
        Ok(ServerCertificate {
            authority: ClusterFiles::authority_file(layout, cluster),
            certificate,
            key,
        })
    }

    /// A port on the loopback interface that nobody listens on at the moment.
    pub fn free_port() -> Result<u16, Error> {
        let reserved = Port::reserve().map_err(Error::io("reserve a port on", "127.0.0.1"))?;
        Ok(reserved.number())
    }

    /// The port of a cluster's API server.
    fn port(&self, cluster: &str) -> Result<u16, Error> {
        let path = self.boot.layout.kubeconfig(cluster);
        let server = Kubeconfig::read_from(&path)
            .ok()
            .and_then(|kubeconfig| kubeconfig.clusters.into_iter().next()?.cluster?.server)
            .and_then(|server| server.parse::<http::Uri>().ok()?.port_u16());
        server.ok_or(Error::Kubeconfig { path })
    }
}
