use promoter_api::reason::Reason;
use serde_json::json;

use super::*;

fn web(cluster: &'static str, namespace: &'static str) -> Subject<'static> {
    Subject {
        cluster,
        kind: SubjectKind::Deployment,
        name: "web",
        namespace,
    }
}

fn opt_ins(setting: &str) -> OptIns {
    vec![setting.parse().unwrap()].into()
}

fn record(cluster: &str) -> Record {
    Record {
        clusters: vec![cluster.to_owned()],
        deleting: false,
        desired: DesiredState::Promoted,
        released: false,
    }
}

fn decided(
    promotion: Option<&Record>,
    federated: bool,
    template: bool,
) -> Result<Accepted, Rejection> {
    let existing = Existing {
        federated,
        promotion,
        template,
    };
    decide(&web("member1", "shop"), "true", &opt_ins("*=*"), existing)
}

#[test]
fn what_the_control_plane_has_decides() {
    let (here, elsewhere) = (record("member1"), record("member2"));
    let rehearsed = Record {
        desired: DesiredState::Rehearsed,
        ..record("member1")
    };
    let released = Record {
        desired: DesiredState::Released,
        released: true,
        ..record("member2")
    };
    let deleting = Record {
        deleting: true,
        ..record("member2")
    };
    let conflict = || Err(Rejection::ConflictingPromotion(vec!["member2".to_owned()]));
    let federated = || Err(Rejection::AlreadyFederated);
    let in_hand = |desired| Ok(Accepted::InHand(desired));
    let template = || Err(Rejection::ConflictingTemplate);
    for (promotion, work, of_its_own, expected) in [
        (None, false, false, Ok(Accepted::Begins)),
        (None, true, true, federated()),
        (None, true, false, federated()),
        (None, false, true, template()),
        // Staged, committed or promoted: the promotion itself explains what there is.
        (Some(&here), false, false, in_hand(DesiredState::Promoted)),
        (Some(&here), true, true, in_hand(DesiredState::Promoted)),
        (
            Some(&rehearsed),
            false,
            false,
            in_hand(DesiredState::Rehearsed),
        ),
        (Some(&elsewhere), false, true, conflict()),
        (Some(&elsewhere), false, false, conflict()),
        // Its placement has reached this cluster.
        (Some(&elsewhere), true, true, federated()),
        (Some(&released), false, false, Ok(Accepted::Reopens)),
        // The end of the Work is not heard of yet.
        (Some(&released), true, false, Ok(Accepted::Reopens)),
        // Somebody federated it anew, by other means.
        (Some(&released), true, true, federated()),
        (Some(&released), false, true, template()),
        (Some(&deleting), true, true, Ok(Accepted::Begins)),
    ] {
        assert_eq!(
            decided(promotion, work, of_its_own),
            expected,
            "{promotion:?} {work} {of_its_own}"
        );
    }
}

#[test]
fn the_value_and_the_namespace_come_before_what_there_is() {
    let existing = Existing {
        federated: true,
        promotion: None,
        template: true,
    };
    let shop = opt_ins("member1=shop");
    for (subject, value, expected) in [
        (
            web("member1", "kube-system"),
            "yes",
            Rejection::InvalidValue("yes".to_owned()),
        ),
        (
            web("member1", "kube-system"),
            "true",
            Rejection::NamespaceReserved,
        ),
        (
            web("member1", "pay"),
            "true",
            Rejection::NamespaceNotAllowed,
        ),
        (
            web("member2", "shop"),
            "true",
            Rejection::NamespaceNotAllowed,
        ),
        (web("member1", "shop"), "true", Rejection::AlreadyFederated),
    ] {
        let told = decide(&subject, value, &shop, existing);
        assert_eq!(told, Err(expected), "{subject} {value}");
    }
}

#[test]
fn only_true_and_false_are_values() {
    assert_eq!(check_value("true"), Ok(()));
    assert_eq!(check_value("false"), Ok(()));
    for value in ["", "True", "1", "true ", "\u{202e}eurt"] {
        let invalid = Err(Rejection::InvalidValue(value.to_owned()));
        assert_eq!(check_value(value), invalid);
    }
}

#[test]
fn rejections_have_the_stable_word_and_say_what_to_do() {
    for (rejection, reason, remedy) in [
        (
            Rejection::AlreadyFederated,
            Reason::AlreadyFederated,
            "edit it in the control plane",
        ),
        (
            Rejection::ConflictingPromotion(vec!["member2".to_owned()]),
            Reason::ConflictingTemplate,
            "rename one of them",
        ),
        (
            Rejection::ConflictingTemplate,
            Reason::ConflictingTemplate,
            "rename one of them",
        ),
        (
            Rejection::NamespaceNotAllowed,
            Reason::NamespaceNotAllowed,
            "--opt-in",
        ),
        (
            Rejection::NamespaceReserved,
            Reason::NamespaceReserved,
            "take promote.karmada.io/enabled off",
        ),
    ] {
        assert_eq!(rejection.reason(), reason.to_string());
        let message = rejection.message(&web("member1", "shop"));
        assert!(
            message.starts_with("Deployment shop/web of cluster member1 is not promoted: "),
            "{message}"
        );
        assert!(message.contains(remedy), "{message}");
    }
    let message = Rejection::InvalidValue("yes".to_owned()).message(&web("member1", "shop"));
    assert!(
        message.contains(r#""true""#) && message.contains(r#""false""#),
        "{message}"
    );
    assert!(message.ends_with(r#""yes""#), "{message}");
}

#[test]
fn a_subject_without_a_name_is_told_of_by_its_place() {
    let mut subject = web("member1", "shop");
    subject.name = "";
    assert_eq!(
        subject.to_string(),
        "the new Deployment in namespace shop of cluster member1"
    );
    subject.kind = SubjectKind::Namespace;
    assert_eq!(subject.to_string(), "Namespace shop of cluster member1");
}

#[test]
fn only_what_is_released_and_wanted_so_is_released() {
    for (desired, phase, released) in [
        ("Released", "Released", true),
        ("Released", "Releasing", false),
        ("Released", "Promoted", false),
        ("Promoted", "Released", false),
        ("Released", "ThoughtOfLater", false),
    ] {
        let record = Record::read(&json!({
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"clusters": ["member1"], "desiredState": desired},
            "status": {"phase": phase},
        }));
        assert_eq!(record.released, released, "{desired} {phase}");
        assert_eq!(record.clusters, ["member1"]);
        assert!(record.is_from("member1") && !record.is_from("member2"));
    }
    let record = Record::read(&json!({
        "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"clusters": ["member1"]},
    }));
    assert!(record.deleting && !record.released);
}
