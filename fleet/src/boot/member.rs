//! A member cluster: an API server with all its controllers, and one node that kwok plays.

use super::{Boot, BootError, reserve, wait::has_condition};
use crate::{
    client::Api,
    components::{self, ApiServer, ClusterFiles},
    options::Audit,
};

pub(super) struct Member {
    pub(super) name: String,
    api: Api,
}

impl Member {
    /// Returns when the API server answers; the rest is started and goes on becoming ready.
    pub(super) async fn start(boot: &Boot, etcd: u16, name: &str) -> Result<Self, BootError> {
        let (files, api) = boot.api_server(name, etcd).await?;
        let programs = &boot.programs;
        let speed = boot.options.speed;
        let port = reserve()?;
        let program = components::kube_controller_manager(programs, &files, port.number(), speed);
        boot.spawn(&format!("{name}-controller-manager"), program, [port])?;
        let port = reserve()?;
        let program = components::kube_scheduler(programs, &files, port.number(), speed);
        boot.spawn(&format!("{name}-scheduler"), program, [port])?;
        let port = reserve()?;
        let program = components::kwok(programs, &files, port.number());
        boot.spawn(&format!("{name}-kwok"), program, [port])?;
        api.create("/api/v1/nodes", &components::node(&node_name(name)))
            .await
            .map_err(BootError::client(format!("create the node of {name}")))?;
        Ok(Self {
            name: name.into(),
            api,
        })
    }

    /// Waits until pods can be created and scheduled.
    pub(super) async fn settle(&self, boot: &Boot) -> Result<(), BootError> {
        let name = &self.name;
        boot.until(
            &format!("the default service account of {name}"),
            || async {
                self.api
                    .get("/api/v1/namespaces/default/serviceaccounts/default")
                    .await
                    .map(|_| true)
            },
        )
        .await?;
        let path = format!("/api/v1/nodes/{}", node_name(name));
        boot.until(&format!("the node of {name} without taints"), || async {
            let node = self.api.get(&path).await?;
            Ok(has_condition(&node, "Ready") && node["spec"]["taints"].is_null())
        })
        .await
    }
}

impl Boot {
    /// Starts the API server of a cluster and waits until it is ready.
    pub(super) async fn api_server(
        &self,
        cluster: &str,
        etcd: u16,
    ) -> Result<(ClusterFiles, Api), BootError> {
        let port = reserve()?;
        let files = ClusterFiles::create(&self.layout, cluster, port.number())?;
        let name = format!("{cluster}-apiserver");
        let policy = self.layout.audit_policy();
        let audit = self.layout.audit_log(cluster);
        let server = ApiServer {
            port: port.number(),
            etcd,
            audit: (self.options.audit != Audit::Nothing).then_some((&policy, &audit)),
        };
        let program = components::kube_apiserver(&self.programs, &files, &server);
        self.spawn(&name, program, [port])?;
        let api = self.api(cluster).await?;
        self.until(&name, || api.is_well("/readyz")).await?;
        Ok((files, api))
    }
}

fn node_name(member: &str) -> String {
    format!("{member}-node")
}
