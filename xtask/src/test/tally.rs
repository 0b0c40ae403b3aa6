//! Counts what the test runner says.

/// The tests of one run of `cargo test`, over all of its binaries.
#[derive(Debug, Default)]
pub(super) struct Tally {
    passed: usize,
    ignored: usize,
    closing_line: Option<String>,
}

impl Tally {
    /// Takes a line of the runner's into account, if it is a binary's last.
    pub(super) fn see(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else {
            return;
        };
        let count = |what: &str| -> usize {
            counts
                .split([';', '.'])
                .filter_map(|part| part.trim().strip_suffix(what))
                .find_map(|number| number.trim().parse().ok())
                .unwrap_or_default()
        };
        let passed = count("passed");
        self.passed += passed;
        self.ignored += count("ignored");
        // A binary in which the filter left nothing has nothing to say.
        if passed > 0 || self.closing_line.is_none() {
            self.closing_line = Some(line.to_owned());
        }
    }

    pub(super) fn passed(&self) -> usize {
        self.passed
    }

    pub(super) fn closing_line(&self) -> Option<&str> {
        self.closing_line.as_deref()
    }

    pub(super) fn summary(&self) -> String {
        match self.ignored {
            0 => format!("{} passed", self.passed),
            ignored => format!("{} passed, {ignored} ignored", self.passed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binaries_are_added_up() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test a ... ok",
            "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.01s",
            "test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s",
            "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.00s",
        ] {
            tally.see(line);
        }
        assert_eq!(tally.passed(), 7);
        assert_eq!(tally.summary(), "7 passed, 1 ignored");
        assert!(tally.closing_line().unwrap().contains(" 5 passed"));
    }
}
