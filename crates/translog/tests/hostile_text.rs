#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
//! Texts that come from anywhere: no parser panics, and what is taken is printed byte for byte as it was, so
//! that nothing has two texts.

use proptest::prelude::*;
use translog::{
    AddCheckpoint, Checkpoint, KeyName, LogKey, Origin, Policy, ProofFile, SignatureLine,
    SignedNote, VerifierKey, WitnessKey, judge,
};

/// One good text of each sort.
fn good_texts() -> Vec<String> {
    let log = LogKey::from_seed(&Origin::parse("log.example/a").unwrap(), &[1; 32]);
    let witness = WitnessKey::from_seed(&KeyName::parse("w.example").unwrap(), &[2; 32]);
    let (log_vkey, witness_vkey) = (log.verifier(), witness.verifier());
    let checkpoint = Checkpoint {
        origin: Origin::parse("log.example/a").unwrap(),
        size: 70_000,
        root: [9; 32],
        extensions: Vec::new(),
    };
    let mut note = SignedNote::new(&checkpoint, log.sign(&checkpoint));
    note.add(witness.cosign(&checkpoint, 1_000)).unwrap();
    let request = AddCheckpoint {
        old: 7,
        proof: vec![[1; 32], [2; 32]],
        note: note.clone(),
    };
    let proof = ProofFile {
        extra: None,
        index: 3,
        hashes: vec![[1; 32], [2; 32]],
        note: note.clone(),
    };
    vec![
        checkpoint.to_string(),
        note.to_string(),
        note.signatures()[1].to_string(),
        request.to_string(),
        proof.to_string(),
        log_vkey.to_string(),
        log.to_text().to_string(),
        format!("log {log_vkey}\nwitness w {witness_vkey} url\ngroup g 1 w\nquorum g\n# end\n"),
    ]
}

/// Gives the text to each parser.
fn check(text: &str) {
    let same = |printed: String| assert_eq!(printed, text);
    let _ = Checkpoint::parse(text).map(|it| same(it.to_string()));
    let _ = SignedNote::parse(text).map(|it| same(it.to_string()));
    let _ = SignatureLine::parse(text).map(|it| same(it.to_string()));
    let _ = VerifierKey::parse(text).map(|it| same(it.to_string()));
    let _ = LogKey::parse(text).map(|it| same(it.to_text().to_string()));
    let _ = WitnessKey::parse(text).map(|it| same(it.to_text().to_string()));
    let _ = Policy::parse(text);
    if let Ok(request) = AddCheckpoint::parse(text) {
        let _ = judge(None, &request, &[]);
        same(request.to_string());
    }
    match ProofFile::parse(text) {
        Ok(proof) if proof.extra.is_none() => same(proof.to_string()),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in "(?s).{0,300}") {
        check(&text);
    }

    /// A good text of which a part is replaced by something or by a part of another good text.
    #[test]
    fn a_good_text_with_another_part(
        text in prop::sample::select(good_texts()),
        other in prop::sample::select(good_texts()),
        from in any::<prop::sample::Index>(),
        cut in 0usize..40,
        source in any::<prop::sample::Index>(),
        taken in 0usize..40,
        between in "(?s)[\n\r —+=A0]{0,2}|.{0,3}",
    ) {
        let part = |text: &str, start: usize, count: usize| -> String {
            text.chars().skip(start).take(count).collect()
        };
        let start = from.index(text.chars().count() + 1);
        let head = part(&text, 0, start);
        let tail = part(&text, start + cut, usize::MAX);
        let middle = part(&other, source.index(other.chars().count() + 1), taken);
        check(&format!("{head}{between}{tail}"));
        check(&format!("{head}{middle}{tail}"));
    }
}

/// The property above is about something: each parser takes its good text.
#[test]
fn each_good_text_is_taken() {
    let [checkpoint, note, line, request, proof, vkey, secret, policy] =
        good_texts().try_into().unwrap();
    Checkpoint::parse(&checkpoint).unwrap();
    SignedNote::parse(&note).unwrap();
    SignatureLine::parse(&line).unwrap();
    AddCheckpoint::parse(&request).unwrap();
    ProofFile::parse(&proof).unwrap();
    VerifierKey::parse(&vkey).unwrap();
    LogKey::parse(&secret).unwrap();
    Policy::parse(&policy).unwrap();
    for text in good_texts() {
        check(&text);
    }
}
