//! A reader of identifiers that shares no code with what is under test.
//!
//! It knows just enough of specification keyssi §1, §3.1 and §6 to say what a
//! recorded identifier is and whether a recorded signature continues a history.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k256::ecdsa::signature::Verifier as _;
use k256::ecdsa::{Signature, VerifyingKey};

/// An identifier, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ssi {
    /// The plain text, hint included.
    pub(crate) plain: String,
    /// The name of the type.
    pub(crate) kind: String,
    /// The domain.
    pub(crate) domain: String,
    /// The specific part.
    pub(crate) specific: String,
    /// The control part.
    pub(crate) control: String,
    /// The version, `v0` as a rule.
    pub(crate) version: String,
    /// The text after the sixth colon, when there is one.
    pub(crate) hint: Option<String>,
}

impl Ssi {
    /// Reads the wrapped (base58) form; `None` when it is not one.
    pub(crate) fn unwrap(wrapped: &str) -> Option<Self> {
        let plain = String::from_utf8(bs58::decode(wrapped).into_vec().ok()?).ok()?;
        let mut parts = plain.splitn(7, ':').map(str::to_owned);
        if parts.next()? != "ssi" {
            return None;
        }
        Some(Self {
            kind: parts.next()?,
            domain: parts.next()?,
            specific: parts.next()?,
            control: parts.next()?,
            version: parts.next()?,
            hint: parts.next(),
            plain,
        })
    }

    /// Whether this is what an anchor is stored under: `sza` or `cza`, version
    /// 0, without a hint.
    pub(crate) fn is_anchor_id(&self) -> bool {
        let typed = match self.kind.as_str() {
            "sza" => self.specific.is_empty() && self.public_key().is_some(),
            "cza" => !self.specific.is_empty() && self.control.is_empty(),
            _ => false,
        };
        typed && self.version == "v0" && self.hint.is_none() && !self.domain.is_empty()
    }

    /// Whether an anchor with this id takes only its first value.
    pub(crate) fn is_constant(&self) -> bool {
        self.kind == "cza"
    }

    /// Whether `value` is of a type that an anchor with this id takes.
    pub(crate) fn takes(&self, value: &Self) -> bool {
        match self.kind.as_str() {
            "sza" => matches!(value.kind.as_str(), "shl" | "transfer"),
            "cza" => value.kind == "hl",
            _ => false,
        }
    }

    /// Whether this value's time is before that of `last`. Times are decimal
    /// digits of any length; what is not digits is never older.
    pub(crate) fn is_older_than(&self, last: &Self) -> bool {
        let digits = |it: &Self| {
            let time = it.time()?;
            let digits = time.bytes().all(|it| it.is_ascii_digit());
            digits.then(|| time.trim_start_matches('0').to_owned())
        };
        match (digits(self), digits(last)) {
            (Some(own), Some(last)) => (own.len(), own) < (last.len(), last),
            _ => false,
        }
    }

    /// The digits of a value's time, as text.
    pub(crate) fn time(&self) -> Option<&str> {
        self.time_and_signature().map(|(time, _)| time)
    }

    fn time_and_signature(&self) -> Option<(&str, &str)> {
        match self.kind.as_str() {
            "shl" => self.control.split_once('|'),
            "transfer" => self.control.split_once('/'),
            _ => None,
        }
    }

    fn public_key(&self) -> Option<VerifyingKey> {
        let text = if self.kind == "transfer" {
            &self.specific
        } else {
            &self.control
        };
        let bytes = STANDARD.decode(text).ok().filter(|it| it.len() == 65)?;
        VerifyingKey::from_sec1_bytes(&bytes).ok()
    }

    /// Whether `value` is signed by the owner of this anchor id on top of
    /// `history` (wrapped values, oldest first): keyssi §6.2 and §6.6.
    pub(crate) fn signed(&self, history: &[String], value: &Self) -> bool {
        self.verify(history, value).unwrap_or(false)
    }

    fn verify(&self, history: &[String], value: &Self) -> Option<bool> {
        let past: Vec<Self> = history.iter().filter_map(|it| Self::unwrap(it)).collect();
        let transfer = past.iter().rev().find(|it| it.kind == "transfer");
        let signer = transfer.unwrap_or(self).public_key()?;
        let previous = past.last().map_or("", |it| it.plain.as_str());
        let (time, signature) = value.time_and_signature()?;
        let message = [&self.plain, &value.specific, previous, time].concat();
        let signature = Signature::from_slice(&STANDARD.decode(signature).ok()?).ok()?;
        // Both forms of a signature are valid here; the library takes only one.
        let signature = signature.normalize_s();
        Some(signer.verify(message.as_bytes(), &signature).is_ok())
    }
}
