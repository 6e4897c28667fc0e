//! Keeps a log signed, for as long as the node runs.
//!
//! **Source:** `translog.md` §4, §8.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use translog::SignedNote;

use crate::signer::{LogSigner, SignerError};

/// How long entries are gathered before the next checkpoint. A checkpoint is at most a second
/// behind what is stored; this leaves time for a slow sync.
const GATHER: Duration = Duration::from_millis(200);
/// Pause after a failure: a full disk, say.
const PAUSE: Duration = Duration::from_secs(1);

/// What runs for one log.
#[derive(Clone)]
pub struct LogKeeper {
    signer: LogSigner,
    notes: watch::Sender<Option<SignedNote>>,
    trouble: Arc<Mutex<Option<String>>>,
}

impl LogKeeper {
    /// A keeper of the log that `signer` signs; [`LogKeeper::sign_on`] does the work.
    #[must_use]
    pub fn new(signer: LogSigner) -> Self {
        Self {
            signer,
            notes: watch::Sender::new(None),
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
