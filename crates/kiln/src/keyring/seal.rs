//! The encryption of a keyring, all of it by the `age` library.
//!
//! The messages of `age`'s own errors are not passed on: they are meant for its command.

use std::io::{Read, Write};

use age::secrecy::{ExposeSecret, SecretString};
use age::x25519;
use thiserror::Error;
use zeroize::Zeroizing;

/// Private keys that open entries.
pub(crate) type Identities = Vec<Box<dyn age::Identity + Send + Sync>>;

/// Why a message could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum OpenError {
    /// Another passphrase or private key is needed.
    #[error("the passphrase or private key is not the right one")]
    WrongKey,
    /// More work than this machine would do for its own passphrases.
    #[error("the passphrase takes far more work to try than this machine would choose")]
    ExcessiveWork,
    /// Not what was written.
    #[error("the encrypted message is damaged")]
    Damaged,
}

/// Why nothing could be encrypted: `age` has no cause of its own that we can meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the age library cannot encrypt")]
pub(crate) struct SealError;

/// Encrypts for all of the recipients.
pub(crate) fn seal(
    recipients: &[x25519::Recipient],
    plaintext: &[u8],
) -> Result<Vec<u8>, SealError> {
    let recipients = recipients.iter().map(|it| it as &dyn age::Recipient);
    write_message(
        age::Encryptor::with_recipients(recipients).map_err(|_| SealError)?,
        plaintext,
    )
}

/// Decrypts with one of the private keys.
pub(crate) fn open(
    identities: &Identities,
    message: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    read_message(
        identities
            .iter()
            .map(|it| it.as_ref() as &dyn age::Identity),
        message,
    )
}

/// Makes the private key of a new keyring, and the message that locks it with a passphrase.
///
/// The work factor is `age`'s own choice: about a second on this machine.
pub(crate) fn lock_new_key(passphrase: &SecretString) -> Result<Vec<u8>, SealError> {
    let key = x25519::Identity::generate().to_string();
    let encryptor = age::Encryptor::with_user_passphrase(passphrase.clone());
    write_message(encryptor, key.expose_secret().as_bytes())
}

/// Opens the private key of a keyring with its passphrase.
pub(crate) fn unlock_key(
    message: &[u8],
    passphrase: &SecretString,
) -> Result<x25519::Identity, OpenError> {
    let identity = age::scrypt::Identity::new(passphrase.clone());
    let key = read_message(std::iter::once(&identity as &dyn age::Identity), message)?;
    let key = std::str::from_utf8(&key).map_err(|_| OpenError::Damaged)?;
    key.parse().map_err(|_| OpenError::Damaged)
}

fn write_message(encryptor: age::Encryptor, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut message = Vec::new();
    // A vector takes every write.
    let mut writer = encryptor.wrap_output(&mut message).map_err(|_| SealError)?;
    writer.write_all(plaintext).map_err(|_| SealError)?;
    writer.finish().map_err(|_| SealError)?;
    Ok(message)
}

fn read_message<'a>(
    identities: impl Iterator<Item = &'a dyn age::Identity>,
    message: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let decryptor = age::Decryptor::new_buffered(message).map_err(|_| OpenError::Damaged)?;
    let mut reader = decryptor.decrypt(identities).map_err(|error| match error {
        age::DecryptError::NoMatchingKeys
        | age::DecryptError::KeyDecryptionFailed
        | age::DecryptError::DecryptionFailed => OpenError::WrongKey,
        age::DecryptError::ExcessiveWork { .. } => OpenError::ExcessiveWork,
        _ => OpenError::Damaged,
    })?;
    // Never longer than the message, so that no secret stays in an old buffer.
    let mut plaintext = Zeroizing::new(Vec::with_capacity(message.len()));
    reader
        .read_to_end(&mut plaintext)
        .map_err(|_| OpenError::Damaged)?;
    Ok(plaintext)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identities(keys: &[&x25519::Identity]) -> Identities {
        keys.iter().map(|&it| Box::new(it.clone()) as _).collect()
    }

    #[test]
    fn each_recipient_opens_and_nobody_else() {
        let keys = [(); 3].map(|()| x25519::Identity::generate());
        let recipients = [keys[0].to_public(), keys[1].to_public()];
        let message = seal(&recipients, b"secret").unwrap();
        for key in &keys[..2] {
            assert_eq!(
                open(&identities(&[key]), &message).unwrap().as_slice(),
                b"secret"
            );
        }
        assert_eq!(
            open(&identities(&[&keys[2]]), &message),
            Err(OpenError::WrongKey)
        );
        assert_eq!(open(&identities(&[]), &message), Err(OpenError::WrongKey));
    }

    #[test]
    fn every_changed_byte_is_found() {
        let key = x25519::Identity::generate();
        let message = seal(&[key.to_public()], b"secret").unwrap();
        for place in 0..message.len() {
            let mut message = message.clone();
            message[place] ^= 1;
            assert!(open(&identities(&[&key]), &message).is_err(), "{place}");
            assert!(
                open(&identities(&[&key]), &message[..place]).is_err(),
                "{place}"
            );
        }
    }
}
