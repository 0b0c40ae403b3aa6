//! `kubectl promote deployment/web -C member1`.

use crate::{
    arguments::Promote, ask, connection::Connection, display::complain, exit::Exit, namespace,
    preview, request::Wish, target,
};

/// Promotes workloads, or shows what promoting them would come to.
pub(crate) async fn run(connection: &Connection, arguments: &Promote) -> anyhow::Result<Exit> {
    let targets = target::parse(&arguments.workloads)?;
    let cluster = arguments.cluster.as_deref().unwrap_or_default();
    let wish = Wish {
        cluster: Some(cluster.to_owned()),
        dependencies: arguments.dependencies(),
        desired_state: arguments.desired_state(),
        managed_dependencies: arguments.managed_dependencies.map(Into::into),
        managed_workload: arguments.managed_workload.map(Into::into),
        on_cluster_removal: arguments.on_cluster_removal.map(Into::into),
        requester: connection.requester().await?,
        stale_marks: arguments.stale_marks.map(Into::into),
    };
    if arguments.dry_run {
        return preview::run(connection, &targets, cluster, &wish, arguments.output).await;
    }
    connection.check_promotions().await?;
    match namespace::ensure(connection, cluster).await {
        Ok(false) => {}
        Ok(true) => complain(&format!(
            "namespace {} was created in the control plane, kept from being spread by Karmada\n",
            connection.namespace
        )),
        Err(failure) => {
            complain(&failure.text(&format!("namespace {}", connection.namespace)));
            return Ok(failure.exit());
        }
    }
    let request = ask::Request {
        output: arguments.output,
        targets: &targets,
        wait: arguments.wait,
        wish,
    };
    ask::all(connection, &request).await
}
