//! `kubectl promote member enable|disable`: the promoter's part of a member, with the caller's
//! rights there.

mod probe;

use anyhow::{Context as _, anyhow, bail};
use promoter_api::marks::{CA_BUNDLE_POLICY, GUARD_POLICY, OPT_IN_POLICY};
use promoter_installation::{
    member::{self as parts, Admission, Calls, FailurePolicy, guard, opt_in},
    webhook::{Address, Webhook},
};
use promoter_kubernetes::{
    identity,
    members::{self, Members},
    objects::{self, Objects},
    resource::Resource,
};
use serde_json::{Value, json};

use crate::{
    arguments::{EnableMember, Member, MemberCluster, Part},
    connection::Connection,
    display::{complain, print},
    exit::Exit,
    failure::Failure,
    install, manifest,
};

/// Installs the promoter's part of a member, prints it or removes it.
pub(crate) async fn run(connection: &Connection, action: &Member) -> anyhow::Result<Exit> {
    let (member, done) = match action {
        Member::Enable(arguments) => {
            let user = karmada_user_of(connection, arguments).await?;
            let done = match arguments.output {
                Some(format) => {
                    let installation = printed_installation(connection, arguments, &user).await?;
                    let wanted = wanted(arguments, user, installation)?;
                    print(&manifest::documents(&wanted.objects(), format)?);
                    Ok(())
                }
                None => enable(connection, arguments, user).await,
            };
            (&arguments.member, done)
        }
        Member::Disable { member } => (member, disable(connection, member).await),
    };
    Ok(match done {
        Ok(()) => Exit::Done,
        Err(failure) => {
            complain(&failure.text(&format!("cluster {}", member.cluster)));
            failure.exit()
        }
    })
}

/// Everything that can be installed. What it says does not matter, only which objects it is.
pub(crate) fn everything() -> parts::Member {
    parts::Member {
        admission: Some(Admission {
            installation: String::new(),
            webhook: Some(Calls {
                cluster: String::new(),
                mutating: FailurePolicy::Ignore,
                validating: FailurePolicy::Ignore,
                webhook: Webhook {
                    address: Address::Url(String::new()),
                    authorities: None,
                },
            }),
        }),
        guard: true,
        karmada_user: String::new(),
    }
}

async fn enable(
    connection: &Connection,
    arguments: &EnableMember,
    user: String,
) -> Result<(), Failure> {
    let member = &arguments.member;
    let reached = reach(connection, member).await?;
    not_by_helm(&reached, member).await?;
    let unable = |error| unable(error, &member.cluster, "install");
    let installation = match installation(&reached, &user).await {
        Ok(Some(found)) => found,
        Ok(None) => new_installation()?,
        Err(error) => return Err(unable(error.into()).into()),
    };
    let wanted = wanted(arguments, user, installation)?;
    let objects = wanted.objects();
    let surplus = install::surplus(everything().objects(), &objects);
    install::remove(&reached, &surplus).await.map_err(unable)?;
    install::apply(&reached, &objects).await.map_err(unable)?;
    check(&reached, &wanted, &member.cluster).await?;
    probe::tell(&reached, &wanted, &member.cluster).await?;
    Ok(())
}

/// Removes it in the order of its installation reversed: first the webhook, which may refuse
/// something while it is away.
async fn disable(connection: &Connection, member: &MemberCluster) -> Result<(), Failure> {
    let reached = reach(connection, member).await?;
    let cluster = &member.cluster;
    let mut objects = only_by_chart().to_vec();
    objects.extend(everything().objects());
    objects.reverse();
    let removed = install::remove(&reached, &objects)
        .await
        .map_err(|error| unable(error, cluster, "remove"))?;
    if removed.is_empty() {
        print(&format!(
            "cluster {cluster} has nothing of the promoter's\n"
        ));
    }
    if removed.iter().any(install::is_by_helm) {
        complain(
            "Helm has installed that: `helm uninstall` there takes away what else the release has, \
             such as the webhook itself and its rights\n",
        );
    }
    Ok(())
}

/// What only the chart installs, as far as it takes to find it. Without the webhook's configurations,
/// it says nothing about anything.
fn only_by_chart() -> [Value; 2] {
    [
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ]
    .map(|kind| json!({"kind": kind, "metadata": {"name": CA_BUNDLE_POLICY}}))
}

/// What the flags ask for.
fn wanted(
    arguments: &EnableMember,
    karmada_user: String,
    installation: String,
) -> anyhow::Result<parts::Member> {
    let flags = &arguments.webhook;
    let address = match (&flags.webhook_url, &flags.webhook_service) {
        (Some(url), _) => Some(Address::Url(url.clone())),
        (None, service) => service.as_ref().map(|service| service.0.clone()),
    };
    let admits = arguments.parts.contains(&Part::Admission);
    if address.is_some() && !admits {
        bail!("the webhook belongs to the admission: name it among the --parts");
    }
    let authorities = flags.ca_file.as_deref().map(install::authorities);
    let authorities = authorities.transpose()?;
    let webhook = address.map(|address| Calls {
        cluster: arguments.member.cluster.clone(),
        mutating: flags.mutating_failure_policy.into(),
        validating: flags.validating_failure_policy.into(),
        webhook: Webhook {
            address,
            authorities,
        },
    });
    Ok(parts::Member {
        admission: admits.then_some(Admission {
            installation,
            webhook,
        }),
        guard: arguments.parts.contains(&Part::Guard),
        karmada_user,
    })
}

/// The name of the installation to print: the one that is there, as far as it can be seen.
async fn printed_installation(
    connection: &Connection,
    arguments: &EnableMember,
    karmada_user: &str,
) -> anyhow::Result<String> {
    let found = match reach(connection, &arguments.member).await {
        Ok(reached) => installation(&reached, karmada_user)
            .await
            .map_err(Failure::from),
        Err(failure) => Err(failure),
    };
    match found {
        Ok(Some(found)) => Ok(found),
        Ok(None) => new_installation(),
        Err(failure) => {
            let cluster = format!("cluster {}", arguments.member.cluster);
            complain(&failure.text(&cluster));
            complain(
                "warning: an installation is printed that is new; if there is one in the cluster \
                 already, those who have opted in under that have to do so again\n",
            );
            new_installation()
        }
    }
}

/// The name of the installation that a member has, where its stamps can be trusted.
async fn installation(
    reached: &Objects,
    karmada_user: &str,
) -> Result<Option<String>, objects::Error> {
    let (policy, binding) = policy(reached, OPT_IN_POLICY).await?;
    Ok(opt_in::check(policy.as_ref(), binding.as_ref(), karmada_user).ok())
}

async fn policy(
    reached: &Objects,
    name: &str,
) -> Result<(Option<Value>, Option<Value>), objects::Error> {
    let policy = Resource::VALIDATING_ADMISSION_POLICY;
    let binding = Resource::VALIDATING_ADMISSION_POLICY_BINDING;
    Ok((
        reached.get(policy, None, name).await?,
        reached.get(binding, None, name).await?,
    ))
}

/// Nobody can have known it before.
fn new_installation() -> anyhow::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).context("this machine gives no random numbers")?;
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)))
}

/// What Helm has installed it would put back, or take away.
async fn not_by_helm(reached: &Objects, member: &MemberCluster) -> Result<(), Failure> {
    let cluster = &member.cluster;
    for object in everything().objects() {
        let found = install::find(reached, &object)
            .await
            .map_err(|error| unable(error, cluster, "install"))?;
        let Some(found) = found else { continue };
        if install::is_by_helm(&found) {
            return Err(anyhow!(
                "it was installed by Helm, as its {}: change it by `helm upgrade` there, or take \
                 that away first by `helm uninstall` or `kubectl promote member disable {cluster}`",
                install::said(&object)
            )
            .into());
        }
    }
    Ok(())
}

/// Whether the policies are as they were applied: somebody else may have set more of them.
async fn check(reached: &Objects, wanted: &parts::Member, cluster: &str) -> Result<(), Failure> {
    let user = &wanted.karmada_user;
    let mut checked = Ok(());
    if wanted.guard {
        let (policy, binding) = policy(reached, GUARD_POLICY).await?;
        checked = guard::check(policy.as_ref(), binding.as_ref(), user);
    }
    if checked.is_ok() && wanted.admission.is_some() {
        let (policy, binding) = policy(reached, OPT_IN_POLICY).await?;
        checked = opt_in::check(policy.as_ref(), binding.as_ref(), user).map(drop);
    }
    checked.map_err(|problem| {
        let error = anyhow!(
            "{problem}, because somebody else has set other fields of it; remove it with `kubectl \
             promote member disable {cluster}` and enable it again"
        );
        error.into()
    })
}

async fn reach(connection: &Connection, member: &MemberCluster) -> Result<Objects, Failure> {
    match &member.member_kubeconfig {
        Some(kubeconfig) => {
            let context = member.member_context.as_deref();
            let direct = Connection::direct(kubeconfig, context, &member.cluster);
            Ok(direct.await.context("--member-kubeconfig cannot be used")?)
        }
        None => connection.member(&member.cluster).await,
    }
}

/// The user as whom Karmada writes to the member.
///
/// The member itself tells, when it is asked with the credentials that Karmada has for it. Who may
/// not read those gets the name that Karmada gives by default.
async fn karmada_user_of(
    connection: &Connection,
    arguments: &EnableMember,
) -> anyhow::Result<String> {
    if let Some(user) = &arguments.karmada_user {
        return Ok(user.clone());
    }
    let cluster = &arguments.member.cluster;
    let members = Members::new(connection.control_plane.clone());
    let problem = match members.get(cluster).await {
        Ok(member) => match identity::user(&member.objects).await {
            Ok(user) => return Ok(user),
            Err(error) => error.to_string(),
        },
        Err(members::Error::Objects(error)) if error.is_forbidden() => error.to_string(),
        Err(error @ members::Error::NoEndpoint { .. }) => {
            bail!("{error}; name the user as whom Karmada's agent writes there by --karmada-user")
        }
        Err(error) => return Err(error.into()),
    };
    let user = parts::default_karmada_user(cluster);
    complain(&format!(
        "warning: cluster {cluster} could not be asked as whom Karmada writes there ({problem}); \
         {user} is taken for it, as `karmadactl join` has it; --karmada-user names another\n"
    ));
    Ok(user)
}

/// What lacks, where the caller may not.
fn unable(error: anyhow::Error, cluster: &str, verb: &str) -> anyhow::Error {
    let Some(answered) = error.downcast_ref::<objects::Error>() else {
        return error;
    };
    if answered.is_forbidden() {
        anyhow!(
            "{error}; an administrator of cluster {cluster} can {verb} it: `kubectl promote member \
             enable {cluster} -o yaml` prints it"
        )
    } else if answered.is_not_found() {
        anyhow!("{error}; this needs Kubernetes 1.30 or newer in cluster {cluster}")
    } else {
        error
    }
}
