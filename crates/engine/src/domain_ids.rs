//! Short numbers for domains, so that keys are small and of one length.
//!
//! ```text
//! meta:  "domain/" name   ->  id, 4 bytes big-endian
//! ```

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use keyssi::Domain;
use rocksdb::WriteBatch;

use crate::{Engine, EngineError, META};

const PREFIX: &[u8] = b"domain/";

/// The number that stands for a domain in the keys of one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainId(u32);

impl DomainId {
    /// The id as it stands at the front of a key: 4 bytes, big-endian.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }

    /// The id at the front of a key; `None` when the key is shorter than 4 bytes.
    #[must_use]
    pub fn from_key(key: &[u8]) -> Option<Self> {
        Some(Self(u32::from_be_bytes(*key.first_chunk::<4>()?)))
    }
}

/// The domains of one store. Only the committer adds to it.
#[derive(Debug, Default)]
pub struct DomainIds(RwLock<HashMap<Domain, DomainId>>);

impl DomainIds {
    /// Reads the domains of a store.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] when a record is not a domain and a 4-byte id.
    pub fn load(engine: &Engine) -> Result<Self, EngineError> {
        let ids = Self::default();
        ids.reload(engine)?;
        Ok(ids)
    }

    /// Reads them again: after a reopening, a batch may be there whose writer was told otherwise.
    ///
    /// # Errors
    /// As [`DomainIds::load`]; what was known stays.
    pub fn reload(&self, engine: &Engine) -> Result<(), EngineError> {
        let mut ids = HashMap::new();
        engine.scan(META, PREFIX, |key, value| {
            let name = key
                .get(PREFIX.len()..)
                .and_then(|name| std::str::from_utf8(name).ok());
            let domain = name.and_then(|name| name.parse::<Domain>().ok());
            let (Some(domain), Ok(id)) = (domain, <[u8; 4]>::try_from(value)) else {
                return Err(EngineError::Corrupt {
                    detail: format!("domain record {}", String::from_utf8_lossy(key)),
                });
            };
            ids.insert(domain, DomainId(u32::from_be_bytes(id)));
            Ok(())
        })?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = ids;
        Ok(())
    }

    /// The id of a domain that the store has already written to.
    #[must_use]
    pub fn find(&self, domain: &Domain) -> Option<DomainId> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(domain)
            .copied()
    }

    /// All domains and their ids, by name.
    #[must_use]
    pub fn all(&self) -> Vec<(Domain, DomainId)> {
        let ids = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = ids
            .iter()
            .map(|(domain, id)| (domain.clone(), *id))
            .collect();
        all.sort();
        all
    }

    /// The id of a domain; a new one is put into `batch` and into `allotted`, which the caller
    /// gives to [`DomainIds::adopt`] once the batch is written (and drops if it is not).
    ///
    /// # Errors
    /// When the store is closed.
    pub fn find_or_allot(
        &self,
        domain: &Domain,
        engine: &Engine,
        batch: &mut WriteBatch,
        allotted: &mut HashMap<Domain, DomainId>,
    ) -> Result<DomainId, EngineError> {
        if let Some(id) = self.find(domain).or_else(|| allotted.get(domain).copied()) {
            return Ok(id);
        }
        let ids = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let last = ids.values().chain(allotted.values()).map(|id| id.0).max();
        let id = DomainId(last.map_or(1, |last| last + 1));
        engine.put(
            batch,
            META,
            &[PREFIX, domain.as_str().as_bytes()].concat(),
            &id.to_bytes(),
        )?;
        allotted.insert(domain.clone(), id);
        Ok(id)
    }

    /// Makes ids known whose batch has been written.
    pub fn adopt(&self, allotted: HashMap<Domain, DomainId>) {
        if !allotted.is_empty() {
            self.0
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(allotted);
        }
    }
}
