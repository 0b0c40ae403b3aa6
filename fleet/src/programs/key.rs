//! The name of the folder that one build of a module is kept in.

use sha2::{Digest, Sha256};

use super::{ProgramsError, module::GoModule};

/// Raised when what is kept beside the programs changes.
const LAYOUT: &str = "1";

/// A hash of everything that decides what the programs are, but for the version of Go: a newer Go
/// makes no difference that is worth building for again.
pub(super) fn of(module: &GoModule) -> Result<String, ProgramsError> {
    Ok(format!(
        "{}-{}",
        module.name,
        digest(&[
            LAYOUT,
            &module.manifest,
            &module.checksums,
            &module.linker_flags()?,
            std::env::consts::OS,
            std::env::consts::ARCH,
        ])
    ))
}

/// Each part goes in with its length, so that moving text from one part to the next shows.
fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .take(12)
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_module_has_the_same_key() {
        let key = of(&GoModule::kwok().unwrap()).unwrap();
        assert_eq!(key, of(&GoModule::kwok().unwrap()).unwrap());
        assert!(key.starts_with("kwok-"));
    }

    #[test]
    fn a_changed_checksum_changes_the_key() {
        let module = GoModule::kwok().unwrap();
        let mut changed = module.clone();
        changed.checksums.push('\n');
        assert_ne!(of(&module).unwrap(), of(&changed).unwrap());
    }

    #[test]
    fn the_parts_do_not_run_together() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }
}
