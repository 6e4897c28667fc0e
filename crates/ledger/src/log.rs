//! The transparency log of a domain, as readers see it: never more than was signed.
//!
//! **Source:** `translog.md` §4 to §7.

use engine::DomainId;
use keyssi::{AnchorId, Domain};
use serde::{Deserialize, Serialize};
use translog::{
    BundleId, Hash, OnChain, Opening, SignedNote, TILE_WIDTH, TileId, consistency_tiles,
    inclusion_tiles,
};

use crate::commit::{Record, Work};
use crate::embedded::EmbeddedLedger;
use crate::error::LedgerError;
use crate::keys::{self, LogRecord};
use crate::shared::{Shared, corrupt};

/// The log of one domain of an embedded ledger. Cheap to clone.
#[derive(Clone)]
pub struct Log {
    pub(crate) ledger: EmbeddedLedger,
    pub(crate) domain: Domain,
}

/// A version of an anchor, and its leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Number of the version, from 0.
    pub version: u64,
    /// How many versions the anchor has.
    pub versions: u64,
    /// Number of its leaf.
    pub place: u64,
    /// Its value, wrapped.
    pub value: String,
}

/// A root of the log that stands on a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Publication {
    /// How many leaves the root covers.
    pub size: u64,
    /// The signed checkpoint with that root.
    pub note: String,
    /// Where it stands.
    pub chain: OnChain,
}

/// The proof that an entry is in the log.
#[derive(Clone)]
pub struct Inclusion {
    /// The entry, 74 bytes.
    pub entry: Vec<u8>,
    /// What opens it; `None` when that was erased.
    pub opening: Option<Opening>,
    /// The hashes from the leaf to the root.
    pub hashes: Vec<Hash>,
}

impl EmbeddedLedger {
    /// The log of a domain.
    #[must_use]
    pub fn log(&self, domain: &Domain) -> Log {
        Log {
            ledger: self.clone(),
            domain: domain.clone(),
        }
    }
}

impl Log {
    /// The newest signed checkpoint, with the cosignatures that it has; `None` while nothing is in
    /// the log.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn checkpoint(&self) -> Result<Option<SignedNote>, LedgerError> {
        self.note(LogRecord::Note).await
    }

    /// The newest checkpoint that has the cosignatures which the policy asks for.
    ///
    /// # Errors
    /// As [`Log::checkpoint`].
    pub async fn cosigned(&self) -> Result<Option<SignedNote>, LedgerError> {
        self.note(LogRecord::Cosigned).await
    }

    async fn note(&self, record: LogRecord) -> Result<Option<SignedNote>, LedgerError> {
        self.read(move |shared, domain| shared.note(domain, record))
            .await
            .map(Option::flatten)
    }

    /// The bytes of a tile; `None` when no signed checkpoint reaches that far.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>, LedgerError> {
        let read = self.read(move |shared, domain| {
            let size = shared.signed_size(domain)?;
            let shift = u32::from(id.level()) * 8;
            let hashes = size.checked_shr(shift).unwrap_or(0);
            if !is_within(hashes, id.index(), id.width()) {
                return Ok(None);
            }
            Ok(shared.tile(domain, id)?)
        });
        read.await.map(Option::flatten)
    }

    /// The bytes of an entry bundle; `None` when no signed checkpoint reaches that far.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn bundle(&self, id: BundleId) -> Result<Option<Vec<u8>>, LedgerError> {
        let read = self.read(move |shared, domain| {
            if !is_within(shared.signed_size(domain)?, id.index(), id.width()) {
                return Ok(None);
            }
            Ok(shared.bundle(domain, id)?)
        });
        read.await.map(Option::flatten)
    }

    /// What opens the entries of a bundle, as JSON; an erased one is `null`. `None` when no signed
    /// checkpoint reaches that far.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn openings(&self, id: BundleId) -> Result<Option<String>, LedgerError> {
        let read = self.read(move |shared, domain| {
            if !is_within(shared.signed_size(domain)?, id.index(), id.width()) {
                return Ok(None);
            }
            let first = id.index() * u64::from(TILE_WIDTH);
            let places = first..first + u64::from(id.width());
            let openings = places.map(|place| shared.opening(domain, place));
            let openings = openings.collect::<Result<Vec<_>, _>>()?;
            let text = translog::encode_openings(&openings);
            Ok(Some(text.map_err(|error| corrupt(error.to_string()))?))
        });
        read.await.map(Option::flatten)
    }

    /// A version of an anchor, the newest if none is named; `None` when there is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find(
        &self,
        id: &AnchorId,
        version: Option<u64>,
    ) -> Result<Option<Logged>, LedgerError> {
        let anchor = id.as_str().to_owned();
        let read = self.read(move |shared, domain| {
            let Some(head) = shared.stored_head(domain, &anchor)? else {
                return Ok(None);
            };
            let version = version.unwrap_or(head.versions.saturating_sub(1));
            let found = shared.version(domain, &anchor, version)?;
            Ok(found.map(|(place, value)| Logged {
                version,
                versions: head.versions,
                place,
                value,
            }))
        });
        read.await.map(Option::flatten)
    }

    /// The proof that the entry at a place is in the tree of the first `size` leaves; `None` when
    /// the log is not that large.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn prove(&self, place: u64, size: u64) -> Result<Option<Inclusion>, LedgerError> {
        let read = self.read(move |shared, domain| {
            if place >= size || size > shared.signed_size(domain)? {
                return Ok(None);
            }
            let tiles = shared.tile_set(domain, &inclusion_tiles(place, size))?;
            let hashes = tiles
                .inclusion_proof(place, size)
                .map_err(|missing| corrupt(missing.to_string()))?;
            let entry = shared
                .log_entry(domain, place)?
                .ok_or_else(|| corrupt(format!("entry {place} is missing")))?;
            Ok(Some(Inclusion {
                entry,
                opening: shared.opening(domain, place)?,
                hashes,
            }))
        });
        read.await.map(Option::flatten)
    }

    /// The proof that the tree of the first `new` leaves continues that of the first `old`; `None`
    /// when the log is not that large.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn consistency(&self, old: u64, new: u64) -> Result<Option<Vec<Hash>>, LedgerError> {
        let read = self.read(move |shared, domain| {
            if old > new || new > shared.signed_size(domain)? {
                return Ok(None);
            }
            let tiles = shared.tile_set(domain, &consistency_tiles(old, new))?;
            let proof = tiles.consistency_proof(old, new);
            Ok(Some(proof.map_err(|missing| corrupt(missing.to_string()))?))
        });
        read.await.map(Option::flatten)
    }

    /// The newest root on a chain, with its sequence number.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn last_publication(&self) -> Result<Option<Publication>, LedgerError> {
        let read = self.read(|shared, domain| {
            Ok(match shared.last_sequence(domain)? {
                0 => None,
                last => shared.publication(domain, last)?,
            })
        });
        read.await.map(Option::flatten)
    }

    /// The root on a chain with this number, from 1.
    pub(crate) async fn publication(
        &self,
        sequence: u64,
    ) -> Result<Option<Publication>, LedgerError> {
        let read = self.read(move |shared, domain| shared.publication(domain, sequence));
        read.await.map(Option::flatten)
    }

    /// Forgets the roots after number `last`, up to `recorded`.
    pub(crate) async fn forget_publications(
        &self,
        last: u64,
        recorded: u64,
    ) -> Result<(), LedgerError> {
        self.write(move |domain| {
            let record = |record, value| Record {
                family: keys::LOG,
                key: keys::log(domain, record),
                value,
            };
            let gone = (last + 1..=recorded).map(LogRecord::Publication);
            let mut records: Vec<_> = gone.map(|gone| record(gone, None)).collect();
            let last = last.to_be_bytes().to_vec();
            records.push(record(LogRecord::LastSequence, Some(last)));
            records
        })
        .await
    }

    /// The first root on a chain that covers a leaf.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn publication_of(&self, place: u64) -> Result<Option<Publication>, LedgerError> {
        let read = self.read(move |shared, domain| {
            // Sizes grow with the sequence number, which counts from 1.
            let (mut low, mut high) = (1, shared.last_sequence(domain)? + 1);
            let end = high;
            let mut found = None;
            while low < high {
                let middle = low + (high - low) / 2;
                match shared.publication(domain, middle)? {
                    Some(publication) if publication.size > place => {
                        found = Some(publication);
                        high = middle;
                    }
                    _ => low = middle + 1,
                }
            }
            Ok(found.filter(|_| low < end))
        });
        read.await.map(Option::flatten)
    }

    /// Records a root that stands on a chain, and that its sequence number is the last.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn record_publication(&self, publication: &Publication) -> Result<(), LedgerError> {
        let sequence = publication.chain.sequence;
        let text = serde_json::to_vec(publication)
            .map_err(|error| corrupt(format!("a publication: {error}")))?;
        self.write(move |domain| {
            let record = |record, value| Record {
                family: keys::LOG,
                key: keys::log(domain, record),
                value: Some(value),
            };
            vec![
                record(LogRecord::Publication(sequence), text.clone()),
                record(LogRecord::LastSequence, sequence.to_be_bytes().to_vec()),
            ]
        })
        .await
    }

    /// Waits until more was written to some log of the ledger since `seen`, and moves `seen` on.
    pub async fn grown(&self, seen: &mut tokio::sync::watch::Receiver<u64>) {
        // The sender lives as long as the ledger, which `self` holds.
        let _ = seen.changed().await;
    }

    /// A place to wait from.
    #[must_use]
    pub fn watch(&self) -> tokio::sync::watch::Receiver<u64> {
        self.ledger.shared.grown.subscribe()
    }

    pub(crate) async fn write(
        &self,
        records: impl Fn(DomainId) -> Vec<Record> + Send + 'static,
    ) -> Result<(), LedgerError> {
        let work = Work::Records {
            domain: self.domain.clone(),
            records: Box::new(records),
        };
        self.ledger.submit(work).await.map(drop)
    }

    /// Reads on the blocking pool; `None` when nothing of the domain was ever stored.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Shared, DomainId) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<Option<T>, LedgerError> {
        let Some(domain) = self.ledger.shared.domains.find(&self.domain) else {
            return Ok(None);
        };
        let read = self.ledger.blocking(move |shared| act(shared, domain));
        read.await.map(Some)
    }
}

/// Whether `width` hashes of row `index` are among the first `count`.
fn is_within(count: u64, index: u64, width: u16) -> bool {
    index
        .checked_mul(u64::from(TILE_WIDTH))
        .and_then(|first| first.checked_add(u64::from(width)))
        .is_some_and(|end| end <= count)
}

impl Shared {
    pub(crate) fn note(
        &self,
        domain: DomainId,
        record: LogRecord,
    ) -> Result<Option<SignedNote>, LedgerError> {
        let text = self.log_text(domain, record)?;
        let note = text.as_deref().map(SignedNote::parse).transpose();
        Ok(note.map_err(|error| corrupt(format!("a stored checkpoint: {error}")))?)
    }

    /// How many leaves the newest signed checkpoint covers.
    pub(crate) fn signed_size(&self, domain: DomainId) -> Result<u64, LedgerError> {
        let Some(note) = self.note(domain, LogRecord::Note)? else {
            return Ok(0);
        };
        let checkpoint = note.checkpoint();
        let checkpoint =
            checkpoint.map_err(|error| corrupt(format!("a stored checkpoint: {error}")))?;
        Ok(checkpoint.size)
    }

    pub(crate) fn last_sequence(&self, domain: DomainId) -> Result<u64, LedgerError> {
        let key = keys::log(domain, LogRecord::LastSequence);
        match self.engine.get_with(keys::LOG, &key, keys::decode_count)? {
            None => Ok(0),
            Some(Some(last)) => Ok(last),
            Some(None) => Err(corrupt("the number of a log's publications".to_owned()).into()),
        }
    }

    pub(crate) fn publication(
        &self,
        domain: DomainId,
        sequence: u64,
    ) -> Result<Option<Publication>, LedgerError> {
        let text = self.log_text(domain, LogRecord::Publication(sequence))?;
        let read = text.as_deref().map(serde_json::from_str).transpose();
        Ok(read.map_err(|error| corrupt(format!("publication {sequence}: {error}")))?)
    }
}
