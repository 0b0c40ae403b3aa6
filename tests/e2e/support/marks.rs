//! The proof that no trace of Karmada is left in a member.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{Kind, Scene};

const ENABLED: &str = "promote.karmada.io/enabled";

/// Fails if any object of the namespace in a member bears a label or annotation of Karmada or of
/// the promoter, save for the released Deployments' and their ReplicaSets' opt-out.
pub(crate) async fn assert_no_trace(scene: &Scene, member: &str) -> Result<()> {
    let kinds = [
        Kind::deployment(),
        Kind::replica_set(),
        Kind::config_map(),
        Kind::secret(),
        Kind::service_account(),
        Kind::pod(),
    ];
    for kind in kinds {
        for object in scene.member(member).list(&kind).await? {
            let opts_out = matches!(kind.name(), "Deployment" | "ReplicaSet");
            let traces: Vec<_> = traces(&object)
                .into_iter()
                .filter(|(key, value)| !(opts_out && key == ENABLED && value == "false"))
                .collect();
            ensure!(
                traces.is_empty(),
                "{} {} in {member} bears {traces:?}",
                kind.name(),
                object["metadata"]["name"]
            );
        }
    }
    Ok(())
}

/// The labels and annotations of Karmada, the promoter's included, that an object bears.
pub(crate) fn traces(object: &Value) -> Vec<(String, String)> {
    ["labels", "annotations"]
        .into_iter()
        .filter_map(|field| object["metadata"][field].as_object())
        .flatten()
        .filter(|(key, _)| is_karmadas(key))
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

/// Whether Karmada keeps an object of a member.
pub(crate) fn is_managed(object: &Value) -> bool {
    object["metadata"]["labels"]["karmada.io/managed"] == "true"
}

fn is_karmadas(key: &str) -> bool {
    let prefix = key.split('/').next().unwrap_or_default();
    prefix == "karmada.io" || prefix.ends_with(".karmada.io")
}
