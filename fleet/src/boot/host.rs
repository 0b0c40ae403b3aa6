//! The host cluster: where whatever runs beside Karmada is installed. Its objects are kept and
//! admitted as anywhere, and pods are made of its Deployments; it has no node to run them on.

use super::{Boot, BootError, reserve};
use crate::components::{self, HOST};

const ACCOUNT: &str = "/api/v1/namespaces/default/serviceaccounts/default";
const AUTHORITY: &str = "/api/v1/namespaces/default/configmaps/kube-root-ca.crt";

impl Boot {
    /// Returns when a pod could be created.
    pub(super) async fn start_host(&self, etcd: u16) -> Result<(), BootError> {
        let (files, api) = self.api_server(HOST, etcd).await?;
        let port = reserve()?;
        let speed = self.options.speed;
        let program =
            components::kube_controller_manager(&self.programs, &files, port.number(), speed);
        self.spawn(&format!("{HOST}-controller-manager"), program, [port])?;
        self.until("what the host cluster gives to every namespace", || async {
            api.get(ACCOUNT).await?;
            api.get(AUTHORITY).await.map(|_| true)
        })
        .await
    }
}
