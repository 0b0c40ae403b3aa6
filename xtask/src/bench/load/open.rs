//! Questions at a constant rate, whether the ones before are answered or not.
//!
//! The time of each is taken from when it was due. So a server that holds up one connection is
//! charged for all who had to wait meanwhile, and not just for the one.

use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use futures::future::try_join_all;
use tokio::{sync::Semaphore, task};

use super::{Answered, Connection, Question};

/// When each question is due.
#[derive(Clone, Copy)]
struct Timetable {
    began: Instant,
    interval: Duration,
    count: usize,
}

/// What the connections share.
struct Shared {
    /// A permit for each question that is due, and in the end one for each connection.
    due: Semaphore,
    next: AtomicUsize,
    questions: Arc<[Question]>,
    timetable: Timetable,
}

/// Asks at a rate for some time, each question on a connection that has nothing to do.
pub(crate) async fn at_rate(
    connections: &mut Vec<Connection>,
    questions: &Arc<[Question]>,
    per_second: u32,
    time: Duration,
) -> anyhow::Result<Answered> {
    let interval = Duration::from_secs(1) / per_second;
    let timetable = Timetable {
        began: Instant::now() + Duration::from_millis(10),
        interval,
        count: usize::try_from(time.as_nanos() / interval.as_nanos())?,
    };
    let shared = Arc::new(Shared {
        due: Semaphore::new(0),
        next: AtomicUsize::new(0),
        questions: Arc::clone(questions),
        timetable,
    });
    let clock = {
        let (shared, connections) = (Arc::clone(&shared), connections.len());
        // The timers of the runtime are too coarse.
        thread::spawn(move || {
            shared.keep_time();
            shared.due.add_permits(connections);
        })
    };
    let workers = connections.drain(..).map(|connection| {
        let worker = worker(connection, Arc::clone(&shared));
        async { task::spawn(worker).await? }
    });
    let mut answered = Answered::default();
    for (connection, latencies) in try_join_all(workers).await? {
        connections.push(connection);
        answered.latencies.extend(latencies);
    }
    answered.took = timetable.began.elapsed();
    clock.join().ok().context("the clock has failed")?;
    Ok(answered)
}

async fn worker(
    mut connection: Connection,
    shared: Arc<Shared>,
) -> anyhow::Result<(Connection, Vec<Duration>)> {
    let mut latencies = Vec::new();
    loop {
        shared.due.acquire().await?.forget();
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        if index >= shared.timetable.count {
            return Ok((connection, latencies));
        }
        let question = &shared.questions[index % shared.questions.len()];
        connection.ask(question).await?;
        latencies.push(shared.timetable.due(index).elapsed());
    }
}

impl Shared {
    fn keep_time(&self) {
        // Woken when it asks to be, not within 50 µs. Without it, all servers look slower by that.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        for index in 0..self.timetable.count {
            let due = self.timetable.due(index);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            self.due.add_permits(1);
        }
    }
}

impl Timetable {
    fn due(self, index: usize) -> Instant {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        self.began + self.interval * index
    }
}
