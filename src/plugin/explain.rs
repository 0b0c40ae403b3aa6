//! `kubectl promote explain`: what a reason means, and what to do about it.

use promoter_api::reason::Reason;

use crate::{
    display::{complain, print},
    exit::Exit,
    table::{row, table},
};

/// Explains a reason, or lists them all.
pub(crate) fn run(word: Option<&str>) -> Exit {
    let Some(word) = word else {
        print(&list());
        return Exit::Done;
    };
    let mut known = Reason::ALL.into_iter();
    let Some(reason) = known.find(|reason| reason.to_string().eq_ignore_ascii_case(word)) else {
        complain(&format!(
            "error: there is no reason {word}; `kubectl promote explain` lists them\n"
        ));
        return Exit::Usage;
    };
    print(&text(reason));
    Exit::Done
}

fn text(reason: Reason) -> String {
    let explanation = reason.explanation();
    let again = if reason.may_pass() {
        "It may pass by itself: the promotion waits, and goes on."
    } else {
        "It does not pass by itself: mend it, and ask again."
    };
    format!(
        "{reason}\n\n{}\n\nWhat to do: {}\n\n{again}\n",
        explanation.meaning, explanation.remedy
    )
}

fn list() -> String {
    let heading = row(["REASON", "WHAT HAPPENED"]);
    let reasons =
        Reason::ALL.map(|reason| row([&reason.to_string(), reason.explanation().meaning]));
    let rows: Vec<_> = std::iter::once(heading).chain(reasons).collect();
    table(&rows, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_says_what_happened_and_what_to_do() {
        for reason in Reason::ALL {
            let text = text(reason);
            assert!(text.starts_with(&reason.to_string()), "{text}");
            assert!(!text.contains("What to do: \n"), "{text}");
            assert!(list().contains(&reason.to_string()), "{reason}");
        }
    }

    #[test]
    fn the_runbook_lists_every_reason() {
        let runbook = include_str!("../../docs/runbook.md");
        for reason in Reason::ALL {
            assert!(runbook.contains(&format!("| `{reason}`")), "{reason}");
        }
    }
}
