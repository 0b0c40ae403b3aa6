//! Waits in front of the reader until Promotions are where they are wanted.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{kubectl::Kubectl, narrator::Narrator};

/// Far longer than it takes.
const PATIENCE: Duration = Duration::from_mins(3);

/// Follows the Promotions of the namespace until all of these have a phase; each phase is shown
/// once, with the time since `asked`.
pub(super) async fn until_all(
    kubectl: &Kubectl,
    narrator: &Narrator,
    names: &[&str],
    wanted: &str,
    asked: Instant,
) -> anyhow::Result<()> {
    let mut child = kubectl.follow(
        narrator,
        "--context karmada -n shop get promotions --watch \
         -o custom-columns=NAME:.metadata.name,PHASE:.status.phase",
    )?;
    let output = child.stdout.take().context("kubectl prints nowhere")?;
    let mut lines = BufReader::new(output).lines();
    let mut phases = BTreeMap::new();
    let follow = async {
        while names
            .iter()
            .any(|&name| phases.get(name).map(String::as_str) != Some(wanted))
        {
            let line = lines.next_line().await?;
            let line = line.context("kubectl has stopped watching")?;
            let Some((name, phase)) = line.split_once(' ') else {
                continue;
            };
            let phase = phase.trim();
            // The heading, a Promotion that nobody has looked at yet, and changes of other fields.
            let known = phases.get(name).is_some_and(|last| last == phase);
            if known || phase == "<none>" || !names.contains(&name) {
                continue;
            }
            phases.insert(name.to_owned(), phase.to_owned());
            narrator.moment(asked.elapsed(), &format!("{name:<8} {phase}"));
            if matches!(phase, "Refused" | "Failed") {
                bail!(
                    "the promotion of {name} was {phase}: see `kubectl describe promotion {name}`"
                );
            }
        }
        Ok(())
    };
    match tokio::time::timeout(PATIENCE, follow).await {
        Ok(done) => done,
        Err(_) => bail!(
            "waited {} s in vain for every promotion to be {wanted}",
            PATIENCE.as_secs()
        ),
    }
}
