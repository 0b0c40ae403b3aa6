//! The right to a fleet's name: one process at a time has it, and clears up what its predecessor
//! left.

use std::{
    fs::{File, TryLockError},
    os::unix::fs::MetadataExt,
    time::{Duration, Instant},
};

use crate::{error::Error, layout::Layout, process::Supervisor, state::State};

/// The watchdog of a predecessor that has just died may still be at work.
const PATIENCE: Duration = Duration::from_secs(5);
const INTERVAL: Duration = Duration::from_millis(50);

/// Takes the name; it is free again when the returned file is closed, here and in the watchdog.
pub(crate) async fn claim(name: &str, layout: &Layout) -> Result<File, Error> {
    let lock = lock(name, layout).await?;
    if let Some(state) = State::read(&layout.state()).map_err(Error::io("read", layout.state()))? {
        if state.detached && state.has_living_processes() {
            return Err(Error::Running(name.into()));
        }
        Supervisor::find(layout, state.processes, |_| Ok(())).kill_all()?;
    }
    layout
        .remove(&[&layout.lock()])
        .and_then(|()| layout.create())
        .map_err(Error::io("prepare", layout.folder()))?;
    Ok(lock)
}

async fn lock(name: &str, layout: &Layout) -> Result<File, Error> {
    let started = Instant::now();
    loop {
        std::fs::create_dir_all(layout.folder()).map_err(Error::io("create", layout.folder()))?;
        match try_lock(layout) {
            Ok(Some(file)) => return Ok(file),
            Ok(None) if started.elapsed() > PATIENCE => return Err(Error::Running(name.into())),
            Ok(None) => tokio::time::sleep(INTERVAL).await,
            Err(source) => return Err(Error::io("lock", layout.lock())(source)),
        }
    }
}

/// A predecessor removes the file while it holds the lock: then the lock is on nothing, and the
/// next attempt is on a new file.
fn try_lock(layout: &Layout) -> std::io::Result<Option<File>> {
    let file = match File::create(layout.lock()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
        Ok(()) => {}
    }
    let named = std::fs::metadata(layout.lock()).map(|metadata| metadata.ino());
    let locked = file.metadata()?.ino();
    Ok(named.is_ok_and(|named| named == locked).then_some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_given_once_at_a_time() {
        let folder = std::env::temp_dir().join(format!("claim-{}", std::process::id()));
        let layout = Layout::at(folder.clone());
        std::fs::create_dir_all(&folder).unwrap();
        let held = try_lock(&layout).unwrap();
        assert!(held.is_some());
        assert!(try_lock(&layout).unwrap().is_none());
        drop(held);
        assert!(try_lock(&layout).unwrap().is_some());
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(try_lock(&layout).unwrap().is_none());
    }
}
