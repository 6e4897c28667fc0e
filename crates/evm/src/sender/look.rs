//! What the chain says of the flights, and what is done about those that do not land.

use alloy_primitives::B256;
use tokio::time::Instant;
use tracing::{info, warn};

use super::SendError;
use super::broadcast::Outcome;
use super::flight::Flight;
use super::refusal;
use super::task::Task;
use super::ticket::Verdict;
use crate::fees::{QuoteError, quote};
use crate::rpc::{BlockTag, Receipt, RpcError};
use crate::transaction::Fees;

/// Looks that must agree before something is concluded from what is *not* there: a node may be
/// several machines, of which one is behind.
pub(super) const LOOKS_MIN: u32 = 5;
/// Names of one flight: with an eighth more each time far beyond any cap that makes sense.
const NAMES_MAX: usize = 48;
/// Holes that are filled before what waits behind them: each costs gas. What is further ahead of the
/// account's count got its nonce from a node that was wrong about it.
pub(super) const FILL_MAX: u64 = 16;
/// Gas of an empty transaction on Ethereum; where it is more, the node is asked.
const EMPTY_GAS: u64 = 21_000;

impl Task {
    /// One look at the chain. What the node says badly of one flight keeps no other one back.
    pub(super) async fn look(&mut self) -> Result<(), RpcError> {
        let rpc = self.chain.rpc().clone();
        let head = rpc.block_number().await?;
        let count = rpc
            .transaction_count(self.key.address(), BlockTag::Latest)
            .await?;
        if std::mem::take(&mut self.was_down) {
            // The node may have lost its pool.
            let flights = self.flights.values_mut();
            flights.for_each(|flight| flight.sent_at = None);
        }
        let nonces: Vec<u64> = self.flights.keys().copied().collect();
        let mut trouble = Ok(());
        for nonce in nonces {
            match self.look_at(nonce, head, count).await {
                Err(error) if error.is_down() => return Err(error),
                looked => trouble = trouble.and(looked),
            }
        }
        self.fill(count).await?;
        self.resend(count).await?;
        trouble
    }

    /// Looks for one flight, and ends it if it is deep enough or can not land.
    async fn look_at(&mut self, nonce: u64, head: u64, count: u64) -> Result<(), RpcError> {
        let Some(flight) = self.flights.get_mut(&nonce) else {
            return Ok(());
        };
        if nonce >= count && flight.mined.is_none() {
            flight.absent = None;
            return Ok(());
        }
        if flight.mined.is_some() && flight.looked_at == Some(head) {
            return Ok(());
        }
        let names: Vec<B256> = flight.names.iter().rev().map(|it| it.signed.hash).collect();
        let mut receipt = None;
        for name in names {
            receipt = self.chain.rpc().receipt(name).await?;
            if receipt.is_some() {
                break;
            }
        }
        if let Some(receipt) = receipt {
            return self.seen(nonce, head, receipt).await;
        }
        self.unseen(nonce, head, count);
        Ok(())
    }

    /// It is in a block.
    async fn seen(&mut self, nonce: u64, head: u64, receipt: Receipt) -> Result<(), RpcError> {
        let number = receipt.block_number;
        let depth = head.saturating_sub(number).saturating_add(1);
        let deep = depth >= self.chain.confirmations();
        // A node may still give the receipt of a block that is not on the chain any more.
        let on_chain = if deep {
            let block = self.chain.rpc().block(BlockTag::Number(number)).await?;
            block.is_some_and(|block| block.hash == receipt.block_hash)
        } else {
            false
        };
        let Some(flight) = self.flights.get_mut(&nonce) else {
            return Ok(());
        };
        flight.mined = Some((number, receipt.block_hash));
        flight.absent = None;
        flight.refused = None;
        // One that should be there and is not is looked for again at once.
        flight.looked_at = (!deep).then_some(head);
        if on_chain && let Some(mut flight) = self.flights.remove(&nonce) {
            let mined = flight.mined_as(receipt);
            flight.end(Verdict::Mined(mined));
            self.keep(flight);
        }
        Ok(())
    }

    /// It is in no block.
    fn unseen(&mut self, nonce: u64, head: u64, count: u64) {
        let confirmations = self.chain.confirmations();
        let Some(flight) = self.flights.get_mut(&nonce) else {
            return;
        };
        if let Some((block, _)) = flight.mined {
            warn!(nonce, block, transaction = %flight.newest_hash(), "a transaction has left the chain with its block");
            flight.is_lost();
        }
        if nonce >= count {
            return;
        }
        let (looks, since) = flight.absent.unwrap_or((0, head));
        flight.absent = Some((looks.saturating_add(1), since));
        let deep = head.saturating_sub(since).saturating_add(1) >= confirmations;
        if looks + 1 >= LOOKS_MIN
            && deep
            && let Some(mut flight) = self.flights.remove(&nonce)
        {
            let transaction = flight.newest_hash();
            warn!(nonce, %transaction, "another transaction of the account took the nonce");
            flight.end(Verdict::Failed(SendError::Displaced { nonce, transaction }));
        }
    }

    /// Fills a hole before the first flight: the chain has gone back further than what we call deep,
    /// or something of the account that we counted on is gone.
    async fn fill(&mut self, count: u64) -> Result<(), RpcError> {
        let first = self.flights.first_key_value().map(|(nonce, _)| *nonce);
        let Some(first) = first.filter(|first| *first > count) else {
            self.hole = None;
            return Ok(());
        };
        let (since, looks) = self.hole.unwrap_or((Instant::now(), 0));
        self.hole = Some((since, looks.saturating_add(1)));
        if looks + 1 < LOOKS_MIN {
            return Ok(());
        }
        let fallen: Vec<u64> = self.landed.range(count..first).map(|it| *it.0).collect();
        for nonce in fallen {
            if let Some(mut flight) = self.landed.remove(&nonce) {
                flight.is_lost();
                self.flights.insert(nonce, flight);
            }
        }
        let account = self.key.address();
        let pending = self.pending(count).await?;
        // What is in the pool and not ours has its time.
        let waited = since.elapsed() >= self.chain.config().timing.foreign_wait;
        let from = if waited { count } else { pending.max(count) };
        let most = usize::try_from(FILL_MAX).unwrap_or(usize::MAX);
        let (holes, too_far) = {
            let mut open = (from..first).filter(|nonce| !self.flights.contains_key(nonce));
            let holes: Vec<u64> = open.by_ref().take(most).collect();
            (holes, open.next())
        };
        if let Some(too_far) = too_far {
            self.give_up_from(too_far);
            return Ok(());
        }
        if holes.is_empty() {
            return Ok(());
        }
        warn!(%account, from, to = first, "a hole before our transactions is filled with empty ones");
        let call = refusal::filler(account);
        let gas_limit = match self.chain.rpc().estimate_gas(account, &call).await {
            Err(RpcError::Refused { .. }) => EMPTY_GAS,
            other => other?,
        };
        let Some(fees) = self.usual().await? else {
            return Ok(());
        };
        for nonce in holes {
            let transaction = self.transaction(nonce, call.clone(), gas_limit, fees);
            let signed = transaction.sign(&self.key);
            self.flights
                .insert(nonce, Flight::new(transaction, signed, None));
        }
        for flight in self.flights.values_mut().filter(|flight| !flight.accepted) {
            flight.sent_at = None;
        }
        Ok(())
    }

    /// Gives up what is so far ahead of the account's count that filling the hole before it would cost
    /// more than it is worth. What is nearer is left; the next look fills the hole before that.
    fn give_up_from(&mut self, too_far: u64) {
        self.hole = None;
        for (nonce, mut flight) in self.flights.split_off(&too_far) {
            let transaction = flight.newest_hash();
            warn!(account = %self.key.address(), nonce, %transaction, "a transaction far ahead of the account's count is given up");
            let error = if flight.names.iter().any(|name| name.out) {
                SendError::MaybeSent {
                    transaction,
                    source: flight.refused.clone(),
                }
            } else {
                SendError::NotSent {
                    source: flight.refused.clone(),
                }
            };
            flight.end(Verdict::Failed(error));
        }
    }

    /// Hands to the node again what is not mined in time, and raises what it offers.
    async fn resend(&mut self, count: u64) -> Result<(), RpcError> {
        let timing = self.chain.config().timing.clone();
        let waiting = |flight: &Flight| flight.mined.is_none() && flight.nonce >= count;
        let due = |flight: &&Flight| waiting(flight) && flight.is_due(timing.resend_after);
        let due: Vec<u64> = self
            .flights
            .values()
            .filter(due)
            .map(|it| it.nonce)
            .collect();
        let slow = |flight: &&Flight| {
            waiting(flight)
                && flight.accepted
                && flight.priced_at.elapsed() >= timing.replace_after
                && flight.names.len() < NAMES_MAX
        };
        // Only the first can be too cheap for certain: the others may just wait for it. But those
        // that offer no more than it does will not be mined for the same reason.
        let first = self.flights.values().find(slow);
        let first = first.filter(|flight| flight.nonce == count);
        if let Some(offered) = first.map(|flight| flight.fees.most()) {
            let alike = |flight: &&Flight| slow(flight) && flight.fees.most() <= offered;
            let slow = self.flights.values().filter(alike);
            let slow: Vec<u64> = slow.map(|flight| flight.nonce).collect();
            self.raise(&slow).await?;
            self.hand_over(&slow).await?;
        }
        self.hand_over(&due).await
    }

    /// Sets higher fees, where the cap allows it.
    async fn raise(&mut self, nonces: &[u64]) -> Result<(), RpcError> {
        let Some(usual) = self.usual().await? else {
            return Ok(());
        };
        let (cap, chain_id) = (self.chain.config().fees.cap, self.chain.id());
        for nonce in nonces {
            if let Some(flight) = self.flights.get_mut(nonce) {
                // Not before the next time, if the cap is reached.
                flight.priced_at = Instant::now();
                if let Some(fees) = flight.fees.raised(&usual, cap) {
                    info!(nonce, ?fees, "a transaction that is not mined is replaced");
                    flight.reprice(fees, chain_id, &self.key);
                }
            }
        }
        Ok(())
    }

    /// What is usual now; `None` if that is above the cap.
    async fn usual(&self) -> Result<Option<Fees>, RpcError> {
        match quote(self.chain.rpc(), &self.chain.config().fees).await {
            Ok(fees) => Ok(Some(fees)),
            Err(QuoteError::AboveCap { .. }) => Ok(None),
            Err(QuoteError::Rpc(error)) => Err(error),
        }
    }

    async fn hand_over(&mut self, nonces: &[u64]) -> Result<(), RpcError> {
        for nonce in nonces {
            match self.broadcast(*nonce).await {
                Outcome::Open => {}
                Outcome::NotReached(error) | Outcome::Unclear(error) => return Err(error),
                Outcome::Refused(error) => self.give_up_last(*nonce, error),
            }
        }
        Ok(())
    }

    /// What the node refuses for good keeps its nonce only if later ones are under way, or if it was
    /// in the pool once: then it may be there again.
    fn give_up_last(&mut self, nonce: u64, error: RpcError) {
        let is_last = self.flights.last_key_value().map(|(last, _)| *last) == Some(nonce);
        let never_taken = |flight: &Flight| !flight.accepted && flight.names.len() == 1;
        if is_last
            && self.flights.get(&nonce).is_some_and(never_taken)
            && let Some(mut flight) = self.flights.remove(&nonce)
        {
            let transaction = flight.newest_hash();
            let source = Some(error);
            flight.end(Verdict::Failed(SendError::MaybeSent {
                transaction,
                source,
            }));
        }
    }
}
