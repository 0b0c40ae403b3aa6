//! Work that ends early, and clears up after itself, when the process is told to stop.

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};

/// Runs to the end, or until a Ctrl-C, a termination or the loss of the terminal. Then the work is
/// dropped where it stands, and with it what it has started.
pub(crate) async fn unless_interrupted<T>(
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let listen = |kind| signal(kind).context("cannot listen for signals");
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    tokio::select! {
        done = work => done,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("told to stop"),
        _ = hangup.recv() => bail!("the terminal is gone"),
    }
}
