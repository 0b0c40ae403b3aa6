//! What a Deployment says of what became of its opt-in.

use anyhow::{Result, ensure};
use promoter_api::{
    marks::{MESSAGE, PHASE, REASON},
    promotion::Phase,
};
use serde_json::Value;

use super::{Kind, Scene};

impl Scene {
    /// Waits until a Deployment of a member says that it is in this phase, for this reason and in
    /// these words, or nothing where there is none.
    pub(crate) async fn until_answer(
        &self,
        member: &str,
        name: &str,
        (phase, reason): (Option<Phase>, Option<&str>),
        words: &[&str],
    ) -> Result<()> {
        let what = format!("{name} in {member} says {phase:?}, {reason:?}");
        let phase = phase.map(|phase| phase.to_string());
        self.eventually(&what, async || {
            let live = self.member(member).get(&Kind::deployment(), name).await?;
            let annotations = &live["metadata"]["annotations"];
            let said = [PHASE, REASON, MESSAGE].map(|key| annotations[key].as_str());
            let message = said[2].unwrap_or_default();
            ensure!(
                said[..2] == [phase.as_deref(), reason]
                    && said[2].is_some() != words.is_empty()
                    && words.iter().all(|word| message.contains(word)),
                "it says {said:?}"
            );
            Ok(())
        })
        .await
    }

    /// Changes annotations of a member's Deployment; null takes one off.
    pub(crate) async fn set_annotations(
        &self,
        member: &str,
        name: &str,
        annotations: Value,
    ) -> Result<()> {
        let patch = serde_json::json!({"metadata": {"annotations": annotations}});
        let member = self.member(member);
        member.patch(&Kind::deployment(), name, &patch).await?;
        Ok(())
    }
}
