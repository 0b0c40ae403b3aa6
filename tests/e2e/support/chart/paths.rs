//! Where the paths of a container are on this machine: it is run without a file system of its own.

use std::path::{Path, PathBuf};

/// What is mounted, and where that is on this machine.
#[derive(Debug, Default)]
pub(crate) struct Paths(Vec<(String, PathBuf)>);

impl Paths {
    pub(super) fn add(&mut self, mounted: &str, folder: PathBuf) {
        self.0.push((mounted.trim_end_matches('/').into(), folder));
        // A volume may be mounted below another one.
        self.0
            .sort_by_key(|(mounted, _)| std::cmp::Reverse(mounted.len()));
    }

    /// Replaces every path of the container that a word names.
    pub(super) fn on_this_machine(&self, word: &str) -> String {
        let mut replaced = String::new();
        let mut rest = word;
        'next: while let Some(character) = rest.chars().next() {
            let begins = replaced.chars().next_back().is_none_or(ends_a_word);
            for (mounted, folder) in &self.0 {
                if let Some(after) = rest.strip_prefix(mounted.as_str())
                    && begins
                    && after
                        .chars()
                        .next()
                        .is_none_or(|next| next == '/' || ends_a_word(next))
                {
                    replaced.push_str(&folder.to_string_lossy());
                    rest = after;
                    continue 'next;
                }
            }
            replaced.push(character);
            rest = &rest[character.len_utf8()..];
        }
        replaced
    }

    /// Where a file of the container is.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        Path::new(&self.on_this_machine(path)).to_path_buf()
    }
}

const fn ends_a_word(character: char) -> bool {
    matches!(character, '=' | ',' | ':' | ' ' | '"' | '\'')
}

#[test]
fn paths_are_replaced_and_what_only_looks_like_one_is_not() {
    let mut paths = Paths::default();
    paths.add("/etc/a", "/tmp/1".into());
    paths.add("/etc/a/b/", "/tmp/2".into());
    for (word, replaced) in [
        ("--file=/etc/a/x", "--file=/tmp/1/x"),
        ("/etc/a", "/tmp/1"),
        ("/etc/a/b/x:/etc/a", "/tmp/2/x:/tmp/1"),
        ("/etc/ab", "/etc/ab"),
        ("/srv/etc/a", "/srv/etc/a"),
        ("--level=info", "--level=info"),
    ] {
        assert_eq!(paths.on_this_machine(word), replaced);
    }
}
