//! The pure rule: from a Deployment and the Promotion of its name to what is to be done.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use promoter_api::marks;
use promoter_domain::{opt_in::OptIns, precondition};

use crate::promotions::Record;

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
    Warn(Warning),
}

/// Why an annotation has no effect.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Warning {
    /// Karmada keeps the Deployment already.
    AlreadyFederated,
    /// The workload of that name is promoted from these other clusters.
    ConflictingTemplate(Vec<String>),
    /// The annotation has another value than the two.
    InvalidAnnotation(String),
    /// The cluster may not opt in to the namespace.
    NamespaceNotAllowed,
    /// Karmada never propagates what is in the namespace.
    NamespaceReserved,
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
    if !asks(metadata) {
        return Decision::Nothing;
    }
    if let Some(other) = enabled(metadata).filter(|enabled| *enabled != "true") {
        return Decision::Warn(Warning::InvalidAnnotation(other.to_owned()));
    }
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    match promotion {
        // Once it is gone, the Deployment is looked at again.
        Some(promotion) if promotion.deleting => return Decision::Nothing,
        Some(promotion) if !promotion.released && promotion.is_from(cluster) => {
            return Decision::Nothing;
        }
        _ => {}
    }
    if precondition::is_reserved_namespace(namespace) {
        return Decision::Warn(Warning::NamespaceReserved);
    }
    // Before anything is told of what the control plane has there.
    if !opt_ins.allow(cluster, namespace) {
        return Decision::Warn(Warning::NamespaceNotAllowed);
    }
    match promotion {
        // Released, it belongs to no cluster any more.
        Some(promotion) if promotion.released => Decision::Reopen,
        Some(promotion) => Decision::Warn(Warning::ConflictingTemplate(promotion.clusters.clone())),
        None if federated => Decision::Warn(Warning::AlreadyFederated),
        None => Decision::Create,
    }
}

impl Warning {
    /// The stable word.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::AlreadyFederated => "AlreadyFederated",
            Self::ConflictingTemplate(_) => "ConflictingTemplate",
            Self::InvalidAnnotation(_) => "InvalidAnnotation",
            Self::NamespaceNotAllowed => "NamespaceNotAllowed",
            Self::NamespaceReserved => "NamespaceReserved",
        }
    }

    /// What happened to a Deployment, and what to do.
    pub(crate) fn note(&self, cluster: &str, namespace: &str, name: &str) -> String {
        let key = marks::ENABLED;
        match self {
            Self::AlreadyFederated => format!(
                "Deployment {namespace}/{name} of cluster {cluster} is not promoted: a Work of \
                 the control plane keeps it, so it is federated already; edit it in the control \
                 plane"
            ),
            Self::ConflictingTemplate(clusters) => format!(
                "Deployment {namespace}/{name} of cluster {cluster} is not promoted: a workload \
                 of that name is promoted from {}, see Promotion {namespace}/{name} in the \
                 control plane; rename one of them, or take {key} off",
                clusters.join(", ")
            ),
            // The value comes last: it may be long, and is then what is cut off.
            Self::InvalidAnnotation(value) => format!(
                "Deployment {namespace}/{name} of cluster {cluster} is not promoted: {key} must \
                 be \"true\" to promote it or \"false\" not to, and it is {value:?}"
            ),
            Self::NamespaceNotAllowed => format!(
                "Deployment {namespace}/{name} of cluster {cluster} is not promoted: the cluster \
                 may not opt in to that namespace; have it allowed where the hub runs (--opt-in), \
                 or promote it from the control plane with kubectl promote"
            ),
            Self::NamespaceReserved => format!(
                "Deployment {namespace}/{name} of cluster {cluster} is not promoted: the \
                 namespace is kept for the system, and Karmada never propagates what is in it; \
                 take {key} off"
            ),
        }
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
    use promoter_api::reason::Reason;

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
        let conflict = || Decision::Warn(Warning::ConflictingTemplate(vec!["member2".to_owned()]));
        let invalid = |value: &str| Decision::Warn(Warning::InvalidAnnotation(value.to_owned()));
        let reserved = || Decision::Warn(Warning::NamespaceReserved);
        let federated = || Decision::Warn(Warning::AlreadyFederated);
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
        let not_allowed = || Decision::Warn(Warning::NamespaceNotAllowed);
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

    #[test]
    fn warnings_say_the_stable_word_and_what_to_do() {
        let words = [
            (Warning::AlreadyFederated, Reason::AlreadyFederated),
            (
                Warning::ConflictingTemplate(vec!["member2".to_owned()]),
                Reason::ConflictingTemplate,
            ),
            (Warning::NamespaceNotAllowed, Reason::NamespaceNotAllowed),
            (Warning::NamespaceReserved, Reason::NamespaceReserved),
        ];
        for (warning, reason) in words {
            assert_eq!(warning.reason(), reason.to_string());
            let note = warning.note("member1", "shop", "web");
            assert!(
                note.starts_with("Deployment shop/web of cluster member1 "),
                "{note}"
            );
        }
        let note = Warning::InvalidAnnotation("yes".to_owned()).note("member1", "shop", "web");
        assert!(
            note.contains(r#""true""#) && note.contains(r#""false""#),
            "{note}"
        );
        assert!(note.ends_with(r#""yes""#), "{note}");
    }
}
