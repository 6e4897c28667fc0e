//! OpenDSU's anchoring contract, generation 4: one anchor at a time, all of it on the chain.
//!
//! The contract does not revert when a rule is broken: the transaction is mined, costs gas, and its
//! event says what happened. And it can store what OpenDSU's rules forbid, so what is read from it
//! is to be judged. Identifiers and values are the plain `ssi:` texts.
//!
//! **Source:** `ledger.md` §2.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{SolCall, SolEvent};
use thiserror::Error;

use crate::chain::Chain;
use crate::rpc::{BlockTag, Call, RpcError};
use crate::sender::{Mined, SendError, Sender};

/// The part of the contract that is used.
mod abi {
    #![allow(missing_docs, clippy::pedantic, reason = "made by a macro")]

    alloy_sol_types::sol! {
        interface AnchoringContract {
            struct Item {
                string anchorId;
                string[] anchorValues;
            }

            event InvokeStatus(uint256 indexed statusCode);

            function createAnchor(string anchorId, string newAnchorValue) external;
            function appendAnchor(string anchorId, string newAnchorValue) external;
            function createOrUpdateMultipleAnchors(string[] anchors) external;
            function getAllVersions(string anchorId) external view returns (string[]);
            function getLastVersion(string anchorId) external view returns (string);
            function dumpAnchors(uint256 from, uint256 limit, uint256 maxSize)
                external returns (Item[]);
            function totalNumberOfAnchors() external returns (uint256);
        }
    }
}

use abi::AnchoringContract as contract;

/// What the contract says of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// 200: stored.
    Stored,
    /// 103: the signature of a first value is wrong.
    BadFirstSignature,
    /// 104: the time or the signature of a value is wrong.
    BadTimeOrSignature,
    /// 105: the anchor exists.
    AnchorExists,
    /// 106: there is no such anchor.
    NoSuchAnchor,
    /// 107: the anchor is constant.
    AnchorIsConstant,
    /// Another code; no generation 4 contract gives it.
    Other(u64),
}

/// A write that is deep enough in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// What the contract says. Anything but [`Status::Stored`] stored nothing.
    pub status: Status,
    /// The transaction.
    pub mined: Mined,
}

/// An anchor of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dumped {
    /// The plain text of the identifier.
    pub anchor_id: String,
    /// The plain texts of the values, oldest first.
    pub values: Vec<String>,
}

/// Part of a dump that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DumpRange {
    /// Number of the first anchor, in the order of creation, from 0.
    pub from: u64,
    /// Number of anchors.
    pub limit: u64,
    /// Characters of identifiers and values, together; the anchor that goes over it and the rest are
    /// left out.
    pub size_max: u64,
}

/// An anchoring contract on a chain.
#[derive(Debug, Clone)]
pub struct Anchoring {
    chain: Chain,
    address: Address,
}

/// Why the contract did not do or tell what it was asked.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum AnchoringError {
    /// There is nothing at the address.
    #[error("there is no contract at {address}")]
    NoContract {
        /// The address.
        address: Address,
    },
    /// The contract does not answer as an anchoring contract of generation 4 does.
    #[error("the contract at {address} is no anchoring contract of generation 4")]
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
    /// The transaction was mined and failed.
    #[error("the transaction {transaction} failed")]
    Failed {
        /// The transaction.
        transaction: B256,
        /// Whether it had not enough gas: what it builds on changed after the estimate.
        out_of_gas: bool,
    },
    /// The transaction was mined and the contract did not say how it ended.
    #[error("the contract says nothing of the transaction {transaction}")]
    NoStatus {
        /// The transaction.
        transaction: B256,
    },
    /// There is nothing to write: the contract reverts for an empty list.
    #[error("a batch without anchors cannot be written")]
    EmptyBatch,
}

impl AnchoringError {
    /// Whether the call may take place all the same.
    #[must_use]
    pub fn may_still_land(&self) -> bool {
        matches!(self, Self::Send(error) if error.may_still_land())
    }
}

impl Anchoring {
    /// Checks that there is a contract that can count its anchors. Which code it has is not checked:
    /// every deployment is compiled anew.
    ///
    /// # Errors
    /// [`AnchoringError::NoContract`], [`AnchoringError::OtherContract`], [`AnchoringError::Rpc`].
    pub async fn open(chain: &Chain, address: Address) -> Result<Self, AnchoringError> {
        if chain.rpc().code_at(address).await?.is_empty() {
            return Err(AnchoringError::NoContract { address });
        }
        let it = Self {
            chain: chain.clone(),
            address,
        };
        match it.total().await {
            Ok(_) => Ok(it),
            Err(AnchoringError::Rpc(RpcError::Refused { .. })) => {
                Err(AnchoringError::OtherContract { address })
            }
            Err(error) => Err(error),
        }
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

    /// Stores the first value of an anchor.
    ///
    /// # Errors
    /// [`AnchoringError`]; a rule that is broken is no error but another [`Status`].
    pub async fn create(
        &self,
        sender: &Sender,
        anchor_id: &str,
        value: &str,
    ) -> Result<Written, AnchoringError> {
        let function = contract::createAnchorCall {
            anchorId: anchor_id.to_owned(),
            newAnchorValue: value.to_owned(),
        };
        self.write(sender, &function).await
    }

    /// Stores a further value of an anchor.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub async fn append(
        &self,
        sender: &Sender,
        anchor_id: &str,
        value: &str,
    ) -> Result<Written, AnchoringError> {
        let function = contract::appendAnchorCall {
            anchorId: anchor_id.to_owned(),
            newAnchorValue: value.to_owned(),
        };
        self.write(sender, &function).await
    }

    /// Stores values of several anchors (identifier, value), all or none. The contract judges each by
    /// the state before the batch: an anchor twice in it, and a constant one that exists, must not be
    /// given to it (`ledger.md` §2.4).
    ///
    /// # Errors
    /// As [`Self::create`], and [`AnchoringError::EmptyBatch`].
    pub async fn multiple(
        &self,
        sender: &Sender,
        anchors: &[(String, String)],
    ) -> Result<Written, AnchoringError> {
        if anchors.is_empty() {
            return Err(AnchoringError::EmptyBatch);
        }
        self.write(sender, &multiple(anchors)).await
    }

    /// The gas that [`Self::multiple`] would use from an account now.
    ///
    /// # Errors
    /// [`AnchoringError::Rpc`], also if the contract would revert.
    pub async fn gas_of_multiple(
        &self,
        account: Address,
        anchors: &[(String, String)],
    ) -> Result<u64, AnchoringError> {
        let call = self.calling(&multiple(anchors));
        Ok(self.chain.rpc().estimate_gas(account, &call).await?)
    }

    /// The values of an anchor, oldest first; none if it is not there.
    ///
    /// # Errors
    /// [`AnchoringError::Rpc`] or [`AnchoringError::OtherContract`].
    pub async fn all_versions(&self, anchor_id: &str) -> Result<Vec<String>, AnchoringError> {
        let function = contract::getAllVersionsCall {
            anchorId: anchor_id.to_owned(),
        };
        self.read(&function).await
    }

    /// The same as they were after an earlier block; nodes keep the state of some of them only.
    ///
    /// # Errors
    /// As [`Self::all_versions`]; [`AnchoringError::OtherContract`] too if there was no contract.
    pub async fn all_versions_at(
        &self,
        anchor_id: &str,
        block: BlockTag,
    ) -> Result<Vec<String>, AnchoringError> {
        let function = contract::getAllVersionsCall {
            anchorId: anchor_id.to_owned(),
        };
        self.read_at(&function, block).await
    }

    /// The newest value of an anchor.
    ///
    /// # Errors
    /// As [`Self::all_versions`].
    pub async fn last_version(&self, anchor_id: &str) -> Result<Option<String>, AnchoringError> {
        let function = contract::getLastVersionCall {
            anchorId: anchor_id.to_owned(),
        };
        let value = self.read(&function).await?;
        Ok(Some(value).filter(|value| !value.is_empty()))
    }

    /// Anchors in the order of their creation; none behind the last one. Those that the contract
    /// leaves out for their size are left out here: ask again from the first of them.
    ///
    /// # Errors
    /// As [`Self::all_versions`].
    pub async fn dump(&self, range: DumpRange) -> Result<Vec<Dumped>, AnchoringError> {
        // The contract reverts behind its end.
        if range.from >= self.total().await? {
            return Ok(Vec::new());
        }
        let function = contract::dumpAnchorsCall {
            from: U256::from(range.from),
            limit: U256::from(range.limit),
            maxSize: U256::from(range.size_max),
        };
        let items = self.read(&function).await?.into_iter();
        let items = items.filter(|item| !item.anchorId.is_empty());
        let dumped = items.map(|item| Dumped {
            anchor_id: item.anchorId,
            values: item.anchorValues,
        });
        Ok(dumped.collect())
    }

    /// The number of anchors.
    ///
    /// # Errors
    /// As [`Self::all_versions`].
    pub async fn total(&self) -> Result<u64, AnchoringError> {
        let total = self.read(&contract::totalNumberOfAnchorsCall {}).await?;
        u64::try_from(total).map_err(|_| self.other_contract())
    }

    async fn read<F: SolCall>(&self, function: &F) -> Result<F::Return, AnchoringError> {
        self.read_at(function, BlockTag::Latest).await
    }

    async fn read_at<F: SolCall>(
        &self,
        function: &F,
        block: BlockTag,
    ) -> Result<F::Return, AnchoringError> {
        let call = self.calling(function);
        let answer = self.chain.rpc().call(&call, block).await?;
        F::abi_decode_returns_validate(&answer).map_err(|_| self.other_contract())
    }

    async fn write(
        &self,
        sender: &Sender,
        function: &impl SolCall,
    ) -> Result<Written, AnchoringError> {
        let mined = sender.send(self.calling(function)).await?;
        let transaction = mined.transaction;
        if !mined.succeeded {
            return Err(AnchoringError::Failed {
                transaction,
                out_of_gas: mined.ran_out_of_gas(),
            });
        }
        let status = self
            .status_of(&mined.logs)
            .ok_or(AnchoringError::NoStatus { transaction })?;
        Ok(Written { status, mined })
    }

    fn calling(&self, function: &impl SolCall) -> Call {
        Call {
            to: Some(self.address),
            data: function.abi_encode().into(),
        }
    }

    fn status_of(&self, logs: &[crate::rpc::Log]) -> Option<Status> {
        let ours = logs.iter().filter(|log| log.address == self.address);
        let mut events = ours.filter_map(|log| {
            let topics = log.topics.iter().copied();
            contract::InvokeStatus::decode_raw_log_validate(topics, &log.data).ok()
        });
        events
            .next()
            .map(|event| Status::from_code(event.statusCode))
    }

    fn other_contract(&self) -> AnchoringError {
        AnchoringError::OtherContract {
            address: self.address,
        }
    }
}

fn multiple(anchors: &[(String, String)]) -> contract::createOrUpdateMultipleAnchorsCall {
    let flat = anchors.iter().flat_map(|(id, value)| [id, value]).cloned();
    contract::createOrUpdateMultipleAnchorsCall {
        anchors: flat.collect(),
    }
}

impl Status {
    fn from_code(code: U256) -> Self {
        match u64::try_from(code).unwrap_or(u64::MAX) {
            200 => Self::Stored,
            103 => Self::BadFirstSignature,
            104 => Self::BadTimeOrSignature,
            105 => Self::AnchorExists,
            106 => Self::NoSuchAnchor,
            107 => Self::AnchorIsConstant,
            other => Self::Other(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;

    /// `ledger.md` §2.1.
    #[test]
    fn the_selectors_are_those_of_generation_4() {
        let selectors = [
            (contract::createAnchorCall::SELECTOR, "b365ae3b"),
            (contract::appendAnchorCall::SELECTOR, "c743b7f3"),
            (
                contract::createOrUpdateMultipleAnchorsCall::SELECTOR,
                "7e2ee190",
            ),
            (contract::getAllVersionsCall::SELECTOR, "d4dca96d"),
            (contract::getLastVersionCall::SELECTOR, "5436d6b2"),
            (contract::dumpAnchorsCall::SELECTOR, "1f7ab91c"),
            (contract::totalNumberOfAnchorsCall::SELECTOR, "926a5c63"),
        ];
        for (selector, known) in selectors {
            assert_eq!(hex::encode(selector), known);
        }
    }
}
