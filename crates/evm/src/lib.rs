//! EVM chains as ledgers: JSON-RPC with bounds, transactions whose nonces survive failures, and
//! the two contracts that anchors go to.
//!
//! - [`rpc`]: calls of a node, and its answers.
//! - [`chain`]: one chain, as it is configured.
//! - [`account`], [`transaction`], [`fees`]: what is signed, and what it offers.
//! - [`sender`]: puts calls on the chain, whatever happens to the node or to the account.
//! - [`registry`], [`anchoring`]: the two contracts.
//!
//! **Source:** `ledger.md` §2, `translog.md` §10.

pub mod account;
pub mod anchoring;
pub mod chain;
pub mod fees;
pub mod registry;
pub mod rpc;
pub mod sender;
pub mod transaction;

pub use account::{ChainKey, ChainKeyError};
pub use alloy_primitives::{Address, B256, Bytes, U256};
pub use anchoring::{Anchoring, AnchoringError, DumpRange, Dumped, Status, Written};
pub use chain::{Chain, ChainConfig, ConnectError, Timing};
pub use fees::{FeeKind, FeePolicy};
pub use registry::{Batch, Head, Registry, RegistryError, Statement};
pub use rpc::{
    Block, BlockTag, Call, Log, LogFilter, Receipt, Rpc, RpcError, RpcLimits, RpcUrl, RpcUrlError,
};
pub use sender::{Mined, SendError, Sender};
