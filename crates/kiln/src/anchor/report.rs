//! What `kiln anchor verify` prints: what is proven, and what is not.

use dsu::Moment;
use keyssi::AnchorValueKind;
use serde_json::{Value, json};

use super::chain::{NamedBy, OnChainEvidence};
use super::evidence::{Evidence, Signature};
use super::op_word;
use crate::exit::Failure;
use crate::hex::hex;
use crate::output::{self, printable};
use crate::utc;

/// The text form.
pub(super) fn print(evidence: &Evidence, chain: Option<&OnChainEvidence>) -> Result<(), Failure> {
    output::line("proven")?;
    for (word, text) in proven(evidence, chain) {
        output::line(&format!("  {word:<10} {}", printable(&text)))?;
    }
    output::line("not proven")?;
    for text in not_proven(evidence, chain) {
        output::line(&format!("  {}", printable(&text)))?;
    }
    Ok(())
}

/// The JSON form.
pub(super) fn json(evidence: &Evidence, chain: Option<&OnChainEvidence>) -> Value {
    let checkpoint = &evidence.proof.checkpoint;
    let (version, versions) = match evidence.signature {
        Signature::First | Signature::Constant => (Some(0), None),
        Signature::InHistory { version, versions } => (Some(version), Some(versions)),
        Signature::NeedsHistory => (None, None),
    };
    json!({
        "proven": true,
        "origin": checkpoint.origin.as_str(),
        "index": evidence.index,
        "size": checkpoint.size,
        "root": hex(&checkpoint.root),
        "anchor_id": evidence.anchor.as_str(),
        "value": evidence.value.as_str(),
        "brick_map": evidence.value.brick_map_hash(),
        "op": op_word(evidence.proof.entry.op),
        "version": version,
        "versions": versions,
        "signature": match evidence.signature {
            Signature::First | Signature::InHistory { .. } => "checked",
            Signature::Constant => "unsigned",
            Signature::NeedsHistory => "not checked",
        },
        "signed_at": signed_at(evidence),
        "logged_at": utc::format(Moment::from_millis(evidence.proof.entry.time_ms)),
        "cosigned_at": evidence.proof.newest_cosignature_s.map(utc_of_seconds),
        "cosignature_age_s": evidence.age_s,
        "chain": chain.map(chain_json),
        "not_proven": not_proven(evidence, chain),
    })
}

fn chain_json(chain: &OnChainEvidence) -> Value {
    json!({
        "chain_id": chain.chain_id,
        "contract": chain.contract.to_string(),
        "contract_named_by": match chain.named_by {
            NamedBy::Option => "option",
            NamedBy::Policy => "policy",
            NamedBy::Proof => "proof",
        },
        "transaction": chain.batch.transaction.to_string(),
        "block": chain.batch.block,
        "depth": chain.depth,
        "time": utc_of_seconds(chain.batch.time_s),
        "sequence": chain.batch.sequence,
    })
}

/// Pairs of a word and what is proven.
fn proven(evidence: &Evidence, chain: Option<&OnChainEvidence>) -> Vec<(&'static str, String)> {
    let checkpoint = &evidence.proof.checkpoint;
    let mut rows = vec![
        (
            "log",
            format!(
                "entry {} of {} in {}, whose key you named",
                evidence.index, checkpoint.size, checkpoint.origin
            ),
        ),
        ("anchor id", evidence.anchor.as_str().to_owned()),
        ("value", what(evidence)),
        ("signature", signature_words(evidence)),
    ];
    if let (Some(time_s), Some(age_s)) = (evidence.proof.newest_cosignature_s, evidence.age_s) {
        let text = format!(
            "{}, {age_s} s ago, by as many witnesses as your policy asks for",
            utc_of_seconds(time_s)
        );
        rows.push(("cosigned", text));
    }
    if let Some(chain) = chain {
        rows.push(("chain", chain_words(chain)));
    }
    rows
}

/// What the value says.
fn what(evidence: &Evidence) -> String {
    let value = &evidence.value;
    let time = signed_at(evidence).map_or_else(String::new, |time| {
        format!(", signed {time} by the clock of whoever signed it")
    });
    let what = match (value.kind(), value.brick_map_hash(), value.new_key()) {
        (AnchorValueKind::Transfer, _, Some(key)) => format!("handed over to the key {key}"),
        (_, Some(hash), _) => format!("brick map {hash}"),
        _ => value.as_str().to_owned(),
    };
    what + &time
}

fn signature_words(evidence: &Evidence) -> String {
    match evidence.signature {
        Signature::First => {
            "checked: the first version, signed with the key that the anchor id names".to_owned()
        }
        Signature::Constant => "none: the one value of a constant anchor is not signed".to_owned(),
        Signature::InHistory { version, versions } => format!(
            "checked: version {version} of 0 to {}, every signature up to the last one holds",
            versions.saturating_sub(1)
        ),
        Signature::NeedsHistory => {
            "not checked: a later version, its signature is checked with the history".to_owned()
        }
    }
}

fn chain_words(chain: &OnChainEvidence) -> String {
    let named = match chain.named_by {
        NamedBy::Option => "that you named",
        NamedBy::Policy => "that your policy names",
        NamedBy::Proof => "that the proof itself names",
    };
    format!(
        "the root is on chain {} since {}: batch {} in the contract {} {named}, transaction {} in \
         block {}, {} deep",
        chain.chain_id,
        utc_of_seconds(chain.batch.time_s),
        chain.batch.sequence,
        chain.contract,
        chain.batch.transaction,
        chain.batch.block,
        chain.depth
    )
}

/// What somebody might take for proven.
fn not_proven(evidence: &Evidence, chain: Option<&OnChainEvidence>) -> Vec<String> {
    let mut texts = Vec::new();
    if evidence.signature == Signature::NeedsHistory {
        texts.push("that the owner of the anchor signed the value: give --history".to_owned());
    }
    if evidence.signature == Signature::Constant {
        texts.push("who wrote the value: constant anchors are not signed".to_owned());
    }
    texts.push(
        "that this is the newest version: the log proves what is in it, not what is not; ask several \
         nodes, or a monitor of the log"
            .to_owned(),
    );
    if evidence.proof.newest_cosignature_s.is_none() {
        texts.push(
            "that everybody is shown the same log, and how old the checkpoint is: no witness was \
             asked for"
                .to_owned(),
        );
    }
    let logged = Moment::from_millis(evidence.proof.entry.time_ms);
    texts.push(format!(
        "when it was written: the log says {}, the clock is its own",
        utc::format(logged)
    ));
    match (&evidence.claimed, chain) {
        (Some(claimed), None) => texts.push(format!(
            "that the root of the checkpoint is on chain {}: the proof says so (transaction {}, \
             contract {}), --rpc checks it",
            claimed.chain_id, claimed.transaction, claimed.contract
        )),
        (_, Some(chain)) if chain.named_by == NamedBy::Proof => texts.push(
            "that the contract is the one of the log's operator: the proof names it, and anybody can \
             make such a contract; name the right one with --contract"
                .to_owned(),
        ),
        _ => {}
    }
    texts
}

fn signed_at(evidence: &Evidence) -> Option<String> {
    let time = evidence.value.timestamp()?.as_str().parse().ok()?;
    Some(utc::format(Moment::from_millis(time)))
}

fn utc_of_seconds(time_s: u64) -> String {
    utc::format(Moment::from_millis(time_s.saturating_mul(1000)))
}
