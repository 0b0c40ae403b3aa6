//! A hub whose API servers fail as a test wants them to.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Result;
use promoter_fleet::Fleet;
use tokio::sync::watch;

use super::{
    Scene, fleet,
    proxy::{Fault, Point, Proxy, Rule},
};

/// A hub behind a proxy of its own, which carries out the Promotions of one namespace.
pub(crate) struct Hub {
    fleet: Arc<Fleet>,
    process: String,
    pub(crate) proxy: Proxy,
}

/// What a hub did while something was asked of it.
#[derive(Clone, Debug)]
pub(crate) struct Did {
    pub(crate) faults: BTreeMap<Fault, usize>,
    pub(crate) killed: bool,
    pub(crate) writes: Vec<Point>,
}

impl Hub {
    /// Starts a hub for a test's namespace as the fleet's process of this name.
    pub(crate) async fn start(scene: &Scene, process: &str, flags: &[&str]) -> Result<Self> {
        let proxy = Proxy::start(&scene.fleet, process, &scene.namespace).await?;
        let mut all = vec!["--log-level", "info,promoter_engine=debug,kube_client=off"];
        all.extend(flags);
        fleet::start_hub(&scene.fleet, process, proxy.kubeconfig(), &all).await?;
        Ok(Self {
            fleet: Arc::clone(&scene.fleet),
            process: process.to_owned(),
            proxy,
        })
    }

    /// Lets something go wrong while something is asked of the hub, and starts the hub again
    /// whenever it is killed by that. `work` is told of the kills.
    pub(crate) async fn during<T>(
        &self,
        rule: Rule,
        work: impl AsyncFnOnce(&watch::Receiver<usize>) -> Result<T>,
    ) -> Result<(T, Did)> {
        let mut kills = self.proxy.kills();
        kills.mark_unchanged();
        let told = kills.clone();
        let before = *told.borrow();
        self.proxy.set(rule);
        let revive = async {
            while kills.changed().await.is_ok() {
                self.fleet.restart(&self.process).await?;
            }
            anyhow::Ok(())
        };
        let done = tokio::select! {
            done = work(&told) => done?,
            failed = revive => {
                failed?;
                anyhow::bail!("the proxy is gone");
            }
        };
        let did = Did {
            faults: self.proxy.faults(),
            killed: *told.borrow() > before,
            writes: self.proxy.writes(),
        };
        self.proxy.set(Rule::Never);
        // The work may have been done by the moment when the hub was killed.
        if !self.fleet.process(&self.process)?.is_running()? {
            self.fleet.restart(&self.process).await?;
        }
        Ok((done, did))
    }

    /// Starts the hub anew, with this going wrong from its first request on.
    pub(crate) async fn restart(&self, rule: Rule) -> Result<()> {
        self.fleet.kill(&self.process).await?;
        self.proxy.set(rule);
        self.fleet.restart(&self.process).await?;
        Ok(())
    }

    /// Ends the hub.
    pub(crate) async fn stop(self) -> Result<()> {
        self.fleet.kill(&self.process).await?;
        Ok(())
    }
}
