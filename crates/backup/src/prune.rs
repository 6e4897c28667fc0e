//! Taking old backups away, and the objects that no other needs.

use std::collections::{BTreeMap, BTreeSet};

use crate::busy::{self, Work};
use crate::seal::{self, Identities};
use crate::snapshot::{self, FOLDER, Snapshot, SnapshotId, Unread, is_object_name};
use crate::{BackupError, Place};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Which backups stay: those that any of the rules names, and the newest always.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keep {
    /// The newest, so many.
    pub last: usize,
    /// The newest of each day (UTC) that has any, for so many days.
    pub daily: usize,
    /// Those that were made at most so many milliseconds before the newest. No clock is asked: a place
    /// that gets no backups any more loses none.
    pub within_ms: u64,
}

/// Whether it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PruneMode {
    /// It is only said what would go.
    Try,
    /// It goes.
    Remove,
}

/// What goes and what stays.
#[derive(Clone, Debug)]
pub struct PruneReport {
    /// Backups that stay, oldest first.
    pub kept: Vec<SnapshotId>,
    /// Backups that go, oldest first.
    pub removed: Vec<SnapshotId>,
    /// Objects that go.
    pub objects: u64,
    /// What they take in the place, in bytes.
    pub bytes: u64,
}

/// Takes away what is not to be kept: first the snapshots, then every object that none of the kept ones
/// names, also those that backups which were cut off have left. Every kept snapshot is read before, so
/// encrypted ones need a private key; those that go are not read and may be damaged. Of every object
/// that a kept one names it is made sure that it is there and not cut off: what goes may be the last
/// backup that is whole.
///
/// What ends this in between leaves objects without a snapshot; the next call takes them away.
///
/// # Errors
/// [`BackupError::Busy`] while a backup is made there; an unreadable snapshot that is to be kept, or
/// [`BackupError::Incomplete`] for one that lacks objects, in which cases nothing is taken away; or
/// what failed.
pub fn prune(
    place: &Place,
    keep: &Keep,
    identities: &Identities,
    mode: PruneMode,
) -> Result<PruneReport, BackupError> {
    let _busy = match mode {
        PruneMode::Try => None,
        PruneMode::Remove => Some(busy::begin(place, Work::Prune)?),
    };
    let all = snapshot::list(place)?;
    let staying = keep.choose(&all);
    let (kept, removed): (Vec<_>, Vec<_>) =
        all.iter().partition(|unread| staying.contains(&unread.id));
    // After the snapshots, whose objects are stored before them.
    let mut stored: BTreeMap<_, _> = place.list("")?.into_iter().collect();
    stored.retain(|name, _| is_object_name(name));
    let mut needed = BTreeSet::new();
    for unread in &kept {
        let snapshot = snapshot::read(place, unread, identities)?;
        require_objects(&unread.id, &snapshot, &stored)?;
        needed.extend(snapshot.files.iter().map(|file| snapshot.object(file)));
    }
    if mode == PruneMode::Remove {
        let names: Vec<_> = removed.iter().map(|unread| unread.name()).collect();
        place.remove(&names)?;
        // A snapshot that a power cut brought back would name objects that are gone.
        place.sync(FOLDER)?;
    }
    let mut garbage = stored;
    garbage.retain(|name, _| !needed.contains(name));
    let bytes = garbage.values().sum();
    let names: Vec<_> = garbage.into_keys().collect();
    if mode == PruneMode::Remove {
        place.remove(&names)?;
    }
    let ids = |unread: Vec<&Unread>| unread.iter().map(|unread| unread.id.clone()).collect();
    Ok(PruneReport {
        kept: ids(kept),
        removed: ids(removed),
        objects: names.len() as u64,
        bytes,
    })
}

/// Refuses a snapshot that names objects which are not among these, with their bytes, or are cut off.
fn require_objects(
    id: &SnapshotId,
    snapshot: &Snapshot,
    stored: &BTreeMap<String, u64>,
) -> Result<(), BackupError> {
    let is_sealed = !snapshot.sealed_to.is_empty();
    let mut lacking = BTreeMap::new();
    for file in &snapshot.files {
        let name = snapshot.object(file);
        match stored.get(&name) {
            None => {
                lacking.insert(name, "is missing");
            }
            Some(&bytes) if !seal::can_hold(bytes, file.bytes, is_sealed) => {
                lacking.insert(name, "has not the length that was stored");
            }
            Some(_) => {}
        }
    }
    let Some((name, what)) = lacking.pop_first() else {
        return Ok(());
    };
    Err(BackupError::Incomplete {
        backup: id.clone(),
        detail: match lacking.len() {
            0 => format!("{name} {what}"),
            more => format!("{name} {what}, and so it is with {more} more"),
        },
    })
}

impl Keep {
    /// The names of those that stay; `all` is sorted, oldest first.
    fn choose(&self, all: &[Unread]) -> BTreeSet<SnapshotId> {
        let newest_ms = all.last().map_or(0, |unread| unread.id.created_ms());
        let mut days = BTreeSet::new();
        let mut staying = BTreeSet::new();
        for (number, unread) in all.iter().rev().enumerate() {
            let made_ms = unread.id.created_ms();
            let is_first_of_day = days.insert(made_ms / DAY_MS);
            if number < self.last.max(1)
                || is_first_of_day && days.len() <= self.daily
                || newest_ms - made_ms <= self.within_ms && self.within_ms > 0
            {
                staying.insert(unread.id.clone());
            }
        }
        staying
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 60 * 60 * 1000;
    /// Midnight of some day, in UTC.
    const MIDNIGHT_MS: u64 = 20_000 * DAY_MS;

    /// Which of the backups that were made at these hours stay.
    fn check(hours: &[u64], keep: Keep, expected: &[u64]) {
        let at = |hour: &u64| MIDNIGHT_MS + hour * HOUR_MS;
        let made = |hour| {
            let id = format!("{:013}-0123456789abcdef", at(hour));
            let (id, is_sealed) = (id.parse().unwrap(), false);
            Unread { id, is_sealed }
        };
        let all: Vec<_> = hours.iter().map(made).collect();
        let staying: Vec<_> = keep
            .choose(&all)
            .iter()
            .map(SnapshotId::created_ms)
            .collect();
        let expected: Vec<_> = expected.iter().map(at).collect();
        assert_eq!(staying, expected, "{hours:?} {keep:?}");
    }

    #[test]
    fn the_rules_add_up_and_the_newest_stays() {
        let keep = |last, daily, hours| Keep {
            last,
            daily,
            within_ms: HOUR_MS.saturating_mul(hours),
        };
        // Three on the first day, two on the second, none on the third, one each on the next two.
        let hours = [1, 9, 23, 24, 47, 72, 96];
        check(&[], keep(3, 3, 3), &[]);
        check(&hours, keep(0, 0, 0), &[96]);
        check(&hours, keep(1, 0, 0), &[96]);
        check(&hours, keep(3, 0, 0), &[47, 72, 96]);
        check(&hours, keep(99, 0, 0), &hours);
        check(&hours, keep(0, 1, 0), &[96]);
        check(&hours, keep(0, 3, 0), &[47, 72, 96]);
        check(&hours, keep(0, 4, 0), &[23, 47, 72, 96]);
        check(&hours, keep(0, 9, 0), &[23, 47, 72, 96]);
        check(&hours, keep(0, 0, 24), &[72, 96]);
        check(&hours, keep(0, 0, 23), &[96]);
        check(&hours, keep(0, 0, 72), &[24, 47, 72, 96]);
        check(&hours, keep(2, 4, 0), &[23, 47, 72, 96]);
        check(&hours, keep(0, 4, 72), &[23, 24, 47, 72, 96]);
        check(&hours, keep(usize::MAX, usize::MAX, u64::MAX), &hours);
    }
}
