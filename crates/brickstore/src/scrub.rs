//! The scrub of the bricks: every one is read and hashed, and what is damaged goes into quarantine.

use std::collections::{HashMap, VecDeque};

use engine::{DomainId, EngineError, KeyValue, META, ScrubOptions, Scrubbed, Scrubber, Step};
use keyssi::{BrickHash, Domain};
use tokio::sync::oneshot;

use crate::commit::{Job, Note, NoteJob};
use crate::error::BrickStoreError;
use crate::inspect::look_at;
use crate::keys::{self, BrickRecord};
use crate::store::BrickStore;

/// Records that are taken up at a time; nothing is held between two takes.
const PAGE: usize = 256;
/// Bytes of a key that are counted up to get past a stretch of records that cannot be read: the
/// domain, and two bytes of the hash.
const STRETCH_BYTES: usize = 6;

/// A brick in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Its domain; `None` for one whose name is lost.
    pub domain: Option<Domain>,
    /// Its name.
    pub hash: BrickHash,
    /// When it was found damaged, in milliseconds since the epoch.
    pub found_ms: u64,
    /// What was wrong with it.
    pub what: String,
}

impl BrickStore {
    /// Starts scrubbing the store, in a thread of its own. The place of an unfinished pass is kept
    /// in the store. `clock` gives the time in milliseconds since the epoch.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn scrub(&self, options: ScrubOptions, clock: fn() -> u64) -> std::io::Result<Scrubber> {
        // A place that cannot be read is a pass that begins anew.
        let saved = self.shared.engine.get(META, keys::SCRUB).ok().flatten();
        let walk = Bricks {
            store: self.clone(),
            clock,
            page: VecDeque::new(),
            at: Vec::new(),
            is_skipping: false,
        };
        Scrubber::start("brick-scrub", walk, options, saved.as_deref(), clock)
    }

    /// Number of bricks in quarantine.
    #[must_use]
    pub fn quarantined(&self) -> u64 {
        self.shared.quarantined()
    }

    /// The first `max` bricks in quarantine.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn quarantine(&self, max: usize) -> Result<Vec<Quarantined>, BrickStoreError> {
        self.blocking(move |shared| {
            let domains = shared.domains.all().into_iter();
            let names: HashMap<DomainId, Domain> = domains.map(|(name, id)| (id, name)).collect();
            let mut found = Vec::new();
            shared
                .engine
                .scan(META, keys::QUARANTINE_PREFIX, |key, value| {
                    let brick = key.get(keys::QUARANTINE_PREFIX.len()..);
                    let Some((id, hash)) = brick.and_then(keys::parse_brick) else {
                        return Ok(());
                    };
                    if found.len() < max {
                        let (found_ms, what) = keys::decode_quarantine(value).unwrap_or_default();
                        found.push(Quarantined {
                            domain: names.get(&id).cloned(),
                            hash,
                            found_ms,
                            what: what.to_owned(),
                        });
                    }
                    Ok(())
                })?;
            Ok(found)
        })
        .await
    }
}

/// The walk over the bricks.
struct Bricks {
    store: BrickStore,
    clock: fn() -> u64,
    /// Records that were taken up.
    page: VecDeque<KeyValue>,
    /// Behind which key they lie.
    at: Vec<u8>,
    /// Whether the last records could not be read.
    is_skipping: bool,
}

impl Scrubbed for Bricks {
    fn step(&mut self, after: &[u8]) -> Result<Step, EngineError> {
        if self.at != after || self.page.is_empty() {
            let engine = &self.store.shared.engine;
            match engine.page(keys::BRICK_META, after, PAGE) {
                Ok(page) => self.page = page.into(),
                Err(EngineError::Corrupt { detail }) => return Ok(self.skip(after, &detail)),
                Err(error) => return Err(error),
            }
            self.is_skipping = false;
        }
        let Some((key, value)) = self.page.pop_front() else {
            return Ok(Step::default());
        };
        self.at = key.to_vec();
        let (bytes, damaged) = self.look(&key, &value)?;
        Ok(Step {
            reached: Some(self.at.clone()),
            things: 1,
            bytes,
            damaged: u64::from(damaged),
        })
    }

    fn save(&mut self, record: Vec<u8>) {
        if let Err(error) = self.tell(Note::Scrub(record)) {
            tracing::debug!(%error, "the place of the scrub is not kept");
        }
    }

    fn is_busy(&self) -> bool {
        self.store.shared.is_busy()
    }
}

impl Bricks {
    /// Looks at a recorded brick and deals with what is found; gives its bytes and whether it is
    /// damaged.
    fn look(&mut self, key: &[u8], value: &[u8]) -> Result<(u64, bool), EngineError> {
        let shared = &self.store.shared;
        let parsed = <&[u8; keys::KEY_BYTES]>::try_from(key).ok();
        let Some((key, (_, hash))) = parsed.zip(keys::parse_brick(key)) else {
            tracing::error!(key = %key.escape_ascii(), "a record of the bricks is none of ours");
            return Ok((0, true));
        };
        let record = BrickRecord::decode(value);
        let bytes = record.as_ref().map_or(0, |record| record.bytes);
        let is_sound = match &record {
            Some(record) => look_at(&shared.engine, key, hash, record.bytes)?.is_none(),
            None => false,
        };
        let is_in_quarantine = shared.in_quarantine(key)?.is_some();
        let note = match (is_sound, is_in_quarantine) {
            (true, true) => Some(Note::Cleared { key: *key }),
            (false, false) => Some(Note::Suspect {
                key: *key,
                now_ms: (self.clock)(),
            }),
            _ => None,
        };
        if let Some(Err(error)) = note.map(|note| self.tell(note)) {
            // Readers still hash what they read; the next pass finds it again.
            tracing::warn!(%error, %hash, "the quarantine cannot be written");
        }
        Ok((bytes, !is_sound))
    }

    /// Goes past a stretch of records that cannot be read; whole stretches count as one damage.
    fn skip(&mut self, after: &[u8], detail: &str) -> Step {
        if !self.is_skipping {
            tracing::error!(detail, "records of bricks cannot be read");
        }
        let damaged = u64::from(!std::mem::replace(&mut self.is_skipping, true));
        let mut number = [0_u8; 8];
        for (place, byte) in number.iter_mut().skip(8 - STRETCH_BYTES).zip(after) {
            *place = *byte;
        }
        let next = u64::from_be_bytes(number) + 1;
        let bytes = next.to_be_bytes();
        let reached = bytes.get(8 - STRETCH_BYTES..).unwrap_or_default().to_vec();
        let all = self.store.shared.domains.all();
        let last = all.iter().map(|(_, id)| *id).max();
        let is_past = DomainId::from_key(&reached) > last;
        Step {
            reached: (!is_past).then_some(reached),
            damaged,
            ..Step::default()
        }
    }

    fn tell(&self, note: Note) -> Result<(), BrickStoreError> {
        let (answer, answered) = oneshot::channel();
        let job = Job::Note(NoteJob { note, answer });
        let gone = |_| BrickStoreError::Unavailable(None);
        let submitted = self.store.committer.submit_blocking(job);
        submitted.map_err(|_| BrickStoreError::Unavailable(None))?;
        answered.blocking_recv().map_err(gone)?
    }
}
