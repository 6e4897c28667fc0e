//! Parsing, both serialisations, hints and making identifiers.

use anyhow::{Context as _, Result, bail};
use keyssi::{
    AnchorId, ArrayElements, EncryptionKey, Hint, KeySsi, PrivateKey, PublicKey, SsiError,
    SsiFields, SsiKind, Version,
};
use serde_json::{Map, Value, json};

use crate::case::{Case, Vector, from_hex};

/// `parse.json`, `hints.json` and `invalid.json`: both readings of a text.
pub(crate) fn parse(vector: &Vector) -> Result<Case> {
    let mut case = Case::default();
    // Vectors of `parse.json` do not say it: all of them are accepted.
    let accepted = vector.find("accepted").is_none_or(|flag| flag == true);
    let input = match vector.find("input_kind") {
        // What is no text cannot be given to us at all.
        Some(kind) => other_than_text(kind)?,
        None => vector.value("input")?.clone(),
    };
    let text = input.as_str();
    let stored = text.map(KeySsi::parse_stored);
    let strict = text.map(KeySsi::parse);

    case.compare(
        "stored",
        recorded_outcome(vector, accepted)?,
        outcome(stored.as_ref()),
    );
    let recorded_strict = if accepted {
        "as stored".into()
    } else {
        recorded_outcome(vector, false)?
    };
    case.compare(
        "strict",
        recorded_strict,
        strict_outcome(strict.as_ref(), stored.as_ref()),
    );
    if accepted {
        let ssi = stored.as_ref().and_then(|parsed| parsed.as_ref().ok());
        compare_fields(&mut case, vector, ssi)?;
        compare_version(&mut case, vector, ssi);
    }
    if let Some(advice) = vector.find_text("advice") {
        let heeded = heeds(advice, strict.as_ref())?;
        case.compare("advice is heeded", true, heeded);
    }
    vector.read_remarks();
    Ok(case)
}

/// A value of the type that the vector names.
fn other_than_text(kind: &Value) -> Result<Value> {
    Ok(match kind.as_str().context("input_kind is no text")? {
        "undefined" | "null" => Value::Null,
        "number" => json!(5),
        "object" => json!({}),
        "boolean" => json!(true),
        other => bail!("unknown input_kind {other:?}"),
    })
}

/// The class of the recorded error, by its text.
fn recorded_outcome(vector: &Vector, accepted: bool) -> Result<String> {
    if accepted {
        return Ok("accepted".to_owned());
    }
    let error = vector.text("error")?;
    let classes = [
        ("An SSI should be provided", "not a text"),
        ("Wrong format of SSI.", "no identifier inside"),
        (
            "Cannot read properties of undefined (reading 'toString')",
            "not base58",
        ),
        ("Hint should be a JSON.", "bad hint"),
        (
            "registry[typeName].functionFactory is not a function",
            "unknown type",
        ),
    ];
    let known = classes.iter().find(|(text, _)| error.starts_with(text));
    match known {
        Some((_, class)) => Ok((*class).to_owned()),
        None if error.ends_with("is not a registered KeySSI type") => Ok("unknown type".to_owned()),
        None => bail!("unknown error {error:?}"),
    }
}

fn outcome(parsed: Option<&Result<KeySsi, SsiError>>) -> String {
    match parsed {
        None => "not a text".to_owned(),
        Some(Ok(_)) => "accepted".to_owned(),
        Some(Err(error)) => class(error).to_owned(),
    }
}

/// What the strict reading makes of a text, seen from the lenient one.
fn strict_outcome(
    strict: Option<&Result<KeySsi, SsiError>>,
    stored: Option<&Result<KeySsi, SsiError>>,
) -> String {
    match (strict, stored) {
        (Some(Ok(strict)), Some(Ok(stored))) if strict == stored => "as stored".to_owned(),
        (Some(Ok(_)), _) => "other than stored".to_owned(),
        (strict, _) => outcome(strict),
    }
}

/// Both readings have these classes; the names are those of the rules.
fn class(error: &SsiError) -> &'static str {
    match error {
        SsiError::TooLong { .. } => "too long",
        SsiError::NotBase58(_) => "not base58",
        SsiError::Alias => "alias",
        SsiError::NotUtf8 => "not UTF-8",
        // Base58 of other bytes: the reference replaces what is no UTF-8.
        SsiError::NotWrapped => "no identifier inside",
        SsiError::WrongPrefix => "wrong prefix",
        SsiError::MissingSegments { .. } => "missing segments",
        SsiError::UnknownKind(_) => "unknown type",
        SsiError::BadVersion => "bad version",
        SsiError::TrailingSpace => "trailing space",
        SsiError::BadHint(keyssi::HintError::Null) => "null hint",
        SsiError::BadHint(_) => "bad hint",
        _ => "another error",
    }
}

/// Whether the strict reading does what the vector advises.
fn heeds(advice: &str, strict: Option<&Result<KeySsi, SsiError>>) -> Result<bool> {
    let parsed = strict.and_then(|parsed| parsed.as_ref().ok());
    Ok(match advice {
        "reject" => parsed.is_none(),
        "accept" | "accept (reference limit never triggers)" | "accept as no hint or reject" => {
            parsed.is_some()
        }
        "accept as v0" => parsed.is_some_and(|ssi| *ssi.version() == Version::V0),
        "accept parse, fail crypto" => parsed.is_some_and(|ssi| {
            let has_key = ssi.public_key().is_ok() || ssi.encryption_key().is_ok();
            !has_key && AnchorId::of(ssi).is_err()
        }),
        "reject at the server" => {
            parsed.is_some_and(|ssi| AnchorId::parse_wrapped(&ssi.wrapped()).is_err())
        }
        other => bail!("unknown advice {other:?}"),
    })
}

/// Compares `result` and `declared_type`.
fn compare_fields(case: &mut Case, vector: &Vector, ssi: Option<&KeySsi>) -> Result<()> {
    let environment = vector.environment();
    let declared = ssi.map(|ssi| ssi.kind().name());
    case.optional(vector, "declared_type", declared);
    let recorded = vector.value("result")?;
    let resolved = ssi.map(|ssi| ssi.clone().resolve_domain(environment));
    let ours = resolved
        .zip(ssi)
        .map(|(resolved, ssi)| fields_of(&resolved, &ssi.bricks_domain(), recorded));
    compare_result(case, recorded, ours)
}

/// Compares each member of a recorded `result`.
fn compare_result(
    case: &mut Case,
    recorded: &Value,
    ours: Option<Map<String, Value>>,
) -> Result<()> {
    let recorded = recorded.as_object().context("result is no object")?;
    let ours = ours.unwrap_or_default();
    for (field, value) in recorded {
        let mine = ours.get(field).cloned().unwrap_or_default();
        case.compare(&format!("result.{field}"), normal(field, value), mine);
    }
    Ok(())
}

/// Undefined and empty fields are one to us, and numbers are their text.
fn normal(field: &str, value: &Value) -> Value {
    match (field, value) {
        ("domain" | "specific" | "control" | "bricks_domain", Value::Null) => "".into(),
        ("vn", Value::Null) => "undefined".into(),
        ("specific" | "control", Value::Number(number)) => number.to_string().into(),
        _ => value.clone(),
    }
}

/// Our fields under the names of the vectors.
fn fields_of(ssi: &KeySsi, bricks_domain: &str, recorded: &Value) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut add = |field: &str, value: Value| {
        // The vectors name the specific field of an `embed` differently, and
        // have no forms with hint if the reference could not write them.
        if recorded.get(field).is_some() {
            fields.insert(field.to_owned(), value);
        }
    };
    add("type", ssi.kind().name().into());
    add("domain", ssi.domain().into());
    add("specific", ssi.specific().into());
    add("specific_base64", ssi.specific().into());
    add("control", ssi.control().into());
    add("vn", ssi.version().to_string().into());
    add("bricks_domain", bricks_domain.into());
    add("hint", ssi.hint().map(Hint::normal_text).into());
    add("has_hint", ssi.hint().is_some().into());
    add("plain", ssi.plain().as_str().into());
    add("base58", ssi.wrapped().as_str().into());
    add("no_hint_plain", ssi.plain_without_hint().as_str().into());
    add("no_hint_base58", ssi.wrapped_without_hint().as_str().into());
    fields
}

/// Compares the pinned version of hints, or the error of reading it.
fn compare_version(case: &mut Case, vector: &Vector, ssi: Option<&KeySsi>) {
    let version = ssi
        .and_then(KeySsi::hint)
        .and_then(Hint::dsu_version_json)
        .and_then(|json| serde_json::from_str::<Value>(&json).ok());
    case.optional(vector, "dsu_version", version);
    case.optional(vector, "dsu_version_error", Value::Null);
}

/// `serialise.json`: identifiers put together field by field.
pub(crate) fn serialise(vector: &Vector) -> Result<Case> {
    let mut case = Case::default();
    let kind: SsiKind = vector.text("type")?.parse()?;
    let hint = vector.find_text("hint_json").map(Hint::parse).transpose()?;
    let version = match vector.find_text("vn") {
        None | Some("" | "v0") => Version::V0,
        Some(other) => Version::Other(other.into()),
    };
    let fields = SsiFields {
        domain: vector.find_text("domain").unwrap_or_default(),
        specific: vector.find_text("specific").unwrap_or_default(),
        control: vector.find_text("control").unwrap_or_default(),
        version,
        hint,
    };
    let ssi = KeySsi::new(kind, fields)?;
    compare_fields(&mut case, vector, Some(&ssi))?;
    let back = KeySsi::parse(&ssi.wrapped())?;
    case.compare("reads back", true, back == ssi);
    vector.read_remarks();
    Ok(case)
}

/// `create.json`: the makers of identifiers.
pub(crate) fn create(vector: &Vector) -> Result<Case> {
    let mut case = Case::default();
    let arguments = vector
        .value("args")?
        .as_array()
        .context("args is no list")?;
    let ssi = made(vector.text("call")?, arguments)?;
    if vector.find("result").is_some() {
        compare_fields(&mut case, vector, Some(&ssi))?;
    }
    if vector.find("uses_given_key").is_some() {
        let given = bytes(argument(arguments, 1)?)?;
        let is_given = ssi.private_key()?.as_bytes() == given;
        case.optional(vector, "uses_given_key", is_given);
    }
    case.optional(vector, "hint", ssi.hint().map(Hint::normal_text));
    vector.read_remarks();
    Ok(case)
}

fn argument(arguments: &[Value], index: usize) -> Result<&Value> {
    arguments
        .get(index)
        .with_context(|| format!("no argument {index}"))
}

/// Bytes are given as hexadecimal, or as text that stands for its UTF-8.
fn bytes(argument: &Value) -> Result<Vec<u8>> {
    match (
        argument.as_str(),
        argument.get("hex").and_then(Value::as_str),
    ) {
        (Some(text), _) => Ok(text.as_bytes().to_vec()),
        (None, Some(hex)) => from_hex(hex),
        (None, None) => bail!("neither text nor bytes"),
    }
}

/// What the call of the reference is with us.
fn made(call: &str, arguments: &[Value]) -> Result<KeySsi> {
    let text = |index: usize| -> Result<&str> {
        argument(arguments, index)?.as_str().context("not a text")
    };
    let number = |index: usize| -> Result<u64> {
        argument(arguments, index)?.as_u64().context("not a number")
    };
    let fields = |domain, specific, control| SsiFields {
        domain,
        specific,
        control,
        ..SsiFields::default()
    };
    Ok(match call {
        "createEmbedSSI" => KeySsi::embed(text(0)?, &bytes(argument(arguments, 1)?)?)?,
        "createVersionlessSSI" => {
            let key = arguments.get(2).map(bytes).transpose()?;
            let key = key.map(|key| EncryptionKey::from_slice(&key).context("not a key"));
            KeySsi::versionless(text(0)?, text(1)?, key.transpose()?.as_ref())?
        }
        "createSizeSSI" if arguments.len() == 2 => KeySsi::size(text(0)?, number(1)?, number(1)?)?,
        "createSizeSSI" => KeySsi::size(text(0)?, number(1)?, number(2)?)?,
        "createAliasSSI" => KeySsi::alias(text(0)?, text(1)?)?,
        "createHashLinkSSI" => KeySsi::hash_link(text(0)?, text(1)?)?,
        "createSignedHashLinkSSI" => {
            let control = format!("{}|{}", number(2)?, text(3)?);
            KeySsi::new(
                SsiKind::SignedHashLink,
                fields(text(0)?, text(1)?, &control),
            )?
        }
        "createTransferSSI" => {
            let control = format!("{}/{}", number(2)?, text(3)?);
            KeySsi::new(SsiKind::Transfer, fields(text(0)?, text(1)?, &control))?
        }
        "createPublicKeySSI" => {
            let key = PublicKey::from_sec1(&bytes(argument(arguments, 1)?)?)?;
            KeySsi::of_public_key(text(0)?.parse()?, &key)
        }
        "sza.initialize" => KeySsi::new(SsiKind::SZa, fields(text(0)?, "", text(1)?))?,
        "cza.initialize" => KeySsi::new(SsiKind::CZa, fields(text(0)?, text(1)?, ""))?,
        "token.initialize" => {
            let amount = number(1)?.to_string();
            KeySsi::new(SsiKind::Token, fields(text(0)?, &amount, text(2)?))?
        }
        "createSeedSSI" => {
            let key = PrivateKey::from_bytes(&bytes(argument(arguments, 1)?)?)?;
            KeySsi::seed(text(0)?, &key)?
        }
        "createConstSSI" => KeySsi::constant(text(0)?, text(1)?)?,
        "createArraySSI" => {
            let list = argument(arguments, 1)?.to_string();
            KeySsi::array(text(0)?, &ArrayElements::from_json(&list)?)?
        }
        other => bail!("unknown call {other:?}"),
    })
}
