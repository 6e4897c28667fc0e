//! Encodings, hashes, keys, signatures and envelopes.

use std::convert::Infallible;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyssi::ecies::{self, EciesEnvelope};
use keyssi::{
    BrickHash, EncryptionKey, KeySsi, PrivateKey, PublicKey, Signature, SsiFields, SsiKind, base58,
    base64 as ssi_base64, envelope, object_hash,
};
use rand_core::{TryCryptoRng, TryRng};
use serde_json::{Value, json};

use crate::case::{Case, Vector, to_hex};
use crate::derivation::{class, recorded_class};

/// A generator that gives out bytes that were recorded. Beyond them it repeats
/// them, which no envelope in the vectors needs.
struct Recorded {
    bytes: Vec<u8>,
    next: usize,
}

impl Recorded {
    const fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, next: 0 }
    }
}

impl TryRng for Recorded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            let index = self.next % self.bytes.len().max(1);
            *byte = self.bytes.get(index).copied().unwrap_or(1);
            self.next += 1;
        }
        Ok(())
    }
}

impl TryCryptoRng for Recorded {}

/// `primitives.json`.
pub(crate) fn primitives(vector: &Vector) -> Result<Case> {
    let mut case = Case::default();
    match vector.text("op")? {
        "base58_encode" => {
            case.text(vector, "output", &base58::encode(&vector.hex("input_hex")?))?;
        }
        "base58_decode" => {
            let decoded = base58::decode(vector.text("input")?).ok();
            let ours = decoded.map(|bytes| to_hex(&bytes));
            case.compare("output_hex", vector.value("output_hex")?.clone(), ours);
        }
        "base64_encode" => {
            let input = vector.hex("input_hex")?;
            case.text(vector, "output", &ssi_base64::encode(&input))?;
        }
        "base64_decode" => {
            let decoded = ssi_base64::decode_lenient(vector.text("input")?);
            case.text(vector, "output_hex", &to_hex(&decoded))?;
            // The strict reading takes what we would write and nothing else.
            let is_ours = ssi_base64::encode(&decoded) == vector.text("input")?;
            let strict = ssi_base64::decode_canonical(vector.text("input")?);
            case.compare("strict", is_ours, strict == Ok(decoded));
        }
        "sha256_base58" => {
            let hash = BrickHash::of(&vector.hex("input_hex")?);
            case.text(vector, "output", &hash.to_string())?;
            case.optional(vector, "raw_hex", to_hex(hash.as_bytes()));
            let parsed = vector.text("output")?.parse() == Ok(hash);
            case.compare("parses", true, parsed);
        }
        "sha256_object_base58" => {
            let hash = object_hash(&vector.value("input_json")?.to_string())?;
            case.text(vector, "output", &hash.to_string())?;
        }
        other => bail!("unknown op {other:?}"),
    }
    vector.read_remarks();
    Ok(case)
}

/// `keys.json`.
pub(crate) fn keys(vector: &Vector) -> Result<Case> {
    let mut case = Case::default();
    let key = PrivateKey::from_bytes(&vector.hex("private_hex")?)?;
    let public = key.public_key();
    case.text(vector, "public_raw_hex", &to_hex(&public.to_raw()))?;
    case.text(vector, "public_pem", &public.to_pem())?;
    let read = PublicKey::from_pem(vector.text("public_pem")?);
    case.compare("public PEM reads back", true, read == Ok(public));
    if vector.find("pk_plain").is_some() {
        let ssi = KeySsi::of_public_key(SsiKind::Seed, &public);
        case.text(vector, "pk_plain", &ssi.plain())?;
        case.text(vector, "pk_base58", &ssi.wrapped())?;
        case.text(
            vector,
            "pk_der_hex",
            &to_hex(&ssi.public_key()?.to_spki_der()),
        )?;
        return Ok(case);
    }
    case.text(vector, "private_pem", &key.to_sec1_pem())?;
    let read = PrivateKey::from_sec1_pem(vector.text("private_pem")?);
    case.compare("private PEM reads back", true, read == Ok(key.clone()));
    let domain = KeySsi::parse(vector.text("seed_plain")?)?
        .domain()
        .to_owned();
    let seed = KeySsi::seed(&domain, &key)?;
    case.text(vector, "seed_plain", &seed.plain())?;
    let seed_pem = seed.public_key()?.to_pem();
    case.text(vector, "seed_get_public_key_default", &seed_pem)?;
    let anchor = seed.anchor()?;
    case.text(vector, "sza_plain", &anchor.plain())?;
    let public = anchor.public_key()?;
    case.text(vector, "sza_public_default", &public.to_pem())?;
    case.text(vector, "sza_public_der_hex", &to_hex(&public.to_spki_der()))?;
    let read = PublicKey::from_spki_der(&vector.hex("sza_public_der_hex")?);
    case.compare("DER reads back", true, read == Ok(public));
    case.text(vector, "sza_public_raw_hex", &to_hex(&public.to_raw()))?;
    // The reference takes the name of a format in one shape of argument only.
    // Ours are methods: asking for the raw form gives the raw form.
    let is_pem = public.to_raw().starts_with(b"-----BEGIN");
    case.optional(vector, "sza_public_string_raw_is_pem", is_pem);
    Ok(case)
}

/// `signatures.json`.
pub(crate) fn signatures(vector: &Vector) -> Result<Case> {
    if vector.find_text("kind") == Some("own_sign") {
        return ownership(vector);
    }
    ensure!(vector.find("kind").is_none(), "unknown kind");
    let mut case = Case::default();
    let verifier = KeySsi::parse(vector.text("verifier")?)?;
    let data = vector.text("data_utf8")?.as_bytes();
    let verdict = |signature: &str| match verifier.verify(data, signature) {
        Ok(valid) => Value::Bool(valid),
        Err(error) => class(&error).into(),
    };
    let recorded = match vector.value("valid")? {
        Value::String(error) => {
            let error = error.strip_prefix("throws: ");
            recorded_class(error.context("unknown verdict")?)?.into()
        }
        valid => valid.clone(),
    };
    case.compare(
        "valid",
        recorded.clone(),
        verdict(vector.text("signature")?),
    );
    if let Some(second) = vector.find_text("second_signature") {
        case.compare("second is valid", recorded, verdict(second));
        let differ = verifier.sign(data)? != verifier.sign(data)?;
        case.optional(vector, "differ", differ);
    }
    if verifier.kind() == SsiKind::Seed {
        let ours = verifier.sign(data)?.to_text();
        case.compare(
            "our signature",
            json!([true, 88]),
            json!([verdict(&ours), ours.len()]),
        );
    }
    vector.read_remarks();
    Ok(case)
}

fn ownership(vector: &Vector) -> Result<Case> {
    let mut case = Case::default();
    let private = vector.hex("private_hex")?;
    let specific = STANDARD.encode(&private);
    let fields = SsiFields {
        domain: "default",
        specific: &specific,
        control: "0/token",
        ..SsiFields::default()
    };
    let own = KeySsi::new(SsiKind::Own, fields)?;
    let data = vector.text("data_utf8")?.as_bytes();
    let proof = vector.value("proof")?;
    let recorded = |field: &str| proof.get(field).and_then(Value::as_str).context("no proof");
    let members = proof.as_object().map(serde_json::Map::len);
    ensure!(members == Some(2), "unknown shape of a proof");
    let ours = own.prove_ownership(data)?;
    let public = STANDARD.encode(ours.public_key.to_raw());
    case.compare("publicKey", recorded("publicKey")?, public);
    let public = PublicKey::from_sec1(&STANDARD.decode(recorded("publicKey")?)?)?;
    let signature = Signature::from_text(recorded("signature")?)?;
    let valid = public.verify(data, &signature);
    case.compare("valid", vector.flag("valid")?, valid);
    case.compare("ours is valid", true, public.verify(data, &ours.signature));
    Ok(case)
}

/// `envelopes.json`.
pub(crate) fn envelopes(vector: &Vector) -> Result<Case> {
    let mut case = Case::default();
    let key = EncryptionKey::from_slice(&vector.base64("key_base64")?);
    if vector.find_text("kind") == Some("se") {
        let key = key.context("not a key")?;
        let domain = KeySsi::parse(vector.text("plain")?)?.domain().to_owned();
        let ssi = KeySsi::symmetric_key(&domain, &key)?;
        case.text(vector, "plain", &ssi.plain())?;
        case.text(vector, "base58", &ssi.wrapped())?;
        case.compare("key", true, ssi.encryption_key()? == Some(key));
        return Ok(case);
    }
    ensure!(vector.find("kind").is_none(), "unknown kind");
    let sealed = vector.base64("envelope_base64")?;
    let opened = key.as_ref().map(|key| envelope::open(key, &sealed));
    let opened = opened.and_then(Result::ok);
    case.compare("decrypts", vector.flag("decrypts")?, opened.is_some());
    let is_deterministic = vector.flag("avoid_random")?;
    let Some(plaintext) = recorded_plaintext(vector)? else {
        return Ok(case);
    };
    let key = key.context("not a key")?;
    let length = u64::try_from(plaintext.len())?;
    case.compare(
        "plaintext_length",
        vector.number("plaintext_length")?,
        length,
    );
    let opened = opened.map(|plaintext| to_hex(&plaintext));
    case.compare("plaintext", to_hex(&plaintext), opened);
    // Sealed again with the recorded iv and aad, it is the same envelope.
    let trailer = sealed.get(plaintext.len()..).unwrap_or_default();
    let again = if is_deterministic {
        envelope::seal_deterministic(&key, &plaintext)?
    } else {
        envelope::seal(&key, &plaintext, &mut Recorded::new(trailer.to_vec()))?
    };
    case.compare("envelope", to_hex(&sealed), to_hex(&again));
    for (field, from, to) in [("iv_hex", 0, 16), ("aad_hex", 16, 48), ("tag_hex", 48, 64)] {
        let part = again.get(plaintext.len() + from..plaintext.len() + to);
        case.optional(vector, field, part.map(to_hex));
    }
    Ok(case)
}

fn recorded_plaintext(vector: &Vector) -> Result<Option<Vec<u8>>> {
    if vector.find("plaintext_base64").is_some() {
        return vector.base64("plaintext_base64").map(Some);
    }
    match vector.find_text("plaintext_rule") {
        None => Ok(None),
        Some("byte i = (7*i + (i>>8)) & 255") => {
            let bytes = (0..vector.number("plaintext_length")?).map(|i| 7 * i + (i >> 8));
            let bytes = bytes.map(|byte| u8::try_from(byte & 255));
            Ok(Some(bytes.collect::<Result<_, _>>()?))
        }
        Some(other) => bail!("unknown rule {other:?}"),
    }
}

/// `ecies.json`.
pub(crate) fn ecies(vector: &Vector) -> Result<Case> {
    let mut case = Case::default();
    let receiver = PrivateKey::from_bytes(&vector.hex("receiver_private_hex")?)?;
    let sender = match vector.find("sender_private_hex") {
        Some(_) => Some(PrivateKey::from_bytes(&vector.hex("sender_private_hex")?)?),
        None => None,
    };
    let sealed: EciesEnvelope = serde_json::from_value(vector.value("envelope")?.clone())?;
    let written = serde_json::to_value(&sealed)?;
    case.compare("envelope", vector.value("envelope")?.clone(), written);
    let message = vector.text("message_utf8")?;
    let to = receiver.public_key();
    let random = &mut Recorded::new((1..=89).collect());
    let (opened, again) = match (vector.text("mode")?, &sender) {
        ("anon", None) => {
            let again = ecies::seal_anonymous(&to, message.as_bytes(), random);
            (
                (ecies::open_anonymous(&receiver, &sealed)?, None),
                (ecies::open_anonymous(&receiver, &again)?, None),
            )
        }
        ("ds", Some(sender)) => {
            let again = ecies::seal_signed(sender, &to, message.as_bytes(), random);
            let open = |sealed| ecies::open_signed(&receiver, sealed);
            let (opened, again) = (open(&sealed)?, open(&again)?);
            (
                (opened.message, Some(opened.sender)),
                (again.message, Some(again.sender)),
            )
        }
        ("kmac", Some(sender)) => {
            let again = ecies::seal_mac(sender, &to, message.as_bytes(), random);
            let open = |sealed| ecies::open_mac(&receiver, sealed);
            let (opened, again) = (open(&sealed)?, open(&again)?);
            (
                (opened.message, Some(opened.sender)),
                (again.message, Some(again.sender)),
            )
        }
        (mode, _) => bail!("unknown mode {mode:?}, or it has no sender"),
    };
    for (field, (found, from)) in [("opened", opened), ("sealed by us", again)] {
        let text = String::from_utf8(found.to_vec())?;
        case.compare(field, message, text.as_str());
        case.optional(vector, "decrypted_by_sdk", text);
        let expected = sender.as_ref().map(PrivateKey::public_key);
        let pem = |key: Option<PublicKey>| key.map(|key| key.to_pem());
        case.compare(&format!("sender, {field}"), pem(expected), pem(from));
        case.optional(vector, "from_ecsig_pem", pem(from));
    }
    vector.read_remarks();
    Ok(case)
}
