//! The workloads' namespace in the control plane.

use http::StatusCode;
use promoter_api::reason::Reason;
use promoter_domain::{plan, precondition};
use promoter_kubernetes::{objects::Write, resource::Resource};
use serde_json::Value;

use crate::{connection::Connection, failure::Failure};

/// Refuses a namespace whose templates Karmada never propagates.
pub(crate) fn check(namespace: &str) -> Result<(), Failure> {
    if precondition::is_reserved_namespace(namespace) {
        return Err(Failure::refused(
            Reason::NamespaceReserved,
            format!(
                "namespace {namespace} is kept for the system, Karmada never propagates what is \
                 in it; promote workloads of other namespaces"
            ),
        ));
    }
    Ok(())
}

/// Sees to it that the namespace is there. Tells whether it had to be created.
///
/// It is created with the caller's rights, and with the label that keeps Karmada from creating it
/// in other members; put on later, the label would come too late.
pub(crate) async fn ensure(connection: &Connection, cluster: &str) -> Result<bool, Failure> {
    let name = connection.namespace.as_str();
    check(name)?;
    let control_plane = &connection.control_plane;
    match control_plane.get(Resource::NAMESPACE, None, name).await {
        Ok(Some(_)) => return Ok(false),
        // Who may not look may still be allowed to create Promotions in it.
        Err(error) if error.status() == Some(StatusCode::FORBIDDEN) => return Ok(false),
        Err(error) => return Err(error.into()),
        Ok(None) => {}
    }
    let namespace = plan::namespace(name, live(connection, cluster).await?.as_ref());
    match control_plane
        .create(Resource::NAMESPACE, None, &namespace, Write::ForGood)
        .await
    {
        Ok(_) => Ok(true),
        Err(error) if error.is_conflict() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The member's namespace, where the caller may read it.
async fn live(connection: &Connection, cluster: &str) -> Result<Option<Value>, Failure> {
    let name = connection.namespace.as_str();
    let member = match connection.member(cluster).await {
        Err(Failure::Error(error)) if is_forbidden(&error) => return Ok(None),
        other => other?,
    };
    match member.get(Resource::NAMESPACE, None, name).await {
        Ok(Some(namespace)) => Ok(Some(namespace)),
        Ok(None) => Err(Failure::refused(
            Reason::WorkloadMissing,
            format!(
                "cluster {cluster} has no namespace {name}, so that nothing in it can be promoted"
            ),
        )),
        Err(error) if error.status() == Some(StatusCode::FORBIDDEN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn is_forbidden(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(cause.downcast_ref(), Some(kube::Error::Api(status))
            if status.code == StatusCode::FORBIDDEN.as_u16())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn the_systems_namespaces_are_refused() {
        assert!(check("shop").is_ok());
        for namespace in ["kube-system", "karmada-cluster", "karmada-es-member1"] {
            assert_eq!(check(namespace).unwrap_err().exit(), Exit::Refused);
        }
    }
}
