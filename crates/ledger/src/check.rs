//! Walks the whole ledger and says what is wrong: every history is replayed by the rules, heads
//! and counters are compared with what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use engine::{
    Anomaly, DomainId, DomainIds, Engine, EngineError, EngineOptions, META, Mode, OpenError,
};
use keyssi::Domain;

use crate::check_log::check_log;
use crate::inspect::{judge, stored_head};
use crate::keys;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorFinding {
    /// A version is missing from a history.
    #[error("anchor {anchor}: version {missing} is missing")]
    Hole {
        /// The anchor id.
        anchor: String,
        /// Number of the missing version, from 0.
        missing: u64,
    },
    /// An id or value cannot be read, or a value does not follow the one before it.
    #[error("anchor {anchor}: {detail}")]
    BrokenChain {
        /// The anchor id.
        anchor: String,
        /// Which version, and why.
        detail: String,
    },
    /// The head record does not match the history.
    #[error("anchor {anchor}: its head record does not match its history: {detail}")]
    WrongHead {
        /// The anchor id.
        anchor: String,
        /// What differs.
        detail: String,
    },
    /// The counter of a domain differs from what is there.
    #[error("the counter of {domain} says {recorded} anchors, the ledger holds {actual}")]
    WrongTotal {
        /// The domain.
        domain: String,
        /// What the counter says.
        recorded: u64,
        /// What was found.
        actual: u64,
    },
    /// The transparency log of a domain does not hold together.
    #[error("the log of {domain}: {detail}")]
    WrongLog {
        /// The domain.
        domain: String,
        /// What is wrong.
        detail: String,
    },
    /// The records themselves are wrong.
    #[error(transparent)]
    Records(#[from] Anomaly),
}

/// What a check saw.
#[derive(Clone, Debug, Default)]
pub struct AnchorReport {
    /// Anchors whose whole history holds.
    pub sound: u64,
    /// Versions of these anchors.
    pub versions: u64,
    /// Entries of the logs.
    pub log_entries: u64,
    /// Versionless documents that could be read.
    pub documents: u64,
    /// What is wrong, in the order of the walk.
    pub findings: Vec<AnchorFinding>,
}

/// Checks the ledger in `path`, which no process may have open. Changes nothing.
///
/// # Errors
/// When the ledger cannot be opened at all; everything else is a finding.
pub fn check(path: &Path) -> Result<AnchorReport, OpenError> {
    let options = EngineOptions {
        free_bytes_min: 0,
        mode: Mode::Check,
    };
    let engine = Engine::open(path, keys::FAMILIES, keys::FORMAT, options)?;
    if engine.format() < keys::FORMAT {
        return Err(OpenError::Damaged {
            path: path.to_owned(),
            detail: "it has an older format; bring it forward with kiln store migrate".to_owned(),
        });
    }
    let domains = DomainIds::load(&engine).map_err(|error| OpenError::Damaged {
        path: path.to_owned(),
        detail: error.to_string(),
    })?;
    let mut walk = Walk {
        engine: &engine,
        names: domains
            .all()
            .into_iter()
            .map(|(domain, id)| (id, domain))
            .collect(),
        totals: BTreeMap::new(),
        seen: BTreeSet::new(),
        report: AnchorReport::default(),
    };
    walk.histories();
    walk.heads();
    walk.counters();
    walk.logs();
    walk.documents();
    Ok(walk.report)
}

struct Walk<'a> {
    engine: &'a Engine,
    names: BTreeMap<DomainId, Domain>,
    totals: BTreeMap<DomainId, u64>,
    /// Keys of the heads whose history was seen.
    seen: BTreeSet<Vec<u8>>,
    report: AnchorReport,
}

/// The versions of one anchor, as they are read.
struct History {
    domain: DomainId,
    anchor: String,
    values: Vec<(u64, String)>,
}

impl Walk<'_> {
    fn broken(&mut self, family: &'static str, walked: Result<(), EngineError>) {
        if let Err(error) = walked {
            let anomaly = Anomaly::broken_walk(family, &error);
            self.report.findings.push(anomaly.into());
        }
    }

    fn unknown(&mut self, family: &'static str, key: &[u8]) {
        let anomaly = Anomaly::unknown_record(family, key);
        self.report.findings.push(anomaly.into());
    }

    fn histories(&mut self) {
        let engine = self.engine;
        let mut current: Option<History> = None;
        let walked = engine.scan(keys::ANCHORS, &[], |key, value| {
            let parsed = keys::parse_version(key);
            let (Some((domain, anchor, version)), Some((_, value))) =
                (parsed, keys::decode_numbered(value))
            else {
                self.unknown(keys::ANCHORS, key);
                return Ok(());
            };
            let same = current
                .as_ref()
                .is_some_and(|history| history.domain == domain && history.anchor == anchor);
            if !same {
                let values = Vec::new();
                let next = History {
                    domain,
                    anchor: anchor.to_owned(),
                    values,
                };
                if let Some(done) = current.replace(next) {
                    self.history(&done);
                }
            }
            if let Some(history) = &mut current {
                history.values.push((version, value.to_owned()));
            }
            Ok(())
        });
        if let Some(last) = current {
            self.history(&last);
        }
        self.broken(keys::ANCHORS, walked);
    }

    fn history(&mut self, history: &History) {
        *self.totals.entry(history.domain).or_default() += 1;
        self.seen
            .insert(keys::head(history.domain, &history.anchor));
        let domain = self.names.get(&history.domain);
        let head = stored_head(self.engine, history.domain, &history.anchor);
        match judge(domain, &history.anchor, &history.values, head) {
            Ok(()) => {
                self.report.sound += 1;
                self.report.versions += history.values.len() as u64;
            }
            Err(finding) => self.report.findings.push(finding),
        }
    }

    /// Heads without a history.
    fn heads(&mut self) {
        let engine = self.engine;
        let walked = engine.scan(keys::HEADS, &[], |key, _| {
            if !self.seen.contains(key) {
                let anchor = String::from_utf8_lossy(key.get(4..).unwrap_or(key)).into_owned();
                let detail = "it has no history".to_owned();
                self.report
                    .findings
                    .push(AnchorFinding::WrongHead { anchor, detail });
            }
            Ok(())
        });
        self.broken(keys::HEADS, walked);
    }

    fn counters(&mut self) {
        let engine = self.engine;
        let mut recorded = BTreeMap::new();
        let walked = engine.scan(META, keys::TOTALS_PREFIX, |key, value| {
            let id = key
                .get(keys::TOTALS_PREFIX.len()..)
                .and_then(DomainId::from_key);
            match (id, keys::decode_count(value)) {
                (Some(id), Some(total)) => drop(recorded.insert(id, total)),
                _ => self.unknown(META, key),
            }
            Ok(())
        });
        self.broken(META, walked);
        let ids: BTreeSet<_> = self.totals.keys().chain(recorded.keys()).copied().collect();
        for id in ids {
            let recorded = recorded.get(&id).copied().unwrap_or_default();
            let actual = self.totals.get(&id).copied().unwrap_or_default();
            if recorded != actual {
                let domain = self
                    .names
                    .get(&id)
                    .map_or_else(|| format!("unknown domain {id:?}"), Domain::to_string);
                self.report.findings.push(AnchorFinding::WrongTotal {
                    domain,
                    recorded,
                    actual,
                });
            }
        }
    }

    fn logs(&mut self) {
        for (id, domain) in &self.names {
            let (entries, findings) = check_log(self.engine, *id, domain);
            self.report.log_entries += entries;
            self.report.findings.extend(findings);
        }
    }

    fn documents(&mut self) {
        let engine = self.engine;
        let walked = engine.scan(keys::DOCUMENTS, &[], |_, _| {
            self.report.documents += 1;
            Ok(())
        });
        self.broken(keys::DOCUMENTS, walked);
    }
}
