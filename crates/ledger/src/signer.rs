//! Signing the checkpoints of a log. The one rule: never two that contradict each other.
//!
//! **Source:** `translog.md` §4.

use std::sync::Arc;

use engine::EngineError;
use tokio::sync::Mutex;
use translog::{
    Checkpoint, ExtensionLine, Hash, LogKey, Origin, Policy, Predecessor, SignatureLine,
    SignedNote, VerifierKey, consistency_tiles, edge_tiles, verify_consistency,
};

use crate::commit::Record;
use crate::error::LedgerError;
use crate::hold::{Hold, LiftError, Lifted, Reach, Regard};
use crate::keys::{self, LogRecord};
use crate::log::Log;
use crate::log_records::LogState;
use crate::outside::{Fit, Outside};
use crate::shared::Shared;

/// Signs the checkpoints of one log. One lives at a time: the store's lock keeps other processes
/// out, and a service makes one for each domain.
#[derive(Clone)]
pub struct LogSigner {
    log: Log,
    origin: Origin,
    /// The present key, and the one before it during a rotation.
    keys: Arc<Vec<LogKey>>,
    policy: Option<Arc<Policy>>,
    /// The log that it continues, which each of its checkpoints names.
    predecessor: Option<Arc<Predecessor>>,
    /// Held from reading what was signed until what is signed now is on disk.
    signing: Arc<Mutex<()>>,
}

/// Why no checkpoint is signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// Another name than the log was given with its first checkpoint.
    #[error(
        "the log is called {found} in all its checkpoints and keeps its name, not {configured}; \
         set log.origin = \"{found}\", or start with a new data folder"
    )]
    OriginChanged {
        /// The name in its checkpoints.
        found: Origin,
        /// The name that it was to have.
        configured: Origin,
    },
    /// The name of a log that has ended; the store goes on under another.
    #[error(
        "the log {ended} has ended with a new one in its place, and nothing is signed under its name \
         any more; set log.origin = \"{name}\""
    )]
    Ended {
        /// The name that it was to have.
        ended: Origin,
        /// The name that it has.
        name: Origin,
    },
    /// None of the keys signed the last checkpoint.
    #[error(
        "the last checkpoint of the log {origin} was signed with another key than the present one; \
         name the former key's file in log.old_key"
    )]
    KeyChanged {
        /// The log.
        origin: Origin,
    },
    /// The entries do not lead to what was signed. Nothing is signed until a person has looked.
    #[error("the log {origin} does not continue its last checkpoint of {size} entries: {detail}")]
    Inconsistent {
        /// The log.
        origin: Origin,
        /// Entries of the last checkpoint.
        size: u64,
        /// What does not fit.
        detail: String,
    },
    /// The log is on hold.
    #[error("the log {origin} is on hold and signs nothing: {reason}")]
    Held {
        /// The log.
        origin: Origin,
        /// Why.
        reason: String,
    },
    /// The store cannot be read or written now.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl SignerError {
    /// Whether the store itself does not give what was signed, which no later attempt mends.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Inconsistent { .. } | Self::Ledger(LedgerError::Corrupt(_))
        )
    }
}

impl LogSigner {
    /// Signs for `log`, which is called `origin`, with `keys`, the present one first. Compares them
    /// with the last checkpoint; nothing is signed yet.
    ///
    /// # Errors
    /// [`SignerError`].
    pub async fn open(
        log: Log,
        origin: Origin,
        keys: Vec<LogKey>,
        policy: Option<Policy>,
    ) -> Result<Self, SignerError> {
        log.check_name(&origin).await?;
        let lineage = log.lineage().await?;
        let signer = Self {
            log,
            origin,
            keys: Arc::new(keys),
            policy: policy.map(Arc::new),
            predecessor: lineage.map(|it| Arc::new(it.predecessor().clone())),
            signing: Arc::new(Mutex::new(())),
        };
        if let Some(note) = signer.log.checkpoint().await? {
            signer.check_name_and_key(&note)?;
        }
        Ok(signer)
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Its name.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Its keys, the present one first.
    #[must_use]
    pub fn keys(&self) -> &[LogKey] {
        &self.keys
    }

    /// Which cosignatures are asked for.
    #[must_use]
    pub fn policy(&self) -> Option<&Policy> {
        self.policy.as_deref()
    }

    /// The log that it continues; `None` for most.
    #[must_use]
    pub fn predecessor(&self) -> Option<&Predecessor> {
        self.predecessor.as_deref()
    }

    /// What verifies its signatures, the present key first.
    #[must_use]
    pub fn verifiers(&self) -> Vec<VerifierKey> {
        let keys = self.keys.iter();
        keys.map(|key| key.verifier().clone()).collect()
    }

    /// Compares the log with a checkpoint of it from outside. One that the store does not contain
    /// puts the log on hold.
    ///
    /// # Errors
    /// When the store cannot be read, or the hold not be recorded; it holds all the same.
    pub async fn weigh(&self, outside: &Outside) -> Result<Fit, LedgerError> {
        let fit = self.log.fit(outside).await?;
        if fit != Fit::Contained {
            self.log.hold_back(Hold::by(outside.clone(), fit)).await?;
        }
        Ok(fit)
    }

    /// Checks that the store continues the last checkpoint, and signs nothing.
    ///
    /// # Errors
    /// [`SignerError`].
    pub async fn examine(&self) -> Result<(), SignerError> {
        let _signing = self.signing.lock().await;
        self.examine_now().await
    }

    /// Takes the log from its hold: if the store continues its last checkpoint, and contains each of
    /// `outside` and every checkpoint that was seen during the hold. If the store was put back, one of
    /// them has to go as far as it was signed. The more places they are from, the better: one that lags
    /// behind does not know what was signed last.
    ///
    /// # Errors
    /// [`LiftError`]; the hold stays then.
    pub async fn lift(&self, outside: &[Outside], regard: Regard) -> Result<Lifted, LiftError> {
        let _signing = self.signing.lock().await;
        self.check_fit().await?;
        self.log.lift(outside, regard, Reach::Signed).await
    }

    /// [`LogSigner::lift`] also where all checkpoints are older than what the store has signed. Whoever
    /// calls this answers for it that nothing newer than the store was signed: never a program by
    /// itself.
    ///
    /// # Errors
    /// [`LiftError`]; the hold stays then.
    pub async fn lift_from_older(
        &self,
        outside: &[Outside],
        regard: Regard,
    ) -> Result<Lifted, LiftError> {
        let _signing = self.signing.lock().await;
        self.check_fit().await?;
        self.log.lift(outside, regard, Reach::Any).await
    }

    /// Takes a log from its hold that has signed nothing that is known; gives its number of entries.
    /// Whoever calls this answers for it that its key has never signed anything: somebody who knows it,
    /// or whoever has just made the key.
    ///
    /// # Errors
    /// [`LiftError`]; the hold stays then.
    pub async fn lift_unsigned(&self) -> Result<u64, LiftError> {
        let _signing = self.signing.lock().await;
        self.check_fit().await?;
        self.log.lift_unsigned().await
    }

    async fn check_fit(&self) -> Result<(), LiftError> {
        let examined = self.examine_now().await;
        examined.map_err(|error| LiftError::Unfit(Box::new(error)))
    }

    async fn examine_now(&self) -> Result<(), SignerError> {
        let last = self.last().await?;
        let signer = self.clone();
        let read = self
            .log
            .read(move |shared, domain| Ok(signer.next(shared, domain, last.as_ref())));
        read.await?.transpose()?;
        Ok(())
    }

    /// The last checkpoint that was signed, by this name and one of these keys.
    async fn last(&self) -> Result<Option<Checkpoint>, SignerError> {
        let Some(note) = self.log.checkpoint().await? else {
            return Ok(None);
        };
        self.check_name_and_key(&note)?;
        self.checkpoint_in(&note).map(Some)
    }

    /// Refuses to sign for a log on hold.
    pub(crate) fn check_hold(&self) -> Result<(), SignerError> {
        match self.log.hold() {
            None => Ok(()),
            Some(hold) => Err(SignerError::Held {
                origin: self.origin.clone(),
                reason: hold.words(),
            }),
        }
    }

    fn check_name_and_key(&self, note: &SignedNote) -> Result<(), SignerError> {
        let checkpoint = self.checkpoint_in(note)?;
        if checkpoint.origin != self.origin {
            return Err(SignerError::OriginChanged {
                found: checkpoint.origin,
                configured: self.origin.clone(),
            });
        }
        translog::verify_note(note, &self.verifiers()).map_err(|_| SignerError::KeyChanged {
            origin: self.origin.clone(),
        })?;
        if checkpoint.extensions != self.extensions() {
            let detail = "it names another predecessor than the store";
            return Err(self.inconsistent(checkpoint.size, detail.to_owned()));
        }
        Ok(())
    }

    /// The lines that each checkpoint of the log has.
    fn extensions(&self) -> Vec<ExtensionLine> {
        self.predecessor.iter().map(|it| it.line()).collect()
    }

    fn checkpoint_in(&self, note: &SignedNote) -> Result<Checkpoint, SignerError> {
        let inconsistent = |error| self.inconsistent(0, format!("it cannot be read: {error}"));
        note.checkpoint().map_err(inconsistent)
    }

    fn inconsistent(&self, size: u64, detail: String) -> SignerError {
        SignerError::Inconsistent {
            origin: self.origin.clone(),
            size,
            detail,
        }
    }

    /// Signs the log as it stands on disk, and gives the note once that is on disk itself. `None`
    /// when there is nothing that was not signed.
    ///
    /// # Errors
    /// [`SignerError`]; then nothing was signed that anybody can see.
    pub async fn sign(&self) -> Result<Option<SignedNote>, SignerError> {
        let _signing = self.signing.lock().await;
        self.check_hold()?;
        let last = self.log.checkpoint().await?;
        if let Some(note) = &last {
            self.check_name_and_key(note)?;
        }
        let before = last
            .as_ref()
            .map(|note| self.checkpoint_in(note))
            .transpose()?;
        let signer = self.clone();
        let last_signed = before.clone();
        let read = self
            .log
            .read(move |shared, domain| Ok(signer.next(shared, domain, last_signed.as_ref())));
        // Size 0 says nothing, and no reader has a use for a log that begins with it.
        let state = read.await?.transpose()?.flatten();
        let Some(state) = state.filter(|state| state.size > 0) else {
            return Ok(None);
        };
        let is_signed_by_present_key = |note: &SignedNote| {
            let present = self.keys.first().map(LogKey::verifier);
            note.signatures()
                .iter()
                .any(|line| present.is_some_and(|key| key.id() == line.id))
        };
        if before.is_some_and(|before| before.size == state.size)
            && last.as_ref().is_some_and(is_signed_by_present_key)
        {
            return Ok(None);
        }
        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            size: state.size,
            root: state.root,
            extensions: self.extensions(),
        };
        let Some(note) = self.signed(&checkpoint) else {
            return Ok(None);
        };
        self.store(LogRecord::Note, &note).await?;
        Ok(Some(note))
    }

    /// Signs the checkpoint of an earlier size once more, for a published root whose note was lost.
    /// Nothing is stored. It must have this root in a log that continues its last checkpoint: then
    /// it is what was signed before, or could have been.
    ///
    /// # Errors
    /// [`SignerError::Inconsistent`] if not.
    pub async fn sign_again(&self, size: u64, root: Hash) -> Result<SignedNote, SignerError> {
        let _signing = self.signing.lock().await;
        self.check_hold()?;
        let last = self.last().await?;
        let last = last.ok_or_else(|| self.inconsistent(0, "nothing was signed".to_owned()))?;
        let fault = |detail: String| self.inconsistent(last.size, detail);
        if size == 0 || size > last.size {
            return Err(fault(format!("{size} entries were never signed")));
        }
        let (signer, newest) = (self.clone(), last.clone());
        let read = self
            .log
            .read(move |shared, domain| Ok(signer.continues(shared, domain, &newest, size, &root)));
        let missing = || fault("the log is empty".to_owned());
        read.await?.ok_or_else(missing)??;
        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            size,
            root,
            extensions: self.extensions(),
        };
        let unsigned = || fault("there is no key to sign with".to_owned());
        self.signed(&checkpoint).ok_or_else(unsigned)
    }

    /// Whether the log has this root at this size, and goes on from there to its last checkpoint.
    fn continues(
        &self,
        shared: &Shared,
        domain: engine::DomainId,
        last: &Checkpoint,
        size: u64,
        root: &Hash,
    ) -> Result<(), SignerError> {
        self.next(shared, domain, Some(last))?;
        let fault = |detail: String| self.inconsistent(last.size, detail);
        let mut ids = edge_tiles(size);
        ids.extend(edge_tiles(last.size));
        ids.extend(consistency_tiles(size, last.size));
        let tiles = shared.tile_set(domain, &ids).map_err(LedgerError::from)?;
        let proof = tiles.consistency_proof(size, last.size);
        let proof = proof.map_err(|missing| fault(missing.to_string()))?;
        verify_consistency(size, root, last.size, &last.root, &proof).map_err(|error| {
            fault(format!(
                "its first {size} entries have another root: {error}"
            ))
        })
    }

    /// A note with a signature of each key; `None` without any key.
    fn signed(&self, checkpoint: &Checkpoint) -> Option<SignedNote> {
        let mut lines = self.keys.iter().map(|key| key.sign(checkpoint));
        let mut note = SignedNote::new(checkpoint, lines.next()?);
        for line in lines {
            // Two lines are far below the bound.
            let _ = note.add(line);
        }
        Some(note)
    }

    /// What is to be signed next, checked against what was signed: the stored tiles give the last
    /// signed root, the stored root, and a proof from one to the other.
    fn next(
        &self,
        shared: &Shared,
        domain: engine::DomainId,
        last: Option<&Checkpoint>,
    ) -> Result<Option<LogState>, SignerError> {
        let state = shared.log_state(domain).map_err(LedgerError::from)?;
        let Some(last) = last else {
            // `tree` compares with the stored root.
            shared.tree(domain).map_err(LedgerError::from)?;
            return Ok(state);
        };
        let fault = |detail: String| self.inconsistent(last.size, detail);
        let state = state.ok_or_else(|| fault("the log is empty".to_owned()))?;
        if state.size < last.size {
            return Err(fault(format!("the store holds {} entries", state.size)));
        }
        let mut ids = edge_tiles(last.size);
        ids.extend(edge_tiles(state.size));
        ids.extend(consistency_tiles(last.size, state.size));
        // A disk that fails now may answer later; what it answers and is wrong stays so.
        let tiles = shared.tile_set(domain, &ids).map_err(|error| match error {
            EngineError::Corrupt { .. } => fault(error.to_string()),
            other => LedgerError::from(other).into(),
        })?;
        let root = |size| {
            tiles
                .root(size)
                .map_err(|missing| fault(missing.to_string()))
        };
        if root(last.size)? != last.root {
            return Err(fault("its entries have another root".to_owned()));
        }
        if root(state.size)? != state.root {
            return Err(fault(format!(
                "the {} entries have another root than was stored with them",
                state.size
            )));
        }
        let proof = tiles
            .consistency_proof(last.size, state.size)
            .map_err(|missing| fault(missing.to_string()))?;
        verify_consistency(last.size, &last.root, state.size, &state.root, &proof)
            .map_err(|error| fault(error.to_string()))?;
        Ok(Some(state))
    }

    /// Adds cosignatures to a checkpoint of this log, and says whether it has those that the policy
    /// asks for now. They are kept if it is still the newest, or the newest that has them.
    ///
    /// # Errors
    /// [`SignerError::Ledger`].
    pub async fn add_cosignatures(
        &self,
        note: &SignedNote,
        lines: Vec<SignatureLine>,
    ) -> Result<Option<SignedNote>, SignerError> {
        let mut note = note.clone();
        for line in lines {
            if note.add(line).is_err() {
                tracing::warn!(origin = %self.origin, "a cosignature was left out: the note is full");
            }
        }
        let _signing = self.signing.lock().await;
        let newest = self.log.checkpoint().await?;
        if newest.is_some_and(|newest| newest.text() == note.text()) {
            self.store(LogRecord::Note, &note).await?;
        }
        let is_enough = self
            .policy
            .as_ref()
            .is_some_and(|policy| policy.check(&note).is_ok());
        if !is_enough {
            return Ok(None);
        }
        self.store(LogRecord::Cosigned, &note).await?;
        Ok(Some(note))
    }

    async fn store(&self, record: LogRecord, note: &SignedNote) -> Result<(), LedgerError> {
        let text = note.to_string().into_bytes();
        let stored = self.log.write(move |domain| {
            vec![Record {
                family: keys::LOG,
                key: keys::log(domain, record),
                value: Some(text.clone()),
            }]
        });
        stored.await
    }
}

impl Log {
    /// Refuses a name that the log had and has no more, or never had. A log that nothing is signed of
    /// may have any.
    ///
    /// # Errors
    /// [`SignerError::Ended`] and [`SignerError::OriginChanged`].
    pub async fn check_name(&self, origin: &Origin) -> Result<(), SignerError> {
        let lineage = self.lineage().await?;
        if let Some(lineage) = lineage.as_ref().filter(|it| it.origin != *origin)
            && lineage.ended()?.contains(origin)
        {
            return Err(SignerError::Ended {
                ended: origin.clone(),
                name: lineage.origin.clone(),
            });
        }
        let note = self.checkpoint().await?;
        let signed_as = note.and_then(|note| note.checkpoint().ok());
        let known = lineage.map(|it| it.origin);
        match known.or(signed_as.map(|it| it.origin)) {
            Some(found) if found != *origin => Err(SignerError::OriginChanged {
                found,
                configured: origin.clone(),
            }),
            _ => Ok(()),
        }
    }
}
