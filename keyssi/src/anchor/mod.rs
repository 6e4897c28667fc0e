//! Anchors: their ids, the values that are appended to them, and the rules by
//! which a value may follow another.
//!
//! **Source:** keyssi specification §6 and §7.8.

mod id;
mod rules;
mod sign;
#[cfg(test)]
mod tests;
mod value;

pub use id::{AnchorId, AnchorIdError, AnchorKind};
pub use rules::{
    AppendError, CreateError, EntryError, Head, HistoryError, append, check_history, create,
};
pub use sign::{AnchorSigner, SignError};
pub use value::{AnchorValue, AnchorValueError, AnchorValueKind};
