//! A workload that needs more than any other.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::support::{Before, Kind, LIMIT, Scene, Workload, eventually, marks, sample};

/// Three hundred, when everything is tested: they keep Karmada busy for minutes, and with it
/// every other test.
#[tokio::test]
async fn a_great_many_dependencies_go_along() -> Result<()> {
    let each = sample::times(30, 150);
    let scene = Scene::new("large").await?;
    let mut workload = Workload::new("web");
    for index in 0..each {
        workload = workload
            .config_map(&format!("settings-{index}"))
            .secret(&format!("password-{index}"));
    }
    workload.deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;

    let started = Instant::now();
    scene.promote("web", "member1").await?;
    let promotion = eventually("it is promoted", LIMIT * 3, async || {
        let promotion = scene.karmada.get(&Kind::promotion(), "web").await?;
        let (phase, message) = (
            &promotion["status"]["phase"],
            &promotion["status"]["message"],
        );
        ensure!(phase == "Promoted", "it is {phase}: {message}");
        Ok(promotion)
    })
    .await?;
    println!("{} dependencies took {:?}", 2 * each, started.elapsed());

    before.assert_untouched().await?;
    let dependencies = promotion["status"]["dependencies"].as_array();
    let created = dependencies.into_iter().flatten();
    let created = created.filter(|told| told["action"] == "Created").count();
    ensure!(created == 2 * each, "{created} were created");
    let member = scene.member("member1");
    for kind in [Kind::config_map(), Kind::secret()] {
        let managed = member.list(&kind).await?;
        let managed = managed.iter().filter(|object| marks::is_managed(object));
        ensure!(
            managed.count() == each,
            "of {} some are not managed",
            kind.name()
        );
    }
    let size = json!(promotion).to_string().len();
    ensure!(size < 200_000, "the Promotion has {size} bytes");
    Ok(())
}
