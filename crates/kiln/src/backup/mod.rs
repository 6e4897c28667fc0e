//! `kiln backup`: backups of a whole node, and restoring them.
//!
//! **Source:** `docs/backup.md`.

mod create;
mod drill;
mod frozen;
mod look;
mod prune;
mod restore;
mod stop;

use std::error::Error;
use std::io;

use backup::{BackupError, Identities, Place, S3Options, Snapshot, SnapshotId, Unread};
use causes::with_causes;
use clap::{Args, Subcommand};
use ledger::LedgerError;

use crate::common::Common;
use crate::exit::{Exit, Failure, Outcome};
use crate::keyring::read_identities;

/// Commands of backups.
#[derive(Subcommand)]
pub(crate) enum BackupCommand {
    /// Back a node up, running or stopped; only what is new is stored
    #[command(after_help = create::HELP)]
    Create(create::CreateArgs),
    /// Print the backups of a place
    #[command(after_help = look::LIST_HELP)]
    List(look::ListArgs),
    /// Read a backup back whole and compare every byte with its hash
    #[command(after_help = look::CHECK_HELP)]
    Check(look::CheckArgs),
    /// Put a backup into a new data folder
    #[command(after_help = restore::HELP)]
    Restore(restore::RestoreArgs),
    /// Restore a backup for trial, check the stores, and say how long it took
    #[command(after_help = drill::HELP)]
    Drill(drill::DrillArgs),
    /// Take old backups away, and what only they need
    #[command(after_help = prune::HELP)]
    Prune(prune::PruneArgs),
}

/// Where backups lie.
#[derive(Args)]
struct PlaceArgs {
    /// A folder, or `s3://BUCKET/PREFIX` (credentials: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`)
    #[arg(value_name = "PLACE")]
    place: String,
    /// Address of an S3-compatible store that is not Amazon's
    #[arg(
        long,
        value_name = "URL",
        env = "AWS_ENDPOINT_URL",
        hide_env_values = true
    )]
    s3_endpoint: Option<String>,
    /// Region of the store
    #[arg(long, value_name = "NAME", env = "AWS_REGION", hide_env_values = true)]
    s3_region: Option<String>,
}

/// Which backup.
#[derive(Args)]
struct WhichArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The backup, as `kiln backup list` names it [default: the newest]
    #[arg(long, value_name = "NAME")]
    backup: Option<SnapshotId>,
}

/// Carries out a command.
pub(crate) fn run(command: &BackupCommand, common: &Common) -> Outcome {
    match command {
        BackupCommand::Create(args) => create::run(args, common),
        BackupCommand::List(args) => look::list(args, common),
        BackupCommand::Check(args) => look::check(args, common),
        BackupCommand::Restore(args) => restore::run(args, common),
        BackupCommand::Drill(args) => drill::run(args, common),
        BackupCommand::Prune(args) => prune::run(args, common),
    }
}

impl PlaceArgs {
    fn options(&self) -> S3Options {
        S3Options {
            endpoint: self.s3_endpoint.clone(),
            region: self.s3_region.clone(),
        }
    }

    fn open(&self) -> Result<Place, Failure> {
        Place::open(&self.place, &self.options()).map_err(|error| failure(&error))
    }
}

/// A backup that was found and read.
struct Found {
    place: Place,
    unread: Unread,
    snapshot: Snapshot,
    identities: Identities,
}

impl WhichArgs {
    fn find(&self, common: &Common) -> Result<Found, Failure> {
        let identities = read_identities(&common.identity)?;
        let place = self.place.open()?;
        let unread = backup::find(&place, self.backup.as_ref()).map_err(|error| failure(&error))?;
        let snapshot =
            backup::read(&place, &unread, &identities).map_err(|error| failure(&error))?;
        Ok(Found {
            place,
            unread,
            snapshot,
            identities,
        })
    }
}

/// An error of a backup as a command ends with it.
fn failure(error: &BackupError) -> Failure {
    let (exit, next) = match error {
        BackupError::Location { .. } | BackupError::Recipient { .. } => {
            (Exit::Usage, "see kiln backup create --help")
        }
        BackupError::Place { place, .. } if !place.starts_with("s3://") => {
            (Exit::Local, "check the folder and its disk")
        }
        BackupError::Place { .. } => (
            Exit::Unreachable,
            "check the address, the credentials and the bucket (AWS_… in the environment, --s3-endpoint)",
        ),
        BackupError::NotAPlace { .. } => (Exit::NotFound, "name the place of the backups"),
        BackupError::Newer { .. } => (
            Exit::Local,
            "use the version of kiln that made it, or a newer one",
        ),
        BackupError::Unknown { .. } => (Exit::NotFound, "kiln backup list shows what is there"),
        BackupError::NoIdentity | BackupError::WrongIdentity => (
            Exit::WrongKey,
            "give the file of the age private key with --identity",
        ),
        BackupError::Damaged { .. } | BackupError::Missing { .. } => (
            Exit::Negative,
            "use another backup; take the damaged object away, and the next backup stores it again",
        ),
        BackupError::Incomplete { .. } => (
            Exit::Negative,
            "run kiln backup create, which stores again what the node still has of it; then see with \
             kiln backup check --backup NAME; one that stays so goes when its file in snapshots/ is \
             taken away",
        ),
        BackupError::Rotten { .. } => (
            Exit::Local,
            "kiln store check says what is lost; restore the newest backup that kiln backup drill \
             finds sound, on another disk",
        ),
        BackupError::OtherNode { .. } => (
            Exit::Conflict,
            "give each node a place of its own; a node that lost its number gets it back by writing \
             it into the file node-id of its data folder",
        ),
        BackupError::Stopped => (Exit::Interrupted, "run it again"),
        BackupError::NotEmpty { .. } => (
            Exit::Conflict,
            "name a new folder; a restore never writes over anything",
        ),
        BackupError::Busy { .. } => (
            Exit::Conflict,
            "run it again when that has ended; if that was cut off in an object store, run that once \
             more first",
        ),
        BackupError::Changed { .. } => (Exit::Conflict, "run it again"),
        _ => (Exit::Local, "mend what the message says, and run it again"),
    };
    let (exit, next) = if is_disk_full(error) {
        (Exit::DiskFull, "make room on the disk, then try again")
    } else {
        (exit, next)
    };
    let message = with_causes(error);
    Failure::new(exit, message).next(next)
}

/// Whether a full disk is behind an error. A store tells it in words only.
fn is_disk_full(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(|cause| {
        if let Some(cause) = cause.downcast_ref::<io::Error>() {
            let kind = cause.kind();
            return matches!(
                kind,
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            );
        }
        let is_told = matches!(
            cause.downcast_ref::<LedgerError>(),
            Some(LedgerError::OutOfSpace)
        );
        is_told || cause.to_string().contains("No space left on device")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_seen_wherever_it_is_said() {
        let check = |error: BackupError, expected: Exit| {
            assert_eq!(failure(&error).exit(), expected, "{error}");
        };
        let local = |kind: io::ErrorKind| BackupError::Local {
            path: "file".into(),
            source: kind.into(),
        };
        check(local(io::ErrorKind::StorageFull), Exit::DiskFull);
        check(local(io::ErrorKind::QuotaExceeded), Exit::DiskFull);
        check(local(io::ErrorKind::PermissionDenied), Exit::Local);
        check(BackupError::Stopped, Exit::Interrupted);
        assert!(is_disk_full(&LedgerError::OutOfSpace));
        let words = io::Error::other("IO error: No space left on device: 000009.sst");
        let opened = ledger::OpenError::Folder {
            path: "anchors".into(),
            source: io::ErrorKind::StorageFull.into(),
        };
        assert!(is_disk_full(&opened));
        let damaged = ledger::OpenError::Damaged {
            path: "anchors".into(),
            detail: words.to_string(),
        };
        assert!(is_disk_full(&damaged));
        assert!(!is_disk_full(&LedgerError::Absent));
    }
}
