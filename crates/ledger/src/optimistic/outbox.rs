//! The outbox as it lies in the store: what waits, what conflicts, what was carried where.

use std::collections::BTreeMap;

use engine::DomainId;
use keyssi::AnchorId;
use serde::{Deserialize, Serialize};

use super::Inner;
use crate::commit::Record;
use crate::error::LedgerError;
use crate::keys::{self, OUTBOX, OutboxRecord};
use crate::placed::Placed;
use crate::shared::{Shared, corrupt};

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
    /// Versions of the anchor up to this one that wait to be carried; 0 when this one was.
    pub waiting: u64,
    /// How often the first of them was tried.
    pub attempts: u64,
    /// What was wrong the last time.
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
        skip: Vec<String>,
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
        let conflict = self.conflict(id).await?;
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
        Ok(Standing {
            waiting,
            conflict,
            placed,
            ..Standing::default()
        })
    }

    /// Takes versions out of the outbox that the other ledger holds.
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
    skip: &[String],
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
        } else if order.len() < most && !skip.iter().any(|skipped| skipped == anchor) {
            order.push(anchor.to_owned());
            found.insert(anchor.to_owned(), vec![(place, version)]);
        }
        Ok(())
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
