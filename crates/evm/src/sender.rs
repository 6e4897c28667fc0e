//! Puts calls on a chain from one account: each once, in the order of `send`, whatever happens to
//! the node, to the pool, or to the account.
//!
//! The chain is the truth: nonces come from it, never from a file. One task owns the account; what
//! it knows of its transactions is lost with the process and is not needed, since what is left in
//! the pool is waited for and then replaced.
//!
//! What is under way is driven to its end even if nobody waits for it any more: a nonce that is
//! given out and not used would block all later ones.

mod broadcast;
mod error;
mod estimate;
mod flight;
mod look;
mod refusal;
mod task;
mod ticket;

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, B256};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::account::ChainKey;
use crate::chain::Chain;
use crate::rpc::{Call, Log, RpcError};

pub use error::SendError;
use ticket::{Request, Verdict};

/// Calls that wait for a nonce; further ones wait at the door.
const QUEUE_MAX: usize = 64;

/// A transaction that is as deep in the chain as the configuration asks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mined {
    /// Its hash.
    pub transaction: B256,
    /// Height of its block.
    pub block_number: u64,
    /// Hash of its block, which was on the chain when this was made.
    pub block_hash: B256,
    /// Gas that it used.
    pub gas_used: u64,
    /// Gas that it was allowed.
    pub gas_limit: u64,
    /// False if it reverted, or ran out of gas, see [`Self::ran_out_of_gas`].
    pub succeeded: bool,
    /// The contract that it made.
    pub contract: Option<Address>,
    /// What it logged.
    pub logs: Vec<Log>,
}

impl Mined {
    /// Whether it failed because its gas was not enough.
    #[must_use]
    pub fn ran_out_of_gas(&self) -> bool {
        !self.succeeded && self.gas_used >= self.gas_limit
    }
}

/// Sends for one account of one chain. Cheap to clone; all that write with the account share one,
/// else they take each other's nonces. Its task ends with the last clone.
#[derive(Debug, Clone)]
pub struct Sender(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    chain: Chain,
    account: Address,
    requests: mpsc::Sender<Request>,
    trouble: watch::Receiver<Option<RpcError>>,
    task: AbortHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A next sender of the account finds on the chain and in the pool what this one leaves.
        self.task.abort();
    }
}

impl Sender {
    /// Starts the task that owns the account; within a Tokio runtime. Nothing is asked or sent yet.
    #[must_use]
    pub fn start(chain: &Chain, key: ChainKey) -> Self {
        let (requests, inbox) = mpsc::channel(QUEUE_MAX);
        let (tell, trouble) = watch::channel(None);
        let account = key.address();
        let task = tokio::spawn(task::Task::new(chain.clone(), key, inbox, tell).run());
        Self(Arc::new(Inner {
            chain: chain.clone(),
            account,
            requests,
            trouble,
            task: task.abort_handle(),
        }))
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> Address {
        self.0.account
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.0.chain
    }

    /// Whether its task is gone, which only a panic leads to while there is a clone. It sends nothing
    /// any more; another sender of the account finds on the chain and in the pool what it left.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.requests.is_closed()
    }

    /// What keeps the sender from its work now; `None` if nothing does.
    #[must_use]
    pub fn trouble(&self) -> Option<RpcError> {
        self.0.trouble.borrow().clone()
    }

    /// [`Self::send_within`] the patience of the configuration.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(&self, call: Call) -> Result<Mined, SendError> {
        let patience = self.0.chain.config().timing.patience;
        self.send_within(call, patience).await
    }

    /// Estimates the gas of a call, sends it, and waits until it is deep enough in the chain.
    ///
    /// The gas is estimated on the newest block, without what is still under way: send what builds
    /// on an earlier call when that one is mined.
    ///
    /// **Cancellation:** a call that waits for a nonce is withdrawn; one that has got it goes on,
    /// so that it blocks no later one, and may land.
    ///
    /// # Errors
    /// [`SendError`]; [`SendError::may_still_land`] says whether the call may still take place.
    pub async fn send_within(&self, call: Call, patience: Duration) -> Result<Mined, SendError> {
        let deadline = Instant::now() + patience;
        let gas_limit = estimate::gas_limit(&self.0.chain, self.0.account, &call, deadline).await?;
        let (request, mut ticket) = Request::new(call, gas_limit);
        match tokio::time::timeout_at(deadline, self.0.requests.send(request)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(SendError::Stopped),
            Err(_) => return Err(self.not_sent()),
        }
        match tokio::time::timeout_at(deadline, ticket.verdict()).await {
            Ok(Some(Verdict::Mined(mined))) => Ok(mined),
            Ok(Some(Verdict::Failed(error))) => Err(error),
            // The task is gone, or there is no time left.
            Ok(None) | Err(_) => Err(match ticket.withdraw() {
                None => self.not_sent(),
                Some(transaction) => SendError::MaybeSent {
                    transaction,
                    source: self.trouble(),
                },
            }),
        }
    }

    fn not_sent(&self) -> SendError {
        SendError::NotSent {
            source: self.trouble(),
        }
    }
}
