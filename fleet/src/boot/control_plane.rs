//! Karmada's control plane.

use super::{Boot, BootError, manifests::Addresses, reserve, wait::has_condition};
use crate::{
    client::Api,
    components::{self, ClusterFiles, KARMADA},
};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const AGGREGATED: &str = "/apis/apiregistration.k8s.io/v1/apiservices/v1alpha1.cluster.karmada.io";

pub(super) struct ControlPlane {
    files: ClusterFiles,
    api: Api,
}

impl ControlPlane {
    /// Returns when members can join.
    pub(super) async fn start(boot: &Boot, etcd: u16) -> Result<(), BootError> {
        let (files, api) = boot.api_server(KARMADA, etcd).await?;
        let control_plane = Self { files, api };
        let (webhook, health, aggregated) = (reserve()?, reserve()?, reserve()?);
        boot.render_manifests(&Addresses {
            authority: control_plane.files.authority(),
            webhook: webhook.number(),
            aggregated_apiserver: aggregated.number(),
        })?;
        let program = components::aggregated_apiserver(
            &boot.programs,
            &control_plane.files,
            aggregated.number(),
            etcd,
        );
        let aggregated_address = https(aggregated.number());
        boot.spawn("karmada-aggregated-apiserver", program, [aggregated])?;
        let program = components::webhook(
            &boot.programs,
            &control_plane.files,
            webhook.number(),
            health.number(),
            boot.options.speed,
        );
        let webhook_address = https(webhook.number());
        boot.spawn("karmada-webhook", program, [webhook, health])?;
        tokio::try_join!(
            control_plane.definitions(boot),
            ready(boot, "karmada-aggregated-apiserver", &aggregated_address),
            ready(boot, "karmada-webhook", &webhook_address),
        )?;
        control_plane.extensions(boot).await?;
        // Not before all types are served: the garbage collector looks for new ones only every
        // half minute, and until then deleted templates would leave their Works behind.
        control_plane.controllers_of_kubernetes(boot)?;
        control_plane.controllers_of_karmada(boot)
    }

    fn controllers_of_kubernetes(&self, boot: &Boot) -> Result<(), BootError> {
        let port = reserve()?;
        let program = components::kube_controller_manager(
            &boot.programs,
            &self.files,
            port.number(),
            boot.options.speed,
        );
        boot.spawn("karmada-kube-controller-manager", program, [port])
    }

    fn controllers_of_karmada(&self, boot: &Boot) -> Result<(), BootError> {
        let (programs, speed) = (&boot.programs, boot.options.speed);
        let port = reserve()?;
        let program = components::controller_manager(programs, &self.files, port.number(), speed);
        boot.spawn("karmada-controller-manager", program, [port])?;
        let port = reserve()?;
        let program = components::scheduler(programs, &self.files, port.number(), speed);
        boot.spawn("karmada-scheduler", program, [port])
    }

    /// Karmada's own types, and the namespaces and roles that it ships.
    async fn definitions(&self, boot: &Boot) -> Result<(), BootError> {
        let folder = boot.layout.manifests();
        self.apply(boot, &["--kustomize", &folder.to_string_lossy()])
            .await?;
        boot.until("Karmada's custom resource definitions", || async {
            let list = self.api.get(DEFINITIONS).await?;
            Ok(list["items"].as_array().is_some_and(|definitions| {
                definitions
                    .iter()
                    .all(|definition| has_condition(definition, "Established"))
            }))
        })
        .await
    }

    /// What makes the API server call Karmada's servers.
    async fn extensions(&self, boot: &Boot) -> Result<(), BootError> {
        let file = |name| boot.layout.manifests().join(name);
        let (aggregated, webhooks) = (file("apiservice.yaml"), file("webhooks.yaml"));
        self.apply(
            boot,
            &[
                "--filename",
                &aggregated.to_string_lossy(),
                "--filename",
                &webhooks.to_string_lossy(),
            ],
        )
        .await?;
        boot.until("the API of Karmada's clusters", || async {
            Ok(has_condition(&self.api.get(AGGREGATED).await?, "Available"))
        })
        .await
    }

    async fn apply(&self, boot: &Boot, what: &[&str]) -> Result<(), BootError> {
        let kubeconfig = self.files.administrator().to_string_lossy();
        let mut arguments = vec!["apply", "--server-side", "--kubeconfig", &kubeconfig];
        arguments.extend(what);
        boot.tool("kubectl", &arguments).await
    }
}

async fn ready(boot: &Boot, name: &str, address: &str) -> Result<(), BootError> {
    let api = Api::at(address).map_err(BootError::client(format!("reach {name}")))?;
    boot.until(name, || api.is_well("/readyz")).await
}

fn https(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}
