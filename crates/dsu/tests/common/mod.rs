//! Random edits of a brick map, and what several tests need.

#![allow(dead_code, reason = "each test uses a part")]

use std::path::PathBuf;

use dsu::{BrickMap, DsuPath, EditError, EmbeddedContent, Entry, Moment};
use keyssi::{BrickHash, KeySsi};
use proptest::prelude::*;

/// A moment in November 2026, `seconds` later.
pub(crate) fn at(seconds: u64) -> Moment {
    Moment::from_millis(1_795_248_000_000 + 1000 * seconds)
}

pub(crate) fn path(text: &str) -> DsuPath {
    DsuPath::parse(text).unwrap()
}

/// A brick that is told from others by `number`.
pub(crate) fn entry(number: u32) -> Entry {
    let hash = BrickHash::of(&number.to_be_bytes()).to_string();
    let link = KeySsi::hash_link("default", &hash).unwrap();
    Entry::brick(&link, None)
}

pub(crate) fn text(content: &str) -> EmbeddedContent {
    EmbeddedContent::Text(content.to_owned().into())
}

/// The recorded DSUs.
pub(crate) fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance-tests/vectors/dsu")
}

#[derive(Debug, Clone)]
pub(crate) enum Edit {
    Write(String, u32),
    Append(String, u32),
    CreateFile(String),
    CreateFolder(String),
    Embed(String, String),
    AppendEmbedded(String, String),
    Delete(String),
    Rename(String, String),
    Copy(String, String),
}

impl Edit {
    pub(crate) fn apply(&self, map: &mut BrickMap, now: Moment) -> Result<(), EditError> {
        match self {
            Self::Write(at, number) => map.write(&path(at), vec![entry(*number)], now),
            Self::Append(at, number) => map.append(&path(at), vec![entry(*number)], now),
            Self::CreateFile(at) => map.create_file(&path(at), now),
            Self::CreateFolder(at) => map.create_folder(&path(at), now),
            Self::Embed(at, content) => map.embed(&path(at), &text(content), now),
            Self::AppendEmbedded(at, content) => {
                map.append_embedded(&path(at), &text(content), now)
            }
            Self::Delete(at) => map.delete(&path(at), now),
            Self::Rename(from, to) => map.rename(&path(from), &path(to), now),
            Self::Copy(from, to) => map.copy(&path(from), &path(to), now),
        }
    }

    /// The paths that the edit may change, with all below them.
    pub(crate) fn touched(&self) -> Vec<DsuPath> {
        match self {
            Self::Write(at, _)
            | Self::Append(at, _)
            | Self::CreateFile(at)
            | Self::CreateFolder(at)
            | Self::Embed(at, _)
            | Self::AppendEmbedded(at, _)
            | Self::Delete(at) => vec![path(at)],
            Self::Rename(from, to) => vec![path(from), path(to)],
            Self::Copy(_, to) => vec![path(to)],
        }
    }
}

/// Edits on a few paths, so that they meet.
pub(crate) fn edits(count: usize) -> impl Strategy<Value = Vec<Edit>> {
    let place = || "(/(a|b|ab|1)){1,3}";
    let edit = prop_oneof![
        3 => (place(), any::<u32>()).prop_map(|(at, number)| Edit::Write(at, number)),
        1 => (place(), any::<u32>()).prop_map(|(at, number)| Edit::Append(at, number)),
        1 => place().prop_map(Edit::CreateFile),
        1 => place().prop_map(Edit::CreateFolder),
        1 => (place(), "[xyz]").prop_map(|(at, text)| Edit::Embed(at, text)),
        1 => (place(), "[xyz]").prop_map(|(at, text)| Edit::AppendEmbedded(at, text)),
        2 => place().prop_map(Edit::Delete),
        1 => (place(), place()).prop_map(|(from, to)| Edit::Rename(from, to)),
        1 => (place(), place()).prop_map(|(from, to)| Edit::Copy(from, to)),
    ];
    proptest::collection::vec(edit, 0..count)
}

/// Applies the edits that can be; one per second from `start` on.
pub(crate) fn apply_all(map: &mut BrickMap, edits: &[Edit], start: u64) {
    for (edit, second) in edits.iter().zip(start..) {
        let before = map.clone();
        if edit.apply(map, at(second)).is_err() {
            assert_eq!(
                map.to_json(),
                before.to_json(),
                "a failed edit left a change"
            );
        }
    }
}

/// What is read from a map: each path with its content.
pub(crate) fn tree(map: &BrickMap) -> Vec<(String, String)> {
    let listed = map.list(&DsuPath::root(), dsu::Depth::Recursive).unwrap();
    let mut tree: Vec<(String, String)> = listed
        .iter()
        .map(|line| (line.path.to_string(), state(map, &line.path)))
        .collect();
    tree.sort();
    tree
}

/// What lies at a path: `-` for nothing, `/` for a folder, else the content.
pub(crate) fn state(map: &BrickMap, at: &DsuPath) -> String {
    match map.lookup(at) {
        None => "-".to_owned(),
        Some(dsu::Node::Folder(_)) => "/".to_owned(),
        Some(dsu::Node::File(file)) => {
            if let Some(content) = file.embedded() {
                return String::from_utf8_lossy(content.unwrap().as_bytes()).into_owned();
            }
            let links = file.entries().into_iter();
            let links = links.map(|entry| entry.hash_link().unwrap().unwrap());
            links.map(|link| link.wrapped().to_string()).collect()
        }
    }
}
