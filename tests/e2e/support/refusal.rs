//! What people are told of a promotion that does not happen.

use anyhow::{Result, ensure};
use promoter_api::{promotion::Phase, reason::Reason};
use serde_json::{Value, json};

use super::{Allowed, Cluster, Kind, Scene};

impl Scene {
    /// Waits until a Promotion is refused, and returns it. Fails unless it says why everywhere
    /// where people look, in these words, and nothing is left of it.
    pub(crate) async fn refused(
        &self,
        name: &str,
        reason: Reason,
        words: &[&str],
    ) -> Result<Value> {
        self.without_a_trace((name, Phase::Refused), reason, words)
            .await
    }

    /// Waits until a Promotion waits for something that may pass, and returns it. The same must
    /// hold.
    pub(crate) async fn waits(&self, name: &str, reason: Reason, words: &[&str]) -> Result<Value> {
        self.without_a_trace((name, Phase::Waiting), reason, words)
            .await
    }

    async fn without_a_trace(
        &self,
        (name, phase): (&str, Phase),
        reason: Reason,
        words: &[&str],
    ) -> Result<Value> {
        let promotion = self.told_why(name, phase, reason, words).await?;
        self.assert_nothing_federated().await?;
        if let Some(member) = self.origin(&promotion).await {
            let allowed = Allowed::Kubernetes;
            Box::pin(self.assert_unwritten(name, member, allowed)).await?;
        }
        Ok(promotion)
    }

    /// Waits until a Promotion is refused because of what the control plane has, and returns it.
    /// The same must hold, but that what is there is left.
    pub(crate) async fn refused_beside(
        &self,
        name: &str,
        reason: Reason,
        words: &[&str],
    ) -> Result<Value> {
        let promotion = self.told_why(name, Phase::Refused, reason, words).await?;
        if let Some(member) = self.origin(&promotion).await {
            let allowed = Allowed::Karmada;
            Box::pin(self.assert_unwritten(name, member, allowed)).await?;
        }
        Ok(promotion)
    }

    /// Waits until a Promotion is in a phase for a reason, and returns it. Fails unless the
    /// condition and the events on it and on the member's Deployment say so in these words.
    pub(crate) async fn told_why(
        &self,
        name: &str,
        phase: Phase,
        reason: Reason,
        words: &[&str],
    ) -> Result<Value> {
        let promotion = self.until_phase(name, phase).await?;
        let status = &promotion["status"];
        assert_says(status, &reason.to_string(), words)?;
        let conditions = status["conditions"].as_array().into_iter().flatten();
        let promoted: Vec<_> = conditions
            .filter(|condition| condition["type"] == "Promoted")
            .collect();
        let [promoted] = promoted[..] else {
            anyhow::bail!("there is no condition Promoted: {status}");
        };
        ensure!(promoted["status"] == "False", "{promoted}");
        assert_says(promoted, &reason.to_string(), words)?;
        let word = reason.to_string();
        self.until_warned(&self.karmada, "Promotion", name, &word, words)
            .await?;
        let Some(member) = self.origin(&promotion).await else {
            return Ok(promotion);
        };
        match reason {
            // Nothing at all is written to a member for somebody who may not have it, or before it
            // was found out whether they may.
            Reason::ClusterNotReady | Reason::NotAuthorized | Reason::RequesterUnknown => {
                let events = member.list(&Kind::event()).await?;
                let told = events.iter().find(|event| event["reason"] == word);
                ensure!(told.is_none(), "the member was told: {told:?}");
            }
            // The door tells it there, to somebody of that member.
            Reason::NamespaceNotAllowed => {}
            _ if member.find(&Kind::deployment(), name).await?.is_some() => {
                self.until_warned(member, "Deployment", name, &word, words)
                    .await?;
            }
            _ => {}
        }
        Ok(promotion)
    }

    /// The member that a Deployment is to be promoted from, where there is one that answers.
    async fn origin(&self, promotion: &Value) -> Option<&Cluster> {
        let name = promotion["spec"]["clusters"][0].as_str()?;
        let deployment = promotion["spec"]["workload"]["kind"] == "Deployment";
        let members = self.fleet.members();
        if !deployment || !members.iter().any(|member| member == name) {
            return None;
        }
        let member = self.member(name);
        let away = promotion["status"]["reason"] == "ClusterNotReady";
        (!away || member.version().await.is_ok()).then_some(member)
    }

    /// Asks for a Promotion anew that was refused or has failed.
    pub(crate) async fn ask_again(&self, name: &str) -> Result<()> {
        let version = self.karmada.get(&Kind::promotion(), name).await?;
        // Any word that was not there before will do.
        let word = &version["metadata"]["resourceVersion"];
        let patch = json!({"metadata": {"annotations": {"promote.karmada.io/requested-at": word}}});
        self.karmada.patch(&Kind::promotion(), name, &patch).await?;
        Ok(())
    }

    /// Waits until a Promotion's status is about what was asked for last.
    pub(crate) async fn until_answered(&self, name: &str) -> Result<()> {
        let what = format!("Promotion {name} answers the last request");
        self.eventually(&what, async || {
            let promotion = self.karmada.get(&Kind::promotion(), name).await?;
            let asked = &promotion["metadata"]["annotations"]["promote.karmada.io/requested-at"];
            let (answered, phase) = (
                &promotion["status"]["requestedAt"],
                &promotion["status"]["phase"],
            );
            ensure!(
                answered == asked && phase != "Pending",
                "{asked}, {answered}, {phase}"
            );
            Ok(())
        })
        .await
    }

    /// Waits for a Warning event about an object of the namespace, in these words.
    pub(crate) async fn until_warned(
        &self,
        cluster: &Cluster,
        kind: &str,
        name: &str,
        reason: &str,
        words: &[&str],
    ) -> Result<()> {
        let what = format!("{} has a Warning {reason} of {kind}/{name}", cluster.name());
        self.eventually(&what, async || {
            let events = cluster.list(&Kind::event()).await?;
            let about: Vec<_> = events
                .iter()
                .filter(|event| {
                    event["regarding"]["kind"] == kind && event["regarding"]["name"] == name
                })
                .collect();
            let found = about.iter().find(|event| {
                let note = event["note"].as_str().unwrap_or_default();
                event["type"] == "Warning"
                    && event["reason"] == reason
                    && words.iter().all(|word| note.contains(word))
            });
            ensure!(found.is_some(), "the events about it are {about:?}");
            Ok(())
        })
        .await
    }
}

fn assert_says(told: &Value, reason: &str, words: &[&str]) -> Result<()> {
    let message = told["message"].as_str().unwrap_or_default();
    ensure!(
        told["reason"] == reason,
        "the reason is {}, not {reason}: {message}",
        told["reason"]
    );
    let missing: Vec<_> = words
        .iter()
        .filter(|word| !message.contains(**word))
        .collect();
    ensure!(missing.is_empty(), "{message:?} does not say {missing:?}");
    Ok(())
}
