//! Snapshots: what a backup holds.

use std::fmt;
use std::io::Read;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::seal::{self, Identities, Recipients, hex};
use crate::{BackupError, Place};

pub(crate) const FOLDER: &str = "snapshots";
/// Newest format of a snapshot that is known here.
pub(crate) const FORMAT: u32 = 1;

/// The name of a snapshot: when it was made, and the beginning of the hash of its text. Sorts by
/// time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotId {
    /// Milliseconds since the epoch.
    created_ms: u64,
    digest: String,
}

impl SnapshotId {
    fn of(created_ms: u64, text: &[u8]) -> Self {
        let digest = Sha256::digest(text);
        Self {
            created_ms,
            digest: hex(digest.as_slice().get(..8).unwrap_or_default()),
        }
    }

    /// When the backup was made, in milliseconds since the epoch.
    #[must_use]
    pub fn created_ms(&self) -> u64 {
        self.created_ms
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:013}-{}", self.created_ms, self.digest)
    }
}

/// A text that is no name of a snapshot.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no name of a backup: it reads <13 digits>-<16 hex digits>")]
pub struct NoSnapshotId;

impl FromStr for SnapshotId {
    type Err = NoSnapshotId;

    fn from_str(text: &str) -> Result<Self, NoSnapshotId> {
        let (time, digest) = text.split_once('-').ok_or(NoSnapshotId)?;
        let is_digits = time.len() >= 13 && time.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits || digest.len() != 16 || !is_hex(digest) {
            return Err(NoSnapshotId);
        }
        let id = Self {
            created_ms: time.parse().map_err(|_| NoSnapshotId)?,
            digest: digest.to_owned(),
        };
        // One name, one text.
        (id.to_string() == text).then_some(id).ok_or(NoSnapshotId)
    }
}

/// A backup: every file of the frozen folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Format number of this text.
    pub format: u32,
    /// When the folder was frozen, in milliseconds since the epoch.
    pub created_ms: u64,
    /// Version of the program that made it.
    pub version: String,
    /// The node that it is of, 32 hex digits; `None` in backups from before nodes had numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The age recipients that it is encrypted to; none for a plain one.
    pub sealed_to: Vec<String>,
    /// The transparency logs in it.
    pub logs: Vec<LogHead>,
    /// What is not in it and why, for people.
    pub left_out: Vec<String>,
    /// The files, by path.
    pub files: Vec<SnapshotFile>,
}

/// How far a log was when the folder was frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogHead {
    /// The domain.
    pub domain: String,
    /// Entries in its log.
    pub entries: u64,
}

/// One file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotFile {
    /// Relative path, its parts divided by `/`.
    pub path: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the contents, 64 hex digits.
    pub sha256: String,
}

impl Snapshot {
    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The object that holds a file.
    pub(crate) fn object(&self, file: &SnapshotFile) -> String {
        object_name(&seal::folder(&self.sealed_to), &file.sha256)
    }
}

/// Where the object with this hash lies in a folder of objects.
pub(crate) fn object_name(folder: &str, sha256: &str) -> String {
    let (front, back) = sha256.split_at_checked(2).unwrap_or((sha256, ""));
    format!("{folder}/{front}/{back}")
}

/// Whether a name in a place is one that [`object_name`] makes.
pub(crate) fn is_object_name(name: &str) -> bool {
    let mut parts = name.split('/');
    let folder = parts.next().unwrap_or_default();
    let is_folder = match folder.strip_prefix("sealed-") {
        Some(digits) => digits.len() == 16 && is_hex(digits),
        None => folder == "objects",
    };
    let hash: Vec<_> = parts.collect();
    is_folder
        && matches!(hash.as_slice(), [front, back]
            if front.len() == 2 && back.len() == 62 && is_hex(front) && is_hex(back))
}

/// What can be said of a snapshot without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Its name.
    pub id: SnapshotId,
    /// Whether it is encrypted.
    pub is_sealed: bool,
}

impl Unread {
    /// Its name in the place.
    pub(crate) fn name(&self) -> String {
        let suffix = if self.is_sealed { ".age" } else { "" };
        format!("{FOLDER}/{}.json{suffix}", self.id)
    }
}

/// The snapshots of a place, oldest first.
///
/// # Errors
/// When the place cannot be read.
pub fn list(place: &Place) -> Result<Vec<Unread>, BackupError> {
    let mut found = Vec::new();
    for (name, _) in place.list(FOLDER)? {
        let (text, is_sealed) = match name.strip_suffix(".json.age") {
            Some(text) => (text, true),
            None => (name.strip_suffix(".json").unwrap_or_default(), false),
        };
        if let Ok(id) = text.parse() {
            found.push(Unread { id, is_sealed });
        }
    }
    found.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(found)
}

/// The snapshot of this name, or the newest.
///
/// # Errors
/// [`BackupError::Unknown`], or what failed.
pub fn find(place: &Place, id: Option<&SnapshotId>) -> Result<Unread, BackupError> {
    let mut all = list(place)?;
    let found = match id {
        None => all.pop(),
        Some(id) => all.into_iter().find(|unread| unread.id == *id),
    };
    found.ok_or_else(|| BackupError::Unknown {
        place: place.name().to_owned(),
        id: id.map_or_else(|| "at all".to_owned(), ToString::to_string),
    })
}

/// Reads a snapshot.
///
/// # Errors
/// [`BackupError::Damaged`], [`BackupError::Newer`], [`BackupError::NoIdentity`], or what failed.
pub fn read(
    place: &Place,
    unread: &Unread,
    identities: &Identities,
) -> Result<Snapshot, BackupError> {
    let name = unread.name();
    let stored = place.read_small(&name)?;
    let stored = stored.ok_or_else(|| BackupError::Missing {
        object: name.clone(),
    })?;
    let text = if unread.is_sealed {
        let mut text = Vec::new();
        seal::open(place, &name, stored.as_slice(), identities)?
            .read_to_end(&mut text)
            .map_err(|_| BackupError::damaged(&name, "it does not decrypt to its end"))?;
        text
    } else {
        stored
    };
    if SnapshotId::of(unread.id.created_ms, &text) != unread.id {
        return Err(BackupError::damaged(
            &name,
            "its text does not hash to its name",
        ));
    }
    let format: Format = parse(&name, &text)?;
    if format.format > FORMAT {
        return Err(BackupError::Newer {
            place: place.name().to_owned(),
            found: format.format,
            known: FORMAT,
        });
    }
    let snapshot: Snapshot = parse(&name, &text)?;
    match snapshot.files.iter().find(|file| !is_fit(file)) {
        None => Ok(snapshot),
        Some(file) => {
            let detail = format!("it names {:?}, which is no path within a folder", file.path);
            Err(BackupError::damaged(&name, detail))
        }
    }
}

/// Stores a snapshot; it is there, whole and durable, on return.
pub(crate) fn store(
    place: &Place,
    snapshot: &Snapshot,
    recipients: Option<&Recipients>,
) -> Result<SnapshotId, BackupError> {
    let failed = |error| place.broken(error);
    let text = serde_json::to_vec(snapshot).map_err(|error| failed(error.into()))?;
    let unread = Unread {
        id: SnapshotId::of(snapshot.created_ms, &text),
        is_sealed: recipients.is_some(),
    };
    let stored = match recipients {
        None => text,
        Some(recipients) => {
            let mut writer = recipients.wrap(Vec::new()).map_err(failed)?;
            std::io::Write::write_all(&mut writer, &text).map_err(failed)?;
            writer.finish().map_err(failed)?
        }
    };
    place.put(&unread.name(), stored)?;
    Ok(unread.id)
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

fn parse<T: serde::de::DeserializeOwned>(name: &str, text: &[u8]) -> Result<T, BackupError> {
    serde_json::from_slice(text)
        .map_err(|error| BackupError::damaged(name, format!("it is no snapshot: {error}")))
}

/// Whether a file of a snapshot may be written below a folder, and names an object.
fn is_fit(file: &SnapshotFile) -> bool {
    file.sha256.len() == 64
        && is_hex(&file.sha256)
        && file
            .path
            .split('/')
            .all(|part| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0', ':']))
}

/// Whether there are lower-case hex digits only.
fn is_hex(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_strictly_and_sort_by_time() {
        let id = SnapshotId::of(1_790_000_000_000, b"text");
        assert_eq!(id.to_string().parse(), Ok(id.clone()));
        assert!(SnapshotId::of(1_790_000_000_001, b"a") > id);
        for text in [
            "",
            "1790000000000",
            "1790000000000-",
            "1790000000000-0123456789ABCDEF",
            "01790000000000-0123456789abcdef",
            "179000000000-0123456789abcdef",
            "1790000000000-0123456789abcdef0",
            "99999999999999999999999-0123456789abcdef",
        ] {
            assert_eq!(text.parse::<SnapshotId>(), Err(NoSnapshotId), "{text}");
        }
    }

    #[test]
    fn paths_stay_within_the_folder() {
        let check = |path: &str, fit: bool| {
            let file = SnapshotFile {
                path: path.to_owned(),
                bytes: 0,
                sha256: "0".repeat(64),
            };
            assert_eq!(is_fit(&file), fit, "{path}");
        };
        check("bricks/000012.sst", true);
        check("keys/default.log-key", true);
        for path in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "./a",
            "a/",
            "c:x",
            "a\\b",
        ] {
            check(path, false);
        }
    }

    #[test]
    fn only_names_of_objects_are_taken_for_such() {
        let sha256 = "0123456789abcdef".repeat(4);
        for folder in ["objects", "sealed-0123456789abcdef"] {
            let name = object_name(folder, &sha256);
            assert!(is_object_name(&name), "{name}");
            for other in [
                folder.to_owned(),
                format!("x/{name}"),
                format!("{name}/x"),
                format!("{name}0"),
                name.to_uppercase(),
                name.replace("/01/", "/0/1"),
                format!("x{name}"),
            ] {
                assert!(!is_object_name(&other), "{other}");
            }
        }
        for name in [
            "",
            "backup.json",
            "lock",
            "snapshots/1.json",
            "sealed-0/01/",
        ] {
            assert!(!is_object_name(name), "{name}");
        }
    }
}
