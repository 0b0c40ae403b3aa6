//! The resources that the promoter reads and writes: types, schemas and well-known keys.
//!
//! - [`promotion`]: our own `Promotion`, the record of one workload's way into Karmada;
//! - [`reason`]: the stable words for why one is refused, waits or fails;
//! - [`karmada`]: Karmada's types, generated from its definitions;
//! - [`marks`]: the labels and annotations by which Karmada, Kubernetes and we mark objects.
//!
//! No client and no rule lives here; every other crate may use it.

pub mod karmada;
pub mod marks;
#[allow(
    unreachable_pub,
    reason = "the derive of KubeSchema writes the spec a second time, inside a function"
)]
pub mod promotion;
pub mod reason;
