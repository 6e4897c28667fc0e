//! The embedded engine under both stores: RocksDB with the options that our promises need,
//! one committer thread per store, and one answer to each way in which a disk can fail.
//!
//! **Durability.** [`Engine::write`] returns `Ok` only after the write-ahead log is synced.
//! **Failure.** A full disk is refused before RocksDB sees it; if RocksDB reports it all the same,
//! the database is reopened once space is back. Any other write error *poisons* the engine: it
//! stays readable and takes no write until the process is restarted, because after a failed sync
//! nobody knows what the disk holds.

mod anomaly;
mod committer;
mod database;
mod domain_ids;
mod error;
mod figures;
mod freeze;
mod log_scan;
mod migration;
mod options;
mod read;
mod scrub;
mod stats;

pub use anomaly::Anomaly;
pub use committer::{Closed, Committer};
pub use database::{Engine, EngineOptions, Health, Mode};
pub use domain_ids::{DomainId, DomainIds};
pub use error::{EngineError, OpenError};
pub use migration::Migration;
pub use options::{Family, META};
pub use read::KeyValue;
pub use rocksdb;
pub use scrub::{Pass, ScrubOptions, ScrubState, Scrubbed, Scrubber, Step};
pub use stats::{Figures, HistogramFigures, STATES, Stats};
