//! What the ledgers show in `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use ledger::{DomainFigures, LogFigures, ScrubState, Scrubber};
use node::Domains;
use node::metrics::{
    Collector, Family, Kind, Samples, ScrubFigures, StoreFigures, sampled, scrub, store,
};

use crate::backends::{Backend, Backends};

const fn family(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        help,
        kind: Kind::Gauge,
        labels: &["domain"],
    }
}

const ANCHORS: &str = "kiln_anchors";
const LOG_ENTRIES: &str = "kiln_log_entries";
const LOG_SIGNED: &str = "kiln_log_signed_entries";
const LOG_COSIGNED: &str = "kiln_log_cosigned_entries";
const LOG_CHECKPOINT: &str = "kiln_log_checkpoint_timestamp_seconds";
const LOG_UNSIGNED_AGE: &str = "kiln_log_unsigned_age_seconds";
const LOG_TROUBLE: &str = "kiln_log_trouble";
const OUTBOX_ENTRIES: &str = "kiln_outbox_entries";
const OUTBOX_AGE: &str = "kiln_outbox_oldest_age_seconds";
const PUBLISHED: &str = "kiln_publisher_published_entries";
const UNPUBLISHED_AGE: &str = "kiln_publisher_unpublished_age_seconds";
const PUBLISHER_TROUBLE: &str = "kiln_publisher_trouble";

const FAMILIES: &[Family] = &[
    family(ANCHORS, "Anchors of a domain that this node keeps."),
    family(LOG_ENTRIES, "Entries in the log of a domain."),
    family(LOG_SIGNED, "Entries that the newest checkpoint covers."),
    family(
        LOG_COSIGNED,
        "Entries that the newest checkpoint with all its cosignatures covers.",
    ),
    family(
        LOG_CHECKPOINT,
        "When the newest entry under the newest checkpoint was made, in seconds since the epoch.",
    ),
    family(
        LOG_UNSIGNED_AGE,
        "Age of the oldest entry that no checkpoint covers; 0 when all are covered.",
    ),
    family(LOG_TROUBLE, "1 while the log is not signed."),
    family(
        OUTBOX_ENTRIES,
        "Entries that wait to be carried to another ledger; 10000 stands for that many or more.",
    ),
    family(
        OUTBOX_AGE,
        "Age of the oldest entry that waits; 0 when none does.",
    ),
    family(PUBLISHED, "Entries that the newest root on a chain covers."),
    family(
        UNPUBLISHED_AGE,
        "Age of the oldest entry that no root on a chain covers; 0 when all are covered.",
    ),
    family(PUBLISHER_TROUBLE, "1 while no roots can be published."),
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

/// The collectors: the store, its scrub, and the ledger of each domain that is served.
///
/// # Errors
/// When the names are taken.
pub(crate) fn collectors(
    backends: &Backends,
    scrubber: &Arc<Scrubber>,
    domains: &Domains,
) -> anyhow::Result<Vec<Box<dyn Collector>>> {
    let ledger = backends.embedded().clone();
    let of_store = store("anchors", move || {
        let figures = ledger.store_figures();
        StoreFigures {
            state: figures.state,
            states: &ledger::STATES,
            since_last_write_s: ledger.since_last_write().map(|it| it.as_secs()),
            values: figures.values,
            histograms: figures.histograms,
        }
    })?;
    let scrubber = Arc::clone(scrubber);
    let of_scrub = scrub("anchors", move || scrub_figures(&scrubber.state()))?;
    let (backends, domains) = (backends.clone(), domains.clone());
    let of_domains = sampled(FAMILIES, move |samples| {
        let table = domains.table();
        for backend in backends.made() {
            let domain = &backend.config.name;
            // One that is no longer served may still have a back end.
            if !table.names().any(|served| served == domain) {
                continue;
            }
            // What cannot be read is not shown; the state of the store says why.
            if let Ok(figures) = backends.embedded().domain_figures(domain) {
                set(samples, &backend, &figures);
            }
        }
    })?;
    Ok(vec![of_store, of_scrub, of_domains])
}

fn set(samples: &mut Samples, backend: &Backend, figures: &DomainFigures) {
    let domain = [backend.config.name.as_str()];
    let age = |age: Option<Duration>| age.unwrap_or_default().as_secs_f64();
    // Without a log, entries go straight to another ledger.
    if let Some(keeper) = &backend.log {
        samples.set(ANCHORS, &domain, figures.anchors);
        let none = LogFigures::default();
        let log = figures.log.as_ref().unwrap_or(&none);
        samples.set(LOG_ENTRIES, &domain, log.entries);
        samples.set(LOG_SIGNED, &domain, log.signed);
        if keeper.signer().policy().is_some() {
            samples.set(LOG_COSIGNED, &domain, log.cosigned);
        }
        if let Some(made_ms) = log.checkpoint_ms {
            samples.set(LOG_CHECKPOINT, &domain, made_ms / 1000);
        }
        samples.set_fraction(LOG_UNSIGNED_AGE, &domain, age(log.oldest_unsigned));
        let trouble = keeper.trouble().is_some();
        samples.set(LOG_TROUBLE, &domain, u64::from(trouble));
        if let Some(publisher) = &backend.publisher {
            samples.set(PUBLISHED, &domain, log.published);
            samples.set_fraction(UNPUBLISHED_AGE, &domain, age(log.oldest_unpublished));
            let trouble = publisher.trouble().is_some();
            samples.set(PUBLISHER_TROUBLE, &domain, u64::from(trouble));
        }
    }
    if backend.outbox.is_some() {
        samples.set(OUTBOX_ENTRIES, &domain, figures.outbox.entries);
        samples.set_fraction(OUTBOX_AGE, &domain, age(figures.outbox.oldest));
    }
}
