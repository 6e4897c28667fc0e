//! Where on a chain an entry stands.

use serde::{Deserialize, Serialize};

/// The transaction that brought an entry to a contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placed {
    /// Which chain (EIP-155).
    pub chain_id: u64,
    /// Address of the contract, `0x` and 40 hex digits.
    pub contract: String,
    /// Number of the block.
    pub block: u64,
    /// Hash of the transaction, `0x` and 64 hex digits.
    pub transaction: String,
}
