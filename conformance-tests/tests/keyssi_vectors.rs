//! Every recorded vector of identifiers, keys and anchors holds as it was
//! recorded, or as a row of `deviations/keyssi.json` says.
//!
//! The test fails on a difference that no rule foretells exactly, on a row of
//! which a vector no longer differs, and on a field, file or kind of vector
//! that it does not know. It runs over the folders of `KILN_EXTRA_VECTORS` too,
//! where the rules find their vectors by content alone.

#[path = "keyssi/anchor_rules.rs"]
mod anchor_rules;
#[path = "keyssi/anchoring.rs"]
mod anchoring;
#[path = "keyssi/case.rs"]
mod case;
#[path = "keyssi/chains.rs"]
mod chains;
#[path = "keyssi/cryptography.rs"]
mod cryptography;
#[path = "keyssi/derivation.rs"]
mod derivation;
#[path = "keyssi/identifier_rules.rs"]
mod identifier_rules;
#[path = "keyssi/identifiers.rs"]
mod identifiers;
#[path = "keyssi/rules.rs"]
mod rules;
#[path = "common/vectors.rs"]
mod vectors;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::case::{Case, Vector};
use crate::rules::{Row, Rule};
use crate::vectors::folders;

/// How many vectors are checked in.
const CHECKED_IN: usize = 608;
/// Not vectors: the word list that they were made with.
const WORD_LIST: &str = "bip39-english.txt";

type Answer = fn(&Vector) -> Result<Case>;

/// The files and what answers them.
const FILES: [(&str, Answer); 15] = [
    ("anchoring_rules.json", anchoring::rules),
    ("chains.json", chains::chains),
    ("const_kdf.json", derivation::const_kdf),
    ("create.json", identifiers::create),
    ("derive.json", derivation::derive),
    ("ecies.json", cryptography::ecies),
    ("envelopes.json", cryptography::envelopes),
    ("hints.json", identifiers::parse),
    ("invalid.json", identifiers::parse),
    ("keys.json", cryptography::keys),
    ("mnemonics.json", derivation::mnemonics),
    ("parse.json", identifiers::parse),
    ("primitives.json", cryptography::primitives),
    ("serialise.json", identifiers::serialise),
    ("signatures.json", cryptography::signatures),
];

/// What became of the vectors of one folder.
#[derive(Debug, Default)]
struct Outcome {
    /// Held as recorded and deviating, by file.
    counts: BTreeMap<String, (usize, usize)>,
    /// Names of the vectors that each rule covers.
    covered: BTreeMap<&'static str, BTreeSet<String>>,
    failures: Vec<String>,
}

#[test]
fn recorded_vectors_hold_or_differ_as_stated() -> Result<()> {
    let rows = table()?;
    for folder in folders("keyssi") {
        let mut outcome = Outcome::default();
        run_folder(&folder.path, &mut outcome)
            .with_context(|| folder.path.display().to_string())?;
        if folder.checked_in {
            check_complete(&rows, &mut outcome);
        }
        report(&folder.path, &outcome);
        let failures = &outcome.failures;
        let count = failures.len();
        ensure!(
            failures.is_empty(),
            "{count} failures:\n{}",
            failures.join("\n")
        );
    }
    Ok(())
}

/// The table of deviations; its rows are the rules in code.
fn table() -> Result<Vec<Row>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deviations/keyssi.json");
    let rows: Vec<Row> = serde_json::from_str(&fs::read_to_string(path)?)?;
    let stated: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let coded: Vec<&str> = rules::all().iter().map(|rule| rule.id).collect();
    ensure!(
        stated == coded,
        "the table has {stated:?}, the code {coded:?}"
    );
    for row in &rows {
        let texts = [&row.section, &row.reason, &row.answer];
        let is_stated = texts.iter().all(|text| !text.is_empty());
        ensure!(
            is_stated && !row.vectors.is_empty(),
            "row {} is empty",
            row.id
        );
    }
    Ok(rows)
}

fn run_folder(folder: &Path, outcome: &mut Outcome) -> Result<()> {
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().into_string();
        let name = name.ok().context("a file name is not Unicode")?;
        if name == WORD_LIST {
            continue;
        }
        let known = FILES.iter().find(|(file, _)| *file == name);
        let (file, answer) = known.with_context(|| format!("unknown file {name}"))?;
        count += 1;
        let text = fs::read_to_string(folder.join(file))?;
        run_file(file, *answer, &text, outcome).context(name)?;
    }
    ensure!(count > 0, "no vectors");
    Ok(())
}

fn run_file(file: &'static str, answer: Answer, text: &str, outcome: &mut Outcome) -> Result<()> {
    let content: Value = serde_json::from_str(text)?;
    let vectors = content.get("vectors").and_then(Value::as_array);
    for vector in vectors.context("no list of vectors")? {
        let vector = Vector::new(vector)?;
        let name = format!("{file}: {}", vector.name());
        let counts = outcome.counts.entry(file.to_owned()).or_default();
        match run_vector(file, answer, &vector) {
            Ok(rules) if rules.is_empty() => counts.0 += 1,
            Ok(rules) => {
                counts.1 += 1;
                for rule in rules {
                    outcome
                        .covered
                        .entry(rule)
                        .or_default()
                        .insert(name.clone());
                }
            }
            Err(error) => outcome.failures.push(format!("{name}: {error:#}")),
        }
    }
    Ok(())
}

/// The rules under which a vector differs; none if it holds as recorded.
fn run_vector(file: &str, answer: Answer, vector: &Vector) -> Result<Vec<&'static str>> {
    let case = answer(vector)?;
    let unread = vector.unread();
    ensure!(unread.is_empty(), "unknown fields {unread:?}");
    let mut expected = case.recorded.clone();
    let mut applied = Vec::new();
    let for_file = |rule: &Rule| rule.files.contains(&file);
    for rule in rules::all().into_iter().filter(for_file) {
        let Some(patch) = (rule.patch)(vector, &case.recorded) else {
            continue;
        };
        let before = expected.clone();
        for (field, value) in patch {
            // A rule speaks of what the vector holds, nothing else.
            if let Some(place) = expected.get_mut(&field) {
                *place = value;
            }
        }
        if expected != before {
            applied.push(rule.id);
        }
    }
    for (field, value) in &expected {
        let ours = case.ours.get(field);
        ensure!(
            ours == Some(value),
            "{field}: expected {value}, found {}, under the rules {applied:?}",
            ours.unwrap_or(&Value::Null)
        );
    }
    ensure!(case.ours.len() == expected.len(), "fields without a record");
    Ok(applied)
}

/// All vectors are there, and each rule covers those that its row names.
fn check_complete(rows: &[Row], outcome: &mut Outcome) {
    let total: usize = outcome.counts.values().map(|(held, not)| held + not).sum();
    let total = total + outcome.failures.len();
    if total != CHECKED_IN {
        let failure = format!("{total} vectors, not {CHECKED_IN}");
        outcome.failures.push(failure);
    }
    for row in rows {
        let covered = outcome.covered.get(row.id.as_str());
        let covered = covered.cloned().unwrap_or_default();
        for name in row.vectors.difference(&covered) {
            let failure = format!("row {}: {name:?} does not differ any more", row.id);
            outcome.failures.push(failure);
        }
        for name in covered.difference(&row.vectors) {
            let failure = format!("row {}: {name:?} is not listed", row.id);
            outcome.failures.push(failure);
        }
    }
}

fn report(folder: &Path, outcome: &Outcome) {
    eprintln!("{}", folder.display());
    let (mut held, mut differing) = (0, 0);
    for (file, (holds, differs)) in &outcome.counts {
        eprintln!("  {file:22} {holds:3} held as recorded, {differs:3} deviating");
        held += holds;
        differing += differs;
    }
    let failed = outcome.failures.len();
    let total = held + differing + failed;
    eprintln!("  total {total}: {held} held as recorded, {differing} deviating, {failed} failed");
}
