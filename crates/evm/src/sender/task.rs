//! The task that owns an account: gives out nonces, and hands transactions to the node.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::broadcast::Outcome;
use super::flight::Flight;
use super::look::{FILL_MAX, LOOKS_MIN};
use super::refusal::{self, Refusal};
use super::ticket::{Request, Verdict};
use super::{QUEUE_MAX, SendError};
use crate::account::ChainKey;
use crate::chain::Chain;
use crate::fees::{QuoteError, quote};
use crate::rpc::{BlockTag, Call, RpcError};
use crate::transaction::{Fees, Transaction};

/// Transactions that may wait to be mined at once: nodes keep 16 of an account for certain.
const WINDOW: usize = 16;
/// The same and those that are mined and not deep enough yet.
const FLIGHTS_MAX: usize = 1024;
/// Transactions that are remembered when they are deep enough, in case a deeper reorganisation takes
/// them off the chain again.
const LANDED_MAX: usize = 64;

pub(super) struct Task {
    pub(super) chain: Chain,
    pub(super) key: ChainKey,
    inbox: mpsc::Receiver<Request>,
    trouble: watch::Sender<Option<RpcError>>,
    queue: VecDeque<Request>,
    /// By nonce, without a hole once they are handed to the node.
    pub(super) flights: BTreeMap<u64, Flight>,
    /// What was deep enough, by nonce.
    pub(super) landed: BTreeMap<u64, Flight>,
    /// Since when transactions that are not ours wait in the pool, and the account's count then.
    foreign: Option<(Instant, u64)>,
    /// Nonces below this one are taken over from transactions that are not ours.
    pub(super) takeover: u64,
    /// The account's count when a nonce was last given out.
    known: u64,
    /// A count far beyond what is known: the newest of those that agree, since when, and how many.
    jump: Option<(u64, Instant, u32)>,
    /// Since when there is a hole before the first flight, and looks that found it.
    pub(super) hole: Option<(Instant, u32)>,
    /// Flights on which the funds of the account ended: no more at once until some are mined.
    funds_window: Option<usize>,
    /// Steps in a row that failed.
    failures: u32,
    /// Whether the node was down since the last look.
    pub(super) was_down: bool,
}

impl Task {
    pub(super) fn new(
        chain: Chain,
        key: ChainKey,
        inbox: mpsc::Receiver<Request>,
        trouble: watch::Sender<Option<RpcError>>,
    ) -> Self {
        Self {
            chain,
            key,
            inbox,
            trouble,
            queue: VecDeque::new(),
            flights: BTreeMap::new(),
            landed: BTreeMap::new(),
            foreign: None,
            takeover: 0,
            known: 0,
            jump: None,
            hole: None,
            funds_window: None,
            failures: 0,
            was_down: false,
        }
    }

    /// Ends when nobody can send any more.
    pub(super) async fn run(mut self) {
        loop {
            if self.queue.is_empty() && self.flights.is_empty() {
                match self.inbox.recv().await {
                    Some(request) => self.queue.push_back(request),
                    None => return,
                }
            }
            while self.queue.len() < QUEUE_MAX
                && let Ok(request) = self.inbox.try_recv()
            {
                self.queue.push_back(request);
            }
            let trouble = match self.step().await {
                Ok(()) => {
                    self.failures = 0;
                    self.flights
                        .values()
                        .find_map(|flight| flight.refused.clone())
                }
                Err(error) => {
                    self.failures = self.failures.saturating_add(1);
                    self.was_down |= error.is_down();
                    Some(error)
                }
            };
            self.tell(trouble);
            self.wait().await;
        }
    }

    /// Until the next look; a new call ends the wait if the node is well.
    async fn wait(&mut self) {
        let pause = self.pause();
        let room = self.queue.len() < QUEUE_MAX && self.failures == 0;
        tokio::select! {
            request = self.inbox.recv(), if room => {
                self.queue.extend(request);
            }
            () = sleep(pause) => {}
        }
    }

    fn pause(&self) -> Duration {
        let timing = &self.chain.config().timing;
        let doublings = self.failures.min(16);
        timing
            .poll
            .saturating_mul(1 << doublings)
            .min(timing.poll_max.max(timing.poll))
    }

    fn tell(&self, trouble: Option<RpcError>) {
        self.trouble.send_if_modified(|told| {
            let begins = told.is_none() && trouble.is_some();
            let changes = told.is_some() || trouble.is_some();
            if begins && let Some(error) = &trouble {
                warn!(account = %self.key.address(), error = error as &dyn std::error::Error, "transactions are kept back");
            }
            *told = trouble;
            changes
        });
    }

    /// One look at the chain and what follows from it. An error leaves all as it is known.
    async fn step(&mut self) -> Result<(), RpcError> {
        self.queue.retain(|request| request.answer.is_wanted());
        let mut trouble = Ok(());
        if !self.flights.is_empty() {
            match self.look().await {
                Err(error) if error.is_down() => return Err(error),
                looked => trouble = looked,
            }
        }
        trouble.and(self.launch().await)
    }

    /// Gives nonces to what waits, as many as may be under way.
    async fn launch(&mut self) -> Result<(), RpcError> {
        if self.flights.is_empty() {
            self.hole = None;
        }
        // Behind a hole nothing is mined.
        if self.queue.is_empty() || self.hole.is_some() || !self.has_room() {
            return Ok(());
        }
        let account = self.key.address();
        let rpc = self.chain.rpc().clone();
        let count = rpc.transaction_count(account, BlockTag::Latest).await?;
        if !self.is_believed(count) {
            return Ok(());
        }
        if self.flights.is_empty() && !self.may_begin(count).await? {
            return Ok(());
        }
        let fees = match quote(&rpc, &self.chain.config().fees).await {
            Ok(fees) => fees,
            Err(QuoteError::Rpc(error)) => return Err(error),
            Err(QuoteError::AboveCap { needed, cap }) => {
                for request in self.queue.drain(..) {
                    let error = SendError::FeesTooHigh { needed, cap };
                    request.answer.give(Verdict::Failed(error));
                }
                return Ok(());
            }
        };
        while self.has_room()
            && let Some(request) = self.queue.pop_front()
        {
            let after_ours = self
                .flights
                .last_key_value()
                .map_or(0, |(last, _)| last + 1);
            self.first_flight(request, count.max(after_ours), fees)
                .await?;
        }
        Ok(())
    }

    /// Whether nonces may be given out from this count on. One far beyond what is known has to be said
    /// several times, over some time: what is sent with a nonce that is wrong waits for all before it.
    fn is_believed(&mut self, count: u64) -> bool {
        let end_of = |flights: &BTreeMap<u64, Flight>| {
            let last = flights.last_key_value();
            last.map_or(0, |(nonce, _)| nonce.saturating_add(1))
        };
        let ours = end_of(&self.flights).max(end_of(&self.landed));
        let known = self.known.max(ours);
        let is_near = |count: u64, from: u64| count <= from.saturating_add(FILL_MAX);
        if is_near(count, known) {
            self.jump = None;
            self.known = count;
            return true;
        }
        // Another machine with the key may be at work meanwhile.
        let agreeing = self
            .jump
            .filter(|(seen, ..)| count >= *seen && is_near(count, *seen));
        let (since, looks) =
            agreeing.map_or((Instant::now(), 0), |(_, since, looks)| (since, looks));
        let looks = looks.saturating_add(1);
        let time = self
            .chain
            .config()
            .timing
            .poll
            .saturating_mul(LOOKS_MIN - 1);
        if looks >= LOOKS_MIN && since.elapsed() >= time {
            self.jump = None;
            self.known = count;
            return true;
        }
        if agreeing.is_none() {
            let account = self.key.address();
            info!(%account, count, known, "the account's count is far beyond what is known; it is looked at again");
        }
        self.jump = Some((count, since, looks));
        false
    }

    /// Whether one more may be under way. Not while the last is not with the node: its nonce may
    /// have to be given to another.
    fn has_room(&self) -> bool {
        let unmined = self.unmined();
        unmined < WINDOW
            && self.funds_window.is_none_or(|most| unmined < most)
            && self.flights.len() < FLIGHTS_MAX
            && self.flights.values().all(Flight::is_settled)
    }

    fn unmined(&self) -> usize {
        let flights = self.flights.values();
        flights.filter(|flight| flight.mined.is_none()).count()
    }

    /// Whether the first nonce may be given out: not before what is in the pool from earlier, or from
    /// elsewhere, has had its time.
    async fn may_begin(&mut self, count: u64) -> Result<bool, RpcError> {
        let fallen = self.landed.split_off(&count);
        if !fallen.is_empty() {
            // Deeper than what we call mined; what was told to be on the chain goes there again.
            warn!(account = %self.key.address(), count, "mined transactions have left the chain");
            self.flights.extend(fallen);
            self.flights.values_mut().for_each(Flight::is_lost);
            return Ok(false);
        }
        let account = self.key.address();
        let pending = self.pending(count).await?;
        if pending <= count {
            self.foreign = None;
            return Ok(true);
        }
        match self.foreign {
            Some((since, seen)) if seen == count => {
                if since.elapsed() < self.chain.config().timing.foreign_wait {
                    return Ok(false);
                }
                warn!(%account, from = count, to = pending, "transactions that are stuck are replaced");
                self.takeover = pending;
                Ok(true)
            }
            _ => {
                info!(%account, from = count, to = pending, "waiting for earlier transactions of the account");
                self.foreign = Some((Instant::now(), count));
                Ok(false)
            }
        }
    }

    /// The account's count with what is in the pool; nodes need not know that.
    pub(super) async fn pending(&self, count: u64) -> Result<u64, RpcError> {
        let account = self.key.address();
        let pool = self
            .chain
            .rpc()
            .transaction_count(account, BlockTag::Pending);
        match pool.await {
            Err(RpcError::Refused { .. }) => Ok(count),
            other => other,
        }
    }

    /// Hands a call to the node for the first time.
    async fn first_flight(
        &mut self,
        request: Request,
        nonce: u64,
        fees: Fees,
    ) -> Result<(), RpcError> {
        let transaction = self.transaction(nonce, request.call, request.gas_limit, fees);
        let signed = transaction.sign(&self.key);
        if !request.answer.mark_sent(signed.hash) {
            return Ok(());
        }
        let flight = Flight::new(transaction, signed, Some(request.answer));
        self.flights.insert(nonce, flight);
        self.funds_window = None;
        match self.broadcast(nonce).await {
            Outcome::Open => Ok(()),
            Outcome::Unclear(error) => Err(error),
            Outcome::NotReached(error) => {
                self.call_back(nonce);
                Err(error)
            }
            Outcome::Refused(error) => {
                let under_way = self.unmined().saturating_sub(1);
                let funds_end = refusal::meaning(&error) == Some(Refusal::OutOfFunds);
                if funds_end && under_way > 0 {
                    // The node reserves the most that each may cost: they will cost less.
                    self.funds_window = Some(under_way);
                    self.call_back(nonce);
                } else if let Some(mut flight) = self.flights.remove(&nonce) {
                    flight.end(Verdict::Failed(refusal::told(error)));
                }
                Ok(())
            }
        }
    }

    /// Takes back the newest flight, which certainly is not on its way, and lets it wait again.
    fn call_back(&mut self, nonce: u64) {
        if let Some(flight) = self.flights.remove(&nonce)
            && let Some(answer) = flight.answer
        {
            answer.mark_unsent();
            self.queue.push_front(Request {
                call: flight.call,
                gas_limit: flight.gas_limit,
                answer,
            });
        }
    }

    pub(super) fn transaction(
        &self,
        nonce: u64,
        call: Call,
        gas_limit: u64,
        fees: Fees,
    ) -> Transaction {
        Transaction {
            chain_id: self.chain.id(),
            nonce,
            gas_limit,
            fees,
            call,
        }
    }

    /// Remembers what is deep enough.
    pub(super) fn keep(&mut self, flight: Flight) {
        self.landed.insert(flight.nonce, flight);
        while self.landed.len() > LANDED_MAX {
            self.landed.pop_first();
        }
    }
}
