//! The resources that the promoter reads and writes: types, schemas and well-known keys.
//!
//! - [`promotion`]: our own `Promotion`, the record of one workload's way into Karmada;
//! - [`karmada`]: Karmada's types, generated from its definitions;
//! - [`marks`]: the labels and annotations by which Karmada, Kubernetes and we mark objects.
//!
//! No client and no rule lives here; every other crate may use it.

pub mod karmada;
pub mod marks;
pub mod promotion;
pub mod reason;
