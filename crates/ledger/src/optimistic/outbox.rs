//! The outbox as it lies in the store: what waits, what conflicts, what was carried where.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use engine::DomainId;
use keyssi::AnchorId;
use serde::{Deserialize, Serialize};

use super::Inner;
use crate::commit::Record;
use crate::error::LedgerError;
use crate::keys::{self, OPENINGS, OUTBOX, OutboxRecord};
use crate::log::Log;
use crate::log_records::Behind;
use crate::placed::Placed;
use crate::shared::{Shared, corrupt};

/// Entries that are queued in one batch when the outbox carries to another ledger.
const QUEUED_AT_ONCE: usize = 512;

/// Two histories of one anchor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// What this node acknowledged, oldest first.
    pub here: Vec<String>,
    /// What the other ledger holds, oldest first.
    pub there: Vec<String>,
}

/// Where a version stands on its way to the other ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Versions of the anchor up to this one that wait to be carried, or can never be; 0 when this one
    /// was.
    pub waiting: u64,
    /// How often the first of them was tried.
    pub attempts: u64,
    /// What was wrong the last time, or why the first of them can never be carried.
    pub last_error: Option<String>,
    /// Both histories, where they differ.
    pub conflict: Option<Conflict>,
    /// Where the version was carried to, if the other ledger could say that.
    pub placed: Option<Placed>,
}

/// What waits of one anchor: the place in the log and the number of each version, in order.
pub(super) type Waiting = Vec<(u64, u64)>;

impl Inner {
    /// The anchors whose entries wait, in the order of their first ones, `most` of them, without
    /// those that `skip` names.
    pub(super) async fn waiting(
        &self,
        most: usize,
        skip: BTreeSet<String>,
    ) -> Result<Vec<(AnchorId, Waiting)>, LedgerError> {
        let read = self.log.read(move |shared, domain| {
            let found = scan_queue(shared, domain, most, &skip)?;
            let parse = |(anchor, waiting): (String, Waiting)| {
                let id = AnchorId::parse_wrapped(&anchor);
                let id = id.map_err(|error| corrupt(format!("the outbox: {error}")))?;
                Ok((id, waiting))
            };
            found.into_iter().map(parse).collect()
        });
        Ok(read.await?.unwrap_or_default())
    }

    /// The two histories of an anchor, if they differ.
    pub(super) async fn conflict(&self, id: &AnchorId) -> Result<Option<Conflict>, LedgerError> {
        let anchor = id.as_str().to_owned();
        let read = self.log.read(move |shared, domain| {
            let key = keys::outbox(domain, OutboxRecord::Conflict(&anchor));
            read_json(shared, &key)
        });
        Ok(read.await?.flatten())
    }

    pub(super) async fn outbox_standing(
        &self,
        id: &AnchorId,
        version: u64,
    ) -> Result<Standing, LedgerError> {
        let anchor = id.as_str().to_owned();
        let read = self.log.read(move |shared, domain| {
            let (mut waiting, mut last) = (0, Some(version));
            // Entries are carried in order: the first that does not wait ends the search.
            while let Some(number) = last {
                let Some((place, _)) = shared.version(domain, &anchor, number)? else {
                    break;
                };
                let key = keys::outbox(domain, OutboxRecord::Queued(place));
                if shared.engine.get(OUTBOX, &key)?.is_none() {
                    break;
                }
                waiting += 1;
                last = number.checked_sub(1);
            }
            let carried = OutboxRecord::Carried {
                anchor: &anchor,
                version,
            };
            let placed = read_json(shared, &keys::outbox(domain, carried))?;
            Ok((waiting, placed))
        });
        let (waiting, placed) = read.await?.unwrap_or_default();
        // Last: a conflict empties the queue in the same batch, so an empty one was seen with it.
        let conflict = self.conflict(id).await?;
        Ok(Standing {
            waiting,
            conflict,
            placed,
            ..Standing::default()
        })
    }

    /// Takes versions out of the outbox that the other ledger holds, or can never hold.
    pub(super) async fn record_carried(
        &self,
        id: &AnchorId,
        carried: Vec<(u64, u64)>,
        placed: Option<Placed>,
    ) -> Result<(), LedgerError> {
        if carried.is_empty() {
            return Ok(());
        }
        let anchor = id.as_str().to_owned();
        let placed = placed.as_ref().map(to_json).transpose()?;
        let records = move |domain: DomainId| {
            let mut records = Vec::new();
            for (place, version) in &carried {
                records.push(removal(domain, *place));
                if let Some(placed) = &placed {
                    let kind = OutboxRecord::Carried {
                        anchor: &anchor,
                        version: *version,
                    };
                    records.push(Record {
                        family: OUTBOX,
                        key: keys::outbox(domain, kind),
                        value: Some(placed.clone()),
                    });
                }
            }
            records
        };
        self.log.write(records).await
    }

    /// Keeps both histories, and takes the anchor's versions out of the outbox: carrying them would
    /// change nothing.
    pub(super) async fn record_conflict(
        &self,
        id: &AnchorId,
        conflict: &Conflict,
        waiting: Waiting,
    ) -> Result<(), LedgerError> {
        let anchor = id.as_str().to_owned();
        let text = to_json(conflict)?;
        let records = move |domain: DomainId| {
            let mut records = vec![Record {
                family: OUTBOX,
                key: keys::outbox(domain, OutboxRecord::Conflict(&anchor)),
                value: Some(text.clone()),
            }];
            let out = waiting.iter().map(|(place, _)| removal(domain, *place));
            records.extend(out);
            records
        };
        self.log.write(records).await
    }
}

impl Log {
    /// How the ledger is called that entries of this domain wait to be carried to; `None` when none
    /// wait.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn waits_for(&self) -> Result<Option<String>, LedgerError> {
        let read = self.read(|shared, domain| {
            if scan_queue(shared, domain, 1, &BTreeSet::new())?.is_empty() {
                return Ok(None);
            }
            let target = target(shared, domain)?;
            Ok(Some(target.unwrap_or_else(|| "another ledger".to_owned())))
        });
        Ok(read.await?.flatten())
    }

    /// Makes sure that the outbox carries to the ledger of this name. If it carried to another one,
    /// or to none, all entries of the domain are queued: those that the ledger holds already are
    /// taken out again when they are looked at, the others are what it lacks. Can be cut off
    /// anywhere: the name is written last.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn carry_to(&self, name: &str) -> Result<(), LedgerError> {
        let known = self.read(target).await?;
        if known.flatten().as_deref() == Some(name) {
            return Ok(());
        }
        let mut next = 0;
        loop {
            let read = self.read(move |shared, domain| next_openings(shared, domain, next));
            let found = read.await?.unwrap_or_default();
            let Some((last, _)) = found.last() else { break };
            next = last + 1;
            let queue = move |domain: DomainId| {
                let queued = |(place, behind): &(u64, Behind)| {
                    let carried = OutboxRecord::Carried {
                        anchor: &behind.anchor,
                        version: behind.version,
                    };
                    [
                        Record {
                            family: OUTBOX,
                            key: keys::outbox(domain, OutboxRecord::Queued(*place)),
                            value: Some(keys::encode_numbered(behind.version, &behind.anchor)),
                        },
                        Record {
                            family: OUTBOX,
                            key: keys::outbox(domain, carried),
                            value: None,
                        },
                    ]
                };
                found.iter().flat_map(queued).collect()
            };
            self.write(queue).await?;
        }
        let name = name.as_bytes().to_vec();
        let named = move |domain| {
            vec![Record {
                family: OUTBOX,
                key: keys::outbox(domain, OutboxRecord::Target),
                value: Some(name.clone()),
            }]
        };
        self.write(named).await
    }
}

/// The next entries that can be opened, from a place on.
fn next_openings(
    shared: &Shared,
    domain: DomainId,
    from: u64,
) -> Result<Vec<(u64, Behind)>, LedgerError> {
    let mut found = Vec::new();
    let (first, end) = (keys::opening(domain, from), keys::opening(domain, u64::MAX));
    shared.engine.range(OPENINGS, &first, &end, |key, stored| {
        let place = key
            .last_chunk::<8>()
            .map(|place| u64::from_be_bytes(*place));
        let (Some(place), Some(behind)) = (place, Behind::decode(stored)) else {
            return Err(corrupt("an opening".to_owned()));
        };
        found.push((place, behind));
        Ok(if found.len() == QUEUED_AT_ONCE {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    Ok(found)
}

fn target(shared: &Shared, domain: DomainId) -> Result<Option<String>, LedgerError> {
    let key = keys::outbox(domain, OutboxRecord::Target);
    let stored = shared.engine.get(OUTBOX, &key)?;
    let text = stored.map(String::from_utf8).transpose();
    Ok(text.map_err(|_| corrupt("the name of a ledger".to_owned()))?)
}

fn removal(domain: DomainId, place: u64) -> Record {
    Record {
        family: OUTBOX,
        key: keys::outbox(domain, OutboxRecord::Queued(place)),
        value: None,
    }
}

fn scan_queue(
    shared: &Shared,
    domain: DomainId,
    most: usize,
    skip: &BTreeSet<String>,
) -> Result<Vec<(String, Waiting)>, LedgerError> {
    let from = keys::outbox(domain, OutboxRecord::Queued(0));
    let to = keys::outbox(domain, OutboxRecord::Queued(u64::MAX));
    let mut order = Vec::new();
    let mut found: BTreeMap<String, Waiting> = BTreeMap::new();
    shared.engine.range(OUTBOX, &from, &to, |key, stored| {
        let place = key
            .last_chunk::<8>()
            .map(|place| u64::from_be_bytes(*place));
        let (Some(place), Some((version, anchor))) = (place, keys::decode_numbered(stored)) else {
            return Err(corrupt("a record of the outbox".to_owned()));
        };
        if let Some(waiting) = found.get_mut(anchor) {
            waiting.push((place, version));
        } else if !skip.contains(anchor) {
            if order.len() == most {
                return Ok(ControlFlow::Break(()));
            }
            order.push(anchor.to_owned());
            found.insert(anchor.to_owned(), vec![(place, version)]);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let in_order = order
        .into_iter()
        .filter_map(|anchor| found.remove_entry(&anchor));
    Ok(in_order.collect())
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, LedgerError> {
    let text = serde_json::to_vec(value);
    Ok(text.map_err(|error| corrupt(format!("a record of the outbox: {error}")))?)
}

fn read_json<T: for<'de> Deserialize<'de>>(
    shared: &Shared,
    key: &[u8],
) -> Result<Option<T>, LedgerError> {
    let stored = shared.engine.get(OUTBOX, key)?;
    let read = stored.as_deref().map(serde_json::from_slice).transpose();
    Ok(read.map_err(|error| corrupt(format!("a record of the outbox: {error}")))?)
}
