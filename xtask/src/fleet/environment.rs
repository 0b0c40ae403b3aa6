//! `fleet env`.

use promoter_fleet::Fleet;

use crate::{say::say, workspace};

/// Prints the fleet's variables for a shell. The workspace's binaries come first on the path, so
/// that kubectl finds the plugin as it was built last.
pub(super) fn print(fleet: &Fleet) -> anyhow::Result<()> {
    let binaries = workspace::binaries()?;
    for (name, value) in fleet.environment() {
        let value = match name.as_str() {
            "PATH" => format!("{}:{value}", binaries.display()),
            _ => value,
        };
        say(format_args!("export {name}={}", quote(&value)));
    }
    Ok(())
}

/// Quotes a value for a POSIX shell.
fn quote(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        assert_eq!(quote("/a b"), "'/a b'");
        assert_eq!(quote("it's"), r"'it'\''s'");
    }
}
