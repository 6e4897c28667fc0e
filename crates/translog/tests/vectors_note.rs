#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
//! The note half of `vectors/ledger/translog.json`: seven checkpoints signed by a log and a witness whose
//! seeds are known. Our verifier takes them, our keys sign them again byte for byte, and no change of a
//! single character goes unnoticed.

use std::path::Path;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use translog::{
    Checkpoint, KeyName, LogKey, NoteError, NoteSyntaxError, Origin, Policy, PolicyRefusal,
    SIGNATURES_MAX, SignatureLine, SignedNote, VerifierKey, WitnessKey, verify_note,
};

#[derive(Deserialize)]
struct Vectors {
    origin: String,
    log_vkey: String,
    witness_vkey: String,
    checkpoints: Vec<Recorded>,
}

#[derive(Deserialize)]
struct Recorded {
    size: u64,
    root: String,
    note: String,
}

fn vectors() -> Vectors {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../conformance-tests/vectors/ledger/translog.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

impl Vectors {
    fn keys(&self) -> [VerifierKey; 2] {
        [&self.log_vkey, &self.witness_vkey].map(|vkey| VerifierKey::parse(vkey).unwrap())
    }

    fn log_key(&self) -> LogKey {
        let seed = Sha256::digest("log key, test only").into();
        LogKey::from_seed(&Origin::parse(&self.origin).unwrap(), &seed)
    }

    fn witness_key(&self) -> WitnessKey {
        let seed = Sha256::digest("witness key, test only").into();
        WitnessKey::from_seed(self.keys()[1].name(), &seed)
    }
}

#[test]
fn the_keys_are_those_of_the_seeds() {
    let vectors = vectors();
    let [log, witness] = vectors.keys();
    assert_eq!(vectors.log_key().verifier(), &log);
    assert_eq!(vectors.witness_key().verifier(), &witness);
    assert_eq!(log.to_string(), vectors.log_vkey);
    assert_eq!(witness.to_string(), vectors.witness_vkey);
    assert_eq!(log.id(), [0x2b, 0x1a, 0x01, 0xbb]);
    assert_eq!(witness.id(), [0x50, 0xe4, 0x23, 0x88]);
}

#[test]
fn the_recorded_checkpoints_verify() {
    let vectors = vectors();
    let [log, witness] = vectors.keys();
    assert_eq!(vectors.checkpoints.len(), 7);
    for recorded in &vectors.checkpoints {
        let note = SignedNote::parse(&recorded.note).unwrap();
        assert_eq!(note.to_string(), recorded.note);
        let verified = verify_note(&note, &vectors.keys()).unwrap();
        let checkpoint = &verified.checkpoint;
        assert_eq!(checkpoint.origin.as_str(), vectors.origin);
        assert_eq!(checkpoint.size, recorded.size);
        let root: String = checkpoint
            .root
            .iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        assert_eq!(root, recorded.root);
        assert_eq!(verified.log.as_slice(), std::slice::from_ref(&log));
        assert_eq!(verified.cosigned.len(), 1);
        assert_eq!(verified.cosigned[0].key, witness);
    }
}

/// Ed25519 is deterministic, so the same keys make the same notes.
#[test]
fn the_recorded_checkpoints_are_signed_again_byte_for_byte() {
    let vectors = vectors();
    for recorded in &vectors.checkpoints {
        let note = SignedNote::parse(&recorded.note).unwrap();
        let verified = verify_note(&note, &vectors.keys()).unwrap();
        let checkpoint = verified.checkpoint;
        let mut again = SignedNote::new(&checkpoint, vectors.log_key().sign(&checkpoint));
        let time_s = verified.cosigned[0].time_s;
        again
            .add(vectors.witness_key().cosign(&checkpoint, time_s))
            .unwrap();
        assert_eq!(again.to_string(), recorded.note);
    }
}

/// What is changed is either refused, or the line that was changed is by nobody known any more and the
/// other one still says the same.
#[test]
fn no_change_of_a_single_character_goes_unnoticed() {
    let vectors = vectors();
    let keys = vectors.keys();
    let original = &vectors.checkpoints[6].note;
    let checkpoint = SignedNote::parse(original).unwrap().checkpoint().unwrap();
    let (mut refused, mut ignored) = (0, 0);
    let mut check = |changed: String| {
        let verified = SignedNote::parse(&changed)
            .ok()
            .and_then(|note| verify_note(&note, &keys).ok());
        let Some(verified) = verified else {
            refused += 1;
            return;
        };
        assert_eq!(verified.checkpoint, checkpoint, "{changed:?}");
        let signers = verified.log.len() + verified.cosigned.len();
        assert_eq!(signers, 1, "{changed:?}");
        ignored += 1;
    };
    for (place, old) in original.char_indices() {
        let (before, after) = (&original[..place], &original[place + old.len_utf8()..]);
        check(format!("{before}{after}"));
        for new in "\n\r\t\0 AZaz059+/=.\u{2013}\u{2014}\u{2015}\u{a0}\u{e9}".chars() {
            if new != old {
                check(format!("{before}{new}{after}"));
            }
            check(format!("{before}{new}{old}{after}"));
        }
    }
    check(format!("{original}\n"));
    check(format!("{original}x"));
    // The name of a signature and the six characters of the base64 that hold the key id.
    assert!(ignored > 500, "{ignored}");
    assert!(refused > 5_000, "{refused}");
}

#[test]
fn what_is_no_note_is_named() {
    let vectors = vectors();
    let original = &vectors.checkpoints[3].note;
    let check = |changed: &str, expected: NoteSyntaxError| {
        assert_eq!(SignedNote::parse(changed), Err(expected), "{changed:?}");
    };
    let (text, lines) = original.rsplit_once("\n\n").unwrap();
    check("", NoteSyntaxError::NoSignatures);
    check(&format!("{text}\n"), NoteSyntaxError::NoSignatures);
    check(&format!("{text}\n\n"), NoteSyntaxError::NoSignatures);
    check(&format!("{text}\n{lines}"), NoteSyntaxError::NoSignatures);
    check(original.trim_end(), NoteSyntaxError::Unterminated);
    let control = NoteSyntaxError::ControlCharacter;
    for character in ['\r', '\t', '\0', '\u{b}', '\u{1f}', '\u{7f}'] {
        check(&format!("{character}{original}"), control.clone());
        check(&format!("{original}{character}\n"), control.clone());
    }
    check(&original.replace('\n', "\r\n"), control);
    let dash = NoteSyntaxError::SignatureLine;
    for wrong in [
        "-",
        "--",
        "\u{2013}",
        "\u{2015}",
        "\u{2012}",
        "",
        "\u{2014}\u{2014}",
    ] {
        check(&original.replace('\u{2014}', wrong), dash.clone());
    }
    check(&original.replace("\u{2014} ", "\u{2014}"), dash.clone());
    check(&original.replace("\u{2014} ", " \u{2014} "), dash.clone());
    check(&format!("{original}\u{2014} a\n"), dash.clone());
    check(&format!("{original}trailing\n"), dash);
    let double = NoteSyntaxError::NoSignatures;
    check(&format!("{original}\n"), double);
    let name = |error| NoteSyntaxError::Name(error);
    let empty = name(translog::NameError::Empty);
    check(&original.replace("\u{2014} ", "\u{2014}  "), empty);
    let forbidden = name(translog::NameError::Forbidden);
    check(&original.replace("w1 ", "w1+x "), forbidden.clone());
    check(&original.replace("w1 ", "w1\u{2003}x "), forbidden);
    let signature = NoteSyntaxError::Signature;
    check(&original.replace("w1 ", "w1  "), signature.clone());
    check(&original.replace("==\n", "=\n"), signature.clone());
    check(&original.replace("==\n", "\n"), signature.clone());
    check(&original.replace("==\n", "== \n"), signature.clone());
    check(&original.replace("==\n", "==x\n"), signature.clone());
    // An id without a signature, and less than an id.
    check(
        &format!("{original}\u{2014} a AAAAAA==\n"),
        signature.clone(),
    );
    check(&format!("{original}\u{2014} a AAAA\n"), signature.clone());
    check(&format!("{original}\u{2014} a \n"), signature);
}

/// A second bit of the last character of the base64 stands for nothing: it has to be 0.
#[test]
fn base64_that_is_not_canonical_is_refused() {
    let vectors = vectors();
    for recorded in &vectors.checkpoints {
        let cut = recorded.note.rfind("==\n").unwrap() - 1;
        let last = recorded.note.as_bytes()[cut];
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let place = alphabet.iter().position(|one| *one == last).unwrap();
        assert_eq!(place % 16, 0, "canonical as recorded");
        let mut changed = recorded.note.clone().into_bytes();
        changed[cut] = alphabet[place + 1];
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(SignedNote::parse(&changed), Err(NoteSyntaxError::Signature));
    }
}

#[test]
fn a_checkpoint_that_is_none_is_refused_before_its_signatures() {
    let vectors = vectors();
    let key = vectors.log_key();
    let original = &vectors.checkpoints[5].note;
    let body = SignedNote::parse(original).unwrap().text().to_owned();
    let of_31_bytes = "Bwc".repeat(10) + "Bwc=";
    let root = body.lines().nth(2).unwrap().to_owned();
    for (old, new) in [
        ("\n700\n", "\n0700\n"),
        ("\n700\n", "\n\n700\n"),
        ("\n700\n", "\n-700\n"),
        ("\n700\n", "\n"),
        (root.as_str(), &of_31_bytes),
        (root.as_str(), root.trim_end_matches('=')),
        (root.as_str(), &format!("{root}\n")),
        ("anchors.example/default", "anchors.example default"),
        ("anchors.example/default\n", ""),
    ] {
        let changed = original.replacen(old, new, 1);
        assert_ne!(&changed, original);
        let note = SignedNote::parse(&changed).unwrap();
        let refused = verify_note(&note, &[key.verifier().clone()]);
        assert!(
            matches!(refused, Err(NoteError::Checkpoint(_))),
            "{changed:?}"
        );
    }
}

#[test]
fn an_empty_line_more_belongs_to_the_text() {
    let vectors = vectors();
    let changed = vectors.checkpoints[0].note.replace("\n\n", "\n\n\n");
    let note = SignedNote::parse(&changed).unwrap();
    assert!(note.text().ends_with("=\n\n"));
    let refused = verify_note(&note, &vectors.keys());
    assert!(matches!(refused, Err(NoteError::Checkpoint(_))));
}

#[test]
fn lines_by_others_are_ignored_and_those_by_known_keys_have_to_hold() {
    let vectors = vectors();
    let [log, witness] = vectors.keys();
    let note = SignedNote::parse(&vectors.checkpoints[4].note).unwrap();
    let [by_log, by_witness] = note.signatures() else {
        panic!("two signatures")
    };
    let with = |line: SignatureLine| {
        let text = format!("{note}{line}");
        verify_note(&SignedNote::parse(&text).unwrap(), &vectors.keys())
    };
    let verified = verify_note(&note, &vectors.keys());
    // Unknown: another name, another id, and a key of a type that nobody knows.
    let name = KeyName::parse("other.example").unwrap();
    let id = [1, 2, 3, 4];
    assert_eq!(
        with(SignatureLine {
            name: name.clone(),
            ..by_log.clone()
        }),
        verified
    );
    assert_eq!(
        with(SignatureLine {
            id,
            ..by_log.clone()
        }),
        verified
    );
    let bytes = vec![6; 2_428];
    assert_eq!(with(SignatureLine { name, id, bytes }), verified);
    // The same line again changes nothing; a line that bears its name and is not by it, all.
    assert_eq!(with(by_log.clone()), verified);
    assert_eq!(with(by_witness.clone()), verified);
    for by in [by_log, by_witness] {
        let bad = Err(NoteError::BadSignature(by.name.clone()));
        for place in 0..by.bytes.len() {
            let mut line = by.clone();
            line.bytes[place] ^= 1;
            assert_eq!(with(line), bad);
        }
        let mut longer = by.clone();
        longer.bytes.push(0);
        assert_eq!(with(longer), bad);
        let mut shorter = by.clone();
        shorter.bytes.pop();
        assert_eq!(with(shorter), bad);
    }
    // One known key is enough, none is not.
    let by_one = verify_note(&note, &[witness]).unwrap();
    assert_eq!((by_one.log.len(), by_one.cosigned.len()), (0, 1));
    let by_one = verify_note(&note, &[log]).unwrap();
    assert_eq!((by_one.log.len(), by_one.cosigned.len()), (1, 0));
    assert_eq!(verify_note(&note, &[]), Err(NoteError::NoKnownSignature));
}

/// The witness's signature covers its time; a time after 2^63 - 1 is none.
#[test]
fn a_cosignature_says_one_time() {
    let vectors = vectors();
    let keys = vectors.keys();
    let note = SignedNote::parse(&vectors.checkpoints[2].note).unwrap();
    let checkpoint = note.checkpoint().unwrap();
    let witness = vectors.witness_key();
    let time_of = |lines: &[SignatureLine]| {
        let mut text =
            SignedNote::new(&checkpoint, vectors.log_key().sign(&checkpoint)).to_string();
        for line in lines {
            text += &line.to_string();
        }
        let verified = verify_note(&SignedNote::parse(&text).unwrap(), &keys)?;
        assert!(verified.cosigned.len() == 1, "each key once");
        Ok::<_, NoteError>(verified.cosigned[0].time_s)
    };
    let at = |time_s| witness.cosign(&checkpoint, time_s);
    let last = i64::MAX.unsigned_abs();
    assert_eq!(time_of(&[at(1_795_189_823)]), Ok(1_795_189_823));
    assert_eq!(time_of(&[at(last)]), Ok(last));
    let bad = Err(NoteError::BadSignature(keys[1].name().clone()));
    assert_eq!(time_of(&[at(last + 1)]), bad);
    // Of several the newest counts.
    assert_eq!(time_of(&[at(7), at(9), at(8)]), Ok(9));
    let mut altered = at(7);
    altered.bytes[7] += 1;
    assert_eq!(time_of(&[altered]), bad);
}

#[test]
fn sixty_four_signatures_are_taken_and_no_more() {
    let vectors = vectors();
    let checkpoint = Checkpoint::parse(
        SignedNote::parse(&vectors.checkpoints[1].note)
            .unwrap()
            .text(),
    )
    .unwrap();
    let mut note = SignedNote::new(&checkpoint, vectors.log_key().sign(&checkpoint));
    let cosigner = |seed: u8| {
        let name = KeyName::parse(&format!("witness.example/{seed}")).unwrap();
        WitnessKey::from_seed(&name, &[seed; 32])
    };
    for seed in 1..64 {
        note.add(cosigner(seed).cosign(&checkpoint, 1)).unwrap();
    }
    assert_eq!(note.signatures().len(), SIGNATURES_MAX);
    let full = note.to_string();
    assert_eq!(SignedNote::parse(&full).unwrap(), note);
    let mut keys: Vec<VerifierKey> = (1..64)
        .map(|one| cosigner(one).verifier().clone())
        .collect();
    keys.push(vectors.keys()[0].clone());
    assert_eq!(verify_note(&note, &keys).unwrap().cosigned.len(), 63);

    let one_more = cosigner(64).cosign(&checkpoint, 1);
    let too_long = format!("{full}{one_more}");
    let refused = Err(NoteSyntaxError::TooManySignatures);
    assert_eq!(SignedNote::parse(&too_long), refused);
    assert_eq!(note.add(one_more), Err(NoteSyntaxError::TooManySignatures));
    assert_eq!(note.to_string(), full);
    // A newer signature takes the place of the older one, also in a full note.
    note.add(cosigner(7).cosign(&checkpoint, 2)).unwrap();
    assert_eq!(note.signatures().len(), SIGNATURES_MAX);
    let times = verify_note(&note, &keys).unwrap().cosigned;
    assert_eq!(times.iter().filter(|one| one.time_s == 2).count(), 1);

    let line = SignatureLine {
        name: KeyName::parse("long.example").unwrap(),
        id: [0; 4],
        bytes: vec![0; 49_000],
    };
    let mut short = SignedNote::new(&checkpoint, vectors.log_key().sign(&checkpoint));
    assert_eq!(short.add(line.clone()), Err(NoteSyntaxError::TooLong));
    let refused = Err(NoteSyntaxError::TooLong);
    assert_eq!(SignedNote::parse(&format!("{short}{line}")), refused);
}

/// A log that signs for another, with a key that is known, says nothing.
#[test]
fn a_log_speaks_for_its_own_origin_only() {
    let vectors = vectors();
    let other = LogKey::from_seed(&Origin::parse("other.example/log").unwrap(), &[9; 32]);
    let checkpoint = SignedNote::parse(&vectors.checkpoints[0].note)
        .unwrap()
        .checkpoint()
        .unwrap();
    let foreign = SignedNote::new(&checkpoint, other.sign(&checkpoint));
    let keys = [other.verifier().clone(), vectors.keys()[0].clone()];
    assert_eq!(
        verify_note(&foreign, &keys),
        Err(NoteError::NoKnownSignature)
    );
    let policy = format!("log {}\nlog {}\nquorum none\n", keys[0], keys[1]);
    let refused = Policy::parse(&policy).unwrap().check(&foreign);
    assert_eq!(
        refused,
        Err(PolicyRefusal::Note(NoteError::NoKnownSignature))
    );
    // Rotation: old and new key of one log, both lines, both count.
    let new = LogKey::from_seed(&checkpoint.origin, &[8; 32]);
    let mut note = SignedNote::new(&checkpoint, vectors.log_key().sign(&checkpoint));
    note.add(new.sign(&checkpoint)).unwrap();
    let keys = [vectors.keys()[0].clone(), new.verifier().clone()];
    assert_eq!(verify_note(&note, &keys).unwrap().log, keys);
}

#[test]
fn a_policy_takes_the_recorded_checkpoints_with_the_time_of_the_witness() {
    let vectors = vectors();
    let (log, witness) = (&vectors.log_vkey, &vectors.witness_vkey);
    let policy = format!("log {log}\nwitness w1 {witness}\nquorum w1\n");
    let policy = Policy::parse(&policy).unwrap();
    for recorded in &vectors.checkpoints {
        let accepted = policy
            .check(&SignedNote::parse(&recorded.note).unwrap())
            .unwrap();
        assert_eq!(accepted.checkpoint.size, recorded.size);
        assert_eq!(accepted.newest_cosignature_s, Some(0x6b00_6cf0));
    }
}
