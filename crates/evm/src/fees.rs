//! What a transaction should offer now.

use thiserror::Error;

use crate::rpc::{BlockTag, Rpc, RpcError};
use crate::transaction::Fees;

/// How transactions are priced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeeKind {
    /// Base fee and priority fee; where blocks have no base fee, as [`Self::Legacy`].
    Eip1559,
    /// One price.
    Legacy,
}

/// Rules for fees.
#[derive(Debug, Clone)]
pub struct FeePolicy {
    /// How transactions are priced.
    pub kind: FeeKind,
    /// The most that is ever offered, in wei for each unit of gas.
    pub cap: u128,
}

impl Default for FeePolicy {
    fn default() -> Self {
        Self {
            kind: FeeKind::Eip1559,
            cap: 500_000_000_000,
        }
    }
}

/// Why nothing can be offered.
#[derive(Debug, Clone, Error)]
pub(crate) enum QuoteError {
    #[error(transparent)]
    Rpc(#[from] RpcError),
    #[error("the chain asks for {needed} wei for each unit of gas, the cap is {cap}")]
    AboveCap { needed: u128, cap: u128 },
}

/// Asks the node what is usual.
pub(crate) async fn quote(rpc: &Rpc, policy: &FeePolicy) -> Result<Fees, QuoteError> {
    let base_fee = rpc
        .block(BlockTag::Latest)
        .await?
        .and_then(|block| block.base_fee);
    match (policy.kind, base_fee) {
        (FeeKind::Eip1559, Some(base_fee)) => {
            let priority_fee = priority_fee(rpc, base_fee).await?;
            let needed = base_fee.saturating_add(priority_fee);
            within(needed, policy.cap)?;
            // The base fee grows by an eighth a block at most: doubled it lasts for six full ones.
            let max_fee = needed.saturating_add(base_fee).min(policy.cap);
            Ok(Fees::Eip1559 {
                max_fee,
                priority_fee,
            })
        }
        (_, base_fee) => {
            let price = rpc.gas_price().await?.max(base_fee.unwrap_or(0));
            within(price, policy.cap)?;
            // Where there is a base fee it may grow before the transaction is mined.
            let room = base_fee.map_or(0, |fee| fee / 4);
            let gas_price = price.saturating_add(room).min(policy.cap);
            Ok(Fees::Legacy { gas_price })
        }
    }
}

async fn priority_fee(rpc: &Rpc, base_fee: u128) -> Result<u128, RpcError> {
    match rpc.priority_fee().await {
        // The method is younger than EIP-1559 itself.
        Err(RpcError::Refused { .. }) => Ok(rpc.gas_price().await?.saturating_sub(base_fee)),
        other => other,
    }
}

fn within(needed: u128, cap: u128) -> Result<(), QuoteError> {
    if needed > cap {
        return Err(QuoteError::AboveCap { needed, cap });
    }
    Ok(())
}
