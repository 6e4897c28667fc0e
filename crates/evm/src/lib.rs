//! EVM chains as ledgers: JSON-RPC with bounds, transactions whose nonces survive failures, and
//! the two contracts that anchors go to.
//!
//! - [`rpc`]: calls of a node, and its answers.
//! - [`chain`]: one chain, as it is configured.
//! - [`account`], [`transaction`], [`fees`]: what is signed, and what it offers.
//! - [`sender`]: puts calls on the chain, whatever happens to the node or to the account.
//!
//! **Source:** `ledger.md` §2, `translog.md` §10.

pub mod account;
pub mod chain;
pub mod fees;
pub mod rpc;
pub mod sender;
pub mod transaction;

pub use account::{ChainKey, ChainKeyError};
pub use alloy_primitives::{Address, B256, Bytes, U256};
pub use chain::{Chain, ChainConfig, ConnectError, Timing};
pub use fees::{FeeKind, FeePolicy};
pub use rpc::{BlockTag, Call, Rpc, RpcError, RpcLimits, RpcUrl, RpcUrlError};
pub use sender::{Mined, SendError, Sender};
