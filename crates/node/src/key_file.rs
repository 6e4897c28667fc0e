//! Files that hold one secret key as text: only their owner may read them, and one that is not there
//! is made with a fresh key.
//!
//! A new file is written beside its place, synced, then given its name, which fails if the name was
//! taken meanwhile. A crash at any point leaves no file or a whole one, and at most a temporary file
//! `.NAME.RANDOM.tmp` beside it, which nothing reads and only its owner may.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::folder::create_folder;

/// The longest key file, in bytes. The text form of a log's key has at most some 350.
const KEY_FILE_BYTES_MAX: u64 = 4096;
/// The longest name of a file, in bytes, on every file system that is in use.
const FILE_NAME_BYTES_MAX: usize = 255;
/// Hex digits of an account's key, a seed or a token.
const HEX_KEY_DIGITS: usize = 64;
/// How the texts of keys begin: of age, of logs, and of what is kept as PEM.
const KEY_BEGINNINGS: [&str; 3] = ["AGE-SECRET-KEY-", "PRIVATE+KEY+", "-----BEGIN "];
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_FOLDER: u32 = 0o700;
/// What group and others may do with a file: nothing.
const OTHERS: u32 = 0o077;
const GROUP_READS: u32 = 0o040;
const ROOT: u32 = 0;

/// Reads the key of a file, without the white space around it. Nobody but its owner may be able to read
/// it; where that is root, and we are not, our group may: so Kubernetes and systemd hand keys over.
///
/// # Errors
/// [`KeyFileError`]. The key is in none of them.
pub fn load(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let cannot = |cause| KeyFileError::Unreadable {
        path: path.to_owned(),
        cause,
    };
    let file = File::open(path).map_err(|cause| {
        if is_key_itself(path) {
            KeyFileError::KeyItself
        } else {
            cannot(cause)
        }
    })?;
    let facts = file.metadata().map_err(cannot)?;
    if !facts.is_file() {
        return Err(KeyFileError::NoKey(path.to_owned()));
    }
    let mode = facts.permissions().mode() & 0o7777;
    if mode & strangers(facts.uid(), geteuid().as_raw()) != 0 {
        let path = path.to_owned();
        return Err(KeyFileError::Exposed { path, mode });
    }
    // Room from the start, since a buffer that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(
        usize::try_from(KEY_FILE_BYTES_MAX).unwrap_or_default() + 1,
    ));
    let read = file.take(KEY_FILE_BYTES_MAX + 1).read_to_string(&mut text);
    match read {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(KeyFileError::NoKey(path.to_owned()));
        }
        Err(error) => return Err(cannot(error)),
        Ok(_) => {}
    }
    let key = text.trim();
    let too_long = u64::try_from(text.len()).is_ok_and(|length| length > KEY_FILE_BYTES_MAX);
    if key.is_empty() || too_long {
        return Err(KeyFileError::NoKey(path.to_owned()));
    }
    Ok(Zeroizing::new(key.to_owned()))
}

/// Reads the key of a file as [`load`] does. If there is no such file, `make` forms a key from 32
/// random bytes, and it is durable under the path (mode 0600, new folders 0700) before this returns.
/// Two processes that do this at once get the same key.
///
/// # Errors
/// [`KeyFileError`]. The key is in none of them.
pub fn load_or_create(
    path: &Path,
    make: impl FnOnce(&[u8; 32]) -> Zeroizing<String>,
) -> Result<Zeroizing<String>, KeyFileError> {
    match load(path) {
        Err(KeyFileError::Unreadable { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {}
        loaded => return loaded,
    }
    let cannot = |cause| KeyFileError::Uncreatable {
        path: path.to_owned(),
        cause,
    };
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(|error| cannot(no_randomness(error)))?;
    let text = make(&seed);
    create(path, &text).map_err(cannot)?;
    load(path)
}

/// Whether what should name a key file looks like a key, given by mistake. Such a text is never repeated.
pub(crate) fn is_key_itself(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let begins = |with: &str| {
        let beginning = text.get(..with.len());
        beginning.is_some_and(|it| it.eq_ignore_ascii_case(with))
    };
    let digits = text.strip_prefix("0x").unwrap_or(&text);
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex && digits.len() == HEX_KEY_DIGITS
        || KEY_BEGINNINGS.into_iter().any(begins)
        || text.len() > FILE_NAME_BYTES_MAX && !text.contains('/')
}

/// Where the key waits that is to follow the one in `path`.
#[must_use]
pub fn next(path: &Path) -> PathBuf {
    with_ending(path, ".next")
}

/// Puts the key that waits in [`next`] in the place of the one in `path`, if there is one; that stays,
/// as `<path>.<aside>`. A crash leaves one of both in `path`, and doing it again ends it.
///
/// # Errors
/// [`KeyFileError::Uncreatable`].
pub fn put_next_in_place(path: &Path, aside: &str) -> Result<(), KeyFileError> {
    let put = || {
        match fs::hard_link(path, with_ending(path, &format!(".{aside}"))) {
            // The key is lost, or a crash came between this step and the next.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists
                ) => {}
            linked => linked?,
        }
        fs::rename(next(path), path)?;
        File::open(folder_of(path))?.sync_all()
    };
    put().map_err(|cause| KeyFileError::Uncreatable {
        path: path.to_owned(),
        cause,
    })
}

/// Why a key file cannot be used. The Display of each tells what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// Others than the owner may do something with the file.
    #[error(
        "{} is open to others (mode {mode:04o}); if they are not to have the key: chmod 600 {}",
        path.display(), path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key stands where the file with it should be named. It is not repeated.
    #[error(
        "the setting names a file; it holds what looks like a key itself; write the key into a file \
         that only its owner can read, and name that"
    )]
    KeyItself,
    /// It cannot be opened or read.
    #[error("the key file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It cannot be made.
    #[error("the key file {} cannot be created", path.display())]
    Uncreatable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A folder, an empty file, bytes that are no text, or more than a key has.
    #[error("{} does not hold a key; put back the right file from your backup", .0.display())]
    NoKey(PathBuf),
}

/// The permission bits that let others than `reader` and whoever handed the file over get at it.
const fn strangers(owner: u32, reader: u32) -> u32 {
    if owner == ROOT && reader != ROOT {
        OTHERS & !GROUP_READS
    } else {
        OTHERS
    }
}

/// Makes the file if its name is free; one that is there is kept.
fn create(path: &Path, text: &str) -> io::Result<()> {
    let folder = folder_of(path);
    create_folder(folder, PRIVATE_FOLDER)?;
    let temporary = temporary_beside(path, folder)?;
    let linked = write_new(&temporary, text).and_then(|()| fs::hard_link(&temporary, path));
    let _ = fs::remove_file(&temporary);
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(folder)?.sync_all(),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

fn temporary_beside(path: &Path, folder: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    // Random, so that two who make the key at once do not write to one file.
    let mark = getrandom::u64().map_err(no_randomness)?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{mark:016x}.tmp"));
    Ok(folder.join(temporary))
}

fn no_randomness(error: getrandom::Error) -> io::Error {
    io::Error::other(error.to_string())
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE_FILE)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn text_of(seed: &[u8; 32]) -> Zeroizing<String> {
        Zeroizing::new(format!("{seed:?}"))
    }

    fn never(_: &[u8; 32]) -> Zeroizing<String> {
        unreachable!("a key is there already")
    }

    #[test]
    fn a_key_is_made_once_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/keys/log-key");
        let key = load_or_create(&path, text_of).unwrap();
        assert!(key.len() >= 32 + 2);
        assert_eq!(load_or_create(&path, never).unwrap(), key);
        assert_eq!(load(&path).unwrap(), key);
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", *key));
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&folder.path().join("new")), 0o700);
        assert_eq!(mode(&folder.path().join("new/keys")), 0o700);
        let left = path.parent().unwrap().read_dir().unwrap().count();
        assert_eq!(left, 1, "something was left behind");
        let other = folder.path().join("other");
        assert_ne!(load_or_create(&other, text_of).unwrap(), key);
    }

    /// Each step of it may be the last before a crash.
    #[test]
    fn a_key_follows_another_and_both_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let old = load_or_create(&path, text_of).unwrap();
        let new = load_or_create(&next(&path), text_of).unwrap();
        let aside = folder.path().join("key.ended-1");
        fs::hard_link(&path, &aside).unwrap();
        put_next_in_place(&path, "ended-1").unwrap();
        assert_eq!((load(&path).unwrap(), load(&aside).unwrap()), (new, old));
        assert!(!next(&path).exists());
        assert!(put_next_in_place(&path, "ended-2").is_err(), "none waits");
        // A lost key has nothing to put aside.
        let other = folder.path().join("other");
        let new = load_or_create(&next(&other), text_of).unwrap();
        put_next_in_place(&other, "ended-1").unwrap();
        assert_eq!(load(&other).unwrap(), new);
    }

    #[test]
    fn what_root_hands_over_may_be_read_by_a_group() {
        let (root, kiln) = (0, 990);
        assert_eq!(0o440 & strangers(root, kiln), 0);
        assert_ne!(0o460 & strangers(root, kiln), 0);
        assert_ne!(0o404 & strangers(root, kiln), 0);
        assert_ne!(0o440 & strangers(root, root), 0);
        assert_ne!(0o440 & strangers(kiln, kiln), 0);
    }

    #[test]
    fn a_file_that_others_can_use_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        load_or_create(&path, text_of).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601, 0o660, 0o644] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let refused = load_or_create(&path, never).unwrap_err().to_string();
            let remedy = format!("chmod 600 {}", path.display());
            assert!(refused.ends_with(&remedy), "{refused}");
        }
        for mode in [0o600, 0o400] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            load_or_create(&path, never).unwrap();
        }
    }

    #[test]
    fn a_key_in_the_place_of_a_file_is_neither_told_nor_made_a_name() {
        let hex = "0123456789abcdefABCDEF".repeat(3);
        let hex = &hex[..HEX_KEY_DIGITS];
        let prefixed = format!("0x{hex}");
        let long = "k".repeat(FILE_NAME_BYTES_MAX + 1);
        for key in [
            hex,
            &prefixed,
            "AGE-SECRET-KEY-1QQQ",
            "age-secret-key-1qqq",
            "PRIVATE+KEY+localhost/default+c7b8+AX",
            "-----BEGIN PRIVATE KEY-----\nMC4/",
            &long,
        ] {
            let refused = load_or_create(Path::new(key), never).unwrap_err();
            assert!(matches!(refused, KeyFileError::KeyItself), "{refused}");
            assert!(!format!("{refused} {refused:?}").contains(key), "{key}");
            assert!(!Path::new(key).exists(), "{key}");
        }
        for name in [
            "",
            "account.key",
            "/run/secrets/age-secret-key-1",
            &hex[1..],
            &format!("keys/{hex}"),
            &format!("/{long}"),
        ] {
            assert!(!is_key_itself(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn what_is_no_key_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let too_long = vec![b'k'; usize::try_from(KEY_FILE_BYTES_MAX).unwrap() + 1];
        for contents in [b"".as_slice(), b" \n", b"\xff\xfe", &too_long] {
            let _ = fs::remove_file(&path);
            let mut options = OpenOptions::new();
            let options = options.write(true).create_new(true).mode(0o600);
            options.open(&path).unwrap().write_all(contents).unwrap();
            let refused = load_or_create(&path, never).unwrap_err();
            assert!(matches!(refused, KeyFileError::NoKey(_)), "{refused}");
            assert_eq!(fs::read(&path).unwrap(), contents);
        }
        let refused = load_or_create(folder.path(), never).unwrap_err();
        assert!(matches!(refused, KeyFileError::NoKey(_)), "{refused}");
        let refused = load(&folder.path().join("none")).unwrap_err();
        assert!(
            matches!(refused, KeyFileError::Unreadable { .. }),
            "{refused}"
        );
    }

    #[test]
    fn all_who_make_it_at_once_get_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let barrier = std::sync::Barrier::new(8);
        let made = AtomicU32::new(0);
        let keys: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        load_or_create(&path, |seed| {
                            made.fetch_add(1, Ordering::Relaxed);
                            text_of(seed)
                        })
                    })
                })
                .collect();
            threads.into_iter().map(|it| it.join().unwrap()).collect()
        });
        assert!(made.load(Ordering::Relaxed) >= 1);
        let first = keys[0].as_ref().unwrap();
        for key in &keys {
            assert_eq!(key.as_ref().unwrap(), first);
        }
    }
}
