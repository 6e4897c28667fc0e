//! One chain, as it is configured.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::fees::FeePolicy;
use crate::rpc::{Rpc, RpcError, RpcLimits, RpcUrl};

/// How a chain is spoken to.
#[derive(Debug, Clone)]
pub struct ChainConfig {
    /// The node.
    pub rpc: RpcUrl,
    /// The chain that it must serve.
    pub chain_id: u64,
    /// Blocks, its own among them, that a transaction must be deep in to be called mined; 0 is 1.
    pub confirmations: u64,
    /// Rules for fees.
    pub fees: FeePolicy,
    /// The most gas of one transaction.
    pub gas_max: u64,
    /// Limits of one call.
    pub limits: RpcLimits,
    /// Waits.
    pub timing: Timing,
}

/// Waits of a sender.
#[derive(Debug, Clone)]
pub struct Timing {
    /// Between two looks at the chain while something is under way.
    pub poll: Duration,
    /// The longest wait between two looks while the node is down.
    pub poll_max: Duration,
    /// After which a transaction that is not mined is handed to the node again.
    pub resend_after: Duration,
    /// After which it is replaced by one with higher fees.
    pub replace_after: Duration,
    /// How long transactions of the account that are not ours may wait in the pool before their
    /// places are taken.
    pub foreign_wait: Duration,
    /// How long [`crate::Sender::send`] tries.
    pub patience: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(1),
            poll_max: Duration::from_secs(15),
            resend_after: Duration::from_secs(20),
            replace_after: Duration::from_mins(1),
            foreign_wait: Duration::from_mins(1),
            patience: Duration::from_mins(10),
        }
    }
}

impl ChainConfig {
    /// With one confirmation, EIP-1559, and waits for a public chain.
    #[must_use]
    pub fn new(rpc: RpcUrl, chain_id: u64) -> Self {
        Self {
            rpc,
            chain_id,
            confirmations: 1,
            fees: FeePolicy::default(),
            gas_max: 30_000_000,
            limits: RpcLimits::default(),
            timing: Timing::default(),
        }
    }
}

/// A chain whose node serves the chain that the configuration names. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Chain {
    rpc: Rpc,
    config: Arc<ChainConfig>,
}

/// Why a chain cannot be used.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The node serves another chain.
    #[error("the RPC serves chain {served}, the configuration says {configured}")]
    WrongChain {
        /// What the node says.
        served: u64,
        /// What the configuration says.
        configured: u64,
    },
    /// The node cannot be asked.
    #[error("the RPC cannot be asked which chain it serves")]
    Rpc(#[from] RpcError),
}

impl Chain {
    /// Asks the node which chain it serves.
    ///
    /// # Errors
    /// [`ConnectError`]; of these only [`ConnectError::WrongChain`] does not pass by itself.
    pub async fn connect(config: ChainConfig) -> Result<Self, ConnectError> {
        let rpc = Rpc::of_chain(config.rpc.clone(), config.limits.clone(), config.chain_id)?;
        match rpc.check_chain().await {
            Ok(()) => {}
            Err(RpcError::OtherChain {
                served, configured, ..
            }) => return Err(ConnectError::WrongChain { served, configured }),
            Err(error) => return Err(error.into()),
        }
        Ok(Self {
            rpc,
            config: Arc::new(config),
        })
    }

    /// Asks the node now whether it still serves the chain: before something is concluded from what is
    /// *not* there. All calls ask for it too, but every few seconds only.
    ///
    /// # Errors
    /// [`RpcError::OtherChain`], or that the node cannot be asked.
    pub async fn check(&self) -> Result<(), RpcError> {
        self.rpc.check_chain().await
    }

    /// Calls of the node, which are refused while it serves another chain.
    #[must_use]
    pub fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// How the chain is spoken to.
    #[must_use]
    pub fn config(&self) -> &ChainConfig {
        &self.config
    }

    /// The chain.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.config.chain_id
    }

    /// Blocks that a transaction must be deep in, at least one.
    #[must_use]
    pub fn confirmations(&self) -> u64 {
        self.config.confirmations.max(1)
    }
}
