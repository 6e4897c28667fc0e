//! Versionless documents. Nothing proves what they hold: they are taken as they are, and never over
//! one that this node got from somebody else.
//!
//! **Source:** dsu specification §13 and §15: the name of a file is the hash of the document's path,
//! under which our store keeps it too.

use bytes::Bytes;
use keyssi::BrickHash;
use ledger::EmbeddedLedger;
use tokio::task::spawn_blocking;

use crate::error::ImportError;
use crate::finding::{Finding, Reason, Subject};
use crate::source::{Item, Shape, Unread, items, read_whole};
use crate::target::Target;
use crate::work::{Look, Work, lock};

/// Takes all documents.
pub(crate) async fn take_all(work: &Work<'_>) -> Result<(), ImportError> {
    let folder = work.folder.volume().join("versionlessdsu");
    if !folder.is_dir() || folder.is_symlink() {
        return Ok(());
    }
    let mut folders = vec![(folder, true)];
    while let Some((folder, has_folders)) = folders.pop() {
        let (shown, within) = (work.folder.shown(&folder), folder.clone());
        let listed = spawn_blocking(move || items(&within)).await;
        let listed = match listed.map_err(ImportError::Task)? {
            Ok(listed) => listed,
            Err(error) => {
                let (subject, reason) = (Subject::Document, Reason::Unreadable);
                let finding = Finding::skipped(subject, shown, reason, error.to_string());
                work.note(&finding)?;
                continue;
            }
        };
        for item in listed {
            if item.shape == Shape::Folder && has_folders {
                folders.push((item.path, false));
                continue;
            }
            let (path, bytes) = (work.folder.shown(&item.path), item.mark.size);
            if let Some(unread) = take(work, item, &path).await? {
                let Unread { reason, detail } = unread;
                work.note(&Finding::skipped(Subject::Document, path, reason, detail))?;
            }
            work.step(1, bytes);
        }
    }
    Ok(())
}

/// Takes a document; gives why not.
async fn take(work: &Work<'_>, item: Item, path: &str) -> Result<Option<Unread>, ImportError> {
    let not = |reason, detail: &str| {
        let detail = detail.to_owned();
        Ok(Some(Unread { reason, detail }))
    };
    let present = || {
        work.count(|it| {
            it.documents.found += 1;
            it.documents.present += 1;
        });
        Ok(None)
    };
    let Ok(name) = item.name.to_string_lossy().parse::<BrickHash>() else {
        return not(Reason::ForeignName, "the name is not the hash of a path");
    };
    let Target::Stores { ledger, .. } = work.target else {
        return not(
            Reason::Refused,
            "a running node takes documents by their path, of which only the hash is known; stop \
             the node and import with --data",
        );
    };
    let (mark, key) = (item.mark, *name.as_bytes());
    let before = {
        let journal = lock(&work.journal);
        let before = journal.document(path, mark);
        before.map(|(digest, is_same)| (digest.to_owned(), is_same))
    };
    let here = here(ledger, key).await?;
    let was_taken = before.as_ref().is_some_and(|(_, is_same)| *is_same);
    if work.look == Look::AtNew && was_taken && here.is_some() {
        return present();
    }
    let bytes_max = node::LimitsConfig::default().document_bytes_max;
    let read = spawn_blocking(move || read_whole(&item, bytes_max));
    let bytes = match read.await.map_err(ImportError::Task)? {
        Ok(bytes) => bytes,
        Err(unread) => return Ok(Some(unread)),
    };
    let digest = BrickHash::of(&bytes).to_string();
    let took = || work.journal(|it| it.took_document(path, mark, &digest));
    match here {
        Some(here) if here == digest => {
            took()?;
            return present();
        }
        // What was taken from this very file may be replaced by what the file holds now.
        Some(here) if before.is_none_or(|(digest, _)| digest != here) => {
            return not(
                Reason::DiffersHere,
                "this node has another document under this path",
            );
        }
        _ => {}
    }
    ledger.put_document_at(key, Bytes::from(bytes)).await?;
    took()?;
    work.count(|it| {
        it.documents.found += 1;
        it.documents.stored += 1;
    });
    Ok(None)
}

/// The digest of the document that is here.
async fn here(ledger: &EmbeddedLedger, key: [u8; 32]) -> Result<Option<String>, ImportError> {
    let here = ledger.document_at(key).await?;
    Ok(here.map(|bytes| BrickHash::of(&bytes).to_string()))
}
