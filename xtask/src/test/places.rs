//! Where no value of a Secret may be: everything that is said in a run of the tests.
//!
//! - the logs of all processes of the fleet that the tests share;
//! - what the tests keep beside them: the logs of the fleets of their own, all that was ever in the
//!   events and Promotions there, and what commands printed (`tests/e2e/support/marked.rs`);
//! - the events, the Promotions, and the Deployments, which the promoter annotates;
//! - the figures of the webhook.

use std::path::Path;

use anyhow::{Context, ensure};
use promoter_fleet::Fleet;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::Command,
};

use crate::fleet::{self, promoter::WEBHOOK};

/// A place, and what is there.
pub(super) struct Place {
    pub(super) name: String,
    pub(super) text: String,
}

/// What is in the names of places of every sort that a whole run of the tests leaves.
const SORTS: [&str; 12] = [
    "/admission-webhook.log",
    "/promoter.log",
    "/kept-commands",
    "/kept-e2e-capture-",
    "/kept-e2e-hosted-",
    "/kept-e2e-rough-",
    "-karmada-events.log",
    "-karmada-promotions.log",
    "-member1-events.log",
    "the events of karmada",
    "the promotions of karmada",
    "the metrics of admission-webhook",
];

/// Everything that is searched.
pub(super) async fn all(fleet: &Fleet) -> anyhow::Result<Vec<Place>> {
    let mut places = logs(&fleet::logs(fleet))?;
    places.push(metrics(fleet).await?);
    let karmada = ["events", "promotions", "deployments"]
        .map(|kind| ("karmada", fleet.kubeconfig().to_path_buf(), kind));
    let members = fleet.members().iter().flat_map(|member| {
        ["events", "deployments"]
            .map(|kind| (member.as_str(), fleet.member_kubeconfig(member), kind))
    });
    for (cluster, kubeconfig, kind) in karmada.into_iter().chain(members) {
        places.push(Place {
            name: format!("the {kind} of {cluster}"),
            text: listed(fleet, &kubeconfig, kind).await?,
        });
    }
    Ok(places)
}

/// The sorts of places of which there is nothing.
pub(super) fn missing(places: &[Place]) -> Vec<&'static str> {
    let is_there = |sort: &str| {
        let mut places = places.iter();
        places.any(|place| place.name.contains(sort) && !place.text.is_empty())
    };
    SORTS.into_iter().filter(|sort| !is_there(sort)).collect()
}

/// Every file in a folder of logs.
pub(super) fn logs(folder: &Path) -> anyhow::Result<Vec<Place>> {
    let listed = || format!("cannot list {}", folder.display());
    let mut places = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(listed)? {
        let path = entry.with_context(listed)?.path();
        let name = path.display().to_string();
        let text = std::fs::read(&path).with_context(|| format!("cannot read {name}"))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        places.push(Place { name, text });
    }
    Ok(places)
}

/// Every object of a kind in a cluster, as JSON.
pub(super) async fn listed(fleet: &Fleet, kubeconfig: &Path, kind: &str) -> anyhow::Result<String> {
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
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The figures of the fleet's webhook.
async fn metrics(fleet: &Fleet) -> anyhow::Result<Place> {
    let processes = fleet.processes();
    let webhook = processes.iter().find(|process| process.name == WEBHOOK);
    let pid = webhook.context("the fleet has no webhook")?.pid;
    let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline"))
        .context("cannot tell how the webhook was started")?;
    let address =
        health_address(&words).with_context(|| format!("no port for health: {words:?}"))?;
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        let request =
            format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let text = asked
        .await
        .with_context(|| format!("cannot read the webhook's figures at {address}"))?;
    ensure!(
        text.starts_with("HTTP/1.1 200"),
        "the webhook does not tell its figures: {text}"
    );
    let name = format!("the metrics of {WEBHOOK}");
    Ok(Place { name, text })
}

/// Where a webhook that was started with these words, each with a NUL after it, tells its health.
fn health_address(words: &str) -> Option<&str> {
    let mut words = words.split('\0');
    words.find_map(|word| word.strip_prefix("--health-listen="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_with_nothing_in_it_is_not_searched() {
        let place = |name: &str, text: &str| Place {
            name: name.to_owned(),
            text: text.to_owned(),
        };
        assert_eq!(missing(&[]), SORTS);
        let mut places: Vec<_> = SORTS
            .iter()
            .map(|sort| place(&format!("/logs{sort}"), "said"))
            .collect();
        assert_eq!(missing(&places), [""; 0]);
        places[0].text.clear();
        assert_eq!(missing(&places), [SORTS[0]]);
    }

    #[test]
    fn the_webhooks_health_is_where_it_was_told_to_be() {
        let words =
            "karmada-promoter\0webhook\0--listen=127.0.0.1:1\0--health-listen=127.0.0.1:2\0";
        assert_eq!(health_address(words), Some("127.0.0.1:2"));
        assert_eq!(health_address("karmada-promoter\0hub\0"), None);
    }
}
