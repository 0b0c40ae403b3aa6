//! The log file of a process.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::ProcessError;

const TAIL_LINES: usize = 20;
const TAIL_BYTES: u64 = 16 * 1024;

pub(super) fn path(folder: &Path, process: &str) -> PathBuf {
    folder.join(format!("{process}.log"))
}

/// Opens a log to append to: what was logged before a restart is of interest after it.
pub(super) fn open(path: &Path) -> Result<File, ProcessError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|source| ProcessError::Io {
            action: "open",
            path: path.to_path_buf(),
            source,
        })
}

/// The last lines of a log, or why they cannot be read: it is for a message, not for a decision.
pub(super) fn tail(path: &Path) -> String {
    read_end(path).map_or_else(
        |error| format!("(unreadable: {error})"),
        |end| last_lines(&end),
    )
}

fn read_end(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    Ok(String::from_utf8_lossy(&end).into_owned())
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept() {
        let text = format!("first\n{}last\n", "middle\n".repeat(TAIL_LINES));
        let tail = last_lines(&text);
        assert!(tail.starts_with("middle\n") && tail.ends_with("\nlast"));
        assert_eq!(tail.lines().count(), TAIL_LINES);
        assert_eq!(last_lines(""), "");
    }
}
