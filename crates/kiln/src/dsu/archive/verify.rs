//! `kiln dsu verify --car`: an archive alone, without any node.

use causes::with_causes;
use client::archive::{Archive, ArchiveFault, ArchiveVerified, VerifyError};
use dsu::DsuPath;
use serde_json::{Value, json};

use super::open::{archive_failure, open};
use super::paths;
use crate::common::Common;
use crate::context::key;
use crate::dsu::arguments::refuse_two_from_stdin;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::count;

/// `kiln dsu verify --car FILE [KEY]`: nothing is asked of any node.
///
/// # Errors
/// [`Exit::CarDamaged`], [`Exit::Forged`], what the key cannot do, and those of reading.
pub(in crate::dsu) fn verify(file: &str, given: Option<&str>, common: &Common) -> Outcome {
    refuse_two_from_stdin([file].into_iter().chain(given))?;
    let key = given.map(|given| key(given, common)).transpose()?;
    let archive = open(file)?;
    let opened = match &key {
        None => None,
        Some(key) => Some(archive.verify(key).map_err(|error| {
            match error {
                VerifyError::Archive(error) => archive_failure(error, file),
                VerifyError::NotThere(_) => Failure::new(Exit::NotFound, with_causes(&error))
                    .next("see what it holds with `kiln dsu verify --car` without a key"),
                error => Failure::new(Exit::WrongKey, with_causes(&error))
                    .next("give another key; `kiln explain KEY` says what this one allows"),
            }
        })?),
    };
    tell_verified(common, &archive, opened.as_ref())
}

fn tell_verified(common: &Common, archive: &Archive, opened: Option<&ArchiveVerified>) -> Outcome {
    let faults = opened.map_or(&[][..], |opened| &opened.faults);
    let dsus = archive.manifest().dsus.iter().zip(archive.histories());
    let dsus: Vec<_> = dsus
        .map(|(dsu, history)| (dsu.anchor.plain(), history.len()))
        .collect();
    let mut value = json!({
        "sound": faults.is_empty(),
        "dsus": dsus.iter().map(|(anchor, versions)| json!({"anchor": anchor, "versions": versions})).collect::<Vec<_>>(),
        "bricks": archive.bricks(),
        "bytes": archive.bytes(),
        "faults": faults.iter().map(fault_json).collect::<Vec<_>>(),
    });
    let mut rows = Vec::new();
    for (anchor, versions) in &dsus {
        rows.push((
            "DSU",
            format!("{anchor}, {}", count(*versions as u64, "version")),
        ));
    }
    rows.push(("bricks", archive.bricks().to_string()));
    rows.push(("bytes", archive.bytes().to_string()));
    if let Some(opened) = opened {
        rows.push(("opened", opened_words(opened)));
        for point in &opened.unopened {
            rows.push(("not opened", format!("what is mounted at {point}")));
        }
        if let Value::Object(members) = &mut value {
            members.insert("opened".to_owned(), opened_json(opened));
        }
    }
    for fault in faults {
        rows.push(("wrong", fault_words(fault)));
    }
    let verdict = match (faults.len(), opened.is_some()) {
        (0, true) => "whole and genuine, and every file opens".to_owned(),
        (0, false) => "whole and genuine".to_owned(),
        (found, _) => count(found as u64, "fault"),
    };
    rows.push(("archive", verdict));
    common.output().table(&value, &rows)?;
    if faults.is_empty() {
        return Ok(Exit::Done);
    }
    Ok(Exit::Negative)
}

fn opened_words(opened: &ArchiveVerified) -> String {
    let words = [
        count(opened.dsus as u64, "DSU"),
        count(opened.versions as u64, "version"),
        count(opened.files as u64, "file"),
        count(opened.pieces as u64, "encrypted piece"),
    ];
    words.join(", ")
}

fn opened_json(opened: &ArchiveVerified) -> Value {
    json!({
        "dsus": opened.dsus,
        "versions": opened.versions,
        "files": opened.files,
        "pieces": opened.pieces,
        "not_opened": paths(&opened.unopened),
    })
}

fn fault_json(fault: &ArchiveFault) -> Value {
    json!({
        "mounted_at": (!fault.point.is_root()).then(|| fault.point.as_str()),
        "version": fault.version,
        "path": fault.path.as_ref().map(DsuPath::as_str),
        "brick": fault.brick.map(|brick| brick.to_string()),
        "error": with_causes(&fault.kind),
    })
}

/// Where, then what: `in the DSU mounted at /inner: /file (version 2): brick …: …`.
fn fault_words(fault: &ArchiveFault) -> String {
    let mut words = Vec::new();
    if !fault.point.is_root() {
        words.push(format!("in the DSU mounted at {}", fault.point));
    }
    words.push(match &fault.path {
        Some(path) => format!("{path} (version {})", fault.version),
        None => format!("version {}", fault.version),
    });
    words.extend(fault.brick.map(|brick| format!("brick {brick}")));
    words.push(with_causes(&fault.kind));
    words.join(": ")
}
