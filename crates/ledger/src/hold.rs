//! A log on hold: nothing of it is signed and it takes no entries, because its store may be older
//! than what was signed, or is not what was signed.
//!
//! Signing on would be a second history under one key. So a hold outlives the process, and only a
//! comparison with a checkpoint from outside the store lifts it. Reading goes on.
//!
//! ```text
//! who puts it on hold              cause          who lifts it
//! whoever restores a backup: all   restored       LogSigner::lift, with a checkpoint that was kept elsewhere
//!   logs of the store, see holds                    and goes as far as the store was signed
//! a witness or the chain shows     contradicted   the same, once the store contains that checkpoint
//!   more than the store holds
//! the store does not give the      damaged        the same, once it does
//!   root that was signed last
//! ```
//! A restored log that has signed nothing that is known has nothing to be compared with: it takes
//! somebody's word, [`LogSigner::lift_unsigned`](crate::LogSigner::lift_unsigned).
//!
//! A log whose newest entries are lost can never be lifted; it ends, and another one takes its place
//! (see [`crate::renew`]).
//!
//! A crash between the discovery and the record of it leaves no hold: the next start compares again
//! before it takes anything.
//!
//! **Source:** `translog.md` §4 (never two checkpoints without a consistency proof between them).

use serde::{Deserialize, Serialize};
use translog::edge_tiles;

use crate::error::LedgerError;
use crate::holds::{hold_record, lift_records};
use crate::log::Log;
use crate::outside::{Fit, Outside};
use crate::shared::{Shared, corrupt};
use crate::signer::SignerError;

/// Checkpoints from outside that are kept with a hold. Each is of another size or root, so a peer
/// could name many only if our key had signed them.
const OUTSIDE_MAX: usize = 16;

/// Why a log is on hold, since when, and what it has to contain before it may go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// The kind of reason.
    pub cause: HoldCause,
    /// The reason, for people.
    pub detail: String,
    /// When, in milliseconds since the epoch.
    pub since_ms: u64,
    /// Checkpoints under our own key that the store does not contain, or did not when they were seen.
    pub outside: Vec<Outside>,
}

/// The kind of reason for a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HoldCause {
    /// The store was put back from a backup; whether the log went on after it is not known yet.
    Restored,
    /// A checkpoint that was signed with the log's own key, or published from its own account, is
    /// not one of the store's tree.
    Contradicted,
    /// The store does not give the root that was signed last.
    Damaged,
}

/// Which of the checkpoints that were seen during a hold have to be in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regard {
    /// All.
    All,
    /// Those under the log's own key. For a log whose chain account was stolen: the roots that the
    /// thief published are on the chain for ever, and the log never signed them.
    Signed,
}

/// How far what a restored log is compared with has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// As far as the store was signed: whoever has only seen less does not know what was signed last.
    Signed,
    /// Wherever: somebody answers for it that nothing newer was signed.
    Any,
}

/// A hold that was lifted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifted {
    /// Entries of the tree.
    pub size: u64,
    /// The largest of the checkpoints that it was compared with.
    pub compared: Outside,
}

/// Why a hold stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiftError {
    /// Nothing to compare with was given.
    #[error("there is no checkpoint from outside to compare the log with")]
    NothingOutside,
    /// The store does not contain a checkpoint from outside: one that was given, or one that was
    /// seen before.
    #[error("the log does not contain {outside}: {fit}")]
    NotContained {
        /// The checkpoint.
        outside: Outside,
        /// How the store differs.
        fit: Fit,
    },
    /// What a restored log was compared with is older than what its own store has signed, so it says
    /// nothing of what was signed after the backup.
    #[error("{compared} says too little: the store itself has signed {signed} entries")]
    Behind {
        /// The largest checkpoint that was given or seen.
        compared: Outside,
        /// Entries of the last checkpoint in the store.
        signed: u64,
    },
    /// Something was signed: nobody's word is taken for it that nothing was.
    #[error("the log has signed {size} entries: compare it with a checkpoint of it")]
    Signed {
        /// Entries of the last checkpoint in the store.
        size: u64,
    },
    /// The store does not continue what was signed last.
    #[error("the log is not fit to go on")]
    Unfit(#[source] Box<SignerError>),
    /// The store cannot be read or written, or is damaged.
    #[error("the log cannot be compared")]
    Ledger(#[from] LedgerError),
}

impl Hold {
    /// A hold that begins now.
    #[must_use]
    pub fn new(cause: HoldCause, detail: impl Into<String>) -> Self {
        Self {
            cause,
            detail: detail.into(),
            since_ms: 0,
            outside: Vec::new(),
        }
    }

    pub(crate) fn by(outside: Outside, fit: Fit) -> Self {
        let detail = format!("its own key signed {outside}, and {fit}");
        Self {
            outside: vec![outside],
            ..Self::new(HoldCause::Contradicted, detail)
        }
    }

    /// In one line, for people.
    #[must_use]
    pub fn words(&self) -> String {
        match self.cause {
            HoldCause::Restored => format!(
                "its store was put back ({}); it waits to be compared with a checkpoint from outside \
                 (kiln log lift --checkpoint FILE), or, if its key has never signed anything, to be \
                 told so (--nothing-was-ever-signed)",
                self.detail
            ),
            HoldCause::Contradicted => format!(
                "it was put back to an older state, or forked: {}",
                self.detail
            ),
            HoldCause::Damaged => format!("its store is damaged: {}", self.detail),
        }
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, LedgerError> {
        let text = serde_json::to_vec(self);
        Ok(text.map_err(|error| corrupt(format!("a hold cannot be written: {error}")))?)
    }

    /// Adds what a further reason says; the first cause and time stay. Says whether it adds anything.
    pub(crate) fn join(&mut self, other: Self) -> bool {
        let new = other.outside.into_iter();
        let new: Vec<_> = new.filter(|it| !self.outside.contains(it)).collect();
        // What contradicts the log says more than that it was restored.
        let is_worse = self.cause == HoldCause::Restored && other.cause != HoldCause::Restored;
        if is_worse {
            self.cause = other.cause;
            self.detail = other.detail;
        }
        let grown = is_worse || !new.is_empty();
        for one in new {
            if self.outside.len() == OUTSIDE_MAX {
                // Whoever goes on with the log signs ever larger ones: of those the last counts.
                let largest = self.outside.iter().enumerate().max_by_key(|it| it.1.size());
                let Some((place, _)) = largest.filter(|it| it.1.size() < one.size()) else {
                    continue;
                };
                self.outside.remove(place);
            }
            self.outside.push(one);
        }
        grown
    }
}

impl Log {
    /// How many entries it has, signed or not.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn size(&self) -> Result<u64, LedgerError> {
        let read = self.read(|shared, domain| Ok(shared.log_state(domain)?));
        Ok(read.await?.flatten().map_or(0, |state| state.size))
    }

    /// Whether the log is on hold, and why.
    #[must_use]
    pub fn hold(&self) -> Option<Hold> {
        self.ledger.shared.hold(&self.domain)
    }

    /// Puts the log on hold, or adds a reason to a hold: from now on it takes no entries and nothing
    /// of it is signed. It is so in this process even if the record of it cannot be written.
    ///
    /// # Errors
    /// When the record cannot be written; a restart forgets the hold then.
    pub async fn hold_back(&self, hold: Hold) -> Result<(), LedgerError> {
        let shared = &self.ledger.shared;
        let _holding = shared.holding.lock().await;
        let joined = shared.hold_now(&self.domain, hold);
        let Some(hold) = joined else {
            return Ok(());
        };
        tracing::error!(
            domain = %self.domain,
            "the log is on hold: it signs nothing and takes no anchors; {}",
            hold.words()
        );
        let text = hold.encode()?;
        let written = self.write(move |domain| vec![hold_record(domain, Some(text.clone()))]);
        let written = written.await;
        if written.is_ok() {
            shared.hold_is_kept(&self.domain);
        }
        written
    }

    /// How a checkpoint from outside lies to the tree of this store.
    ///
    /// # Errors
    /// When the store cannot be read, or is damaged.
    pub async fn fit(&self, outside: &Outside) -> Result<Fit, LedgerError> {
        let (size, outside) = (outside.size(), outside.clone());
        let read = self.read(move |shared, domain| {
            let state = shared.log_state(domain)?;
            let Some(state) = state.filter(|state| state.size >= size) else {
                let ours = state.map_or(0, |state| state.size);
                return Ok(Fit::Larger { ours });
            };
            let mut ids = edge_tiles(size);
            ids.extend(edge_tiles(state.size));
            let tiles = shared.tile_set(domain, &ids)?;
            let root_at = |size| {
                tiles
                    .root(size)
                    .map_err(|missing| corrupt(missing.to_string()))
            };
            if root_at(state.size)? != state.root {
                return Err(corrupt("the root of a log".to_owned()).into());
            }
            Ok(if outside.has_root(&root_at(size)?) {
                Fit::Contained
            } else {
                Fit::OtherRoot
            })
        });
        Ok(read.await?.unwrap_or(Fit::Larger { ours: 0 }))
    }

    /// Takes the hold away if the tree contains all of `outside` and all that was seen before, and
    /// these go far enough. [`LogSigner::lift`](crate::LogSigner::lift) has checked the rest, and keeps
    /// signing still.
    pub(crate) async fn lift(
        &self,
        outside: &[Outside],
        regard: Regard,
        reach: Reach,
    ) -> Result<Lifted, LiftError> {
        let shared = &self.ledger.shared;
        let _holding = shared.holding.lock().await;
        let mut seen = self.hold().map(|hold| hold.outside).unwrap_or_default();
        seen.retain(|one| regard == Regard::All || one.note().is_some());
        for one in outside.iter().chain(&seen) {
            match self.fit(one).await? {
                Fit::Contained => {}
                fit => {
                    let outside = one.clone();
                    return Err(LiftError::NotContained { outside, fit });
                }
            }
        }
        if outside.is_empty() {
            return Err(LiftError::NothingOutside);
        }
        let compared = outside.iter().chain(&seen).max_by_key(|it| it.size());
        let compared = compared.cloned().ok_or(LiftError::NothingOutside)?;
        let signed = self.signed_size().await?;
        if reach == Reach::Signed && shared.is_restored(&self.domain) && compared.size() < signed {
            return Err(LiftError::Behind { compared, signed });
        }
        let size = self.size().await?;
        self.end_hold().await?;
        tracing::warn!(
            domain = %self.domain,
            size,
            "the log goes on: its tree contains {compared}"
        );
        Ok(Lifted { size, compared })
    }

    /// Takes the hold away if nothing that was signed is known; gives the number of entries. For the
    /// rest see [`LogSigner::lift_unsigned`](crate::LogSigner::lift_unsigned).
    pub(crate) async fn lift_unsigned(&self) -> Result<u64, LiftError> {
        let _holding = self.ledger.shared.holding.lock().await;
        let size = self.signed_size().await?;
        if size > 0 {
            return Err(LiftError::Signed { size });
        }
        let seen = self.hold().map(|hold| hold.outside).unwrap_or_default();
        if let Some(outside) = seen.into_iter().next() {
            let fit = self.fit(&outside).await?;
            return Err(LiftError::NotContained { outside, fit });
        }
        let size = self.size().await?;
        self.end_hold().await?;
        tracing::warn!(domain = %self.domain, size, "the log goes on: its key has signed nothing");
        Ok(size)
    }

    /// Ends the hold, durably. The caller has `holding`.
    async fn end_hold(&self) -> Result<(), LedgerError> {
        let shared = &self.ledger.shared;
        let mark = shared.lift_mark();
        self.write(move |domain| lift_records(domain, mark.clone()).into())
            .await?;
        shared.hold_is_over(&self.domain);
        Ok(())
    }

    /// Entries of the last checkpoint that was signed.
    async fn signed_size(&self) -> Result<u64, LedgerError> {
        let read = self.read(Shared::signed_size);
        Ok(read.await?.unwrap_or_default())
    }
}
