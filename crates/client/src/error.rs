//! What can go wrong between a client and its nodes.
//!
//! Variants are named by what the caller can do. No text carries credentials: URLs are stripped of
//! them when they are taken in, headers are never shown.

use std::time::Duration;

use keyssi::{BrickHash, Domain};
use thiserror::Error;

use crate::endpoint::NodeUrl;

/// Why a call to the nodes of a domain failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The settings make no client.
    #[error("{what}")]
    Setup {
        /// What is wrong with them.
        what: String,
        /// The cause, if there is one.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// No connection, or it broke before there was an answer.
    #[error("{url} cannot be reached")]
    Unreachable {
        /// What was called.
        url: NodeUrl,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// Nothing moved for the idle time limit.
    #[error("{url} is too slow: {what}")]
    TooSlow {
        /// What was called.
        url: NodeUrl,
        /// What was waited for.
        what: &'static str,
    },
    /// The node has too much to do (429, 503) and still had after the repetitions.
    #[error("{url} is busy (status {status}): {message}")]
    Busy {
        /// What was called.
        url: NodeUrl,
        /// The HTTP status.
        status: u16,
        /// The node's words, shortened.
        message: String,
        /// How long the node asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The node answered and does not do it.
    #[error("{url} refuses (status {status}): {message}")]
    Refused {
        /// What was called.
        url: NodeUrl,
        /// The HTTP status.
        status: u16,
        /// The node's words, shortened.
        message: String,
    },
    /// The storage failed a moment ago and others did its work meanwhile.
    #[error("{url} failed a moment ago and was not asked again yet")]
    Resting {
        /// The storage.
        url: NodeUrl,
    },
    /// BDNS does not name the domain, or the service does not serve it.
    #[error("{url} does not know the domain {domain}")]
    UnknownDomain {
        /// The domain.
        domain: Domain,
        /// Who does not know it.
        url: NodeUrl,
    },
    /// None of the domain's storages has the brick.
    #[error("brick {hash} of domain {domain} is missing: {} storage(s) asked", asked.len())]
    MissingBrick {
        /// The brick.
        hash: BrickHash,
        /// Its domain.
        domain: Domain,
        /// The storages that said so.
        asked: Vec<NodeUrl>,
    },
    /// A storage gave other bytes, and no other storage gave the right ones.
    #[error("{url} gives other bytes for brick {hash}: they hash to {actual}")]
    DamagedBrick {
        /// The brick that was asked for.
        hash: BrickHash,
        /// What was called.
        url: NodeUrl,
        /// The name of the bytes that came.
        actual: BrickHash,
    },
    /// Too few storages stored the brick; those that did keep it, and storing again is safe.
    #[error(
        "brick {hash} of domain {domain} is stored by {stored} of {storages} storages, which is no majority"
    )]
    NoMajority {
        /// The brick.
        hash: BrickHash,
        /// Its domain.
        domain: Domain,
        /// Storages that stored it.
        stored: usize,
        /// Storages of the domain.
        storages: usize,
        /// The first failure.
        #[source]
        source: Box<ClientError>,
    },
    /// The node breaks the protocol.
    #[error("{url} breaks the protocol: {what}")]
    ProtocolViolation {
        /// What was called.
        url: NodeUrl,
        /// How.
        what: Violation,
    },
    /// An anchor was not written, and the node says why.
    #[error(transparent)]
    Anchor(#[from] AnchorRefusal),
    /// The answer to a write was lost, and what the anchor holds now cannot be read either: the
    /// value may be stored or not. Read the versions before anything else.
    #[error("whether the anchor was written is not known")]
    OutcomeUnknown {
        /// How the answer was lost.
        #[source]
        source: Box<ClientError>,
    },
    /// A task of the client ended before its work was done: the runtime is shutting down, or there
    /// is a fault in the client.
    #[error("a task ended early")]
    Task(#[source] tokio::task::JoinError),
    /// Text that cannot stand in the path of a request as it is.
    #[error("the path of a versionless document cannot be sent as it is: {what}")]
    BadDocumentPath {
        /// What is wrong with it.
        what: &'static str,
    },
}

/// How a node broke the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// The body does not end where it must.
    #[error("the body is longer than the {bytes_max} bytes that are taken")]
    EndlessBody {
        /// The limit.
        bytes_max: usize,
    },
    /// The body ends, or the connection breaks, before the body is whole.
    #[error("the body was cut off after {bytes} bytes")]
    CutBody {
        /// What had come by then.
        bytes: u64,
    },
    /// It redirects; redirects are not followed.
    #[error("it redirects, which is not followed; name the new address instead")]
    Redirect,
    /// The body is not what the call answers with.
    #[error("{what}")]
    Nonsense {
        /// What is wrong with it.
        what: String,
    },
}

/// Why a node did not write an anchor.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnchorRefusal {
    /// Created already.
    #[error("the anchor exists already")]
    Exists,
    /// The value was signed over another last version (or by another key; these cannot be told
    /// apart): read the versions, merge, sign again.
    #[error("the anchor has another last version than the value was signed over")]
    OutOfSync,
    /// The value is older than the last version.
    #[error("the anchor has a last version that is newer than the value")]
    OlderTimestamp,
    /// There is nothing to append to.
    #[error("the anchor does not exist")]
    Absent,
    /// The node finds the id or the value wrong.
    #[error("the node rejects the value for the anchor: {message}")]
    Rejected {
        /// The node's words, shortened.
        message: String,
    },
}

impl ClientError {
    /// Whether the same call may go well a little later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TooSlow { .. }
            | Self::Busy { .. }
            | Self::Resting { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 500 | 502 | 504),
            Self::ProtocolViolation { what, .. } => matches!(what, Violation::CutBody { .. }),
            Self::NoMajority { source, .. } | Self::OutcomeUnknown { source, .. } => {
                source.may_pass()
            }
            _ => false,
        }
    }

    /// What was called, where one call alone failed.
    pub(crate) fn url(&self) -> Option<&NodeUrl> {
        match self {
            Self::Unreachable { url, .. }
            | Self::TooSlow { url, .. }
            | Self::Busy { url, .. }
            | Self::Refused { url, .. }
            | Self::Resting { url }
            | Self::UnknownDomain { url, .. }
            | Self::DamagedBrick { url, .. }
            | Self::ProtocolViolation { url, .. } => Some(url),
            _ => None,
        }
    }

    pub(crate) fn nonsense(url: &NodeUrl, what: impl Into<String>) -> Self {
        Self::ProtocolViolation {
            url: url.clone(),
            what: Violation::Nonsense { what: what.into() },
        }
    }
}
