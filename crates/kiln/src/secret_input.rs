//! Secrets given to a command: `@name`, `file:PATH`, `env:NAME`, `-`, or the text itself.
//!
//! A secret on the command line can be read by every user of the machine and stays in the shell's
//! history, so one that stands there literally warns. Errors never repeat what was given.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use keyssi::KeySsi;
use zeroize::Zeroizing;

use crate::common::Common;
use crate::exit::{Exit, Failure};
use crate::keyring::Keyring;
use crate::local_file::read_bounded;
use crate::meaning;
use crate::output;

/// The largest secret that is read. Identifiers have at most 16 KiB in the plain form.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// The forms of a KEY, for the help of commands.
pub(crate) const KEY_FORMS: &str = "A KEY is @NAME (keyring), file:PATH, env:NAME, - (stdin), or the KeySSI itself, which warns if it is secret.";

/// Where a secret comes from.
enum Source<'a> {
    Keyring(&'a str),
    File(PathBuf),
    Environment(&'a str),
    Stdin,
    Literal(&'a str),
}

impl<'a> Source<'a> {
    fn of(given: &'a str) -> Self {
        if given == "-" {
            return Self::Stdin;
        }
        let prefixed = |prefix| given.strip_prefix(prefix);
        if let Some(name) = prefixed("@") {
            Self::Keyring(name)
        } else if let Some(path) = prefixed("file:") {
            Self::File(PathBuf::from(path))
        } else if let Some(name) = prefixed("env:") {
            Self::Environment(name)
        } else {
            Self::Literal(given)
        }
    }
}

/// Whether the text says that something is read from stdin.
pub(crate) fn is_stdin(given: &str) -> bool {
    given == "-" || given == "file:-"
}

/// The identifier that a KEY argument names.
///
/// # Errors
/// [`Exit::Usage`] if it is none, [`Exit::NotFound`] for an unknown name, and those of reading
/// the place that it is in.
pub(crate) fn read_key(given: &str, common: &Common) -> Result<KeySsi, Failure> {
    match Source::of(given) {
        Source::Keyring(name) => Ok(Keyring::open(common)?.find(name)?.ssi),
        Source::Literal(text) => {
            let ssi = parse(text)?;
            if meaning::is_secret(&ssi) {
                warn_of_literal("key");
            }
            Ok(ssi)
        }
        Source::File(path) => {
            let ssi = parse(&read_file(&path)?)?;
            if meaning::is_secret(&ssi) {
                warn_of_readers(&path);
            }
            Ok(ssi)
        }
        Source::Environment(name) => parse(&read_variable(name)?),
        Source::Stdin => parse(&read_file(Path::new("-"))?),
    }
}

/// Any other secret text, without the line's end. `what` names it in messages.
///
/// # Errors
/// [`Exit::Usage`] for `@name`, and those of reading the place that it is in.
pub(crate) fn read_text(given: &str, what: &str) -> Result<Zeroizing<String>, Failure> {
    match Source::of(given) {
        Source::Keyring(_) => {
            let message = format!("the {what} cannot come from the keyring, which holds KeySSIs");
            Err(Failure::new(Exit::Usage, message).next("give it as file:PATH, env:NAME or -"))
        }
        Source::Literal(text) => {
            warn_of_literal(what);
            Ok(Zeroizing::new(text.to_owned()))
        }
        Source::File(path) => read_secret_file(&path),
        Source::Environment(name) => read_variable(name),
        Source::Stdin => read_file(Path::new("-")),
    }
}

/// The secret text of a file, with a warning if others may read it.
pub(crate) fn read_secret_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    warn_of_readers(path);
    read_file(path)
}

/// The text of a file, or of stdin for `-`, without the line's end.
pub(crate) fn read_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = read_bounded(path, SECRET_BYTES_MAX)?;
    std::str::from_utf8(&bytes)
        .map(without_line_end)
        .map_err(|_| {
            let message = format!("{} does not hold text", path.display());
            Failure::new(Exit::Usage, message).next("check that this is the right file")
        })
}

/// A variable's value.
pub(crate) fn read_variable(name: &str) -> Result<Zeroizing<String>, Failure> {
    let value = std::env::var(name).map(Zeroizing::new).map_err(|_| {
        let message = format!("there is no variable {name} with text in the environment");
        Failure::new(Exit::Usage, message).next(format!("set and export {name}"))
    })?;
    Ok(without_line_end(&value))
}

fn without_line_end(text: &str) -> Zeroizing<String> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    Zeroizing::new(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

fn parse(text: &str) -> Result<KeySsi, Failure> {
    KeySsi::parse(text).map_err(|error| {
        let failure = Failure::new(Exit::Usage, "the key is no KeySSI").because(error);
        if text.len() < 4096 && Path::new(text).is_file() {
            return failure.next("there is a file of this name; give it as file:PATH");
        }
        failure.next(
            "give @NAME, file:PATH, env:NAME, -, or a KeySSI; `kiln explain` says what a text is",
        )
    })
}

/// Warns of a secret on the command line.
pub(crate) fn warn_of_literal(what: &str) {
    output::warn(&format!(
        "the {what} stands on the command line, where other users and the shell's history can \
         see it; give it as @NAME, file:PATH, env:NAME or - instead"
    ));
}

fn warn_of_readers(path: &Path) {
    let mode = path.metadata().map(|it| it.permissions().mode());
    if path != Path::new("-") && mode.is_ok_and(|mode| mode & 0o077 != 0) {
        let path = path.display();
        output::warn(&format!(
            "other users may read {path}; run chmod 600 {path}"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_dropped_and_nothing_else() {
        for (text, expected) in [
            ("a\n", "a"),
            ("a\r\n", "a"),
            ("a\n\n", "a\n"),
            (" a ", " a "),
            ("", ""),
        ] {
            assert_eq!(without_line_end(text).as_str(), expected);
        }
    }

    #[test]
    fn a_malformed_key_is_not_repeated() {
        let message = parse("ssi:sead:default:c2VjcmV0::v0")
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("the type is not a registered one"),
            "{message}"
        );
        assert!(!message.contains("c2VjcmV0"), "{message}");
    }
}
