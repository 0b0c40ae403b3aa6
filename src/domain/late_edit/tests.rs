use promoter_api::promotion::Snapshot;
use serde_json::json;

use super::*;

const WROTE_MARKS: &[&str] = &[];
const WROTE_SPEC: &[&str] = &["f:spec"];

/// The Deployment in the member, of the template's first generation.
fn live(image: &str, guarded: bool, karmada_wrote: &[&str]) -> Value {
    let mut fields = json!({"f:metadata": {"f:annotations": {"f:work.karmada.io/name": {}}}});
    for field in karmada_wrote {
        fields[field] = json!({"f:template": {}});
    }
    let mut live = json!({
        "metadata": {
            "annotations": {
                "resourcetemplate.karmada.io/generation": "1",
                "resourcetemplate.karmada.io/uid": "t1",
            },
            "labels": {},
            "managedFields": [
                {"fieldsV1": {"f:spec": {"f:template": {}}}, "time": "2026-01-01T00:00:00Z"},
                {"fieldsV1": fields, "time": "2026-01-01T00:00:08Z"},
                {
                    "fieldsV1": {"f:spec": {"f:replicas": {}}},
                    "subresource": "scale",
                    "time": "2026-01-01T00:00:09Z",
                },
            ],
            "resourceVersion": "7",
            "uid": "d1",
        },
        "spec": {"replicas": 2, "template": pod_template(image)},
    });
    if guarded {
        live["metadata"]["labels"][GUARD] = json!("p1");
    }
    live
}

/// The same, edited after Karmada's last write.
fn edited(image: &str, guarded: bool) -> Value {
    let mut live = live(image, guarded, WROTE_MARKS);
    live["metadata"]["managedFields"][0]["time"] = json!("2026-01-01T00:00:08Z");
    live
}

fn pod_template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"image": image}]}})
}

fn template(generation: i64) -> Value {
    json!({"metadata": {"generation": generation, "uid": "t1"}})
}

fn replica_set(uid: &str, image: &str, revision: &str) -> Value {
    let mut pods = pod_template(image);
    pods["metadata"]["labels"][POD_TEMPLATE_HASH] = json!(uid);
    json!({
        "metadata": {
            "annotations": {(REVISION): revision},
            "labels": {(POD_TEMPLATE_HASH): uid},
            "ownerReferences": [{"controller": true, "uid": "d1"}],
            "uid": uid,
        },
        "spec": {"template": pods},
    })
}

/// What is recorded of a workload with image `a`, into whose template images were carried.
fn recorded(carried_images: &[&str]) -> PromotionStatus {
    PromotionStatus {
        before: Some(Snapshot {
            replica_sets: vec![identity(&replica_set("r1", "a", "1"))],
            uid: "d1".to_owned(),
            ..Snapshot::default()
        }),
        carried: carried_images
            .iter()
            .map(|image| carried(&live(image, false, WROTE_MARKS)))
            .collect(),
        rehearsed: Some(spec_digest(&live("a", false, WROTE_MARKS))),
        ..PromotionStatus::default()
    }
}

fn state(live: &Value, replica_sets: &[Value], generation: i64, carried: &[&str]) -> LiveWorkload {
    let template = template(generation);
    let seen = Seen {
        live,
        manifest: None,
        replica_sets,
        template: Some(&template),
    };
    seen.state(&recorded(carried))
}

#[test]
fn what_was_rehearsed_is_no_edit_and_replicas_are_none() {
    for guarded in [false, true] {
        let mut live = live("a", guarded, WROTE_MARKS);
        live["spec"]["replicas"] = json!(9);
        let state = state(&live, &[], 1, &[]);
        assert_eq!(state.edit, Edit::None);
        assert_eq!(state.guarded, guarded);
        assert!(state.current);
    }
}

#[test]
fn an_edit_is_seen_until_it_is_carried() {
    for guarded in [false, true] {
        let live = edited("b", guarded);
        assert_eq!(state(&live, &[], 1, &[]).edit, Edit::Made);
        assert_eq!(state(&live, &[], 1, &["b"]).edit, Edit::None);
    }
}

#[test]
fn taking_an_edit_back_is_an_edit_where_karmada_cannot_have_done_it() {
    let guarded = live("a", true, WROTE_MARKS);
    assert_eq!(state(&guarded, &[], 2, &["b"]).edit, Edit::Made);
    // Karmada has put it back before it has seen the edit in the template.
    let unguarded = live("a", false, WROTE_SPEC);
    let state = state(&unguarded, &[], 2, &["b"]);
    assert_eq!((state.edit, state.current), (Edit::None, false));
}

#[test]
fn what_karmadas_own_write_has_changed_is_no_edit() {
    let by_a_webhook = live("a@injected", false, WROTE_MARKS);
    assert_eq!(state(&by_a_webhook, &[], 1, &[]).edit, Edit::None);
    // As long as Karmada has not written at all, it is somebody else's.
    let mut before = by_a_webhook;
    before["metadata"]["managedFields"][1] = json!({});
    assert_eq!(state(&before, &[], 1, &[]).edit, Edit::Made);
}

#[test]
fn an_undone_edit_is_told_by_its_replica_set() {
    let [before, edit] = [replica_set("r1", "a", "3"), replica_set("r2", "b", "2")];
    let sets = [before, edit];
    let undone = live("a", false, WROTE_SPEC);
    assert_eq!(state(&undone, &sets, 1, &[]).edit, Edit::Undone);
    assert_eq!(state(&undone, &sets[..1], 1, &[]).edit, Edit::None);
    assert_eq!(state(&undone, &sets, 1, &["b"]).edit, Edit::None);
    // Somebody has taken their own edit back.
    let taken_back = live("a", false, WROTE_MARKS);
    assert_eq!(state(&taken_back, &sets, 1, &[]).edit, Edit::None);

    let template = template(1);
    let seen = Seen {
        live: &undone,
        manifest: None,
        replica_sets: &sets,
        template: Some(&template),
    };
    let edited = seen.edited(&recorded(&[])).unwrap();
    assert_eq!(edited["spec"]["template"], pod_template("b"));
}

#[test]
fn of_several_undone_edits_the_last_one_wins() {
    let sets = [replica_set("r2", "b", "9"), replica_set("r3", "c", "10")];
    let undone = live("a", false, WROTE_SPEC);
    let template = template(1);
    let seen = Seen {
        live: &undone,
        manifest: None,
        replica_sets: &sets,
        template: Some(&template),
    };
    let edited = seen.edited(&recorded(&[])).unwrap();
    assert_eq!(edited["spec"]["template"], pod_template("c"));
}

#[test]
fn what_karmada_writes_last_is_what_the_work_says() {
    let guarded = live("b", true, WROTE_MARKS);
    for (image, expected) in [("a", Edit::Made), ("b", Edit::None)] {
        let manifest = live(image, false, WROTE_MARKS);
        let seen = Seen {
            live: &guarded,
            manifest: Some(&manifest),
            replica_sets: &[],
            template: None,
        };
        assert_eq!(seen.state(&recorded(&["b"])).edit, expected, "{image}");
    }
}

#[test]
fn another_object_of_that_name_is_no_edit() {
    let mut other = live("b", true, WROTE_MARKS);
    other["metadata"]["uid"] = json!("d2");
    assert_eq!(state(&other, &[], 1, &[]).edit, Edit::None);
}

#[test]
fn somebody_elses_edit_back_to_what_was_is_an_edit_once_karmada_has_written() {
    // The template has `b`, Karmada has written it, and somebody has put `a` back since.
    let back = edited("a", false);
    assert_eq!(state(&back, &[], 1, &["b"]).edit, Edit::Made);
    // It may have been Karmada as long as that has not written what the template says.
    assert_eq!(state(&back, &[], 2, &["b"]).edit, Edit::None);
    let other = edited("c", false);
    assert_eq!(state(&other, &[], 2, &["b"]).edit, Edit::Made);
}

#[test]
fn a_carried_edit_is_recorded_when_the_template_has_it() {
    let template = live("b", false, WROTE_MARKS);
    let carrying = |image| CarryingEdit {
        edit: carried(&template),
        template_digest: spec_digest(&live(image, false, WROTE_MARKS)),
    };
    let mut status = recorded(&[]);
    assert_eq!(unrecorded(&status, Some(&template)), None);
    status.carrying = Some(carrying("b"));
    let found = unrecorded(&status, Some(&template));
    assert_eq!(found, status.carrying.as_ref());
    assert_eq!(unrecorded(&status, None), None);
    status.carrying = Some(carrying("a"));
    assert_eq!(unrecorded(&status, Some(&template)), None);
}
