//! Anchors: each file's history is judged as what clients send is judged, and continues what is here.
//!
//! What is taken of a history that is not sound to its end: a *torn* last line is no value under any
//! reading, so nothing is lost by taking what is before it, and the next pass takes the line when it
//! was only being written. After *any other* fault there are entries that somebody may still mend:
//! nothing is taken (see [`crate::BrokenHistory`]).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use keyssi::{AnchorId, AnchorValue, BrickHash, Domain};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::task::spawn_blocking;

use crate::error::ImportError;
use crate::finding::{Effect, Finding, Reason, Subject};
use crate::history::{AnchorFile, Fault};
use crate::source::{Item, Shape, Unread, each_item, read_whole};
use crate::target::NotAppended;
use crate::work::{BrokenHistory, Look, Work, lock};

/// Largest file of an anchor that is read, in bytes: some 100,000 versions.
const ANCHOR_BYTES_MAX: u64 = 64 << 20;
/// Anchors that are read, judged and written at a time; what they write shares a sync.
const AT_A_TIME: usize = 32;
/// Files of anchors that are held at a time, in bytes: one of the largest, or many small ones.
const HELD_BYTES_MAX: usize = 64 << 20;
const _: () = assert!(HELD_BYTES_MAX as u64 >= ANCHOR_BYTES_MAX);
/// Versions without brick map that are named in a finding.
const NAMED_MAX: usize = 10;

/// What became of the entries of a file.
struct Taken {
    /// Versions of the anchor that are here now, and in the file.
    here: usize,
    /// Those of them that this run stored.
    added: usize,
    /// Why not all are here.
    fault: Option<Fault>,
}

/// Bounds the memory that the files take which are read, judged and written at a time.
struct Room(Semaphore);

impl Room {
    fn new() -> Self {
        Self(Semaphore::new(HELD_BYTES_MAX))
    }

    /// Waits until there is room for a file of so many bytes; one that is larger is never read.
    async fn of(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        let bytes = u32::try_from(bytes.min(ANCHOR_BYTES_MAX)).unwrap_or(u32::MAX);
        // It fails when the semaphore is closed, which this one never is.
        self.0.acquire_many(bytes).await.ok()
    }
}

/// Takes the anchors of a domain.
pub(crate) async fn take_all(work: &Work<'_>, domain: &Domain) -> Result<(), ImportError> {
    let folder = work.folder.volume().join("domains").join(domain.as_str());
    let folder = folder.join("anchors");
    let (send, receive) = mpsc::channel(AT_A_TIME);
    let walk = spawn_blocking(move || walk(&folder, &send));
    let files = stream::unfold(receive, async |mut receive| {
        receive.recv().await.map(|item| (item, receive))
    });
    let room = Room::new();
    let take = async |item: Result<Item, (PathBuf, String)>| {
        let item = match item {
            Ok(item) => item,
            Err((folder, detail)) => {
                let path = work.folder.shown(&folder);
                let (subject, reason) = (Subject::Anchor, Reason::Unreadable);
                return work.note(&Finding::skipped(subject, path, reason, detail));
            }
        };
        let path = work.folder.shown(&item.path);
        let bytes = item.mark.size;
        if let Some(finding) = take(work, domain, item, &path, &room).await? {
            work.note(&finding)?;
        }
        work.step(1, bytes);
        Ok(())
    };
    let files = files.map(Ok::<_, ImportError>);
    files.try_for_each_concurrent(AT_A_TIME, take).await?;
    walk.await.map_err(ImportError::Task)
}

/// Sends the files of a folder of anchors, or why it cannot be read.
fn walk(folder: &Path, send: &mpsc::Sender<Result<Item, (PathBuf, String)>>) {
    let Ok(metadata) = folder.symlink_metadata() else {
        // A domain without anchors.
        return;
    };
    let walked = if metadata.is_dir() {
        each_item(folder, &mut |item| {
            // A folder of this name is the lock of an append, not an anchor.
            let is_lock = item.name.as_encoded_bytes().ends_with(b".lock");
            if item.shape == Shape::Folder && is_lock {
                return Some(());
            }
            send.blocking_send(Ok(item)).ok()
        })
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    };
    if let Err(error) = walked {
        // Nobody listens any more only when the import has failed already.
        let _ = send.blocking_send(Err((folder.to_owned(), error.to_string())));
    }
}

/// Takes a file; gives what is to be reported.
async fn take(
    work: &Work<'_>,
    domain: &Domain,
    item: Item,
    path: &str,
    room: &Room,
) -> Result<Option<Finding>, ImportError> {
    let skip = |reason, detail: String| {
        let finding = Finding::skipped(Subject::Anchor, path, reason, detail);
        Ok(Some(finding))
    };
    if item.shape == Shape::Symlink {
        return skip(Reason::Symlink, "not followed".to_owned());
    }
    let id = match AnchorId::parse_wrapped(&item.name.to_string_lossy()) {
        Ok(id) => id,
        Err(error) => return skip(Reason::ForeignName, error.to_string()),
    };
    if id.domain() != domain {
        let detail = format!("the anchor is one of domain {}", id.domain());
        return skip(Reason::WrongDomain, detail);
    }
    let known = lock(&work.journal).anchor(path, item.mark);
    if let (Some(versions), Look::AtNew) = (known, work.look)
        && work.target.version_count(&id).await? >= versions
    {
        work.count(|it| {
            it.anchors.found += 1;
            it.anchors.present += 1;
        });
        return Ok(None);
    }
    let mark = item.mark;
    let _held = room.of(mark.size).await;
    let read = spawn_blocking(move || {
        let bytes = read_whole(&item, ANCHOR_BYTES_MAX)?;
        Ok(AnchorFile::read(&bytes))
    });
    let file = match read.await.map_err(ImportError::Task)? {
        Ok(file) => file,
        Err(Unread { reason, detail }) => return skip(reason, detail),
    };
    if file.entries == 0 && file.torn_bytes == 0 {
        return skip(Reason::Empty, "it has no entries".to_owned());
    }
    let taken = take_history(work, &id, &file).await?;
    if taken.here == 0 {
        return match (taken.fault, file.torn_bytes) {
            (Some(fault), _) => skip(fault.reason, fault.detail),
            (None, torn) => skip(
                Reason::TornTail,
                format!("its first line is cut off ({torn} bytes)"),
            ),
        };
    }
    work.count(|it| {
        it.anchors.found += 1;
        it.versions_stored += taken.added as u64;
        if taken.added > 0 {
            it.anchors.stored += 1;
        } else {
            it.anchors.present += 1;
        }
    });
    let here = file.values.get(..taken.here).unwrap_or(&file.values);
    if let Some(finding) = without_brick_maps(work, here, path).await? {
        work.note(&finding)?;
    } else if taken.here == file.entries && file.torn_bytes == 0 {
        work.journal(|it| it.took_anchor(path, mark, taken.here as u64))?;
    }
    Ok(left_out(&file, &taken, path))
}

/// The finding of an anchor of which only the beginning is here.
fn left_out(file: &AnchorFile, taken: &Taken, path: &str) -> Option<Finding> {
    let is_torn = file.torn_bytes > 0;
    let left = file.entries - taken.here + usize::from(is_torn);
    let (reason, detail) = match &taken.fault {
        Some(fault) => (fault.reason, fault.detail.clone()),
        None if is_torn => (
            Reason::TornTail,
            format!("its last line is cut off ({} bytes)", file.torn_bytes),
        ),
        None => return None,
    };
    Some(Finding {
        subject: Subject::Anchor,
        path: path.to_owned(),
        reason,
        detail,
        effect: Effect::Partly {
            taken: taken.here as u64,
            left_out: left as u64,
        },
    })
}

/// Appends what the file has beyond what is here.
async fn take_history(
    work: &Work<'_>,
    id: &AnchorId,
    file: &AnchorFile,
) -> Result<Taken, ImportError> {
    let here = work.target.versions(id).await?;
    let stop = |here, fault| {
        Ok(Taken {
            here,
            added: 0,
            fault: Some(fault),
        })
    };
    let pairs = file.values.iter().zip(&here);
    if let Some(version) = { pairs }.position(|(value, here)| value.as_str() != here) {
        let detail = format!("this node has another entry {version} of the anchor");
        let reason = Reason::DiffersHere;
        // None of the file's entries is called here: the anchor is another history.
        return stop(
            0,
            Fault {
                version,
                reason,
                detail,
            },
        );
    }
    let count = here.len().min(file.values.len());
    if let Some(fault) = &file.fault
        && work.broken == BrokenHistory::LeaveOut
    {
        return stop(count, fault.clone());
    }
    let mut fault = file.fault.clone();
    let mut history = file.values.as_slice();
    let mut added = 0;
    while history.len() > here.len() {
        match work.target.append(id, history, here.len()).await {
            Ok(()) => {
                added = history.len() - here.len();
                break;
            }
            Err(NotAppended::Failed(error)) => return Err(error),
            Err(NotAppended::Refused { version, detail }) => {
                let reason = Reason::Refused;
                fault = Some(Fault {
                    version,
                    reason,
                    detail: format!("entry {version}: {detail}"),
                });
                added = version - here.len();
                break;
            }
            Err(NotAppended::Rule { version, rule }) => {
                fault = Some(Fault::of_rule(id, &file.values, version, &rule));
                if work.broken == BrokenHistory::LeaveOut {
                    break;
                }
                history = history.get(..version).unwrap_or_default();
            }
        }
    }
    Ok(Taken {
        here: count.max(here.len() + added).min(file.values.len()),
        added,
        fault,
    })
}

/// A finding when versions that are here name brick maps that are not.
async fn without_brick_maps(
    work: &Work<'_>,
    values: &[AnchorValue],
    path: &str,
) -> Result<Option<Finding>, ImportError> {
    let mut named: BTreeMap<Domain, Vec<(usize, BrickHash)>> = BTreeMap::new();
    for (version, value) in values.iter().enumerate() {
        let hash = value.brick_map_hash().and_then(|hash| hash.parse().ok());
        if let (Some(hash), Ok(domain)) = (hash, value.domain().parse()) {
            named.entry(domain).or_default().push((version, hash));
        }
    }
    let mut missing = Vec::new();
    for (domain, bricks) in named {
        let hashes = bricks.iter().map(|(_, hash)| *hash).collect();
        let has = work.target.has(&domain, hashes).await?;
        let bricks = bricks.into_iter().zip(has).filter(|(_, has)| !has);
        missing.extend(bricks.map(|(brick, _)| brick));
    }
    if missing.is_empty() {
        return Ok(None);
    }
    missing.sort_unstable();
    let shown = missing.iter().take(NAMED_MAX);
    let shown: Vec<_> = shown
        .map(|(version, hash)| format!("version {version} ({hash})"))
        .collect();
    let more = match missing.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Ok(Some(Finding {
        subject: Subject::Anchor,
        path: path.to_owned(),
        reason: Reason::BrickMapMissing,
        detail: format!("no brick map of {}{more}", shown.join(", ")),
        effect: Effect::Taken,
    }))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn many_small_files_have_room_and_two_large_ones_have_not() {
        let room = Room::new();
        let at_once = |bytes| room.of(bytes).now_or_never().flatten();
        let small: Vec<_> = (0..AT_A_TIME).map(|_| at_once(1 << 20)).collect();
        assert!(small.iter().all(Option::is_some));
        drop(small);
        let first = at_once(40 << 20);
        assert!(first.is_some() && at_once(40 << 20).is_none());
        drop(first);
        // One beyond the limit is refused without being read, and must not wait for ever.
        assert!(at_once(u64::MAX).is_some());
    }
}
