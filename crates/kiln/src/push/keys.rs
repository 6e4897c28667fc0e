//! Where the keys of pushed items go: a key file, or the keyring under a common prefix.
//!
//! The key file holds a line `{"name":…,"keyssi":…}` for each item, as `kiln keyring export` writes
//! them. It is the owner's only copy of the keys: lines are added and synced, never changed.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use keyssi::KeySsi;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use super::lines::{self, LineFile};
use crate::common::Common;
use crate::exit::{Exit, Failure};
use crate::hex::hex;
use crate::keyring::{self, Keyring, Taken};
use crate::output;

/// A line of a key file. Other members, such as a note, are left alone.
#[derive(Serialize, Deserialize)]
struct KeyLine {
    name: String,
    keyssi: String,
}

impl Drop for KeyLine {
    fn drop(&mut self) {
        self.keyssi.zeroize();
    }
}

/// The place of the keys.
pub(super) enum Keys<'a> {
    /// A file of lines.
    File(KeyFile),
    /// The keyring; names begin with the prefix.
    Keyring {
        keyring: Keyring<'a>,
        prefix: String,
        access: Access,
    },
}

/// A key file, open.
pub(super) struct KeyFile {
    file: LineFile,
    keys: HashMap<String, KeySsi>,
}

/// What this process can do with the keyring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Read and add keys.
    Read,
    /// Add keys only: it is made for recipients, and no private key was given.
    AddOnly,
}

/// What stands under a name.
pub(super) enum Found {
    /// Nothing.
    Absent,
    /// This key.
    Key(KeySsi),
    /// A key that this process cannot read: the keyring is for recipients.
    Unreadable,
}

impl<'a> Keys<'a> {
    /// Opens or makes a key file.
    ///
    /// # Errors
    /// [`Exit::Conflict`] if another push uses it, [`Exit::Local`] if a line is damaged or a name
    /// stands there twice with two keys.
    pub(super) fn in_file(path: &Path) -> Result<Self, Failure> {
        let mut keys: HashMap<String, KeySsi> = HashMap::new();
        let file = LineFile::open(path, |number, line: KeyLine| {
            let ssi = KeySsi::parse(&line.keyssi).map_err(|_| lines::damaged(path, number))?;
            match keys.get(&line.name) {
                Some(other) if *other != ssi => {
                    let (name, path) = (&line.name, path.display());
                    let message = format!("{path} holds two keys under the name {name}");
                    Err(Failure::new(Exit::Conflict, message).next("remove the wrong one"))
                }
                _ => {
                    keys.insert(line.name.clone(), ssi);
                    Ok(())
                }
            }
        })?;
        let mode = path.metadata().map(|it| it.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o077 != 0) {
            let path = path.display();
            output::warn(&format!(
                "other users may read {path}; run chmod 600 {path}"
            ));
        }
        Ok(Self::File(KeyFile { file, keys }))
    }

    /// Opens the keyring, and asks for its passphrase if it needs one. Every name will be `prefix`
    /// and the item's.
    ///
    /// # Errors
    /// Those of the keyring; [`Exit::Usage`] if the prefix cannot begin a name.
    pub(super) fn in_keyring(prefix: &str, common: &'a Common) -> Result<Self, Failure> {
        keyring::parse_name(&format!("{prefix}x"))?;
        if prefix.len() > PREFIX_CHARS_MAX {
            let message = format!("the prefix has more than {PREFIX_CHARS_MAX} characters");
            return Err(Failure::new(Exit::Usage, message).next("choose a shorter one"));
        }
        let keyring = Keyring::open(common)?;
        let access = if keyring.is_for_recipients() && common.identity.is_empty() {
            Access::AddOnly
        } else {
            keyring.unlock()?;
            Access::Read
        };
        let prefix = prefix.to_owned();
        Ok(Self::Keyring {
            keyring,
            prefix,
            access,
        })
    }

    /// The name under which an item's key is kept.
    pub(super) fn name_of(&self, item: &str) -> String {
        match self {
            Self::File(_) => item.to_owned(),
            Self::Keyring { prefix, .. } => format!("{prefix}{}", keyring_name(item, prefix)),
        }
    }

    /// What stands under a name.
    ///
    /// # Errors
    /// Those of unlocking the keyring.
    pub(super) fn find(&self, name: &str) -> Result<Found, Failure> {
        match self {
            Self::File(file) => {
                let found = file.keys.get(name).cloned();
                Ok(found.map_or(Found::Absent, Found::Key))
            }
            Self::Keyring { keyring, .. } if !keyring.has(&keyring::parse_name(name)?) => {
                Ok(Found::Absent)
            }
            Self::Keyring {
                access: Access::AddOnly,
                ..
            } => Ok(Found::Unreadable),
            Self::Keyring { keyring, .. } => Ok(Found::Key(keyring.find(name)?.ssi)),
        }
    }

    /// Keeps a key. On disk when it returns.
    ///
    /// # Errors
    /// That of writing; [`Exit::Conflict`] if the name is taken and not to be replaced.
    pub(super) fn add(&mut self, name: &str, ssi: &KeySsi, taken: Taken) -> Result<(), Failure> {
        match self {
            Self::File(KeyFile { file, keys }) => {
                let wrapped: Zeroizing<String> = ssi.wrapped();
                let (name, keyssi) = (name.to_owned(), wrapped.to_string());
                file.append(&KeyLine {
                    name: name.clone(),
                    keyssi,
                })?;
                keys.insert(name, ssi.clone());
                Ok(())
            }
            Self::Keyring { keyring, .. } => {
                keyring.add(&keyring::parse_name(name)?, ssi, "", taken)
            }
        }
    }
}

/// The names and keys of a key file, in its order.
///
/// # Errors
/// [`Exit::Local`] if it cannot be read or a line is damaged.
pub(crate) fn read_key_file(path: &Path) -> Result<Vec<(String, KeySsi)>, Failure> {
    let mut keys = Vec::new();
    lines::read(path, |number, line: KeyLine| {
        let ssi = KeySsi::parse(&line.keyssi).map_err(|_| lines::damaged(path, number))?;
        keys.push((line.name.clone(), ssi));
        Ok(())
    })?;
    Ok(keys)
}

/// Longest prefix: room for the item's own part.
const PREFIX_CHARS_MAX: usize = 32;
/// Longest name of the keyring.
const NAME_CHARS_MAX: usize = 64;
/// Hexadecimal digits that tell items apart whose names had to be changed.
const DIGEST_CHARS: usize = 12;

/// The item's part of a name in the keyring: itself where the keyring can hold it, else what is
/// left of it and the beginning of its SHA-256.
fn keyring_name(item: &str, prefix: &str) -> String {
    let room = NAME_CHARS_MAX.saturating_sub(prefix.len());
    let allowed = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    if !item.is_empty() && item.len() <= room && item.chars().all(allowed) {
        return item.to_owned();
    }
    let kept = room.saturating_sub(DIGEST_CHARS + 1);
    let mut name: String = item
        .chars()
        .map(|it| if allowed(it) { it } else { '-' })
        .take(kept)
        .collect();
    name.push('-');
    let digest = Sha256::digest(item.as_bytes());
    name.push_str(&hex(digest.get(..DIGEST_CHARS / 2).unwrap_or_default()));
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(words: &str) -> KeySsi {
        KeySsi::constant("default", words).unwrap()
    }

    #[test]
    fn names_in_the_keyring_are_plain_and_tell_items_apart() {
        assert_eq!(keyring_name("patient-1", "ward."), "patient-1");
        let long = "x".repeat(80);
        let names = ["a/b", "a-b", "a b", "", "名", &long].map(|it| keyring_name(it, "ward."));
        for (index, name) in names.iter().enumerate() {
            assert!(
                keyring::parse_name(&format!("ward.{name}")).is_ok(),
                "{name}"
            );
            assert!(!names[..index].contains(name), "{name}");
        }
    }

    #[test]
    fn keys_are_in_the_file_when_added_and_two_under_one_name_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let mut keys = Keys::in_file(&path).unwrap();
        assert!(matches!(keys.find("a b").unwrap(), Found::Absent));
        keys.add("a b", &key("one"), Taken::Refuse).unwrap();
        drop(keys);
        let keys = Keys::in_file(&path).unwrap();
        assert!(matches!(keys.find("a b").unwrap(), Found::Key(it) if it == key("one")));
        drop(keys);
        let mut file = LineFile::open(&path, |_, _: KeyLine| Ok(())).unwrap();
        let keyssi = key("two").wrapped().to_string();
        file.append(&KeyLine {
            name: "a b".to_owned(),
            keyssi,
        })
        .unwrap();
        drop(file);
        let message = Keys::in_file(&path).err().unwrap().to_string();
        assert!(message.contains("two keys under the name a b"), "{message}");
    }
}
