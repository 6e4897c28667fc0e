//! Errors of the command line. They repeat what was given, so keys in it are taken out first.

use std::process::ExitCode;

use clap::error::ErrorKind;
use keyssi::KeySsi;

use crate::exit::Exit;

/// Base58 of the shortest identifier has more characters.
const IDENTIFIER_CHARS_MIN: usize = 16;

/// Prints help or the error, and gives the exit code.
pub(crate) fn report(error: &clap::Error) -> ExitCode {
    let keys: Vec<String> = std::env::args_os()
        .filter_map(|it| it.into_string().ok())
        .flat_map(|it| {
            it.split_once('=')
                .map(|(_, value)| value.to_owned())
                .into_iter()
                .chain([it])
                .collect::<Vec<_>>()
        })
        .filter(|it| looks_like_a_key(it))
        .collect();
    if keys.is_empty()
        || matches!(
            error.kind(),
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
        )
    {
        // A closed stdout or stderr is nobody's loss here.
        let _ = error.print();
    } else {
        eprint!("{}", without(&error.to_string(), &keys));
    }
    match error.exit_code() {
        0 => Exit::Done.into(),
        _ => Exit::Usage.into(),
    }
}

/// Texts that are a key, or were meant as one.
fn looks_like_a_key(text: &str) -> bool {
    let is_private =
        text.starts_with("ssi:") || text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-");
    is_private || (text.len() >= IDENTIFIER_CHARS_MIN && KeySsi::parse(text).is_ok())
}

fn without(message: &str, keys: &[String]) -> String {
    keys.iter().fold(message.to_owned(), |message, key| {
        message.replace(key, "(a key)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_out_of_messages() {
        let seed = KeySsi::constant("default", "x").unwrap();
        let (plain, wrapped) = (seed.plain().to_string(), seed.wrapped().to_string());
        for key in [
            plain,
            wrapped,
            "ssi:sead:malformed".into(),
            "AGE-SECRET-KEY-1X".into(),
        ] {
            assert!(looks_like_a_key(&key));
            let message = without(&format!("unexpected '{key}' found"), &[key]);
            assert_eq!(message, "unexpected '(a key)' found");
        }
        for other in [
            "--data",
            "default",
            "@record",
            "4Ffv93NTthwW6qULHRQ3wqewEzM2WiN4QNSz2Se1sNHv",
        ] {
            assert!(!looks_like_a_key(other), "{other}");
        }
    }
}
