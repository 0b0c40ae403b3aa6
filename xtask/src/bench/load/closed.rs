//! As much as a server can do: each connection asks again as soon as it is answered.

use std::{sync::Arc, time::Duration};

use futures::future::try_join_all;
use tokio::{task, time::Instant};

use super::{Answered, Connection, Question};

/// Asks on all connections for some time.
pub(crate) async fn saturate(
    connections: &mut Vec<Connection>,
    questions: &Arc<[Question]>,
    time: Duration,
) -> anyhow::Result<Answered> {
    let began = Instant::now();
    let until = began + time;
    let count = connections.len();
    let workers = connections
        .drain(..)
        .enumerate()
        .map(|(index, connection)| {
            let questions = Arc::clone(questions);
            let worker = worker(connection, questions, index, count, until);
            async { task::spawn(worker).await? }
        });
    let mut answered = Answered::default();
    for (connection, latencies) in try_join_all(workers).await? {
        connections.push(connection);
        answered.latencies.extend(latencies);
    }
    answered.took = began.elapsed();
    Ok(answered)
}

async fn worker(
    mut connection: Connection,
    questions: Arc<[Question]>,
    first: usize,
    step: usize,
    until: Instant,
) -> anyhow::Result<(Connection, Vec<Duration>)> {
    let mut latencies = Vec::new();
    let mine = questions.iter().cycle().skip(first % questions.len());
    for question in mine.step_by(step) {
        let began = Instant::now();
        if began >= until {
            break;
        }
        connection.ask(question).await?;
        latencies.push(began.elapsed());
    }
    Ok((connection, latencies))
}
