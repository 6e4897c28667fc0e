//! Bricks: each file is hashed before it is believed, and stored under its hash.
//!
//! The store itself is the journal: a brick that it has under the file's name is not read again,
//! whatever has become of the file.

use std::path::PathBuf;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use keyssi::{BrickHash, Domain};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::error::ImportError;
use crate::finding::{Finding, Reason, Subject};
use crate::source::{Item, Shape, Unread, each_item, read_whole};
use crate::target::Placed;
use crate::work::{Look, Work};

/// Largest brick that is taken, in bytes. The node's limit is for clients and does not count here;
/// this is what our clients take and what a node of the default configuration can serve.
pub const BRICK_BYTES_MAX: u64 = 64 << 20;
/// Batches that are read, hashed and stored at a time.
const BATCHES: usize = 4;
/// Bytes of a batch; one larger brick is a batch of its own. With [`BATCHES`] this bounds the memory.
const BATCH_BYTES_MAX: u64 = 8 << 20;
/// Bricks of a batch: so many small ones that one sync of the disk does not count.
const BATCH_BRICKS_MAX: usize = 256;
/// An error text of an `ApiHub` is shorter.
const ERROR_TEXT_BYTES_MAX: usize = 512;

/// What the walk finds.
enum Found {
    Batch(Vec<(Item, BrickHash)>),
    Odd(Subject, PathBuf, Reason, String),
}

/// Takes the bricks of a domain.
pub(crate) async fn take_all(work: &Work<'_>, domain: &Domain) -> Result<(), ImportError> {
    let folder = work.folder.volume().join("domains").join(domain.as_str());
    let (send, receive) = mpsc::channel(BATCHES);
    let walk = spawn_blocking(move || walk(&folder.join("brick-storage"), &send));
    let found = stream::unfold(receive, async |mut receive| {
        receive.recv().await.map(|found| (found, receive))
    });
    let taken = found
        .map(Ok)
        .try_for_each_concurrent(BATCHES, async |found| match found {
            Found::Batch(batch) => take(work, domain, batch).await,
            Found::Odd(subject, path, reason, detail) => {
                work.step(1, 0);
                let path = work.folder.shown(&path);
                work.note(&Finding::skipped(subject, path, reason, detail))
            }
        });
    taken.await?;
    walk.await.map_err(ImportError::Task)
}

/// Sends the files of a `brick-storage`, whatever the length of the names of its folders. Ends early
/// when nobody listens any more.
fn walk(storage: &std::path::Path, send: &mpsc::Sender<Found>) {
    let Ok(metadata) = storage.symlink_metadata() else {
        // A domain without bricks.
        return;
    };
    let mut walk = Walk {
        send,
        batch: Vec::new(),
        bytes: 0,
    };
    // The `Option` is only for `?`: what it says is that nobody listens.
    let _ = if metadata.is_dir() {
        walk.folder(storage, true).and_then(|()| walk.flush())
    } else {
        let (reason, detail) = (Reason::NotAFile, "it is not the folder of bricks");
        walk.odd(storage.to_owned(), reason, detail)
    };
}

struct Walk<'a> {
    send: &'a mpsc::Sender<Found>,
    batch: Vec<(Item, BrickHash)>,
    bytes: u64,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &std::path::Path, has_folders: bool) -> Option<()> {
        let mut go_on = Some(());
        let walked = each_item(folder, &mut |item| {
            go_on = match item.shape {
                Shape::Folder if has_folders => self.folder(&item.path, false),
                Shape::File => self.file(item),
                Shape::Symlink => self.odd(item.path, Reason::Symlink, "not followed"),
                Shape::Folder | Shape::Other => {
                    self.odd(item.path, Reason::NotAFile, "a brick is a file")
                }
            };
            go_on
        });
        if let Err(error) = walked {
            self.odd(folder.to_owned(), Reason::Unreadable, &error.to_string())?;
        }
        go_on
    }

    fn file(&mut self, item: Item) -> Option<()> {
        let name = item.name.to_string_lossy();
        let hash = match name.parse::<BrickHash>() {
            Ok(hash) => hash,
            Err(error) => {
                let detail = format!("a brick's file has the name of its hash: {error}");
                return self.odd(item.path.clone(), Reason::ForeignName, &detail);
            }
        };
        let size = item.mark.size;
        if self.bytes + size > BATCH_BYTES_MAX || self.batch.len() >= BATCH_BRICKS_MAX {
            self.flush()?;
        }
        self.bytes += size;
        self.batch.push((item, hash));
        Some(())
    }

    fn flush(&mut self) -> Option<()> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Some(());
        }
        self.send.blocking_send(Found::Batch(batch)).ok()
    }

    fn odd(&mut self, path: PathBuf, reason: Reason, detail: &str) -> Option<()> {
        let odd = Found::Odd(Subject::Brick, path, reason, detail.to_owned());
        self.send.blocking_send(odd).ok()
    }
}

/// Takes a batch of one domain.
async fn take(
    work: &Work<'_>,
    domain: &Domain,
    batch: Vec<(Item, BrickHash)>,
) -> Result<(), ImportError> {
    let (files, bytes) = (batch.len() as u64, batch.iter().map(|(it, _)| it.mark.size));
    let bytes: u64 = bytes.sum();
    let names = batch.iter().map(|(_, hash)| *hash);
    let have = match work.look {
        Look::AtNew => work.target.has(domain, names.collect()).await?,
        Look::AtAll => vec![false; batch.len()],
    };
    let mut unread = batch;
    let mut have = have.into_iter();
    unread.retain(|_| have.next() != Some(true));
    let present = files - unread.len() as u64;
    work.count(|it| {
        it.bricks.found += present;
        it.bricks.present += present;
    });
    let read = spawn_blocking(move || {
        let read = unread.into_iter().map(|(item, hash)| {
            let bytes = read_brick(&item, hash);
            (item, hash, bytes)
        });
        read.collect::<Vec<_>>()
    });
    let (mut sound, mut paths) = (Vec::new(), Vec::new());
    for (item, hash, bytes) in read.await.map_err(ImportError::Task)? {
        let path = work.folder.shown(&item.path);
        match bytes {
            Ok(bytes) => {
                paths.push((path, bytes.len() as u64));
                sound.push((hash, bytes));
            }
            Err(Unread { reason, detail }) => {
                work.note(&Finding::skipped(Subject::Brick, path, reason, detail))?;
            }
        }
    }
    let placed = work.target.put(domain, sound).await?;
    for ((path, bytes), placed) in paths.into_iter().zip(placed) {
        match placed {
            Placed::Stored => work.count(|it| {
                it.bricks.found += 1;
                it.bricks.stored += 1;
                it.brick_bytes_stored += bytes;
            }),
            Placed::Present => work.count(|it| {
                it.bricks.found += 1;
                it.bricks.present += 1;
            }),
            Placed::Refused(detail) => {
                let (subject, reason) = (Subject::Brick, Reason::Refused);
                work.note(&Finding::skipped(subject, path, reason, detail))?;
            }
        }
    }
    work.step(files, bytes);
    Ok(())
}

/// The bytes of a brick, if they are those of its name and no error text.
fn read_brick(item: &Item, name: BrickHash) -> Result<Bytes, Unread> {
    let bytes = read_whole(item, BRICK_BYTES_MAX)?;
    let actual = BrickHash::of(&bytes);
    if is_error_text(&bytes) {
        return Err(Unread {
            reason: Reason::Poisoned,
            detail: format!(
                "it is an error text: {}",
                String::from_utf8_lossy(&bytes).trim()
            ),
        });
    }
    if actual == name {
        return Ok(bytes.into());
    }
    if bytes.is_empty() {
        return Err(Unread {
            reason: Reason::Empty,
            detail: "it has no content".to_owned(),
        });
    }
    Err(Unread {
        reason: Reason::TornOrAltered,
        detail: format!("its {} bytes hash to {actual}", bytes.len()),
    })
}

/// Whether the bytes are what an `ApiHub` answers for a brick that it does not have, and then stores
/// as if it was one.
fn is_error_text(bytes: &[u8]) -> bool {
    if bytes.len() > ERROR_TEXT_BYTES_MAX {
        return false;
    }
    let Ok(serde_json::Value::Object(object)) = serde_json::from_slice(bytes) else {
        return false;
    };
    let message = object.get("message").and_then(serde_json::Value::as_str);
    object.len() == 1
        && message.is_some_and(|text| {
            text == "Brick not found" || text.starts_with("[Bricking] Domain '")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_error_texts_of_an_apihub_are_error_texts() {
        let cases: [(&[u8], bool); 8] = [
            (br#"{"message":"Brick not found"}"#, true),
            (b"{ \"message\": \"Brick not found\" }\n", true),
            (br#"{"message":"[Bricking] Domain 'x' not found!"}"#, true),
            (br#"{"message":"hello"}"#, false),
            (br#"{"message":"Brick not found","more":1}"#, false),
            (br#""Brick not found""#, false),
            (b"Brick not found", false),
            (b"", false),
        ];
        for (bytes, expected) in cases {
            assert_eq!(is_error_text(bytes), expected, "{bytes:?}");
        }
    }
}
