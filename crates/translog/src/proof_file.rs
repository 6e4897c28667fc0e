//! Proof files (`.tlog-proof`): that an anchor is in a log, checked without asking anyone.
//!
//! ```text
//! c2sp.org/tlog-proof@v1\n
//! extra <base64 of JSON>\n     (may be absent)
//! index <m>\n
//! <base64 of a hash>\n         (inclusion proof, at most 63)
//! \n
//! <signed checkpoint>
//! ```
//!
//! The JSON: `{"entry": base64, "salt": base64, "anchorId": text, "anchorValue": text, "chain":
//! {"chainId", "contract", "block", "transaction", "sequence"}}`, `chain` once a root that covers
//! the entry is on a chain. Fields not known here are passed over.
//!
//! **Source:** `translog.md` §2 and §7; C2SP tlog-proof.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    Checkpoint, Entry, Hash, NoteSyntaxError, Opening, PROOF_HASHES_MAX, Policy, PolicyRefusal,
    ProofError, SignedNote, leaf_hash, text, verify_inclusion,
};

/// The longest proof file, in bytes: room for the longest anchor texts and the longest note.
pub const PROOF_FILE_BYTES_MAX: usize = 256 * 1024;

/// A proof that nobody has checked yet. `Display` is the text of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofFile {
    /// What opens the entry, and where it is on a chain.
    pub extra: Option<Extra>,
    /// The number of the leaf, from 0.
    pub index: u64,
    /// The inclusion proof, leaf side first.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint.
    pub note: SignedNote,
}

/// What stands in the `extra` line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extra {
    /// The leaf.
    #[serde(serialize_with = "entry_to_text", deserialize_with = "entry_of_text")]
    pub entry: Entry,
    /// What the leaf commits to: personal data.
    #[serde(flatten)]
    pub opening: Opening,
    /// Where a root that covers the leaf is on a chain. A claim: only the chain can confirm it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<OnChain>,
}

/// A root on a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OnChain {
    /// Which chain (EIP-155).
    pub chain_id: u64,
    /// The address of the contract, `0x` and 40 hex digits.
    pub contract: String,
    /// The number of the block.
    pub block: u64,
    /// The hash of the transaction, `0x` and 64 hex digits.
    pub transaction: String,
    /// The number of the root in the contract.
    pub sequence: u64,
}

/// What a proof that holds proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedProof {
    /// The checkpoint that the entry is in.
    pub checkpoint: Checkpoint,
    /// The entry.
    pub entry: Entry,
    /// The plain anchor id that it commits to.
    pub anchor_id: String,
    /// The plain anchor value that it commits to.
    pub anchor_value: String,
    /// How fresh the checkpoint is known to be, in POSIX seconds.
    /// See [`Accepted`](crate::Accepted).
    pub newest_cosignature_s: Option<u64>,
}

impl ProofFile {
    /// Reads a file of at most [`PROOF_FILE_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// [`ProofFileSyntaxError`] says what is wrong.
    pub fn parse(file: &str) -> Result<Self, ProofFileSyntaxError> {
        if file.len() > PROOF_FILE_BYTES_MAX {
            return Err(ProofFileSyntaxError::TooLong);
        }
        let rest = file
            .strip_prefix(FIRST_LINE)
            .ok_or(ProofFileSyntaxError::FirstLine)?;
        let (extra, rest) = match rest.strip_prefix("extra ") {
            None => (None, rest),
            Some(rest) => {
                let (extra, rest) = rest.split_once('\n').ok_or(ProofFileSyntaxError::Extra)?;
                (Some(Extra::parse(extra)?), rest)
            }
        };
        let (index, rest) = rest.split_once('\n').ok_or(ProofFileSyntaxError::Index)?;
        let index = index
            .strip_prefix("index ")
            .and_then(text::decimal)
            .ok_or(ProofFileSyntaxError::Index)?;
        let (hashes, note) = text::split_hashes(rest).ok_or(ProofFileSyntaxError::Hashes)?;
        let note = SignedNote::parse(note).map_err(ProofFileSyntaxError::Note)?;
        Ok(Self {
            extra,
            index,
            hashes,
            note,
        })
    }

    /// Checks that the opening opens the entry, that the policy accepts the checkpoint, and that
    /// the entry is in its tree. What `chain` says is not checked here.
    ///
    /// # Errors
    /// [`ProofFileError`] says which of these does not hold.
    pub fn verify(&self, policy: &Policy) -> Result<VerifiedProof, ProofFileError> {
        let extra = self.extra.as_ref().ok_or(ProofFileError::NoOpening)?;
        let (entry, opening) = (extra.entry, &extra.opening);
        if !opening.opens(&entry) {
            return Err(ProofFileError::Opening);
        }
        let accepted = policy.check(&self.note).map_err(ProofFileError::Policy)?;
        let (tree, leaf) = (&accepted.checkpoint, leaf_hash(&entry.encode()));
        verify_inclusion(self.index, tree.size, &leaf, &self.hashes, &tree.root)
            .map_err(ProofFileError::Inclusion)?;
        Ok(VerifiedProof {
            checkpoint: accepted.checkpoint,
            entry,
            anchor_id: opening.anchor_id.clone(),
            anchor_value: opening.anchor_value.clone(),
            newest_cosignature_s: accepted.newest_cosignature_s,
        })
    }
}

impl fmt::Display for ProofFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FIRST_LINE)?;
        if let Some(extra) = &self.extra {
            let json = serde_json::to_vec(extra).map_err(|_| fmt::Error)?;
            writeln!(f, "extra {}", text::base64_text(&json))?;
        }
        writeln!(f, "index {}", self.index)?;
        write!(f, "{}\n{}", text::hash_lines(&self.hashes), self.note)
    }
}

/// Why a text is no proof file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProofFileSyntaxError {
    /// More than [`PROOF_FILE_BYTES_MAX`] bytes.
    #[error("the proof is longer than {PROOF_FILE_BYTES_MAX} bytes")]
    TooLong,
    /// The first line.
    #[error("the first line is not {}", FIRST_LINE.trim_end())]
    FirstLine,
    /// The extra line. Its content is personal data and not repeated.
    #[error("the extra line is not the opening of an entry")]
    Extra,
    /// The index line.
    #[error("the index line is missing or not valid")]
    Index,
    /// A hash that is none, more than 63 of them, or no empty line after them.
    #[error("the proof is not at most {PROOF_HASHES_MAX} hashes and an empty line")]
    Hashes,
    /// The signed note.
    #[error("the proof has no signed checkpoint")]
    Note(#[source] NoteSyntaxError),
}

/// Why a proof does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProofFileError {
    /// There is no extra line.
    #[error("the proof does not say what the entry commits to")]
    NoOpening,
    /// The entry commits to something else.
    #[error("the entry does not commit to this anchor")]
    Opening,
    /// The checkpoint is not accepted.
    #[error("the policy does not accept the checkpoint")]
    Policy(#[source] PolicyRefusal),
    /// The entry is not in the tree.
    #[error("the entry is not in the tree of the checkpoint")]
    Inclusion(#[source] ProofError),
}

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1\n";

impl Extra {
    fn parse(text: &str) -> Result<Self, ProofFileSyntaxError> {
        let extra: Self = text::base64_bytes(text)
            .map(Zeroizing::new)
            .and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or(ProofFileSyntaxError::Extra)?;
        let in_hex = |text: &str, digits: usize| {
            let hex = text.strip_prefix("0x").unwrap_or_default();
            hex.len() == digits && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        match &extra.chain {
            Some(chain) if !in_hex(&chain.contract, 40) || !in_hex(&chain.transaction, 64) => {
                Err(ProofFileSyntaxError::Extra)
            }
            _ => Ok(extra),
        }
    }
}

fn entry_to_text<S: Serializer>(entry: &Entry, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text::base64_text(&entry.encode()))
}

fn entry_of_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Entry, D::Error> {
    let bytes = text::base64_bytes(&String::deserialize(deserializer)?);
    bytes
        .and_then(|bytes| Entry::decode(&bytes).ok())
        .ok_or_else(|| serde::de::Error::custom("an entry is 74 bytes in base64"))
}

#[cfg(test)]
mod tests;
