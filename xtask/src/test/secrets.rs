//! Looks for the values of the tests' Secrets where no Secret may be.
//!
//! Every Secret that a test creates carries a word that was drawn for the run. Afterwards nothing
//! that people may read without the right to read Secrets may hold it: the promoter's logs, events,
//! Promotions and what the commands printed.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use promoter_fleet::Fleet;
use tokio::process::Command;

use super::parts::Parts;
use crate::fleet;

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

    fn is_in(&self, text: &[u8]) -> bool {
        self.written.iter().any(|written| {
            text.windows(written.len())
                .any(|window| window == written.as_bytes())
        })
    }

    /// Which of these hold it. What they hold is not told.
    fn found_in<'a>(&self, places: &'a [(String, Vec<u8>)]) -> Vec<&'a str> {
        places
            .iter()
            .filter(|(_, text)| self.is_in(text))
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// Searches everything, as a part of the run. With `expected`, some Secret must hold the word: a
/// search for what is nowhere proves nothing.
pub(super) async fn search(
    fleet: &Fleet,
    marker: &Marker,
    expected: bool,
    parts: &mut Parts,
) -> anyhow::Result<()> {
    let work = async {
        let places = places(fleet).await?;
        let found = marker.found_in(&places);
        if !found.is_empty() {
            bail!(
                "values of Secrets, verbatim or in Base64, are in {}",
                found.join(", ")
            );
        }
        let member = fleet.members().first().context("the fleet has members")?;
        let secrets = listed(fleet, &fleet.member_kubeconfig(member), "secrets").await?;
        ensure!(
            !expected || marker.is_in(&secrets),
            "no Secret in {member} carries the marker, so nothing was searched for"
        );
        Ok(((), format!("none in {} places", places.len())))
    };
    parts.part("values of Secrets", work).await
}

/// Everything that is searched, with where it is.
async fn places(fleet: &Fleet) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut places = Vec::new();
    let logs = fleet::logs(fleet);
    let entries =
        std::fs::read_dir(&logs).with_context(|| format!("cannot list {}", logs.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // The tests keep beside the promoter's log what commands printed, and other promoters' logs.
        if name.starts_with("promoter") || name.starts_with("kept-") {
            let text = std::fs::read(&path);
            let text = text.with_context(|| format!("cannot read {}", path.display()))?;
            places.push((path.display().to_string(), text));
        }
    }
    let karmada = ["events", "promotions"].map(|kind| ("karmada", fleet.kubeconfig().into(), kind));
    let members = fleet
        .members()
        .iter()
        .map(|member| (member.as_str(), fleet.member_kubeconfig(member), "events"));
    for (cluster, kubeconfig, kind) in karmada.into_iter().chain(members) {
        let text = listed(fleet, &kubeconfig, kind).await?;
        places.push((format!("the {kind} of {cluster}"), text));
    }
    Ok(places)
}

/// Every object of a kind in a cluster, as JSON.
async fn listed(fleet: &Fleet, kubeconfig: &Path, kind: &str) -> anyhow::Result<Vec<u8>> {
    let output = Command::new(fleet.programs().join("kubectl"))
        .args(["get", kind, "--all-namespaces", "--output=json"])
        .env("KUBECONFIG", kubeconfig)
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot list {kind}"))?;
    ensure!(
        output.status.success(),
        "cannot list {kind}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    #[test]
    fn a_value_is_found_verbatim_and_in_base64_wherever_it_stands() {
        let marker = Marker::new(42);
        let word = marker.word().to_owned();
        let mut places = vec![(
            "verbatim".to_owned(),
            format!("password={word}!").into_bytes(),
        )];
        for before in ["", "a", "ab", "abc", "{\"password\":\""] {
            for after in ["", "x", "xy", "xyz"] {
                let encoded = BASE64_STANDARD.encode(format!("{before}{word}{after}"));
                let text = format!("data:\n  password: {encoded}\n").into_bytes();
                places.push((format!("{before:?} {after:?}"), text));
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
            ("nothing".to_owned(), Vec::new()),
            ("part".to_owned(), marker.word().as_bytes()[..20].to_vec()),
            (
                "other".to_owned(),
                format!("{} {encoded}", other.word()).into_bytes(),
            ),
        ];
        assert_eq!(marker.found_in(&places), [""; 0]);
    }
}
