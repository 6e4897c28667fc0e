//! Why a call is not on the chain.

use alloy_primitives::{B256, Bytes};
use thiserror::Error;

use crate::rpc::RpcError;

/// Why a call is not on the chain, or is not known to be.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The contract refuses the call. Nothing was sent and no nonce was used.
    #[error("the call reverts: {}", reason.as_deref().unwrap_or("no reason given"))]
    Reverted {
        /// The words of the contract, if it gives any.
        reason: Option<String>,
        /// What it reverted with: an error of its own, or nothing.
        data: Bytes,
    },
    /// The account cannot pay for it. Nothing was sent.
    #[error("the chain account has not enough funds")]
    OutOfFunds {
        /// What the node says.
        #[source]
        source: RpcError,
    },
    /// It needs more gas than the chain or the configuration allows. Nothing was sent.
    #[error("the call needs more gas than is allowed{}", needed_gas(*needed))]
    TooMuchGas {
        /// What it needs, if that is known.
        needed: Option<u64>,
    },
    /// The chain asks for more than the configuration allows. Nothing was sent.
    #[error(
        "the chain asks for {needed} wei for each unit of gas, the cap is {cap} (in a node's \
         configuration: evm.fee_cap_gwei)"
    )]
    FeesTooHigh {
        /// Wei for each unit of gas.
        needed: u128,
        /// Of the configuration.
        cap: u128,
    },
    /// The node refuses it for good. Nothing was sent.
    #[error("the node refuses the transaction")]
    Refused {
        /// What the node says.
        #[source]
        source: RpcError,
    },
    /// There was no time left before it could be sent. Nothing was sent.
    #[error("the transaction could not be sent in time")]
    NotSent {
        /// What kept it back.
        #[source]
        source: Option<RpcError>,
    },
    /// The sender has ended. Nothing was sent.
    #[error("the sender has ended")]
    Stopped,
    /// There was no time left before it was deep enough in the chain. It may be there, or get there.
    #[error("the transaction {transaction} may have been sent, its outcome is not known")]
    MaybeSent {
        /// The newest of the transactions that may land; one of them at most will.
        transaction: B256,
        /// What kept it back.
        #[source]
        source: Option<RpcError>,
    },
    /// Another transaction of the account took its nonce, so it can never land. It may have been the
    /// same call, sent before a restart: read the ledger before sending it again.
    #[error("another transaction of the account took nonce {nonce} of {transaction}")]
    Displaced {
        /// The nonce.
        nonce: u64,
        /// The newest of the transactions that cannot land any more.
        transaction: B256,
    },
}

impl SendError {
    /// Whether the call may take place all the same.
    #[must_use]
    pub fn may_still_land(&self) -> bool {
        matches!(self, Self::MaybeSent { .. })
    }
}

fn needed_gas(needed: Option<u64>) -> String {
    needed.map_or(String::new(), |needed| format!(": {needed}"))
}
