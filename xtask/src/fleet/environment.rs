//! `fleet env`: what a shell needs to work with a fleet.

use promoter_fleet::Fleet;

use crate::{say::say, workspace};

/// The variables to work with a fleet. The workspace's binaries come first on the path, so that
/// kubectl finds the plugin as it was built last.
pub(crate) fn variables(fleet: &Fleet) -> anyhow::Result<Vec<(String, String)>> {
    let binaries = workspace::binaries()?;
    let mut variables = fleet.environment();
    for (name, value) in &mut variables {
        if name == "PATH" {
            *value = format!("{}:{value}", binaries.display());
        }
    }
    // kubectl remembers what a server serves by its address, and this fleet's ports have been, and
    // will be, those of other servers.
    let folder = fleet.kubeconfig().ancestors().nth(2);
    if let Some(cache) = folder.map(|folder| folder.join("work/kubectl")) {
        variables.push(("KUBECACHEDIR".into(), cache.to_string_lossy().into_owned()));
    }
    Ok(variables)
}

/// Prints the fleet's variables for a shell.
pub(super) fn print(fleet: &Fleet) -> anyhow::Result<()> {
    for (name, value) in variables(fleet)? {
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
