//! One process of several leads, by a Lease, as Kubernetes' own controllers have it.
//!
//! `decide` is the rule; here it is carried out. Of the published crates one fits kube's major
//! version, and it takes an expired Lease over without naming the version that it saw, by the wall
//! clocks of two machines: two processes could lead at a time. Here every write names the version
//! that was read, so that of several candidates one succeeds, and time is only ever the own
//! monotonic clock's: how long the Lease has stayed as it is.

mod decide;
mod timing;

use std::time::{Duration, Instant};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::MicroTime, jiff::Timestamp};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use self::decide::{Step, View, decide};
pub use self::timing::{Timing, TimingError};
use crate::{
    objects::{Error, Objects, Write},
    resource::Resource,
};

/// A Lease that processes compete for.
pub struct Election {
    control_plane: Objects,
    /// The name under which this process holds it, and no other does.
    identity: String,
    name: String,
    namespace: String,
    timing: Timing,
}

/// This process leads, as long as [`Leadership::lost`] has not said otherwise.
pub struct Leadership<'a> {
    election: &'a Election,
    /// The Lease as it was last written.
    lease: Value,
    /// When the last write that succeeded was begun: nobody takes the Lease over for its whole
    /// duration after that.
    renewed: Instant,
}

/// What a look at the Lease has come to.
enum Look {
    /// It is this process', as it was written.
    Held(Value),
    /// It is another one's.
    HeldBy(String),
}

/// Why this process leads no more.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// Another process holds the Lease.
    #[error("Lease {lease} in the control plane is held by {holder}")]
    Taken {
        /// Who holds it; nobody, if it is empty.
        holder: String,
        /// The Lease, with its namespace.
        lease: String,
    },
    /// It could not be renewed in time, and another process may take it over soon.
    #[error(
        "Lease {lease} in the control plane could not be renewed for {for_:?}, last because {last}"
    )]
    Unrenewed {
        /// For how long.
        for_: Duration,
        /// What became of the last try.
        last: String,
        /// The Lease, with its namespace.
        lease: String,
    },
}

impl Election {
    /// The competition for a Lease of the control plane. `instance` is the name of the pod, or of
    /// the machine; it is made this process' own.
    #[must_use]
    pub fn new(
        control_plane: Objects,
        namespace: &str,
        name: &str,
        instance: &str,
        timing: Timing,
    ) -> Self {
        Self {
            control_plane,
            identity: own(instance),
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            timing,
        }
    }

    /// Waits until this process leads. What keeps it from finding out is only logged.
    pub async fn lead(&self) -> Leadership<'_> {
        let mut seen: Option<(Option<String>, Instant)> = None;
        let mut told = None;
        loop {
            let begun = Instant::now();
            match timeout(self.timing.renew_deadline, self.look(&mut seen)).await {
                Ok(Ok(Look::Held(lease))) => {
                    tracing::info!(lease = self.lease(), identity = self.identity, "leading");
                    return Leadership {
                        election: self,
                        lease,
                        renewed: begun,
                    };
                }
                Ok(Ok(Look::HeldBy(holder))) => {
                    if told.as_ref() != Some(&holder) {
                        tracing::info!(lease = self.lease(), holder, "standing by");
                    }
                    told = Some(holder);
                }
                // Somebody was faster; the next look tells who.
                Ok(Err(error)) if error.is_conflict() => {}
                Ok(Err(error)) if error.is_not_found() => tracing::warn!(
                    "standing by, as there is no namespace {} in the control plane; create it, or \
                     name another one for the Lease: {error}",
                    self.namespace
                ),
                Ok(Err(error)) => tracing::warn!(lease = self.lease(), "standing by: {error}"),
                Err(_) => tracing::warn!(lease = self.lease(), "standing by: no answer in time"),
            }
            sleep(self.timing.look_period()).await;
        }
    }

    /// Takes the Lease, or tells who has it.
    async fn look(&self, seen: &mut Option<(Option<String>, Instant)>) -> Result<Look, Error> {
        let lease = self.read().await?;
        let version = lease.as_ref().map(version);
        if seen.as_ref().is_none_or(|(seen, _)| *seen != version) {
            *seen = Some((version, Instant::now()));
        }
        let unchanged = seen.as_ref().map_or(Duration::ZERO, |(_, at)| at.elapsed());
        let view = lease.as_ref().map(View::of);
        match decide(view.as_ref(), &self.identity, unchanged) {
            Step::Acquire { transitions } => {
                let now = MicroTime(Timestamp::now());
                let mut lease = lease.unwrap_or_else(|| self.empty());
                lease["spec"]["acquireTime"] = json!(now);
                lease["spec"]["leaseTransitions"] = json!(transitions);
                self.write(lease, &self.identity, self.timing.duration)
                    .await
                    .map(Look::Held)
            }
            // Written by this process, before it lost sight of it.
            Step::Renew => {
                let lease = lease.unwrap_or_else(|| self.empty());
                self.write(lease, &self.identity, self.timing.duration)
                    .await
                    .map(Look::Held)
            }
            Step::StandBy { holder } => Ok(Look::HeldBy(holder)),
        }
    }

    async fn read(&self) -> Result<Option<Value>, Error> {
        self.control_plane
            .get(Resource::LEASE, Some(&self.namespace), &self.name)
            .await
    }

    /// Writes a Lease with a holder, if it still is as it was read.
    async fn write(
        &self,
        mut lease: Value,
        holder: &str,
        duration: Duration,
    ) -> Result<Value, Error> {
        let exists = lease["metadata"]["resourceVersion"].is_string();
        lease["spec"]["holderIdentity"] = json!(holder);
        lease["spec"]["leaseDurationSeconds"] = json!(duration.as_secs().max(1));
        lease["spec"]["renewTime"] = json!(MicroTime(Timestamp::now()));
        let namespace = Some(self.namespace.as_str());
        if exists {
            self.control_plane
                .replace(
                    Resource::LEASE,
                    namespace,
                    &self.name,
                    &lease,
                    Write::ForGood,
                )
                .await
        } else {
            self.control_plane
                .create(Resource::LEASE, namespace, &lease, Write::ForGood)
                .await
        }
    }

    fn empty(&self) -> Value {
        json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {},
        })
    }

    fn lease(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

impl Leadership<'_> {
    /// Renews the Lease, until it is lost. From then on nothing may be done that only the leader
    /// may do.
    pub async fn lost(&mut self) -> Lost {
        let Timing {
            renew_deadline,
            retry_period,
            ..
        } = self.election.timing;
        let mut last = "there was no answer".to_owned();
        loop {
            // A machine that slept did not count that time; its next renewal finds out.
            let left = renew_deadline.saturating_sub(self.renewed.elapsed());
            if left.is_zero() {
                return Lost::Unrenewed {
                    for_: self.renewed.elapsed(),
                    last,
                    lease: self.election.lease(),
                };
            }
            sleep(retry_period.min(left)).await;
            let begun = Instant::now();
            let left = renew_deadline.saturating_sub(self.renewed.elapsed());
            match timeout(left, self.renew()).await {
                Ok(Ok(None)) => self.renewed = begun,
                Ok(Ok(Some(holder))) => {
                    return Lost::Taken {
                        holder,
                        lease: self.election.lease(),
                    };
                }
                Ok(Err(error)) => {
                    tracing::warn!(lease = self.election.lease(), "cannot renew it: {error}");
                    last = error.to_string();
                }
                Err(_) => {}
            }
        }
    }

    /// Lets another process lead at once. It is only logged when that cannot be said: the others
    /// find it out, later.
    pub async fn release(mut self) {
        let election = self.election;
        // As short as it can be, in case it is not read as free.
        let released = self.put("", Duration::from_secs(1));
        match timeout(election.timing.retry_period, released).await {
            Ok(Ok(None)) => tracing::info!(lease = election.lease(), "leading no more"),
            // Somebody else does already.
            Ok(Ok(Some(holder))) => tracing::info!(lease = election.lease(), holder, "taken over"),
            Ok(Err(error)) => {
                tracing::warn!(lease = election.lease(), "cannot release it: {error}");
            }
            Err(_) => tracing::warn!(lease = election.lease(), "no answer to its release"),
        }
    }

    /// Renews the Lease once, or tells who holds it instead.
    async fn renew(&mut self) -> Result<Option<String>, Error> {
        let Election {
            identity, timing, ..
        } = self.election;
        self.put(identity, timing.duration).await
    }

    /// Writes a holder into the Lease that this process holds, or tells who holds it instead.
    async fn put(&mut self, holder: &str, duration: Duration) -> Result<Option<String>, Error> {
        let election = self.election;
        match election.write(self.lease.clone(), holder, duration).await {
            Ok(lease) => {
                self.lease = lease;
                return Ok(None);
            }
            Err(error) if error.is_conflict() || error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        // Our own last write may have happened without our hearing of it, or a person edited it.
        let Some(lease) = election.read().await? else {
            return Ok(Some(String::new()));
        };
        match decide(Some(&View::of(&lease)), &election.identity, Duration::ZERO) {
            Step::Renew => {
                self.lease = election.write(lease, holder, duration).await?;
                Ok(None)
            }
            Step::Acquire { .. } => Ok(Some(String::new())),
            Step::StandBy { holder } => Ok(Some(holder)),
        }
    }
}

/// Which state of a Lease it is.
fn version(lease: &Value) -> String {
    let metadata = &lease["metadata"];
    format!("{} {}", metadata["uid"], metadata["resourceVersion"])
}

/// An instance's name, made this process' own: a restarted container has the name of the one
/// before it, which may still believe that it leads.
fn own(instance: &str) -> String {
    use std::{
        collections::hash_map::RandomState,
        hash::{BuildHasher as _, Hasher as _},
    };

    // Its keys are random.
    let random = RandomState::new().build_hasher().finish();
    let instance = if instance.is_empty() {
        promoter_api::marks::FIELD_MANAGER
    } else {
        instance
    };
    format!("{instance}_{random:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_processes_have_one_identity() {
        assert_ne!(own("hub-0"), own("hub-0"));
        assert!(own("hub-0").starts_with("hub-0_"));
        assert!(own("").starts_with("karmada-promoter_"));
    }
}
