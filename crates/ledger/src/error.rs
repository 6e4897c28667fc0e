//! Why the ledger refuses, named by what the caller can do about it.

use engine::EngineError;
use keyssi::{AppendError, CreateError};

/// What lies behind a failure of a ledger, of whatever kind the ledger is.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why an anchor could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// There is such an anchor; an anchor is created once.
    #[error("the anchor exists already")]
    AlreadyExists,
    /// There is no such anchor; create it first.
    #[error("the anchor does not exist")]
    Absent,
    /// The rules refuse the value as the first of this anchor.
    #[error("the value cannot be the first of this anchor")]
    Create(#[source] CreateError),
    /// The rules refuse the value as the next of this anchor.
    #[error("the value cannot follow the anchor's last one")]
    Append(#[source] AppendError),
    /// The disk is full; nothing was written. Retry when there is room.
    #[error("the disk is full")]
    OutOfSpace,
    /// The new entries do not fit into a quota of the domain; nothing was written.
    #[error("the domain's quota is {limit} {what}, {used} are there, and this needs {asked} more")]
    QuotaExceeded {
        /// `anchors` or `versions`.
        what: &'static str,
        /// The quota's size.
        limit: u64,
        /// How much of it is in use.
        used: u64,
        /// How much more this would have needed.
        asked: u64,
    },
    /// Stored data does not pass its checks.
    #[error("stored data is damaged")]
    Corrupt(#[source] EngineError),
    /// Other writers kept changing the same anchors; try again.
    #[error("the anchor keeps changing")]
    Contended,
    /// The anchor went one way here and another on the ledger behind; it takes no entries here until
    /// a person has looked at both.
    #[error("the anchor's history here and on its ledger differ")]
    Conflict,
    /// The log of the domain is on hold: what it takes could never be signed. Reading goes on; a
    /// person has to look.
    #[error("the log of the domain is on hold: {reason}")]
    Held {
        /// Why.
        reason: String,
    },
    /// This ledger cannot do what is asked for; another request may say the same.
    #[error("this ledger cannot do that: {reason}")]
    Unsupported {
        /// What, and what to do instead.
        reason: String,
    },
    /// What keeps the anchors answers, and what it says of this one is no history by the rules, or
    /// makes no sense: neither that the anchor is there nor that it is absent. Asking again changes
    /// nothing until that is mended.
    #[error("the ledger behind holds or answers what makes no sense")]
    Broken(#[source] Cause),
    /// The ledger cannot serve this now: it takes no writes after an I/O error, is ending, or what
    /// keeps its anchors cannot be reached.
    #[error("the ledger is not available")]
    Unavailable(#[source] Option<Cause>),
}

/// Why a batch was refused; nothing of it was written.
#[derive(Debug, thiserror::Error)]
#[error("entry {index} of the batch was refused")]
pub struct BatchError {
    /// Place of the entry in the batch, from 0; 0 too when the batch failed as a whole.
    pub index: usize,
    /// Why.
    #[source]
    pub source: LedgerError,
}

impl From<EngineError> for LedgerError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::OutOfSpace { .. } => Self::OutOfSpace,
            EngineError::Corrupt { .. } => Self::Corrupt(error),
            other => Self::Unavailable(Some(other.into())),
        }
    }
}
