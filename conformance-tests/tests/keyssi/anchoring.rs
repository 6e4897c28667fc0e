//! The rules of anchoring, as a server applies them.

use anyhow::{Context as _, Result, bail};
use keyssi::{
    AnchorId, AnchorIdError, AnchorKind, AnchorSigner, AnchorValue, AnchorValueError, AppendError,
    CreateError, EntryError, Head, KeySsi, SignError, Timestamp, append, check_history, create,
};
use serde_json::{Value, json};

use crate::case::{Case, Vector};

/// `anchoring_rules.json`.
pub(crate) fn rules(vector: &Vector) -> Result<Case> {
    let mut case = Case::default();
    // A refusal may come before these are looked at.
    for field in ["history", "value", "trust_level"] {
        vector.find(field);
    }
    let answer = match vector.text("op")? {
        "create" => answer_create(vector)?,
        "append" => answer_append(vector)?,
        "read" => answer_read(vector)?,
        "note" => {
            let recorded = vector.text("result")?;
            case.compare("result", recorded, transfer_is_signed()?);
            return Ok(case);
        }
        other => bail!("unknown op {other:?}"),
    };
    let recorded = recorded_answer(vector)?;
    case.compare("outcome", recorded.outcome, answer.outcome);
    case.compare("class", recorded.class, answer.class);
    case.compare("stored", recorded.stored, answer.stored);
    compare_transfer(&mut case, vector)?;
    compare_owners(&mut case, vector)?;
    // The variable that a domain names; never looked up.
    vector.find("env");
    vector.read_remarks();
    Ok(case)
}

/// Recorded or ours: whether it worked, the kind of error, what was stored or
/// read.
#[derive(Debug)]
struct Answer {
    outcome: &'static str,
    class: Option<&'static str>,
    stored: Value,
}

impl Answer {
    const fn stored(stored: Value) -> Self {
        Self {
            outcome: "ok",
            class: None,
            stored,
        }
    }

    const fn refused(class: &'static str) -> Self {
        Self {
            outcome: "error",
            class: Some(class),
            stored: Value::Null,
        }
    }
}

fn recorded_answer(vector: &Vector) -> Result<Answer> {
    let result = vector.value("result")?;
    let text = |field: &str| result.get(field).and_then(Value::as_str);
    let outcome = match text("outcome") {
        Some("ok") => {
            let stored = result.get("stored").or(result.get("versions"));
            return Ok(Answer::stored(
                stored.context("nothing stored or read")?.clone(),
            ));
        }
        // Thrown at the caller: an error like any other.
        Some("error" | "throws") => "error",
        Some("uncaught_exception") => "uncaught exception",
        other => bail!("unknown outcome {other:?}"),
    };
    let error = text("error").context("no error text")?;
    let code = match result.get("code") {
        Some(Value::Number(code)) => code.as_u64(),
        // The platform's name of a missing argument, which its text names too.
        None | Some(Value::Null) => None,
        Some(code) if code == "ERR_INVALID_ARG_TYPE" => None,
        Some(other) => bail!("unknown code {other}"),
    };
    let class = recorded_class(vector, code, error)?;
    Ok(Answer {
        outcome,
        class: Some(class),
        stored: Value::Null,
    })
}

/// The class of a recorded refusal.
fn recorded_class(vector: &Vector, code: Option<u64>, error: &str) -> Result<&'static str> {
    let malformed = |text: &str| error.starts_with(&format!("Wrong format of SSI. {text} "));
    let classes = [
        (code == Some(409), "older timestamp"),
        (code == Some(428), "out of sync"),
        (error == "Failed to verify signature", "bad signature"),
        (error.starts_with("Cannot append anchor"), "constant anchor"),
        (
            error.starts_with("Cannot update non existing anchor"),
            "no history",
        ),
        (
            error.starts_with("anchorValueSSIKeySSI.getSignature"),
            "wrong type of value",
        ),
        (
            error.starts_with("The first argument must be of type string"),
            "value: no signature",
        ),
        (
            error.starts_with("Cannot read properties of undefined"),
            "no signer after a transfer",
        ),
        (error == "target.getPublicKey is not a function", "id: type"),
        (error.starts_with("Algorithm type <"), "id: unusable"),
        (malformed(vector.text("anchor_id")?), "id: no identifier"),
        (
            malformed(vector.find_text("value").unwrap_or(" ")),
            "value: no identifier",
        ),
        (
            error.starts_with("Wrong format of SSI. "),
            "entry: no identifier",
        ),
    ];
    let known = classes.iter().find(|(applies, _)| *applies);
    let (_, class) = known.with_context(|| format!("unknown error {code:?} {error:?}"))?;
    Ok(class)
}

/// Id and value as a server takes them.
fn parsed(vector: &Vector) -> Result<Result<(AnchorId, AnchorValue), &'static str>> {
    let id = AnchorId::parse_wrapped(vector.text("anchor_id")?);
    let value = AnchorValue::parse(vector.text("value")?);
    Ok(match (id, value) {
        (Err(error), _) => Err(id_class(&error)),
        (_, Err(error)) => Err(value_class(&error)),
        (Ok(id), Ok(value)) => Ok((id, value)),
    })
}

fn answer_create(vector: &Vector) -> Result<Answer> {
    let (id, value) = match parsed(vector)? {
        Ok(parsed) => parsed,
        Err(class) => return Ok(Answer::refused(class)),
    };
    Ok(match create(&id, &value) {
        Ok(head) => Answer::stored(json!({
            "action": "create",
            "anchor_id": id.as_str(),
            "value": head.value().as_str(),
        })),
        Err(error) => Answer::refused(entry_class(&error.into())),
    })
}

fn answer_append(vector: &Vector) -> Result<Answer> {
    let (id, value) = match parsed(vector)? {
        Ok(parsed) => parsed,
        Err(class) => return Ok(Answer::refused(class)),
    };
    let Some(head) = head_of(vector)? else {
        // What a server finds before it asks the rules.
        let is_constant = id.kind() == AnchorKind::Constant;
        return Ok(Answer::refused(if is_constant {
            "constant anchor"
        } else {
            "no history"
        }));
    };
    Ok(match append(&id, &head, &value) {
        Ok(head) => Answer::stored(json!({
            "action": "append",
            "anchor_id": id.as_str(),
            "value": head.value().as_str(),
        })),
        Err(error) => Answer::refused(entry_class(&error.into())),
    })
}

/// The head of the recorded history, as a server has kept it.
fn head_of(vector: &Vector) -> Result<Option<Head>> {
    let history = vector.texts("history")?;
    let Some(last) = history.last() else {
        return Ok(None);
    };
    let mut transferred = None;
    for entry in &history {
        let value = AnchorValue::parse_stored(entry)?;
        transferred = value.new_key().map(str::to_owned).or(transferred);
    }
    Ok(Some(Head::restore(last, transferred.as_deref())?))
}

/// Trust level 1 reads, level 0 checks what it has read.
fn answer_read(vector: &Vector) -> Result<Answer> {
    let id = match AnchorId::parse_wrapped(vector.text("anchor_id")?) {
        Ok(id) => id,
        Err(error) => return Ok(Answer::refused(id_class(&error))),
    };
    let history = vector.texts("history")?;
    let values: Result<Vec<_>, _> = history.into_iter().map(AnchorValue::parse_stored).collect();
    let values = match values {
        Ok(values) => values,
        Err(AnchorValueError::NotAnIdentifier(_)) => {
            return Ok(Answer::refused("entry: no identifier"));
        }
        Err(error) => return Ok(Answer::refused(value_class(&error))),
    };
    let texts: Vec<_> = values
        .iter()
        .map(|value| value.as_str().to_owned())
        .collect();
    match vector.number("trust_level")? {
        0 => {
            if let Err(error) = check_history(&id, values) {
                // The reference names all failed signatures alike.
                let class = match entry_class(&error.source) {
                    "out of sync" => "bad signature",
                    class => class,
                };
                return Ok(Answer::refused(class));
            }
        }
        1 => {}
        other => bail!("unknown trust level {other}"),
    }
    Ok(Answer::stored(texts.into()))
}

/// The fields that vectors with a transfer as value have.
fn compare_transfer(case: &mut Case, vector: &Vector) -> Result<()> {
    let Some(key) = vector.find("transfer_public_key") else {
        return Ok(());
    };
    let value = AnchorValue::parse(vector.text("value")?)?;
    case.compare("transfer_public_key", key.clone(), value.new_key());
    let id = AnchorId::parse_wrapped(vector.text("anchor_id")?)?;
    let head = match vector.text("op")? {
        "append" => head_of(vector)?,
        _ => None,
    };
    let previous = head.as_ref().map_or("", |head| head.value().plain());
    let time = value.timestamp().map_or("", Timestamp::as_str);
    let key = value.new_key().unwrap_or_default();
    let data = format!("{}{key}{previous}{time}", id.plain());
    case.text(vector, "data_to_sign", &data)?;
    case.text(vector, "parsed_timestamp", time)?;
    case.text(
        vector,
        "parsed_signature",
        value.signature_text().unwrap_or_default(),
    )
}

/// Which of the owners has signed, for vectors after a transfer.
fn compare_owners(case: &mut Case, vector: &Vector) -> Result<()> {
    if vector.find("verify_with_transfer_key").is_none() {
        return Ok(());
    }
    let id = AnchorId::parse_wrapped(vector.text("anchor_id")?)?;
    let value = AnchorValue::parse(vector.text("value")?)?;
    let head = head_of(vector)?.context("no history")?;
    let time = value.timestamp().map_or("", Timestamp::as_str);
    let hash = value.brick_map_hash().unwrap_or_default();
    let data = format!("{}{hash}{}{time}", id.plain(), head.value().plain());
    let signature = value.signature_text().unwrap_or_default();
    let transfer = KeySsi::parse(&format!(
        "ssi:transfer:default:{}::v0",
        head.transferred_to().context("no transfer")?
    ))?;
    let original = KeySsi::parse(id.plain())?;
    for (field, owner) in [
        ("verify_with_transfer_key", transfer),
        ("verify_with_original_key", original),
    ] {
        let verified = owner.verify(data.as_bytes(), signature)?;
        case.compare(field, vector.flag(field)?, verified);
    }
    Ok(())
}

/// The reference cannot make the data that a transfer signs from texts. Ours
/// is made from texts, and verifies.
fn transfer_is_signed() -> Result<&'static str> {
    let seed = |text: &str| KeySsi::parse(&format!("ssi:seed:default:{text}::v0"));
    let signer = AnchorSigner::of_seed(&seed("BQ==")?)?;
    let new_key = seed("Bg==")?.public_key()?;
    let now = Timestamp::from_millis(1_700_000_000_000);
    let transfer = signer.transfer(None, &new_key, &now)?;
    let transfer = AnchorValue::parse_wrapped(transfer.as_str())?;
    create(signer.id(), &transfer)?;
    let no_time = signer.create("hash1", &Timestamp::from_millis(5));
    if no_time != Err(SignError::TimestampNotThirteenDigits) {
        bail!("a first entry of any time was signed");
    }
    Ok("signed")
}

fn id_class(error: &AnchorIdError) -> &'static str {
    match error {
        AnchorIdError::NotWrapped => "id: not wrapped",
        AnchorIdError::TooLong { .. } => "id: length",
        AnchorIdError::NotAnIdentifier(_) => "id: no identifier",
        AnchorIdError::WrongShape => "id: shape",
        AnchorIdError::Hint => "id: hint",
        AnchorIdError::WrongKind => "id: type",
        AnchorIdError::BadDomain(_) => "id: domain",
        AnchorIdError::BadKey => "id: key",
        AnchorIdError::BadHash => "id: hash",
        _ => "id: other",
    }
}

pub(crate) fn value_class(error: &AnchorValueError) -> &'static str {
    match error {
        AnchorValueError::NotAnIdentifier(_) => "value: no identifier",
        AnchorValueError::WrongShape => "value: shape",
        AnchorValueError::WrongKind => "value: type",
        AnchorValueError::BadDomain(_) => "value: domain",
        AnchorValueError::HintNotNormal | AnchorValueError::BadHint(_) => "value: hint",
        AnchorValueError::BadHash => "value: hash",
        AnchorValueError::BadNewKey => "value: new key",
        AnchorValueError::MissingSignature => "value: no signature",
        AnchorValueError::BadTimestamp => "value: timestamp",
        _ => "value: other",
    }
}

fn entry_class(error: &EntryError) -> &'static str {
    match error {
        EntryError::Create(CreateError::WrongValueKind { .. })
        | EntryError::Append(AppendError::WrongValueKind { .. }) => "wrong type of value",
        EntryError::Create(CreateError::TimestampNotThirteenDigits) => "13 digits",
        EntryError::Create(CreateError::BadSignature) => "bad signature",
        EntryError::Append(AppendError::ConstantAnchor) => "constant anchor",
        EntryError::Append(AppendError::OlderTimestamp { .. }) => "older timestamp",
        EntryError::Append(AppendError::OutOfSync) => "out of sync",
        _ => "other",
    }
}
