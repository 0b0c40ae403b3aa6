//! What the chart installs in a member: the same values as `kubectl promote member enable` applies,
//! with words that the chart replaces.

use std::path::Path;

use anyhow::{Context, Result};
use promoter_installation::{
    member::{Admission, Calls, FailurePolicy, Member},
    webhook::{Address, Webhook},
};

use crate::Generated;

/// The chart sets the port and the failure policies itself: they are no text.
const PORT: u16 = 443;

/// One file for each object.
pub(crate) fn objects(root: &Path) -> Result<Vec<Generated>> {
    let folder = root.join("charts/karmada-promoter/member");
    let objects = placeholders().objects();
    objects
        .iter()
        .map(|object| {
            let word = |pointer: &str| {
                let word = object.pointer(pointer).and_then(|word| word.as_str());
                word.with_context(|| format!("an object has no {pointer}"))
            };
            let (kind, name) = (word("/kind")?.to_lowercase(), word("/metadata/name")?);
            let yaml = serde_saphyr::to_string(object)?;
            Ok(Generated {
                path: folder.join(format!("{name}.{kind}.yaml")),
                content: format!(
                    "# Written by `cargo xtask generate` from src/installation/member.\n{yaml}"
                ),
            })
        })
        .collect()
}

/// Everything that can be installed, for a member that does not exist.
fn placeholders() -> Member {
    Member {
        admission: Some(Admission {
            installation: "@INSTALLATION@".to_owned(),
            webhook: Some(Calls {
                cluster: "@CLUSTER@".to_owned(),
                mutating: FailurePolicy::Ignore,
                validating: FailurePolicy::Fail,
                webhook: Webhook {
                    address: Address::Service {
                        name: "@SERVICE@".to_owned(),
                        namespace: "@NAMESPACE@".to_owned(),
                        port: PORT,
                    },
                    authorities: None,
                },
            }),
        }),
        guard: true,
        karmada_user: "@KARMADA_USER@".to_owned(),
    }
}
