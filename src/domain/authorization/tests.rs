//! What is asked about, and what is said.

use promoter_api::promotion::DependencyKind;

use super::*;

fn requester(cluster: Option<&str>) -> Requester {
    Requester {
        cluster: cluster.map(str::to_owned),
        username: "alice".to_owned(),
        ..Requester::default()
    }
}

fn anywhere() -> OptIns {
    vec!["*=*".parse().unwrap()].into()
}

/// Accesses as they are told.
fn told(accesses: &[Access]) -> Vec<String> {
    accesses.iter().map(ToString::to_string).collect()
}

fn with<T>(
    purpose: Purpose,
    requester: Option<&Requester>,
    look: impl FnOnce(Asked<'_>) -> T,
) -> T {
    look(Asked {
        cluster: "member1",
        namespace: "shop",
        purpose,
        requester,
        workload: &ObjectKey::deployment("web"),
    })
}

#[test]
fn each_purpose_takes_what_it_does_and_what_it_tells() {
    let keys = [
        ObjectKey::dependency(DependencyKind::Secret, "a"),
        ObjectKey::dependency(DependencyKind::Secret, "b"),
    ];
    let all = |purpose| {
        with(purpose, None, |asked| {
            let mut accesses = asked.workload_accesses();
            accesses.extend(asked.dependency_accesses(&keys));
            told(&accesses)
        })
    };
    let member = " in namespace shop of cluster member1";
    let control_plane = " in namespace shop of the control plane";
    let expected = |words: &[(&str, &str)]| -> Vec<String> {
        words
            .iter()
            .map(|(what, place)| format!("{what}{place}"))
            .collect()
    };
    assert_eq!(
        all(Purpose::Promote),
        expected(&[
            ("promote deployments.apps/web", member),
            ("get deployments.apps/web", member),
            ("create deployments.apps", control_plane),
            (
                "create propagationpolicies.policy.karmada.io",
                control_plane
            ),
            ("get secrets/a", member),
            ("get secrets/a", control_plane),
            ("create secrets", control_plane),
            ("get secrets/b", member),
            ("get secrets/b", control_plane),
        ])
    );
    assert_eq!(
        all(Purpose::Observe),
        expected(&[
            ("promote deployments.apps/web", member),
            ("get deployments.apps/web", member),
            ("get deployments.apps/web", control_plane),
            ("get secrets/a", member),
            ("get secrets/a", control_plane),
            ("get secrets/b", member),
            ("get secrets/b", control_plane),
        ])
    );
    assert_eq!(
        all(Purpose::Release),
        expected(&[
            ("promote deployments.apps/web", member),
            ("get deployments.apps/web", member),
            ("delete deployments.apps/web", control_plane),
            ("delete secrets/a", control_plane),
            ("delete secrets/b", control_plane),
        ])
    );
    assert_eq!(
        all(Purpose::Change),
        expected(&[(
            "update propagationpolicies.policy.karmada.io/deployment.web",
            control_plane
        )])
    );
}

#[test]
fn a_denial_names_the_user_the_permission_and_the_place() {
    let alice = requester(None);
    let outcome = with(Purpose::Promote, Some(&alice), |asked| {
        let accesses = asked.workload_accesses();
        asked.denied(&alice, &accesses[0])
    });
    assert_eq!(outcome.reason, Reason::NotAuthorized);
    assert_eq!(
        outcome.message,
        "user alice may not promote deployments.apps/web in namespace shop of cluster member1, \
         and promoting Deployment/web of cluster member1 takes that; have it allowed there, and ask again"
    );
}

#[test]
fn nobody_is_unknown() {
    let nameless = Requester::default();
    for requester in [None, Some(&nameless)] {
        let outcome = with(Purpose::Promote, requester, |asked| {
            asked.authority(&anywhere()).unwrap_err()
        });
        assert_eq!(outcome.reason, Reason::RequesterUnknown);
    }
}

#[test]
fn a_user_of_the_control_plane_is_asked_about_wherever_it_is() {
    let alice = requester(None);
    let nowhere = OptIns::from(Vec::new());
    for purpose in [Purpose::Promote, Purpose::Release, Purpose::Change] {
        with(purpose, Some(&alice), |asked| {
            assert_eq!(asked.authority(&nowhere), Ok(Authority::ApiServers(&alice)));
        });
    }
}

#[test]
fn a_members_user_counts_there_and_where_that_is_allowed() {
    let decided = |home: &str, purpose, opt_ins: &OptIns| {
        let user = requester(Some(home));
        with(purpose, Some(&user), |asked| {
            asked
                .authority(opt_ins)
                .map(|authority| matches!(authority, Authority::Member(_)))
                .map_err(|outcome| outcome.reason)
        })
    };
    let promote = Purpose::Promote;
    let elsewhere = OptIns::from(vec!["member1=pay".parse().unwrap()]);
    assert_eq!(decided("member1", promote, &anywhere()), Ok(true));
    let denied = Err(Reason::NotAuthorized);
    assert_eq!(decided("member2", promote, &anywhere()), denied);
    for purpose in [Purpose::Release, Purpose::Change, Purpose::Observe] {
        assert_eq!(decided("member1", purpose, &anywhere()), denied);
    }
    let not_allowed = Err(Reason::NamespaceNotAllowed);
    assert_eq!(decided("member1", promote, &elsewhere), not_allowed);
}

#[test]
fn whose_word_was_taken_is_said() {
    let (alice, guest) = (requester(None), requester(Some("member1")));
    for (authority, said) in [
        (Authority::ApiServers(&alice), "user alice may have it"),
        (
            Authority::Member(&guest),
            "user alice of cluster member1 opted in there",
        ),
    ] {
        assert_eq!(authority.approval(), said);
    }
}
