//! Walks the whole store and says what is wrong: every brick is read and hashed, and the counters
//! are added up again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use engine::{
    Anomaly, DomainId, DomainIds, Engine, EngineError, EngineOptions, META, Mode, OpenError,
};
use keyssi::{BrickHash, Domain};

use crate::inspect::{Damage, look_at};
use crate::keys::{self, BrickRecord};
use crate::quota::Account;
use crate::shared::Totals;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrickFinding {
    /// The stored bytes do not hash to the brick's name.
    #[error("brick {hash} of {domain} is damaged: its bytes hash to {actual}")]
    HashMismatch {
        /// Its domain.
        domain: String,
        /// Its name.
        hash: BrickHash,
        /// What its bytes hash to.
        actual: BrickHash,
    },
    /// The database cannot read the brick.
    #[error("brick {hash} of {domain} cannot be read: {detail}")]
    Unreadable {
        /// Its domain.
        domain: String,
        /// Its name.
        hash: BrickHash,
        /// What the database said.
        detail: String,
    },
    /// The brick is recorded but its bytes are gone.
    #[error("brick {hash} of {domain} is recorded, but its bytes are missing")]
    Missing {
        /// Its domain.
        domain: String,
        /// Its name.
        hash: BrickHash,
    },
    /// The brick's record is missing or gives another size.
    #[error("brick {hash} of {domain} has {actual} bytes, its record says {recorded:?}")]
    WrongRecord {
        /// Its domain.
        domain: String,
        /// Its name.
        hash: BrickHash,
        /// Bytes found.
        actual: u64,
        /// Bytes recorded; `None` when there is no record.
        recorded: Option<u64>,
    },
    /// The counters of a domain differ from what is there.
    #[error("the counters of {domain} say {recorded:?}, the store holds {actual:?}")]
    WrongTotals {
        /// The domain.
        domain: String,
        /// What the counters say.
        recorded: Totals,
        /// What was found.
        actual: Totals,
    },
    /// The counters of an account differ from what is there.
    #[error("the counters of account {account} say {recorded:?}, the store holds {actual:?}")]
    WrongUsage {
        /// The account.
        account: Account,
        /// What the counters say.
        recorded: Totals,
        /// What was found.
        actual: Totals,
    },
    /// The records themselves are wrong.
    #[error(transparent)]
    Records(#[from] Anomaly),
}

/// What a check saw.
#[derive(Clone, Debug, Default)]
pub struct BrickReport {
    /// Bricks that were read, hashed and found right.
    pub sound: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bricks in quarantine; those that are still damaged stand among the findings.
    pub quarantined: u64,
    /// What is wrong, in the order of the walk.
    pub findings: Vec<BrickFinding>,
}

/// Checks the store in `path`, which no process may have open. Changes nothing.
///
/// # Errors
/// When the store cannot be opened at all; everything else is a finding.
pub fn check(path: &Path) -> Result<BrickReport, OpenError> {
    let options = EngineOptions {
        free_bytes_min: 0,
        mode: Mode::Check,
    };
    let engine = Engine::open(path, keys::FAMILIES, keys::FORMAT, options)?;
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
        totals: HashMap::new(),
        usage: BTreeMap::new(),
        report: BrickReport::default(),
    };
    walk.records();
    walk.bricks();
    walk.counters();
    walk.usages();
    walk.quarantine();
    Ok(walk.report)
}

struct Walk<'a> {
    engine: &'a Engine,
    names: BTreeMap<DomainId, Domain>,
    totals: HashMap<DomainId, Totals>,
    usage: BTreeMap<Account, Totals>,
    report: BrickReport,
}

impl Walk<'_> {
    fn name(&self, id: DomainId) -> String {
        self.names
            .get(&id)
            .map_or_else(|| format!("unknown domain {id:?}"), Domain::to_string)
    }

    fn broken(&mut self, family: &'static str, walked: Result<(), EngineError>) {
        if let Err(error) = walked {
            let anomaly = Anomaly::broken_walk(family, &error);
            self.report.findings.push(anomaly.into());
        }
    }

    /// From the records to the bricks: each recorded brick is read on its own, so that one damaged
    /// block does not hide what lies behind it.
    fn records(&mut self) {
        let engine = self.engine;
        let walked = engine.scan(keys::BRICK_META, &[], |key, value| {
            self.record(key, value);
            Ok(())
        });
        self.broken(keys::BRICK_META, walked);
    }

    fn record(&mut self, key: &[u8], value: &[u8]) {
        let (Some((id, hash)), Some(record)) = (keys::parse_brick(key), BrickRecord::decode(value))
        else {
            return self.unknown(keys::BRICK_META, key);
        };
        if !self.names.contains_key(&id) {
            // Without its name nobody can ask for it.
            return self.unknown(keys::BRICK_META, key);
        }
        let recorded = record.bytes;
        add(self.totals.entry(id).or_default(), recorded);
        if let Some(account) = record.account {
            add(self.usage.entry(account).or_default(), recorded);
        }
        let domain = self.name(id);
        let finding = match look_at(self.engine, key, hash, recorded) {
            Ok(None) => {
                self.report.sound += 1;
                self.report.bytes += recorded;
                return;
            }
            Ok(Some(Damage::HashMismatch { actual })) => BrickFinding::HashMismatch {
                domain,
                hash,
                actual,
            },
            Ok(Some(Damage::Unreadable { detail })) => BrickFinding::Unreadable {
                domain,
                hash,
                detail,
            },
            Ok(Some(Damage::Missing)) => BrickFinding::Missing { domain, hash },
            Ok(Some(Damage::WrongSize { actual, recorded })) => BrickFinding::WrongRecord {
                domain,
                hash,
                actual,
                recorded: Some(recorded),
            },
            Err(error) => BrickFinding::Unreadable {
                domain,
                hash,
                detail: error.to_string(),
            },
        };
        self.report.findings.push(finding);
    }

    /// From the bricks to the records: a brick without a record is not counted anywhere.
    fn bricks(&mut self) {
        let engine = self.engine;
        let walked = engine.scan(keys::BRICKS, &[], |key, value| {
            let Some((id, hash)) = keys::parse_brick(key) else {
                self.unknown(keys::BRICKS, key);
                return Ok(());
            };
            if engine.get_with(keys::BRICK_META, key, |_| ())?.is_none() {
                let (domain, actual) = (self.name(id), value.len() as u64);
                let finding = BrickFinding::WrongRecord {
                    domain,
                    hash,
                    actual,
                    recorded: None,
                };
                self.report.findings.push(finding);
            }
            Ok(())
        });
        self.broken(keys::BRICKS, walked);
    }

    fn counters(&mut self) {
        let recorded = self.recorded(keys::TOTALS_PREFIX, DomainId::from_key);
        let ids: BTreeSet<_> = self.totals.keys().chain(recorded.keys()).copied().collect();
        for id in ids {
            let recorded = recorded.get(&id).copied().unwrap_or_default();
            let actual = self.totals.get(&id).copied().unwrap_or_default();
            if recorded != actual {
                let domain = self.name(id);
                self.report.findings.push(BrickFinding::WrongTotals {
                    domain,
                    recorded,
                    actual,
                });
            }
        }
    }

    fn usages(&mut self) {
        let recorded = self.recorded(keys::USAGE_PREFIX, Account::from_record);
        let accounts: BTreeSet<_> = self.usage.keys().chain(recorded.keys()).cloned().collect();
        for account in accounts {
            let recorded = recorded.get(&account).copied().unwrap_or_default();
            let actual = self.usage.get(&account).copied().unwrap_or_default();
            if recorded != actual {
                self.report.findings.push(BrickFinding::WrongUsage {
                    account,
                    recorded,
                    actual,
                });
            }
        }
    }

    /// The counters as they are stored, by what stands behind `prefix` in their keys.
    fn recorded<K: Ord>(
        &mut self,
        prefix: &[u8],
        parse: impl Fn(&[u8]) -> Option<K>,
    ) -> BTreeMap<K, Totals> {
        let engine = self.engine;
        let mut recorded = BTreeMap::new();
        let walked = engine.scan(META, prefix, |key, value| {
            let owner = key.get(prefix.len()..).and_then(&parse);
            match (owner, keys::decode_totals(value)) {
                (Some(owner), Some(totals)) => drop(recorded.insert(owner, totals)),
                _ => self.unknown(META, key),
            }
            Ok(())
        });
        self.broken(META, walked);
        recorded
    }

    fn quarantine(&mut self) {
        let engine = self.engine;
        let walked = engine.scan(META, keys::QUARANTINE_PREFIX, |key, value| {
            let brick = key.get(keys::QUARANTINE_PREFIX.len()..);
            if brick.and_then(keys::parse_brick).is_none()
                || keys::decode_quarantine(value).is_none()
            {
                self.unknown(META, key);
            }
            self.report.quarantined += 1;
            Ok(())
        });
        self.broken(META, walked);
    }

    fn unknown(&mut self, family: &'static str, key: &[u8]) {
        let anomaly = Anomaly::unknown_record(family, key);
        self.report.findings.push(anomaly.into());
    }
}

fn add(totals: &mut Totals, bytes: u64) {
    totals.bricks += 1;
    totals.bytes += bytes;
}
