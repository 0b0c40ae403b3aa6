//! How a fleet is to be.

use serde::{Deserialize, Serialize};

/// What a fleet is started with.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct FleetOptions {
    /// Its name: several fleets run side by side under different names.
    pub name: String,
    /// How many member clusters it has: `member1`, `member2`, and so on.
    pub members: usize,
    /// Whether there is a cluster besides, `host`, in which whatever runs beside Karmada would run.
    #[serde(default)]
    pub host: bool,
    /// How fast Karmada and the controllers may go.
    pub speed: Speed,
    /// What every API server writes into an audit log beside its log.
    pub audit: Audit,
    /// Whether the logs stay when the fleet goes.
    pub keep_logs: bool,
}

/// Which requests are told in an audit log: who asked what, without what was said.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub enum Audit {
    /// There is no audit log.
    #[default]
    Nothing,
    /// Every request. That is a lot.
    Everything,
    /// Those of these users.
    Users(Vec<String>),
}

/// The limits that Karmada's and Kubernetes' components put on themselves. To be named with every
/// measurement.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub enum Speed {
    /// 1000 requests per second to the control planes (bursts of 2000), 400 to each member from
    /// Karmada (bursts of 800), 20 concurrent syncs per controller.
    #[default]
    Fast,
    /// Whatever each component does by default: 40 requests per second for Karmada, 20 for
    /// Kubernetes' controllers, 1 to 5 concurrent syncs.
    AsShipped,
}

impl Default for FleetOptions {
    fn default() -> Self {
        Self {
            name: "fleet".into(),
            members: 2,
            host: false,
            speed: Speed::default(),
            audit: Audit::default(),
            keep_logs: false,
        }
    }
}

impl FleetOptions {
    /// The defaults: two fast members. For one that is not alone on its machine, name it.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Sets the number of members.
    #[must_use]
    pub fn members(mut self, members: usize) -> Self {
        self.members = members;
        self
    }

    /// Sets whether there is a host cluster.
    #[must_use]
    pub fn host(mut self, host: bool) -> Self {
        self.host = host;
        self
    }

    /// Sets how fast the components may go.
    #[must_use]
    pub fn speed(mut self, speed: Speed) -> Self {
        self.speed = speed;
        self
    }

    /// Sets what the API servers write into audit logs.
    #[must_use]
    pub fn audit(mut self, audit: Audit) -> Self {
        self.audit = audit;
        self
    }

    /// Sets whether the logs stay when the fleet goes.
    #[must_use]
    pub fn keep_logs(mut self, keep_logs: bool) -> Self {
        self.keep_logs = keep_logs;
        self
    }
}
