//! How members come to Karmada.

use futures::future::try_join_all;

use super::{Boot, BootError, member::Member, wait::has_condition};
use crate::{
    client::Api,
    components::{HOST, KARMADA},
};

const CLUSTERS: &str = "/apis/cluster.karmada.io/v1alpha1/clusters";

impl Boot {
    /// Starts one more member and joins it.
    pub(crate) async fn add_member(&self, etcd: u16, name: &str) -> Result<(), BootError> {
        let member = Member::start(self, etcd, name).await?;
        self.join(&member).await
    }

    /// Waits until every API server answers and Karmada finds every member ready.
    pub(crate) async fn until_ready(&self, members: &[String]) -> Result<(), BootError> {
        let host = self.options.host.then_some(HOST);
        let clusters = members.iter().map(String::as_str).chain([KARMADA]);
        try_join_all(clusters.chain(host).map(|cluster| async move {
            let api = self.api(cluster).await?;
            self.until(&format!("{cluster}-apiserver"), || api.is_well("/readyz"))
                .await
        }))
        .await?;
        try_join_all(members.iter().map(|member| self.until_joined(member))).await?;
        Ok(())
    }

    /// Joins a member as people do, and waits until it can take workloads.
    pub(super) async fn join(&self, member: &Member) -> Result<(), BootError> {
        tokio::try_join!(member.settle(self), self.register(&member.name))?;
        Ok(())
    }

    async fn register(&self, member: &str) -> Result<(), BootError> {
        let kubeconfig = |cluster| self.layout.kubeconfig(cluster);
        self.tool(
            "karmadactl",
            &[
                "join",
                member,
                "--kubeconfig",
                &kubeconfig(KARMADA).to_string_lossy(),
                "--karmada-context",
                KARMADA,
                "--cluster-kubeconfig",
                &kubeconfig(member).to_string_lossy(),
                "--cluster-context",
                member,
            ],
        )
        .await?;
        self.until_joined(member).await
    }

    async fn until_joined(&self, member: &str) -> Result<(), BootError> {
        let api = self.api(KARMADA).await?;
        let path = format!("{CLUSTERS}/{member}");
        let what = format!("{member} to be a ready cluster of Karmada");
        self.until(&what, || async {
            Ok(has_condition(&api.get(&path).await?, "Ready"))
        })
        .await
    }

    /// The API server of a cluster, as its administrator.
    pub(super) async fn api(&self, cluster: &str) -> Result<Api, BootError> {
        Api::of(&self.layout.kubeconfig(cluster))
            .await
            .map_err(BootError::client(format!("reach {cluster}-apiserver")))
    }
}
