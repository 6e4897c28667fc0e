//! Why a call of a node gave nothing.

use std::sync::Arc;

use alloy_primitives::Bytes;
use thiserror::Error;

/// Why a call of a node gave nothing.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum RpcError {
    /// No connection could be made, so nothing was sent.
    #[error("the RPC at {place} cannot be reached")]
    Unreachable {
        /// Scheme, host and port.
        place: Arc<str>,
        /// What the connection failed with.
        #[source]
        source: Arc<reqwest::Error>,
    },
    /// No whole answer in time; what was asked may have been done.
    #[error("the RPC at {place} did not answer {method} in time")]
    TimedOut {
        /// Scheme, host and port.
        place: Arc<str>,
        /// The method that was called.
        method: &'static str,
    },
    /// An HTTP status of something before the node; what was asked may have been done.
    #[error("the RPC at {place} answered with the HTTP status {status}")]
    Status {
        /// Scheme, host and port.
        place: Arc<str>,
        /// The status.
        status: u16,
    },
    /// The node answered with an error: it has not done what was asked.
    #[error("the RPC refused with {code}: {message}")]
    Refused {
        /// The code of the node.
        code: i64,
        /// The words of the node, cut and without the secrets of the address.
        message: String,
        /// What a call reverted with, if the node says it.
        data: Option<Bytes>,
    },
    /// The answer is no answer to the question; what was asked may have been done.
    #[error("the RPC at {place} answered with garbage: {what}")]
    Garbage {
        /// Scheme, host and port.
        place: Arc<str>,
        /// What is wrong with it.
        what: String,
    },
    /// The node serves another chain than the configured one, which it served before: nothing was
    /// asked of it.
    #[error("the RPC at {place} serves chain {served} now, the configuration says {configured}")]
    OtherChain {
        /// Scheme, host and port.
        place: Arc<str>,
        /// What the node says.
        served: u64,
        /// What the configuration says.
        configured: u64,
    },
    /// This machine can make no HTTP client.
    #[error("the HTTP client cannot be set up")]
    Setup {
        /// Why.
        #[source]
        source: Arc<reqwest::Error>,
    },
}

/// Codes of nodes and providers for "too many requests" (EIP-1474 and those of large providers).
const RATE_CODES: [i64; 3] = [-32005, -32029, 429];

impl RpcError {
    /// Whether the same call may get an answer later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Refused { code, .. } => RATE_CODES.contains(code),
            Self::Setup { .. } | Self::OtherChain { .. } => false,
            _ => true,
        }
    }

    /// Whether the next call will most likely fare no better.
    pub(crate) fn is_down(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::OtherChain { .. }
        )
    }

    /// Whether the node has certainly not done what was asked.
    pub(crate) fn nothing_done(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Refused { .. }
                | Self::OtherChain { .. }
                | Self::Setup { .. }
        )
    }
}
