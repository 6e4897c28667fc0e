//! Who signs the values of one anchor: by the rules, and by hand where a test breaks one.

use keyssi::{AnchorId, AnchorValue, BrickHash, Domain, PrivateKey, base64};
use testkit::owner::{FIRST_MS, Owner};

/// The owner of a signed anchor. Identifiers and values are plain, as the contract takes them.
pub(crate) struct Writer {
    pub(crate) id: String,
    /// The newest value that was signed; empty before the first.
    pub(crate) last: String,
    /// Of the next value.
    pub(crate) now_ms: u64,
    key: PrivateKey,
    owner: Owner,
}

impl Writer {
    /// The owner whose key consists of one byte again and again.
    pub(crate) fn new(key: u8) -> Self {
        let domain: Domain = "default".parse().unwrap();
        let owner = Owner::new(&domain, &[key; 32]).unwrap();
        Self {
            id: AnchorId::parse_wrapped(owner.id())
                .unwrap()
                .plain()
                .to_owned(),
            last: String::new(),
            now_ms: FIRST_MS,
            key: PrivateKey::from_bytes(&[key; 32]).unwrap(),
            owner,
        }
    }

    /// Signs the next value of the history.
    pub(crate) fn next(&mut self) -> String {
        let wrapped = self.owner.sign(&hash(self.now_ms), self.now_ms).unwrap();
        self.owner.follow(Some(&wrapped)).unwrap();
        let value = AnchorValue::parse_wrapped(&wrapped).unwrap();
        value.plain().clone_into(&mut self.last);
        self.now_ms += 1;
        self.last.clone()
    }

    /// Signs a value that follows the last one at any time, without taking it into the history.
    pub(crate) fn at(&self, time: &str) -> String {
        let specific = hash(self.now_ms);
        let signature = self.signature(&format!("{}{specific}{}{time}", self.id, self.last));
        format!("ssi:shl:default:{specific}:{time}|{signature}:v0")
    }

    /// Hands the anchor over to the key of another writer; `mark` stands between time and signature.
    pub(crate) fn transfer(&self, to: &Self, mark: char) -> String {
        let key = base64::encode(&to.key.public_key().to_raw());
        let time = self.now_ms;
        let signature = self.signature(&format!("{}{key}{}{time}", self.id, self.last));
        format!("ssi:transfer:default:{key}:{time}{mark}{signature}:v0")
    }

    fn signature(&self, text: &str) -> String {
        self.key.sign(text.as_bytes()).to_text()
    }
}

/// A brick map hash.
pub(crate) fn hash(number: u64) -> String {
    BrickHash::of(&number.to_be_bytes()).to_string()
}

/// The constant anchor with this number and a value for it.
pub(crate) fn constant(number: u64) -> (String, String) {
    let name = hash(number);
    let id = format!("ssi:cza:default:{name}::v0");
    (id, format!("ssi:hl:default:{name}::v0"))
}
