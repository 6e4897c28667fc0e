//! Where things go: the stores of a stopped node, or a running node over HTTP. Both judge what they
//! take as they judge what clients send.

use brickstore::{BrickStore, Put, PutTerms};
use bytes::Bytes;
use causes::with_causes;
use client::{AnchorRefusal, Client, ClientError, PutOutcome};
use keyssi::{AnchorId, AnchorValue, BrickHash, Domain, EntryError};
use ledger::{BatchError, EmbeddedLedger, Entry, Intent, Ledger as _, LedgerError};

use crate::error::ImportError;

/// Where things go. Cheap to clone.
#[derive(Clone)]
pub enum Target {
    /// The stores of a stopped node; the caller holds their locks.
    Stores {
        /// The bricks.
        bricks: BrickStore,
        /// The anchors and the versionless documents.
        ledger: EmbeddedLedger,
    },
    /// A running node.
    Node(Client),
}

/// What was done with a brick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Placed {
    Stored,
    Present,
    Refused(String),
}

/// Why entries were not appended.
#[derive(Debug)]
pub(crate) enum NotAppended {
    /// The entry at this place of the history breaks a rule; nothing was written.
    Rule { version: usize, rule: EntryError },
    /// The node refuses the entry at this place; those before it were written.
    Refused { version: usize, detail: String },
    /// The import cannot go on.
    Failed(ImportError),
}

impl Target {
    /// Which of these bricks are there. One in quarantine is not: it is to be sent again.
    pub(crate) async fn has(
        &self,
        domain: &Domain,
        hashes: Vec<BrickHash>,
    ) -> Result<Vec<bool>, ImportError> {
        match self {
            Self::Stores { bricks, .. } => Ok(bricks.which_are_there(domain, hashes).await?),
            Self::Node(client) => match client.bricks().have_many(domain, &hashes).await {
                Ok(have) => Ok(have),
                Err(ClientError::UnknownDomain { .. }) => Ok(vec![false; hashes.len()]),
                Err(error) => Err(error.into()),
            },
        }
    }

    /// Stores bricks, each under the hash of exactly its bytes.
    pub(crate) async fn put(
        &self,
        domain: &Domain,
        bricks: Vec<(BrickHash, Bytes)>,
    ) -> Result<Vec<Placed>, ImportError> {
        if bricks.is_empty() {
            return Ok(Vec::new());
        }
        match self {
            Self::Stores { bricks: store, .. } => {
                // Quotas are for clients; the operator brings what was promised already.
                let terms = PutTerms::unlimited(node::clock_ms());
                let puts = store.put_many(domain, bricks, terms).await?;
                let placed = puts.into_iter().map(|put| match put {
                    Put::Stored => Placed::Stored,
                    Put::Existing => Placed::Present,
                });
                Ok(placed.collect())
            }
            Self::Node(client) => put_at(client, domain, bricks).await,
        }
    }

    /// All versions of an anchor that are there, wrapped.
    pub(crate) async fn versions(&self, id: &AnchorId) -> Result<Vec<String>, ImportError> {
        match self {
            Self::Stores { ledger, .. } => Ok(ledger.all_versions(id).await?),
            Self::Node(client) => Ok(client.anchors().versions(id).await?),
        }
    }

    /// How many versions of an anchor are there.
    pub(crate) async fn version_count(&self, id: &AnchorId) -> Result<u64, ImportError> {
        match self {
            Self::Stores { ledger, .. } => {
                let last = ledger.last_version(id).await?;
                Ok(last.map_or(0, |(_, versions)| versions))
            }
            Self::Node(_) => Ok(self.versions(id).await?.len() as u64),
        }
    }

    /// Appends what a history has beyond the `here` versions that are there. In stores all of it is
    /// one batch; a node gets one entry after the other.
    pub(crate) async fn append(
        &self,
        id: &AnchorId,
        history: &[AnchorValue],
        here: usize,
    ) -> Result<(), NotAppended> {
        match self {
            Self::Stores { ledger, .. } => {
                let entries = history.iter().skip(here).map(|value| Entry {
                    id: id.clone(),
                    value: value.clone(),
                    intent: Intent::CreateOrAppend,
                });
                let written = ledger.write_all(entries.collect()).await;
                written.map_err(|error| not_written(error, here))
            }
            Self::Node(client) => {
                judge(id, history).await?;
                for (version, value) in history.iter().enumerate().skip(here) {
                    let anchors = client.anchors();
                    let sent = match version {
                        0 => anchors.create(id, value).await,
                        _ => anchors.append(id, value).await,
                    };
                    sent.map_err(|error| not_taken(error, version))?;
                }
                Ok(())
            }
        }
    }
}

/// Judges a history from its first entry on, as a node judges what clients send.
async fn judge(id: &AnchorId, history: &[AnchorValue]) -> Result<(), NotAppended> {
    let (id, history) = (id.clone(), history.to_vec());
    let judged = tokio::task::spawn_blocking(move || {
        let mut head = None;
        for (version, value) in history.iter().enumerate() {
            let next = match &head {
                None => keyssi::create(&id, value).map_err(EntryError::from),
                Some(head) => keyssi::append(&id, head, value).map_err(EntryError::from),
            };
            head = Some(next.map_err(|rule| NotAppended::Rule { version, rule })?);
        }
        Ok(())
    });
    let judged = judged.await;
    judged.map_err(|error| NotAppended::Failed(ImportError::Task(error)))?
}

fn not_written(error: BatchError, here: usize) -> NotAppended {
    let version = here + error.index;
    match error.source {
        LedgerError::Create(rule) => NotAppended::Rule {
            version,
            rule: rule.into(),
        },
        LedgerError::Append(rule) => NotAppended::Rule {
            version,
            rule: rule.into(),
        },
        error => NotAppended::Failed(error.into()),
    }
}

fn not_taken(error: ClientError, version: usize) -> NotAppended {
    match error {
        ClientError::Anchor(AnchorRefusal::Rejected { .. }) => NotAppended::Refused {
            version,
            detail: with_causes(&error),
        },
        ClientError::Anchor(_) => NotAppended::Refused {
            version,
            detail: format!(
                "somebody wrote to the anchor meanwhile: {}",
                with_causes(&error)
            ),
        },
        error => NotAppended::Failed(error.into()),
    }
}

/// Stores bricks at a node; when it refuses some, one by one, to learn which.
async fn put_at(
    client: &Client,
    domain: &Domain,
    bricks: Vec<(BrickHash, Bytes)>,
) -> Result<Vec<Placed>, ImportError> {
    let store = client.bricks();
    let of = |outcome| match outcome {
        PutOutcome::Stored => Placed::Stored,
        PutOutcome::Present => Placed::Present,
    };
    let together = store.put_many(domain, bricks.clone()).await;
    match together {
        Ok(reports) => return Ok(reports.into_iter().map(|it| of(it.outcome)).collect()),
        Err(error) if !is_of_one_brick(&error) => return Err(error.into()),
        Err(_) => {}
    }
    let mut placed = Vec::with_capacity(bricks.len());
    for (hash, bytes) in bricks {
        placed.push(match store.put(domain, &hash, bytes).await {
            Ok(report) => of(report.outcome),
            Err(error) if is_of_one_brick(&error) => Placed::Refused(with_causes(&error)),
            Err(error) => return Err(error.into()),
        });
    }
    Ok(placed)
}

/// Whether another brick may be taken although this one was not.
fn is_of_one_brick(error: &ClientError) -> bool {
    match error {
        ClientError::Refused { status, .. } => matches!(status, 400 | 413),
        ClientError::NoMajority { source, .. } => is_of_one_brick(source),
        _ => false,
    }
}
