//! The Namespaces of a member that opt in, in so far as they are known.
//!
//! What is kept here only tells which Deployments to look at. Whatever is done about one is done
//! upon the Namespace as it is read then.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Namespace;
use kube::{core::PartialObjectMeta, runtime::watcher::Event};

use crate::opt_in::OptIn;

/// The Namespaces that opt in, by their names.
#[derive(Default)]
pub(crate) struct Namespaces {
    asking: BTreeMap<String, OptIn>,
    /// Whether they were all listed, once.
    complete: bool,
    listed: BTreeSet<String>,
}

impl Namespaces {
    /// What a Namespace asks for its Deployments.
    pub(crate) fn get(&self, name: &str) -> Option<&OptIn> {
        self.asking.get(name)
    }

    /// Whether they were all listed, once.
    pub(crate) const fn are_listed(&self) -> bool {
        self.complete
    }

    /// Takes a change of those that bear the label in, and tells of which Namespaces the
    /// Deployments are to be looked at.
    pub(crate) fn apply(&mut self, event: Event<PartialObjectMeta<Namespace>>) -> Vec<String> {
        match event {
            Event::Init => {
                self.listed.clear();
                Vec::new()
            }
            Event::InitApply(namespace) => {
                let name = name(&namespace);
                self.listed.insert(name.clone());
                self.put(name, OptIn::of_namespace(&namespace.metadata))
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                self.complete = true;
                self.asking
                    .extract_if(.., |name, _| !listed.contains(name))
                    .map(|(name, _)| name)
                    .collect()
            }
            Event::Apply(namespace) => {
                self.put(name(&namespace), OptIn::of_namespace(&namespace.metadata))
            }
            // It bears the label no more, or it is gone.
            Event::Delete(namespace) => self.put(name(&namespace), None),
        }
    }

    fn put(&mut self, name: String, asks: Option<OptIn>) -> Vec<String> {
        if self.asking.get(&name) == asks.as_ref() {
            return Vec::new();
        }
        match asks {
            Some(asks) => self.asking.insert(name.clone(), asks),
            None => self.asking.remove(&name),
        };
        vec![name]
    }
}

fn name(namespace: &PartialObjectMeta<Namespace>) -> String {
    namespace.metadata.name.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn namespace(name: &str, enabled: &str, stamp: &str) -> PartialObjectMeta<Namespace> {
        serde_json::from_value(json!({
            "apiVersion": "meta.k8s.io/v1",
            "kind": "PartialObjectMetadata",
            "metadata": {
                "name": name,
                "labels": {"promote.karmada.io/enabled": enabled},
                "annotations": {"promote.karmada.io/requested-by": stamp},
                "managedFields": [{
                    "manager": "kubectl-label",
                    "fieldsV1": {"f:metadata": {"f:labels": {"f:promote.karmada.io/enabled": {}}}},
                }],
            },
        }))
        .unwrap()
    }

    #[test]
    fn what_changes_is_told_once() {
        let mut namespaces = Namespaces::default();
        let mut told = |event| namespaces.apply(event);
        assert!(told(Event::Init).is_empty());
        assert_eq!(told(Event::InitApply(namespace("a", "true", "x"))), ["a"]);
        assert_eq!(told(Event::InitApply(namespace("b", "true", "x"))), ["b"]);
        assert!(told(Event::InitApply(namespace("c", "false", "x"))).is_empty());
        assert!(told(Event::InitDone).is_empty());
        assert!(told(Event::Apply(namespace("a", "true", "x"))).is_empty());
        assert_eq!(told(Event::Apply(namespace("a", "true", "y"))), ["a"]);
        assert_eq!(told(Event::Apply(namespace("c", "true", "x"))), ["c"]);
        assert_eq!(told(Event::Apply(namespace("c", "no", "x"))), ["c"]);
        assert_eq!(told(Event::Delete(namespace("a", "true", "y"))), ["a"]);
        // What changed while nobody watched is found by the next list.
        assert!(told(Event::Init).is_empty());
        assert!(told(Event::InitApply(namespace("c", "no", "x"))).is_empty());
        assert_eq!(told(Event::InitDone), ["b"]);
        assert!(namespaces.are_listed());
        assert!(namespaces.get("b").is_none());
    }
}
