//! What a scenario records beside its views: secrets that keys come from,
//! listings, errors of the SDK and what it did wrong.

use anyhow::{Context as _, Result, bail, ensure};
use dsu::{BrickMap, BrickSealer, Content, DsuPath, SealerError};
use keyssi::{AnchorValue, AppendError, ArrayElements, Hint, KeySsi, SsiKind};
use serde_json::{Map, Value, json};

use crate::listings::{self, kind_json, text};
use crate::scenario::{Scenario, sha256_hex};
use crate::version::relative;
use crate::view::View;
use crate::{Counts, mounts};

/// What the SDK says when it never answered.
const TIMEOUT: &str = "TIMEOUT: the SDK never called back";

pub(crate) fn check(scenario: &Scenario, views: &[View<'_>], counts: &mut Counts) -> Result<()> {
    let file = &scenario.file;
    if let Some(elements) = &file.arr {
        let elements = ArrayElements::from_json(&elements.to_string())?;
        check_key(views, SsiKind::Array, |domain| {
            KeySsi::array(domain, &elements)
        })?;
        counts.facts += 1;
    }
    if let Some(elements) = &file.cred {
        let elements = ArrayElements::from_json(&elements.to_string())?;
        check_key(views, SsiKind::Wallet, |domain| {
            KeySsi::wallet(domain, &elements)
        })?;
        counts.facts += 1;
    }
    if let Some(generator) = &file.content_generator {
        let bytes = file.content_length.context("no length")?;
        check_generated(scenario, views, generator, bytes).context("contentGenerator")?;
        counts.facts += 1;
    }
    let first = views.first().context("no DSU")?;
    if let Some(hint) = &file.hint {
        // A pinned version is never written.
        let pinned = Hint::parse("{\"dsuVersion\":2}")?;
        let ssi = first.ssi.clone().with_hint(Some(pinned));
        ensure!(*ssi.plain() == hint.identifier_with_version_hint, "hint");
        ensure!(holds_text(scenario, first, &hint.counter)?, "counter");
        counts.facts += 1;
    }
    if let Some(listing) = &file.listing {
        counts.facts += listings::check(first.newest()?, listing).context("listing")?;
    }
    for (path, due) in file.stats.iter().flatten() {
        let found = kind_json(first.newest()?.lookup(&DsuPath::parse(path)?));
        ensure!(found == *due, "stat of {path}: {found}");
        counts.facts += 1;
    }
    if let Some(error) = &file.write_through_s_read_error {
        ensure!(error[0]["message"] == TIMEOUT, "{error}");
        let reader = views.iter().find(|it| it.ssi.kind() == SsiKind::SRead);
        let refused = BrickSealer::new(&reader.context("no reader")?.ssi);
        let kind = SsiKind::SRead;
        ensure!(
            refused.is_err_and(|it| it == SealerError::CannotWrite { kind }),
            "a reader writes"
        );
        counts.facts += 1;
    }
    if let Some(notes) = &file.notes {
        counts.facts += check_notes(scenario, views, first, notes).context("notes")?;
    }
    Ok(())
}

/// The key of the view comes from the recorded secret.
fn check_key<E: std::error::Error + Send + Sync + 'static>(
    views: &[View<'_>],
    kind: SsiKind,
    make: impl Fn(&str) -> Result<KeySsi, E>,
) -> Result<()> {
    let view = views.iter().find(|it| it.ssi.kind() == kind);
    let ssi = &view.with_context(|| format!("no {kind}"))?.ssi;
    ensure!(make(ssi.domain())? == *ssi, "another key");
    Ok(())
}

/// The big file holds what the recorded rule generates.
fn check_generated(
    scenario: &Scenario,
    views: &[View<'_>],
    generator: &str,
    bytes: usize,
) -> Result<()> {
    let rule = generator.strip_prefix("sha256 counter stream: sha256(utf8('");
    let prefix = rule.and_then(|it| it.strip_suffix("'+i)) for i=0.., truncated"));
    let prefix = prefix.with_context(|| format!("unknown generator {generator}"))?;
    let mut content = Vec::with_capacity(bytes + 32);
    for counter in 0.. {
        if content.len() >= bytes {
            break;
        }
        let block = sha256_hex(format!("{prefix}{counter}").as_bytes());
        for digits in block.as_bytes().chunks(2) {
            content.push(u8::from_str_radix(str::from_utf8(digits)?, 16)?);
        }
    }
    content.truncate(bytes);
    for view in views {
        for (_, file) in view.newest()?.files() {
            if scenario.read(&file.content()?)? == content {
                return Ok(());
            }
        }
    }
    bail!("no file holds it");
}

/// Some file of some version is this text.
fn holds_text(scenario: &Scenario, view: &View<'_>, text: &str) -> Result<bool> {
    for map in &view.maps {
        for (_, file) in map.files() {
            if scenario.read(&file.content()?)? == text.as_bytes() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn check_notes(
    scenario: &Scenario,
    views: &[View<'_>],
    first: &View<'_>,
    notes: &Map<String, Value>,
) -> Result<usize> {
    if notes.contains_key("listMounted") {
        return mounts::check_notes(scenario, views, notes);
    }
    for (name, note) in notes {
        check_note(scenario, first, notes, name, note).with_context(|| name.clone())?;
    }
    Ok(notes.len())
}

fn check_note(
    scenario: &Scenario,
    view: &View<'_>,
    notes: &Map<String, Value>,
    name: &str,
    note: &Value,
) -> Result<()> {
    match name {
        // What the SDK answered where nothing else is to be seen.
        "merge" | "commit" | "write" | "write2" | "addEmptyFile" | "tinyBuffer"
        | "deleteMissing" | "emptyCommit" => text(note, "ok"),
        "child1" | "child2" => text(note, "child ok\n"),
        "constString" => {
            let secret = note.as_str().context("no text")?;
            let ssi = KeySsi::constant(view.ssi.domain(), secret)?;
            ensure!(ssi == view.ssi, "another key");
            Ok(())
        }
        "secondWrite" | "createTwice" => check_constant(view, note),
        "conflict" => message(note, "Anchoring conflict error"),
        "conflicts" => check_conflict(view, note),
        "list" => check_listed(view.newest()?, note),
        "gone" => message(
            note,
            "Cannot read properties of undefined (reading 'hashLink')",
        ),
        "load" | "loadLatest" => check_diff_listing(scenario, view, note),
        "sharedAfterMerge" => check_lost(scenario, view, note, notes),
        // Compared with what was lost.
        "expectedByCommonSense" => Ok(()),
        "sameBrickTwice" => check_repeated(scenario, view, note),
        "embedFile" => check_embed_link(note),
        "embedListing" => {
            listings::check_embedded(&view.maps, note.as_object().context("no object")?)
        }
        "bigfile" => check_big_file(scenario, view, note),
        "renameEmbedded" | "renameMissing" | "createFolderTwice" | "createFolderInFile"
        | "writeIntoFile" => crate::edits::check(view, name, note),
        _ => bail!("unknown note"),
    }
}

/// The first of the recorded errors.
fn message(note: &Value, due: &str) -> Result<()> {
    let found = note[0]["message"].as_str().unwrap_or_default();
    ensure!(found.contains(due), "{note}");
    Ok(())
}

/// A constant anchor takes one value only.
fn check_constant(view: &View<'_>, note: &Value) -> Result<()> {
    ensure!(note[0]["message"].is_string(), "{note}");
    let head = view.history.head().context("no version")?;
    let hash = view.history.brick_map(0).context("no brick map")?.hash;
    let second = AnchorValue::constant(&view.ssi, &hash.to_string())?;
    let refused = keyssi::append(&view.id, head, &second).err();
    ensure!(refused == Some(AppendError::ConstantAnchor), "{refused:?}");
    Ok(())
}

/// Both sides of the conflict are what they say: theirs was anchored, ours was
/// signed on top of a version that was there.
fn check_conflict(view: &View<'_>, note: &Value) -> Result<()> {
    let value = |name: &str| {
        let text = note[name].as_str().context("no value")?;
        anyhow::Ok(AnchorValue::parse(text)?)
    };
    let (ours, theirs) = (value("ourHashLinkSSI")?, value("theirHashLinkSSI")?);
    ensure!(view.history.values().contains(&theirs), "theirs is unknown");
    let values: Vec<String> = view
        .history
        .values()
        .iter()
        .map(|it| it.as_str().to_owned())
        .collect();
    let fits = (0..=values.len()).any(|base| {
        let mut fork = values[..base].to_vec();
        fork.push(ours.as_str().to_owned());
        dsu::History::check(&view.id, &fork).is_ok()
    });
    ensure!(fits, "ours continues no version");
    let files = note["files"].as_object().context("no files")?;
    for (path, conflict) in files {
        ensure!(conflict["error"] == "LOCAL_OVERWRITE", "{conflict}");
        ensure!(
            view.newest()?.file(&DsuPath::parse(path)?).is_some(),
            "{path}"
        );
    }
    let members = ["files", "ourHashLinkSSI", "theirHashLinkSSI"];
    let known = |name: &String| members.contains(&name.as_str());
    ensure!(
        note.as_object().is_some_and(|it| it.keys().all(known)),
        "{note}"
    );
    Ok(())
}

/// The files in stored order.
fn check_listed(map: &BrickMap, note: &Value) -> Result<()> {
    let listed: Vec<String> = map.files().iter().map(|(path, _)| relative(path)).collect();
    ensure!(json!(listed) == *note, "{listed:?}");
    Ok(())
}

/// A Diff DSU, of which the SDK loads only the changes of one session: all
/// files that it ever listed are there when the sessions are replayed, each
/// with the content of the last session that wrote it.
fn check_diff_listing(scenario: &Scenario, view: &View<'_>, note: &Value) -> Result<()> {
    ensure!(view.maps.iter().any(dsu::diff_strategy::is_diff), "no logs");
    let whole = dsu::replay(&view.maps)?;
    for name in note.as_array().context("no list")? {
        let path = DsuPath::parse(name.as_str().context("no text")?)?;
        let file = whole.file(&path);
        let file = file.with_context(|| format!("{path} is lost"))?;
        let read = scenario.read(&file.content()?)?;
        ensure!(!read.is_empty(), "{path} is empty");
        let mut maps = view.maps.iter().rev();
        if let Some(file) = maps.find_map(|map| map.file(&path)) {
            ensure!(read == scenario.read(&file.content()?)?, "{path}");
        }
    }
    let first = dsu::replay(&view.maps[..1])?;
    let kept = first
        .files()
        .into_iter()
        .all(|(path, _)| whole.file(&path).is_some());
    ensure!(kept && !first.files().is_empty(), "a session is lost");
    Ok(())
}

/// The SDK's merge wrote the old content over the other writer's (§14-1): the
/// versions tell which, and a three-way merge keeps both changes.
fn check_lost(
    scenario: &Scenario,
    view: &View<'_>,
    note: &Value,
    notes: &Map<String, Value>,
) -> Result<()> {
    let (lost, due) = (note.as_str(), notes["expectedByCommonSense"].as_str());
    let (lost, due) = (lost.context("no text")?, due.context("no text")?);
    let [base, theirs, merged] = view.maps.as_slice() else {
        bail!("{} versions", view.maps.len());
    };
    let read = |map: &BrickMap, path: &DsuPath| {
        let file = map.file(path).context("no file")?;
        anyhow::Ok(String::from_utf8(scenario.read(&file.content()?)?)?)
    };
    let files = base.files();
    let mut shared = files.iter().map(|it| &it.0).filter(|path| {
        read(theirs, path).is_ok_and(|it| it == due)
            && read(merged, path).is_ok_and(|it| it == lost)
    });
    let shared = shared.next().context("no such file")?;
    ensure!(read(base, shared)? == lost, "{shared} was something else");
    // Ours: what the merged version has beyond theirs, on the common base.
    let mut ours = base.clone();
    let now = dsu::Moment::from_millis(1_795_200_000_000);
    let mut added = Vec::new();
    for (path, file) in merged.files() {
        if theirs.file(&path).is_none() {
            ours.write(&path, file.entries(), now)?;
            added.push(path);
        }
    }
    ensure!(!added.is_empty(), "we wrote nothing");
    let both = dsu::merge(base, &ours, theirs, now)?;
    ensure!(read(&both, shared)? == due, "their change is lost");
    for path in added {
        ensure!(
            read(&both, &path)? == read(merged, &path)?,
            "{path} is lost"
        );
    }
    Ok(())
}

/// Readers accept repeated bricks (§14-9).
fn check_repeated(scenario: &Scenario, view: &View<'_>, note: &Value) -> Result<()> {
    message(note, TIMEOUT)?;
    for (path, file) in view.newest()?.files() {
        let once = scenario.read(&file.content()?)?;
        let mut entries = file.entries();
        entries.extend(entries.clone());
        let twice = scenario.read(&Content::of_entries(&entries)?)?;
        ensure!(twice == [once.as_slice(), &once].concat(), "{path}");
    }
    Ok(())
}

/// Data inside a link, which the SDK fails to write, are read (§3.3).
fn check_embed_link(note: &Value) -> Result<()> {
    message(note, "createEmbedSSIFromData is not a function")?;
    let link = KeySsi::embed("default", b"inside")?;
    let content = Content::of_entries(&[dsu::Entry::brick(&link, None)])?;
    ensure!(content.total_bytes() == Some(6), "{content:?}");
    ensure!(*content.pieces()[0].open(&[])? == b"inside", "{content:?}");
    Ok(())
}

/// The big file as the SDK's range stream read it.
fn check_big_file(scenario: &Scenario, view: &View<'_>, note: &Value) -> Result<()> {
    for (_, file) in view.newest()?.files() {
        let Some(size) = file
            .entries()
            .first()
            .map(dsu::Entry::size)
            .transpose()?
            .flatten()
        else {
            continue;
        };
        let read = scenario.read(&file.content()?)?;
        let found = json!({
            "size": *size.wrapped(), "sha256": sha256_hex(&read), "length": read.len(),
        });
        if found == *note {
            return Ok(());
        }
    }
    bail!("no big file is it");
}
