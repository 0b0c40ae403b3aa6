//! Asks the engine for something, workload by workload, and waits until it is done.

use anyhow::{Context as _, anyhow};
use futures::future::join_all;
use jiff::Timestamp;
use promoter_api::promotion::{DesiredState, Promotion};
use promoter_domain::object::ObjectKey;
use promoter_kubernetes::{objects::Write, resource::Resource};
use serde_json::Value;

use crate::{
    arguments::{Format, Wait},
    connection::Connection,
    display::{Display, Stream, Track, print},
    exit::Exit,
    failure::Failure,
    manifest,
    request::{self, Step, Wish, phase},
    wait,
};

/// What is asked for.
pub(crate) struct Request<'a> {
    /// How the Promotions are printed in the end, if they are.
    pub(crate) output: Option<Format>,
    /// The workloads.
    pub(crate) targets: &'a [ObjectKey],
    /// How long to wait.
    pub(crate) wait: Wait,
    /// What is wished for each of them.
    pub(crate) wish: Wish,
}

/// Asks for it and waits, for all workloads at once.
pub(crate) async fn all(connection: &Connection, request: &Request<'_>) -> anyhow::Result<Exit> {
    let names: Vec<_> = request
        .targets
        .iter()
        .map(|target| format!("{}/{}", connection.namespace, target.name))
        .collect();
    let stream = match request.output {
        Some(_) => Stream::Error,
        None => Stream::Output,
    };
    let display = Display::new(names.iter().map(String::as_str), stream);
    let exits = join_all(
        request
            .targets
            .iter()
            .zip(names)
            .map(async |(target, name)| {
                let track = display.track(name.clone());
                match one(connection, request, target, &track).await {
                    Ok(()) => Exit::Done,
                    Err(failure) => {
                        track.give_up();
                        display.warn(&failure.text(&name));
                        failure.exit()
                    }
                }
            }),
    )
    .await;
    if let Some(format) = request.output {
        print(&manifest::listed(
            &promotions(connection, request.targets).await?,
            format,
        )?);
    }
    Ok(Exit::worst(exits))
}

/// Reads a Promotion.
pub(crate) async fn promotion(
    connection: &Connection,
    name: &str,
) -> anyhow::Result<Option<Promotion>> {
    let found = connection
        .control_plane
        .get(Resource::PROMOTION, Some(&connection.namespace), name)
        .await?;
    found.map(understood).transpose()
}

/// A Promotion as this program knows it.
pub(crate) fn understood(promotion: Value) -> anyhow::Result<Promotion> {
    serde_json::from_value(promotion).context(
        "the Promotion holds what this program does not know; use the version of kubectl promote \
         that belongs to the promoter in the control plane",
    )
}

async fn one(
    connection: &Connection,
    request: &Request<'_>,
    target: &ObjectKey,
    track: &Track<'_>,
) -> Result<(), Failure> {
    const ATTEMPTS: usize = 5;
    for _ in 0..ATTEMPTS {
        let found = promotion(connection, &target.name).await?;
        if found.is_none() && request.wish.desired_state == DesiredState::Released {
            return Err(anyhow!(
                "there is no Promotion of it: it was not promoted from here, or its record was \
                 deleted; nothing was changed"
            )
            .into());
        }
        let step = request::step(
            target,
            &connection.namespace,
            &request.wish,
            found.as_ref(),
            Timestamp::now(),
        )?;
        let known = found
            .as_ref()
            .and_then(|found| found.status.as_ref())
            .map(|status| status.phases.clone())
            .unwrap_or_default();
        let written = match (step, found) {
            (Step::Already(note), found) => {
                let phase = found.as_ref().map(phase).unwrap_or_default();
                track.end(&phase.to_string(), "already; nothing was changed");
                if let Some(note) = note {
                    track.warn(&note);
                }
                return Ok(());
            }
            (Step::Follow, Some(found)) => found,
            (step, _) => match write(connection, target, step).await? {
                Some(written) => written,
                // It has changed meanwhile: what is to be done is decided anew.
                None => continue,
            },
        };
        if written.spec.suspend {
            track.warn("the Promotion is suspended (spec.suspend): nothing new is begun");
        }
        if !request.wait.wait {
            track.end(
                "Asked",
                &format!("for {}; not waited for", written.spec.desired_state),
            );
            return Ok(());
        }
        return wait::follow(connection, &written, &known, request.wait.timeout, track).await;
    }
    Err(anyhow!("the Promotion keeps being changed by somebody else; try again").into())
}

/// Writes what the step says, or nothing if the Promotion has changed meanwhile.
async fn write(
    connection: &Connection,
    target: &ObjectKey,
    step: Step,
) -> Result<Option<Promotion>, Failure> {
    let namespace = Some(connection.namespace.as_str());
    let control_plane = &connection.control_plane;
    let written = match step {
        Step::Create(promotion) => {
            let object = serde_json::to_value(&promotion).map_err(anyhow::Error::from)?;
            control_plane
                .create(Resource::PROMOTION, namespace, &object, Write::ForGood)
                .await
        }
        Step::Patch(patch) => {
            control_plane
                .merge(Resource::PROMOTION, namespace, &target.name, &patch)
                .await
        }
        Step::Already(_) | Step::Follow => return Ok(None),
    };
    match written {
        Ok(written) => Ok(Some(understood(written)?)),
        Err(error) if error.is_conflict() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn promotions(connection: &Connection, targets: &[ObjectKey]) -> anyhow::Result<Vec<Value>> {
    let namespace = Some(connection.namespace.as_str());
    let read = targets.iter().map(|target| {
        let control_plane = &connection.control_plane;
        control_plane.get(Resource::PROMOTION, namespace, &target.name)
    });
    let found = futures::future::try_join_all(read).await?;
    Ok(found.into_iter().flatten().collect())
}
