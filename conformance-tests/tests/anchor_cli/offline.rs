//! `kiln anchor verify` without a network: what holds, what is said of it, and whom it believes.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::Stdio;

use anyhow::{Result, ensure};
use serde_json::json;
use translog::{KeyName, LogKey, Op, Origin, WitnessKey};

use crate::log::{Anchor, COSIGNED_S, Log, ORIGIN, OTHER_SEED, SEED, claim, hash, hex};
use crate::place::Place;

/// A folder with the proof of one version of an anchor and the policy of its log.
fn prepared(anchor: &Anchor, version: usize) -> Result<(Place, Log)> {
    let (place, log) = (Place::offline()?, Log::with(&[anchor]));
    let proof = log.proof(log.place_of(&anchor.values[version]));
    place.write("proof", &proof.to_string())?;
    place.write("policy", &log.policy())?;
    Ok((place, log))
}

const VERIFY: [&str; 5] = ["anchor", "verify", "proof", "--policy", "policy"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    VERIFY.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn a_first_version_is_proven_with_its_signature() -> Result<()> {
    let anchor = Anchor::new(SEED, 2);
    let (place, log) = prepared(&anchor, 0)?;
    let told = place.ok(&VERIFY)?;
    let (first, second) = told.split_once("not proven\n").unwrap();
    assert!(
        first.contains(&format!("entry 3 of 6 in {ORIGIN}, whose key you named")),
        "{told}"
    );
    assert!(first.contains(anchor.id.as_str()), "{told}");
    assert!(first.contains(&format!("brick map {}", hash(0))), "{told}");
    assert!(
        first.contains("signature  checked: the first version"),
        "{told}"
    );
    assert!(first.contains("2026-11-20T16:00:00Z"), "{told}");
    assert!(second.contains("that this is the newest version"), "{told}");
    assert!(!second.contains("no witness"), "{told}");
    let json = place.json(&VERIFY)?;
    let checkpoint = log.checkpoint();
    let root = hex(&checkpoint.root);
    for (name, expected) in [
        ("proven", json!(true)),
        ("origin", json!(ORIGIN)),
        ("index", json!(3)),
        ("size", json!(6)),
        ("root", json!(root)),
        ("anchor_id", json!(anchor.id.as_str())),
        ("value", json!(anchor.values[0].as_str())),
        ("brick_map", json!(hash(0))),
        ("op", json!("create")),
        ("version", json!(0)),
        ("signature", json!("checked")),
        ("signed_at", json!("2026-11-20T15:56:36Z")),
        ("cosigned_at", json!("2026-11-20T16:00:00Z")),
        ("chain", json!(null)),
    ] {
        assert_eq!(json[name], expected, "{name}");
    }
    Ok(())
}

#[test]
fn a_later_version_is_proven_and_its_signature_is_left_to_the_history() -> Result<()> {
    let anchor = Anchor::new(SEED, 3);
    let (place, _) = prepared(&anchor, 1)?;
    let told = place.ok(&VERIFY)?;
    assert!(
        told.contains("its signature is checked with the history"),
        "{told}"
    );
    assert!(told.contains("that the owner of the anchor signed the value: give --history"));
    assert_eq!(place.json(&VERIFY)?["signature"], "not checked");

    let all = with(&["--history", "history"]);
    for history in [
        anchor.texts().join("\n"),
        json!(anchor.texts()).to_string(),
        json!({"versions": anchor.texts().iter().map(|it| json!({"value": it})).collect::<Vec<_>>()})
            .to_string(),
    ] {
        place.write("history", &history)?;
        let json = place.json(&all)?;
        assert_eq!(json["signature"], "checked");
        assert_eq!((&json["version"], &json["versions"]), (&json!(1), &json!(3)));
    }
    assert!(place.ok(&all)?.contains("version 1 of 0 to 2"));

    place.write("history", anchor.texts()[0])?;
    place.fails(1, "not in the history", &all)?;
    place.write(
        "history",
        &[anchor.texts()[1], anchor.texts()[0]].join("\n"),
    )?;
    place.fails(10, "the history does not hold", &all)?;
    place.write("history", &Anchor::new(OTHER_SEED, 1).texts().join("\n"))?;
    place.fails(10, "the history does not hold", &all)?;
    place.write("history", "{}")?;
    place.fails(2, "holds no history", &all)?;
    place.fails(3, "cannot be read", &with(&["--history", "none"]))?;
    Ok(())
}

#[test]
fn a_transfer_and_a_constant_are_told_as_what_they_are() -> Result<()> {
    let anchor = Anchor::new(SEED, 1).handed_over(SEED);
    let (place, _) = prepared(&anchor, 1)?;
    let told = place.ok(&VERIFY)?;
    assert!(told.contains("handed over to the key "), "{told}");
    let (place, _) = prepared(&Anchor::constant(), 0)?;
    let told = place.ok(&VERIFY)?;
    assert!(
        told.contains("the one value of a constant anchor is not signed"),
        "{told}"
    );
    assert!(told.contains("who wrote the value"), "{told}");
    Ok(())
}

#[test]
fn the_proof_comes_from_stdin_and_nothing_is_asked_of_any_network() -> Result<()> {
    let anchor = Anchor::new(SEED, 1);
    let (place, _) = prepared(&anchor, 0)?;
    // Whatever the command might ask is this address; nobody may have come by the end.
    let trap = TcpListener::bind("127.0.0.1:0")?;
    trap.set_nonblocking(true)?;
    let url = format!("http://{}", trap.local_addr()?);
    let mut command = place.command(&[
        "anchor", "verify", "-", "--policy", "policy", "--node", &url,
    ])?;
    for name in [
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "KILN_NODE",
    ] {
        command.env(name, &url);
    }
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    child
        .stdin
        .take()
        .unwrap()
        .write_all(place.read("proof")?.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{output:?}");
    let visitor = trap.accept().map(|(_, from)| from);
    assert_eq!(visitor.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    Ok(())
}

#[test]
fn it_believes_whom_the_user_names_and_nobody_else() -> Result<()> {
    let anchor = Anchor::new(SEED, 1);
    let (place, log) = prepared(&anchor, 0)?;
    let verify = ["anchor", "verify", "proof"];
    let said = place.fails(2, "none is named", &verify)?;
    assert!(said.contains("GET /log/DOMAIN/vkey"), "{said}");
    assert!(said.contains("over a channel that you trust"), "{said}");

    let by_key = |vkey: &str, code: i32, words: &str| {
        place.fails(code, words, &["anchor", "verify", "proof", "--log", vkey])
    };
    let told = place.ok(&["anchor", "verify", "proof", "--log", &log.vkey()])?;
    assert!(told.contains("no witness was asked for"), "{told}");
    let origin = Origin::parse(ORIGIN).unwrap();
    let same_name = LogKey::from_seed(&origin, &[7; 32]).verifier().to_string();
    let said = by_key(&same_name, 1, "the proof does not hold")?;
    assert!(said.contains(&format!("of the log {ORIGIN}")), "{said}");
    let other = Origin::parse("elsewhere.example/default").unwrap();
    by_key(
        &LogKey::from_seed(&other, &[1; 32]).verifier().to_string(),
        1,
        "does not hold",
    )?;
    by_key(&log.witness_vkey(), 2, "that of a witness")?;
    by_key("nonsense", 2, "is no key of a log")?;
    by_key(
        &log.vkey().replace("default+", "other+"),
        2,
        "is no key of a log",
    )?;
    // One of several is enough: a key and the one that follows it.
    place.ok(&[
        "anchor",
        "verify",
        "proof",
        "--log",
        &same_name,
        "--log",
        &log.vkey(),
    ])?;
    Ok(())
}

#[test]
fn a_policy_asks_for_its_witnesses() -> Result<()> {
    let anchor = Anchor::new(SEED, 1);
    let (place, log) = prepared(&anchor, 0)?;
    let bare = log.proof_without_witness(log.place_of(&anchor.values[0]));
    place.write("proof", &bare.to_string())?;
    let said = place.fails(1, "lacks cosignatures", &VERIFY)?;
    assert!(said.contains("when the witnesses have cosigned"), "{said}");
    // A cosignature by a stranger with the witness's name.
    let name = KeyName::parse("witness.example/w1").unwrap();
    let stranger = WitnessKey::from_seed(&name, &[3; 32]);
    let mut proof = bare;
    proof
        .note
        .add(stranger.cosign(&log.checkpoint(), COSIGNED_S))
        .unwrap();
    place.write("proof", &proof.to_string())?;
    place.fails(1, "lacks cosignatures", &VERIFY)?;
    for (policy, words) in [
        ("", "names no log"),
        ("log\n", "line 1"),
        ("quorum none\n", "names no log"),
        ("trust everybody\n", "line 1"),
    ] {
        place.write("policy", policy)?;
        let said = place.fails(2, words, &VERIFY)?;
        assert!(said.contains("next: it has lines: log VKEY"), "{said}");
    }
    place.fails(
        3,
        "cannot be read",
        &["anchor", "verify", "proof", "--policy", "none"],
    )?;
    Ok(())
}

#[test]
fn a_stale_cosignature_is_refused() -> Result<()> {
    let anchor = Anchor::new(SEED, 1);
    let (place, log) = prepared(&anchor, 0)?;
    // A hundred years are enough whenever this test is run; a second is not.
    place.ok(&with(&["--max-age", "3155760000"]))?;
    place.fails(1, "and at most 1 s are taken", &with(&["--max-age", "1"]))?;
    let vkey = log.vkey();
    let by_key = [
        "anchor",
        "verify",
        "proof",
        "--log",
        &vkey,
        "--max-age",
        "1",
    ];
    place.fails(2, "can only be told by witnesses", &by_key)?;
    let mut proof = log.proof_without_witness(log.place_of(&anchor.values[0]));
    let far = log.witness.cosign(&log.checkpoint(), 100 * COSIGNED_S);
    proof.note.add(far).unwrap();
    place.write("proof", &proof.to_string())?;
    place.fails(1, "in the future", &with(&["--max-age", "3155760000"]))?;
    Ok(())
}

#[test]
fn a_proof_of_another_anchor_is_refused() -> Result<()> {
    let anchor = Anchor::new(SEED, 1);
    let (place, _) = prepared(&anchor, 0)?;
    place.ok(&with(&["--anchor", anchor.id.as_str()]))?;
    place.write("key", SEED)?;
    place.ok(&with(&["--anchor", "file:key"]))?;
    let other = Anchor::new(OTHER_SEED, 1);
    let said = place.fails(
        1,
        "about another anchor",
        &with(&["--anchor", other.id.as_str()]),
    )?;
    assert!(said.contains(anchor.id.as_str()), "{said}");
    place.fails(
        2,
        "two things cannot both come from stdin",
        &[
            "anchor", "verify", "-", "--policy", "policy", "--anchor", "-",
        ],
    )?;
    Ok(())
}

/// A log may hold what nobody signed: that is evidence against it, not a proof.
#[test]
fn what_the_owner_did_not_sign_is_not_proven() -> Result<()> {
    let (mine, other) = (Anchor::new(SEED, 2), Anchor::new(OTHER_SEED, 1));
    let (place, mut log) = (Place::offline()?, Log::with(&[&mine]));
    place.write("policy", &log.policy())?;
    let forged = log.add(Op::Create, mine.id.plain(), other.values[0].plain());
    let second_as_first = log.add(Op::Create, mine.id.plain(), mine.values[1].plain());
    for entry in [forged, second_as_first] {
        place.write("proof", &log.proof(entry).to_string())?;
        place.fails(10, "the owner of the anchor did not write it so", &VERIFY)?;
    }
    for (op, id, value, words) in [
        (
            Op::Create,
            "ssi:sza:default::x:v0",
            mine.values[0].plain(),
            "an anchor id",
        ),
        (Op::Append, mine.id.plain(), "nonsense", "an anchor value"),
        (Op::Erased, mine.id.plain(), "", "was erased"),
    ] {
        let entry = log.add(op, id, value);
        place.write("proof", &log.proof(entry).to_string())?;
        place.fails(1, words, &VERIFY)?;
    }
    Ok(())
}

#[test]
fn a_claim_about_a_chain_is_told_as_a_claim() -> Result<()> {
    let anchor = Anchor::new(SEED, 1);
    let (place, log) = prepared(&anchor, 0)?;
    let mut proof = log.proof(log.place_of(&anchor.values[0]));
    let (contract, transaction) = (
        format!("0x{}", "ab".repeat(20)),
        format!("0x{}", "cd".repeat(32)),
    );
    proof.extra.as_mut().unwrap().chain = Some(claim(&contract, &transaction));
    place.write("proof", &proof.to_string())?;
    let told = place.ok(&VERIFY)?;
    let (proven, not) = told.split_once("not proven\n").unwrap();
    assert!(!proven.contains("31337"), "{told}");
    assert!(
        not.contains("chain 31337: the proof says so") && not.contains(&transaction),
        "{told}"
    );
    assert_eq!(place.json(&VERIFY)?["chain"], json!(null));
    Ok(())
}
