//! Someone who writes one signed anchor, well or badly.

use k256::ecdsa::Signature as EcdsaSignature;
use keyssi::{
    AnchorId, AnchorSigner, AnchorValue, BrickHash, Domain, Head, Hint, PrivateKey, PublicKey,
    Signature, Timestamp, base64,
};
use ledger::{Entry, Intent};
use testkit::owner::FIRST_MS;

/// The base58 hash that stands for a version with this text.
pub(crate) fn hash(text: &str) -> String {
    BrickHash::of(text.as_bytes()).to_string()
}

/// The time of first entries, and so many milliseconds later.
pub(crate) fn time(later_ms: u64) -> Timestamp {
    Timestamp::from_millis(FIRST_MS + later_ms)
}

/// An entry for the anchor `id`.
pub(crate) fn entry(id: &AnchorId, value: &AnchorValue, intent: Intent) -> Entry {
    Entry {
        id: id.clone(),
        value: value.clone(),
        intent,
    }
}

/// The owner of a signed anchor, and what stands in it as far as the owner knows.
#[derive(Clone)]
pub(crate) struct Author {
    key: PrivateKey,
    signer: AnchorSigner,
    head: Option<Head>,
    /// The wrapped values, oldest first.
    values: Vec<String>,
}

impl Author {
    /// The owner of the anchor that `key` names in `domain`.
    pub(crate) fn new(key: PrivateKey, domain: &Domain) -> Self {
        let public = key.public_key().to_raw();
        Self::named_by(key, &public, domain)
    }

    /// The same for an id with the key in the form `public`.
    pub(crate) fn named_by(key: PrivateKey, public: &[u8], domain: &Domain) -> Self {
        let public = base64::encode(public);
        let id = AnchorId::parse_plain(&format!("ssi:sza:{domain}::{public}:v0")).unwrap();
        Self {
            signer: AnchorSigner::new(id, key.clone(), domain.as_str(), None).unwrap(),
            key,
            head: None,
            values: Vec::new(),
        }
    }

    /// The same anchor, written by `key` from here on.
    pub(crate) fn handed_to(&self, key: PrivateKey) -> Self {
        let id = self.id().clone();
        let domain = id.domain().as_str().to_owned();
        Self {
            signer: AnchorSigner::new(id, key.clone(), &domain, None).unwrap(),
            key,
            head: self.head.clone(),
            values: self.values.clone(),
        }
    }

    /// The same, whose values say where the bricks are and carry a hint.
    pub(crate) fn with_bricks_in(mut self, bricks_domain: &str, hint: Option<&str>) -> Self {
        let hint = hint.map(|it| Hint::parse(it).unwrap());
        let id = self.id().clone();
        self.signer = AnchorSigner::new(id, self.key.clone(), bricks_domain, hint).unwrap();
        self
    }

    pub(crate) fn id(&self) -> &AnchorId {
        self.signer.id()
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    pub(crate) fn values(&self) -> &[String] {
        &self.values
    }

    /// A value that follows what stands there, a millisecond later with each version.
    pub(crate) fn next(&self, text: &str) -> AnchorValue {
        self.next_at(text, &time(self.values.len() as u64))
    }

    /// The same with a time of its own, which is not before that of the last entry.
    pub(crate) fn next_at(&self, text: &str, now: &Timestamp) -> AnchorValue {
        match &self.head {
            None => self.signer.create(&hash(text), now).unwrap(),
            Some(head) => self.signer.append(head, &hash(text), now).unwrap(),
        }
    }

    /// The handing over to another key.
    pub(crate) fn transfer_to(&self, key: &PublicKey) -> AnchorValue {
        let now = time(self.values.len() as u64);
        self.signer.transfer(self.head.as_ref(), key, &now).unwrap()
    }

    /// A value with any specific field and any time, signed over the plain text `previous`.
    pub(crate) fn forged(&self, specific: &str, previous: &str, time: &str) -> AnchorValue {
        let signature = self.signature(specific, previous, time).to_text();
        self.value(specific, time, &signature)
    }

    /// The next value with the other of the two signatures that each signature has: `n - s` for `s`.
    pub(crate) fn next_with_high_s(&self, text: &str) -> AnchorValue {
        let (hash, now) = (hash(text), time(self.values.len() as u64).to_string());
        let signature = self.signature(&hash, self.previous(), &now).to_bytes();
        let low = EcdsaSignature::from_slice(&signature).unwrap();
        let (r, s) = low.split_scalars();
        let high = EcdsaSignature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
        let high = if high.normalize_s() == high {
            low
        } else {
            high
        };
        let text = Signature::from_bytes(&high.to_bytes()).unwrap().to_text();
        self.value(&hash, &now, &text)
    }

    /// The plain text of the last value; empty before the first.
    pub(crate) fn previous(&self) -> &str {
        self.head.as_ref().map_or("", |head| head.value().plain())
    }

    /// Takes note that the ledger holds `value` as the last.
    pub(crate) fn took(&mut self, value: &AnchorValue) {
        let head = match &self.head {
            None => keyssi::create(self.id(), value).unwrap(),
            Some(head) => keyssi::append(self.id(), head, value).unwrap(),
        };
        self.head = Some(head);
        self.values.push(value.as_str().to_owned());
    }

    /// `value` as the first.
    pub(crate) fn create(&self, value: &AnchorValue) -> Entry {
        entry(self.id(), value, Intent::Create)
    }

    /// `value` as the next.
    pub(crate) fn append(&self, value: &AnchorValue) -> Entry {
        entry(self.id(), value, Intent::Append)
    }

    /// `value` as whatever it is.
    pub(crate) fn either(&self, value: &AnchorValue) -> Entry {
        entry(self.id(), value, Intent::CreateOrAppend)
    }

    fn signature(&self, specific: &str, previous: &str, time: &str) -> Signature {
        let data = format!("{}{specific}{previous}{time}", self.id().plain());
        self.key.sign(data.as_bytes())
    }

    fn value(&self, specific: &str, time: &str, signature: &str) -> AnchorValue {
        let domain = self.id().domain();
        AnchorValue::parse(&format!(
            "ssi:shl:{domain}:{specific}:{time}|{signature}:v0"
        ))
        .unwrap()
    }
}
