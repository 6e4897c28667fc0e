//! How the ledger of a domain stands, in figures: a handful of records, read when somebody asks.

use std::ops::ControlFlow;
use std::time::Duration;

use engine::{DomainId, Figures};
use keyssi::Domain;
use translog::Entry;

use crate::embedded::EmbeddedLedger;
use crate::error::LedgerError;
use crate::keys::{self, LogRecord, OUTBOX, OutboxRecord};
use crate::shared::{Shared, corrupt};

/// How many waiting entries are counted. More than that is shown as that many: an outbox that long
/// is a fault, and its length no longer matters.
pub const OUTBOX_COUNT_MAX: u64 = 10_000;

/// What the store holds of a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainFigures {
    /// Number of anchors.
    pub anchors: u64,
    /// Its log; `None` while nothing is in it.
    pub log: Option<LogFigures>,
    /// What waits to be carried to another ledger; all zero where nothing does.
    pub outbox: OutboxFigures,
}

/// How a log stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFigures {
    /// Entries in the store.
    pub entries: u64,
    /// Entries that the newest checkpoint covers.
    pub signed: u64,
    /// Entries that the newest checkpoint with all its cosignatures covers.
    pub cosigned: u64,
    /// Entries that the newest root on a chain covers.
    pub published: u64,
    /// When the newest entry that the newest checkpoint covers was made, in milliseconds since the
    /// epoch.
    pub checkpoint_ms: Option<u64>,
    /// Age of the oldest entry that no checkpoint covers.
    pub oldest_unsigned: Option<Duration>,
    /// Age of the oldest entry that no root on a chain covers.
    pub oldest_unpublished: Option<Duration>,
}

/// What waits in an outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxFigures {
    /// Entries that wait, [`OUTBOX_COUNT_MAX`] at most.
    pub entries: u64,
    /// Age of the oldest.
    pub oldest: Option<Duration>,
}

impl EmbeddedLedger {
    /// What the store holds of a domain, on the calling thread, which waits for the disk if it must.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn domain_figures(&self, domain: &Domain) -> Result<DomainFigures, LedgerError> {
        let shared = &*self.shared;
        let Some(id) = shared.domains.find(domain) else {
            return Ok(DomainFigures::default());
        };
        Ok(DomainFigures {
            anchors: shared.total(id)?,
            log: shared.log_figures(id)?,
            outbox: shared.outbox_figures(id)?,
        })
    }

    /// What the store does and how it stands, on the calling thread.
    #[must_use]
    pub fn store_figures(&self) -> Figures {
        self.shared.engine.figures()
    }

    /// How long ago the last write was; `None` when there was none since the store was opened.
    #[must_use]
    pub fn since_last_write(&self) -> Option<Duration> {
        self.shared.engine.stats().since_last_write()
    }
}

impl Shared {
    fn log_figures(&self, domain: DomainId) -> Result<Option<LogFigures>, LedgerError> {
        let Some(state) = self.log_state(domain)? else {
            return Ok(None);
        };
        let signed = self.signed_size(domain)?;
        let cosigned = self.note(domain, LogRecord::Cosigned)?;
        let cosigned = cosigned.and_then(|note| note.checkpoint().ok());
        let published = match self.last_sequence(domain)? {
            0 => None,
            last => self.publication(domain, last)?,
        };
        let published = published.map_or(0, |publication| publication.size);
        let newest_signed = signed.checked_sub(1);
        let checkpoint_ms = newest_signed.map(|place| self.made_ms(domain, place));
        Ok(Some(LogFigures {
            entries: state.size,
            signed,
            cosigned: cosigned.map_or(0, |checkpoint| checkpoint.size),
            published,
            checkpoint_ms: checkpoint_ms.transpose()?.flatten(),
            oldest_unsigned: self.age(domain, signed)?,
            oldest_unpublished: self.age(domain, published)?,
        }))
    }

    fn outbox_figures(&self, domain: DomainId) -> Result<OutboxFigures, LedgerError> {
        let from = keys::outbox(domain, OutboxRecord::Queued(0));
        let to = keys::outbox(domain, OutboxRecord::Queued(u64::MAX));
        let (mut first, mut entries) = (None, 0);
        self.engine.range(OUTBOX, &from, &to, |key, _| {
            let place = key.last_chunk::<8>().copied().map(u64::from_be_bytes);
            first = first.or(place);
            entries += 1;
            Ok(if entries == OUTBOX_COUNT_MAX {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        let oldest = first.map(|place| self.age(domain, place)).transpose()?;
        Ok(OutboxFigures {
            entries,
            oldest: oldest.flatten(),
        })
    }

    /// When the entry at a place was made, in milliseconds since the epoch.
    fn made_ms(&self, domain: DomainId, place: u64) -> Result<Option<u64>, LedgerError> {
        let Some(stored) = self.log_entry(domain, place)? else {
            return Ok(None);
        };
        let entry = Entry::decode(&stored);
        let entry = entry.map_err(|error| corrupt(format!("entry {place}: {error}")))?;
        Ok(Some(entry.time_ms))
    }

    /// How old the entry at a place is by the clock of the node.
    pub(crate) fn age(
        &self,
        domain: DomainId,
        place: u64,
    ) -> Result<Option<Duration>, LedgerError> {
        let made_ms = self.made_ms(domain, place)?;
        let age = |made: u64| Duration::from_millis((self.clock_ms)().saturating_sub(made));
        Ok(made_ms.map(age))
    }
}
