//! `kubectl promote member enable|disable`: the guard in a member, with the caller's rights there.

use anyhow::{Context as _, anyhow, bail};
use promoter_api::marks::GUARD_POLICY;
use promoter_installation::member::{self as installed, guard};
use promoter_kubernetes::{
    identity,
    members::{self, Members},
    objects::Objects,
    resource::Resource,
};
use serde_json::Value;

use crate::{
    arguments::{Member, MemberCluster},
    connection::Connection,
    display::{complain, print},
    exit::Exit,
    failure::Failure,
    manifest,
};

/// The kinds of the guard's objects, in the order in which they are installed.
const RESOURCES: [(Resource, &str); 2] = [
    (
        Resource::VALIDATING_ADMISSION_POLICY,
        "validatingadmissionpolicy.admissionregistration.k8s.io",
    ),
    (
        Resource::VALIDATING_ADMISSION_POLICY_BINDING,
        "validatingadmissionpolicybinding.admissionregistration.k8s.io",
    ),
];

/// Installs the guard, prints it or removes it.
pub(crate) async fn run(connection: &Connection, action: &Member) -> anyhow::Result<Exit> {
    let (member, done) = match action {
        Member::Enable {
            member,
            karmada_user,
            output,
        } => {
            let user = karmada_user.as_deref();
            let user = karmada_user_of(connection, &member.cluster, user).await?;
            let objects = installed::Member {
                admission: None,
                guard: true,
                karmada_user: user.clone(),
            }
            .objects();
            if let Some(format) = output {
                print(&manifest::documents(&objects, *format)?);
                return Ok(Exit::Done);
            }
            (member, enable(connection, member, &objects, &user).await)
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

async fn enable(
    connection: &Connection,
    member: &MemberCluster,
    objects: &[Value],
    user: &str,
) -> Result<(), Failure> {
    let reached = reach(connection, member).await?;
    for ((resource, kind), object) in RESOURCES.into_iter().zip(objects) {
        reached
            .apply(resource, None, GUARD_POLICY, object)
            .await
            .map_err(|error| unable(&error, member, "install"))?;
        print(&format!("{kind}/{GUARD_POLICY} serverside-applied\n"));
    }
    let policy = reached.get(RESOURCES[0].0, None, GUARD_POLICY).await?;
    let binding = reached.get(RESOURCES[1].0, None, GUARD_POLICY).await?;
    if let Err(problem) = guard::check(policy.as_ref(), binding.as_ref(), user) {
        let cluster = &member.cluster;
        let error = anyhow!(
            "{problem}, because somebody else has set other fields of it; remove it with `kubectl \
             promote member disable {cluster}` and enable it again"
        );
        return Err(error.into());
    }
    print(&format!(
        "cluster {} is guarded against writes of {user} that would undo an edit\n",
        member.cluster
    ));
    Ok(())
}

/// Removes the binding first: without its policy, it would be one that leads nowhere.
async fn disable(connection: &Connection, member: &MemberCluster) -> Result<(), Failure> {
    let reached = reach(connection, member).await?;
    let mut found = false;
    for (resource, kind) in RESOURCES.into_iter().rev() {
        let object = reached.get(resource, None, GUARD_POLICY).await;
        let object = object.map_err(|error| unable(&error, member, "remove"))?;
        let uid = object
            .as_ref()
            .and_then(|object| object["metadata"]["uid"].as_str());
        let Some(uid) = uid else { continue };
        found = true;
        reached
            .delete(resource, None, GUARD_POLICY, uid)
            .await
            .map_err(|error| unable(&error, member, "remove"))?;
        print(&format!("{kind}/{GUARD_POLICY} deleted\n"));
    }
    if !found {
        print(&format!("cluster {} has no guard\n", member.cluster));
    }
    Ok(())
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
    cluster: &str,
    named: Option<&str>,
) -> anyhow::Result<String> {
    if let Some(user) = named {
        return Ok(user.to_owned());
    }
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
    let user = installed::default_karmada_user(cluster);
    complain(&format!(
        "warning: cluster {cluster} could not be asked as whom Karmada writes there ({problem}); \
         {user} is taken for it, as `karmadactl join` has it; --karmada-user names another\n"
    ));
    Ok(user)
}

/// What lacks, where the caller may not.
fn unable(
    error: &promoter_kubernetes::objects::Error,
    member: &MemberCluster,
    verb: &str,
) -> Failure {
    let MemberCluster { cluster, .. } = member;
    let advice = if error.is_forbidden() {
        format!(
            "; an administrator of cluster {cluster} can {verb} it: `kubectl promote member enable \
             {cluster} -o yaml` prints it"
        )
    } else if error.is_not_found() {
        format!("; the guard needs Kubernetes 1.30 or newer in cluster {cluster}")
    } else {
        String::new()
    };
    anyhow!("{error}{advice}").into()
}
