//! How a command ends: the exit codes, and [`Failure`], the one error that commands give.
//!
//! The codes are stable: scripts rely on them. `kiln exit-codes` prints them.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

use causes::with_causes;
use serde_json::{Value, json};

use crate::output::{self, Form, Output, printable};

/// Declares the codes once: value, name in the code, words for people.
macro_rules! exits {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $words:literal;)+) => {
        /// What a command ends with.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Exit {
            $($(#[doc = $doc])+ $name = $code,)+
        }

        impl Exit {
            /// All of them, by number.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),+];

            /// What the code says, in a few words.
            pub(crate) const fn words(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)+
                }
            }
        }
    };
}

exits! {
    /// The command did what was asked.
    Done = 0, "done";
    /// The command did its work, and the answer is no.
    Negative = 1, "a negative answer: a check found something, a signature is not valid, a thing is not known";
    /// The command was called in a wrong way.
    Usage = 2, "wrong usage: an option, a malformed identifier, a missing passphrase";
    /// Something on this machine.
    Local = 3, "a local failure: a file, the configuration, a store, a damaged keyring";
    /// No connection, or no answer in time.
    Unreachable = 4, "the node cannot be reached or is too slow";
    /// A name that names nothing.
    NotFound = 5, "not found: a DSU, a version, a path, the name of a key";
    /// A key that does not open or does not allow it.
    WrongKey = 6, "the key or passphrase is a wrong one, or the key does not allow it";
    /// Somebody or something was there first.
    Conflict = 7, "a conflict: it exists already, or somebody else has written";
    /// No storage of the domain has the brick.
    BrickMissing = 8, "a brick is missing";
    /// Bytes that are not what their name says.
    BrickDamaged = 9, "a brick or a brick map is damaged";
    /// A history that does not verify.
    Forged = 10, "an anchor value is forged, or the history is broken";
    /// A history that was longer before.
    Rollback = 11, "the history is older than one that was seen before";
    /// An archive that cannot be read to its end.
    CarDamaged = 12, "a CAR file is damaged or cut off";
    /// No such domain.
    UnknownDomain = 13, "the domain is unknown";
    /// No room for a local file.
    DiskFull = 14, "the local disk is full";
    /// Answers that are none.
    Protocol = 15, "the node broke the protocol: an endless or cut body, nonsense";
    /// A node that does not want to.
    Refused = 16, "the node refused: a quota, a limit, or it is busy";
    /// A file of a log that is not what the signed checkpoint vouches for.
    LogDamaged = 17, "a log is damaged: an entry, tile, bundle or opening is wrong or missing";
    /// Signed checkpoints that do not go together.
    LogForked = 18, "a log shows different histories";
    /// Ctrl-C.
    Interrupted = 130, "interrupted";
    /// The reader of stdout has gone; nothing is said.
    PipeClosed = 141, "the reader of the output has gone away";
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What commands give back.
pub(crate) type Outcome = Result<Exit, Failure>;

/// Why a command ends early: code, message, and what to do next.
///
/// The message names the thing that failed and never holds a secret. Causes are printed after
/// it, each once.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    next: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure with its code and a message in lower case, without a full stop.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            next: None,
            source: None,
        }
    }

    /// The code.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Adds the action to take.
    #[must_use]
    pub(crate) fn next(mut self, action: impl Into<String>) -> Self {
        self.next = Some(action.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub(crate) fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The message with its causes, in one line.
    pub(crate) fn words(&self) -> String {
        match &self.source {
            Some(cause) => format!("{}: {}", self.message, with_causes(&**cause)),
            None => self.message.clone(),
        }
    }

    /// A failed operation on a local file or folder; a full disk has a code of its own.
    pub(crate) fn io(message: impl Into<String>, error: io::Error) -> Self {
        let (exit, next) = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                (Exit::DiskFull, "make room on the disk, then try again")
            }
            io::ErrorKind::NotFound => (Exit::Local, "check the path"),
            io::ErrorKind::PermissionDenied => (
                Exit::Local,
                "check the permissions of the file and its folder",
            ),
            _ => (Exit::Local, "check the path and the disk"),
        };
        Self::new(exit, message).because(error).next(next)
    }

    /// A failed write to stdout: silent if the reader has gone, as is usual in pipes.
    pub(crate) fn stdout(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::PipeClosed, "stdout was closed"),
            _ => Self::io("stdout cannot be written", error),
        }
    }

    /// Says on stderr what happened and what to do, and gives the code.
    pub(crate) fn report(&self) -> Exit {
        if self.exit != Exit::PipeClosed {
            eprint!("{self}");
        }
        self.exit
    }
}

/// The whole text for stderr: one line of error with its causes, one line with the next action.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", printable(&self.words()))?;
        match &self.next {
            Some(next) => writeln!(f, "next: {}", printable(next)),
            None => Ok(()),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|it| it as _)
    }
}

/// `kiln exit-codes`.
pub(crate) fn print_codes(output: Output) -> Outcome {
    let codes: Vec<_> = Exit::ALL
        .iter()
        .map(|&exit| json!({ "code": exit as u8, "means": exit.words() }))
        .collect();
    match output.form {
        Form::Json => output::json(&Value::Array(codes))?,
        Form::Text => {
            for &exit in Exit::ALL {
                output::line(&format!("{:3}  {}", exit as u8, exit.words()))?;
            }
        }
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_in_order() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|&it| it as u8).collect();
        assert!(codes.is_sorted_by(|one, two| one < two), "{codes:?}");
    }

    #[test]
    fn a_failure_is_one_message_and_one_action_without_control_characters() {
        let cause = io::Error::other("bad\u{1b}[31m name");
        let failure = Failure::new(Exit::Local, "x cannot be read").because(cause);
        let text = failure.next("check it").to_string();
        assert_eq!(
            text,
            "error: x cannot be read: bad\\u{1b}[31m name\nnext: check it\n"
        );
    }
}
