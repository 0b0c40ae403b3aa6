//! What is at rest stays there until somebody asks for something; what others make is theirs.

use promoter_api::promotion::DependencyKind;

use super::*;
use crate::observation::{PolicySettings, PolicyState, TemplateSettings, TemplateState, WorkState};

pub(super) fn at(phase: Phase, intent: impl Fn(&mut Intent)) -> Observed {
    let mut observed = Observed {
        autoscaled: false,
        edited: false,
        guarded: None,
        intent: Intent {
            authorized: true,
            deleted: false,
            desired: DesiredState::Promoted,
            renewed: false,
            on_cluster_removal: OnClusterRemoval::Delete,
            suspended: false,
        },
        live: None,
        live_replicas: None,
        marked: false,
        namespace: true,
        objects: vec![
            bound(ObjectKey::dependency(DependencyKind::Secret, "keys"), &[]),
            bound(ObjectKey::deployment("web"), &["member1"]),
        ],
        origin: "member1".to_owned(),
        overdue: false,
        phase,
        placed: ["member1".to_owned()].into(),
        reason: None,
        rehearsed: true,
        template_edited: false,
        unrecorded: false,
    };
    intent(&mut observed.intent);
    observed
}

fn bound(key: ObjectKey, clusters: &[&str]) -> ObjectState {
    ObjectState {
        attached: false,
        bound: Some(clusters.iter().map(|&cluster| cluster.to_owned()).collect()),
        key,
        needed_elsewhere: false,
        needed_in: Vec::new(),
        policy: PolicyState::Absent,
        policy_version: None,
        template: TemplateState::Absent,
        template_version: None,
        works: Vec::new(),
    }
}

#[test]
fn what_is_over_is_begun_anew_only_when_somebody_asks_and_it_is_not_suspended() {
    for phase in [
        Phase::Observed,
        Phase::Rehearsed,
        Phase::Refused,
        Phase::Failed,
        Phase::Released,
    ] {
        assert_eq!(step(&at(phase, |_| {})), Action::Rest, "{phase}");
        let renewed = at(phase, |intent| intent.renewed = true);
        assert_eq!(step(&renewed), Action::Enter(Phase::Pending, None));
        let suspended = at(phase, |intent| {
            intent.renewed = true;
            intent.suspended = true;
        });
        assert_eq!(step(&suspended), Action::Rest, "{phase}");
        let deleted = at(phase, |intent| intent.deleted = true);
        assert_eq!(step(&deleted), Action::Forget, "{phase}");
    }
}

#[test]
fn what_is_promoted_follows_its_placement_and_nothing_else() {
    assert_eq!(step(&at(Phase::Promoted, |_| {})), Action::Rest);
    let mut moved = at(Phase::Promoted, |_| {});
    let clusters = ["member1".to_owned(), "member2".to_owned()];
    moved.objects[1].bound = Some(clusters.to_vec());
    assert_eq!(step(&moved), Action::Follow(clusters.to_vec()));
    // The order in which Karmada lists them tells nothing.
    moved.placed = clusters.iter().rev().cloned().collect();
    assert_eq!(step(&moved), Action::Rest);
}

#[test]
fn a_change_of_what_is_promoted_is_authorized_first() {
    let asked = |authorized, desired| {
        step(&at(Phase::Promoted, |intent| {
            intent.authorized = authorized;
            intent.desired = desired;
            intent.renewed = true;
        }))
    };
    assert_eq!(asked(false, DesiredState::Released), Action::Authorize);
    assert_eq!(asked(false, DesiredState::Promoted), Action::Authorize);
    let releasing = Action::Enter(Phase::Releasing, None);
    assert_eq!(asked(true, DesiredState::Released), releasing);
    let settling = Action::Enter(Phase::Settling, None);
    assert_eq!(asked(true, DesiredState::Promoted), settling);
    // What was denied is not asked about again.
    let denied = at(Phase::Promoted, |intent| {
        intent.authorized = false;
        intent.desired = DesiredState::Released;
    });
    assert_eq!(step(&denied), Action::Rest);
}

/// Both objects have policies that this Promotion is staging, and these templates.
fn templates(templates: [TemplateState; 2]) -> Observed {
    let mut observed = staging(Phase::Staging);
    for (object, template) in observed.objects.iter_mut().zip(templates) {
        object.template = template;
    }
    observed
}

fn claimed() -> TemplateState {
    TemplateState::Claimed(TemplateSettings {
        replicas: None,
        retains_replicas: false,
    })
}

/// Fails unless what was staged is given up for this reason, in these words.
fn assert_abandoned(observed: &Observed, reason: Reason, words: &[&str]) {
    let Action::Enter(Phase::Abandoning, Some(outcome)) = step(observed) else {
        panic!("the next action is {:?}", step(observed));
    };
    assert_eq!(outcome.reason, reason, "{}", outcome.message);
    for word in words {
        assert!(outcome.message.contains(word), "{}", outcome.message);
    }
}

#[test]
fn a_policy_of_somebody_else_under_the_name_of_ours_is_left_alone() {
    let conflict = Reason::ConflictingTemplate;
    let mut observed = templates([TemplateState::Absent, TemplateState::Absent]);
    observed.objects[1].policy = PolicyState::Foreign;
    let words = ["PropagationPolicy deployment.web", "Deployment/web"];
    assert_abandoned(&observed, conflict, &words);
    // Whatever else there is: of a dependency, too.
    observed.objects[0].policy = PolicyState::Foreign;
    let words = ["PropagationPolicy secret.keys", "Secret/keys"];
    assert_abandoned(&observed, conflict, &words);
    // What comes before it is staged meanwhile, and nothing past it.
    observed.objects[0].policy = PolicyState::Absent;
    let keys = ObjectKey::dependency(DependencyKind::Secret, "keys");
    assert_eq!(step(&observed), Action::CreatePolicies(vec![keys]));
}

#[test]
fn a_template_that_somebody_else_has_gives_up_what_was_staged() {
    let conflict = Reason::ConflictingTemplate;
    for lost in [
        TemplateState::Captured,
        TemplateState::Deleting,
        TemplateState::Foreign,
    ] {
        let workload = templates([claimed(), lost.clone()]);
        assert_abandoned(&workload, conflict, &["Deployment/web"]);
        let held = templates([TemplateState::Held, lost]);
        assert_abandoned(&held, conflict, &["Deployment/web"]);
    }
    for lost in [TemplateState::Captured, TemplateState::Deleting] {
        let dependency = templates([lost, TemplateState::Held]);
        assert_abandoned(&dependency, conflict, &["Secret/keys"]);
    }
}

#[test]
fn what_karmada_does_not_render_is_given_up_in_time() {
    let mut observed = templates([claimed(), claimed()]);
    observed.objects[0].bound = observed.objects[1].bound.clone();
    observed.objects[0].works = vec![work()];
    assert!(matches!(step(&observed), Action::Wait(told) if told.contains("Deployment/web")));
    observed.overdue = true;
    let words = [
        "not rendered Deployment/web",
        "ResourceBinding web-deployment",
    ];
    assert_abandoned(&observed, Reason::StagingFailed, &words);
}

#[test]
fn an_object_is_found_by_its_key() {
    let observed = at(Phase::Promoted, |_| {});
    for object in &observed.objects {
        assert_eq!(observed.object(&object.key), Some(object));
    }
    let other = ObjectKey::dependency(DependencyKind::ConfigMap, "keys");
    assert_eq!(observed.object(&other), None);
    assert_eq!(observed.workload(), observed.objects.last());
}

#[test]
fn what_somebody_else_creates_while_it_is_staged_ends_the_staging() {
    for theirs in [TemplateState::ClaimedForeign, TemplateState::Foreign] {
        for index in [0, 1] {
            let mut observed = staging(Phase::Staging);
            observed.objects[index].template = theirs.clone();
            // Nothing is created that would have to be taken away again.
            assert_conflict(&step(&observed));
            // Of whoever was faster than the policy, too.
            observed.objects[index].policy = PolicyState::Absent;
            if theirs == TemplateState::Foreign {
                assert_conflict(&step(&observed));
            }
        }
    }
}

#[test]
fn only_what_somebody_else_federates_needs_no_policy_of_ours() {
    let mut observed = staging(Phase::Staging);
    observed.objects[0].policy = PolicyState::Absent;
    observed.objects[0].template = TemplateState::Foreign;
    let goes_on = |work: WorkState| {
        let mut observed = observed.clone();
        observed.objects[0].works = vec![work];
        step(&observed)
    };
    let dispatched = WorkState {
        suspended: false,
        ..work()
    };
    let keys = vec![ObjectKey::deployment("web")];
    assert_eq!(goes_on(dispatched.clone()), Action::CreateTemplates(keys));
    assert_conflict(&goes_on(work()));
    assert_conflict(&goes_on(WorkState {
        deleting: true,
        ..dispatched.clone()
    }));
    assert_conflict(&goes_on(WorkState {
        cluster: "member2".to_owned(),
        ..dispatched
    }));
}

#[test]
fn of_what_somebody_else_created_only_our_policy_goes() {
    let mut observed = staging(Phase::Abandoning);
    observed.reason = Some(Reason::ConflictingTemplate);
    let [dependency, workload] = [0, 1].map(|index| observed.objects[index].key.clone());
    observed.objects[0].template = TemplateState::ClaimedForeign;
    observed.objects[0].works = vec![work()];
    observed.objects[1].template = TemplateState::Claimed(TemplateSettings {
        replicas: None,
        retains_replicas: true,
    });
    let both = vec![dependency.clone(), workload.clone()];
    assert_eq!(step(&observed), Action::MarkReleased(both.clone()));
    for object in &mut observed.objects {
        object.policy = PolicyState::Ours(PolicySettings {
            released_by_us: true,
            ..staged()
        });
    }
    assert_eq!(step(&observed), Action::DeleteTemplates(vec![workload]));
    observed.objects[1].template = TemplateState::Absent;
    // Its Work stays as long as their template does.
    assert_eq!(step(&observed), Action::DeletePolicies(both));
    // One of ours that is still going is waited for.
    observed.objects[0].works[0].deleting = true;
    assert!(matches!(step(&observed), Action::Wait(_)));
    observed.objects[0].works[0].deleting = false;
    observed.objects[0].works[0].current = false;
    assert!(matches!(step(&observed), Action::Wait(_)));
    observed.objects[0].works[0].current = true;
    // What stays must not be dispatched.
    observed.objects[0].works[0].dispatching_stopped = false;
    assert!(matches!(step(&observed), Action::Wait(_)));
    observed.objects[0].policy = PolicyState::Ours(PolicySettings {
        suspended: false,
        ..staged()
    });
    assert_eq!(step(&observed), Action::Withdraw(vec![dependency]));
    for object in &mut observed.objects {
        object.policy = PolicyState::Absent;
    }
    observed.objects[0].template = TemplateState::Foreign;
    assert_eq!(step(&observed), Action::Enter(Phase::Refused, None));
}

fn assert_conflict(action: &Action) {
    let Action::Enter(Phase::Abandoning, Some(outcome)) = action else {
        panic!("{action:?}")
    };
    assert_eq!(outcome.reason, Reason::ConflictingTemplate);
}

/// Both objects have policies that this Promotion is staging, and no template yet.
pub(super) fn staging(phase: Phase) -> Observed {
    let mut observed = at(phase, |_| {});
    for object in &mut observed.objects {
        object.policy = PolicyState::Ours(staged());
    }
    observed
}

pub(super) fn staged() -> PolicySettings {
    PolicySettings {
        orphaned: false,
        overwrite: true,
        preserve: false,
        propagate_dependencies: false,
        released_by_us: false,
        staged_by_us: true,
        suspended: true,
    }
}

/// A Work that Karmada rendered while dispatching is suspended.
pub(super) fn work() -> WorkState {
    WorkState {
        applied: None,
        cluster: "member1".to_owned(),
        current: true,
        deleting: false,
        dispatching_stopped: true,
        managed: false,
        message: None,
        preserve: false,
        refused_by_guard: false,
        replicas: None,
        retains_replicas: false,
        retried: false,
        suspended: true,
        taken_over: false,
        version: None,
    }
}
