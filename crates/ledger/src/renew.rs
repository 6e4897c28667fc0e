//! Ending a log whose newest entries are lost, and starting one of another name over the entries that
//! the store has.
//!
//! What was signed under the old name stays true of the old name: nothing is ever signed under it
//! again, so no second history of it can come to be. The new log has another name and another key, the
//! same leaves, and an extension line in each checkpoint that names the old one.
//!
//! ```text
//! one batch:  the names (keys::LogRecord::Lineage)      who the log is, and where the old one ended
//!             the first checkpoint of the new log       in the place of the old log's last
//!             no hold, no cosigned checkpoint, no roots on a chain: those were of the old log
//! ```
//! A crash leaves the store as it was, or renewed.
//!
//! **Source:** `translog.md` §4; `docs/ledger.md`, "A new log that names the old one".

use engine::DomainId;
use translog::{Checkpoint, LogKey, Origin, Predecessor, SignedNote, VerifierKey, verify_note};

use crate::commit::Record;
use crate::error::LedgerError;
use crate::hold::Regard;
use crate::holds::lift_records;
use crate::keys::{self, LogRecord};
use crate::lineage::Lineage;
use crate::log::Log;
use crate::outside::{Fit, Outside, OutsideError};
use crate::shared::{Shared, corrupt};

/// Whether the old log could still sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldKey {
    /// Its key is there: a store that has everything goes on under the old name instead.
    AtHand,
    /// Its key is lost, so it ends in any case.
    Lost,
}

/// What is known of the log that is to end.
#[derive(Debug)]
pub struct Ending<'a> {
    /// What verifies its signatures; at least one, all of its name.
    pub keys: &'a [VerifierKey],
    /// Whether it could still sign.
    pub key: OldKey,
    /// Its checkpoints that were kept elsewhere; at least one.
    pub outside: &'a [Outside],
    /// Witnesses that are believed. Only their cosignatures show that a checkpoint which the store
    /// contains lies in the history of one that it lacks.
    pub witnesses: &'a [VerifierKey],
    /// Which of the checkpoints that were seen during the hold count.
    pub regard: Regard,
}

/// The end of a log, judged and not done yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// How the new log will name it.
    pub predecessor: Predecessor,
    /// Its newest checkpoint that is known.
    note: String,
}

/// A log under its new name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// Entries that it begins with.
    pub size: u64,
    /// The log that it continues.
    pub predecessor: Predecessor,
    /// Its first checkpoint; `None` when it begins empty.
    pub note: Option<SignedNote>,
}

/// Why a log does not get a new name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenewError {
    /// It can go on as it is.
    #[error("the log is not on hold: it goes on under its name")]
    NotHeld,
    /// Nothing to compare with was given.
    #[error("there is no checkpoint from outside that says where the log ended")]
    NothingOutside,
    /// The store has all that is known to have been signed.
    #[error("the store contains {0}: the log can go on under its name")]
    Contained(Outside),
    /// A root on the chain goes further than what was given.
    #[error("there is {0}, and no signed checkpoint that goes as far")]
    OnChain(Outside),
    /// The keys are not those of the log in the store.
    #[error("the last checkpoint in the store is of no use")]
    OtherLog(#[source] OutsideError),
    /// The store does not give what it says that it signed last.
    #[error("the store is damaged: it does not contain {outside}: {fit}")]
    Damaged {
        /// The last checkpoint in the store.
        outside: Outside,
        /// How the store differs.
        fit: Fit,
    },
    /// The name stood for a log before.
    #[error("the name {0} is that of a log that was signed before")]
    NameUsed(Origin),
    /// The store cannot be read or written, or is damaged.
    #[error("the log cannot be read or written")]
    Ledger(#[from] LedgerError),
}

impl Log {
    /// Judges how the log ended: what the new one will say of it. Changes nothing.
    ///
    /// # Errors
    /// [`RenewError`].
    pub async fn end(&self, ending: &Ending<'_>) -> Result<End, RenewError> {
        let hold = self.hold().ok_or(RenewError::NotHeld)?;
        if ending.outside.is_empty() {
            return Err(RenewError::NothingOutside);
        }
        let own = self.own(ending).await?;
        let mut seen = hold.outside;
        seen.retain(|one| ending.regard == Regard::All || one.note().is_some());
        seen.extend(ending.outside.iter().cloned());
        let mut known = Vec::with_capacity(seen.len() + 1);
        for one in seen {
            let fit = self.fit(&one).await?;
            known.push((one, fit));
        }
        let is_contained = |known: &(Outside, Fit)| known.1 == Fit::Contained;
        if ending.key == OldKey::AtHand && known.iter().all(is_contained) {
            let newest = known.into_iter().max_by_key(|(one, _)| one.size());
            let (newest, _) = newest.ok_or(RenewError::NothingOutside)?;
            return Err(RenewError::Contained(newest));
        }
        known.extend(own.into_iter().map(|own| (own, Fit::Contained)));
        judge(&known, ending)
    }

    /// The checkpoints in the store, which the store has to contain: the last one, and the last one that
    /// was cosigned, which may be older.
    async fn own(&self, ending: &Ending<'_>) -> Result<Vec<Outside>, RenewError> {
        let Some(note) = self.checkpoint().await? else {
            return Ok(Vec::new());
        };
        let origin = ending.origin()?;
        let signed =
            |note: &SignedNote| Outside::signed(note, &origin, ending.keys, "the store itself");
        let mut own = vec![signed(&note).map_err(RenewError::OtherLog)?];
        // By a key from before a rotation, perhaps, which nobody has named: then it shows nothing.
        own.extend(self.cosigned().await?.and_then(|note| signed(&note).ok()));
        for outside in &own {
            match self.fit(outside).await? {
                Fit::Contained => {}
                fit => {
                    let outside = outside.clone();
                    return Err(RenewError::Damaged { outside, fit });
                }
            }
        }
        Ok(own)
    }

    /// Ends the log, and goes on under the name of `key`: durable when this returns.
    ///
    /// **Cancellation:** a batch that was queued is written even if the future is dropped.
    ///
    /// # Errors
    /// [`RenewError`]; the store is as it was then.
    pub async fn renew(&self, end: End, key: &LogKey) -> Result<Renewed, RenewError> {
        let shared = &self.ledger.shared;
        let _holding = shared.holding.lock().await;
        let hold = self.hold().ok_or(RenewError::NotHeld)?;
        let name = key.verifier().name().as_str();
        let origin = Origin::parse(name)
            .map_err(|_| LedgerError::from(corrupt("a key without a log's name".to_owned())))?;
        self.check_new(&origin, &end).await?;
        let former = self.lineage().await?;
        let End { predecessor, note } = end;
        let ended_as = predecessor.clone();
        let lineage = Lineage::after(former, origin.clone(), ended_as, note, hold);
        let (size, first) = self.first(&lineage, key).await?;
        let written = Batch {
            lineage: lineage.encode()?,
            first: first.as_ref().map(SignedNote::to_string),
            gone: self.of_the_old_log().await?,
            mark: shared.lift_mark(),
        };
        self.write(move |domain| written.records(domain)).await?;
        shared.hold_is_over(&self.domain);
        tracing::warn!(
            domain = %self.domain,
            size,
            "the log {} has ended; it goes on as {origin}",
            predecessor.origin
        );
        Ok(Renewed {
            size,
            predecessor,
            note: first,
        })
    }

    /// Refuses a name that stood for a log before.
    async fn check_new(&self, origin: &Origin, end: &End) -> Result<(), RenewError> {
        let names = self.ledger.log_names().await?;
        let is_used = names.iter().any(|(_, used)| used == origin);
        if is_used || *origin == end.predecessor.origin {
            return Err(RenewError::NameUsed(origin.clone()));
        }
        Ok(())
    }

    /// Size and first checkpoint of the new log, over the tree as it is rebuilt from the store.
    async fn first(
        &self,
        lineage: &Lineage,
        key: &LogKey,
    ) -> Result<(u64, Option<SignedNote>), LedgerError> {
        let tree = self.read(|shared, domain| Ok(shared.tree(domain)?)).await?;
        let Some(tree) = tree.filter(|tree| tree.size() > 0) else {
            return Ok((0, None));
        };
        let checkpoint = Checkpoint {
            extensions: vec![lineage.predecessor().line()],
            ..Checkpoint::new(lineage.origin.clone(), tree.size(), tree.root())
        };
        let note = SignedNote::new(&checkpoint, key.sign(&checkpoint));
        Ok((tree.size(), Some(note)))
    }

    /// The records that say something of the old log only.
    async fn of_the_old_log(&self) -> Result<Vec<LogRecord>, LedgerError> {
        let pending = self.pending_sizes().await?;
        let last = self.read(Shared::last_sequence);
        let last = last.await?.unwrap_or_default();
        let mut gone = vec![LogRecord::Cosigned, LogRecord::LastSequence];
        gone.extend((1..=last).map(LogRecord::Publication));
        gone.extend(pending.into_iter().map(LogRecord::Pending));
        Ok(gone)
    }
}

impl Ending<'_> {
    fn origin(&self) -> Result<Origin, RenewError> {
        let name = self.keys.first().map(|key| key.name().as_str());
        let origin = name.and_then(|name| Origin::parse(name).ok());
        origin.ok_or(RenewError::NothingOutside)
    }
}

/// The newest signed checkpoint that is known, and how much of its log the store surely has.
fn judge(known: &[(Outside, Fit)], ending: &Ending<'_>) -> Result<End, RenewError> {
    let signed = known.iter().filter(|(one, _)| one.note().is_some());
    // Of two with one size the one that the store lacks: it is the one that has to be named.
    let newest = signed.max_by_key(|(one, fit)| (one.size(), *fit != Fit::Contained));
    let (newest, _) = newest.ok_or(RenewError::NothingOutside)?;
    let beyond = known.iter().find(|(one, fit)| {
        *fit != Fit::Contained && one.note().is_none() && one.size() > newest.size()
    });
    if let Some((root, _)) = beyond {
        return Err(RenewError::OnChain(root.clone()));
    }
    let note = newest.note().unwrap_or_default().to_owned();
    let checkpoint = SignedNote::parse(&note).ok();
    let checkpoint = checkpoint.and_then(|note| note.checkpoint().ok());
    let unreadable = || LedgerError::from(corrupt("a checkpoint from outside".to_owned()));
    Ok(End {
        predecessor: Predecessor {
            origin: ending.origin()?,
            size: newest.size(),
            root: checkpoint.ok_or_else(unreadable)?.root,
            kept: kept(known, ending),
        },
        note,
    })
}

/// How many entries of the old log are surely the first ones of the store.
///
/// That the store contains a checkpoint does not say that the lost history does: a store that was put back
/// may have signed it after that, its own last one above all. A witness cosigns only what continues all that
/// it cosigned before. So the history of a lost checkpoint has what a witness of it cosigned, and the
/// store has it too.
fn kept(known: &[(Outside, Fit)], ending: &Ending<'_>) -> u64 {
    let is_lost = |known: &&(Outside, Fit)| known.1 != Fit::Contained;
    let contained = || {
        let contained = known.iter().filter(|known| known.1 == Fit::Contained);
        contained.filter(|(one, _)| one.note().is_some())
    };
    if !known.iter().any(|known| is_lost(&known)) {
        return contained().map(|(one, _)| one.size()).max().unwrap_or(0);
    }
    let lost = known.iter().filter(is_lost);
    let lost = lost.filter(|(one, _)| one.note().is_some());
    let Some((newest, _)) = lost.max_by_key(|(one, _)| one.size()) else {
        return 0;
    };
    let by = cosigners(newest, known, ending);
    // Where the store has another root, it had left that history before.
    let forked = known.iter().filter(|(_, fit)| *fit == Fit::OtherRoot);
    let forked = forked.map(|(one, _)| one.size()).min();
    let sure = contained().filter(|(one, _)| {
        forked.is_none_or(|forked| one.size() < forked)
            && cosigners(one, known, ending)
                .iter()
                .any(|key| by.contains(key))
    });
    sure.map(|(one, _)| one.size()).max().unwrap_or(0)
}

/// The witnesses that cosigned a checkpoint, in whichever copy of it.
fn cosigners(
    checkpoint: &Outside,
    known: &[(Outside, Fit)],
    ending: &Ending<'_>,
) -> Vec<VerifierKey> {
    let note_of = |one: &Outside| SignedNote::parse(one.note()?).ok();
    let Some(note) = note_of(checkpoint) else {
        return Vec::new();
    };
    let keys = [ending.keys, ending.witnesses].concat();
    let copies = known.iter().filter_map(|(one, _)| note_of(one));
    let copies = copies.filter(|copy| copy.text() == note.text());
    // A copy with a cosignature that does not hold shows nothing.
    let verified = copies.filter_map(|copy| verify_note(&copy, &keys).ok());
    let cosigned = verified.flat_map(|verified| verified.cosigned);
    cosigned.map(|cosignature| cosignature.key).collect()
}

/// What is written, in one batch.
struct Batch {
    lineage: Vec<u8>,
    first: Option<String>,
    gone: Vec<LogRecord>,
    /// See [`Shared::lift_mark`].
    mark: Option<Vec<u8>>,
}

impl Batch {
    fn records(&self, domain: DomainId) -> Vec<Record> {
        let record = |record, value| Record {
            family: keys::LOG,
            key: keys::log(domain, record),
            value,
        };
        let first = self.first.clone().map(String::into_bytes);
        let mut records = vec![
            record(LogRecord::Lineage, Some(self.lineage.clone())),
            record(LogRecord::Note, first),
        ];
        records.extend(self.gone.iter().map(|gone| record(*gone, None)));
        records.extend(lift_records(domain, self.mark.clone()));
        records
    }
}

#[cfg(test)]
mod tests {
    use translog::{KeyName, WitnessKey};

    use super::*;

    fn key() -> LogKey {
        LogKey::from_seed(&Origin::parse("log.example/old").unwrap(), &[1; 32])
    }

    fn witness(seed: u8) -> WitnessKey {
        let name = KeyName::parse("witness.example").unwrap();
        WitnessKey::from_seed(&name, &[seed; 32])
    }

    fn signed(size: u64, root: u8) -> Outside {
        cosigned(size, root, &[])
    }

    /// With cosignatures of these witnesses.
    fn cosigned(size: u64, root: u8, by: &[u8]) -> Outside {
        let origin = Origin::parse("log.example/old").unwrap();
        let checkpoint = Checkpoint::new(origin.clone(), size, [root; 32]);
        let mut note = SignedNote::new(&checkpoint, key().sign(&checkpoint));
        for seed in by {
            let line = witness(*seed).cosign(&checkpoint, 1_700_000_000);
            note.add(line).unwrap();
        }
        let keys = [key().verifier().clone()];
        Outside::signed(&note, &origin, &keys, "a friend").unwrap()
    }

    /// Witnesses 2 and 3 are believed.
    fn judged(known: &[(Outside, Fit)]) -> Result<(u64, u8, u64), RenewError> {
        let keys = [key().verifier().clone()];
        let witnesses = [2, 3].map(|seed| witness(seed).verifier().clone());
        let ending = Ending {
            keys: &keys,
            key: OldKey::AtHand,
            outside: &[],
            witnesses: &witnesses,
            regard: Regard::All,
        };
        let Predecessor {
            size, root, kept, ..
        } = judge(known, &ending)?.predecessor;
        Ok((size, root[0], kept))
    }

    /// What a new log says that it kept must be in every history that the old key signed, as far as
    /// that is known.
    #[test]
    fn no_more_is_said_to_be_kept_than_is_known() {
        let (has, larger) = (Fit::Contained, Fit::Larger { ours: 6 });
        let is = |known: &[(Outside, Fit)], expected| {
            assert_eq!(judged(known).unwrap(), expected, "{known:?}");
        };
        let lost = (cosigned(9, 9, &[2, 3]), larger);
        is(&[(signed(4, 4), has), (signed(2, 2), has)], (4, 4, 4));
        is(std::slice::from_ref(&lost), (9, 9, 0));
        is(&[lost.clone(), (cosigned(4, 4, &[3]), has)], (9, 9, 4));
        // The store may have signed it after it was put back.
        let own = (signed(4, 4), has);
        is(&[lost.clone(), own.clone()], (9, 9, 0));
        let older = (cosigned(3, 3, &[2]), has);
        is(&[lost.clone(), own.clone(), older.clone()], (9, 9, 3));
        // Who has cosigned one of them only, or is not believed, shows nothing.
        is(&[(signed(9, 9), larger), older.clone()], (9, 9, 0));
        let by_one = (cosigned(9, 9, &[3]), larger);
        is(&[by_one.clone(), older.clone()], (9, 9, 0));
        let by_stranger = [(cosigned(9, 9, &[4]), larger), (cosigned(4, 4, &[4]), has)];
        is(&by_stranger, (9, 9, 0));
        // In two copies, each with a cosignature.
        let copy = (cosigned(9, 9, &[2]), larger);
        is(&[by_one, copy, older.clone()], (9, 9, 3));
        // The store left that history before its fifth entry, and signed more.
        let left = (cosigned(5, 5, &[2]), Fit::OtherRoot);
        is(&[left.clone(), older.clone()], (5, 5, 3));
        is(
            &[left.clone(), older.clone(), (signed(8, 8), has)],
            (8, 8, 3),
        );
        is(&[left.clone(), (signed(8, 8), has)], (8, 8, 0));
        is(
            &[lost, left.clone(), (cosigned(6, 6, &[2]), has)],
            (9, 9, 0),
        );
        // Both were signed: the one that the store lacks is named.
        is(&[(signed(5, 1), has), left], (5, 5, 0));
    }

    #[test]
    fn a_root_on_the_chain_goes_no_further_than_what_is_named() {
        let root = |size| Outside::published(size, &[7; 32], "the chain".to_owned());
        let larger = Fit::Larger { ours: 3 };
        let refused = judged(&[(signed(5, 5), larger), (root(6), larger)]).unwrap_err();
        assert!(matches!(refused, RenewError::OnChain(it) if it.size() == 6));
        let known = [(signed(6, 5), larger), (root(6), larger)];
        assert_eq!(judged(&known).unwrap(), (6, 5, 0));
        // A root that the store does not have is of another history.
        let known = [(signed(6, 5), Fit::Contained), (root(4), Fit::OtherRoot)];
        assert_eq!(judged(&known).unwrap(), (6, 5, 0));
        let nothing = judged(&[(root(2), Fit::Contained)]).unwrap_err();
        assert!(matches!(nothing, RenewError::NothingOutside));
    }
}
