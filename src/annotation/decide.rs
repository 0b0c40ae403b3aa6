//! The pure rule: from a Deployment and the Promotion of its name to what is to be done.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use promoter_api::marks;
use promoter_domain::{
    opt_in::OptIns,
    verdict::{self, Accepted, Existing, Record, Rejection, Subject, SubjectKind},
};

/// What is to be done about a Deployment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Decision {
    /// Create its Promotion, and the namespace before it where that is missing.
    Create,
    /// It asks for nothing, or what it asks for is in hand or done.
    Nothing,
    /// Ask for its Promotion anew, from this cluster.
    Reopen,
    /// Tell whoever annotated it why nothing happens.
    Warn(Rejection),
}

/// Whether a Deployment asks for anything, or should be told that it asks wrongly.
pub(crate) fn asks(metadata: &ObjectMeta) -> bool {
    metadata.deletion_timestamp.is_none()
        && enabled(metadata).is_some_and(|enabled| enabled != "false")
}

/// Decides about a Deployment of a cluster.
///
/// `federated` says whether a Work of this control plane keeps the Deployment; it counts only where
/// there is no Promotion.
pub(crate) fn decide(
    cluster: &str,
    opt_ins: &OptIns,
    metadata: &ObjectMeta,
    promotion: Option<&Record>,
    federated: bool,
) -> Decision {
    let Some(enabled) = enabled(metadata).filter(|_| asks(metadata)) else {
        return Decision::Nothing;
    };
    if let Err(rejection) = verdict::check_value(enabled) {
        return Decision::Warn(rejection);
    }
    match promotion {
        // Once it is gone, the Deployment is looked at again.
        Some(promotion) if promotion.deleting => return Decision::Nothing,
        // What somebody has asked for in the control plane goes on wherever it is.
        Some(promotion) if !promotion.released && promotion.is_from(cluster) => {
            return Decision::Nothing;
        }
        _ => {}
    }
    let existing = Existing {
        federated: federated && promotion.is_none(),
        promotion,
        // The engine looks for one before it writes anything.
        template: false,
    };
    match verdict::decide(&subject(cluster, metadata), enabled, opt_ins, existing) {
        Ok(Accepted::Begins) => Decision::Create,
        Ok(Accepted::InHand) => Decision::Nothing,
        Ok(Accepted::Reopens) => Decision::Reopen,
        Err(rejection) => Decision::Warn(rejection),
    }
}

/// A Deployment of a cluster, as it is told of.
pub(crate) fn subject<'a>(cluster: &'a str, metadata: &'a ObjectMeta) -> Subject<'a> {
    Subject {
        cluster,
        kind: SubjectKind::Deployment,
        name: metadata.name.as_deref().unwrap_or_default(),
        namespace: metadata.namespace.as_deref().unwrap_or_default(),
    }
}

fn enabled(metadata: &ObjectMeta) -> Option<&str> {
    metadata
        .annotations
        .as_ref()?
        .get(marks::ENABLED)
        .map(String::as_str)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn metadata(namespace: &str, enabled: Option<&str>) -> ObjectMeta {
        ObjectMeta {
            annotations: enabled
                .map(|enabled| [(marks::ENABLED.to_owned(), enabled.to_owned())].into()),
            name: Some("web".to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        }
    }

    fn anywhere() -> OptIns {
        vec!["*=*".parse().unwrap()].into()
    }

    fn record(cluster: &str) -> Record {
        Record {
            clusters: vec![cluster.to_owned()],
            deleting: false,
            released: false,
        }
    }

    #[test]
    fn the_annotation_and_the_promotion_decide() {
        let in_hand = record("member1");
        let elsewhere = record("member2");
        let released = Record {
            released: true,
            ..record("member1")
        };
        let released_elsewhere = Record {
            released: true,
            ..record("member2")
        };
        let going = Record {
            deleting: true,
            ..released.clone()
        };
        let conflict =
            || Decision::Warn(Rejection::ConflictingPromotion(vec!["member2".to_owned()]));
        let invalid = |value: &str| Decision::Warn(Rejection::InvalidValue(value.to_owned()));
        let reserved = || Decision::Warn(Rejection::NamespaceReserved);
        let federated = || Decision::Warn(Rejection::AlreadyFederated);
        let cases = [
            // Nobody asked.
            ("shop", None, None, false, Decision::Nothing),
            ("shop", Some("false"), None, false, Decision::Nothing),
            (
                "shop",
                Some("false"),
                Some(&released),
                false,
                Decision::Nothing,
            ),
            ("kube-system", Some("false"), None, false, Decision::Nothing),
            // Asked wrongly, whatever else there is.
            ("shop", Some("True"), None, false, invalid("True")),
            ("shop", Some(""), None, false, invalid("")),
            ("shop", Some("yes"), Some(&in_hand), true, invalid("yes")),
            // No Promotion.
            ("shop", Some("true"), None, false, Decision::Create),
            ("shop", Some("true"), None, true, federated()),
            ("kube-system", Some("true"), None, false, reserved()),
            ("karmada-es-member1", Some("true"), None, true, reserved()),
            // A Promotion.
            (
                "shop",
                Some("true"),
                Some(&in_hand),
                false,
                Decision::Nothing,
            ),
            (
                "shop",
                Some("true"),
                Some(&in_hand),
                true,
                Decision::Nothing,
            ),
            ("shop", Some("true"), Some(&elsewhere), false, conflict()),
            (
                "shop",
                Some("true"),
                Some(&released),
                false,
                Decision::Reopen,
            ),
            (
                "shop",
                Some("true"),
                Some(&released_elsewhere),
                false,
                Decision::Reopen,
            ),
            ("shop", Some("true"), Some(&going), false, Decision::Nothing),
        ];
        for (namespace, enabled, promotion, federated, decision) in cases {
            let metadata = metadata(namespace, enabled);
            assert_eq!(
                decide("member1", &anywhere(), &metadata, promotion, federated),
                decision,
                "{namespace} {enabled:?} {promotion:?} {federated}"
            );
        }
    }

    #[test]
    fn a_cluster_opts_in_only_where_it_may() {
        let elsewhere = OptIns::from(vec!["member1=pay".parse().unwrap()]);
        let in_hand = record("member1");
        let conflict = record("member2");
        let released = Record {
            released: true,
            ..record("member1")
        };
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
            let metadata = metadata("shop", Some("true"));
            assert_eq!(
                decide("member1", &elsewhere, &metadata, promotion, federated),
                decision,
                "{promotion:?} {federated}"
            );
        }
    }

    #[test]
    fn what_is_being_deleted_asks_for_nothing() {
        for enabled in ["true", "yes"] {
            let metadata = ObjectMeta {
                deletion_timestamp: Some(Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH)),
                ..metadata("shop", Some(enabled))
            };
            assert_eq!(
                decide("member1", &anywhere(), &metadata, None, false),
                Decision::Nothing
            );
        }
    }
}
