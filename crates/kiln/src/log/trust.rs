//! Whose checkpoints are believed: the log's keys, or a policy with witnesses.

use std::path::{Path, PathBuf};

use causes::with_causes;
use clap::Args;
use translog::{Checkpoint, POLICY_BYTES_MAX, Policy, PolicyRefusal, SignedNote, verify_note};

use super::finding::{Finding, Kind, Stop};
use super::source::Source;
use crate::exit::{Exit, Failure};
use crate::local_file::read_bounded;

/// Options that say whom to believe.
#[derive(Args)]
#[group(required = true, multiple = false, id = "trust")]
pub(super) struct TrustArgs {
    /// The log's verifier key; given twice while the key is being changed
    #[arg(long, value_name = "VKEY")]
    vkey: Vec<String>,
    /// A policy: the log's key, and which witnesses have to cosign
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// Whom to believe.
pub(super) struct Trust(Policy);

/// A checkpoint that is believed, with the note that says so.
#[derive(Clone)]
pub(super) struct Believed {
    pub(super) note: SignedNote,
    pub(super) checkpoint: Checkpoint,
    /// POSIX seconds of the newest cosignature that the policy needs.
    pub(super) newest_cosignature_s: Option<u64>,
}

/// What a log shows as its newest checkpoint.
pub(super) struct Newest {
    /// The one that is believed.
    pub(super) believed: Believed,
    /// What it shows as its newest, which may lack cosignatures: it has to fit all the same. Fetched
    /// before the other, so it may be the older one.
    pub(super) shown: Believed,
}

impl Trust {
    /// Reads the options.
    ///
    /// # Errors
    /// [`Exit::Usage`] for a key or policy that is none.
    pub(super) fn of(args: &TrustArgs) -> Result<Self, Failure> {
        match &args.policy {
            Some(path) => Self::parse(&read_policy(path)?, &path.display().to_string()),
            None => Self::of_keys(&args.vkey, "--vkey"),
        }
    }

    /// Believes these verifier keys of a log, which were given as `what`.
    ///
    /// # Errors
    /// [`Exit::Usage`] for one that is none.
    pub(super) fn of_keys(keys: &[String], what: &str) -> Result<Self, Failure> {
        let lines = keys.iter().map(|key| format!("log {}\n", key.trim()));
        Self::parse(&lines.collect::<String>(), what)
    }

    fn parse(text: &str, what: &str) -> Result<Self, Failure> {
        Policy::parse(text).map(Self).map_err(|error| {
            Failure::new(
                Exit::Usage,
                format!("{what} is not usable: {}", with_causes(&error)),
            )
            .next(
                "the log serves its key at URL/vkey; take it over a channel that you trust, or \
                 from the operator",
            )
        })
    }

    /// Fetches the newest checkpoint of a log and verifies it; `None` if there is none. If the
    /// newest one lacks cosignatures that the policy needs, the newest that has them.
    ///
    /// # Errors
    /// A finding if it is not signed as it has to be, or why it cannot be fetched.
    pub(super) async fn newest(&self, log: &Source) -> Result<Option<Newest>, Stop> {
        let Some(bytes) = log.fetch("checkpoint", translog::NOTE_BYTES_MAX).await? else {
            return Ok(None);
        };
        let refused = match self.believe(&bytes, "checkpoint") {
            Err(Refused::NoQuorum(finding)) => finding,
            Err(Refused::Other(finding)) => return Err(finding.into()),
            Ok(believed) => {
                let shown = believed.clone();
                return Ok(Some(Newest { believed, shown }));
            }
        };
        let shown = self.signed_by_log(&bytes, "checkpoint")?;
        let path = "checkpoint/cosigned";
        match log.fetch(path, translog::NOTE_BYTES_MAX).await? {
            None => Err(refused.into()),
            Some(bytes) => {
                let believed = self.believe(&bytes, path)?;
                Ok(Some(Newest { believed, shown }))
            }
        }
    }

    /// Verifies a checkpoint by the keys of the log alone, for one that was fully verified before
    /// or is held against others.
    ///
    /// # Errors
    /// A finding if the log did not sign it.
    pub(super) fn signed_by_log(&self, bytes: &[u8], path: &str) -> Result<Believed, Finding> {
        let note = parse(bytes, path)?;
        let keys: Vec<_> = self.0.logs().iter().map(|log| log.key.clone()).collect();
        let verified = verify_note(&note, &keys)
            .map_err(|error| Finding::new(Kind::Signature, with_causes(&error)).file(path))?;
        if verified.log.is_empty() {
            let text = "the checkpoint is not signed by the key of its own log";
            return Err(Finding::new(Kind::Signature, text).file(path));
        }
        Ok(Believed {
            note,
            checkpoint: verified.checkpoint,
            newest_cosignature_s: None,
        })
    }

    fn believe(&self, bytes: &[u8], path: &str) -> Result<Believed, Refused> {
        let note = parse(bytes, path)?;
        match self.0.check(&note) {
            Ok(accepted) => Ok(Believed {
                note,
                checkpoint: accepted.checkpoint,
                newest_cosignature_s: accepted.newest_cosignature_s,
            }),
            Err(refusal) => {
                let finding = Finding::new(Kind::Signature, with_causes(&refusal)).file(path);
                Err(match refusal {
                    PolicyRefusal::NoQuorum => Refused::NoQuorum(finding),
                    _ => Refused::Other(finding),
                })
            }
        }
    }
}

/// Why a checkpoint is not believed.
enum Refused {
    /// Cosignatures are missing.
    NoQuorum(Finding),
    Other(Finding),
}

impl From<Finding> for Refused {
    fn from(finding: Finding) -> Self {
        Self::Other(finding)
    }
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoQuorum(finding) | Refused::Other(finding) => finding.into(),
        }
    }
}

fn parse(bytes: &[u8], path: &str) -> Result<SignedNote, Finding> {
    let finding = |text: String| Finding::new(Kind::Signature, text).file(path);
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|_| finding("the checkpoint is not UTF-8 text".to_owned()))?;
    SignedNote::parse(text).map_err(|error| finding(with_causes(&error)))
}

/// The text of a policy.
///
/// # Errors
/// [`Exit::Usage`] if it is no text, and why it cannot be read.
pub(super) fn read_policy(path: &Path) -> Result<String, Failure> {
    let bytes = read_bounded(path, POLICY_BYTES_MAX as u64)?;
    String::from_utf8(bytes.to_vec()).map_err(|error| {
        Failure::new(Exit::Usage, format!("{} is not UTF-8", path.display()))
            .because(error)
            .next("name the file of the policy with --policy")
    })
}
