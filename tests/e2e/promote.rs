//! A running workload becomes a workload of Karmada, with all that it needs.

use anyhow::Result;
use promoter_api::promotion::Phase;

use crate::support::{Before, Scene, Workload};

#[tokio::test]
async fn an_annotated_deployment_is_promoted() -> Result<()> {
    let scene = Scene::new("annotated").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;

    scene.annotate("member1", "web", "true").await?;

    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;
    scene.assert_absent_elsewhere("member1").await
}
