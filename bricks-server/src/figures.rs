//! What the brick store shows in `/metrics`.

use brickstore::BrickStore;
use node::Domains;
use node::metrics::{Collector, Family, Kind, StoreFigures, sampled, store};

const BRICKS: &str = "kiln_bricks_stored";
const BYTES: &str = "kiln_bricks_stored_bytes";

const FAMILIES: &[Family] = &[
    Family {
        name: BRICKS,
        help: "Bricks of a domain.",
        kind: Kind::Gauge,
        labels: &["domain"],
    },
    Family {
        name: BYTES,
        help: "Bytes of a domain's bricks, as they were sent.",
        kind: Kind::Gauge,
        labels: &["domain"],
    },
];

/// The collectors: the store, and what it holds of each domain that is served.
///
/// # Errors
/// When the names are taken.
pub(crate) fn collectors(
    bricks: &BrickStore,
    domains: &Domains,
) -> anyhow::Result<Vec<Box<dyn Collector>>> {
    let of_store = bricks.clone();
    let of_store = store("bricks", move || {
        let figures = of_store.figures();
        StoreFigures {
            state: figures.state,
            states: &brickstore::STATES,
            since_last_write_s: of_store.since_last_write().map(|it| it.as_secs()),
            values: figures.values,
            histograms: figures.histograms,
        }
    })?;
    let (bricks, domains) = (bricks.clone(), domains.clone());
    let of_domains = sampled(FAMILIES, move |samples| {
        for domain in domains.table().names() {
            // What cannot be read is not shown; the state of the store says why.
            if let Ok(totals) = bricks.totals_now(domain) {
                samples.set(BRICKS, &[domain.as_str()], totals.bricks);
                samples.set(BYTES, &[domain.as_str()], totals.bytes);
            }
        }
    })?;
    Ok(vec![of_store, of_domains])
}
