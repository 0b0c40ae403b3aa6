//! An image that is changed in a member around the commit is never put back, where the member is
//! guarded; where it is not, it is found out and repaired.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use promoter_api::promotion::Phase;
use serde_json::Value;
use tokio::time::sleep;

use crate::support::{
    Kind, Recording, Scene, Workload,
    edits::{
        GUARD, NEW, assert_edit_won, assert_never_put_back, changed_image, edit, history, image,
    },
    sample,
    sight::{Sight, until_sight},
};

/// So many at a time: they are to meet Karmada while it is busy.
const AT_A_TIME: usize = 4;

/// So long after something was seen.
#[derive(Clone, Copy, Debug)]
struct Moment {
    after: Duration,
    sight: Sight,
}

#[tokio::test]
async fn an_image_that_is_changed_around_the_commit_is_never_put_back() -> Result<()> {
    let scene = Scene::new("guarded-edits").await?;
    // From the rehearsal to the end of settling.
    let all = moments([
        (Sight::Phase(Phase::Staging), 4, 300),
        (Sight::Marked, 8, 15),
        (Sight::Resumed, 14, 15),
        (Sight::TakenOver, 8, 20),
        (Sight::Phase(Phase::Verifying), 4, 15),
        (Sight::Phase(Phase::Settling), 4, 30),
        (Sight::Settled, 8, 15),
    ]);
    let moments = sample::draw(all, 12);
    let mut in_time = 0;
    // No watch goes on for ever.
    for (index, moments) in moments.chunks(12).enumerate() {
        let first = 12 * index;
        let deployments = Recording::start(scene.member("member1"), &Kind::deployment()).await?;
        edit_at(&scene, "member1", first, moments).await?;
        let seen = deployments.objects()?;
        for (index, moment) in moments.iter().enumerate() {
            let name = name(first + index);
            let told = || format!("{name}, edited at {moment:?}");
            let history = history(&seen, &scene, &name);
            if is_after_the_end(&history) {
                println!("{} came too late", told());
                continue;
            }
            in_time += 1;
            assert_never_put_back(&history).with_context(told)?;
            let carried = assert_edit_won(&scene, "member1", &name)
                .await
                .with_context(told)?;
            ensure!(carried || !moment.sight.is_after_commit(), "{}", told());
        }
    }
    println!("{in_time} of {} edits were made in time", moments.len());
    ensure!(
        in_time * 3 >= moments.len() * 2,
        "too few were made in time: {in_time}"
    );
    Ok(())
}

#[tokio::test]
async fn without_a_guard_a_late_edit_is_found_out_and_repaired() -> Result<()> {
    let scene = Scene::new("unguarded-edits").await?;
    let all = moments([(Sight::Resumed, 14, 15), (Sight::TakenOver, 6, 15)]);
    let moments = sample::draw(all, 6);

    edit_at(&scene, "member2", 0, &moments).await?;

    for (index, moment) in moments.iter().enumerate() {
        let name = name(index);
        let told = || format!("{name}, edited at {moment:?}");
        let carried = assert_edit_won(&scene, "member2", &name)
            .await
            .with_context(told)?;
        ensure!(carried, "{}", told());
    }
    Ok(())
}

/// Promotes as many workloads as there are moments, and changes the image of each in the member at
/// its moment.
async fn edit_at(scene: &Scene, member: &str, first: usize, moments: &[Moment]) -> Result<()> {
    for index in first..first + moments.len() {
        Workload::typical(&name(index))
            .replicas(1)
            .deploy(scene, member)
            .await?;
    }
    futures::stream::iter(moments.iter().enumerate())
        .map(async |(index, moment)| {
            let name = name(first + index);
            // Prepared beforehand, so that the moment is hit.
            let change = changed_image(scene, member, &name).await?;
            scene.promote(&name, member).await?;
            until_sight(scene, member, &name, moment.sight).await?;
            // The moment itself is what is tried.
            sleep(moment.after).await;
            edit(scene, member, &name, &change).await?;
            scene.until_phase(&name, Phase::Promoted).await?;
            anyhow::Ok(())
        })
        .buffer_unordered(AT_A_TIME)
        .try_collect::<Vec<_>>()
        .await?;
    Ok(())
}

/// Of each sight so many moments, so many milliseconds apart.
fn moments<const N: usize>(spread: [(Sight, u64, u64); N]) -> Vec<Moment> {
    let each = spread.into_iter().flat_map(|(sight, count, step)| {
        (0..count).map(move |index| Moment {
            after: Duration::from_millis(index * step),
            sight,
        })
    });
    each.collect()
}

fn name(index: usize) -> String {
    format!("web-{index}")
}

/// Whether the edit came when the guard had been lifted for good, so that it was the edit of a
/// workload that Karmada keeps.
fn is_after_the_end(history: &[&Value]) -> bool {
    let edited = history.iter().position(|state| image(state) == NEW);
    let guarded = history
        .iter()
        .position(|state| state["metadata"]["labels"][GUARD].is_string());
    let (Some(edited), Some(guarded)) = (edited, guarded) else {
        return false;
    };
    let lifted = history[guarded..]
        .iter()
        .position(|state| state["metadata"]["labels"][GUARD].is_null());
    lifted.is_some_and(|lifted| guarded + lifted <= edited)
}
