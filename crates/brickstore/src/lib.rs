//! Content-addressed store of encrypted bricks.
//!
//! # Contract
//! * **Durable.** [`BrickStore::put`] answers after the brick is synced to disk (promise P1);
//!   [`BrickStore::put_many`] stores all of its bricks or none.
//! * **Checked.** [`BrickStore::get`] hashes what it read and never returns bytes that do not hash
//!   to the name asked for (promise P2).
//! * **Immutable.** A brick that is there is never written again; a put of it compares the bytes
//!   and costs no write. The one exception heals: stored bytes that differ from their name are
//!   replaced by a put of the right ones.
//! * **Counted.** Bricks and bytes per domain and per account are exact after every crash: they
//!   change in the same batch as the brick. A put that does not fit into a quota stores nothing;
//!   what is there already counts once, and is never refused.
//! * **Quarantined.** What is found damaged, by a reader or by the scrub, is recorded and refused at
//!   once from then on; nothing is deleted. A put of the right bytes ends the quarantine, and so
//!   does a scrub that finds the brick whole again.

mod check;
mod commit;
mod error;
mod inspect;
mod keys;
mod migrate;
mod quota;
mod scrub;
mod shared;
mod store;

pub use check::{BrickFinding, BrickReport, check};
pub use engine::{
    Anomaly, EngineOptions, Figures, Migration, Mode, OpenError, Pass, STATES, ScrubOptions,
    ScrubState, Scrubber,
};
pub use error::{BrickStoreError, Quota};
pub use migrate::{migrate, migration};
pub use quota::{Account, NotAnAccount, PutTerms, StorageLimit};
pub use scrub::Quarantined;
pub use shared::{Put, Totals};
pub use store::BrickStore;
