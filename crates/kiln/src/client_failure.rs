//! What a failure of the client means for the command: its exit code and the next action.

use std::error::Error;
use std::io;

use causes::with_causes;
use client::dsus::DsuError;
use client::{AnchorRefusal, ClientError, HeadError};
use dsu::{Change, EditError, OpenMapError, VersionlessParseError};
use keyssi::SsiKind;

use crate::exit::{Exit, Failure};

const CHECK_NODE: &str = "check that the node runs and that --node or KILN_NODE names it";
const TRY_LATER: &str = "try again later; what is stored already is not sent again";
const ANOTHER_KEY: &str = "give another key; `kiln explain KEY` says what this one allows";
const CHECK_PATH: &str = "see what there is with `kiln dsu ls` or `kiln dsu tree`";
const TELL_OPERATOR: &str = "tell the operator of the node; another node may have it";
const ASK_VERIFY: &str = "see what else is wrong with `kiln dsu verify`";
const REPORT: &str = "report this as a fault of kiln";

impl From<DsuError> for Failure {
    fn from(error: DsuError) -> Self {
        failure(&error, of_dsu(&error))
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        failure(&error, of_client(&error))
    }
}

impl From<HeadError> for Failure {
    fn from(error: HeadError) -> Self {
        failure(&error, of_heads(&error))
    }
}

/// The exit code of a failure with a DSU, for reports of many.
pub(crate) fn exit_of(error: &DsuError) -> Exit {
    of_dsu(error).0
}

/// Messages of conflicts name every path and what each side did, however many they are.
fn words(error: &(dyn Error + 'static)) -> String {
    let conflicts = chain(error).find_map(|it| match it.downcast_ref::<DsuError>() {
        Some(DsuError::Conflict(conflicts)) => Some(conflicts),
        _ => None,
    });
    let Some(conflicts) = conflicts else {
        return with_causes(error);
    };
    let listed = conflicts.0.iter().map(|conflict| {
        let (ours, theirs) = (side(conflict.ours), side(conflict.theirs));
        format!(
            "{} ({ours} here, {theirs} by another writer)",
            conflict.path
        )
    });
    let listed: Vec<String> = listed.collect();
    format!("both sides changed {}", listed.join(", "))
}

/// What one side of a conflict did.
const fn side(change: Change) -> &'static str {
    match change {
        Change::Added => "added",
        Change::Written => "written",
        Change::Deleted => "removed",
        Change::MadeFolder => "made a folder",
        Change::Mounted => "mounted",
        Change::Unmounted => "unmounted",
        _ => "changed",
    }
}

fn failure(error: &(dyn Error + 'static), (exit, next): (Exit, &str)) -> Failure {
    // Whatever was being done: the disk is what must be looked after.
    if is_disk_full(error) {
        return Failure::new(Exit::DiskFull, with_causes(error))
            .next("make room on the disk, then try again");
    }
    Failure::new(exit, words(error)).next(next)
}

/// An error and its causes.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

fn is_disk_full(error: &(dyn Error + 'static)) -> bool {
    chain(error)
        .filter_map(|it| it.downcast_ref::<io::Error>())
        .any(|it| {
            matches!(
                it.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            )
        })
}

/// Every kind of failure with a DSU. The enums are open, so each match ends with what a kind that
/// is new means; whoever adds one adds it here.
fn of_dsu(error: &DsuError) -> (Exit, &'static str) {
    match error {
        DsuError::NotAnchored(_) => (
            Exit::NotFound,
            "check the key and the node; `kiln dsu create --key` makes a DSU under it",
        ),
        DsuError::NoDocument(_) => (Exit::NotFound, "check the key and the node"),
        DsuError::NoSuchVersion { .. } | DsuError::NothingAtTime(_) => {
            (Exit::NotFound, "see the versions with `kiln dsu history`")
        }
        DsuError::NotFound(_) | DsuError::NotMounted(_) => (Exit::NotFound, CHECK_PATH),
        DsuError::Exists => (
            Exit::Conflict,
            "add to it with `kiln dsu put`, or make one under another key",
        ),
        DsuError::Conflict(_) => (
            Exit::Conflict,
            "read their version with `kiln dsu get`, settle it, then write these paths again",
        ),
        DsuError::Contended(_) => (Exit::Conflict, TRY_LATER),
        DsuError::NotReadable(SsiKind::Versionless) => (
            Exit::WrongKey,
            "versionless DSUs have no history and no signatures; kiln dsu does not open them yet",
        ),
        DsuError::NotWritable(_) | DsuError::HandedOver => (
            Exit::WrongKey,
            "give the key of the owner, a seed; this one does not allow it",
        ),
        DsuError::Constant => (
            Exit::WrongKey,
            "make a new DSU with the changed content, as with `kiln dsu clone`",
        ),
        DsuError::NotReadable(_)
        | DsuError::Key(_)
        | DsuError::Sealer(_)
        | DsuError::Sign(_)
        | DsuError::Value(_)
        | DsuError::Document(VersionlessParseError::WrongKey(_)) => (Exit::WrongKey, ANOTHER_KEY),
        DsuError::IsFolder(_)
        | DsuError::IsFile(_)
        | DsuError::MountedAlready(_)
        | DsuError::MountedBelow(_)
        | DsuError::NotEmpty(_)
        | DsuError::Reserved(_) => (Exit::Usage, CHECK_PATH),
        DsuError::Edit(error) => of_edit(error),
        DsuError::Identifier(_) => (Exit::Usage, "choose another domain"),
        DsuError::Forged(_) => (
            Exit::Forged,
            "trust nothing that this node shows of the DSU; ask another node or its owner",
        ),
        DsuError::RolledBack(_) => (
            Exit::Rollback,
            "the node lost versions or hides them: ask its operator or another node",
        ),
        DsuError::Map { source, .. } => match &**source {
            OpenMapError::NoKey(_) | OpenMapError::WrongKey(_) => (Exit::WrongKey, ANOTHER_KEY),
            _ => (Exit::BrickDamaged, ASK_VERIFY),
        },
        DsuError::Replay(_)
        | DsuError::NoMap(_)
        | DsuError::Content { .. }
        | DsuError::Brick { .. }
        | DsuError::Manifest { .. }
        | DsuError::Document(_) => (Exit::BrickDamaged, ASK_VERIFY),
        DsuError::FetchMap { source, .. } | DsuError::FetchBrick { source, .. } => {
            of_client(source)
        }
        DsuError::Mounted { source, .. } | DsuError::PartlyCommitted { source, .. } => {
            of_dsu(source)
        }
        DsuError::MountCircle(_) => (Exit::Usage, "mount it in another DSU"),
        DsuError::BricksLost => (Exit::Local, TRY_LATER),
        DsuError::MountedTooDeep(_) => (
            Exit::Conflict,
            "take one mount out of the circle with `kiln dsu unmount`",
        ),
        DsuError::Input { .. } => (Exit::Local, "check the file and its permissions"),
        DsuError::Heads(error) => of_heads(error),
        DsuError::Node(error) => of_client(error),
        DsuError::NotNewest { .. } => (Exit::Conflict, "change the newest version, without --at"),
        // Envelope, Seal, Task.
        _ => (Exit::Local, REPORT),
    }
}

/// What to do when the node wants to know who asks.
const GIVE_KEY: &str = "name a file with an API key of the node that allows it, with --api-key-file, or set KILN_API_KEY; its operator makes keys with `kiln admin keys create`";

fn of_client(error: &ClientError) -> (Exit, &'static str) {
    match error {
        ClientError::Refused {
            status: 401 | 403, ..
        } => (Exit::WrongKey, GIVE_KEY),
        ClientError::Setup { .. } => (
            Exit::Usage,
            "give --node or KILN_NODE as in http://127.0.0.1:8080",
        ),
        ClientError::Unreachable { .. } => (Exit::Unreachable, CHECK_NODE),
        ClientError::TooSlow { .. } | ClientError::Resting { .. } => (Exit::Unreachable, TRY_LATER),
        ClientError::Busy { .. } => (Exit::Refused, TRY_LATER),
        ClientError::UnknownDomain { .. } => (
            Exit::UnknownDomain,
            "check the domain and the node; the operator of the node adds domains to it",
        ),
        ClientError::MissingBrick { .. } => (Exit::BrickMissing, TELL_OPERATOR),
        ClientError::DamagedBrick { .. } => (Exit::BrickDamaged, TELL_OPERATOR),
        ClientError::NoMajority { source, .. } => of_client(source),
        ClientError::ProtocolViolation { .. } => (
            Exit::Protocol,
            "check that the address is that of a node; if it is, tell its operator",
        ),
        ClientError::Anchor(AnchorRefusal::Absent) => {
            (Exit::NotFound, "check the key and the node")
        }
        ClientError::Anchor(
            AnchorRefusal::Exists | AnchorRefusal::OutOfSync | AnchorRefusal::OlderTimestamp,
        ) => (
            Exit::Conflict,
            "check this machine's clock and `kiln dsu history`, then try again",
        ),
        // Rejected.
        ClientError::Refused { .. } | ClientError::Anchor(_) => (
            Exit::Refused,
            "read what the node says; its operator can tell more",
        ),
        ClientError::OutcomeUnknown { source } => (
            of_client(source).0,
            "see with `kiln dsu history` whether the version is there before trying again",
        ),
        ClientError::BadDocumentPath { .. } => (Exit::Usage, "give a key with another path"),
        // Task.
        _ => (Exit::Local, REPORT),
    }
}

fn of_edit(error: &EditError) -> (Exit, &'static str) {
    match error {
        EditError::NotFound(_) => (Exit::NotFound, CHECK_PATH),
        EditError::Exists(_) => (
            Exit::Conflict,
            "choose another path, or remove this one first",
        ),
        EditError::Unreadable(_) => (Exit::BrickDamaged, ASK_VERIFY),
        // IsFolder, IsFile, IsEmbedded, ReservedName, IntoItself, TooDeep.
        _ => (Exit::Usage, CHECK_PATH),
    }
}

fn of_heads(error: &HeadError) -> (Exit, &'static str) {
    match error {
        HeadError::Damaged { .. } => (
            Exit::Local,
            "restore the file from a backup; removing it means that an older history is not caught",
        ),
        _ => (
            Exit::Local,
            "check the folder that --state or KILN_STATE names, and its permissions",
        ),
    }
}
