//! One version: its brick map, its files, its folders.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use dsu::{BrickMap, DsuPath, EmbeddedContent, FileNode, OpenMapError, open_map};
use dsu::{Depth, NodeKind, StoredIn};
use keyssi::envelope::{self, OVERHEAD_BYTES};
use keyssi::{BrickHash, EncryptionKey, KeySsi};
use serde_json::Value;

use crate::Counts;
use crate::scenario::{RecordedFile, RecordedVersion, Scenario, sha256_hex};
use crate::view::View;

/// What the SDK says of a file node without bricks (§14-8).
const NO_BRICKS: &str = "Cannot read properties of undefined (reading 'hashLink')";
/// What it says of a big file (§14-15).
const BIG_FILE: &str = "Failed to read big file as normal file";

pub(crate) fn check(
    scenario: &Scenario,
    view_index: usize,
    view: &View<'_>,
    version: usize,
    counts: &mut Counts,
) -> Result<BrickMap> {
    let recorded = &view.recorded.versions[version];
    let hash: BrickHash = recorded.brick_map_hash.parse()?;
    let map = if scenario.file.omit_bricks {
        // The recorded map is all there is; its size tells that it is whole.
        let ordered = scenario.ordered_map(view_index, version)?;
        let map = BrickMap::parse(ordered.as_bytes())?;
        ensure!(map.to_json() == ordered, "another text than recorded");
        let stored = map.to_json().len() + OVERHEAD_BYTES;
        ensure!(stored == scenario.brick_size(&hash)?, "{stored} bytes");
        map
    } else {
        counts.maps += 1;
        open(scenario, &view.ssi, &hash)?
    };
    let value: Value = serde_json::from_str(&map.to_json())?;
    ensure!(value == recorded.brick_map, "another map than recorded");
    counts.versions += 1;
    check_files(scenario, &map, recorded, counts)?;
    check_folders(&map, recorded)?;
    for brick in map.bricks()? {
        scenario.brick_size(&brick.hash)?;
    }
    Ok(map)
}

/// Opens the map, and shows that it opens in no other way.
fn open(scenario: &Scenario, ssi: &KeySsi, hash: &BrickHash) -> Result<BrickMap> {
    let stored = scenario.bricks.get(hash).context("no brick map brick")?;
    let map = open_map(ssi, hash, stored)?;
    let key = ssi.encryption_key()?.context("no key")?;
    let plain = envelope::open(&key, stored)?;
    ensure!(
        map.to_json().as_bytes() == plain.as_slice(),
        "the map is written with other bytes than it was read from"
    );
    let mut damaged = stored.clone();
    damaged[0] ^= 1;
    let refused = open_map(ssi, hash, &damaged);
    ensure!(
        matches!(refused, Err(OpenMapError::WrongHash { expected, .. }) if expected == *hash),
        "a damaged map was opened"
    );
    let other = KeySsi::symmetric_key("default", &EncryptionKey::hash_of(b"other"))?;
    ensure!(open_map(&other, hash, stored).is_err(), "opened with 'se'");
    let other = KeySsi::constant("default", "another text")?;
    let refused = open_map(&other, hash, stored);
    ensure!(
        matches!(refused, Err(OpenMapError::WrongKey(_))),
        "opened with another key"
    );
    Ok(map)
}

fn check_files(
    scenario: &Scenario,
    map: &BrickMap,
    recorded: &RecordedVersion,
    counts: &mut Counts,
) -> Result<()> {
    let found: BTreeSet<String> = map.files().iter().map(|(path, _)| relative(path)).collect();
    let due: BTreeSet<String> = recorded.files.keys().cloned().collect();
    ensure!(found == due, "files {found:?} instead of {due:?}");
    for (name, due) in &recorded.files {
        let file = map.file(&DsuPath::parse(name)?);
        let file = file.with_context(|| format!("no file {name}"))?;
        check_file(scenario, name, file, due, counts).with_context(|| name.clone())?;
        counts.file_entries += 1;
    }
    Ok(())
}

fn check_file(
    scenario: &Scenario,
    name: &str,
    file: FileNode<'_>,
    due: &RecordedFile,
    counts: &mut Counts,
) -> Result<()> {
    let content = file.content()?;
    match due {
        RecordedFile::Read {
            size,
            sha256,
            js_type,
        } => {
            let read = if scenario.file.omit_bricks && file.embedded().is_none() {
                counts.filled += 1;
                fill(scenario, name, &file)?
            } else {
                scenario.read(&content)?
            };
            if let Some(&(bytes, value)) = content_fill(scenario, name) {
                ensure!(read == vec![value; bytes], "not as it was filled");
            }
            ensure!(read.len() == *size, "{} bytes", read.len());
            ensure!(sha256_hex(&read) == *sha256, "another content");
            let kind = match file.embedded().transpose()? {
                None => "Buffer",
                Some(EmbeddedContent::Text(_)) => "string",
                // The SDK gives back the JSON of the bytes (§14-4).
                Some(EmbeddedContent::Bytes(_)) => "object",
            };
            ensure!(kind == js_type, "read as {kind} instead of {js_type}");
            counts.hashed += 1;
        }
        RecordedFile::Failed { error } if error == NO_BRICKS => {
            ensure!(file.entries().is_empty(), "the file has bricks");
            ensure!(content.total_bytes() == Some(0), "not an empty file");
            ensure!(scenario.read(&content)?.is_empty(), "not an empty file");
            counts.unreadable_by_the_sdk += 1;
        }
        RecordedFile::Failed { error } if error.contains(BIG_FILE) => {
            scenario.read(&content)?;
            let size = file.entries().first().map(dsu::Entry::size).transpose()?;
            ensure!(size.flatten().is_some(), "no size entry");
            counts.unreadable_by_the_sdk += 1;
        }
        RecordedFile::Failed { error } => bail!("unknown error {error:?}"),
    }
    Ok(())
}

/// The content of a file whose bricks were not shipped. What is known of its
/// bricks is compared with it.
fn fill(scenario: &Scenario, name: &str, file: &FileNode<'_>) -> Result<Vec<u8>> {
    let (bytes, value) = *content_fill(scenario, name).context("no contentFill")?;
    let content = file.content()?;
    let mut stored = 0;
    for piece in content.pieces() {
        let brick = piece.brick().context("an inline piece")?;
        stored += scenario.brick_size(&brick.hash)? - OVERHEAD_BYTES;
    }
    ensure!(stored == bytes, "the bricks hold {stored} bytes");
    Ok(vec![value; bytes])
}

fn content_fill<'a>(scenario: &'a Scenario, name: &str) -> Option<&'a (usize, u8)> {
    let recorded = scenario.file.content_fill.as_ref()?;
    recorded.get(&format!("/{name}"))
}

/// The SDK lists the folders of the tree, not those that only the paths of
/// embedded files name.
fn check_folders(map: &BrickMap, recorded: &RecordedVersion) -> Result<()> {
    let listed = map.list(&DsuPath::root(), Depth::Recursive)?;
    let folders = listed
        .iter()
        .filter(|it| it.kind() == NodeKind::Folder && it.stored_in == StoredIn::Items);
    let mut found: Vec<String> = folders.map(|it| relative(&it.path)).collect();
    found.sort();
    let mut due = recorded.folders.clone();
    due.sort();
    ensure!(found == due, "folders {found:?} instead of {due:?}");
    Ok(())
}

/// A path as the recordings name it.
pub(crate) fn relative(path: &DsuPath) -> String {
    path.as_str().trim_start_matches('/').to_owned()
}
