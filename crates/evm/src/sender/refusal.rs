//! What nodes mean when they refuse a transaction.
//!
//! There are no codes for it: the words of geth, Nethermind, Besu, Erigon, Reth and anvil are told
//! apart. Words that are not known count as a refusal for good.

use super::SendError;
use crate::rpc::{Call, RpcError};

/// What the node means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It has the very transaction already.
    Known,
    /// The nonce is used.
    NonceTaken,
    /// The nonce leaves a hole before it.
    NonceAhead,
    /// Another transaction of the nonce waits, and this one does not offer enough more.
    Occupied,
    /// It offers less than the node or the chain asks for.
    Underpriced,
    /// The account cannot pay.
    OutOfFunds,
    /// More gas than a transaction or a block may use.
    TooMuchGas,
    /// Something that passes by itself: too many requests.
    Passing,
    /// Anything else.
    ForGood,
}

const WORDS: [(Refusal, &[&str]); 7] = [
    (
        Refusal::Known,
        &[
            "already known",
            "already imported",
            "alreadyknown",
            "known transaction:",
            "already in mempool",
            "transaction already exists",
        ],
    ),
    (
        Refusal::NonceTaken,
        &[
            "nonce too low",
            "oldnonce",
            "nonce is too low",
            "nonce below",
            "already mined",
        ],
    ),
    (
        Refusal::NonceAhead,
        &[
            "nonce too high",
            "noncegap",
            "nonce gap",
            "too distant",
            "nonce is too high",
        ],
    ),
    (
        Refusal::Occupied,
        &[
            "replacement",
            "could not replace",
            "to replace",
            "same nonce",
        ],
    ),
    (
        Refusal::Underpriced,
        &[
            "underpriced",
            "fee too low",
            "feetoolow",
            "gas price too low",
            "less than block base fee",
            "below the minimum",
            "less than the configured minimum",
        ],
    ),
    (
        Refusal::OutOfFunds,
        &[
            "insufficient funds",
            "insufficientfunds",
            "insufficient balance",
            "upfront cost exceeds",
        ],
    ),
    (
        Refusal::TooMuchGas,
        &[
            "gas limit",
            "gaslimit",
            "gas required exceeds",
            "out of gas",
            "exceeds block gas",
            "gas too high",
            "gas allowance",
        ],
    ),
];

/// `None` if the error is no refusal.
pub(super) fn meaning(error: &RpcError) -> Option<Refusal> {
    let RpcError::Refused { message, .. } = error else {
        return None;
    };
    if error.may_pass() {
        return Some(Refusal::Passing);
    }
    let message = message.to_ascii_lowercase();
    let known = WORDS
        .iter()
        .find(|(_, words)| words.iter().any(|word| message.contains(word)));
    Some(known.map_or(Refusal::ForGood, |(refusal, _)| *refusal))
}

/// What the caller of a refused call is told, of an estimate or of a transaction.
pub(super) fn told(error: RpcError) -> SendError {
    match meaning(&error) {
        Some(Refusal::OutOfFunds) => SendError::OutOfFunds { source: error },
        Some(Refusal::TooMuchGas) => SendError::TooMuchGas { needed: None },
        _ => SendError::Refused { source: error },
    }
}

/// The empty transaction that fills a hole: nothing from the account to itself.
pub(super) fn filler(account: alloy_primitives::Address) -> Call {
    Call {
        to: Some(account),
        data: alloy_primitives::Bytes::new(),
    }
}
