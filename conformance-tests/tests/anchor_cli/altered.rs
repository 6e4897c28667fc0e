//! Every field of a proof altered once: each is refused, and for the right reason.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use translog::{Op, Opening, ProofFile, Salt, SignatureLine, SignedNote};

use crate::log::{Anchor, COSIGNED_S, Log, OTHER_SEED, SEED};
use crate::place::Place;

const VERIFY: [&str; 5] = ["anchor", "verify", "proof", "--policy", "policy"];

const NOT_THIS_ANCHOR: &str = "the entry does not commit to this anchor";
const NOT_IN_TREE: &str = "the entry is not in the tree of the checkpoint";
const BAD_SIGNATURE: &str = "does not hold";

/// An altered proof, what was altered, and what must be said of it.
type Case = (&'static str, String, &'static str);

/// The good proof, changed in one way.
fn changed(good: &ProofFile, change: impl FnOnce(&mut ProofFile)) -> String {
    let mut proof = good.clone();
    change(&mut proof);
    proof.to_string()
}

/// The good proof with its opening changed.
fn opening(good: &ProofFile, change: impl FnOnce(&mut Opening)) -> String {
    changed(good, |it| change(&mut it.extra.as_mut().unwrap().opening))
}

/// The good proof with a line of its text changed.
fn line(good: &ProofFile, number: usize, change: impl FnOnce(&str) -> String) -> String {
    let text = good.to_string();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[number] = change(&lines[number]);
    lines.join("\n") + "\n"
}

/// The good proof with a signature line changed, the log's (0) or the witness's (1).
fn signature(good: &ProofFile, number: usize, change: impl FnOnce(&mut SignatureLine)) -> String {
    changed(good, |it| {
        let mut lines = it.note.signatures().to_vec();
        change(&mut lines[number]);
        let mut note = it.note.text().to_owned() + "\n";
        for line in &lines {
            note.push_str(&line.to_string());
        }
        it.note = SignedNote::parse(&note).unwrap();
    })
}

/// The good proof with the JSON of its extra line changed.
fn extra(good: &ProofFile, change: impl FnOnce(&mut Value)) -> String {
    line(good, 1, |line| {
        let json = STANDARD
            .decode(line.strip_prefix("extra ").unwrap())
            .unwrap();
        let mut json: Value = serde_json::from_slice(&json).unwrap();
        change(&mut json);
        format!("extra {}", STANDARD.encode(json.to_string()))
    })
}

fn openings(good: &ProofFile, other: &Anchor) -> Vec<Case> {
    let entry = |change: fn(&mut translog::Entry)| {
        changed(good, |it| change(&mut it.extra.as_mut().unwrap().entry))
    };
    vec![
        (
            "salt",
            opening(good, |it| it.salt = Salt([0; 32])),
            NOT_THIS_ANCHOR,
        ),
        (
            "anchor id",
            opening(good, |it| other.id.plain().clone_into(&mut it.anchor_id)),
            NOT_THIS_ANCHOR,
        ),
        (
            "anchor value",
            opening(good, |it| {
                other.values[0].plain().clone_into(&mut it.anchor_value);
            }),
            NOT_THIS_ANCHOR,
        ),
        ("entry: op", entry(|it| it.op = Op::Append), NOT_IN_TREE),
        ("entry: time", entry(|it| it.time_ms += 1), NOT_IN_TREE),
        (
            "entry: id",
            entry(|it| it.id_commitment[0] ^= 1),
            NOT_THIS_ANCHOR,
        ),
        (
            "entry: value",
            entry(|it| it.value_commitment[31] ^= 1),
            NOT_THIS_ANCHOR,
        ),
        (
            "no opening",
            changed(good, |it| it.extra = None),
            "does not say what the entry commits to",
        ),
        (
            "no salt",
            extra(good, |it| drop(it.as_object_mut().unwrap().remove("salt"))),
            "extra line",
        ),
        (
            "short entry",
            extra(good, |it| it["entry"] = json!("AgE=")),
            "extra line",
        ),
        (
            "a contract that is none",
            extra(good, |it| {
                it["chain"] = json!({
                    "chainId": 1, "contract": "0x1", "block": 1, "sequence": 1,
                    "transaction": format!("0x{}", "0".repeat(64)),
                });
            }),
            "extra line",
        ),
    ]
}

fn tree(good: &ProofFile) -> Vec<Case> {
    vec![
        ("index", changed(good, |it| it.index += 1), NOT_IN_TREE),
        (
            "index beyond the tree",
            changed(good, |it| it.index = 1 << 60),
            NOT_IN_TREE,
        ),
        (
            "a hash",
            changed(good, |it| it.hashes[1][5] ^= 1),
            NOT_IN_TREE,
        ),
        (
            "a hash fewer",
            changed(good, |it| {
                it.hashes.pop();
            }),
            NOT_IN_TREE,
        ),
        (
            "a hash more",
            changed(good, |it| it.hashes.push([0; 32])),
            NOT_IN_TREE,
        ),
        (
            "hashes swapped",
            changed(good, |it| it.hashes.swap(0, 1)),
            NOT_IN_TREE,
        ),
        (
            "no hashes",
            changed(good, |it| it.hashes.clear()),
            NOT_IN_TREE,
        ),
        (
            "index line",
            line(good, 2, |_| "index 03".to_owned()),
            "index line",
        ),
        (
            "first line",
            line(good, 0, |_| "c2sp.org/tlog-proof@v2".to_owned()),
            "first line",
        ),
        (
            "a cut off end",
            {
                let mut text = good.to_string();
                text.truncate(text.len() - 20);
                text
            },
            "is no proof",
        ),
        ("nothing", String::new(), "first line"),
        (
            "too much",
            good.to_string() + &"x".repeat(300_000),
            "more than 262144 bytes",
        ),
    ]
}

fn checkpoints(good: &ProofFile) -> Vec<Case> {
    // extra, index, hashes, empty line: then origin, size, root, empty line, signatures.
    let origin = 3 + good.hashes.len() + 1;
    vec![
        (
            "origin",
            line(good, origin, |it| format!("{it}x")),
            BAD_SIGNATURE,
        ),
        (
            "size",
            line(good, origin + 1, |it| format!("{it}1")),
            BAD_SIGNATURE,
        ),
        (
            "root",
            line(good, origin + 2, |it| {
                it.replacen(&it[..1], other_digit(it), 1)
            }),
            BAD_SIGNATURE,
        ),
        (
            "log signature",
            signature(good, 0, |it| it.bytes[63] ^= 1),
            BAD_SIGNATURE,
        ),
        (
            "log key id",
            signature(good, 0, |it| it.id[0] ^= 1),
            "no log of the policy signed",
        ),
        (
            "cosignature",
            signature(good, 1, |it| it.bytes[71] ^= 1),
            BAD_SIGNATURE,
        ),
        (
            "cosignature time",
            signature(good, 1, |it| it.bytes[7] ^= 1),
            BAD_SIGNATURE,
        ),
        (
            "witness key id",
            signature(good, 1, |it| it.id[3] ^= 1),
            "lacks cosignatures",
        ),
        (
            "no signatures",
            {
                let text = good.to_string();
                let end = text.rfind("\n\n").unwrap();
                text[..=end].to_owned()
            },
            "is no proof",
        ),
    ]
}

fn other_digit(text: &str) -> &'static str {
    if text.starts_with('A') { "B" } else { "A" }
}

#[test]
fn every_field_of_a_proof_counts() -> Result<()> {
    let (anchor, other) = (Anchor::new(SEED, 1), Anchor::new(OTHER_SEED, 1));
    let (place, log) = (Place::offline()?, Log::with(&[&anchor, &other]));
    place.write("policy", &log.policy())?;
    let good = log.proof(log.place_of(&anchor.values[0]));
    ensure!(good.hashes.len() > 2, "a tree too small to alter");
    place.write("proof", &good.to_string())?;
    place.ok(&VERIFY)?;
    let cases = [openings(&good, &other), tree(&good), checkpoints(&good)].concat();
    for (what, text, words) in cases {
        ensure!(text != good.to_string(), "{what} is not altered");
        place.write("proof", &text)?;
        place.fails(1, words, &VERIFY).with_context(|| what)?;
        let ended = place.run(&[&VERIFY[..], &["--json"]].concat())?;
        let told: Value = serde_json::from_str(&ended.stdout)?;
        assert_eq!(told["proven"], false, "{what}");
        assert!(
            told["because"].as_str().unwrap().contains(words),
            "{what}: {told}"
        );
    }
    Ok(())
}

/// The signatures hold for one checkpoint and one log each: parts of two proofs make none.
#[test]
fn parts_of_two_proofs_make_none() -> Result<()> {
    let (anchor, other) = (Anchor::new(SEED, 1), Anchor::new(OTHER_SEED, 1));
    let place = Place::offline()?;
    let (small, large) = (Log::with(&[&anchor]), Log::with(&[&anchor, &other]));
    place.write("policy", &large.policy())?;
    let (one, two) = (small.proof(3), large.proof(3));
    let mixed = [
        (changed(&one, |it| it.note = two.note.clone()), NOT_IN_TREE),
        (
            changed(&one, |it| it.hashes = two.hashes.clone()),
            NOT_IN_TREE,
        ),
        (
            changed(&one, |it| it.extra = large.proof(4).extra),
            NOT_IN_TREE,
        ),
    ];
    for (text, words) in mixed {
        place.write("proof", &text)?;
        place.fails(1, words, &VERIFY)?;
    }
    // A cosignature of the other checkpoint.
    let mut note = small.proof_without_witness(3);
    note.note
        .add(large.witness.cosign(&large.checkpoint(), COSIGNED_S))?;
    place.write("proof", &note.to_string())?;
    place.fails(1, BAD_SIGNATURE, &VERIFY)?;
    Ok(())
}
