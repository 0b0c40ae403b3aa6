//! Who opted in: a stamp, where the member's admission pins stamps.

use promoter_api::{
    marks::{ENABLED, OPT_IN_POLICY},
    promotion::Requester,
};
use promoter_domain::{stamp, verdict::Subject};
use promoter_installation::member::opt_in;
use promoter_kubernetes::{
    identity,
    members::Member,
    objects::{self, Objects},
    resource::Resource,
};

use crate::opt_in::{OptIn, OptInBy};

/// What becomes of an opt-in of which nobody can say who asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unstamped {
    /// It is promoted, for an unknown user of its member.
    Adopt,
    /// It is held until somebody opts in anew.
    Hold,
}

/// The name for those whom nothing has stamped, which no user has.
const ANYBODY: &str = "unknown (--adopt-unstamped)";

/// Why nobody can say who asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Unknown {
    /// Nothing in the member pins stamps.
    NotInstalled {
        by: OptInBy,
        /// What there is instead.
        problem: String,
    },
    /// It bears no stamp of the member's admission.
    Unstamped(OptInBy),
}

/// Finds out who opted in.
///
/// Whether stamps can be believed is read each time: while the policy is away, or another one, a
/// member's users can write what they like.
pub(crate) async fn requester(
    member: &Member,
    opt_in: &OptIn,
    unstamped: Unstamped,
) -> Result<Result<Requester, Unknown>, objects::Error> {
    let user = |username: &str| Requester {
        cluster: Some(member.name.clone()),
        username: username.to_owned(),
        ..Requester::default()
    };
    let unknown = match (installation(&member.objects).await?, &opt_in.stamp) {
        (Ok(installation), Some(stamp)) => match installation.requester(stamp) {
            Some(username) => return Ok(Ok(user(username))),
            None => Unknown::Unstamped(opt_in.by),
        },
        (Ok(_), None) => Unknown::Unstamped(opt_in.by),
        (Err(problem), _) => Unknown::NotInstalled {
            by: opt_in.by,
            problem,
        },
    };
    Ok(match unstamped {
        Unstamped::Adopt => Ok(user(ANYBODY)),
        Unstamped::Hold => Err(unknown),
    })
}

/// What pins stamps in a member.
struct Installation {
    /// The user as whom Karmada, and with it the hub, writes there.
    karmada_user: String,
    name: String,
}

impl Installation {
    /// Whoever a stamp names. Karmada is nobody who asks: what it is stamped for comes from a
    /// template.
    fn requester<'a>(&self, stamp: &'a str) -> Option<&'a str> {
        stamp::requester(stamp, &self.name).filter(|username| *username != self.karmada_user)
    }
}

/// What pins stamps in a member, or what there is instead.
async fn installation(member: &Objects) -> Result<Result<Installation, String>, objects::Error> {
    let read = async {
        let (policy, binding) = futures::future::try_join(
            member.get(Resource::VALIDATING_ADMISSION_POLICY, None, OPT_IN_POLICY),
            member.get(
                Resource::VALIDATING_ADMISSION_POLICY_BINDING,
                None,
                OPT_IN_POLICY,
            ),
        )
        .await?;
        let karmada_user = match (&policy, &binding) {
            (Some(_), Some(_)) => identity::user(member).await?,
            _ => String::new(),
        };
        let checked = opt_in::check(policy.as_ref(), binding.as_ref(), &karmada_user);
        Ok::<_, objects::Error>(checked.map(|name| Installation { karmada_user, name }))
    };
    match read.await {
        Ok(checked) => Ok(checked.map_err(|problem| problem.to_string())),
        // Whether it is there cannot be told then (an old API server knows no policies), and no
        // stamp is believed.
        Err(error) if error.is_refusal() || error.is_not_found() => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

impl Unknown {
    /// The stable word.
    pub(crate) const REASON: &str = "RequesterUnknown";

    /// What happened, and what to do.
    pub(crate) fn message(&self, subject: &Subject<'_>) -> String {
        match self {
            Self::Unstamped(by) => format!(
                "{subject} is not promoted yet: nobody can say who asked for it, because nothing \
                 recorded it then; {}",
                again(*by, subject.namespace)
            ),
            Self::NotInstalled { by, problem } => format!(
                "{subject} is not promoted yet: nobody can say who asked for it, because nothing \
                 in the cluster records it ({problem}); have its administrator run `kubectl \
                 promote member enable {}`, then {}",
                subject.cluster,
                again(*by, subject.namespace)
            ),
        }
    }
}

fn again(by: OptInBy, namespace: &str) -> String {
    match by {
        OptInBy::Deployment => format!("take the annotation {ENABLED} off and set it again"),
        OptInBy::Namespace => {
            format!("take the label {ENABLED} off Namespace {namespace} and set it again")
        }
    }
}

#[cfg(test)]
mod tests {
    use promoter_api::reason::Reason;
    use promoter_domain::verdict::SubjectKind;

    use super::*;

    #[test]
    fn karmada_is_nobody_who_asks() {
        let installation = Installation {
            karmada_user: "system:serviceaccount:karmada-cluster:karmada-member1".to_owned(),
            name: "0a1b2c3d".to_owned(),
        };
        assert_eq!(installation.requester("0a1b2c3d:alice"), Some("alice"));
        let karmada = format!("0a1b2c3d:{}", installation.karmada_user);
        assert_eq!(installation.requester(&karmada), None);
        assert_eq!(installation.requester("99999999:alice"), None);
    }

    #[test]
    fn what_is_held_says_how_it_goes_on() {
        let subject = Subject {
            cluster: "member1",
            kind: SubjectKind::Deployment,
            name: "web",
            namespace: "shop",
        };
        assert_eq!(Unknown::REASON, Reason::RequesterUnknown.to_string());
        let message = Unknown::Unstamped(OptInBy::Deployment).message(&subject);
        assert_eq!(
            message,
            "Deployment shop/web of cluster member1 is not promoted yet: nobody can say who asked \
             for it, because nothing recorded it then; take the annotation \
             promote.karmada.io/enabled off and set it again"
        );
        let unknown = Unknown::NotInstalled {
            by: OptInBy::Namespace,
            problem: "it is not installed".to_owned(),
        };
        let message = unknown.message(&subject);
        for words in [
            "it is not installed",
            "`kubectl promote member enable member1`",
            "off Namespace shop and set it again",
        ] {
            assert!(message.contains(words), "{message}");
        }
    }
}
