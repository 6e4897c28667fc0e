//! The scrub of the ledger: every history is replayed by the rules, every other record is read, so
//! that the database's checksums speak. What is damaged is told; nothing is changed. (A history has
//! no copy that a client could put again; reading a damaged one is refused by the same checks.)
//!
//! The place of the scrub is the number of the family that it is in, and a key of it.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use engine::{DomainId, EngineError, META, ScrubOptions, Scrubbed, Scrubber, Step};
use keyssi::Domain;

use crate::commit::Work;
use crate::embedded::EmbeddedLedger;
use crate::inspect::{judge, stored_head};
use crate::keys;

/// What is walked, in this order: the histories, and then what is only read.
const FAMILIES: [&str; 6] = [
    keys::ANCHORS,
    keys::HEADS,
    keys::LOG,
    keys::OPENINGS,
    keys::OUTBOX,
    keys::DOCUMENTS,
];
/// Records that are read at a time where they are only read.
const PAGE: usize = 64;

impl EmbeddedLedger {
    /// Starts scrubbing the ledger, in a thread of its own. The place of an unfinished pass is kept
    /// in the ledger.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn scrub(&self, options: ScrubOptions) -> std::io::Result<Scrubber> {
        // A place that cannot be read is a pass that begins anew.
        let saved = self.shared.engine.get(META, keys::SCRUB).ok().flatten();
        let walk = Anchors(self.clone());
        let clock = self.shared.clock_ms;
        Scrubber::start("anchor-scrub", walk, options, saved.as_deref(), clock)
    }
}

/// The walk over the ledger.
struct Anchors(EmbeddedLedger);

impl Scrubbed for Anchors {
    fn step(&mut self, after: &[u8]) -> Result<Step, EngineError> {
        let (family, after) = after.split_first().unwrap_or((&0, &[]));
        let Some(name) = FAMILIES.get(usize::from(*family)) else {
            return Ok(Step::default());
        };
        let seen = if *name == keys::ANCHORS {
            self.history(after)
        } else {
            self.page(name, after)
        };
        let mut step = match seen {
            Ok(step) => step,
            Err(EngineError::Corrupt { detail }) => {
                tracing::error!(
                    family = name,
                    detail,
                    "records of the ledger cannot be read"
                );
                Step {
                    reached: self.behind_domain(after),
                    damaged: 1,
                    ..Step::default()
                }
            }
            Err(error) => return Err(error),
        };
        let place = |family: u8, key: &[u8]| [&[family], key].concat();
        step.reached = Some(match step.reached {
            Some(key) => place(*family, &key),
            None => place(family.saturating_add(1), &[]),
        });
        Ok(step)
    }

    fn save(&mut self, record: Vec<u8>) {
        if let Err(error) = self.0.submit_blocking(Work::Scrub(record)) {
            tracing::debug!(%error, "the place of the scrub is not kept");
        }
    }

    fn is_busy(&self) -> bool {
        self.0.shared.busy.load(Ordering::Relaxed) > 0
    }
}

impl Anchors {
    /// Replays the history of the next anchor.
    fn history(&self, after: &[u8]) -> Result<Step, EngineError> {
        let shared = &self.0.shared;
        let engine = &shared.engine;
        let page = engine.page(keys::ANCHORS, after, 1)?;
        let Some((key, _)) = page.first() else {
            return Ok(Step::default());
        };
        let Some((domain, anchor, _)) = keys::parse_version(key) else {
            tracing::error!(key = %key.escape_ascii(), "a record of the ledger is none of ours");
            return Ok(Step {
                reached: Some(key.to_vec()),
                damaged: 1,
                ..Step::default()
            });
        };
        // First the head, then what it stands for: an entry that comes meanwhile is behind it.
        let head = stored_head(engine, domain, anchor);
        let to = match &head {
            Ok(Some(head)) => head.versions,
            _ => u64::MAX,
        };
        let (mut versions, mut bytes) = (Vec::new(), 0);
        let from = keys::versions_of(domain, anchor);
        let read = engine.range(
            keys::ANCHORS,
            &from,
            &keys::version(domain, anchor, to),
            |key, value| {
                bytes += (key.len() + value.len()) as u64;
                let version = keys::parse_version(key).map(|(_, _, version)| version);
                let value = keys::decode_numbered(value).map(|(_, value)| value.to_owned());
                versions.extend(version.zip(value));
                Ok(ControlFlow::Continue(()))
            },
        );
        let name = self.name(domain);
        let damage = match read {
            Ok(()) => judge(name.as_ref(), anchor, &versions, head)
                .err()
                .map(|finding| finding.to_string()),
            Err(EngineError::Corrupt { detail }) => Some(format!("anchor {anchor}: {detail}")),
            Err(error) => return Err(error),
        };
        if let Some(damage) = &damage {
            tracing::error!(damage, "an anchor is damaged");
        }
        Ok(Step {
            reached: Some(keys::version(domain, anchor, u64::MAX)),
            things: 1,
            bytes,
            damaged: u64::from(damage.is_some()),
        })
    }

    /// Reads the next records of a family.
    fn page(&self, family: &str, after: &[u8]) -> Result<Step, EngineError> {
        let page = self.0.shared.engine.page(family, after, PAGE)?;
        let bytes = page.iter().map(|(key, value)| key.len() + value.len());
        Ok(Step {
            bytes: bytes.sum::<usize>() as u64,
            reached: page.last().map(|(key, _)| key.to_vec()),
            ..Step::default()
        })
    }

    /// Where to go on when nothing more can be read behind a key: the next domain.
    fn behind_domain(&self, after: &[u8]) -> Option<Vec<u8>> {
        let known = DomainId::from_key(after);
        let all = self.0.shared.domains.all();
        let next = all.iter().map(|(_, id)| *id).filter(|id| Some(*id) > known);
        next.min().map(|id| id.to_bytes().to_vec())
    }

    fn name(&self, id: DomainId) -> Option<Domain> {
        let all = self.0.shared.domains.all();
        all.into_iter()
            .find_map(|(name, known)| (known == id).then_some(name))
    }
}
