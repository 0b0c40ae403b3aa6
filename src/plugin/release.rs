//! `kubectl promote release deployment/web`.

use promoter_api::promotion::DesiredState;

use crate::{arguments::Release, ask, connection::Connection, exit::Exit, request::Wish, target};

/// Lets Karmada let go of workloads.
pub(crate) async fn run(connection: &Connection, arguments: &Release) -> anyhow::Result<Exit> {
    let targets = target::parse(&arguments.workloads)?;
    connection.check_promotions().await?;
    let request = ask::Request {
        output: None,
        targets: &targets,
        wait: arguments.wait,
        wish: Wish {
            cluster: None,
            dependencies: None,
            desired_state: DesiredState::Released,
            managed_dependencies: None,
            managed_workload: None,
            on_cluster_removal: None,
            requester: connection.requester().await?,
            stale_marks: None,
        },
    };
    ask::all(connection, &request).await
}
