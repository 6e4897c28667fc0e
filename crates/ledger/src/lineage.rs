//! Which log a store has: its name, and the logs that it continues.
//!
//! Most logs have no such record. One is written when a log is [renewed](crate::renew), and from then
//! on the store signs under its name only.
//!
//! **Source:** `docs/ledger.md`, "A new log that names the old one".

use engine::DomainId;
use keyssi::Domain;
use serde::{Deserialize, Serialize};
use translog::{ExtensionLine, Origin, Predecessor};

use crate::embedded::EmbeddedLedger;
use crate::error::LedgerError;
use crate::hold::Hold;
use crate::keys::LogRecord;
use crate::log::Log;
use crate::shared::{Shared, corrupt};

/// The name of a log, and the logs that it continues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// Its name.
    pub origin: Origin,
    /// The logs that ended in this store, the newest last; at least one.
    ended: Vec<Ended>,
    newest: Predecessor,
}

/// A log that ended: nothing is signed under its name any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ended {
    /// The extension line that names it, see [`Predecessor`].
    continues: String,
    /// Its newest checkpoint that was known, signed.
    note: String,
    /// Why it was on hold; with it the checkpoints that were seen and are not in the store.
    hold: Hold,
}

/// The record as it lies in the store.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    origin: String,
    ended: Vec<Ended>,
}

impl Lineage {
    /// The log that this one continues.
    #[must_use]
    pub fn predecessor(&self) -> &Predecessor {
        &self.newest
    }

    /// The newest checkpoint that was known of the log that this one continues, signed.
    #[must_use]
    pub fn note(&self) -> &str {
        self.ended.last().map_or("", |ended| &ended.note)
    }

    /// The names of all logs that ended in this store.
    ///
    /// # Errors
    /// When the record is damaged.
    pub fn ended(&self) -> Result<Vec<Origin>, LedgerError> {
        let ended = self.ended.iter();
        let names = ended.map(|ended| Ok(ended.predecessor()?.origin));
        names.collect()
    }

    /// The record with a further log that ended.
    pub(crate) fn after(
        former: Option<Self>,
        origin: Origin,
        newest: Predecessor,
        note: String,
        hold: Hold,
    ) -> Self {
        let mut ended = former.map(|former| former.ended).unwrap_or_default();
        ended.push(Ended {
            continues: newest.to_string(),
            note,
            hold,
        });
        Self {
            origin,
            ended,
            newest,
        }
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, LedgerError> {
        let stored = Stored {
            origin: self.origin.to_string(),
            ended: self.ended.clone(),
        };
        let text = serde_json::to_vec(&stored);
        Ok(text.map_err(|error| corrupt(format!("the names of a log: {error}")))?)
    }

    fn decode(text: &str) -> Result<Self, LedgerError> {
        let damaged = |detail: String| corrupt(format!("the names of a log: {detail}"));
        let stored: Stored =
            serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
        let origin = Origin::parse(&stored.origin).map_err(|error| damaged(error.to_string()))?;
        let newest = stored.ended.last();
        let newest = newest.ok_or_else(|| damaged("none has ended".to_owned()))?;
        Ok(Self {
            origin,
            newest: newest.predecessor()?,
            ended: stored.ended,
        })
    }
}

impl Ended {
    fn predecessor(&self) -> Result<Predecessor, LedgerError> {
        let damaged = || corrupt("the names of a log: a line that names none".to_owned());
        let line = ExtensionLine::parse(&self.continues).map_err(|_| damaged())?;
        let read = Predecessor::parse(&line).ok().flatten();
        Ok(read.ok_or_else(damaged)?)
    }
}

impl Log {
    /// Its name and the logs that it continues; `None` for a log that continues none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn lineage(&self) -> Result<Option<Lineage>, LedgerError> {
        let read = self.read(Shared::lineage);
        read.await.map(Option::flatten)
    }
}

impl EmbeddedLedger {
    /// The names under which something was signed in this store, with their domains. A name in here
    /// is not to be given to another log.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn log_names(&self) -> Result<Vec<(Domain, Origin)>, LedgerError> {
        let mut names = Vec::new();
        for (domain, _) in self.shared.domains.all() {
            let log = self.log(&domain);
            if let Some(lineage) = log.lineage().await? {
                let ended = lineage.ended()?.into_iter();
                names.extend(ended.map(|origin| (domain.clone(), origin)));
                names.push((domain.clone(), lineage.origin));
            }
            let note = log.checkpoint().await?;
            if let Some(checkpoint) = note.and_then(|note| note.checkpoint().ok()) {
                names.push((domain, checkpoint.origin));
            }
        }
        Ok(names)
    }
}

impl Shared {
    pub(crate) fn lineage(&self, domain: DomainId) -> Result<Option<Lineage>, LedgerError> {
        let text = self.log_text(domain, LogRecord::Lineage)?;
        text.as_deref().map(Lineage::decode).transpose()
    }
}
