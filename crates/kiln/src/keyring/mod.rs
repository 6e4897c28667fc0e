//! The keyring: identifiers under names, in one encrypted file.
//!
//! Made for a passphrase, or for recipients (public age keys). With recipients a job can add keys
//! that it cannot read. The format stands in `file`, a description for users in
//! `docs/keyring.md`.
//!
//! - **Invariant:** success is told only after the file is synced.
//! - **Invariant:** the file is changed under a lock, after it was read again; one line is
//!   appended, or the whole is replaced at once.
//! - **Invariant:** nothing that cannot be read is dropped, but a write that never finished.

mod access;
pub(crate) mod commands;
mod disk;
mod file;
mod key;
mod seal;

use std::fs;
use std::path::Path;

use age::x25519;
use keyssi::KeySsi;

pub(crate) use self::access::{Unlocked, read_identities};
use self::disk::{KeyringFile, cannot_parse, cannot_read};
use self::file::{Contents, FormatError, Line, Protection, Salt, Tag};
use self::key::KeyNameError;
pub(crate) use self::key::{Key, KeyName};
use self::seal::{Identities, OpenError};
use crate::common::Common;
use crate::exit::{Exit, Failure};
use crate::explanation::Explanation;
use crate::local_file;
use crate::output;

/// What to do with a name that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Fail with a conflict.
    Refuse,
    /// Put the new key in its place.
    Replace,
}

/// What a new keyring is made for.
pub(crate) enum Lock {
    /// A passphrase; see [`access::new_passphrase`].
    Passphrase(age::secrecy::SecretString),
    /// Public keys.
    Recipients(Vec<x25519::Recipient>),
}

/// An open keyring. Unlocked when something in it must be read.
pub(crate) struct Keyring<'a> {
    common: &'a Common,
    file: KeyringFile,
}

impl<'a> Keyring<'a> {
    /// Makes a new, empty keyring. What stands in its place already is kept.
    ///
    /// # Errors
    /// [`Exit::Conflict`] if the file exists, else that of writing it.
    pub(crate) fn create(path: &Path, lock: &Lock) -> Result<(), Failure> {
        let protection = match lock {
            Lock::Recipients(all) => {
                Protection::Recipients(all.iter().map(ToString::to_string).collect())
            }
            Lock::Passphrase(passphrase) => {
                Protection::Passphrase(seal::lock_new_key(passphrase).map_err(cannot_seal)?)
            }
        };
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| {
            Failure::new(Exit::Local, "the system gives no random bytes")
                .because(error)
                .next("check that this process may use getrandom(2), then run it again")
        })?;
        let contents = Contents {
            salt: Salt::new(salt),
            protection,
            lines: Vec::new(),
            torn_bytes: 0,
            lacks_line_feed: false,
        };
        local_file::create_folder_of(path).map_err(|error| {
            Failure::io(
                format!("the folder of {} cannot be made", path.display()),
                error,
            )
        })?;
        local_file::create_private(path, &contents.print())
    }

    /// Reads the keyring that the common options name, and warns of what is damaged in it.
    ///
    /// # Errors
    /// [`Exit::NotFound`] if there is none, [`Exit::Local`] if it cannot be read or is damaged in
    /// its first line.
    pub(crate) fn open(common: &'a Common) -> Result<Self, Failure> {
        let path = common.keyring()?;
        if !path.exists() {
            let message = format!("there is no keyring {}", path.display());
            return Err(Failure::new(Exit::NotFound, message)
                .next("make one with `kiln keyring init`, or name another with --keyring"));
        }
        // Replacing the file must replace what a symbolic link points to.
        let path = fs::canonicalize(&path).map_err(|error| cannot_read(&path, error))?;
        let file = KeyringFile::read(path)?;
        let keyring = Self { common, file };
        keyring.warn_of_damage();
        Ok(keyring)
    }

    /// The key of a name.
    ///
    /// # Errors
    /// [`Exit::NotFound`] if there is none, [`Exit::Usage`] if `name` is none, those of unlocking.
    pub(crate) fn find(&self, name: &str) -> Result<Key, Failure> {
        let name = parse_name(name)?;
        let tag = self.file.contents.salt.tag(name.as_str());
        let message = self
            .file
            .contents
            .position(&tag)
            .and_then(|place| self.file.contents.lines.get(place));
        let Some(Line::Entry { message, .. }) = message else {
            return Err(self.no_such_key(&name));
        };
        let identities = &self.unlocked()?.identities;
        self.open_entry(identities, &tag, message).map_err(|error| {
            let message = format!(
                "the key {} in {} cannot be read",
                name.as_str(),
                self.file.path.display()
            );
            match error {
                OpenError::WrongKey => Failure::new(Exit::WrongKey, message)
                    .because(error)
                    .next("give the private key of a recipient with --identity FILE"),
                _ => Failure::new(Exit::Local, message)
                    .because(error)
                    .next("restore the keyring from a backup"),
            }
        })
    }

    /// Adds a key and returns when it is on disk. A keyring for recipients is not unlocked.
    ///
    /// # Errors
    /// [`Exit::Conflict`] if the name is taken and not to be replaced, those of unlocking and of
    /// writing.
    pub(crate) fn add(
        &mut self,
        name: &KeyName,
        ssi: &KeySsi,
        note: &str,
        taken: Taken,
    ) -> Result<(), Failure> {
        let key = Key {
            name: name.clone(),
            ssi: ssi.clone(),
            note: note.to_owned(),
            added_ms: node::clock_ms(),
        };
        let tag = self.file.contents.salt.tag(name.as_str());
        // Said before a passphrase is asked for; decided again under the lock.
        self.check_free(name, &tag, taken)?;
        let message = self.seal_entry(&key)?;
        let _lock = self.file.lock_and_read_again()?;
        self.check_free(name, &tag, taken)?;
        match self.file.contents.position(&tag) {
            None => self.file.append(tag, message),
            Some(place) => {
                if let Some(line) = self.file.contents.lines.get_mut(place) {
                    *line = Line::Entry { tag, message };
                }
                self.file.replace()
            }
        }
    }

    /// All keys by name, and the lines that could not be read.
    ///
    /// # Errors
    /// Those of unlocking; [`Exit::WrongKey`] if no entry opens.
    pub(crate) fn keys(&self) -> Result<(Vec<Key>, Vec<usize>), Failure> {
        let identities = &self.unlocked()?.identities;
        let (mut keys, mut unread) = (Vec::new(), Vec::new());
        let mut all_wrong = true;
        for (line, tag, message) in self.file.contents.entries() {
            match self.open_entry(identities, tag, message) {
                Ok(key) => keys.push(key),
                Err(error) => {
                    all_wrong &= error == OpenError::WrongKey;
                    unread.push(line);
                }
            }
        }
        if keys.is_empty() && !unread.is_empty() && all_wrong {
            let message = format!("no key in {} can be read", self.file.path.display());
            return Err(Failure::new(Exit::WrongKey, message)
                .because(OpenError::WrongKey)
                .next("give the private key of a recipient with --identity FILE"));
        }
        unread.extend(self.file.contents.damaged());
        unread.sort_unstable();
        keys.sort_by(|one, two| one.name.cmp(&two.name));
        Ok((keys, unread))
    }

    /// Gives a key another name.
    ///
    /// # Errors
    /// [`Exit::NotFound`], [`Exit::Conflict`], those of unlocking and of writing.
    pub(crate) fn rename(&mut self, from: &str, to: &KeyName) -> Result<(), Failure> {
        let mut key = self.find(from)?;
        let old_tag = self.file.contents.salt.tag(key.name.as_str());
        let tag = self.file.contents.salt.tag(to.as_str());
        self.check_free(to, &tag, Taken::Refuse)?;
        let old_name = std::mem::replace(&mut key.name, to.clone());
        let message = self.seal_entry(&key)?;
        let _lock = self.file.lock_and_read_again()?;
        self.check_free(to, &tag, Taken::Refuse)?;
        let place = self
            .file
            .contents
            .position(&old_tag)
            .ok_or_else(|| self.no_such_key(&old_name))?;
        if let Some(line) = self.file.contents.lines.get_mut(place) {
            *line = Line::Entry { tag, message };
        }
        self.file.replace()
    }

    /// Removes keys for ever, all or none of them. They are not read: this needs no passphrase.
    ///
    /// # Errors
    /// [`Exit::NotFound`] if one of them is not there, those of writing.
    pub(crate) fn remove(&mut self, names: &[KeyName]) -> Result<(), Failure> {
        let _lock = self.file.lock_and_read_again()?;
        for name in names {
            let tag = self.file.contents.salt.tag(name.as_str());
            if self.file.contents.position(&tag).is_none() {
                return Err(self.no_such_key(name));
            }
            self.file
                .contents
                .lines
                .retain(|line| !matches!(line, Line::Entry { tag: it, .. } if *it == tag));
        }
        self.file.replace()
    }

    /// Whether there is a key of this name. Needs no unlocking.
    pub(crate) fn has(&self, name: &KeyName) -> bool {
        let tag = self.file.contents.salt.tag(name.as_str());
        self.file.contents.position(&tag).is_some()
    }

    /// Whether it is made for recipients, so that keys can be added without reading any.
    pub(crate) fn is_for_recipients(&self) -> bool {
        matches!(self.file.contents.protection, Protection::Recipients(_))
    }

    /// Asks for what opens the keyring, if that was not done yet.
    ///
    /// # Errors
    /// Those of unlocking.
    pub(crate) fn unlock(&self) -> Result<(), Failure> {
        self.unlocked().map(drop)
    }

    /// Where the keyring lies.
    pub(crate) fn path(&self) -> &Path {
        &self.file.path
    }

    /// What opens the keyring; asked for once in a command.
    fn unlocked(&self) -> Result<&'a Unlocked, Failure> {
        let once = &self.common.unlocked;
        if let Some(unlocked) = once.get() {
            return Ok(unlocked);
        }
        let unlocked =
            access::unlock(&self.file.contents.protection, &self.file.path, self.common)?;
        Ok(once.get_or_init(|| unlocked))
    }

    /// For whom new entries are encrypted.
    fn recipients(&self) -> Result<Vec<x25519::Recipient>, Failure> {
        let damaged = || cannot_parse(&self.file.path, FormatError::DamagedHeader);
        match &self.file.contents.protection {
            Protection::Recipients(all) => {
                // Whoever can write the file can make it one for recipients of his own.
                if access::is_passphrase_given(self.common) {
                    let path = self.file.path.display();
                    let message =
                        format!("a passphrase is given, and {path} is a keyring for recipients");
                    return Err(Failure::new(Exit::Usage, message).next(
                        "check that nobody replaced the keyring; if it is meant to be for recipients, leave the passphrase out",
                    ));
                }
                let parsed: Result<_, _> = all.iter().map(|it| it.parse()).collect();
                parsed.map_err(|_| damaged())
            }
            // This public key is not in the file: whoever could put another one in its place
            // could read the keys that are added.
            Protection::Passphrase(_) => {
                let own = self.unlocked()?.own.clone();
                own.map(|it| vec![it]).ok_or_else(damaged)
            }
        }
    }

    fn seal_entry(&self, key: &Key) -> Result<Vec<u8>, Failure> {
        seal::seal(&self.recipients()?, &key.to_plaintext()?).map_err(cannot_seal)
    }

    fn open_entry(
        &self,
        identities: &Identities,
        tag: &Tag,
        message: &[u8],
    ) -> Result<Key, OpenError> {
        let plaintext = seal::open(identities, message)?;
        let key = Key::from_plaintext(&plaintext).ok_or(OpenError::Damaged)?;
        // An entry that was put under another's tag would be used for something else.
        if self.file.contents.salt.tag(key.name.as_str()) != *tag {
            return Err(OpenError::Damaged);
        }
        Ok(key)
    }

    fn check_free(&self, name: &KeyName, tag: &Tag, taken: Taken) -> Result<(), Failure> {
        if taken == Taken::Replace || self.file.contents.position(tag).is_none() {
            return Ok(());
        }
        let message = format!(
            "there is a key {} in {} already",
            name.as_str(),
            self.file.path.display()
        );
        Err(Failure::new(Exit::Conflict, message)
            .next("choose another name; `kiln keyring add --replace` puts a key in its place"))
    }

    fn no_such_key(&self, name: &KeyName) -> Failure {
        let message = format!(
            "there is no key {} in {}",
            name.as_str(),
            self.file.path.display()
        );
        Failure::new(Exit::NotFound, message).next(if self.file.contents.damaged().count() == 0 {
            "see what there is with `kiln keyring list`"
        } else {
            "a damaged line may hold it: restore the keyring from a backup"
        })
    }

    fn warn_of_damage(&self) {
        let path = self.file.path.display();
        for line in self.file.contents.damaged() {
            output::warn(&format!(
                "line {line} of {path} is damaged; the other keys are read"
            ));
        }
        if self.file.contents.torn_bytes > 0 {
            let line = self.file.contents.lines.len() + 2;
            output::warn(&format!(
                "line {line} of {path} is cut off: a key that was never reported as saved; the other keys are read"
            ));
        }
    }
}

/// What a keyring's file says of itself without being opened; `None` for other files.
pub(crate) fn explain(bytes: &[u8]) -> Option<Explanation> {
    let contents = match Contents::parse(bytes) {
        Err(FormatError::NotAKeyring) => return None,
        Err(error) => {
            let what = format!("a keyring that cannot be used: {error}");
            return Some(Explanation {
                secret: None,
                ..Explanation::new("malformed", what)
            });
        }
        Ok(contents) => contents,
    };
    let (opens, whom) = match &contents.protection {
        Protection::Passphrase(_) => ("its passphrase", "a passphrase".to_owned()),
        Protection::Recipients(all) => ("a recipient's private key", all.join(" ")),
    };
    let damaged = contents.damaged().count() + usize::from(contents.torn_bytes > 0);
    Some(
        Explanation::new("keyring", "a keyring: keys under names, each encrypted")
            .fact("made for", whom)
            .count("keys", contents.entries().count())
            .count("damaged lines", damaged)
            .allows(&format!("read the keys, together with {opens}"))
            .allows("test guesses of the names of keys")
            .denies(&format!("read anything without {opens}")),
    )
}

/// Reads a name.
///
/// # Errors
/// [`Exit::Usage`] if it is none.
pub(crate) fn parse_name(text: &str) -> Result<KeyName, Failure> {
    text.parse().map_err(|error: KeyNameError| {
        Failure::new(Exit::Usage, "the name of the key is malformed")
            .because(error)
            .next("choose another name")
    })
}

fn cannot_seal(error: seal::SealError) -> Failure {
    Failure::new(Exit::Local, "the key cannot be encrypted")
        .because(error)
        .next("report this as a fault of kiln")
}
