//! Chains of anchor values: read, replayed by the rules, and written again.

use anyhow::{Context as _, Result, bail};
use keyssi::{
    AnchorId, AnchorSigner, AnchorValue, Head, KeySsi, Timestamp, append, check_history, create,
};
use serde_json::Value;

use crate::anchoring::value_class;
use crate::case::{Case, Vector, to_hex};

/// `chains.json`.
pub(crate) fn chains(vector: &Vector) -> Result<Case> {
    let case = if vector.find("const_plain").is_some() {
        constant_chain(vector)
    } else if vector.find("input").is_some() {
        environment_chain(vector)
    } else {
        signed_chain(vector)
    };
    vector.read_remarks();
    case
}

/// Reads every value, replays the rules over them, and writes each again.
fn signed_chain(vector: &Vector) -> Result<Case> {
    let mut case = Case::default();
    let seed = KeySsi::parse(vector.text("seed")?)?;
    let signer = AnchorSigner::of_seed(&seed)?;
    let id = signer.id();
    case.text(vector, "seed", &seed.plain())?;
    case.text(vector, "anchor_id_plain", id.plain())?;
    case.text(vector, "anchor_id_base58", id.as_str())?;
    let key = id.public_key().context("a signed anchor has a key")?;
    case.text(vector, "public_key_raw_hex", &to_hex(&key.to_raw()))?;
    let mut head: Option<Head> = None;
    let mut history = Vec::new();
    for (index, entry) in entries(vector)?.iter().enumerate() {
        let entry = Vector::new(entry)?;
        let (value, written) = compare_entry(&mut case, index, &entry, &signer, head.as_ref())?;
        let next = next_head(id, head.as_ref(), &value);
        let is_accepted = next.is_ok();
        case.compare(
            &format!("{index}: verified_by_sdk"),
            entry.flag("verified_by_sdk")?,
            is_accepted,
        );
        let ours = next_head(id, head.as_ref(), &written);
        case.compare(&format!("{index}: ours is accepted"), true, ours.is_ok());
        let unread = entry.unread();
        if !unread.is_empty() {
            bail!("unknown fields {unread:?} in entry {index}");
        }
        head = Some(next?);
        history.push(value);
    }
    case.compare("history", true, check_history(id, history)? == head);
    Ok(case)
}

fn entries(vector: &Vector) -> Result<&Vec<Value>> {
    let entries = vector.value("entries")?;
    entries.as_array().context("entries is no list")
}

fn next_head(id: &AnchorId, head: Option<&Head>, value: &AnchorValue) -> Result<Head> {
    Ok(match head {
        None => create(id, value)?,
        Some(head) => append(id, head, value)?,
    })
}

/// Compares one entry. Gives the recorded value and the one that we write.
fn compare_entry(
    case: &mut Case,
    index: usize,
    entry: &Vector,
    signer: &AnchorSigner,
    head: Option<&Head>,
) -> Result<(AnchorValue, AnchorValue)> {
    let mut field = |name: &str, ours: &str| -> Result<()> {
        case.compare(&format!("{index}: {name}"), entry.text(name)?, ours);
        Ok(())
    };
    let value = AnchorValue::parse_wrapped(entry.text("value_base58")?)?;
    field("value_plain", value.plain())?;
    field("value_base58", AnchorValue::parse(value.plain())?.as_str())?;
    field("brick_map_hash", value.brick_map_hash().unwrap_or_default())?;
    field("timestamp", value.timestamp().map_or("", Timestamp::as_str))?;
    field("signature", value.signature_text().unwrap_or_default())?;
    let previous = head.map_or("", |head| head.value().plain());
    field("previous_plain", previous)?;
    let hash = entry.text("brick_map_hash")?;
    let time = entry.text("timestamp")?;
    let data = format!("{}{hash}{previous}{time}", signer.id().plain());
    field("data_to_sign", &data)?;
    let link = KeySsi::parse(value.plain())?.derive()?.context("no hl")?;
    field("hl_plain", &link.plain())?;
    field("hl_base58", &link.wrapped())?;

    let now = Timestamp::from_millis(entry.number("clock")?);
    let written = match head {
        None => signer.create(hash, &now)?,
        Some(head) => signer.append(head, hash, &now)?,
    };
    let time = written.timestamp().map(Timestamp::as_str);
    case.compare(
        &format!("{index}: written timestamp"),
        entry.text("timestamp")?,
        time,
    );
    let recorded = without_signature(&value);
    let ours = without_signature(&written);
    case.compare(&format!("{index}: written value"), recorded, ours);
    Ok((value, written))
}

/// The plain value with its timestamp and signature cut out, which differ.
fn without_signature(value: &AnchorValue) -> String {
    let time = value.timestamp().map_or("", Timestamp::as_str);
    let signature = value.signature_text().unwrap_or_default();
    value
        .plain()
        .replacen(&format!("{time}|{signature}"), "…", 1)
}

fn constant_chain(vector: &Vector) -> Result<Case> {
    let mut case = Case::default();
    let ssi = KeySsi::parse(vector.text("const_plain")?)?;
    case.text(vector, "const_plain", &ssi.plain())?;
    let id = AnchorId::of(&ssi)?;
    case.text(vector, "anchor_id_base58", id.as_str())?;
    // The lenient reading gives back what was stored.
    let stored = AnchorValue::parse_stored(vector.text("value_base58")?)?;
    case.text(vector, "value_plain", stored.plain())?;
    case.text(vector, "value_base58", stored.as_str())?;
    let hash = vector.text("brick_map_hash")?;
    case.compare("brick_map_hash", hash, stored.brick_map_hash());
    case.compare("no entries", 0, entries(vector)?.len());
    let written = match AnchorValue::constant(&ssi, hash) {
        Ok(value) => {
            create(&id, &value)?;
            value.plain().to_owned()
        }
        Err(error) => value_class(&error).to_owned(),
    };
    case.compare("written value", vector.text("value_plain")?, written);
    Ok(case)
}

fn environment_chain(vector: &Vector) -> Result<Case> {
    let mut case = Case::default();
    let seed = KeySsi::parse(vector.text("input")?)?.resolve_domain(vector.environment());
    let signer = AnchorSigner::of_seed(&seed)?;
    case.text(vector, "anchor_id_plain", signer.id().plain())?;
    let value = AnchorValue::parse(vector.text("value_plain")?)?;
    case.text(vector, "value_plain", value.plain())?;
    case.compare("accepted", true, create(signer.id(), &value).is_ok());
    let hash = value.brick_map_hash().context("no hash")?;
    let written = signer.create(hash, value.timestamp().context("no time")?)?;
    case.compare(
        "written value",
        without_signature(&value),
        without_signature(&written),
    );
    case.compare(
        "ours is accepted",
        true,
        create(signer.id(), &written).is_ok(),
    );
    case.compare("no entries", 0, entries(vector)?.len());
    Ok(case)
}
