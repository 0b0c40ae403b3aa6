//! Whatever is refused, people are told which object, in which cluster, and what to do.
//!
//! Every rule that refuses something is broken once here. What only API servers can tell has its
//! words where they are asked.

#![allow(clippy::unwrap_used, reason = "the whole of it is a test")]

mod planning;
mod stepping;

use std::collections::BTreeSet;

use promoter_api::{
    promotion::{DependencyKind, Requester},
    reason::Reason,
};
use promoter_domain::{
    authorization::{Asked, Purpose},
    object::ObjectKey,
    opt_in::OptIns,
};

const CLUSTER: &str = "member1";

/// What only the answers of API servers lead to.
const ASKED_ELSEWHERE: [Reason; 7] = [
    Reason::ClusterNotReady,
    Reason::ClusterUnknown,
    Reason::RehearsalImpossible,
    Reason::VerificationFailed,
    Reason::WorkloadMissing,
    Reason::WouldChangeObject,
    Reason::WouldRestartPods,
];

/// What people are told to do, in the last words of a message.
const REMEDIES: [&str; 15] = [
    "ask again",
    "ask by `kubectl promote`",
    "create it, or",
    "edit it in the control plane",
    "give it a shorter name",
    "it is planned again",
    "it is promoted when the roll-out is done",
    "leave dependencies out",
    "promote one of those",
    "promote what its owner is made from",
    "promote workloads of other namespaces",
    "rename it, so that",
    "rename one of them",
    "set spec.",
    "without it (spec.dependencies)",
];

#[test]
fn every_refusal_names_the_object_the_cluster_and_the_remedy() {
    let all: Vec<_> = planning::refused()
        .into_iter()
        .chain(authorizing())
        .chain(stepping::given_up())
        .collect();
    for (reason, object, message) in &all {
        assert!(message.contains(object), "{reason}: no {object}: {message}");
        assert!(
            message.contains(CLUSTER),
            "{reason}: no {CLUSTER}: {message}"
        );
        let told = REMEDIES.iter().any(|remedy| {
            let last = message.rsplit(". ").next().unwrap_or(message);
            let last = last.rsplit("; ").next().unwrap_or(last);
            last.contains(remedy)
        });
        assert!(told, "{reason}: no remedy: {message}");
    }
    let told: BTreeSet<_> = all.iter().map(|(reason, ..)| *reason).collect();
    let told: Vec<_> = told.into_iter().chain(ASKED_ELSEWHERE).collect();
    for reason in Reason::ALL {
        let times = told.iter().filter(|it| **it == reason).count();
        assert_eq!(times, 1, "{reason}");
    }
}

/// A reason, the object that it is about, and what is said of it.
type Told = (Reason, String, String);

/// What whoever asks may not have.
fn authorizing() -> Vec<Told> {
    let workload = ObjectKey::deployment("web");
    let user = |cluster: Option<&str>| Requester {
        cluster: cluster.map(str::to_owned),
        username: "bob".to_owned(),
        ..Requester::default()
    };
    let asked = |requester, purpose| Asked {
        cluster: CLUSTER,
        namespace: "shop",
        purpose,
        requester,
        workload: &workload,
    };
    let (bob, here, there) = (user(None), user(Some(CLUSTER)), user(Some("member2")));
    let none = OptIns::from(vec!["member2=*".parse().unwrap()]);
    let mut outcomes = Vec::new();
    for (requester, purpose) in [
        (None, Purpose::Promote),
        (Some(&there), Purpose::Promote),
        (Some(&here), Purpose::Release),
        (Some(&here), Purpose::Promote),
    ] {
        outcomes.push(asked(requester, purpose).authority(&none).unwrap_err());
    }
    let asked = asked(Some(&bob), Purpose::Promote);
    let secret = ObjectKey::dependency(DependencyKind::Secret, "keys");
    let accesses = asked.workload_accesses();
    for access in accesses.iter().chain(&asked.dependency_accesses([&secret])) {
        outcomes.push(asked.denied(&bob, access));
    }
    let object = workload.to_string();
    outcomes
        .into_iter()
        .map(|outcome| (outcome.reason, object.clone(), outcome.message))
        .collect()
}
