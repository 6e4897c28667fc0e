//! How much gas a call may use.

use alloy_primitives::Address;
use alloy_sol_types::{Panic, Revert, SolError};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{SendError, refusal};
use crate::chain::Chain;
use crate::rpc::{Call, RpcError};

/// The most gas of a transaction since the Osaka fork (EIP-7825). Earlier forks allow more, so this
/// bounds what is added to an estimate, not the estimate.
const OSAKA_GAS_MAX: u64 = 1 << 24;

/// The estimate and a fifth; asks until the node answers or there is no time left.
pub(super) async fn gas_limit(
    chain: &Chain,
    account: Address,
    call: &Call,
    deadline: Instant,
) -> Result<u64, SendError> {
    let timing = &chain.config().timing;
    let mut wait = timing.poll;
    let mut last = None;
    loop {
        let asked = timeout_at(deadline, chain.rpc().estimate_gas(account, call)).await;
        match asked {
            Ok(Ok(needed)) => return with_margin(needed, chain.config().gas_max),
            Ok(Err(error)) if error.may_pass() => last = Some(error),
            Ok(Err(error)) => return Err(refused(error)),
            Err(_) => return Err(SendError::NotSent { source: last }),
        }
        if Instant::now() + wait >= deadline {
            return Err(SendError::NotSent { source: last });
        }
        sleep_until(Instant::now() + wait).await;
        wait = wait.saturating_mul(2).min(timing.poll_max);
    }
}

fn with_margin(needed: u64, most: u64) -> Result<u64, SendError> {
    if needed > most {
        let needed = Some(needed);
        return Err(SendError::TooMuchGas { needed });
    }
    let limit = needed.saturating_add(needed / 5);
    let fits_osaka = needed <= OSAKA_GAS_MAX;
    let limit = if fits_osaka {
        limit.min(OSAKA_GAS_MAX)
    } else {
        limit
    };
    Ok(limit.min(most))
}

fn refused(error: RpcError) -> SendError {
    let RpcError::Refused {
        code,
        message,
        data,
    } = &error
    else {
        return SendError::Refused { source: error };
    };
    // 3 is what geth answers for a revert; others say it in words only.
    let reverts = *code == 3 || data.is_some() || message.to_ascii_lowercase().contains("revert");
    if !reverts {
        return refusal::told(error);
    }
    let data = data.clone().unwrap_or_default();
    SendError::Reverted {
        reason: reason(&data),
        data,
    }
}

/// The words of `require` and `revert`, or the name of what the compiler checks.
fn reason(data: &[u8]) -> Option<String> {
    if let Ok(revert) = Revert::abi_decode(data) {
        return Some(revert.reason);
    }
    Panic::abi_decode(data).ok().map(|panic| panic.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_is_added_up_to_the_limits() {
        let limit = |needed, most| with_margin(needed, most).ok();
        assert_eq!(limit(100_000, 30_000_000), Some(120_000));
        assert_eq!(limit(16_000_000, 30_000_000), Some(OSAKA_GAS_MAX));
        assert_eq!(limit(OSAKA_GAS_MAX, 30_000_000), Some(OSAKA_GAS_MAX));
        assert_eq!(limit(20_000_000, 30_000_000), Some(24_000_000));
        assert_eq!(limit(28_000_000, 30_000_000), Some(30_000_000));
        assert_eq!(limit(30_000_001, 30_000_000), None);
    }
}
