//! Which logs of a store are on hold: in memory before on disk, so that a hold that cannot be recorded
//! holds too, as long as the process runs.
//!
//! ```text
//! meta:  "restored"         the store was put back: this holds every log whose hold is not lifted,
//!                           also those that have no entry yet. What the store knows of a log says
//!                           nothing of what its key has signed since, and the key may lie elsewhere
//! log:   domain id ‖ "r"    that hold is lifted for this log
//!        domain id ‖ "o"    the hold of this log alone
//! ```
//! A store that is put back once more holds every log again: that batch removes what lifted their holds.

use std::collections::{HashMap, HashSet};

use engine::{DomainId, EngineError, META};
use keyssi::Domain;

use crate::commit::{Record, Work};
use crate::embedded::EmbeddedLedger;
use crate::error::LedgerError;
use crate::hold::{Hold, HoldCause};
use crate::keys::{self, LogRecord};
use crate::shared::{Shared, corrupt};

/// The holds of a store.
#[derive(Default)]
pub(crate) struct Holds {
    of_log: HashMap<Domain, (Hold, Kept)>,
    /// The store was put back.
    of_all: Option<Hold>,
    /// The logs that `of_all` does not hold any more.
    lifted: HashSet<Domain>,
}

/// Whether a hold would be known after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    InMemory,
    OnDisk,
}

impl EmbeddedLedger {
    /// Puts the logs of all domains on hold, with or without entries, also of domains to come; gives
    /// those that are known. Whoever puts a backup back does this before a node serves from it.
    ///
    /// # Errors
    /// When the record of it cannot be written; a restart forgets the hold then.
    pub async fn hold_logs(
        &self,
        cause: HoldCause,
        detail: &str,
    ) -> Result<Vec<Domain>, LedgerError> {
        let shared = &self.shared;
        let _holding = shared.holding.lock().await;
        let mut hold = Hold::new(cause, detail);
        hold.since_ms = (shared.clock_ms)();
        let text = hold.encode()?;
        shared.holds().begin_of_all(hold);
        let known = shared.domains.all();
        let lifted = known.iter().map(|(_, id)| lifted(*id, None));
        let mut records: Vec<_> = lifted.collect();
        records.push(Record {
            family: META,
            key: keys::RESTORED.to_vec(),
            value: Some(text),
        });
        self.submit(Work::Store(records)).await?;
        Ok(known.into_iter().map(|(domain, _)| domain).collect())
    }
}

impl Holds {
    fn begin_of_all(&mut self, hold: Hold) {
        self.of_all = Some(hold);
        self.lifted.clear();
    }

    /// Why a log is on hold.
    fn of(&self, domain: &Domain) -> Option<&Hold> {
        let own = self.of_log.get(domain).map(|(hold, _)| hold);
        own.or_else(|| self.of_all(domain))
    }

    /// The hold of the whole store, if it holds this log.
    fn of_all(&self, domain: &Domain) -> Option<&Hold> {
        let all = self.of_all.as_ref();
        all.filter(|_| !self.lifted.contains(domain))
    }
}

impl Shared {
    /// Why the log of a domain is on hold.
    pub(crate) fn hold(&self, domain: &Domain) -> Option<Hold> {
        self.holds().of(domain).cloned()
    }

    /// Whether a log is on hold since its store was put back, whatever was found besides.
    pub(crate) fn is_restored(&self, domain: &Domain) -> bool {
        let holds = self.holds();
        let own = holds.of_log.get(domain).map(|(hold, _)| hold.cause);
        holds.of_all(domain).is_some() || own == Some(HoldCause::Restored)
    }

    /// Refuses an entry for a log on hold.
    pub(crate) fn check_hold(&self, domain: &Domain) -> Result<(), LedgerError> {
        match self.holds().of(domain) {
            None => Ok(()),
            Some(hold) => Err(LedgerError::Held {
                reason: hold.words(),
            }),
        }
    }

    /// Reads the holds of a store that was just opened.
    pub(crate) fn load_holds(&self) -> Result<(), EngineError> {
        let read = |text: &[u8], whose: &str| {
            let hold = serde_json::from_slice::<Hold>(text);
            hold.map_err(|error| corrupt(format!("the hold of {whose}: {error}")))
        };
        let of_all = self.engine.get(META, keys::RESTORED)?;
        let of_all = of_all.map(|text| read(&text, "the store")).transpose()?;
        if let Some(hold) = &of_all {
            tracing::warn!(
                "every log whose hold is not lifted is on hold: {}",
                hold.words()
            );
        }
        self.holds().of_all = of_all;
        for (domain, id) in self.domains.all() {
            let key = keys::log(id, LogRecord::Lifted);
            if self.engine.get(keys::LOG, &key)?.is_some() {
                self.holds().lifted.insert(domain.clone());
            }
            let key = keys::log(id, LogRecord::Hold);
            let Some(text) = self.engine.get(keys::LOG, &key)? else {
                continue;
            };
            let hold = read(&text, &format!("the log of {domain}"))?;
            tracing::error!(%domain, "the log is on hold: {}", hold.words());
            self.holds().of_log.insert(domain, (hold, Kept::OnDisk));
        }
        Ok(())
    }

    /// Holds from now on; gives the hold if it has to be written.
    pub(crate) fn hold_now(&self, domain: &Domain, mut hold: Hold) -> Option<Hold> {
        let mut holds = self.holds();
        if let Some((known, kept)) = holds.of_log.get_mut(domain) {
            if known.join(hold) {
                *kept = Kept::InMemory;
            }
            return (*kept == Kept::InMemory).then(|| known.clone());
        }
        if let Some(mut of_all) = holds.of_all(domain).cloned() {
            if !of_all.join(hold) {
                return None;
            }
            hold = of_all;
        } else {
            hold.since_ms = (self.clock_ms)();
        }
        let kept = (hold.clone(), Kept::InMemory);
        holds.of_log.insert(domain.clone(), kept);
        Some(hold)
    }

    pub(crate) fn hold_is_kept(&self, domain: &Domain) {
        if let Some((_, kept)) = self.holds().of_log.get_mut(domain) {
            *kept = Kept::OnDisk;
        }
    }

    /// What is written when the hold of a log ends, for [`lift_records`].
    pub(crate) fn lift_mark(&self) -> Option<Vec<u8>> {
        let is_restored = self.holds().of_all.is_some();
        is_restored.then(|| (self.clock_ms)().to_be_bytes().to_vec())
    }

    /// Ends the hold of a log in memory; it has ended on disk.
    pub(crate) fn hold_is_over(&self, domain: &Domain) {
        let mut holds = self.holds();
        holds.of_log.remove(domain);
        if holds.of_all.is_some() {
            holds.lifted.insert(domain.clone());
        }
    }
}

/// The record of a hold of one log.
pub(crate) fn hold_record(domain: DomainId, value: Option<Vec<u8>>) -> Record {
    Record {
        family: keys::LOG,
        key: keys::log(domain, LogRecord::Hold),
        value,
    }
}

/// What ends the hold of a log: `mark` is that of the store, see [`Shared::lift_mark`].
pub(crate) fn lift_records(domain: DomainId, mark: Option<Vec<u8>>) -> [Record; 2] {
    [hold_record(domain, None), lifted(domain, mark)]
}

fn lifted(domain: DomainId, value: Option<Vec<u8>>) -> Record {
    Record {
        family: keys::LOG,
        key: keys::log(domain, LogRecord::Lifted),
        value,
    }
}
