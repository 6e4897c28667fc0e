//! Ledgers: append-only histories of anchors, embedded or elsewhere, the transparency log of those
//! that the embedded one accepts, and the versionless documents that lie beside them.

pub mod adapter;
mod chain_account;
mod check;
mod check_log;
mod commit;
mod contract;
mod cosign;
mod direct;
mod elsewhere;
mod embedded;
mod error;
mod figures;
mod history;
mod hold;
mod holds;
mod inspect;
mod judge;
mod keeper;
mod keys;
mod leaf;
mod lineage;
mod listing;
mod log;
mod log_records;
mod migrate;
mod optimistic;
mod outside;
mod pauses;
mod placed;
mod publisher;
mod quota;
mod renew;
mod scrub;
mod shared;
mod signer;
mod turns;

pub use chain_account::{AccountDiffers, ChainAccount, Senders};
pub use check::{AnchorFinding, AnchorReport, check};
pub use contract::{Entry, Intent, Ledger};
pub use cosign::{Collected, Proofs, WitnessAnswer, Witnesses, WitnessesError, collect};
pub use direct::{DirectError, DirectLedger, DirectOptions};
pub use embedded::EmbeddedLedger;
pub use engine::{
    Anomaly, EngineOptions, Figures, Migration, Mode, OpenError, STATES, ScrubOptions, ScrubState,
    Scrubber,
};
pub use error::{BatchError, Cause, LedgerError};
pub use figures::{DomainFigures, LogFigures, OUTBOX_COUNT_MAX, OutboxFigures};
pub use history::BrokenHistory;
pub use hold::{Hold, HoldCause, LiftError, Lifted, Regard};
pub use keeper::{LogKeeper, Uncosigned};
pub use lineage::Lineage;
pub use log::{Inclusion, Log, Logged, Publication};
pub use migrate::migration;
pub use optimistic::{Conflict, OptimisticLedger, Standing, Target};
pub use outside::{Fit, Outside, OutsideError, Shown, shown};
pub use placed::Placed;
pub use publisher::{Batching, Publisher, PublisherError, origin_id};
pub use quota::AnchorQuota;
pub use renew::{End, Ending, OldKey, RenewError, Renewed};
pub use signer::{LogSigner, SignerError};
