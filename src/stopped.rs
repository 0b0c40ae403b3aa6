//! That the process is asked to stop.

use anyhow::Context as _;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Tells when the process is asked to stop, by an interrupt or a termination.
#[derive(Clone)]
pub(crate) struct Stopped(watch::Receiver<bool>);

impl Stopped {
    /// Listens from now on.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::info!("asked to stop; what is under way is brought to a safe place");
            // Kept in any case, as long as the process runs.
            sender.send_replace(true);
        });
        Ok(Self(receiver))
    }

    /// Done once the process is asked to stop, also when that was before.
    pub(crate) async fn wait(&self) {
        // It fails when nobody listens any more, which is not before it was told.
        let _ = self.0.clone().wait_for(|stopped| *stopped).await;
    }
}
