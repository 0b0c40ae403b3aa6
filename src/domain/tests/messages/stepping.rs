//! For what a promotion is given up once it was begun.

use std::collections::BTreeSet;

use promoter_api::promotion::{DesiredState, OnClusterRemoval, Phase};
use promoter_domain::{
    object::ObjectKey,
    observation::{
        Edit, LiveWorkload, ObjectState, PolicySettings, PolicyState, TemplateSettings,
        TemplateState, WorkState,
    },
    step::{Action, Intent, Observed, step},
};
use serde_json::json;

use crate::{CLUSTER, Told};

/// For what it is given up, once it was begun.
pub(crate) fn given_up() -> Vec<Told> {
    type Change = fn(&mut Observed);
    let changes: [(Phase, Change); 7] = [
        (Phase::Staging, |it| {
            workload(it).policy = PolicyState::Foreign;
        }),
        (Phase::Staging, |it| {
            workload(it).template = TemplateState::Foreign;
        }),
        (Phase::Staging, |it| workload(it).works.clear()),
        (Phase::Committing, |it| it.template_edited = true),
        (Phase::Committing, |it| {
            dispatched(it);
            it.template_edited = true;
            workload(it).works[0].applied = Some(false);
            workload(it).works[0].refused_by_guard = true;
        }),
        (Phase::Committing, |it| {
            dispatched(it);
            workload(it).works[0].message = Some("the shop is closed.".to_owned());
        }),
        (Phase::Committing, dispatched),
    ];
    changes
        .into_iter()
        .map(|(phase, change)| {
            let mut observed = staged(phase);
            change(&mut observed);
            match step(&observed) {
                Action::Enter(_, Some(outcome)) => {
                    (outcome.reason, "Deployment/web".to_owned(), outcome.message)
                }
                action => unreachable!("not given up: {action:?}"),
            }
        })
        .collect()
}

/// A workload that is staged, and takes longer than it may.
fn staged(phase: Phase) -> Observed {
    Observed {
        autoscaled: false,
        edited: false,
        guarded: Some(true),
        intent: Intent {
            authorized: true,
            deleted: false,
            desired: DesiredState::Promoted,
            on_cluster_removal: OnClusterRemoval::Delete,
            renewed: false,
            suspended: false,
        },
        live: Some(LiveWorkload {
            current: true,
            edit: Edit::None,
            guarded: true,
            version: None,
        }),
        live_replicas: None,
        marked: false,
        namespace: true,
        objects: vec![ObjectState {
            attached: false,
            bound: Some(vec![CLUSTER.to_owned()]),
            key: ObjectKey::deployment("web"),
            needed_elsewhere: false,
            needed_in: Vec::new(),
            policy: PolicyState::Ours(settings(true)),
            policy_version: None,
            template: TemplateState::Claimed(TemplateSettings {
                replicas: None,
                retains_replicas: true,
            }),
            template_version: None,
            works: WorkState::of(&json!({"metadata": {"name": "web-1"}}), CLUSTER, None, None)
                .into_iter()
                .collect(),
        }],
        origin: CLUSTER.to_owned(),
        overdue: true,
        phase,
        placed: BTreeSet::new(),
        reason: None,
        rehearsed: true,
        template_edited: false,
        unrecorded: false,
    }
}

fn settings(suspended: bool) -> PolicySettings {
    PolicySettings {
        orphaned: false,
        overwrite: true,
        preserve: !suspended,
        propagate_dependencies: false,
        released_by_us: false,
        staged_by_us: true,
        suspended,
    }
}

fn dispatched(observed: &mut Observed) {
    workload(observed).policy = PolicyState::Ours(settings(false));
}

fn workload(observed: &mut Observed) -> &mut ObjectState {
    &mut observed.objects[0]
}
