//! Checkpoints of our own log that others have: what a log on hold is compared with.
//!
//! A bare number says nothing: a witness answers an older checkpoint with a size that nobody has
//! signed. What counts is a checkpoint under our own key, or a root that our own account published.
//!
//! **Source:** `translog.md` §8 (read side of a witness); C2SP tlog-witness.

use std::fmt;

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use translog::{Hash, Origin, SignedNote, VerifierKey, verify_note};

use crate::cosign::{
    WITNESS_TIME_MAX, Witness, WitnessAnswer, Witnesses, beginning, body, unreachable,
};

/// A checkpoint of our own log that was kept outside its store, under our own key or from our own
/// account. Size and root are as they were signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outside {
    size: u64,
    /// 64 hex digits.
    root: String,
    /// Who has it.
    source: String,
    /// The note that our key signed, which proves that it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// How a checkpoint from outside lies to the tree of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The tree has this root at this size.
    Contained,
    /// The tree is smaller.
    Larger {
        /// Entries of the tree.
        ours: u64,
    },
    /// The tree has another root at this size.
    OtherRoot,
}

/// Why a note is no checkpoint of our log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutsideError {
    /// It is of another log.
    #[error("it is a checkpoint of the log {found}, not of {ours}")]
    OtherLog {
        /// Whose it is.
        found: Origin,
        /// Our log.
        ours: Origin,
    },
    /// Our key did not sign it.
    #[error("it is not signed with the key of the log {0}")]
    NotOurs(Origin),
    /// It is no checkpoint.
    #[error("it is no checkpoint")]
    NoCheckpoint,
    /// A checkpoint of no entries says nothing.
    #[error("it is a checkpoint of no entries, which says nothing")]
    Empty,
}

/// What a witness shows as the newest checkpoint of a log that it cosigned.
#[derive(Debug)]
pub struct Shown {
    /// Its address, without what may be a password.
    pub witness: String,
    /// The checkpoint; `None` when it has cosigned none of this log.
    pub answer: Result<Option<Outside>, WitnessAnswer>,
}

impl Outside {
    /// A signed checkpoint of the log `origin` that `source` has kept, by one of the log's `keys`.
    ///
    /// # Errors
    /// [`OutsideError`].
    pub fn signed(
        note: &SignedNote,
        origin: &Origin,
        keys: &[VerifierKey],
        source: impl Into<String>,
    ) -> Result<Self, OutsideError> {
        let checkpoint = note.checkpoint();
        let checkpoint = checkpoint.map_err(|_| OutsideError::NoCheckpoint)?;
        if checkpoint.origin != *origin {
            return Err(OutsideError::OtherLog {
                found: checkpoint.origin,
                ours: origin.clone(),
            });
        }
        let verified = verify_note(note, keys);
        if verified.is_err() || verified.is_ok_and(|it| it.log.is_empty()) {
            return Err(OutsideError::NotOurs(origin.clone()));
        }
        if checkpoint.size == 0 {
            return Err(OutsideError::Empty);
        }
        Ok(Self {
            size: checkpoint.size,
            root: hex(&checkpoint.root),
            source: source.into(),
            note: Some(note.to_string()),
        })
    }

    /// A root that our own account published for our log.
    pub(crate) fn published(size: u64, root: &Hash, source: String) -> Self {
        Self {
            size,
            root: hex(root),
            source,
            note: None,
        }
    }

    /// How many entries it covers.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Who has it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The signed note, unless it is a root on a chain.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Whether this is its root.
    pub(crate) fn has_root(&self, root: &Hash) -> bool {
        self.root == hex(root)
    }
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, source, .. } = self;
        write!(f, "a checkpoint of {size} entries, which {source} has")
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contained => f.write_str("the store contains it"),
            Self::Larger { ours } => write!(f, "the store holds {ours} only"),
            Self::OtherRoot => f.write_str("the store has another root at that size"),
        }
    }
}

/// What the witnesses show of the log `origin`, whose verifier keys are `keys`. All are asked at
/// once; takes at most five seconds. May be dropped at any point.
pub async fn shown(witnesses: &Witnesses, origin: &Origin, keys: &[VerifierKey]) -> Vec<Shown> {
    let http = &witnesses.http;
    let asked = witnesses.all.iter().map(async |witness| {
        let fetched = fetch(http, witness, origin, keys);
        let answer = tokio::time::timeout(WITNESS_TIME_MAX, fetched).await;
        let late = |_| Err(WitnessAnswer::Unreachable("no answer in time".to_owned()));
        Shown {
            witness: witness.name(),
            answer: answer.unwrap_or_else(late),
        }
    });
    join_all(asked).await
}

async fn fetch(
    http: &reqwest::Client,
    witness: &Witness,
    origin: &Origin,
    keys: &[VerifierKey],
) -> Result<Option<Outside>, WitnessAnswer> {
    let name: [u8; 32] = Sha256::digest(origin.as_str()).into();
    let url = witness.prefix.join(&format!("{}/checkpoint", hex(&name)));
    let url = url.map_err(|_| WitnessAnswer::Garbage("its address"))?;
    let mut answer = http.get(url).send().await.map_err(unreachable)?;
    let status = answer.status();
    let text = body(&mut answer).await?;
    match status {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        status => {
            return Err(WitnessAnswer::Refused {
                status: status.as_u16(),
                text: beginning(&text),
            });
        }
    }
    let note = SignedNote::parse(&text);
    let note = note.map_err(|_| WitnessAnswer::Garbage("what it shows is no signed note"))?;
    let outside = Outside::signed(
        &note,
        origin,
        keys,
        format!("the witness {}", witness.name()),
    );
    outside
        .map(Some)
        .map_err(|_| WitnessAnswer::Garbage("what it shows is no checkpoint under this log's key"))
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| {
        let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
        [digit(byte >> 4), digit(byte & 15)]
    });
    digits.collect()
}
