//! What is waited for, and when it is over: what the explorer cannot tell from waiting too long.

use super::{
    super::{
        step,
        tests::{at, staged, staging, work},
    },
    *,
};
use crate::observation::{Edit, LiveWorkload, PolicyState, TemplateSettings};

/// Every object is dispatched, and Karmada has taken it over.
fn committed() -> Observed {
    let mut observed = staging(Phase::Committing);
    for object in &mut observed.objects {
        object.policy = PolicyState::Ours(PolicySettings {
            preserve: true,
            suspended: false,
            ..staged()
        });
        object.works = vec![taken()];
    }
    observed
}

fn taken() -> WorkState {
    WorkState {
        applied: Some(true),
        preserve: true,
        suspended: false,
        taken_over: true,
        ..work()
    }
}

#[test]
fn what_karmada_has_taken_over_whole_is_verified() {
    let verifying = Action::Enter(Phase::Verifying, None);
    assert_eq!(step(&committed()), verifying);
    let not_taken: [fn(&mut WorkState); 5] = [
        |work| work.suspended = true,
        |work| work.preserve = false,
        |work| work.taken_over = false,
        |work| work.applied = None,
        |work| work.applied = Some(false),
    ];
    for change in not_taken {
        for object in 0..2 {
            let mut observed = committed();
            change(&mut observed.objects[object].works[0]);
            let next = step(&observed);
            assert!(matches!(next, Action::Wait(_)), "{next:?}");
            observed.overdue = true;
            assert_rolled_back(&observed);
        }
    }
    // What is not ours to stage is not waited for.
    let mut shared = committed();
    shared.objects[0].policy = PolicyState::Ours(PolicySettings {
        staged_by_us: false,
        suspended: false,
        ..staged()
    });
    shared.objects[0].works.clear();
    assert_eq!(step(&shared), verifying);
}

fn assert_rolled_back(observed: &Observed) {
    let Action::Enter(Phase::RollingBack, Some(outcome)) = step(observed) else {
        panic!("the next action is {:?}", step(observed));
    };
    assert_eq!(outcome.reason, Reason::CommitRefused);
}

#[test]
fn where_there_is_a_guard_nothing_is_committed_without_it() {
    let mut observed = staging(Phase::Committing);
    assert_eq!(step(&observed), Action::Guard);
    observed.guarded = Some(true);
    assert_eq!(step(&observed), Action::Guard);
    observed.live = Some(guarded());
    assert!(matches!(step(&observed), Action::Commit(_)));
    // There is none in the member.
    observed.guarded = Some(false);
    observed.live = None;
    assert!(matches!(step(&observed), Action::Commit(_)));
}

fn guarded() -> LiveWorkload {
    LiveWorkload {
        current: true,
        edit: Edit::None,
        guarded: true,
        version: None,
    }
}

fn settled(workload: bool) -> PolicySettings {
    PolicySettings {
        overwrite: false,
        preserve: false,
        propagate_dependencies: workload,
        staged_by_us: false,
        suspended: false,
        ..staged()
    }
}

/// Every policy is as it stays, and Karmada has done everything.
fn settling() -> Observed {
    let mut observed = at(Phase::Settling, |_| {});
    for object in &mut observed.objects {
        object.policy = PolicyState::Ours(settled(object.is_workload()));
        object.works = vec![WorkState {
            preserve: false,
            ..taken()
        }];
    }
    observed
}

#[test]
fn policies_are_brought_to_how_they_stay() {
    assert_eq!(step(&settling()), Action::Enter(Phase::Promoted, None));
    let unsettled: [fn(&mut PolicySettings); 5] = [
        |settings| settings.overwrite = true,
        |settings| settings.suspended = true,
        |settings| settings.staged_by_us = true,
        |settings| settings.preserve = true,
        |settings| settings.propagate_dependencies ^= true,
    ];
    for change in unsettled {
        for object in 0..2 {
            let mut observed = settling();
            if let PolicyState::Ours(settings) = &mut observed.objects[object].policy {
                change(settings);
            }
            let key = observed.objects[object].key.clone();
            assert_eq!(step(&observed), Action::Settle(vec![key]));
        }
    }
    // What is to stay in a cluster that leaves the placement is the workload.
    let mut kept = settling();
    kept.intent.on_cluster_removal = OnClusterRemoval::Preserve;
    let workload = kept.objects[1].key.clone();
    assert_eq!(step(&kept), Action::Settle(vec![workload]));
}

#[test]
fn it_is_promoted_when_karmada_has_settled_every_object() {
    let behind: [fn(&mut WorkState); 2] = [
        |work| work.applied = Some(false),
        |work| work.preserve = true,
    ];
    for change in behind {
        for object in 0..2 {
            let mut observed = settling();
            change(&mut observed.objects[object].works[0]);
            let next = step(&observed);
            assert!(matches!(next, Action::Wait(_)), "{next:?}");
        }
    }
}

#[test]
fn the_live_replicas_are_rendered_before_the_template_decides_on_them() {
    let mut observed = settling();
    observed.live_replicas = Some(3);
    let mut shown = |replicas, in_work: Option<i64>, current| {
        let workload = &mut observed.objects[1];
        workload.template = TemplateState::Claimed(TemplateSettings {
            replicas,
            retains_replicas: true,
        });
        workload.works[0].retains_replicas = true;
        workload.works[0].replicas = in_work;
        workload.works[0].current = current;
        step(&observed)
    };
    assert_eq!(shown(Some(2), Some(2), true), Action::SetReplicas(3));
    assert!(matches!(shown(Some(3), Some(2), true), Action::Wait(_)));
    assert!(matches!(shown(Some(3), Some(3), false), Action::Wait(_)));
    assert_eq!(shown(Some(3), Some(3), true), Action::EndRetention);
}
