//! What opens a keyring: a passphrase (file, environment, prompt) or files of private age keys.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use age::x25519;
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use super::file::Protection;
use super::seal::{self, Identities, OpenError};
use crate::common::Common;
use crate::exit::{Exit, Failure};
use crate::local_file::read_bounded;
use crate::secret_input::{read_file, read_variable};

/// The variable with the passphrase.
const PASSPHRASE_VARIABLE: &str = "KILN_KEYRING_PASSPHRASE";
/// Largest file of private keys; each takes 75 bytes.
const IDENTITY_BYTES_MAX: u64 = 1024 * 1024;

/// What opens a keyring, once it was given.
pub(crate) struct Unlocked {
    /// Private keys that open the entries.
    pub(crate) identities: Identities,
    /// The public key for new entries, of a keyring made for a passphrase.
    pub(crate) own: Option<x25519::Recipient>,
}

/// The private keys that open the entries of the keyring at `path`.
///
/// # Errors
/// [`Exit::Usage`] if none is named, [`Exit::WrongKey`] for a wrong passphrase.
pub(crate) fn unlock(
    protection: &Protection,
    path: &Path,
    common: &Common,
) -> Result<Unlocked, Failure> {
    match protection {
        Protection::Passphrase(message) => {
            let prompt = format!("Passphrase of {}: ", path.display());
            let passphrase = passphrase(common, || ask(&prompt))?;
            let key = seal::unlock_key(message, &passphrase)
                .map_err(|error| cannot_unlock(path, error))?;
            let own = Some(key.to_public());
            Ok(Unlocked {
                identities: vec![Box::new(key)],
                own,
            })
        }
        Protection::Recipients(_) => Ok(Unlocked {
            identities: identities(path, common)?,
            own: None,
        }),
    }
}

/// The passphrase of a new keyring; asked for twice at a terminal.
///
/// # Errors
/// [`Exit::Usage`] if there is none, or two that differ.
pub(crate) fn new_passphrase(path: &Path, common: &Common) -> Result<SecretString, Failure> {
    passphrase(common, || {
        let first = ask(&format!("New passphrase of {}: ", path.display()))?;
        let again = ask("The same again: ")?;
        if *first == *again {
            return Ok(first);
        }
        Err(Failure::new(Exit::Usage, "the two passphrases differ").next("run the command again"))
    })
}

fn passphrase(
    common: &Common,
    ask: impl FnOnce() -> Result<Zeroizing<String>, Failure>,
) -> Result<SecretString, Failure> {
    let text = match &common.passphrase_file {
        Some(file) => read_file(file)?,
        None if std::env::var_os(PASSPHRASE_VARIABLE).is_some() => {
            read_variable(PASSPHRASE_VARIABLE)?
        }
        None => ask()?,
    };
    if text.is_empty() {
        return Err(
            Failure::new(Exit::Usage, "the passphrase of the keyring is empty").next(format!(
                "give one with --passphrase-file or {PASSPHRASE_VARIABLE}, or at a terminal"
            )),
        );
    }
    Ok(SecretString::from(text.as_str()))
}

/// Asks at the terminal, without echo.
fn ask(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    if !io::stderr().is_terminal() {
        return Err(Failure::new(
            Exit::Usage,
            "the keyring needs a passphrase, and there is no terminal to ask at",
        )
        .next(format!(
            "give --passphrase-file FILE or set {PASSPHRASE_VARIABLE}"
        )));
    }
    catch_interrupts();
    match rpassword::prompt_password(prompt) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            Err(Failure::new(Exit::Interrupted, "interrupted").next("run the command again"))
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(Failure::new(Exit::Usage, "no passphrase was given").next("run the command again"))
        }
        Err(error) => Err(Failure::io(
            "the passphrase cannot be read from the terminal",
            error,
        )),
    }
}

/// From here on Ctrl-C is an answer of the prompt. Without this it would end the process before
/// the terminal is set back, and leave it without echo.
fn catch_interrupts() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    if let Ok(runtime) = runtime {
        let _inside = runtime.enter();
        // The handler stays when the stream is dropped.
        drop(signal(SignalKind::interrupt()));
    }
}

fn identities(path: &Path, common: &Common) -> Result<Identities, Failure> {
    if common.identity.is_empty() {
        let message = format!(
            "{} is a keyring for recipients: reading it needs a private key",
            path.display()
        );
        return Err(Failure::new(Exit::Usage, message)
            .next("give the age identity file with --identity FILE or KILN_KEYRING_IDENTITY"));
    }
    read_identities(&common.identity)
}

/// The private keys in age identity files; none from no files.
///
/// # Errors
/// [`Exit::Usage`] for a file without any.
pub(crate) fn read_identities(files: &[PathBuf]) -> Result<Identities, Failure> {
    let mut all = Identities::new();
    for file in files {
        let no_keys = || {
            let message = format!("{} is no age identity file", file.display());
            Failure::new(Exit::Usage, message)
                .next("give a file with AGE-SECRET-KEY-1… lines, as age-keygen makes it")
        };
        let bytes = read_bounded(file, IDENTITY_BYTES_MAX)?;
        // Its error could name what stands in the file; ours does not.
        let parsed = age::IdentityFile::from_buffer(bytes.as_slice()).map_err(|_| no_keys())?;
        let found = parsed.into_identities().map_err(|_| no_keys())?;
        if found.is_empty() {
            return Err(no_keys());
        }
        all.extend(found);
    }
    Ok(all)
}

fn cannot_unlock(path: &Path, error: OpenError) -> Failure {
    let failure =
        |exit| Failure::new(exit, format!("{} cannot be unlocked", path.display())).because(error);
    match error {
        OpenError::WrongKey => failure(Exit::WrongKey).next("try again with the right passphrase"),
        OpenError::ExcessiveWork => failure(Exit::Local)
            .next("open it on the machine where it was made, and make a new one there"),
        OpenError::Damaged => failure(Exit::Local).next("restore the keyring from a backup"),
    }
}

/// Whether a passphrase was given, other than at a prompt.
pub(super) fn is_passphrase_given(common: &Common) -> bool {
    common.passphrase_file.is_some() || std::env::var_os(PASSPHRASE_VARIABLE).is_some()
}
