use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use promoter_api::promotion::DesiredState;

use super::*;

fn metadata(namespace: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some("web".to_owned()),
        namespace: Some(namespace.to_owned()),
        ..ObjectMeta::default()
    }
}

/// A Deployment that says something already.
fn saying(answer: &Answer) -> ObjectMeta {
    let annotations = answer.annotations().into_iter();
    ObjectMeta {
        annotations: Some(
            annotations
                .map(|(key, value)| (key, value.as_str().unwrap().to_owned()))
                .collect(),
        ),
        ..metadata("shop")
    }
}

fn opt_in(by: OptInBy, value: &str) -> OptIn {
    OptIn {
        by,
        stamp: None,
        value: value.to_owned(),
    }
}

fn answer(phase: &str) -> Answer {
    Answer {
        phase: Some(phase.to_owned()),
        ..Answer::default()
    }
}

fn known(cluster: &str, said: Option<Answer>) -> Known {
    Known {
        answer: said,
        record: Record {
            clusters: vec![cluster.to_owned()],
            deleting: false,
            desired: DesiredState::Promoted,
            released: false,
        },
    }
}

fn released(cluster: &str) -> Known {
    let mut known = known(cluster, Some(answer("Released")));
    known.record.desired = DesiredState::Released;
    known.record.released = true;
    known
}

fn deleting(mut known: Known) -> Known {
    known.record.deleting = true;
    known
}

fn decided(
    metadata: &ObjectMeta,
    opt_in: Option<&OptIn>,
    promotion: Option<&Known>,
    federated: bool,
) -> Decision {
    let deployment = Deployment {
        cluster: "member1",
        metadata,
        opt_in,
    };
    let anywhere: OptIns = vec!["*=*".parse().unwrap()].into();
    decide(deployment, &anywhere, promotion, federated)
}

#[test]
fn the_opt_in_and_the_promotion_decide() {
    let in_hand = known("member1", None);
    let elsewhere = known("member2", None);
    let released_here = released("member1");
    let released_elsewhere = released("member2");
    let going = deleting(released("member1"));
    let conflict = || Decision::Warn(Rejection::ConflictingPromotion(vec!["member2".to_owned()]));
    let invalid = |value: &str| Decision::Warn(Rejection::InvalidValue(value.to_owned()));
    let reserved = || Decision::Warn(Rejection::NamespaceReserved);
    let federated = || Decision::Warn(Rejection::AlreadyFederated);
    let (create, reopen, nothing) = (Decision::Create, Decision::Reopen, Decision::Nothing);
    let cases = [
        // Nobody asked.
        ("shop", None, None, false, nothing.clone()),
        ("shop", Some("false"), None, false, nothing.clone()),
        (
            "shop",
            Some("false"),
            Some(&released_here),
            false,
            nothing.clone(),
        ),
        ("kube-system", Some("false"), None, false, nothing.clone()),
        // Asked wrongly, whatever else there is.
        ("shop", Some("True"), None, false, invalid("True")),
        ("shop", Some(""), None, false, invalid("")),
        ("shop", Some("yes"), Some(&in_hand), true, invalid("yes")),
        // No Promotion.
        ("shop", Some("true"), None, false, create),
        ("shop", Some("true"), None, true, federated()),
        ("kube-system", Some("true"), None, false, reserved()),
        ("karmada-es-member1", Some("true"), None, true, reserved()),
        // A Promotion.
        ("shop", Some("true"), Some(&in_hand), false, nothing.clone()),
        ("shop", Some("true"), Some(&in_hand), true, nothing.clone()),
        ("shop", Some("true"), Some(&elsewhere), false, conflict()),
        ("shop", Some("true"), Some(&elsewhere), true, federated()),
        (
            "shop",
            Some("true"),
            Some(&released_here),
            false,
            reopen.clone(),
        ),
        (
            "shop",
            Some("true"),
            Some(&released_elsewhere),
            false,
            reopen,
        ),
        ("shop", Some("true"), Some(&going), false, nothing),
    ];
    for (namespace, enabled, promotion, federated, decision) in cases {
        let asked = enabled.map(|value| opt_in(OptInBy::Deployment, value));
        assert_eq!(
            decided(&metadata(namespace), asked.as_ref(), promotion, federated),
            decision,
            "{namespace} {enabled:?} {promotion:?} {federated}"
        );
    }
}

#[test]
fn a_namespace_asks_for_nothing_that_is_federated_already() {
    let asked = opt_in(OptInBy::Namespace, "true");
    let elsewhere = known("member2", None);
    let conflict = Decision::Warn(Rejection::ConflictingPromotion(vec!["member2".to_owned()]));
    for (promotion, federated, decision) in [
        (None, false, Decision::Create),
        (None, true, Decision::Nothing),
        (Some(&elsewhere), true, Decision::Nothing),
        (Some(&elsewhere), false, conflict),
    ] {
        assert_eq!(
            decided(&metadata("shop"), Some(&asked), promotion, federated),
            decision,
            "{promotion:?} {federated}"
        );
    }
}

#[test]
fn a_cluster_opts_in_only_where_it_may() {
    let elsewhere = OptIns::from(vec!["member1=pay".parse().unwrap()]);
    let in_hand = known("member1", None);
    let conflict = known("member2", None);
    let released = released("member1");
    let not_allowed = || Decision::Warn(Rejection::NamespaceNotAllowed);
    for (promotion, federated, decision) in [
        (None, false, not_allowed()),
        // Nothing is told of what is there.
        (None, true, not_allowed()),
        (Some(&conflict), false, not_allowed()),
        (Some(&released), false, not_allowed()),
        // What somebody else has asked for in the control plane goes on.
        (Some(&in_hand), false, Decision::Nothing),
    ] {
        let metadata = metadata("shop");
        let asked = opt_in(OptInBy::Deployment, "true");
        let deployment = Deployment {
            cluster: "member1",
            metadata: &metadata,
            opt_in: Some(&asked),
        };
        assert_eq!(
            decide(deployment, &elsewhere, promotion, federated),
            decision,
            "{promotion:?} {federated}"
        );
    }
}

#[test]
fn what_is_being_deleted_asks_for_nothing() {
    for value in ["true", "yes"] {
        let asked = opt_in(OptInBy::Deployment, value);
        let metadata = ObjectMeta {
            deletion_timestamp: Some(Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH)),
            ..metadata("shop")
        };
        assert_eq!(
            decided(&metadata, Some(&asked), None, false),
            Decision::Nothing
        );
    }
}

#[test]
fn what_asks_says_what_its_promotion_says() {
    let asked = opt_in(OptInBy::Deployment, "true");
    let waiting = known("member1", Some(answer("Waiting")));
    let under_way = known("member1", None);
    let pending = saying(&Answer::pending());
    let said = |metadata: &ObjectMeta, promotion: &Known| {
        decided(metadata, Some(&asked), Some(promotion), false)
    };
    assert_eq!(
        said(&pending, &waiting),
        Decision::Answer(answer("Waiting"))
    );
    assert_eq!(
        said(&saying(&answer("Waiting")), &waiting),
        Decision::Nothing
    );
    assert_eq!(said(&pending, &under_way), Decision::Nothing);
    assert_eq!(said(&pending, &deleting(waiting)), Decision::Nothing);
}

#[test]
fn what_no_longer_asks_says_nothing_unless_it_is_promoted() {
    let refused = saying(&Answer::refused("RequesterUnknown", "why"));
    let promoted = saying(&answer("Promoted"));
    let off = opt_in(OptInBy::Deployment, "false");
    let gone = || Decision::Answer(Answer::default());
    for asked in [None, Some(&off)] {
        let said = |metadata: &ObjectMeta, promotion: Option<&Known>| {
            decided(metadata, asked, promotion, false)
        };
        assert_eq!(said(&refused, None), gone());
        assert_eq!(said(&promoted, None), gone());
        assert_eq!(said(&promoted, Some(&released("member1"))), gone());
        assert_eq!(
            said(&promoted, Some(&known("member2", Some(answer("Promoted"))))),
            gone()
        );
        let failed = known("member1", Some(answer("Failed")));
        assert_eq!(said(&promoted, Some(&failed)), gone());
        let kept = known("member1", Some(answer("Promoted")));
        assert_eq!(said(&promoted, Some(&kept)), Decision::Nothing);
        assert_eq!(
            said(&refused, Some(&kept)),
            Decision::Answer(answer("Promoted"))
        );
        assert_eq!(said(&metadata("shop"), Some(&kept)), Decision::Nothing);
        assert_eq!(
            said(&promoted, Some(&known("member1", None))),
            Decision::Nothing
        );
        assert_eq!(said(&promoted, Some(&deleting(kept))), Decision::Nothing);
    }
}
