//! Checking a backup: every object of a snapshot is read back whole.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use crate::object::read_object;
use crate::seal::Identities;
use crate::snapshot::Snapshot;
use crate::{Advance, BackupError, Place};

/// What a check found.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// Objects that hold what they should.
    pub sound: u64,
    /// Their bytes before encryption.
    pub bytes: u64,
    /// What is damaged or missing.
    pub findings: Vec<BackupError>,
}

/// Reads every object of a snapshot, decrypts it, and compares it with its hash.
///
/// # Errors
/// When the place or the private keys fail; what is wrong with an object is a finding.
pub fn check(
    place: &Place,
    snapshot: &Snapshot,
    identities: &Identities,
    advance: Advance<'_>,
) -> Result<CheckReport, BackupError> {
    let mut report = CheckReport::default();
    let objects: BTreeMap<_, _> = snapshot
        .files
        .iter()
        .map(|file| (snapshot.object(file), file))
        .collect();
    for file in objects.values() {
        let mut sink = std::io::sink();
        let nowhere: (_, &mut dyn Write) = (Path::new("nowhere"), &mut sink);
        match read_object(place, snapshot, file, identities, nowhere, advance) {
            Ok(()) => {
                report.sound += 1;
                report.bytes += file.bytes;
            }
            Err(found @ (BackupError::Damaged { .. } | BackupError::Missing { .. })) => {
                report.findings.push(found);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(report)
}
