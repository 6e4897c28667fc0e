//! Derivation chains, keys from passwords, mnemonics.

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyssi::mnemonic::MnemonicError;
use keyssi::{
    ArrayElements, DEFAULT_ITERATIONS, EncryptionKey, KeySsi, SsiFamily, SsiKind, UseError,
};
use serde_json::{Value, json};

use crate::case::{Case, Vector};

/// `derive.json`.
pub(crate) fn derive(vector: &Vector) -> Result<Case> {
    let mut case = Case::default();
    let ssi = KeySsi::parse(vector.text("input")?)?;
    case.optional(vector, "declared_type", ssi.kind().name());
    let chain = Chain::of(vector, &ssi)?;
    compare_steps(&mut case, vector, &chain)?;
    compare_anchor(&mut case, vector, &ssi, &chain)?;
    compare_key(&mut case, vector, &chain)?;
    compare_flags(&mut case, vector, &ssi);
    compare_ownership(&mut case, vector, &ssi)?;
    if vector.find("slot_asked").is_some() {
        let slot = ssi.slot_and_path().map(|(slot, _)| slot);
        case.optional(vector, "slot_asked", slot);
    }
    if let Some(expected) = vector.find("expect_crypto_failure") {
        case.compare(
            "expect_crypto_failure",
            expected.clone(),
            chain.stopped.is_some(),
        );
    }
    vector.read_remarks();
    Ok(case)
}

/// Everything that an identifier derives to, and where it stopped.
struct Chain {
    first: KeySsi,
    steps: Vec<KeySsi>,
    stopped: Option<UseError>,
}

impl Chain {
    fn of(vector: &Vector, first: &KeySsi) -> Result<Self> {
        let mut steps = Vec::new();
        let mut last = first.clone();
        if vector.find("slot_private_key_hex").is_some() {
            last = first.derive_path(&vector.hex("slot_private_key_hex")?)?;
            steps.push(last.clone());
        }
        let first = first.clone();
        loop {
            match last.derive() {
                Ok(Some(next)) => {
                    steps.push(next.clone());
                    last = next;
                }
                Ok(None) => {
                    let stopped = None;
                    return Ok(Self {
                        first,
                        steps,
                        stopped,
                    });
                }
                Err(error) => {
                    let stopped = Some(error);
                    return Ok(Self {
                        first,
                        steps,
                        stopped,
                    });
                }
            }
        }
    }

    /// A `path` has no keys of its own, its seed has them.
    fn holder(&self) -> &KeySsi {
        match self.first.kind() {
            SsiKind::Path => self.steps.first().unwrap_or(&self.first),
            _ => &self.first,
        }
    }
}

fn compare_steps(case: &mut Case, vector: &Vector, chain: &Chain) -> Result<()> {
    let steps: Vec<Value> = chain
        .steps
        .iter()
        .map(|step| {
            json!({
                "type": step.kind().name(),
                "plain": step.plain().as_str(),
                "base58": step.wrapped().as_str(),
            })
        })
        .collect();
    case.compare("steps", vector.value("steps")?.clone(), steps);
    let recorded = vector.find_text("derive_stops_with").map(recorded_class);
    let recorded = recorded.transpose()?.unwrap_or("at its end");
    let ours = chain.stopped.as_ref().map_or("at its end", class);
    case.compare("derive_stops_with", recorded, ours);
    Ok(())
}

fn compare_anchor(case: &mut Case, vector: &Vector, ssi: &KeySsi, chain: &Chain) -> Result<()> {
    let (plain, wrapped, error) = match (chain.holder().anchor(), ssi.versionless_name()) {
        (Ok(_), Some(name)) => (Some(name.to_string()), Some(name.to_string()), None),
        (Ok(anchor), None) => {
            let plain = anchor.plain().to_string();
            (Some(plain), Some(anchor.wrapped().to_string()), None)
        }
        (Err(error), _) => (None, None, Some(class(&error))),
    };
    let recorded = |field| vector.find(field).cloned().unwrap_or_default();
    case.compare("anchor_id_plain", recorded("anchor_id_plain"), plain);
    case.compare("anchor_id_base58", recorded("anchor_id_base58"), wrapped);
    let recorded = vector.find_text("anchor_id_error").map(recorded_class);
    case.compare("anchor_id_error", recorded.transpose()?, error);
    Ok(())
}

fn compare_key(case: &mut Case, vector: &Vector, chain: &Chain) -> Result<()> {
    let ours = match chain.holder().encryption_key() {
        Ok(Some(key)) => STANDARD.encode(key.as_bytes()),
        Ok(None) => "not encrypted".to_owned(),
        Err(error) => class(&error).to_owned(),
    };
    let recorded = match (
        vector.find("encryption_key_base64"),
        vector.find("has_encryption_key"),
        vector.find_text("encryption_key_error"),
    ) {
        (Some(Value::String(key)), None, None) => key.clone(),
        (Some(Value::Null), None, None) => "not encrypted".to_owned(),
        (None, Some(Value::Bool(false)), None) => "no such key".to_owned(),
        (None, None, Some(error)) => recorded_class(error)?.to_owned(),
        other => bail!("unknown record of a key: {other:?}"),
    };
    // Types whose use is refused altogether have no key either.
    case.compare("encryption key", recorded, ours);
    Ok(())
}

fn compare_flags(case: &mut Case, vector: &Vector, ssi: &KeySsi) {
    let kind = ssi.kind();
    case.optional(vector, "can_sign", kind.can_sign());
    case.optional(vector, "can_append", kind.can_append());
    case.optional(vector, "can_be_verified", kind.can_be_verified());
    case.optional(vector, "family", kind.family().map(SsiFamily::name));
    case.optional(vector, "is_transfer", kind == SsiKind::Transfer);
    case.optional(vector, "is_alias", kind == SsiKind::Alias);
    case.optional(vector, "is_embed", kind == SsiKind::Embed);
}

/// The extra fields of an `own`.
fn compare_ownership(case: &mut Case, vector: &Vector, ssi: &KeySsi) -> Result<()> {
    if vector.find("own_level").is_some() {
        let (level, token) = ssi.level_and_token()?;
        case.optional(vector, "own_level", level);
        case.optional(vector, "own_token", token);
        let reader = ssi.derive()?.context("an own derives to an oread")?;
        case.optional(vector, "own_private_key_hash", reader.specific());
        let owner = reader.control().split('/').next();
        case.optional(vector, "own_public_key_hash", owner);
    }
    if vector.find("get_anchor_id_sync_result").is_some() {
        let anchor = ssi.anchor()?.wrapped().to_string();
        case.optional(vector, "get_anchor_id_sync_result", anchor);
    }
    Ok(())
}

/// The class of a recorded error of a use, by its text.
pub(crate) fn recorded_class(error: &str) -> Result<&'static str> {
    let starts = [
        ("Not implemented", "derives to nothing"),
        ("Size SSI cannot be derived", "derives to nothing"),
        ("Alias SSI cannot be derived", "derives to nothing"),
        (
            "Private key is not valid for specified curve.",
            "no valid key",
        ),
        ("Algorithm type <", "unknown version"),
        ("target.getPublicKey is not a function", "no such key"),
        ("error:", "no valid key"),
        ("[object Object]", "result as error"),
        ("SSI passed as error", "result as error"),
        ("callback never called", "no answer"),
    ];
    let known = starts.iter().find(|(start, _)| error.starts_with(start));
    let (_, class) = known.with_context(|| format!("unknown error {error:?}"))?;
    Ok(class)
}

/// The same classes for our errors.
pub(crate) fn class(error: &UseError) -> &'static str {
    match error {
        UseError::UnknownVersion => "unknown version",
        UseError::Unusable { .. } => "unusable",
        UseError::NotDerivable { .. } => "derives to nothing",
        UseError::NoKey { .. } => "no such key",
        UseError::BadKey(_) => "no valid key",
        UseError::BadSymmetricKey => "no valid symmetric key",
        _ => "another error",
    }
}

/// `const_kdf.json`.
pub(crate) fn const_kdf(vector: &Vector) -> Result<Case> {
    let case = match vector.text("type")? {
        "const" => {
            let ssi = KeySsi::constant(vector.text("domain")?, vector.text("input")?)?;
            constant(vector, &ssi)
        }
        "array" => {
            let elements = ArrayElements::from_json(&vector.value("input")?.to_string())?;
            let domain = vector.text("domain")?;
            let mut case = constant(vector, &KeySsi::array(domain, &elements)?)?;
            let wallet = KeySsi::wallet(domain, &elements)?;
            case.text(vector, "wallet_plain", &wallet.plain())?;
            case.text(vector, "wallet_base58", &wallet.wrapped())?;
            let anchor = wallet.anchor()?.wrapped();
            case.text(vector, "wallet_anchor_id_base58", &anchor)?;
            Ok(case)
        }
        "derive_key" => derived_key(vector),
        "pass" => password(vector),
        "pass_error" => password_error(vector),
        other => bail!("unknown type {other:?}"),
    };
    vector.read_remarks();
    case
}

fn constant(vector: &Vector, ssi: &KeySsi) -> Result<Case> {
    let mut case = Case::default();
    case.text(vector, "key_base64", ssi.specific())?;
    let key = ssi.encryption_key()?.context("no key")?;
    case.text(vector, "key_base64", &STANDARD.encode(key.as_bytes()))?;
    case.text(vector, "plain", &ssi.plain())?;
    case.text(vector, "base58", &ssi.wrapped())?;
    let anchor = ssi.anchor()?;
    case.text(vector, "cza_plain", &anchor.plain())?;
    case.text(vector, "anchor_id_base58", &anchor.wrapped())?;
    Ok(case)
}

fn derived_key(vector: &Vector) -> Result<Case> {
    let mut case = Case::default();
    let password = match vector.find("input_hex") {
        Some(_) => vector.hex("input_hex")?,
        None => vector.text("input")?.as_bytes().to_vec(),
    };
    let iterations = match vector.value("iterations")? {
        Value::Null => DEFAULT_ITERATIONS,
        number => u32::try_from(number.as_u64().context("iterations is no number")?)?,
    };
    let key = EncryptionKey::from_password(&password, iterations);
    case.text(vector, "key_base64", &STANDARD.encode(key.as_bytes()))?;
    Ok(case)
}

/// The key of a password is that of the KDF; the identifier is one that we do
/// not write.
fn password(vector: &Vector) -> Result<Case> {
    let mut case = Case::default();
    let text = format!("{}{}", vector.text("context")?, vector.text("password")?);
    let iterations = u32::try_from(vector.number("iterations")?)?;
    let key = EncryptionKey::from_password(text.as_bytes(), iterations);
    case.text(vector, "key_base64", &STANDARD.encode(key.as_bytes()))?;
    // Read as it was recorded, it prints again and cannot be used.
    let recorded = vector.text("plain")?;
    let ssi = KeySsi::parse(recorded)?;
    case.compare("plain", recorded, ssi.plain().as_str());
    case.text(vector, "domain", ssi.domain())?;
    let ours = ssi.encryption_key().err();
    case.compare("use", "lossy text as key", ours.as_ref().map(class));
    Ok(case)
}

fn password_error(vector: &Vector) -> Result<Case> {
    let mut case = Case::default();
    let recorded = recorded_class(vector.text("error")?)?;
    let ssi = KeySsi::parse("ssi:pass:default:::v0")?;
    let ours = ssi.derive().err();
    case.compare("use", recorded, ours.as_ref().map(class));
    Ok(case)
}

/// `mnemonics.json`.
pub(crate) fn mnemonics(vector: &Vector) -> Result<Case> {
    let mut case = Case::default();
    if let Some(phrase) = vector.find_text("phrase_in") {
        let recorded = KeySsi::parse(vector.text("back")?)?;
        let back = KeySsi::from_phrase(recorded.kind(), recorded.domain(), phrase)?;
        case.text(vector, "back", &back.plain())?;
        return Ok(case);
    }
    let ssi = KeySsi::parse(vector.text("input")?)?;
    match ssi.phrase() {
        Ok(phrase) => {
            case.text(vector, "phrase", &phrase)?;
            let phrase = vector.text("phrase")?;
            let back = KeySsi::from_phrase(ssi.kind(), ssi.domain(), phrase)?;
            case.text(vector, "back", &back.plain())?;
            let decoded = keyssi::mnemonic::decode(phrase)?;
            case.compare("checksum", true, decoded.checksum_matches);
        }
        Err(error) => {
            let recorded = vector.text("error")?;
            let MnemonicError::KeyLength { found: bytes } = error else {
                bail!("unexpected {error}");
            };
            let ours = format!(
                "Data length in bits should be divisible by 32, but it is not ({bytes} bytes = {} bits).",
                bytes * 8
            );
            case.compare("error", recorded, ours);
        }
    }
    vector.read_remarks();
    Ok(case)
}
