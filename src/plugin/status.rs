//! `kubectl promote status`.

use std::time::Duration;

use anyhow::bail;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use promoter_api::promotion::Promotion;
use promoter_kubernetes::resource::Resource;
use serde_json::{Value, json};

use crate::{
    arguments::{Format, Status, StatusFormat},
    ask::understood,
    connection::Connection,
    details,
    display::{complain, print},
    duration,
    exit::Exit,
    manifest,
    request::phase,
    table::{row, table},
    target,
};

/// Shows how far promotions have come.
pub(crate) async fn run(connection: &Connection, arguments: &Status) -> anyhow::Result<Exit> {
    connection.check_promotions().await?;
    let named = !arguments.workloads.is_empty();
    let found = if named {
        named_promotions(connection, &arguments.workloads).await?
    } else {
        let namespace = (!arguments.all_namespaces).then_some(connection.namespace.as_str());
        let control_plane = &connection.control_plane;
        let mut found = control_plane
            .list(Resource::PROMOTION, namespace, None)
            .await?;
        // Items of a list do not say what they are.
        for object in &mut found {
            object["apiVersion"] = json!("promote.karmada.io/v1alpha1");
            object["kind"] = json!("Promotion");
        }
        found
    };
    let format = match arguments.output {
        Some(StatusFormat::Json) => Some(Format::Json),
        Some(StatusFormat::Yaml) => Some(Format::Yaml),
        Some(StatusFormat::Wide) | None => None,
    };
    if let Some(format) = format {
        print(&manifest::listed(&found, format)?);
        return Ok(Exit::Done);
    }
    let promotions = found
        .into_iter()
        .map(understood)
        .collect::<Result<Vec<_>, _>>()?;
    let now = Timestamp::now();
    let wide = arguments.output == Some(StatusFormat::Wide);
    if promotions.is_empty() {
        let place = if arguments.all_namespaces {
            String::new()
        } else {
            format!(" in namespace {}", connection.namespace)
        };
        complain(&format!(
            "there are no Promotions{place}
"
        ));
    } else if named && !wide {
        let texts: Vec<_> = promotions
            .iter()
            .map(|promotion| details::text(promotion, now))
            .collect();
        print(&texts.join("\n"));
    } else {
        print(&listing(&promotions, arguments.all_namespaces, wide, now));
    }
    Ok(Exit::Done)
}

async fn named_promotions(connection: &Connection, words: &[String]) -> anyhow::Result<Vec<Value>> {
    let namespace = connection.namespace.as_str();
    let mut found = Vec::new();
    for target in target::parse(words)? {
        let control_plane = &connection.control_plane;
        let promotion = control_plane
            .get(Resource::PROMOTION, Some(namespace), &target.name)
            .await?;
        match promotion {
            Some(promotion) => found.push(promotion),
            None => bail!("there is no Promotion of {target} in namespace {namespace}"),
        }
    }
    Ok(found)
}

fn listing(promotions: &[Promotion], namespaces: bool, wide: bool, now: Timestamp) -> String {
    let cells = |cells: [&str; 9]| {
        let [namespace, rest @ ..] = cells;
        let shown = if wide { rest.len() } else { rest.len() - 2 };
        let mut line = Vec::new();
        if namespaces {
            line.push(namespace);
        }
        line.extend(&rest[..shown]);
        line.into_iter().flat_map(|cell| row([cell])).collect()
    };
    let mut rows: Vec<Vec<String>> = vec![cells([
        "NAMESPACE",
        "NAME",
        "CLUSTERS",
        "WANTED",
        "PHASE",
        "REASON",
        "AGE",
        "PLACED",
        "MESSAGE",
    ])];
    rows.extend(promotions.iter().map(|promotion| {
        let status = promotion.status.clone().unwrap_or_default();
        let reason = status.reason.map(|reason| reason.to_string());
        cells([
            promotion.metadata.namespace.as_deref().unwrap_or_default(),
            promotion.metadata.name.as_deref().unwrap_or_default(),
            &promotion.spec.clusters.join(","),
            &promotion.spec.desired_state.to_string(),
            &phase(promotion).to_string(),
            reason.as_deref().unwrap_or_default(),
            &age(promotion.metadata.creation_timestamp.as_ref(), now),
            &status.placed.join(","),
            status.message.as_deref().unwrap_or_default(),
        ])
    }));
    table(&rows, 0)
}

/// How long ago something was.
pub(crate) fn age(since: Option<&Time>, now: Timestamp) -> String {
    since
        .map(|Time(since)| {
            let passed = Duration::try_from(now.duration_since(*since));
            duration::age(passed.unwrap_or_default())
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promotions() -> Vec<Promotion> {
        let promotion = json!({
            "apiVersion": "promote.karmada.io/v1alpha1",
            "kind": "Promotion",
            "metadata": {
                "name": "web",
                "namespace": "shop",
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {"clusters": ["member1"], "workload": {"name": "web"}},
            "status": {
                "phase": "Waiting",
                "reason": "DependencyMissing",
                "message": "one\ntwo",
            },
        });
        vec![serde_json::from_value(promotion).unwrap()]
    }

    #[test]
    fn promotions_are_listed() {
        let now = "2026-01-01T00:00:42Z".parse().unwrap();
        assert_eq!(
            listing(&promotions(), false, false, now),
            "NAME   CLUSTERS   WANTED     PHASE     REASON              AGE\n\
             web    member1    Promoted   Waiting   DependencyMissing   42s\n"
        );
        let wide = listing(&promotions(), true, true, now);
        assert!(wide.starts_with("NAMESPACE   NAME"), "{wide}");
        assert!(wide.ends_with("one two\n"), "{wide}");
    }
}
