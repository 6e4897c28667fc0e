//! What a node says of where an anchor has got to: proofs of its log, and the status.
//!
//! A proof is checked here as far as it goes without the log's key: that it opens to the anchor and
//! the value that were asked for, and that its entry is in the tree of its checkpoint. Whether the
//! right log signed that checkpoint is for whoever has a policy. A status is the node's word alone.
//!
//! **Source:** `translog.md` §2 and §7; the routes are those of Kiln.

use std::fmt;
use std::time::Duration;

use causes::with_causes;
use keyssi::{AnchorId, AnchorValue};
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use translog::{Checkpoint, Entry, PROOF_FILE_BYTES_MAX, ProofFile, leaf_hash, verify_inclusion};

use crate::anchors::{NOT_SERVED, nobody, unknown_domain};
use crate::client::Client;
use crate::error::ClientError;
use crate::transport::{Answer, Call};

/// The proofs and the status of anchors. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Proofs {
    client: Client,
}

/// What a node answers to the question for a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofAnswer {
    /// The proof.
    Proof(Box<Proof>),
    /// The value is stored, and in no signed checkpoint yet.
    Pending {
        /// When the node wants to be asked again.
        retry_after: Option<Duration>,
        /// What it waits for: the node's words, shortened.
        words: String,
    },
    /// There is no such anchor or version, or the domain has no log.
    Absent {
        /// The node's words, shortened.
        words: String,
    },
    /// What opens the entry was erased: nobody can prove it any more.
    Erased,
}

/// A proof that opens to the anchor and the value that were asked for, in the tree of a checkpoint
/// whose signatures are not checked yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Proof {
    /// The file as the node gave it.
    pub text: String,
    /// The same, read.
    pub file: ProofFile,
    /// The entry that commits to the anchor.
    pub entry: Entry,
    /// The checkpoint, as its note says.
    pub checkpoint: Checkpoint,
}

/// What a node answers to the question for the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusAnswer {
    /// The status.
    Known(Box<AnchorStatus>),
    /// There is no such anchor or version, or the domain has no log.
    Absent {
        /// The node's words, shortened.
        words: String,
    },
}

/// Where a version of an anchor has got to, as the node says. JSON is written with the names of the
/// fields, and read as the node writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "camelCase"))]
#[non_exhaustive]
pub struct AnchorStatus {
    /// The anchor.
    pub anchor_id: String,
    /// Its domain.
    pub domain: String,
    /// The version that this is about, from 0.
    pub version: u64,
    /// How many versions the node has.
    pub versions: u64,
    /// How far it is.
    pub state: AnchorState,
    /// Its place in the log.
    pub log: Option<LogPlace>,
    /// Its place on a chain, or that of a root above it.
    pub chain: Option<ChainPlace>,
    /// What has yet to go to the ledger behind.
    pub outbox: Option<OutboxState>,
    /// Two histories that cannot both be right.
    pub conflict: Option<BothHistories>,
}

/// How far a version of an anchor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum AnchorState {
    /// Acknowledged and stored, not yet where it is going.
    Pending,
    /// In a signed checkpoint of the log.
    InLog,
    /// On a chain: itself, or a root above it.
    OnChain,
    /// On the ledger of an adapter.
    OnLedger,
    /// The ledger holds another history than the node.
    Conflict,
}

/// A place in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "camelCase"))]
pub struct LogPlace {
    /// The name of the log.
    pub origin: String,
    /// The number of the entry, from 0.
    pub index: u64,
    /// Entries in the signed checkpoint that covers it; none while there is no such checkpoint.
    pub checkpoint_size: Option<u64>,
    /// What it waits for while there is none, in the node's words.
    #[serde(default)]
    pub waits_for: Option<String>,
    /// Why the log is on hold, if it is.
    #[serde(default)]
    pub hold: Option<LogHold>,
}

/// Why a log signs nothing and takes no entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "camelCase"))]
pub struct LogHold {
    /// The kind of reason, as `restored`, `contradicted` or `damaged`.
    pub cause: String,
    /// The reason, in the node's words.
    pub detail: String,
    /// Since when, in milliseconds since the epoch.
    pub since_ms: u64,
}

/// A place on a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "camelCase"))]
pub struct ChainPlace {
    /// Which chain (EIP-155).
    pub chain_id: u64,
    /// The address of the contract.
    pub contract: String,
    /// The number of the block.
    pub block: u64,
    /// The hash of the transaction.
    pub transaction: String,
    /// The number of the root in the contract, where it is a root.
    pub sequence: Option<u64>,
}

/// What has yet to go to the ledger behind a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "camelCase"))]
pub struct OutboxState {
    /// Values of this anchor that wait.
    pub waiting: u64,
    /// Attempts so far.
    pub attempts: u64,
    /// Why the last one failed.
    pub last_error: Option<String>,
}

/// Two histories of one anchor, oldest values first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BothHistories {
    /// On the node.
    pub here: Vec<String>,
    /// On the ledger behind it.
    pub there: Vec<String>,
}

/// Without the text, which holds the salt of the entry.
impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proof")
            .field("index", &self.file.index)
            .field("checkpoint", &self.checkpoint)
            .finish_non_exhaustive()
    }
}

impl Proofs {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The proof that a version, counted from 0, of an anchor is in the log of its domain. `value` is
    /// what the history holds there: a proof of anything else is refused.
    ///
    /// # Errors
    /// [`ClientError::ProtocolViolation`] for a proof that does not hold; else the node could not be
    /// asked.
    pub async fn proof(
        &self,
        id: &AnchorId,
        version: usize,
        value: &AnchorValue,
    ) -> Result<ProofAnswer, ClientError> {
        let query = format!("version={version}");
        let answer = self
            .ask(id, "proof", Some(&query), PROOF_FILE_BYTES_MAX)
            .await?;
        Ok(match answer.status {
            StatusCode::OK => ProofAnswer::Proof(Box::new(checked(&answer, id, value)?)),
            StatusCode::ACCEPTED => ProofAnswer::Pending {
                retry_after: answer.retry_after,
                words: answer.words(),
            },
            StatusCode::NOT_FOUND => ProofAnswer::Absent {
                words: answer.words(),
            },
            StatusCode::GONE => ProofAnswer::Erased,
            _ => return Err(answer.refusal()),
        })
    }

    /// What the node says of a version of an anchor, the last one unless it is named.
    ///
    /// # Errors
    /// [`ClientError::ProtocolViolation`] for an answer about something else; else the node could
    /// not be asked.
    pub async fn status(
        &self,
        id: &AnchorId,
        version: Option<u64>,
    ) -> Result<StatusAnswer, ClientError> {
        let query = version.map(|it| format!("version={it}"));
        // A conflict comes with both histories.
        let bytes_max = self.client.options().limits.history_bytes_max;
        let answer = self.ask(id, "status", query.as_deref(), bytes_max).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(StatusAnswer::Absent {
                words: answer.words(),
            });
        }
        if answer.status != StatusCode::OK {
            return Err(answer.refusal());
        }
        let status: AnchorStatus = answer.json("the status of an anchor")?;
        let is_other = version.is_some_and(|it| it != status.version);
        if status.anchor_id != id.as_str() || is_other {
            let what = "the status is that of another anchor or version";
            return Err(ClientError::nonsense(&answer.url, what));
        }
        Ok(StatusAnswer::Known(Box::new(status)))
    }

    /// Asks the domain's services in their order until one gives an answer that says something.
    async fn ask(
        &self,
        id: &AnchorId,
        what: &str,
        query: Option<&str>,
        answer_bytes_max: usize,
    ) -> Result<Answer, ClientError> {
        let services = &self.client.services(id.domain()).await?.anchoring_services;
        let path = format!("anchor/{}/{what}/{id}", id.domain());
        let mut failure = None;
        for service in services {
            let mut call = Call::get(service, &path, answer_bytes_max);
            call.url.set_query(query);
            let error = match self.client.transport().repeat(&call).await {
                Ok(answer) if says_something(&answer) => return Ok(answer),
                Ok(answer) if answer.message().as_deref() == Some(NOT_SERVED) => {
                    unknown_domain(&answer, id)
                }
                Ok(answer) => answer.refusal(),
                Err(error) => error,
            };
            let url = service.url().into();
            self.client.transport().events.bad_node(&url, &error);
            failure = Some(error);
        }
        Err(failure.unwrap_or_else(|| nobody(id, &self.client)))
    }
}

fn says_something(answer: &Answer) -> bool {
    answer.status.is_success() || matches!(answer.status.as_u16(), 404 | 410)
}

/// Reads a proof and checks it as far as it goes without a key.
fn checked(answer: &Answer, id: &AnchorId, value: &AnchorValue) -> Result<Proof, ClientError> {
    let refused = |what: &str| ClientError::nonsense(&answer.url, what);
    let text = std::str::from_utf8(&answer.body).map_err(|_| refused("its proof is not text"))?;
    let file = ProofFile::parse(text)
        .map_err(|error| refused(&format!("its proof is malformed: {}", with_causes(&error))))?;
    let Some(extra) = &file.extra else {
        return Err(refused("its proof does not say what the entry commits to"));
    };
    let (entry, opening) = (extra.entry, &extra.opening);
    if opening.anchor_id != id.plain() || opening.anchor_value != value.plain() {
        return Err(refused("its proof is that of another anchor or version"));
    }
    if !opening.opens(&entry) {
        return Err(refused(
            "the entry of its proof does not commit to the anchor",
        ));
    }
    let checkpoint = file.note.checkpoint().map_err(|error| {
        refused(&format!(
            "its proof has no checkpoint: {}",
            with_causes(&error)
        ))
    })?;
    let leaf = leaf_hash(&entry.encode());
    verify_inclusion(
        file.index,
        checkpoint.size,
        &leaf,
        &file.hashes,
        &checkpoint.root,
    )
    .map_err(|error| {
        let what = format!("its proof does not hold: {}", with_causes(&error));
        refused(&what)
    })?;
    Ok(Proof {
        text: text.to_owned(),
        entry,
        checkpoint,
        file,
    })
}
