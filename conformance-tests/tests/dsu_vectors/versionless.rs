//! Versionless documents: read, changed and written again.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use dsu::{Depth, DsuPath, Moment, NodeKind, VersionlessDocument};
use keyssi::json::Json;
use keyssi::{EncryptionKey, KeySsi, SsiKind, envelope};
use rand_core::{TryCryptoRng, TryRng};
use serde::Deserialize;

use crate::Counts;

/// One document of `versionless.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Recorded {
    file_path: String,
    /// The text of the key, whose bytes are the key.
    key: Option<String>,
    ssi: String,
    plain: String,
    stored: String,
    stored_status: u16,
    calls: Vec<Call>,
}

/// One request of the SDK.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Call {
    method: String,
    path: String,
    status: u16,
    req_len: usize,
    res_len: usize,
}

pub(crate) fn check(file: &Path, counts: &mut Counts) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    let documents: BTreeMap<String, Recorded> = serde_json::from_str(&text)?;
    for (name, recorded) in &documents {
        check_document(recorded, counts).with_context(|| name.clone())?;
        counts.documents += 1;
    }
    Ok(())
}

fn check_document(recorded: &Recorded, counts: &mut Counts) -> Result<()> {
    let ssi = KeySsi::parse(&recorded.ssi)?;
    ensure!(*ssi.wrapped() == recorded.ssi, "identifier");
    ensure!(*ssi.plain() == recorded.plain, "identifier");
    ensure!(ssi.kind() == SsiKind::Versionless, "{ssi:?}");
    ensure!(ssi.specific() == recorded.file_path, "path");
    let key = ssi.encryption_key()?;
    let bytes = key.as_ref().map(|key| key.as_bytes().as_slice());
    ensure!(bytes == recorded.key.as_deref().map(str::as_bytes), "key");
    ensure!(recorded.stored_status == 200, "not stored");
    let target = format!("/versionlessdsu/{}", recorded.file_path);
    for call in &recorded.calls {
        ensure!(call.method == "PUT" && call.path == target, "{call:?}");
        ensure!(call.status == 200 && call.res_len == 0, "{call:?}");
    }
    let empty = body(&VersionlessDocument::new(), key.as_ref())?;
    let sizes: Vec<usize> = recorded.calls.iter().map(|it| it.req_len).collect();
    ensure!(sizes.first() == Some(&empty.len()), "empty document");
    ensure!(sizes.last() == Some(&recorded.stored.len()), "{sizes:?}");
    check_body(&recorded.stored, key.as_ref(), &sizes, counts)
}

fn check_body(
    stored: &str,
    key: Option<&EncryptionKey>,
    sizes: &[usize],
    counts: &mut Counts,
) -> Result<()> {
    let document = VersionlessDocument::parse(stored.as_bytes(), key)?;
    let json = json_of(stored, key)?;
    let again = body(&document, key)?;
    ensure!(json_of(&again, key)? == json, "written otherwise");
    ensure!(key.is_some() || again == stored, "written otherwise");
    let other = EncryptionKey::hash_of(b"other");
    let refused = VersionlessDocument::parse(stored.as_bytes(), Some(&other));
    ensure!(refused.is_err(), "opened with another key");
    if key.is_some() {
        let refused = VersionlessDocument::parse(stored.as_bytes(), None);
        ensure!(refused.is_err(), "opened without a key");
    }
    let listed = document.list(&DsuPath::root(), Depth::Recursive)?;
    for line in &listed {
        ensure!(document.kind(&line.path) == Some(line.kind), "{line:?}");
        ensure!(line.modified_at.is_some(), "{line:?}");
        if line.kind == NodeKind::File {
            document.read(&line.path)?;
        }
    }
    let (made, lengths) = replay(&document, key)?;
    // With other requests it was made in other steps than those known here.
    if lengths.len() == sizes.len() {
        ensure!(lengths == sizes, "bodies of {lengths:?} bytes");
        ensure!(json_of(&body(&made, key)?, key)? == json, "made otherwise");
        counts.documents_made_again += 1;
    }
    Ok(())
}

/// Makes the document again as the SDK made it, one request after the other:
/// the log, the files, then the folder without files. Gives also the length of
/// the body after each step.
fn replay(
    document: &VersionlessDocument,
    key: Option<&EncryptionKey>,
) -> Result<(VersionlessDocument, Vec<usize>)> {
    let listed = document.list(&DsuPath::root(), Depth::Recursive)?;
    let mut files: Vec<(DsuPath, Moment)> = Vec::new();
    let mut empty_folders = Vec::new();
    for line in &listed {
        let time = line.modified_at.context("no time")?;
        let is_parent = listed
            .iter()
            .any(|it| it.path.parent().as_ref() == Some(&line.path));
        match line.kind {
            NodeKind::File => files.push((line.path.clone(), time)),
            NodeKind::Folder if !line.path.is_root() && !is_parent => {
                empty_folders.push((line.path.clone(), time));
            }
            NodeKind::Folder => {}
        }
    }
    let mut made = VersionlessDocument::new();
    let mut lengths = vec![body(&made, key)?.len()];
    for (path, time) in files {
        let content = document.read(&path)?;
        if path.as_str() == "/dsu-metadata-log" {
            made.append(&path, &content, time)?;
        } else {
            made.write(&path, &content, time)?;
        }
        lengths.push(body(&made, key)?.len());
    }
    for (path, time) in empty_folders {
        made.create_folder(&path, time)?;
        lengths.push(body(&made, key)?.len());
    }
    Ok((made, lengths))
}

/// The JSON text inside a body.
fn json_of(body: &str, key: Option<&EncryptionKey>) -> Result<String> {
    use base64::Engine as _;
    let stored = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body)?;
    let plain = match key {
        Some(key) => envelope::open(key, &stored)?.to_vec(),
        None => stored,
    };
    let text = String::from_utf8(plain)?;
    ensure!(
        Json::parse(&text).is_some_and(|it| it.print() == text),
        "JSON"
    );
    Ok(text)
}

fn body(document: &VersionlessDocument, key: Option<&EncryptionKey>) -> Result<String> {
    Ok(document.to_body(key, &mut Zeros)?)
}

/// A generator for envelopes that are compared by what is in them.
struct Zeros;

impl TryRng for Zeros {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.fill(0);
        Ok(())
    }
}

impl TryCryptoRng for Zeros {}
