//! The `AnchorRegistry` contract: the roots of transparency logs, one log for each domain.
//!
//! Only a contract with exactly our code is spoken to: another one could answer what it likes.
//!
//! **Source:** `translog.md` §10; `anchor-service/contracts/AnchorRegistry.sol`.

mod error;

use std::sync::LazyLock;

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use alloy_sol_types::{SolCall, SolEvent, SolValue};
use serde_json::Value;

use crate::chain::Chain;
use crate::rpc::{BlockTag, Call, Log, LogFilter, Receipt};
use crate::sender::{Mined, SendError, Sender};

/// Blocks whose logs are asked for at once: many providers allow no more.
const LOG_BLOCKS: u64 = 2_000;

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
pub use error::RegistryError;
use error::refused;

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

    /// Looks for a batch in the newest `blocks` blocks, newest first: for a publisher that does not
    /// know what became of what it sent. As deep as [`Self::batch_at`] wants it.
    ///
    /// # Errors
    /// [`RegistryError::Rpc`].
    pub async fn find_batch(
        &self,
        origin_id: B256,
        sequence: u64,
        blocks: u64,
    ) -> Result<Option<Batch>, RegistryError> {
        let rpc = self.chain.rpc();
        let head = rpc.block_number().await?;
        let Some(newest) = head
            .saturating_add(1)
            .checked_sub(self.chain.confirmations())
        else {
            return Ok(None);
        };
        let oldest = newest.saturating_sub(blocks.saturating_sub(1));
        let number = B256::from(U256::from(sequence));
        let wanted = [contract::BatchAnchored::SIGNATURE_HASH, origin_id, number];
        let mut to = newest;
        loop {
            let from = to.saturating_sub(LOG_BLOCKS - 1).max(oldest);
            let filter = LogFilter {
                address: self.address,
                topics: wanted.map(Some).to_vec(),
                from,
                to,
            };
            let logs = rpc.logs(&filter).await?;
            let found = self.batch_in(&logs);
            // What a node answers beside the question is no answer.
            let found =
                found.filter(|batch| batch.origin_id == origin_id && batch.sequence == sequence);
            if found.is_some() || from == oldest {
                return Ok(found);
            }
            to = from - 1;
        }
    }

    async fn settled_receipt(&self, transaction: B256) -> Result<Receipt, RegistryError> {
        let rpc = self.chain.rpc();
        let receipt = rpc.receipt(transaction).await?;
        let receipt = receipt.ok_or(RegistryError::NotMined { transaction })?;
        let head = rpc.block_number().await?.max(receipt.block_number);
        let depth = (head - receipt.block_number).saturating_add(1);
        let deep = depth >= self.chain.confirmations();
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
