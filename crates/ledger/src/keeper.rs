//! Keeps a log signed, for as long as the node runs.
//!
//! **Source:** `translog.md` §4, §8.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use translog::SignedNote;

use crate::cosign::{self, Witnesses};
use crate::signer::{LogSigner, SignerError};

/// How long entries are gathered before the next checkpoint. A checkpoint is at most a second
/// behind what is stored; this leaves time for a slow sync.
const GATHER: Duration = Duration::from_millis(200);
/// How often the cosignatures of an unchanged log are renewed, so that readers see that it is.
const REFRESH: Duration = Duration::from_mins(10);
/// Pause after a failure: a full disk, say.
const PAUSE: Duration = Duration::from_secs(1);

/// What runs for one log.
#[derive(Clone)]
pub struct LogKeeper {
    signer: LogSigner,
    notes: watch::Sender<Option<SignedNote>>,
    cosigned: watch::Sender<Option<SignedNote>>,
    trouble: Arc<Mutex<Option<String>>>,
}

impl LogKeeper {
    /// A keeper of the log that `signer` signs; [`LogKeeper::sign_on`] does the work.
    #[must_use]
    pub fn new(signer: LogSigner) -> Self {
        Self {
            signer,
            notes: watch::Sender::new(None),
            cosigned: watch::Sender::new(None),
            trouble: Arc::default(),
        }
    }

    /// Whose log it is.
    #[must_use]
    pub fn signer(&self) -> &LogSigner {
        &self.signer
    }

    /// The checkpoints, as they are signed.
    #[must_use]
    pub fn notes(&self) -> watch::Receiver<Option<SignedNote>> {
        self.notes.subscribe()
    }

    /// The checkpoints, as they get the cosignatures that the policy asks for; without a policy, none.
    #[must_use]
    pub fn cosigned(&self) -> watch::Receiver<Option<SignedNote>> {
        self.cosigned.subscribe()
    }

    /// Why nothing is signed at present, for people; `None` when all is well.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Signs whatever is new, for ever. What failed is tried again; a log that does not continue
    /// its last checkpoint stays unsigned, loudly.
    pub async fn sign_on(self) {
        let mut grown = self.signer.log().watch();
        loop {
            grown.mark_unchanged();
            match self.signer.sign().await {
                Ok(note) => {
                    self.report(None);
                    if note.is_some() {
                        self.notes.send_replace(note);
                    }
                }
                Err(error) => {
                    self.report(Some(&error));
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            }
            self.signer.log().grown(&mut grown).await;
            tokio::time::sleep(GATHER).await;
        }
    }

    /// Has the checkpoints cosigned by the witnesses of the policy, for ever: the newest, as often as
    /// there is a new one, and an old one again when its cosignatures are no longer fresh. While a
    /// witness is slow, newer checkpoints are signed all the same and the newest is next.
    pub async fn cosign_on(self, mut witnesses: Witnesses) {
        let Some(policy) = self.signer.policy().cloned() else {
            return;
        };
        let log = self.signer.log().clone();
        let mut notes = self.notes();
        let mut failures = 0_u32;
        loop {
            notes.mark_unchanged();
            let newest = log.checkpoint().await;
            let Ok(Some(note)) = newest else {
                // Nothing is in the log, or the store cannot be read, which its signer reports.
                let wait = if newest.is_ok() { REFRESH } else { PAUSE };
                self.next_note(&mut notes, wait).await;
                continue;
            };
            let proofs = |old, new| -> BoxFuture<'static, _> {
                let log = log.clone();
                Box::pin(async move { log.consistency(old, new).await.ok().flatten() })
            };
            let collected = cosign::collect(&mut witnesses, &note, &policy, &proofs).await;
            let added = self.signer.add_cosignatures(&note, collected.lines).await;
            let wait = match added {
                Ok(Some(note)) => {
                    failures = 0;
                    self.cosigned.send_replace(Some(note));
                    REFRESH
                }
                Ok(None) => {
                    failures = failures.saturating_add(1);
                    PAUSE.saturating_mul(failures.min(30))
                }
                Err(error) => {
                    tracing::warn!(%error, "cosignatures could not be kept");
                    PAUSE
                }
            };
            self.next_note(&mut notes, wait).await;
        }
    }

    async fn next_note(&self, notes: &mut watch::Receiver<Option<SignedNote>>, most: Duration) {
        // The sender lives in `self`; the time is what ends the wait if nothing is signed.
        let _ = tokio::time::timeout(most, notes.changed()).await;
    }

    fn report(&self, error: Option<&SignerError>) {
        let text = error.map(ToString::to_string);
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if *trouble == text {
            return;
        }
        let origin = self.signer.origin();
        if let Some(error) = error {
            tracing::error!(%origin, %error, "the log is not signed");
        } else {
            tracing::info!(%origin, "the log is signed again");
        }
        *trouble = text;
    }
}
