//! Append-only histories of anchors on an embedded ledger, and the versionless documents that lie
//! beside them.
//!
//! # Contract
//! * **Durable.** A write is answered after it is synced to disk (promise P5).
//! * **Linearizable.** Of simultaneous writes on one head exactly one succeeds; the others are
//!   judged against the head that it left (promise P4).
//! * **Flat.** An entry is judged against the head alone; its cost does not grow with the history.
//! * **Atomic.** A batch over several anchors is written whole or not at all.
//! * **Append-only.** No entry is ever altered or removed (promise P3).

mod check;
mod commit;
mod embedded;
mod error;
mod keys;
mod shared;

pub use check::{AnchorFinding, AnchorReport, check};
pub use embedded::{EmbeddedLedger, Entry, Intent};
pub use engine::{Anomaly, EngineOptions, Mode, OpenError};
pub use error::{BatchError, LedgerError};
