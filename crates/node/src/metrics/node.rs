//! The node's own state: its budget of body bytes, read-only mode, and the readiness of its parts.

use prometheus::core::Collector;

use super::sampled::{Family, Kind, sampled};
use crate::budget::BodyBudget;
use crate::front::Readiness;
use crate::read_only::ReadOnly;

const FAMILIES: &[Family] = &[
    Family {
        name: "kiln_body_budget_bytes",
        help: "Body bytes that the node may hold at a time, requests and responses together.",
        kind: Kind::Gauge,
        labels: &[],
    },
    Family {
        name: "kiln_body_budget_used_bytes",
        help: "Body bytes that are held now.",
        kind: Kind::Gauge,
        labels: &[],
    },
    Family {
        name: "kiln_body_budget_waiting",
        help: "Bodies that wait for their share of the budget.",
        kind: Kind::Gauge,
        labels: &[],
    },
    Family {
        name: "kiln_read_only",
        help: "1 while the node takes no writes because it was told so.",
        kind: Kind::Gauge,
        labels: &[],
    },
    Family {
        name: "kiln_ready",
        help: "1 while a part of the node can serve, as /readyz says.",
        kind: Kind::Gauge,
        labels: &["part"],
    },
];

/// The collector.
pub(crate) fn collector(
    budget: &BodyBudget,
    read_only: &ReadOnly,
    parts: &[(&'static str, Readiness)],
) -> prometheus::Result<Box<dyn Collector>> {
    let (budget, parts) = (budget.clone(), parts.to_vec());
    let read_only = read_only.clone();
    sampled(FAMILIES, move |samples| {
        samples.set("kiln_body_budget_bytes", &[], budget.capacity());
        samples.set("kiln_body_budget_used_bytes", &[], budget.used());
        samples.set("kiln_body_budget_waiting", &[], budget.waiting() as u64);
        let is_read_only = u64::from(read_only.is_active());
        samples.set("kiln_read_only", &[], is_read_only);
        for (part, readiness) in &parts {
            samples.set("kiln_ready", &[part], u64::from(readiness().is_ok()));
        }
    })
}
