//! The `AnchorRegistry` contract: the roots of transparency logs, one log for each domain.
//!
//! Only a contract with exactly our code is spoken to: another one could answer what it likes.
//!
//! **Source:** `translog.md` §10; `anchor-service/contracts/AnchorRegistry.sol`.

use std::sync::LazyLock;

use alloy_primitives::{Address, B256, Bytes, hex};
use alloy_sol_types::{SolCall, SolEvent, SolInterface, SolValue};
use serde_json::Value;
use thiserror::Error;

use crate::chain::Chain;
use crate::rpc::{BlockTag, Call, Log, Receipt, RpcError};
use crate::sender::{Mined, SendError, Sender};

/// What the compiler made of the contract; checked in beside it.
const ARTEFACT: &str =
    include_str!("../../../anchor-service/contracts/artifacts/AnchorRegistry.json");

/// The part of the contract that is used.
mod abi {
    #![allow(missing_docs, clippy::pedantic, reason = "made by a macro")]

    alloy_sol_types::sol! {
        interface AnchorRegistry {
            event BatchAnchored(
                bytes32 indexed originHash,
                uint64 indexed sequence,
                uint64 size,
                uint64 time,
                bytes32 root,
                bytes32 previousRoot
            );

            error NotOwner(address caller);
            error NotPendingOwner(address caller);
            error ZeroAddress();
            error UnknownLog(bytes32 id);
            error NotSubmitter(bytes32 id, address caller);
            error WrongSequence(bytes32 id, uint64 expected, uint64 given);
            error SizeNotGrowing(bytes32 id, uint64 last, uint64 given);
            error BadSignature(bytes32 id);

            function register(bytes32 id, address submitter) external;
            function publish(bytes32 id, uint64 sequence, uint64 size, bytes32 root) external;
            function head(bytes32 id) external view returns (
                uint64 sequence,
                uint64 size,
                uint64 time,
                bytes32 root,
                address submitter
            );
        }
    }
}

use abi::AnchorRegistry as contract;
use contract::AnchorRegistryErrors as ContractError;

/// The newest batch of a log, as the contract knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of the batch, from 1; 0 before the first.
    pub sequence: u64,
    /// Leaves of the tree.
    pub size: u64,
    /// Seconds since the epoch, of the block.
    pub time_s: u64,
    /// Root of the tree.
    pub root: B256,
    /// Who may publish; `None` for a log that is not registered.
    pub submitter: Option<Address>,
}

/// A batch that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// SHA-256 of the log's origin.
    pub origin_id: B256,
    /// Number of the batch, from 1.
    pub sequence: u64,
    /// Leaves of the tree.
    pub size: u64,
    /// Root of the tree.
    pub root: B256,
    /// Root of the batch before, zero for the first.
    pub previous_root: B256,
    /// Seconds since the epoch, of the block.
    pub time_s: u64,
    /// Height of the block.
    pub block: u64,
    /// The transaction that published it.
    pub transaction: B256,
}

/// What a log's operator says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// SHA-256 of the log's origin.
    pub origin_id: B256,
    /// Number of the batch: the last one plus 1.
    pub sequence: u64,
    /// Leaves of the tree: more than in the batch before.
    pub size: u64,
    /// Root of the tree.
    pub root: B256,
}

/// A registry on a chain.
#[derive(Debug, Clone)]
pub struct Registry {
    chain: Chain,
    address: Address,
}

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

impl Registry {
    /// Checks that the contract at the address has our code.
    ///
    /// # Errors
    /// [`RegistryError::NoContract`], [`RegistryError::OtherContract`] or [`RegistryError::Rpc`].
    pub async fn open(chain: &Chain, address: Address) -> Result<Self, RegistryError> {
        let code = chain.rpc().code_at(address).await?;
        if code.is_empty() {
            return Err(RegistryError::NoContract { address });
        }
        // The contract has no immutable variables, so its code is the same everywhere.
        if code != CODE.deployed {
            return Err(RegistryError::OtherContract { address });
        }
        Ok(Self {
            chain: chain.clone(),
            address,
        })
    }

    /// Makes a registry that `owner` registers logs in.
    ///
    /// # Errors
    /// [`RegistryError::Send`], [`RegistryError::Failed`], and as [`Self::open`].
    pub async fn deploy(sender: &Sender, owner: Address) -> Result<Self, RegistryError> {
        let mut data = CODE.creation.to_vec();
        data.extend_from_slice(&owner.abi_encode());
        let call = Call {
            to: None,
            data: data.into(),
        };
        let mined = succeeded(sender.send(call).await?)?;
        let transaction = mined.transaction;
        let address = mined
            .contract
            .ok_or(RegistryError::Failed { transaction })?;
        Self::open(sender.chain(), address).await
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// The chain that it is on.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The newest batch of a log, in the newest block.
    ///
    /// # Errors
    /// [`RegistryError::Rpc`] or [`RegistryError::Garbage`].
    pub async fn head(&self, origin_id: B256) -> Result<Head, RegistryError> {
        let call = self.calling(&contract::headCall { id: origin_id });
        let answer = self.chain.rpc().call(&call, BlockTag::Latest).await?;
        let head = contract::headCall::abi_decode_returns_validate(&answer)
            .map_err(|_| RegistryError::Garbage)?;
        Ok(Head {
            sequence: head.sequence,
            size: head.size,
            time_s: head.time,
            root: head.root,
            submitter: Some(head.submitter).filter(|submitter| !submitter.is_zero()),
        })
    }

    /// Registers a log, or gives it another submitter; as the owner.
    ///
    /// # Errors
    /// [`RegistryError::NotOwner`], [`RegistryError::Send`], [`RegistryError::Failed`].
    pub async fn register(
        &self,
        sender: &Sender,
        origin_id: B256,
        submitter: Address,
    ) -> Result<Mined, RegistryError> {
        let id = origin_id;
        let call = self.calling(&contract::registerCall { id, submitter });
        self.transact(sender, call).await
    }

    /// Publishes the next batch of a log, as its submitter.
    ///
    /// # Errors
    /// What the contract refuses is found before anything is sent: [`RegistryError::UnknownLog`],
    /// [`RegistryError::NotSubmitter`], [`RegistryError::WrongSequence`],
    /// [`RegistryError::SizeNotGrowing`]. [`RegistryError::Failed`] if it changed meanwhile; read
    /// [`Self::head`] then. Else [`RegistryError::Send`].
    pub async fn publish(
        &self,
        sender: &Sender,
        statement: &Statement,
    ) -> Result<Batch, RegistryError> {
        let call = self.calling(&contract::publishCall {
            id: statement.origin_id,
            sequence: statement.sequence,
            size: statement.size,
            root: statement.root,
        });
        let mined = self.transact(sender, call).await?;
        let transaction = mined.transaction;
        self.batch_in(&mined.logs)
            .ok_or(RegistryError::NoBatch { transaction })
    }

    /// The batch that a transaction published, if it is as deep in the chain as the configuration
    /// asks.
    ///
    /// # Errors
    /// [`RegistryError::NotMined`], [`RegistryError::NoBatch`], [`RegistryError::Rpc`].
    pub async fn batch_at(&self, transaction: B256) -> Result<Batch, RegistryError> {
        let receipt = self.settled_receipt(transaction).await?;
        let batch = self.batch_in(&receipt.logs).filter(|_| receipt.succeeded);
        batch.ok_or(RegistryError::NoBatch { transaction })
    }

    async fn settled_receipt(&self, transaction: B256) -> Result<Receipt, RegistryError> {
        let rpc = self.chain.rpc();
        let receipt = rpc.receipt(transaction).await?;
        let receipt = receipt.ok_or(RegistryError::NotMined { transaction })?;
        let head = rpc.block_number().await?.max(receipt.block_number);
        let deep = head - receipt.block_number + 1 >= self.chain.confirmations();
        let number = BlockTag::Number(receipt.block_number);
        let block = rpc.block(number).await?;
        let on_chain = block.is_some_and(|block| block.hash == receipt.block_hash);
        if !deep || !on_chain {
            return Err(RegistryError::NotMined { transaction });
        }
        Ok(receipt)
    }

    fn calling(&self, function: &impl SolCall) -> Call {
        Call {
            to: Some(self.address),
            data: function.abi_encode().into(),
        }
    }

    async fn transact(&self, sender: &Sender, call: Call) -> Result<Mined, RegistryError> {
        match sender.send(call).await {
            Ok(mined) => succeeded(mined),
            Err(SendError::Reverted { reason, data }) => Err(refused(reason, data)),
            Err(error) => Err(error.into()),
        }
    }

    fn batch_in(&self, logs: &[Log]) -> Option<Batch> {
        let mut ours = logs.iter().filter(|log| log.address == self.address);
        ours.find_map(batch)
    }
}

fn succeeded(mined: Mined) -> Result<Mined, RegistryError> {
    let transaction = mined.transaction;
    if mined.succeeded {
        Ok(mined)
    } else {
        Err(RegistryError::Failed { transaction })
    }
}

fn batch(log: &Log) -> Option<Batch> {
    let topics = log.topics.iter().copied();
    let event = contract::BatchAnchored::decode_raw_log_validate(topics, &log.data).ok()?;
    Some(Batch {
        origin_id: event.originHash,
        sequence: event.sequence,
        size: event.size,
        root: event.root,
        previous_root: event.previousRoot,
        time_s: event.time,
        block: log.block_number,
        transaction: log.transaction,
    })
}

/// What the contract reverted with, told as what the caller can do about it.
fn refused(reason: Option<String>, data: Bytes) -> RegistryError {
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

struct Code {
    /// What makes the contract, before the arguments of the constructor.
    creation: Bytes,
    /// What is at its address then.
    deployed: Bytes,
}

static CODE: LazyLock<Code> = LazyLock::new(|| {
    // An artefact that cannot be read matches no contract and makes none; a test reads it.
    let artefact: Value = serde_json::from_str(ARTEFACT).unwrap_or_default();
    let bytes = |name: &str| {
        let text = artefact.get(name).and_then(Value::as_str).unwrap_or("");
        hex::decode(text).map(Bytes::from).unwrap_or_default()
    };
    Code {
        creation: bytes("bytecode"),
        deployed: bytes("deployedBytecode"),
    }
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_artefact_can_be_read_and_has_what_is_used() {
        assert!(!CODE.deployed.is_empty());
        assert!(CODE.creation.len() > CODE.deployed.len());
        // With immutable variables the code at the address would not be that of the artefact.
        let artefact: Value = serde_json::from_str(ARTEFACT).unwrap();
        let references = artefact.get("immutableReferences");
        assert!(references.is_none_or(|them| them.as_object().unwrap().is_empty()));
        let source = include_str!("../../../anchor-service/contracts/AnchorRegistry.sol");
        assert!(!source.contains(" immutable "));
        let selectors = [
            contract::registerCall::SELECTOR,
            contract::publishCall::SELECTOR,
            contract::headCall::SELECTOR,
        ];
        for selector in selectors {
            assert!(CODE.deployed.windows(4).any(|it| it == selector));
        }
        let topic = contract::BatchAnchored::SIGNATURE_HASH;
        assert!(CODE.deployed.windows(32).any(|it| it == topic.as_slice()));
    }
}
