//! Looks for the values of the tests' Secrets where no Secret may be.
//!
//! Every Secret that a test creates carries a word that was drawn for the run. Afterwards nothing
//! that people may read without the right to read Secrets may hold it: none of the [`places`].

use anyhow::{Context, bail, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use promoter_fleet::Fleet;

use super::{
    parts::Parts,
    places::{self, Place},
};

/// The word of a run.
pub(super) struct Marker {
    word: String,
    /// As it is, and as Base64 has it, wherever in the value it begins.
    written: Vec<String>,
}

impl Marker {
    pub(super) fn new(number: u64) -> Self {
        Self::of(format!("marked-{number:020}"))
    }

    fn of(word: String) -> Self {
        let mut written = vec![word.clone()];
        for before in 0..3 {
            let mut bytes = vec![0; before];
            bytes.extend_from_slice(word.as_bytes());
            let encoded = BASE64_STANDARD_NO_PAD.encode(&bytes);
            // The letters that the bytes before and after have a part in say nothing.
            let first = (before * 8).div_ceil(6);
            let end = bytes.len() * 8 / 6;
            written.extend(encoded.get(first..end).map(str::to_owned));
        }
        Self { word, written }
    }

    pub(super) fn word(&self) -> &str {
        &self.word
    }

    fn is_in(&self, text: &str) -> bool {
        self.written.iter().any(|written| text.contains(written))
    }

    /// Which of these hold it. What they hold is not told.
    fn found_in<'a>(&self, places: &'a [Place]) -> Vec<&'a str> {
        places
            .iter()
            .filter(|place| self.is_in(&place.text))
            .map(|place| place.name.as_str())
            .collect()
    }
}

/// Searches everything, as a part of the run. With `expected`, some Secret must hold the word, and
/// every sort of place must be there: a search for what is nowhere, or nowhere much, proves nothing.
pub(super) async fn search(
    fleet: &Fleet,
    marker: &Marker,
    expected: bool,
    parts: &mut Parts,
) -> anyhow::Result<()> {
    let work = async {
        let places = places::all(fleet).await?;
        let found = marker.found_in(&places);
        if !found.is_empty() {
            bail!(
                "values of Secrets, verbatim or in Base64, are in {}",
                found.join(", ")
            );
        }
        let missing = places::missing(&places);
        ensure!(
            !expected || missing.is_empty(),
            "there was nothing to search of {}",
            missing.join(", ")
        );
        let member = fleet.members().first().context("the fleet has members")?;
        let secrets = places::listed(fleet, &fleet.member_kubeconfig(member), "secrets").await?;
        ensure!(
            !expected || marker.is_in(&secrets),
            "no Secret in {member} carries the marker, so nothing was searched for"
        );
        Ok(((), format!("none in {} places", places.len())))
    };
    parts.part("values of Secrets", work).await
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    #[test]
    fn a_value_is_found_verbatim_and_in_base64_wherever_it_stands() {
        let marker = Marker::new(42);
        let word = marker.word().to_owned();
        let mut places = vec![place("verbatim", format!("password={word}!"))];
        for before in ["", "a", "ab", "abc", "{\"password\":\""] {
            for after in ["", "x", "xy", "xyz"] {
                let encoded = BASE64_STANDARD.encode(format!("{before}{word}{after}"));
                let text = format!("data:\n  password: {encoded}\n");
                places.push(place(&format!("{before:?} {after:?}"), text));
            }
        }
        assert_eq!(marker.found_in(&places).len(), places.len());
        assert_eq!(places.len(), 21);
    }

    #[test]
    fn what_holds_no_value_is_not_accused() {
        let marker = Marker::new(42);
        let other = Marker::new(43);
        let encoded = BASE64_STANDARD.encode(other.word());
        let places = [
            place("nothing", String::new()),
            place("part", marker.word()[..20].to_owned()),
            place("other", format!("{} {encoded}", other.word())),
        ];
        assert_eq!(marker.found_in(&places), [""; 0]);
    }

    /// The logs of a run, with a value in each in turn.
    #[test]
    fn a_value_is_found_in_whatever_was_logged_or_kept() -> anyhow::Result<()> {
        let marker = Marker::new(42);
        let encoded = BASE64_STANDARD.encode(marker.word());
        let name = format!("xtask-secrets-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder)?;
        let names = [
            "admission-webhook.log",
            "another-webhook.log",
            "karmada-controller-manager.log",
            "kept-commands.log",
            "kept-e2e-hosted-7-karmada-promoter-webhook-5d.log",
            "kept-e2e-rough-7-karmada-promotions.log",
            "kept-e2e-rough-7-member1-events.log",
            "kept-e2e-rough-7-promoter-0.log",
            "promoter-faults.log",
            "promoter.log",
        ];
        for name in names {
            std::fs::write(folder.join(name), "nothing\n")?;
        }
        for name in names {
            // A log is not always UTF-8.
            let leak = [&b"\xff: "[..], encoded.as_bytes()].concat();
            std::fs::write(folder.join(name), leak)?;
            let places = places::logs(&folder)?;
            assert_eq!(places.len(), names.len());
            let path = folder.join(name).display().to_string();
            assert_eq!(marker.found_in(&places), [path]);
            std::fs::write(folder.join(name), "nothing\n")?;
        }
        assert_eq!(marker.found_in(&places::logs(&folder)?), [""; 0]);
        Ok(std::fs::remove_dir_all(folder)?)
    }

    fn place(name: &str, text: String) -> Place {
        Place {
            name: name.to_owned(),
            text,
        }
    }
}
