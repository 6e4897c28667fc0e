//! Why a registry did not do or tell what it was asked.

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::SolInterface;
use thiserror::Error;

use super::abi::AnchorRegistry::AnchorRegistryErrors as ContractError;
use crate::rpc::RpcError;
use crate::sender::SendError;

/// Why a registry did not do or tell what it was asked.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// There is nothing at the address.
    #[error("there is no contract at {address}")]
    NoContract {
        /// The address.
        address: Address,
    },
    /// There is something else at the address.
    #[error("the contract at {address} is not the AnchorRegistry of this version")]
    OtherContract {
        /// The address.
        address: Address,
    },
    /// The node cannot be asked.
    #[error("the chain cannot be asked")]
    Rpc(#[from] RpcError),
    /// The call is not on the chain, or is not known to be.
    #[error("the call was not sent or did not arrive")]
    Send(#[from] SendError),
    /// The contract knows no log of this id: its owner has to register it.
    #[error("the log {id} is not registered")]
    UnknownLog {
        /// SHA-256 of the origin.
        id: B256,
    },
    /// Another account publishes for the log.
    #[error("{caller} may not publish for the log {id}")]
    NotSubmitter {
        /// SHA-256 of the origin.
        id: B256,
        /// The account that tried.
        caller: Address,
    },
    /// Only the owner of the contract may do this.
    #[error("{caller} does not own the registry")]
    NotOwner {
        /// The account that tried.
        caller: Address,
    },
    /// The batch has another number: somebody has published, or a batch is missing.
    #[error("the next batch is number {expected}, not {given}")]
    WrongSequence {
        /// The number of the next batch.
        expected: u64,
        /// The number that was tried.
        given: u64,
    },
    /// The tree is not larger than the one of the batch before.
    #[error("the tree has {given} leaves, the last one published had {last}")]
    SizeNotGrowing {
        /// Leaves of the batch before.
        last: u64,
        /// Leaves that were tried.
        given: u64,
    },
    /// The transaction was mined and did not do it.
    #[error("the transaction {transaction} failed")]
    Failed {
        /// The transaction.
        transaction: B256,
    },
    /// The transaction is not on the chain, or not deep enough.
    #[error("the transaction {transaction} is not on the chain")]
    NotMined {
        /// The transaction.
        transaction: B256,
    },
    /// The transaction published no batch of this registry.
    #[error("the transaction {transaction} published no batch")]
    NoBatch {
        /// The transaction.
        transaction: B256,
    },
    /// The answer is not of the form that the contract gives.
    #[error("the registry answered with garbage")]
    Garbage,
}

impl RegistryError {
    /// Whether the call may take place all the same.
    #[must_use]
    pub fn may_still_land(&self) -> bool {
        matches!(self, Self::Send(error) if error.may_still_land())
    }
}

/// What the contract reverted with, told as what the caller can do about it.
pub(super) fn refused(reason: Option<String>, data: Bytes) -> RegistryError {
    match ContractError::abi_decode_validate(&data) {
        Ok(ContractError::UnknownLog(error)) => RegistryError::UnknownLog { id: error.id },
        Ok(ContractError::NotSubmitter(error)) => RegistryError::NotSubmitter {
            id: error.id,
            caller: error.caller,
        },
        Ok(ContractError::NotOwner(error)) => RegistryError::NotOwner {
            caller: error.caller,
        },
        Ok(ContractError::WrongSequence(error)) => RegistryError::WrongSequence {
            expected: error.expected,
            given: error.given,
        },
        Ok(ContractError::SizeNotGrowing(error)) => RegistryError::SizeNotGrowing {
            last: error.last,
            given: error.given,
        },
        _ => SendError::Reverted { reason, data }.into(),
    }
}
