//! Keeps a log signed, for as long as the node runs, and on hold when it is not what others have
//! seen of it.
//!
//! **Source:** `translog.md` §4, §8.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;
use translog::{QuorumStanding, SignedNote};

use crate::cosign::{self, Collected, WitnessAnswer, Witnesses};
use crate::error::LedgerError;
use crate::hold::{Hold, HoldCause, Regard};
use crate::outside::{Fit, Shown, shown};
use crate::signer::{LogSigner, SignerError};

/// How long entries are gathered before the next checkpoint. A checkpoint is at most a second
/// behind what is stored; this leaves time for a slow sync.
const GATHER: Duration = Duration::from_millis(200);
/// How often the cosignatures of an unchanged log are renewed, so that readers see that it is.
const REFRESH: Duration = Duration::from_mins(10);
/// Pause after a failure: a full disk, say.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a witness that says that it has seen more is asked to show it.
const SHOW: Duration = Duration::from_secs(10);

/// What runs for one log.
#[derive(Clone)]
pub struct LogKeeper {
    signer: LogSigner,
    notes: watch::Sender<Option<SignedNote>>,
    cosigned: watch::Sender<Option<SignedNote>>,
    trouble: Arc<Mutex<Option<String>>>,
    /// Witnesses that did not cosign when they were last asked, and why.
    refusals: Arc<Mutex<Vec<(String, String)>>>,
    /// How many witnesses are asked.
    witnesses: Arc<AtomicUsize>,
}

/// The newest checkpoint, while it lacks cosignatures that the policy asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncosigned {
    /// Entries of the checkpoint.
    pub size: u64,
    /// How far it is from the quorum; names are those of the policy.
    pub quorum: QuorumStanding,
    /// How many witnesses are asked.
    pub witnesses: usize,
    /// The addresses of witnesses that did not cosign when they were last asked, and why.
    pub refusals: Vec<(String, String)>,
}

impl Uncosigned {
    /// In one line, for people.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = format!(
            "the checkpoint of {} entries waits for cosignatures: it needs {}, has {}",
            self.size,
            self.quorum.asked,
            if self.quorum.have.is_empty() {
                "none".to_owned()
            } else {
                self.quorum.have.join(", ")
            },
        );
        if self.witnesses == 0 {
            words.push_str("; no witness is named to be asked");
        }
        for (witness, why) in &self.refusals {
            words.push_str("; ");
            words.push_str(witness);
            words.push_str(": ");
            words.push_str(why);
        }
        words
    }
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
            refusals: Arc::default(),
            witnesses: Arc::default(),
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
        if let Some(hold) = self.signer.log().hold() {
            return Some(format!("on hold: {}", hold.words()));
        }
        let trouble = self.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the newest checkpoint lacks; `None` when there is none, or no policy, or it has what the
    /// policy asks for.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn uncosigned(&self) -> Result<Option<Uncosigned>, LedgerError> {
        let (Some(policy), Some(note)) =
            (self.signer.policy(), self.signer.log().checkpoint().await?)
        else {
            return Ok(None);
        };
        let (Err(_), Ok(checkpoint)) = (policy.check(&note), note.checkpoint()) else {
            return Ok(None);
        };
        let refusals = self.refusals.lock();
        Ok(Some(Uncosigned {
            size: checkpoint.size,
            quorum: policy.standing(&note),
            witnesses: self.witnesses.load(Ordering::Relaxed),
            refusals: refusals.unwrap_or_else(PoisonError::into_inner).clone(),
        }))
    }

    /// To be awaited before anything is taken or signed: compares the store with what it signed
    /// last, and with what the witnesses have seen. What does not fit puts the log on hold. A witness
    /// that does not answer within five seconds is asked again by [`LogKeeper::cosign_on`].
    pub async fn begin(&self, witnesses: &Witnesses) {
        self.witnesses.store(witnesses.len(), Ordering::Relaxed);
        if let Err(error) = self.signer.examine().await {
            self.hold_if_damaged(&error).await;
        }
        self.compare(witnesses).await;
    }

    /// Compares the log with what the witnesses show of it. A checkpoint under our own key that the
    /// store does not contain puts it on hold. A log on hold goes on when every witness has answered,
    /// at least one has a checkpoint, and nothing that was ever seen is missing in the store.
    pub async fn compare(&self, witnesses: &Witnesses) {
        if witnesses.is_empty() {
            return;
        }
        let signer = &self.signer;
        let origin = signer.origin();
        let (mut contained, mut all_fit) = (Vec::new(), true);
        for Shown { witness, answer } in shown(witnesses, origin, &signer.verifiers()).await {
            match answer {
                Ok(None) => {}
                Ok(Some(outside)) => match signer.weigh(&outside).await {
                    Ok(Fit::Contained) => contained.push(outside),
                    Ok(_) => all_fit = false,
                    Err(error) => {
                        all_fit = false;
                        tracing::error!(%origin, %witness, %error, "the log cannot be compared");
                    }
                },
                Err(why) => {
                    all_fit = false;
                    tracing::warn!(%origin, %witness, "what the witness has seen is not known: {why}");
                }
            }
        }
        if signer.log().hold().is_some()
            && all_fit
            && !contained.is_empty()
            && let Err(error) = signer.lift(&contained, Regard::All).await
        {
            tracing::warn!(%origin, %error, "the log stays on hold");
        }
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
                    self.hold_if_damaged(&error).await;
                    self.report(Some(&error));
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            }
            self.signer.log().grown(&mut grown).await;
            tokio::time::sleep(GATHER).await;
        }
    }

    /// Signs what is new, now, and tells of it as [`LogKeeper::sign_on`] does. `None` when nothing is.
    ///
    /// # Errors
    /// [`SignerError`].
    pub async fn sign_now(&self) -> Result<Option<SignedNote>, SignerError> {
        let note = self.signer.sign().await?;
        if note.is_some() {
            self.notes.send_replace(note.clone());
        }
        Ok(note)
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
        let mut show_after = Instant::now();
        loop {
            notes.mark_unchanged();
            if log.hold().is_some() {
                // Nothing new is signed, and what was is not to be spread.
                self.compare(&witnesses).await;
                failures = failures.saturating_add(1);
                if log.hold().is_some() {
                    let wait = PAUSE.saturating_mul(failures.min(30));
                    self.next_note(&mut notes, wait).await;
                }
                continue;
            }
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
            self.note_refusals(&collected);
            // A number alone, or a refusal, stops nothing: the witness has to show what we signed.
            if contradicts(&collected) && Instant::now() >= show_after {
                show_after = Instant::now() + SHOW;
                self.compare(&witnesses).await;
            }
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

    fn note_refusals(&self, collected: &Collected) {
        let refusals = collected.refusals.iter();
        let words = refusals.map(|(witness, why)| (witness.clone(), why.to_string()));
        let mut noted = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        *noted = words.collect();
    }

    /// Entries that were added to a store which does not give what was signed could never be signed.
    async fn hold_if_damaged(&self, error: &SignerError) {
        if !error.is_damage() {
            return;
        }
        let hold = Hold::new(HoldCause::Damaged, error.to_string());
        if let Err(error) = self.signer.log().hold_back(hold).await {
            let origin = self.signer.origin();
            tracing::error!(%origin, %error, "the hold cannot be recorded; it lasts until the restart");
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

/// Whether a witness says that it has seen more than this log has, or something else.
fn contradicts(collected: &Collected) -> bool {
    let mut refusals = collected.refusals.iter();
    refusals.any(|(_, why)| matches!(why, WitnessAnswer::Ahead { .. } | WitnessAnswer::Fork(_)))
}
