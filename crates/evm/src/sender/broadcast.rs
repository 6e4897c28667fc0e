//! Hands transactions to the node and understands what it says of them.

use tokio::time::Instant;

use super::flight::Flight;
use super::refusal::{self, Refusal};
use super::task::Task;
use crate::rpc::RpcError;

/// What the node makes of a transaction.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It has it, or the nonce is used, or it may come to have it: the chain will show.
    Open,
    /// It certainly does not have it, and may take it later.
    NotReached(RpcError),
    /// It may have it.
    Unclear(RpcError),
    /// It does not take it.
    Refused(RpcError),
}

/// What follows from a refusal.
enum Next {
    /// Nothing for now.
    Done(Outcome),
    /// The same with higher fees.
    Raise(RpcError),
}

impl Task {
    /// Hands a flight to the node, with higher fees if it asks for them and may have them.
    pub(super) async fn broadcast(&mut self, nonce: u64) -> Outcome {
        let rpc = self.chain.rpc().clone();
        let (cap, chain_id) = (self.chain.config().fees.cap, self.chain.id());
        let foreign_wait = self.chain.config().timing.foreign_wait;
        let takeover = nonce < self.takeover;
        let Some(flight) = self.flights.get_mut(&nonce) else {
            return Outcome::Open;
        };
        loop {
            let Some(raw) = flight.newest().map(|signed| signed.raw.clone()) else {
                return Outcome::Open;
            };
            flight.sent_at = Some(Instant::now());
            let Err(error) = rpc.send_raw_transaction(&raw).await else {
                took(flight);
                return Outcome::Open;
            };
            // What waits at the nonce and is not ours has its time.
            let may_replace = takeover
                || flight.is_in_its_own_way()
                || flight
                    .occupied_at
                    .is_some_and(|at| at.elapsed() >= foreign_wait);
            let error = match judge(flight, error, may_replace) {
                Next::Done(outcome) => return outcome,
                Next::Raise(error) => error,
            };
            // Doubled: how much is asked for is not known, and each try is a call.
            let Some(fees) = flight.fees.raised(&flight.fees.doubled(), cap) else {
                flight.refused = Some(error);
                flight.fall_back();
                return Outcome::Open;
            };
            flight.reprice(fees, chain_id, &self.key);
        }
    }
}

/// Notes what an error means for a flight.
fn judge(flight: &mut Flight, error: RpcError, may_replace: bool) -> Next {
    let outcome = match refusal::meaning(&error) {
        None | Some(Refusal::Passing) => {
            // Tried again in the next step.
            flight.sent_at = None;
            if error.nothing_done() {
                Outcome::NotReached(error)
            } else {
                flight.goes_out();
                Outcome::Unclear(error)
            }
        }
        Some(Refusal::Known) => {
            took(flight);
            Outcome::Open
        }
        Some(Refusal::NonceTaken) => {
            flight.taken = true;
            flight.refused = None;
            Outcome::Open
        }
        Some(Refusal::OutOfFunds | Refusal::TooMuchGas | Refusal::ForGood) => {
            flight.refused = Some(error.clone());
            if flight.fall_back() {
                Outcome::Open
            } else {
                Outcome::Refused(error)
            }
        }
        Some(Refusal::Underpriced) => return Next::Raise(error),
        Some(Refusal::Occupied) if may_replace => return Next::Raise(error),
        Some(Refusal::Occupied) => {
            flight.occupied_at.get_or_insert_with(Instant::now);
            flight.refused = Some(error);
            Outcome::Open
        }
        Some(Refusal::NonceAhead) => {
            flight.refused = Some(error);
            Outcome::Open
        }
    };
    Next::Done(outcome)
}

/// The node has the newest name.
fn took(flight: &mut Flight) {
    flight.accepted = true;
    flight.refused = None;
    flight.occupied_at = None;
    flight.goes_out();
}
