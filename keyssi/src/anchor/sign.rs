//! Writing values: what the owner of an anchor does.
//!
//! **Source:** keyssi specification §6.1 to §6.3, §6.6.

use thiserror::Error;

use super::id::{AnchorId, AnchorKind};
use super::rules::{FIRST_TIMESTAMP_DIGITS, Head};
use super::value::{AnchorValue, AnchorValueError};
use crate::base64;
use crate::keys::{PrivateKey, PublicKey};
use crate::ssi::{Hint, KeySsi};
use crate::timestamp::Timestamp;

/// Why a value cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignError {
    /// Constant anchors hold unsigned values.
    #[error("entries of a constant anchor are not signed")]
    ConstantAnchor,
    /// The clock gives a time that no first entry may have (before 2001 or
    /// after 2286).
    #[error("the timestamp of a first entry has {FIRST_TIMESTAMP_DIGITS} digits")]
    TimestampNotThirteenDigits,
    /// The hash, the domain or the hint does not make a value.
    #[error("the parts do not make an anchor value")]
    BadValue(#[source] AnchorValueError),
}

/// Writes the entries of a signed anchor in the name of one key.
///
/// The key is that of the anchor id, or after a transfer the one that the
/// anchor was handed to. This is not checked here: who reads the value does.
#[derive(Debug, Clone)]
pub struct AnchorSigner {
    id: AnchorId,
    key: PrivateKey,
    bricks_domain: String,
    hint: Option<Hint>,
}

impl AnchorSigner {
    /// A writer for the anchor `id`. The bricks domain and the hint go into
    /// every value; they are not covered by the signature.
    ///
    /// # Errors
    /// [`SignError::ConstantAnchor`] if the anchor takes no signed values.
    pub fn new(
        id: AnchorId,
        key: PrivateKey,
        bricks_domain: &str,
        hint: Option<Hint>,
    ) -> Result<Self, SignError> {
        if id.kind() == AnchorKind::Constant {
            return Err(SignError::ConstantAnchor);
        }
        let bricks_domain = bricks_domain.to_owned();
        Ok(Self {
            id,
            key,
            bricks_domain,
            hint,
        })
    }

    /// The anchor.
    #[must_use]
    pub const fn id(&self) -> &AnchorId {
        &self.id
    }

    /// Signs the first version: the base58 hash of its brick map at the time
    /// `now`.
    ///
    /// # Errors
    /// [`SignError`] says which part does not fit.
    pub fn create(&self, brick_map_hash: &str, now: &Timestamp) -> Result<AnchorValue, SignError> {
        self.value(None, brick_map_hash, now)
    }

    /// Signs a version that follows `head`. If the clock lags behind the head,
    /// the value carries the head's time plus ten seconds (§6.3).
    ///
    /// # Errors
    /// [`SignError`] says which part does not fit.
    pub fn append(
        &self,
        head: &Head,
        brick_map_hash: &str,
        now: &Timestamp,
    ) -> Result<AnchorValue, SignError> {
        self.value(Some(head), brick_map_hash, now)
    }

    /// Signs the handing over to `new_key`, after `head` or as first entry.
    /// From then on only `new_key` can sign.
    ///
    /// # Errors
    /// [`SignError`] says which part does not fit.
    pub fn transfer(
        &self,
        head: Option<&Head>,
        new_key: &PublicKey,
        now: &Timestamp,
    ) -> Result<AnchorValue, SignError> {
        let key = base64::encode(&new_key.to_raw());
        let (time, signature) = self.sign(head, &key, now)?;
        let domain = self.id.domain();
        read(&format!(
            "ssi:transfer:{domain}:{key}:{time}/{signature}:v0"
        ))
    }

    fn value(
        &self,
        head: Option<&Head>,
        hash: &str,
        now: &Timestamp,
    ) -> Result<AnchorValue, SignError> {
        let (time, signature) = self.sign(head, hash, now)?;
        let domain = &self.bricks_domain;
        let plain = format!("ssi:shl:{domain}:{hash}:{time}|{signature}:v0");
        read(&with_hint(plain, self.hint.as_ref()))
    }

    /// The time of the entry and the text of its signature.
    fn sign(
        &self,
        head: Option<&Head>,
        specific: &str,
        now: &Timestamp,
    ) -> Result<(Timestamp, String), SignError> {
        let previous = head.map_or("", |head| head.value().plain());
        let time = match head.map(|head| head.value().timestamp()) {
            None if now.as_str().len() != FIRST_TIMESTAMP_DIGITS => {
                return Err(SignError::TimestampNotThirteenDigits);
            }
            None | Some(None) => now.clone(),
            Some(Some(last)) => Timestamp::following(last, now),
        };
        let anchor = self.id.plain();
        let data = format!("{anchor}{specific}{previous}{time}");
        let signature = self.key.sign(data.as_bytes()).to_text();
        Ok((time, signature))
    }
}

impl AnchorValue {
    /// The one value of a constant anchor: an unsigned link to `brick_map_hash`
    /// in the bricks domain and with the hint of `ssi`.
    ///
    /// # Errors
    /// [`AnchorValueError`] says which part does not fit.
    pub fn constant(ssi: &KeySsi, brick_map_hash: &str) -> Result<Self, AnchorValueError> {
        let domain = ssi.bricks_domain();
        let version = ssi.version();
        let plain = format!("ssi:hl:{domain}:{brick_map_hash}::{version}");
        Self::parse(&with_hint(plain, ssi.hint()))
    }
}

fn read(plain: &str) -> Result<AnchorValue, SignError> {
    AnchorValue::parse(plain).map_err(SignError::BadValue)
}

fn with_hint(mut plain: String, hint: Option<&Hint>) -> String {
    if let Some(hint) = hint {
        plain.push(':');
        plain.push_str(&hint.normal_text());
    }
    plain
}
