//! Requests by operation and outcome, and refusals by reason.

use std::time::Duration;

use http::StatusCode;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};

/// Upper bounds of the times of requests, in seconds: from a brick in memory to a slow chain.
const SECONDS: &[f64] = &[
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Why a request was refused, where its status alone does not tell. Put into the extensions of the
/// answer; the text is a label, so it is short, in `snake_case` and one of few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal(pub &'static str);

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 1xx to 3xx.
    Ok,
    /// 404: what was asked for is not here.
    Absent,
    /// 409, 412, 428: somebody else was first, or the ground is another one.
    Conflict,
    /// Any other 4xx, 503 and 507: it was not done, for a reason that is not a fault of the node.
    Refused,
    /// 5xx.
    Failed,
    /// The client was gone before the answer was whole.
    Cut,
}

/// Counts requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RequestMetrics {
    total: IntCounterVec,
    seconds: HistogramVec,
    received: IntCounterVec,
    sent: IntCounterVec,
    in_flight: IntGauge,
    refusals: IntCounterVec,
}

/// What is counted when a request is over.
pub(crate) struct Finished {
    pub(crate) operation: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) refusal: Option<&'static str>,
    pub(crate) elapsed: Duration,
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
}

impl Outcome {
    pub(crate) fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            ..=399 => Self::Ok,
            404 => Self::Absent,
            409 | 412 | 428 => Self::Conflict,
            400..=499 | 503 | 507 => Self::Refused,
            _ => Self::Failed,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Absent => "absent",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Cut => "cut",
        }
    }
}

/// The reason that a status tells by itself; `None` for what is no refusal.
pub(crate) fn reason_of(status: StatusCode) -> Option<&'static str> {
    let reason = match status.as_u16() {
        400 => "bad_request",
        401 => "unauthenticated",
        403 => "forbidden",
        405 => "read_only",
        406 => "not_acceptable",
        408 => "too_slow",
        413 => "too_large",
        429 => "rate_limited",
        503 => "unavailable",
        507 => "out_of_space",
        _ if Outcome::of(status) == Outcome::Refused => "other",
        _ => return None,
    };
    Some(reason)
}

impl RequestMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let by_outcome = ["operation", "outcome"];
        let seconds = HistogramOpts::new(
            "kiln_request_seconds",
            "Time from the head of a request to the end of its answer.",
        );
        let metrics = Self {
            total: counter(
                "kiln_requests_total",
                "Requests that are over.",
                &by_outcome,
            )?,
            seconds: HistogramVec::new(seconds.buckets(SECONDS.to_vec()), &by_outcome)?,
            received: counter(
                "kiln_received_bytes_total",
                "Bytes of request bodies that were read.",
                &["operation"],
            )?,
            sent: counter(
                "kiln_sent_bytes_total",
                "Bytes of response bodies that were sent.",
                &["operation"],
            )?,
            in_flight: IntGauge::new(
                "kiln_requests_in_flight",
                "Requests whose answer is not sent yet.",
            )?,
            refusals: counter(
                "kiln_refusals_total",
                "Requests that were refused, by reason.",
                &["reason"],
            )?,
        };
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.in_flight.clone()))?;
        Ok(metrics)
    }

    /// A request began; [`RequestMetrics::finish`] must follow.
    pub(crate) fn begin(&self) {
        self.in_flight.inc();
    }

    /// A request is over.
    pub(crate) fn finish(&self, request: &Finished) {
        self.in_flight.dec();
        let labels = [request.operation, request.outcome.as_str()];
        self.total.with_label_values(&labels).inc();
        let seconds = request.elapsed.as_secs_f64();
        self.seconds.with_label_values(&labels).observe(seconds);
        let operation = [request.operation];
        for (counter, bytes) in [
            (&self.received, request.received_bytes),
            (&self.sent, request.sent_bytes),
        ] {
            if bytes > 0 {
                counter.with_label_values(&operation).inc_by(bytes);
            }
        }
        if let Some(reason) = request.refusal {
            self.refusals.with_label_values(&[reason]).inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_a_reason_and_nothing_else_has() {
        for code in 100..600 {
            let status = StatusCode::from_u16(code).unwrap();
            assert_eq!(
                reason_of(status).is_some(),
                Outcome::of(status) == Outcome::Refused,
                "{status}"
            );
        }
        assert_eq!(Outcome::of(StatusCode::NOT_FOUND), Outcome::Absent);
        assert_eq!(
            Outcome::of(StatusCode::INTERNAL_SERVER_ERROR),
            Outcome::Failed
        );
    }
}
