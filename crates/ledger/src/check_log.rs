//! The part of the check that walks the logs: every entry, every subtree root, every opening, the
//! stored size and root, and the last signed checkpoint.

use std::collections::BTreeMap;

use engine::{DomainId, Engine, EngineError};
use keyssi::{Domain, base58};
use translog::{Entry, Opening, SignedNote, Tree};

use crate::check::AnchorFinding;
use crate::keys::{self, LogRecord};
use crate::log_records::{Behind, LogState};

/// What a walk over one log sees.
pub(crate) struct LogWalk<'a> {
    engine: &'a Engine,
    id: DomainId,
    domain: &'a Domain,
    findings: Vec<AnchorFinding>,
}

/// Checks the log of a domain; gives the number of its entries and what is wrong.
pub(crate) fn check_log(
    engine: &Engine,
    id: DomainId,
    domain: &Domain,
) -> (u64, Vec<AnchorFinding>) {
    let mut walk = LogWalk {
        engine,
        id,
        domain,
        findings: Vec::new(),
    };
    let entries = match walk.entries() {
        Ok(entries) => entries,
        Err(error) => {
            walk.find(error.to_string());
            0
        }
    };
    (entries, walk.findings)
}

impl LogWalk<'_> {
    fn find(&mut self, detail: String) {
        self.findings.push(AnchorFinding::WrongLog {
            domain: self.domain.to_string(),
            detail,
        });
    }

    fn entries(&mut self) -> Result<u64, EngineError> {
        let mut tree = Tree::new();
        let mut completed = BTreeMap::new();
        let prefix = [&self.id.to_bytes()[..], b"e"].concat();
        let (engine, id) = (self.engine, self.id);
        let signed = self.signed()?;
        let mut roots = Vec::new();
        engine.scan(keys::LOG, &prefix, |key, stored| {
            let place = tree.size();
            if key != keys::log(id, LogRecord::Entry(place)) {
                self.find(format!("entry {place} is missing"));
                return Err(EngineError::Corrupt {
                    detail: format!("the log ends before entry {place}"),
                });
            }
            match Entry::decode(stored) {
                Ok(entry) => self.opening(place, &entry)?,
                Err(error) => self.find(format!("entry {place}: {error}")),
            }
            for hash in tree.push(translog::leaf_hash(stored)) {
                completed.insert((hash.level, hash.index), hash.hash);
            }
            if signed
                .as_ref()
                .is_some_and(|signed| signed.0 == tree.size())
            {
                roots.push(tree.root());
            }
            Ok(())
        })?;
        self.hashes(&mut completed)?;
        self.state(&tree)?;
        if let Some((size, root)) = signed
            && roots.first() != Some(&root)
        {
            self.find(format!(
                "the last signed checkpoint of {size} entries has another root than the entries"
            ));
        }
        Ok(tree.size())
    }

    /// Size and root of the last signed checkpoint.
    fn signed(&mut self) -> Result<Option<(u64, translog::Hash)>, EngineError> {
        let key = keys::log(self.id, LogRecord::Note);
        let Some(stored) = self.engine.get(keys::LOG, &key)? else {
            return Ok(None);
        };
        let note = String::from_utf8(stored)
            .ok()
            .and_then(|text| SignedNote::parse(&text).ok());
        let Some(checkpoint) = note.and_then(|note| note.checkpoint().ok()) else {
            self.find("the last signed checkpoint cannot be read".to_owned());
            return Ok(None);
        };
        Ok(Some((checkpoint.size, checkpoint.root)))
    }

    /// What is stored to open an entry opens it, and the version says the same place.
    fn opening(&mut self, place: u64, entry: &Entry) -> Result<(), EngineError> {
        let key = keys::opening(self.id, place);
        let Some(stored) = self.engine.get(keys::OPENINGS, &key)? else {
            // Erased: the entry stays.
            return Ok(());
        };
        let Some(behind) = Behind::decode(&stored) else {
            self.find(format!("the opening of entry {place} cannot be read"));
            return Ok(());
        };
        let key = keys::version(self.id, &behind.anchor, behind.version);
        let version = self.engine.get(keys::ANCHORS, &key)?;
        let Some((its_place, value)) = version.as_deref().and_then(keys::decode_numbered) else {
            self.find(format!(
                "entry {place} is of version {} of {}, which is missing",
                behind.version, behind.anchor
            ));
            return Ok(());
        };
        if its_place != place {
            self.find(format!(
                "version {} of {} says that it is entry {its_place}, entry {place} is of it",
                behind.version, behind.anchor
            ));
        }
        let plain = |text: &str| {
            let bytes = base58::decode(text).unwrap_or_default();
            String::from_utf8(bytes).unwrap_or_default()
        };
        let opening = Opening {
            salt: behind.salt,
            anchor_id: plain(&behind.anchor),
            anchor_value: plain(value),
        };
        if !opening.opens(entry) {
            self.find(format!(
                "entry {place} does not commit to version {} of {}",
                behind.version, behind.anchor
            ));
        }
        Ok(())
    }

    /// The stored subtree roots are those of the entries, no more and no fewer.
    fn hashes(
        &mut self,
        completed: &mut BTreeMap<(u8, u64), translog::Hash>,
    ) -> Result<(), EngineError> {
        let prefix = [&self.id.to_bytes()[..], b"h"].concat();
        let engine = self.engine;
        engine.scan(keys::LOG, &prefix, |key, stored| {
            let rest = key.get(prefix.len()..).unwrap_or_default();
            let parsed = rest
                .split_first()
                .and_then(|(level, number)| Some((*level, keys::decode_count(number)?)));
            let right = parsed.and_then(|place| completed.remove(&place));
            if right.is_none_or(|right| right != *stored) {
                self.find(format!("the hash at {parsed:?} (level, number) is wrong"));
            }
            Ok(())
        })?;
        let missing: Vec<_> = completed.keys().copied().collect();
        for place in missing {
            self.find(format!("the hash at {place:?} (level, number) is missing"));
        }
        Ok(())
    }

    fn state(&mut self, tree: &Tree) -> Result<(), EngineError> {
        let key = keys::log(self.id, LogRecord::State);
        let state = self
            .engine
            .get_with(keys::LOG, &key, LogState::decode)?
            .flatten();
        let right = (tree.size() > 0).then(|| LogState::of(tree));
        if state != right {
            self.find(format!(
                "the stored size and root are not those of its {} entries",
                tree.size()
            ));
        }
        Ok(())
    }
}
