//! Rules over anchors and their values.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k256::ecdsa::signature::Verifier as _;
use k256::ecdsa::{Signature, VerifyingKey};
use serde_json::{Map, Value, json};

use crate::case::Vector;
use crate::rules::{Parts, Patch, Rule, patch, plain, recorded, wrap};

const ANCHORING: &[&str] = &["anchoring_rules.json"];

pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: "canonical-anchor-id",
        files: ANCHORING,
        patch: canonical_id,
    },
    Rule {
        id: "value-domain",
        files: ANCHORING,
        patch: value_domain,
    },
    Rule {
        id: "value-type",
        files: ANCHORING,
        patch: value_type,
    },
    Rule {
        id: "hash-shape",
        files: &["anchoring_rules.json", "chains.json"],
        patch: hash_shape,
    },
    Rule {
        id: "decimal-timestamp",
        files: ANCHORING,
        patch: decimal_timestamp,
    },
    Rule {
        id: "exact-timestamps",
        files: ANCHORING,
        patch: exact_timestamps,
    },
    Rule {
        id: "first-entry-split",
        files: ANCHORING,
        patch: first_entry_split,
    },
    Rule {
        id: "constant-anchor-holds-hl",
        files: ANCHORING,
        patch: constant_holds_link,
    },
    Rule {
        id: "transfer-first-slash",
        files: ANCHORING,
        patch: first_slash,
    },
    Rule {
        id: "signer-after-transfer",
        files: ANCHORING,
        patch: signer_after_transfer,
    },
    Rule {
        id: "error-not-exception",
        files: ANCHORING,
        patch: error_not_exception,
    },
    Rule {
        id: "transfer-from-texts",
        files: ANCHORING,
        patch: transfer_from_texts,
    },
    Rule {
        id: "timestamp-added-as-number",
        files: &["chains.json"],
        patch: timestamp_added,
    },
];

fn refused(class: &str) -> Map<String, Value> {
    patch([
        ("outcome", "error".into()),
        ("class", class.into()),
        ("stored", Value::Null),
    ])
}

fn accepted(stored: Value) -> Map<String, Value> {
    patch([
        ("outcome", "ok".into()),
        ("class", Value::Null),
        ("stored", stored),
    ])
}

/// What is wrong with an anchor id that is an identifier.
fn id_class(vector: &Vector) -> Option<&'static str> {
    let text = vector.find_text("anchor_id")?;
    if text.contains(':') {
        return Some("id: not wrapped");
    }
    let parts = Parts::of(text)?;
    if parts.prefix != "ssi" || parts.version != "v0" {
        return Some("id: shape");
    }
    if parts.hint.is_some() {
        return Some("id: hint");
    }
    (!matches!(parts.kind.as_str(), "sza" | "cza")).then_some("id: type")
}

fn canonical_id(vector: &Vector, _: &Map<String, Value>) -> Patch {
    id_class(vector).map(refused)
}

/// The parts of the value that is to be written, unless the id is refused.
fn written(vector: &Vector) -> Option<Parts> {
    let is_write = matches!(vector.find_text("op"), Some("create" | "append"));
    if !is_write || id_class(vector).is_some() {
        return None;
    }
    vector.find_text("value").and_then(Parts::of)
}

fn anchor_kind(vector: &Vector) -> Option<String> {
    Some(Parts::of(vector.find_text("anchor_id")?)?.kind)
}

fn value_domain(vector: &Vector, _: &Map<String, Value>) -> Patch {
    let parts = written(vector).filter(|parts| parts.domain.starts_with('$'));
    parts.map(|_| refused("value: domain"))
}

fn is_value(parts: &Parts) -> bool {
    matches!(parts.kind.as_str(), "shl" | "hl" | "transfer")
}

fn value_type(vector: &Vector, _: &Map<String, Value>) -> Patch {
    let parts = written(vector).filter(|parts| !is_value(parts));
    parts.map(|_| refused("value: type"))
}

/// Base58 text of 1 to 44 characters.
fn is_hash(text: &str) -> bool {
    (1..=44).contains(&text.len()) && bs58::decode(text).into_vec().is_ok()
}

fn hash_shape(vector: &Vector, _: &Map<String, Value>) -> Patch {
    if vector.find("const_plain").is_some() {
        let hash = vector.text("brick_map_hash").ok()?;
        let answer = patch([("written value", "value: hash".into())]);
        return (!is_hash(hash)).then_some(answer);
    }
    let is_link = |parts: &Parts| matches!(parts.kind.as_str(), "shl" | "hl");
    let parts = written(vector).filter(|parts| is_link(parts) && !is_hash(&parts.specific));
    // A first entry whose hash is too long has a rule of its own.
    let is_create = vector.find_text("op") == Some("create");
    let parts = parts.filter(|parts| !is_create || parts.specific.len() <= 44);
    parts.map(|_| refused("value: hash"))
}

/// Timestamp and signature of a signed value.
fn control(parts: &Parts) -> Option<(&str, &str)> {
    match parts.kind.as_str() {
        "shl" => parts.control.split_once('|'),
        "transfer" => parts.control.split_once('/'),
        _ => None,
    }
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn decimal_timestamp(vector: &Vector, _: &Map<String, Value>) -> Patch {
    let is_odd = |parts: &Parts| control(parts).is_some_and(|(time, _)| !is_decimal(time));
    let parts = written(vector).filter(is_odd);
    parts.map(|_| refused("value: timestamp"))
}

/// Times that are equal as doubles but not as integers.
fn exact_timestamps(vector: &Vector, fields: &Map<String, Value>) -> Patch {
    let is_accepted = fields.get("outcome") == Some(&"ok".into());
    if vector.find_text("op") != Some("append") || !is_accepted {
        return None;
    }
    let history = vector.texts("history").ok()?;
    let last = history.last().and_then(|entry| Parts::of(entry));
    let (Some(last), Some(value)) = (last, written(vector)) else {
        return None;
    };
    let time = |parts: &Parts| control(parts).map(|(time, _)| time.to_owned());
    let (Some(last), Some(time)) = (time(&last), time(&value)) else {
        return None;
    };
    if !is_decimal(&last) || !is_decimal(&time) {
        return None;
    }
    let digits = |text: &str| text.trim_start_matches('0').to_owned();
    let (last, time) = (digits(&last), digits(&time));
    let is_older = (time.len(), &time) < (last.len(), &last);
    is_older.then(|| refused("older timestamp"))
}

fn first_entry_split(vector: &Vector, _: &Map<String, Value>) -> Patch {
    let is_first =
        vector.find_text("op") == Some("create") && anchor_kind(vector).as_deref() == Some("sza");
    let parts = written(vector).filter(|_| is_first)?;
    let is_link = parts.kind == "shl";
    let (time, _) = control(&parts)?;
    if is_link && parts.specific.len() > 44 {
        return Some(refused("value: hash"));
    }
    let is_odd = is_decimal(time) && time.len() != 13 && (!is_link || is_hash(&parts.specific));
    is_odd.then(|| refused("13 digits"))
}

fn constant_holds_link(vector: &Vector, _: &Map<String, Value>) -> Patch {
    if id_class(vector).is_some() || anchor_kind(vector).as_deref() != Some("cza") {
        return None;
    }
    let is_signed = |parts: &Parts| matches!(parts.kind.as_str(), "shl" | "transfer");
    let parts = match vector.find_text("op") {
        Some("create") => written(vector),
        Some("read") if vector.find("trust_level") == Some(&0.into()) => {
            let history = vector.texts("history").ok()?;
            history.first().and_then(|entry| Parts::of(entry))
        }
        _ => None,
    };
    let parts = parts.filter(is_signed);
    parts.map(|_| refused("wrong type of value"))
}

fn first_slash(vector: &Vector, fields: &Map<String, Value>) -> Patch {
    if vector.find_text("op") == Some("read") {
        return first_slash_in_history(vector);
    }
    let parts = written(vector).filter(|parts| parts.kind == "transfer")?;
    let (time, signature) = control(&parts)?;
    if !signature.contains('/') {
        return None;
    }
    let id = vector.text("anchor_id").ok()?;
    let history = vector.texts("history").ok()?;
    // The last entry decides here, as the owner has not changed before.
    let previous = history.last().and_then(|entry| plain(entry));
    let owner = owner_of(id, history.iter().copied())?;
    let data = signed_data(id, &parts, previous.as_deref().unwrap_or_default(), time)?;
    let is_valid = verifies(&owner, &data, signature)?;
    let mut answer = match (is_valid, vector.text("op").ok()?) {
        (true, action) => accepted(json!({
            "action": action,
            "anchor_id": id,
            "value": wrap(&parts.plain()),
        })),
        (false, "create") => refused("bad signature"),
        (false, _) if fields.get("class") == Some(&"older timestamp".into()) => Map::new(),
        (false, _) => refused("out of sync"),
    };
    if fields.contains_key("parsed_signature") {
        answer.insert("parsed_signature".to_owned(), signature.into());
    }
    Some(answer)
}

/// A history that holds a transfer whose signature has slashes.
fn first_slash_in_history(vector: &Vector) -> Patch {
    let id = vector.text("anchor_id").ok()?;
    let history = vector.texts("history").ok()?;
    let is_checked = vector.find("trust_level") == Some(&0.into());
    let is_cut = history
        .iter()
        .filter_map(|entry| Parts::of(entry))
        .any(|parts| parts.kind == "transfer" && parts.control.matches('/').count() > 1);
    if !is_checked || !is_cut {
        return None;
    }
    checked_versions(id, &history)
}

/// What reading a history gives that is checked with the right signers.
fn checked_versions(id: &str, history: &[&str]) -> Patch {
    let versions: Option<Vec<_>> = history.iter().map(|entry| plain(entry)).collect();
    let versions: Vec<_> = versions?.iter().map(|plain| wrap(plain)).collect();
    Some(if chain_verifies(id, history)? {
        accepted(versions.into())
    } else {
        refused("bad signature")
    })
}

fn signer_after_transfer(vector: &Vector, fields: &Map<String, Value>) -> Patch {
    if fields.get("class") != Some(&"no signer after a transfer".into()) {
        return None;
    }
    let id = vector.text("anchor_id").ok()?;
    let mut history = vector.texts("history").ok()?;
    if vector.text("op").ok()? == "read" {
        return checked_versions(id, &history);
    }
    let value = vector.text("value").ok()?;
    let parts = Parts::of(value)?;
    history.push(value);
    Some(if chain_verifies(id, &history)? {
        accepted(json!({
            "action": "append",
            "anchor_id": id,
            "value": wrap(&parts.plain()),
        }))
    } else {
        refused("out of sync")
    })
}

fn error_not_exception(_: &Vector, fields: &Map<String, Value>) -> Patch {
    let is_exception = fields.get("outcome") == Some(&"uncaught exception".into());
    let after_transfer = fields.get("class") == Some(&"no signer after a transfer".into());
    (is_exception && !after_transfer).then(|| patch([("outcome", "error".into())]))
}

fn transfer_from_texts(vector: &Vector, fields: &Map<String, Value>) -> Patch {
    let is_note = vector.find_text("op") == Some("note");
    let throws = is_note && recorded(fields, "result")?.starts_with("throws: ");
    throws.then(|| patch([("result", "signed".into())]))
}

/// Entries written while the clock lagged: the reference appends the digits
/// `10000` to the text of the last timestamp, we add the number.
fn timestamp_added(vector: &Vector, _: &Map<String, Value>) -> Patch {
    let entries = vector.find("entries").and_then(Value::as_array);
    let mut answer = Map::new();
    let mut last: Option<u128> = None;
    for (index, entry) in entries.into_iter().flatten().enumerate() {
        let clock = entry.get("clock").and_then(Value::as_u64);
        let clock = u128::from(clock?);
        if let Some(last) = last.filter(|last| clock < *last) {
            let time = (last + 10_000).to_string();
            answer.insert(format!("{index}: written timestamp"), time.into());
        }
        let time = entry.get("timestamp").and_then(Value::as_str);
        last = Some(time?.parse().ok()?);
    }
    (!answer.is_empty()).then_some(answer)
}

/// The data that an entry signs: anchor id, specific, previous, time.
fn signed_data(id: &str, parts: &Parts, previous: &str, time: &str) -> Option<String> {
    let id = plain(id)?;
    Some(format!("{id}{}{previous}{time}", parts.specific))
}

/// The key that owns the anchor after these entries.
fn owner_of<'a>(id: &str, entries: impl DoubleEndedIterator<Item = &'a str>) -> Option<Vec<u8>> {
    let mut transfers = entries.rev().filter_map(Parts::of);
    let last = transfers.find(|parts| parts.kind == "transfer");
    let text = match last {
        Some(transfer) => transfer.specific,
        None => Parts::of(id)?.control,
    };
    STANDARD.decode(text).ok()
}

/// Whether every entry is signed by the owner at its place.
fn chain_verifies(id: &str, history: &[&str]) -> Option<bool> {
    let mut previous = String::new();
    for (index, entry) in history.iter().enumerate() {
        let parts = Parts::of(entry)?;
        let Some((time, signature)) = control(&parts) else {
            return Some(false);
        };
        let owner = owner_of(id, history.iter().take(index).copied())?;
        let data = signed_data(id, &parts, &previous, time)?;
        if !verifies(&owner, &data, signature)? {
            return Some(false);
        }
        previous = parts.plain();
    }
    Some(true)
}

/// ECDSA over SHA-256, by the library itself.
fn verifies(key: &[u8], data: &str, signature: &str) -> Option<bool> {
    let key = VerifyingKey::from_sec1_bytes(key).ok()?;
    let bytes = STANDARD.decode(signature).ok()?;
    let Ok(signature) = Signature::from_slice(&bytes) else {
        return Some(false);
    };
    Some(
        key.verify(data.as_bytes(), &signature.normalize_s())
            .is_ok(),
    )
}
