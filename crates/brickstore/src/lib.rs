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
//! * **Counted.** Bricks and bytes per domain are exact after every crash: they change in the same
//!   batch as the brick.

mod check;
mod commit;
mod error;
mod keys;
mod shared;
mod store;

pub use check::{BrickFinding, BrickReport, check};
pub use engine::{Anomaly, EngineOptions, Mode, OpenError};
pub use error::BrickStoreError;
pub use shared::{Put, Totals};
pub use store::BrickStore;
