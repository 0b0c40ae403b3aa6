//! The webhook's figures.
//!
//! Whatever is counted for every request is looked up once, beforehand: to count it then takes no
//! lock that is held for longer than an addition.

use std::{fmt, sync::Arc, time::Duration};

use http::StatusCode;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        MetricType, counter::Counter, family::Family, gauge::ConstGauge, gauge::Gauge,
        histogram::Histogram,
    },
    registry::{Registry, Unit},
};

use crate::{
    index::Index,
    review::{Answered, Outcome},
    routes::Route,
};

/// The upper bounds of the durations, in seconds. API servers wait for 10 at the most, by default.
const BUCKETS: [f64; 13] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// What every name begins with.
const PREFIX: &str = "promoter_webhook";

/// What is counted.
pub(crate) struct Metrics {
    /// When the certificate that is shown ends, in seconds since 1970.
    pub(crate) certificate_not_after: Gauge,
    /// The connections that are open.
    pub(crate) connections: Gauge,
    accept_failures: Counter,
    handshake_failures: Counter,
    handshake_timeouts: Counter,
    reloads: [Counter; 2],
    requests: Family<RequestLabels, Counter>,
    routes: [OfRoute; 4],
}

/// What is counted for nearly every request of a route.
struct OfRoute {
    allowed: Counter,
    duration: Histogram,
    patched: Counter,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RequestLabels {
    route: &'static str,
    outcome: &'static str,
    reason: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RouteLabels {
    route: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct CauseLabels {
    cause: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct KindLabels {
    kind: &'static str,
}

/// What the index has, read when it is asked for.
#[derive(Debug)]
struct OfIndex(Arc<Index>);

impl Metrics {
    /// Registers everything that is counted.
    pub(crate) fn register(registry: &mut Registry, index: Option<Arc<Index>>) -> Self {
        let registry = registry.sub_registry_with_prefix(PREFIX);
        let requests = Family::<RequestLabels, Counter>::default();
        registry.register(
            "requests",
            "Requests, by what was answered and, where that was no, why",
            requests.clone(),
        );
        let durations: Family<RouteLabels, Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS));
        registry.register_with_unit(
            "request_duration",
            "Time from the end of a request's header to its answer",
            Unit::Seconds,
            durations.clone(),
        );
        let connections = Gauge::default();
        registry.register(
            "connections",
            "Connections that are open",
            connections.clone(),
        );
        let failures = Family::<CauseLabels, Counter>::default();
        registry.register(
            "connection_failures",
            "Connections that did not come about",
            failures.clone(),
        );
        let certificate_not_after = Gauge::default();
        registry.register_with_unit(
            "certificate_not_after_timestamp",
            "When the certificate that is shown ends, since 1970",
            Unit::Seconds,
            certificate_not_after.clone(),
        );
        let reloads = Family::<OutcomeLabels, Counter>::default();
        registry.register(
            "certificate_reloads",
            "Changes of the certificate, taken over or of no use",
            reloads.clone(),
        );
        if let Some(index) = index {
            registry.register_collector(Box::new(OfIndex(index)));
        }
        let failure = |cause| failures.get_or_create_owned(&CauseLabels { cause });
        Self {
            accept_failures: failure("accept"),
            certificate_not_after,
            connections,
            handshake_failures: failure("handshake"),
            handshake_timeouts: failure("handshake_timeout"),
            reloads: ["failed", "ok"]
                .map(|outcome| reloads.get_or_create_owned(&OutcomeLabels { outcome })),
            routes: ["mutate", "promotions", "validate", "none"].map(|route| {
                let answered = |outcome| {
                    requests.get_or_create_owned(&RequestLabels {
                        route,
                        outcome,
                        reason: String::new(),
                    })
                };
                OfRoute {
                    allowed: answered("allowed"),
                    duration: durations.get_or_create_owned(&RouteLabels { route }),
                    patched: answered("patched"),
                }
            }),
            requests,
        }
    }

    /// Counts a request that was answered.
    pub(crate) fn answered(
        &self,
        route: Option<Route<'_>>,
        answer: Result<&Answered, StatusCode>,
        duration: Duration,
    ) {
        let (place, route) = match route {
            Some(Route::Stamp(_)) => (0, "mutate"),
            Some(Route::Promotions) => (1, "promotions"),
            Some(Route::Verdict(_)) => (2, "validate"),
            None => (3, "none"),
        };
        let of_route = &self.routes[place];
        of_route.duration.observe(duration.as_secs_f64());
        let (outcome, reason) = match answer.map(|answered| answered.outcome) {
            Ok(Outcome::Allowed) => {
                of_route.allowed.inc();
                return;
            }
            Ok(Outcome::Patched) => {
                of_route.patched.inc();
                return;
            }
            Ok(Outcome::Denied(reason)) => ("denied", reason.to_owned()),
            Err(StatusCode::BAD_REQUEST) => ("malformed", String::new()),
            Err(status) => ("refused", status.as_str().to_owned()),
        };
        let labels = RequestLabels {
            route,
            outcome,
            reason,
        };
        self.requests.get_or_create(&labels).inc();
    }

    /// Counts a connection that the system did not give.
    pub(crate) fn not_accepted(&self) {
        self.accept_failures.inc();
    }

    /// Counts a handshake that failed, or took too long.
    pub(crate) fn no_handshake(&self, in_time: bool) {
        if in_time {
            self.handshake_failures.inc();
        } else {
            self.handshake_timeouts.inc();
        }
    }

    /// Counts a change of the certificate.
    pub(crate) fn reloaded(&self, of_use: bool) {
        self.reloads[usize::from(of_use)].inc();
    }
}

impl Collector for OfIndex {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self(index) = self;
        let counts = index.counts();
        let mut family = encoder.encode_descriptor(
            "index_entries",
            "Objects of the control plane that are known",
            None,
            MetricType::Gauge,
        )?;
        for count in counts {
            let entries = i64::try_from(count.entries).unwrap_or(i64::MAX);
            let labels = KindLabels { kind: count.kind };
            ConstGauge::new(entries).encode(family.encode_family(&labels)?)?;
        }
        let mut family = encoder.encode_descriptor(
            "index_listed",
            "Whether all of them were listed, once",
            None,
            MetricType::Gauge,
        )?;
        for count in counts {
            let labels = KindLabels { kind: count.kind };
            ConstGauge::new(i64::from(count.listed)).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
