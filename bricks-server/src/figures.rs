//! What the brick store shows in `/metrics`.

use std::sync::Arc;

use brickstore::{BrickStore, ScrubState, Scrubber};
use node::Domains;
use node::metrics::{Collector, Family, Kind, ScrubFigures, StoreFigures, sampled, scrub, store};

const BRICKS: &str = "kiln_bricks_stored";
const BYTES: &str = "kiln_bricks_stored_bytes";
const QUARANTINED: &str = "kiln_bricks_quarantined";

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
    Family {
        name: QUARANTINED,
        help: "Damaged bricks that are kept and not served.",
        kind: Kind::Gauge,
        labels: &[],
    },
];

/// A scrub's state as figures.
fn scrub_figures(state: &ScrubState) -> ScrubFigures {
    let (current, last) = (
        state.current.unwrap_or_default(),
        state.last.unwrap_or_default(),
    );
    ScrubFigures {
        is_running: state.is_running,
        pass_bytes: current.bytes,
        pass_damaged: current.damaged,
        last_ended_ms: last.ended_ms,
        last_bytes: last.bytes,
        last_damaged: last.damaged,
    }
}

/// The collectors: the store, its scrub, and what it holds of each domain that is served.
///
/// # Errors
/// When the names are taken.
pub(crate) fn collectors(
    bricks: &BrickStore,
    scrubber: &Arc<Scrubber>,
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
    let scrubber = Arc::clone(scrubber);
    let of_scrub = scrub("bricks", move || scrub_figures(&scrubber.state()))?;
    let (bricks, domains) = (bricks.clone(), domains.clone());
    let of_domains = sampled(FAMILIES, move |samples| {
        samples.set(QUARANTINED, &[], bricks.quarantined());
        for domain in domains.table().names() {
            // What cannot be read is not shown; the state of the store says why.
            if let Ok(totals) = bricks.totals_now(domain) {
                samples.set(BRICKS, &[domain.as_str()], totals.bricks);
                samples.set(BYTES, &[domain.as_str()], totals.bytes);
            }
        }
    })?;
    Ok(vec![of_store, of_scrub, of_domains])
}
