//! Karmada's Cluster objects as they come and go.

use std::collections::BTreeSet;

use futures::{
    Stream,
    stream::{self, StreamExt as _},
};
use kube::{Api, runtime::watcher::Event};
use promoter_api::karmada::Cluster;

use crate::{objects::Objects, watch};

/// What became of a member cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It has joined, or its Cluster object has changed. Told anew after an interruption.
    Seen(Box<Cluster>),
    /// It has been removed from Karmada.
    Gone(String),
}

/// Watches the Clusters of a control plane; interruptions are only logged.
pub fn watch(control_plane: &Objects) -> impl Stream<Item = Change> + Send + 'static {
    let api = Api::<Cluster>::all(control_plane.client().clone());
    let mut names = Names::default();
    watch::watch(api).flat_map(move |event| {
        stream::iter(match event {
            Ok(event) => names.changes(event),
            Err(error) => {
                tracing::warn!("the watch of Karmada's Clusters was interrupted: {error}");
                Vec::new()
            }
        })
    })
}

/// The names of the clusters, to find out which ones went while nobody watched.
#[derive(Default)]
struct Names {
    known: BTreeSet<String>,
    listed: BTreeSet<String>,
}

impl Names {
    fn changes(&mut self, event: Event<Cluster>) -> Vec<Change> {
        let name = |cluster: &Cluster| cluster.metadata.name.clone().unwrap_or_default();
        match event {
            Event::Init => {
                self.listed.clear();
                Vec::new()
            }
            Event::InitApply(cluster) => {
                self.known.insert(name(&cluster));
                self.listed.insert(name(&cluster));
                vec![Change::Seen(Box::new(cluster))]
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                let gone = self.known.difference(&listed);
                let gone = gone.cloned().map(Change::Gone).collect();
                self.known = listed;
                gone
            }
            Event::Apply(cluster) => {
                self.known.insert(name(&cluster));
                vec![Change::Seen(Box::new(cluster))]
            }
            Event::Delete(cluster) => {
                let name = name(&cluster);
                self.known.remove(&name);
                vec![Change::Gone(name)]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use promoter_api::karmada::cluster::ClusterSpec;

    use super::*;

    fn cluster(name: &str) -> Cluster {
        Cluster::new(name, ClusterSpec::default())
    }

    fn seen(name: &str) -> Change {
        Change::Seen(Box::new(cluster(name)))
    }

    #[test]
    fn clusters_that_went_unseen_are_gone_after_the_next_list() {
        let mut names = Names::default();
        let mut told = Vec::new();
        for event in [
            Event::Init,
            Event::InitApply(cluster("member1")),
            Event::InitApply(cluster("member2")),
            Event::InitDone,
            Event::Apply(cluster("member3")),
            Event::Delete(cluster("member2")),
            Event::Init,
            Event::InitApply(cluster("member3")),
            Event::InitApply(cluster("member4")),
            // Interrupted, and once more from the beginning.
            Event::Init,
            Event::InitApply(cluster("member3")),
            Event::InitDone,
        ] {
            told.extend(names.changes(event));
        }
        assert_eq!(
            told,
            [
                seen("member1"),
                seen("member2"),
                seen("member3"),
                Change::Gone("member2".to_owned()),
                seen("member3"),
                seen("member4"),
                seen("member3"),
                Change::Gone("member1".to_owned()),
                Change::Gone("member4".to_owned()),
            ]
        );
    }
}
