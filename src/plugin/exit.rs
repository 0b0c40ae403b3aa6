//! The exit codes, which scripts may match on.

use std::process::ExitCode;

/// How a command ended, from the best to the worst.
///
/// Of several workloads the worst counts: an error says least about what is there now, a failure
/// reached the member, a refusal did not, and what timed out may still be done.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Exit {
    /// What was asked for is done.
    Done,
    /// It goes on, but it was not waited for any longer.
    TimedOut,
    /// It was refused; nothing was changed in the member.
    Refused,
    /// It was rolled back; the member is as before.
    Failed,
    /// It is not known what became of it, or it could not be asked for.
    Error,
    /// The command line asks for what there cannot be.
    Usage,
}

/// What the help says of them.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done
  1  an error: the control plane could not be asked, or did not do what was asked
  2  the command line cannot be understood
  3  refused: nothing was changed
  4  failed: Karmada's write was rolled back, the member is as before
  5  timed out: it goes on, but was not waited for any longer
Of several workloads the worst counts, in this order: 1, 4, 3, 5, 0.";

impl Exit {
    /// The code. Most usage errors are clap's, which ends the process by itself.
    const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Failed => 4,
            Self::TimedOut => 5,
        }
    }

    /// What several come to.
    pub(crate) fn worst(exits: impl IntoIterator<Item = Self>) -> Self {
        exits.into_iter().max().unwrap_or(Self::Done)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_that_are_documented() {
        let all = [
            Exit::Done,
            Exit::Error,
            Exit::Usage,
            Exit::Refused,
            Exit::Failed,
            Exit::TimedOut,
        ];
        assert_eq!(all.map(Exit::code), [0, 1, 2, 3, 4, 5]);
        for exit in all {
            assert!(HELP.contains(&format!("\n  {}  ", exit.code())), "{exit:?}");
        }
    }

    #[test]
    fn the_worst_counts() {
        assert_eq!(Exit::worst([]), Exit::Done);
        assert_eq!(Exit::worst([Exit::Done, Exit::TimedOut]), Exit::TimedOut);
        assert_eq!(Exit::worst([Exit::Refused, Exit::TimedOut]), Exit::Refused);
        assert_eq!(Exit::worst([Exit::Failed, Exit::Refused]), Exit::Failed);
        assert_eq!(Exit::worst([Exit::Failed, Exit::Error]), Exit::Error);
    }
}
