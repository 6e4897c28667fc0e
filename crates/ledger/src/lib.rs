//! Append-only histories of anchors on an embedded ledger, and the versionless documents that lie
//! beside them.

pub mod adapter;
mod check;
mod commit;
mod contract;
mod embedded;
mod error;
mod judge;
mod keys;
mod shared;

pub use check::{AnchorFinding, AnchorReport, check};
pub use contract::{Entry, Intent, Ledger};
pub use embedded::EmbeddedLedger;
pub use engine::{Anomaly, EngineOptions, Mode, OpenError};
pub use error::{BatchError, Cause, LedgerError};
