//! Where the fleet keeps things: the user's cache folder, as the XDG rules have it.

use std::path::{Path, PathBuf};

/// Why there is no cache folder.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Neither variable says where it is.
    #[error("cannot tell where to keep the fleet: set HOME or XDG_CACHE_HOME to an absolute path")]
    NoHome,
}

/// The folder of this project in the user's cache.
pub(crate) fn folder() -> Result<PathBuf, CacheError> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    below(
        variable("XDG_CACHE_HOME").as_deref(),
        variable("HOME").as_deref(),
    )
    .ok_or(CacheError::NoHome)
}

/// The rules say that a relative `XDG_CACHE_HOME` is to be ignored.
fn below(cache_home: Option<&Path>, home: Option<&Path>) -> Option<PathBuf> {
    let cache = match cache_home {
        Some(path) if path.is_absolute() => path.to_path_buf(),
        _ => home.filter(|path| path.is_absolute())?.join(".cache"),
    };
    Some(cache.join("karmada-promoter"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_variable_wins_when_it_is_absolute() {
        let home = Some(Path::new("/home/someone"));
        let found = |cache: &str| below(Some(Path::new(cache)), home);
        assert_eq!(found("/c"), Some("/c/karmada-promoter".into()));
        assert_eq!(
            found("c"),
            Some("/home/someone/.cache/karmada-promoter".into())
        );
        assert_eq!(below(None, None), None);
    }
}
