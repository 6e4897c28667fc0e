//! What is written is read again; what was changed is refused.

use super::*;
use crate::{KeyName, LogKey, NoteError, Op, Origin, Salt, TileId, TileSet, Tree, WitnessKey};

const INDEX: u8 = 3;
const SIZE: u8 = 6;

fn log_key() -> LogKey {
    LogKey::from_seed(&Origin::parse("log.example/a").unwrap(), &[1; 32])
}

fn witness_key() -> WitnessKey {
    WitnessKey::from_seed(&KeyName::parse("witness.example").unwrap(), &[2; 32])
}

fn policy() -> Policy {
    let (log, witness) = (log_key(), witness_key());
    let (log, witness) = (log.verifier(), witness.verifier());
    Policy::parse(&format!("log {log}\nwitness w {witness}\nquorum w\n")).unwrap()
}

fn opening(index: u8) -> Opening {
    Opening {
        salt: Salt([index; 32]),
        anchor_id: format!("ssi:sza:default::{index}:v0"),
        anchor_value: format!("ssi:shl:default:{index}\u{e9}:1|s:v0"),
    }
}

fn entry(index: u8) -> Entry {
    opening(index).commit(Op::Create, 1_000 + u64::from(index))
}

fn chain() -> OnChain {
    OnChain {
        chain_id: 31_337,
        contract: format!("0x{}", "aB".repeat(20)),
        block: 7,
        transaction: format!("0x{}", "0f".repeat(32)),
        sequence: 2,
    }
}

/// The proof of one of six entries, with the word of a witness, and on a chain.
fn proof() -> ProofFile {
    let leaves: Vec<Hash> = (0..SIZE)
        .map(|one| leaf_hash(&entry(one).encode()))
        .collect();
    let mut tree = Tree::new();
    for leaf in &leaves {
        tree.push(*leaf);
    }
    let mut tiles = TileSet::new();
    let tile = TileId::new(0, 0, SIZE.into()).unwrap();
    tiles.insert(tile, &leaves.concat()).unwrap();
    let checkpoint = Checkpoint {
        origin: Origin::parse("log.example/a").unwrap(),
        size: SIZE.into(),
        root: tree.root(),
        extensions: Vec::new(),
    };
    let mut note = SignedNote::new(&checkpoint, log_key().sign(&checkpoint));
    note.add(witness_key().cosign(&checkpoint, 1_000)).unwrap();
    ProofFile {
        extra: Some(Extra {
            entry: entry(INDEX),
            opening: opening(INDEX),
            chain: Some(chain()),
        }),
        index: INDEX.into(),
        hashes: tiles.inclusion_proof(INDEX.into(), SIZE.into()).unwrap(),
        note,
    }
}

#[test]
fn a_proof_is_given_back_byte_for_byte_and_holds() {
    let whole = proof();
    let mut without_chain = proof();
    without_chain.extra.as_mut().unwrap().chain = None;
    for proof in [whole, without_chain] {
        let text = proof.to_string();
        let again = ProofFile::parse(&text).unwrap();
        assert_eq!(again, proof);
        assert_eq!(again.to_string(), text);
        let verified = again.verify(&policy()).unwrap();
        assert_eq!(verified.checkpoint.size, u64::from(SIZE));
        assert_eq!(verified.entry, entry(INDEX));
        assert_eq!(verified.anchor_id, opening(INDEX).anchor_id);
        assert_eq!(verified.anchor_value, opening(INDEX).anchor_value);
        assert_eq!(verified.newest_cosignature_s, Some(1_000));
    }
    let mut bare = proof();
    bare.extra = None;
    let again = ProofFile::parse(&bare.to_string()).unwrap();
    assert_eq!(again, bare);
    assert_eq!(again.verify(&policy()), Err(ProofFileError::NoOpening));
}

/// The text of a proof with this JSON.
fn with_json(json: &str) -> String {
    let mut bare = proof();
    bare.extra = None;
    let extra = format!("\nextra {}\nindex", text::base64_text(json.as_bytes()));
    bare.to_string().replacen("\nindex", &extra, 1)
}

fn json() -> serde_json::Value {
    serde_json::to_value(proof().extra).unwrap()
}

#[test]
fn the_json_has_the_names_of_the_specification() {
    let (entry, salt) = (entry(INDEX).encode(), [INDEX; 32]);
    let expected = serde_json::json!({
        "entry": text::base64_text(&entry),
        "salt": text::base64_text(&salt),
        "anchorId": opening(INDEX).anchor_id,
        "anchorValue": opening(INDEX).anchor_value,
        "chain": {
            "chainId": 31_337,
            "contract": chain().contract,
            "block": 7,
            "transaction": chain().transaction,
            "sequence": 2,
        },
    });
    assert_eq!(json(), expected);
    // What a later version adds is passed over.
    let mut more = json();
    more["note"] = "new".into();
    more["chain"]["new"] = serde_json::json!([1]);
    let parsed = ProofFile::parse(&with_json(&more.to_string())).unwrap();
    assert_eq!(parsed, proof());
    more["chain"] = serde_json::Value::Null;
    let parsed = ProofFile::parse(&with_json(&more.to_string())).unwrap();
    assert_eq!(parsed.extra.unwrap().chain, None);
}

#[test]
fn an_extra_line_of_another_shape_is_refused() {
    let refuse = |json: &str| {
        let refused = ProofFile::parse(&with_json(json));
        assert_eq!(refused, Err(ProofFileSyntaxError::Extra), "{json}");
    };
    for json in ["", "null", "[]", "{}", "\"text\"", "{\"entry\""] {
        refuse(json);
    }
    refuse(&format!("{}x", json()));
    for field in ["entry", "salt", "anchorId", "anchorValue"] {
        let mut missing = json();
        missing.as_object_mut().unwrap().remove(field);
        refuse(&missing.to_string());
        for wrong in [serde_json::json!(7), serde_json::Value::Null] {
            let mut other = json();
            other[field] = wrong;
            refuse(&other.to_string());
        }
        let twice = json()
            .to_string()
            .replacen('{', &format!("{{\"{field}\":\"\","), 1);
        refuse(&twice);
    }
    let mut format_1 = entry(INDEX).encode();
    format_1[0] = 1;
    for (field, wrong) in [
        ("entry", text::base64_text(&format_1)),
        ("entry", text::base64_text(&entry(INDEX).encode()[1..])),
        ("salt", text::base64_text(&[3; 31])),
        ("salt", text::base64_text(&[3; 33])),
    ] {
        let mut other = json();
        other[field] = wrong.into();
        refuse(&other.to_string());
    }
    for field in ["chainId", "contract", "block", "transaction", "sequence"] {
        let mut missing = json();
        missing["chain"].as_object_mut().unwrap().remove(field);
        refuse(&missing.to_string());
        for wrong in [serde_json::json!(-1), serde_json::json!("0x12")] {
            let mut other = json();
            other["chain"][field] = wrong;
            refuse(&other.to_string());
        }
    }
}

#[test]
fn each_altered_field_is_found() {
    let check = |alter: &dyn Fn(&mut ProofFile), expected: ProofFileError| {
        let mut altered = proof();
        alter(&mut altered);
        assert_eq!(altered.verify(&policy()), Err(expected));
    };
    let extra = |alter: &dyn Fn(&mut Extra), expected: ProofFileError| {
        let alter = |proof: &mut ProofFile| alter(proof.extra.as_mut().unwrap());
        check(&alter, expected);
    };
    let opening_fails = || ProofFileError::Opening;
    extra(&|it| it.opening.salt.0[0] ^= 1, opening_fails());
    extra(&|it| it.opening.anchor_id.push('x'), opening_fails());
    extra(&|it| it.opening.anchor_value.push('x'), opening_fails());
    extra(&|it| it.entry.id_commitment[0] ^= 1, opening_fails());
    extra(&|it| it.entry.value_commitment[0] ^= 1, opening_fails());
    extra(&|it| it.opening = opening(INDEX + 1), opening_fails());

    let root = || ProofFileError::Inclusion(ProofError::RootDiffers);
    extra(&|it| it.entry.op = Op::Append, root());
    extra(&|it| it.entry.time_ms += 1, root());
    // An entry of the same log at another place, and one that the log never saw.
    let elsewhere = |index: u8| {
        let (entry, opening) = (entry(index), opening(index));
        move |it: &mut Extra| (it.entry, it.opening) = (entry, opening.clone())
    };
    extra(&elsewhere(INDEX + 1), root());
    extra(&elsewhere(SIZE), root());
    for place in 0..proof().hashes.len() {
        check(&|it| it.hashes[place][5] ^= 1, root());
    }
    check(&|it| it.index = 2, root());
    check(&|it| it.hashes.swap(0, 1), root());

    let not_accepted = |refusal| ProofFileError::Policy(refusal);
    let bad = || {
        let name = log_key().verifier().name().clone();
        not_accepted(PolicyRefusal::Note(NoteError::BadSignature(name)))
    };
    let checkpoint = |alter: &dyn Fn(&mut Checkpoint)| {
        let mut other = proof().note.checkpoint().unwrap();
        alter(&mut other);
        // The signatures are those of the true checkpoint.
        let [by_log, by_witness] = proof().note.signatures().to_vec().try_into().unwrap();
        let mut note = SignedNote::new(&other, by_log);
        note.add(by_witness).unwrap();
        check(&|it| it.note = note.clone(), bad());
    };
    checkpoint(&|it| it.size += 1);
    checkpoint(&|it| it.root[0] ^= 1);
    checkpoint(&|it| it.origin = Origin::parse("log.example/b").unwrap());

    let mut unseen = proof().note;
    let by_log = unseen.signatures()[0].clone();
    let true_checkpoint = unseen.checkpoint().unwrap();
    unseen = SignedNote::new(&true_checkpoint, by_log);
    let no_quorum = not_accepted(PolicyRefusal::NoQuorum);
    check(&|it| it.note = unseen.clone(), no_quorum);
    let by_witness = proof().note.signatures()[1].clone();
    let unsigned = SignedNote::new(&true_checkpoint, by_witness);
    let no_log = not_accepted(PolicyRefusal::NoLogSignature(
        true_checkpoint.origin.clone(),
    ));
    check(&|it| it.note = unsigned.clone(), no_log);
}

#[test]
fn a_proof_of_another_length_or_place_is_refused() {
    for alter in [
        (|it: &mut ProofFile| it.index = 6) as fn(&mut ProofFile),
        |it| it.index = u64::MAX,
        |it| it.hashes.clear(),
        |it| it.hashes.push([0; 32]),
        |it| {
            it.hashes.pop();
        },
    ] {
        let mut altered = proof();
        alter(&mut altered);
        let refused = altered.verify(&policy());
        assert!(
            matches!(refused, Err(ProofFileError::Inclusion(_))),
            "{altered:?}"
        );
    }
}

#[test]
fn a_file_of_another_form_is_refused() {
    use ProofFileSyntaxError as Wrong;
    let good = proof().to_string();
    let mut bare = proof();
    bare.extra = None;
    let bare = bare.to_string();
    let check = |file: &str, expected: Wrong| {
        assert_eq!(ProofFile::parse(file), Err(expected), "{file:?}");
    };
    check("", Wrong::FirstLine);
    check(&good.replacen("@v1", "@v2", 1), Wrong::FirstLine);
    check(&good.replacen("@v1\n", "@v1\r\n", 1), Wrong::FirstLine);
    check(&format!("\n{good}"), Wrong::FirstLine);
    check(FIRST_LINE, Wrong::Index);
    check(&format!("{FIRST_LINE}extra e30="), Wrong::Extra);
    check(&good.replacen("extra ", "extra  ", 1), Wrong::Extra);
    check(&good.replacen("\nindex", "=\nindex", 1), Wrong::Extra);
    check(&good.replacen("extra ", "extra\t", 1), Wrong::Index);
    let (first, rest) = good.split_once("index 3\n").unwrap();
    check(
        &format!("{first}{}", good.replacen(FIRST_LINE, "", 1)),
        Wrong::Index,
    );
    for index in [
        "",
        "3\n",
        "index",
        "index 03\n",
        "index -1\n",
        "index 3 \n",
        "index 3",
    ] {
        check(&format!("{first}{index}{rest}"), Wrong::Index);
    }
    let hash = text::hash_lines(&[[7; 32]]);
    let (start, note) = bare.split_once("\n\n").unwrap();
    for lines in ["\nAAAA\n\n", "\nx\n\n", "\n \n\n", "\r\n\n", "\n"] {
        check(&format!("{start}{lines}{note}"), Wrong::Hashes);
    }
    let with_hashes = |count| format!("{FIRST_LINE}index 0\n{}\n{note}", hash.repeat(count));
    assert_eq!(ProofFile::parse(&with_hashes(63)).unwrap().hashes.len(), 63);
    check(&with_hashes(64), Wrong::Hashes);
    let no_signatures = Wrong::Note(NoteSyntaxError::NoSignatures);
    check(&format!("{start}\n\n"), no_signatures.clone());
    check(&format!("{good}\n"), no_signatures);
    check(good.trim_end(), Wrong::Note(NoteSyntaxError::Unterminated));
    let long = "x".repeat(PROOF_FILE_BYTES_MAX);
    check(&format!("{good}{long}"), Wrong::TooLong);
}

/// What still verifies proves the same. (Changes within `chain` are not proved here.)
#[test]
fn no_change_of_a_single_character_proves_something_else() {
    let original = proof().to_string();
    let verified = proof().verify(&policy()).unwrap();
    let (mut refused, mut same) = (0, 0);
    let mut check = |changed: String| {
        let outcome = ProofFile::parse(&changed)
            .ok()
            .and_then(|proof| proof.verify(&policy()).ok());
        match outcome {
            None => refused += 1,
            Some(outcome) => {
                assert_eq!(outcome, verified, "{changed:?}");
                same += 1;
            }
        }
    };
    for (place, old) in original.char_indices() {
        let (before, after) = (&original[..place], &original[place + old.len_utf8()..]);
        check(format!("{before}{after}"));
        for new in "\n Az0/\u{e9}".chars().filter(|new| *new != old) {
            check(format!("{before}{new}{after}"));
        }
    }
    let chain_characters = serde_json::to_string(&chain()).unwrap().len() * 4 / 3;
    assert!(same < chain_characters * 7, "{same}");
    assert!(refused > 4_000, "{refused}");
}
