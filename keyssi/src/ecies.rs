//! Asymmetric envelopes: AES-128-CBC and HMAC-SHA256 under a key that the
//! curve gives to sender and receiver.
//!
//! Three modes: `anon` (no sender), `ds` (the sender signs the shared secret)
//! and `kmac` (the sender's static key goes into the MAC). All numbers travel
//! as base64 in a JSON object.
//!
//! **Source:** keyssi specification §5.2.

use aes::Aes128;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::base64;
use crate::keys::{PrivateKey, PublicKey};
use crate::signature::Signature;

const IV_BYTES: usize = 16;
const CIPHER_KEY_BYTES: usize = 16;

/// The envelope as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EciesEnvelope {
    /// Base64 of the receiver's public key, 65 bytes.
    pub to_ecdh: String,
    /// Base64 of the ephemeral public key, 65 bytes.
    pub r: String,
    /// Base64 of the ciphertext.
    pub ct: String,
    /// Base64 of the initial vector, 16 bytes.
    pub iv: String,
    /// Base64 of the MAC, 32 bytes.
    pub tag: String,
}

/// An opened message and who sent it.
#[derive(Debug)]
pub struct Authenticated {
    /// The message.
    pub message: Zeroizing<Vec<u8>>,
    /// The sender's key, which the caller must know and trust.
    pub sender: PublicKey,
}

/// The envelope cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EciesError {
    /// A field is not the base64 of what it should hold.
    #[error("the envelope is malformed")]
    Malformed,
    /// Sealed for another receiver.
    #[error("the envelope is for another receiver")]
    OtherReceiver,
    /// The MAC does not fit, or the padding under it.
    #[error("the envelope was altered")]
    NotAuthentic,
    /// The content is not that of the mode.
    #[error("the content of the envelope is malformed")]
    BadContent,
    /// The sender's signature does not verify.
    #[error("the sender's signature does not verify")]
    BadSignature,
}

/// Content of the mode `ds`.
#[derive(Serialize, Deserialize)]
struct SignedContent {
    from_ecsig: String,
    msg: String,
    sig: String,
}

/// Content of the mode `kmac`.
#[derive(Serialize, Deserialize)]
struct MacContent {
    from_ecdh: String,
    msg: ByteList,
}

/// Bytes as the reference's platform writes them into JSON.
#[derive(Serialize, Deserialize)]
struct ByteList {
    r#type: String,
    data: Vec<u8>,
}

/// Encrypts a message without naming a sender.
#[must_use]
pub fn seal_anonymous(
    receiver: &PublicKey,
    message: &[u8],
    random: &mut impl CryptoRng,
) -> EciesEnvelope {
    Sealing::new(receiver, random).finish(message, &[])
}

/// Opens a message of [`seal_anonymous`].
///
/// # Errors
/// [`EciesError`] says what is wrong.
pub fn open_anonymous(
    receiver: &PrivateKey,
    envelope: &EciesEnvelope,
) -> Result<Zeroizing<Vec<u8>>, EciesError> {
    Opening::new(receiver, envelope)?.decrypt_checked(&[])
}

/// Encrypts a message with the sender's signature of the shared secret. The
/// signature does not cover the message; only the receiver is assured.
#[must_use]
pub fn seal_signed(
    sender: &PrivateKey,
    receiver: &PublicKey,
    message: &[u8],
    random: &mut impl CryptoRng,
) -> EciesEnvelope {
    let sealing = Sealing::new(receiver, random);
    let content = SignedContent {
        from_ecsig: base64::encode(&sender.public_key().to_spki_der()),
        msg: base64::encode(message),
        sig: base64::encode(&sender.sign(sealing.shared.as_slice()).to_der()),
    };
    sealing.finish(&json(&content), &[])
}

/// Opens a message of [`seal_signed`] and checks the signature.
///
/// # Errors
/// [`EciesError`] says what is wrong.
pub fn open_signed(
    receiver: &PrivateKey,
    envelope: &EciesEnvelope,
) -> Result<Authenticated, EciesError> {
    let opening = Opening::new(receiver, envelope)?;
    let content: SignedContent = parse(&opening.decrypt_checked(&[])?)?;
    let decode = |text: &str| base64::decode_canonical(text).map_err(|_| EciesError::BadContent);
    let sender = PublicKey::from_spki_der(&decode(&content.from_ecsig)?)
        .map_err(|_| EciesError::BadContent)?;
    let signature = Signature::from_der(&decode(&content.sig)?);
    let is_signed =
        signature.is_ok_and(|signature| sender.verify(opening.shared.as_slice(), &signature));
    if !is_signed {
        return Err(EciesError::BadSignature);
    }
    let message = Zeroizing::new(decode(&content.msg)?);
    Ok(Authenticated { message, sender })
}

/// Encrypts a message with a MAC that takes the sender's static key in. Only
/// sender and receiver can make such an envelope.
#[must_use]
pub fn seal_mac(
    sender: &PrivateKey,
    receiver: &PublicKey,
    message: &[u8],
    random: &mut impl CryptoRng,
) -> EciesEnvelope {
    let content = MacContent {
        from_ecdh: base64::encode(&sender.public_key().to_raw()),
        msg: ByteList {
            r#type: "Buffer".to_owned(),
            data: message.to_vec(),
        },
    };
    let shared = sender.shared_secret(receiver);
    Sealing::new(receiver, random).finish(&json(&content), shared.as_slice())
}

/// Opens a message of [`seal_mac`].
///
/// # Errors
/// [`EciesError`] says what is wrong.
pub fn open_mac(
    receiver: &PrivateKey,
    envelope: &EciesEnvelope,
) -> Result<Authenticated, EciesError> {
    let opening = Opening::new(receiver, envelope)?;
    // The sender's key, which the MAC needs, stands in the ciphertext, so this
    // mode decrypts first. All failures are one to the outside.
    let plaintext = opening.decrypt().ok_or(EciesError::NotAuthentic)?;
    let content: MacContent = parse(&plaintext).map_err(|_| EciesError::NotAuthentic)?;
    let raw = base64::decode_canonical(&content.from_ecdh).map_err(|_| EciesError::NotAuthentic)?;
    let sender = PublicKey::from_sec1(&raw).map_err(|_| EciesError::NotAuthentic)?;
    opening.check(receiver.shared_secret(&sender).as_slice())?;
    Ok(Authenticated {
        message: Zeroizing::new(content.msg.data),
        sender,
    })
}

/// What sender and receiver compute from the ephemeral key.
struct SessionKeys {
    cipher: Zeroizing<[u8; CIPHER_KEY_BYTES]>,
    mac: Zeroizing<[u8; CIPHER_KEY_BYTES]>,
}

impl SessionKeys {
    /// KDF2 with SHA-256 over ephemeral key and shared secret. Its 32 bytes are
    /// one round with the counter 1.
    fn new(ephemeral: &PublicKey, shared: &[u8; 32]) -> Self {
        let mut hash = Sha256::new();
        hash.update(ephemeral.to_raw());
        hash.update(shared);
        hash.update([0, 0, 0, 1]);
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(hash.finalize().into());
        let mut keys = Self {
            cipher: Zeroizing::default(),
            mac: Zeroizing::default(),
        };
        let (cipher, mac) = bytes.split_at(CIPHER_KEY_BYTES);
        keys.cipher.copy_from_slice(cipher);
        keys.mac.copy_from_slice(mac);
        keys
    }

    /// The MAC over ciphertext, initial vector and what the mode adds.
    fn mac(&self, ciphertext: &[u8], iv: &[u8], added: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.mac.as_slice()).ok()?;
        mac.update(ciphertext);
        mac.update(iv);
        mac.update(added);
        Some(mac)
    }
}

/// A message on its way into an envelope.
struct Sealing {
    receiver: PublicKey,
    ephemeral: PublicKey,
    shared: Zeroizing<[u8; 32]>,
    iv: [u8; IV_BYTES],
}

impl Sealing {
    fn new(receiver: &PublicKey, random: &mut impl CryptoRng) -> Self {
        let ephemeral = PrivateKey::generate(random);
        let mut iv = [0; IV_BYTES];
        random.fill_bytes(&mut iv);
        Self {
            receiver: *receiver,
            ephemeral: ephemeral.public_key(),
            shared: ephemeral.shared_secret(receiver),
            iv,
        }
    }

    fn finish(&self, plaintext: &[u8], added: &[u8]) -> EciesEnvelope {
        let keys = SessionKeys::new(&self.ephemeral, &self.shared);
        let cipher = cbc::Encryptor::<Aes128>::new((&*keys.cipher).into(), &self.iv.into());
        let ciphertext = cipher.encrypt_padded_vec::<Pkcs7>(plaintext);
        let mac = keys.mac(&ciphertext, &self.iv, added);
        let tag = mac.map(|mac| mac.finalize().into_bytes().to_vec());
        EciesEnvelope {
            to_ecdh: base64::encode(&self.receiver.to_raw()),
            r: base64::encode(&self.ephemeral.to_raw()),
            ct: base64::encode(&ciphertext),
            iv: base64::encode(&self.iv),
            tag: base64::encode(&tag.unwrap_or_default()),
        }
    }
}

/// An envelope whose outer fields are read.
struct Opening {
    keys: SessionKeys,
    shared: Zeroizing<[u8; 32]>,
    ciphertext: Vec<u8>,
    iv: [u8; IV_BYTES],
    tag: Vec<u8>,
}

impl Opening {
    fn new(receiver: &PrivateKey, envelope: &EciesEnvelope) -> Result<Self, EciesError> {
        let decode = |text: &str| base64::decode_canonical(text).map_err(|_| EciesError::Malformed);
        let point =
            |text: &str| PublicKey::from_sec1(&decode(text)?).map_err(|_| EciesError::Malformed);
        if point(&envelope.to_ecdh)? != receiver.public_key() {
            return Err(EciesError::OtherReceiver);
        }
        let ephemeral = point(&envelope.r)?;
        let shared = receiver.shared_secret(&ephemeral);
        let iv = decode(&envelope.iv)?;
        Ok(Self {
            keys: SessionKeys::new(&ephemeral, &shared),
            shared,
            ciphertext: decode(&envelope.ct)?,
            iv: iv.try_into().map_err(|_| EciesError::Malformed)?,
            tag: decode(&envelope.tag)?,
        })
    }

    /// Checks the MAC, in constant time.
    fn check(&self, added: &[u8]) -> Result<(), EciesError> {
        let mac = self.keys.mac(&self.ciphertext, &self.iv, added);
        let mac = mac.ok_or(EciesError::Malformed)?;
        mac.verify_slice(&self.tag)
            .map_err(|_| EciesError::NotAuthentic)
    }

    fn decrypt(&self) -> Option<Zeroizing<Vec<u8>>> {
        let cipher = cbc::Decryptor::<Aes128>::new((&*self.keys.cipher).into(), &self.iv.into());
        let plaintext = cipher.decrypt_padded_vec::<Pkcs7>(&self.ciphertext);
        plaintext.ok().map(Zeroizing::new)
    }

    /// Checks the MAC before anything is decrypted.
    fn decrypt_checked(&self, added: &[u8]) -> Result<Zeroizing<Vec<u8>>, EciesError> {
        self.check(added)?;
        self.decrypt().ok_or(EciesError::NotAuthentic)
    }
}

/// Writes a content. Structures of texts and numbers always have a JSON text.
fn json(content: &impl Serialize) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(serde_json::to_vec(content).unwrap_or_default())
}

fn parse<T: for<'a> Deserialize<'a>>(plaintext: &[u8]) -> Result<T, EciesError> {
    serde_json::from_slice(plaintext).map_err(|_| EciesError::BadContent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_random::Counter;
    use proptest::prelude::*;

    fn key(low: u8) -> PrivateKey {
        PrivateKey::from_bytes(&[low; 32]).unwrap()
    }

    #[test]
    fn messages_come_back_with_their_sender() {
        let (sender, receiver) = (key(1), key(2));
        let to = receiver.public_key();
        let random = &mut Counter(1);
        for message in [&b""[..], b"m", &[7; 15], &[7; 16], &[7; 1000]] {
            let sealed = seal_anonymous(&to, message, random);
            let opened = open_anonymous(&receiver, &sealed).unwrap();
            assert_eq!(opened.as_slice(), message);
            let sealed = seal_signed(&sender, &to, message, random);
            let opened = open_signed(&receiver, &sealed).unwrap();
            assert_eq!(opened.message.as_slice(), message);
            assert_eq!(opened.sender, sender.public_key());
            let sealed = seal_mac(&sender, &to, message, random);
            let opened = open_mac(&receiver, &sealed).unwrap();
            assert_eq!(opened.message.as_slice(), message);
            assert_eq!(opened.sender, sender.public_key());
        }
    }

    #[test]
    fn altered_and_foreign_envelopes_are_refused() {
        let receiver = key(2);
        let sealed = seal_mac(&key(1), &receiver.public_key(), b"message", &mut Counter(1));
        let refused = open_mac(&key(3), &sealed).err();
        assert_eq!(refused, Some(EciesError::OtherReceiver));
        let alter = |text: &mut String| {
            let mut bytes = base64::decode_canonical(text).unwrap();
            bytes[3] ^= 1;
            *text = base64::encode(&bytes);
        };
        let mut changed = [0; 3].map(|_| sealed.clone());
        alter(&mut changed[0].ct);
        alter(&mut changed[1].iv);
        alter(&mut changed[2].tag);
        for envelope in &changed {
            let refused = open_mac(&receiver, envelope).err();
            assert_eq!(refused, Some(EciesError::NotAuthentic));
            let refused = open_signed(&receiver, envelope).err();
            assert_eq!(refused, Some(EciesError::NotAuthentic));
        }
        let mut short = sealed.clone();
        short.iv = base64::encode(&[0; 15]);
        assert_eq!(
            open_mac(&receiver, &short).err(),
            Some(EciesError::Malformed)
        );
        let mut off_curve = sealed.clone();
        off_curve.r = base64::encode(&[4; 65]);
        assert_eq!(
            open_mac(&receiver, &off_curve).err(),
            Some(EciesError::Malformed)
        );
        let mut cut = sealed;
        cut.tag = base64::encode(&[]);
        assert_eq!(
            open_mac(&receiver, &cut).err(),
            Some(EciesError::NotAuthentic)
        );
    }

    #[test]
    fn modes_and_senders_are_not_mixed_up() {
        let receiver = key(2);
        let to = receiver.public_key();
        let anonymous = seal_anonymous(&to, b"message", &mut Counter(1));
        let refused = open_signed(&receiver, &anonymous).err();
        assert_eq!(refused, Some(EciesError::BadContent));
        // A signature of another secret.
        let content = SignedContent {
            from_ecsig: base64::encode(&key(1).public_key().to_spki_der()),
            msg: base64::encode(b"message"),
            sig: base64::encode(&key(1).sign(b"another secret").to_der()),
        };
        let forged = Sealing::new(&to, &mut Counter(2)).finish(&json(&content), &[]);
        let refused = open_signed(&receiver, &forged).err();
        assert_eq!(refused, Some(EciesError::BadSignature));
        // A sender's name without the sender's key.
        let content = MacContent {
            from_ecdh: base64::encode(&key(1).public_key().to_raw()),
            msg: ByteList {
                r#type: "Buffer".to_owned(),
                data: b"message".to_vec(),
            },
        };
        let shared = key(9).shared_secret(&to);
        let forged = Sealing::new(&to, &mut Counter(3)).finish(&json(&content), shared.as_slice());
        let refused = open_mac(&receiver, &forged).err();
        assert_eq!(refused, Some(EciesError::NotAuthentic));
    }

    proptest! {
        #[test]
        fn any_fields_are_refused(texts in proptest::collection::vec("[A-Za-z0-9+/=]{0,90}", 5)) {
            let envelope = EciesEnvelope {
                to_ecdh: base64::encode(&key(2).public_key().to_raw()),
                r: base64::encode(&key(1).public_key().to_raw()),
                ct: texts[2].clone(),
                iv: texts[3].clone(),
                tag: texts[4].clone(),
            };
            prop_assert!(open_anonymous(&key(2), &envelope).is_err());
            prop_assert!(open_signed(&key(2), &envelope).is_err());
            prop_assert!(open_mac(&key(2), &envelope).is_err());
        }
    }
}
