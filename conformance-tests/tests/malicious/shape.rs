//! Errors as short texts: variant by variant, with what they name.

use std::error::Error;

use client::dsus::DsuError;
use client::{ClientError, Violation};
use dsu::{OpenMapError, Rollback};

/// The variants of an error, outermost first, and the versions and paths in them.
pub(crate) fn shape(error: &DsuError) -> String {
    match error {
        DsuError::Forged(fault) => format!("Forged {}", fault.version),
        DsuError::RolledBack(rollback) => match &**rollback {
            Rollback::Shorter { seen, shown } => format!("RolledBack {seen} to {shown}"),
            Rollback::Replaced { version, .. } => format!("Replaced {version}"),
            other => format!("{other:?}"),
        },
        DsuError::NotAnchored(_) => "NotAnchored".to_owned(),
        DsuError::FetchMap { version, source } => {
            format!("FetchMap {version}: {}", of_client(source))
        }
        DsuError::Map {
            version, source, ..
        } => match &**source {
            OpenMapError::WrongKey(_) => format!("Map {version}: WrongKey"),
            other => format!("Map {version}: {other:?}"),
        },
        DsuError::FetchBrick {
            path,
            version,
            source,
            ..
        } => format!("FetchBrick {path} {version}: {}", of_client(source)),
        DsuError::Node(error) => of_client(error),
        other => format!("{other:?}"),
    }
}

/// The same of an error of the lower half.
pub(crate) fn of_client(error: &ClientError) -> String {
    match error {
        ClientError::Unreachable { .. } => "Unreachable".to_owned(),
        ClientError::TooSlow { .. } => "TooSlow".to_owned(),
        ClientError::Busy { status, .. } => format!("Busy {status}"),
        ClientError::Refused { status, .. } => format!("Refused {status}"),
        ClientError::UnknownDomain { .. } => "UnknownDomain".to_owned(),
        ClientError::MissingBrick { .. } => "MissingBrick".to_owned(),
        ClientError::DamagedBrick { .. } => "DamagedBrick".to_owned(),
        ClientError::NoMajority {
            stored, storages, ..
        } => format!("NoMajority {stored} of {storages}"),
        ClientError::ProtocolViolation { what, .. } => match what {
            Violation::EndlessBody { .. } => "EndlessBody".to_owned(),
            Violation::CutBody { .. } => "CutBody".to_owned(),
            Violation::Redirect => "Redirect".to_owned(),
            Violation::Nonsense { .. } => "Nonsense".to_owned(),
            other => format!("{other:?}"),
        },
        ClientError::Anchor(refusal) => format!("Anchor {refusal:?}"),
        ClientError::OutcomeUnknown { source } => format!("OutcomeUnknown: {}", of_client(source)),
        other => format!("{other:?}"),
    }
}

/// An error and its causes in one line.
pub(crate) fn text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
