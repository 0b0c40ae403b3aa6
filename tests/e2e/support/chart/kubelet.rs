//! Runs the pods of a namespace, as the kubelets of its nodes would, and leads to them whoever calls
//! its Services, as kube-proxy would.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use anyhow::{Context as _, Result, bail, ensure};
use kube::{
    api::{Patch, PatchParams},
    core::Request,
};
use promoter_fleet::{Fleet, Process};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{
    container::{Container, Given},
    probe::{self, Probes},
    services::{self, Services},
    volume,
};
use crate::support::{Cluster, Kind, LIMIT, eventually, fleet, kept, workload::assert_rolled_out};

/// Runs the pods of one namespace.
pub(crate) struct Kubelet {
    api_server: SocketAddr,
    cluster: Cluster,
    fleet: Arc<Fleet>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What runs, by the UID of its pod.
    running: BTreeMap<String, Running>,
    services: Services,
}

/// A pod that runs.
struct Running {
    address: Ipv4Addr,
    is_ready: bool,
    probes: Probes,
    process: Process,
}

impl Kubelet {
    pub(super) fn new(fleet: Arc<Fleet>, cluster: Cluster, api_server: SocketAddr) -> Self {
        Self {
            api_server,
            cluster,
            fleet,
            state: Mutex::default(),
        }
    }

    /// Does once what a kubelet does all the time: ends the processes of pods that are gone, starts
    /// those of pods that are new, and tells the API server which run and which are ready. Fails
    /// where a pod cannot start, in the words of a kubelet, or where it did not end well.
    pub(crate) async fn sync(&self) -> Result<()> {
        let pods = self.cluster.list(&Kind::pod()).await?;
        let state = &mut *self.state.lock().await;
        let is_there = |uid: &String| {
            pods.iter()
                .any(|pod| pod["metadata"]["uid"] == uid.as_str())
        };
        let (kept, gone): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut state.running)
            .into_iter()
            .partition(|(uid, _)| is_there(uid));
        state.running = kept;
        for pod in &pods {
            let uid = text(&pod["metadata"]["uid"])?;
            let name = text(&pod["metadata"]["name"])?;
            if !state.running.contains_key(uid) {
                let running = self.start(pod).await?;
                state.running.insert(uid.to_owned(), running);
                self.report(name, false).await?;
            }
            volume::refresh(&self.cluster, &self.folder(uid), pod).await?;
            let Some(pod) = state.running.get_mut(uid) else {
                continue;
            };
            let log = || std::fs::read_to_string(pod.process.log()).unwrap_or_default();
            ensure!(pod.process.is_running()?, "{name} ended: {}", log());
            let is_ready = pod.probes.is_ready().await;
            if pod.is_ready {
                pod.probes.assert_live().await.with_context(log)?;
            }
            if is_ready != pod.is_ready {
                pod.is_ready = is_ready;
                self.report(name, is_ready).await?;
            }
        }
        self.route(&pods, state).await?;
        // Nobody is sent to them any more.
        for running in gone.values() {
            end(&running.process).await?;
        }
        Ok(())
    }

    /// Reads all that a pod's container starts with, and writes its volumes.
    pub(crate) async fn prepare(&self, pod: &Value) -> Result<Container> {
        self.prepare_at(pod, address()?).await
    }

    async fn prepare_at(&self, pod: &Value, address: Ipv4Addr) -> Result<Container> {
        let given = Given {
            address,
            api_server: self.api_server,
            folder: self.folder(text(&pod["metadata"]["uid"])?),
        };
        Container::prepare(&self.cluster, &given, pod)
            .await
            .with_context(|| format!("pod {}", pod["metadata"]["name"]))
    }

    /// The folder for a pod's volumes. It ends with the fleet.
    fn folder(&self, uid: &str) -> PathBuf {
        fleet::folder(&self.fleet).join("pods").join(uid)
    }

    async fn start(&self, pod: &Value) -> Result<Running> {
        let address = address()?;
        let container = self.prepare_at(pod, address).await?;
        let name = text(&pod["metadata"]["name"])?;
        let process = self.fleet.run(name, container.program()).await?;
        kept::log(&self.fleet, name);
        Ok(Running {
            address,
            is_ready: false,
            process,
            probes: container.probes,
        })
    }

    /// Has the Services of the namespace lead to those of their pods that are ready.
    async fn route(&self, pods: &[Value], state: &mut State) -> Result<()> {
        let mut routes = BTreeMap::new();
        for service in self.cluster.list(&Kind::new("v1", "Service")).await? {
            let selector = service["spec"]["selector"].as_object();
            let selector = selector.cloned().unwrap_or_default();
            for (address, port) in services::ports(&service)? {
                let mut ready = Vec::new();
                for pod in pods {
                    let labels = &pod["metadata"]["labels"];
                    let is_selected = selector.iter().all(|(key, value)| labels[key] == *value);
                    let running = state.running.get(text(&pod["metadata"]["uid"])?);
                    if let Some(running) = running.filter(|pod| is_selected && pod.is_ready) {
                        let port = probe::port(&pod["spec"]["containers"][0], &port)?;
                        ready.push(SocketAddr::from((running.address, port)));
                    }
                }
                routes.insert(address, ready);
            }
        }
        state.services.set(routes).await
    }

    /// Runs pods until a Deployment is rolled out and no other pod is left, and returns its
    /// processes.
    pub(crate) async fn until_rolled_out(&self, deployment: &str) -> Result<Vec<Process>> {
        let what = format!("{deployment} is rolled out");
        eventually(&what, LIMIT, async || {
            self.sync().await?;
            let deployment = self.cluster.get(&Kind::deployment(), deployment).await?;
            assert_rolled_out(&deployment)?;
            let state = self.state.lock().await;
            let wanted = deployment["spec"]["replicas"].as_u64();
            let count = state.running.len();
            ensure!(wanted == Some(count.try_into()?), "{count} processes run");
            let running = state.running.values();
            Ok(running.map(|pod| pod.process.clone()).collect())
        })
        .await
    }

    /// Runs pods until there are none.
    pub(crate) async fn until_idle(&self) -> Result<()> {
        eventually("no pod is left", LIMIT, async || {
            self.sync().await?;
            let count = self.state.lock().await.running.len();
            ensure!(count == 0, "{count} processes run");
            Ok(())
        })
        .await
    }

    /// Waits until there is a pod that does not run yet.
    pub(crate) async fn until_pod(&self) -> Result<Value> {
        eventually("there is a pod", LIMIT, async || {
            let pods = self.cluster.list(&Kind::pod()).await?;
            if let Some(pod) = pods.into_iter().next() {
                return Ok(pod);
            }
            let sets = self.cluster.list(&Kind::replica_set()).await?;
            let told: Vec<_> = sets
                .iter()
                .map(|set| &set["status"]["conditions"])
                .collect();
            bail!("there is none, and the ReplicaSets say {told:?}")
        })
        .await
    }

    /// Tells the API server that a pod runs. Its address is not told: an Endpoint of the loopback
    /// interface is one that API servers do not take.
    async fn report(&self, pod: &str, is_ready: bool) -> Result<()> {
        // A pod has to be ready for a while before it counts as available.
        let now = jiff::Timestamp::now().to_string();
        let ready = if is_ready { "True" } else { "False" };
        let condition = |(of, status): (&str, &str)| json!({"type": of, "status": status, "lastTransitionTime": now});
        let conditions = [
            ("Initialized", "True"),
            ("ContainersReady", ready),
            ("Ready", ready),
        ];
        let conditions = conditions.map(condition);
        let status = json!({"status": {"phase": "Running", "conditions": conditions}});
        let path = Kind::pod().path_in(self.cluster.namespace());
        let request = Request::new(path).patch_subresource(
            "status",
            pod,
            &PatchParams::default(),
            &Patch::Merge(&status),
        )?;
        self.cluster.client().request::<Value>(request).await?;
        Ok(())
    }
}

/// An address of the loopback interface that no other pod on this machine has, as far as can be
/// known: the fleets of several test runs may be up.
fn address() -> Result<Ipv4Addr> {
    static COUNT: AtomicU8 = AtomicU8::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    ensure!((1..=254).contains(&count), "there are too many pods");
    let [.., high, low] = std::process::id().to_be_bytes();
    Ok(Ipv4Addr::new(127, 64 + high % 32, low, count))
}

async fn end(process: &Process) -> Result<()> {
    let status = process.terminate().await?;
    ensure!(
        status.is_none_or(|status| status.success()),
        "{} did not end well: {status:?}",
        process.name()
    );
    Ok(())
}

fn text(value: &Value) -> Result<&str> {
    value
        .as_str()
        .with_context(|| format!("{value} is no text"))
}
