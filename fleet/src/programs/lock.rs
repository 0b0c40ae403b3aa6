//! One build at a time on a machine, whoever asks.

use std::{
    fs::{File, TryLockError},
    path::Path,
    time::Duration,
};

use super::{ProgramsError, io_error};

/// Waits for the lock at `path`; it is let go with the returned file.
pub(super) async fn acquire(path: &Path) -> Result<File, ProgramsError> {
    let file = File::create(path).map_err(io_error("create", path))?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(source)) => return Err(io_error("lock", path)(source)),
            Err(TryLockError::WouldBlock) => {}
        }
        if !told {
            eprintln!("waiting for another process that builds the fleet's programs");
            told = true;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
