//! One nonce of the account and what is to be done with it.

use std::time::Duration;

use alloy_primitives::B256;
use tokio::time::Instant;

use super::Mined;
use super::ticket::{Answer, Verdict};
use crate::account::ChainKey;
use crate::rpc::{Call, Receipt, RpcError};
use crate::transaction::{Fees, Signed, Transaction};

/// One nonce of the account and what is to be done with it.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) nonce: u64,
    pub(super) call: Call,
    pub(super) gas_limit: u64,
    pub(super) fees: Fees,
    /// Names that it may land under, newest last. Never empty.
    pub(super) names: Vec<Name>,
    /// Whether the node has taken the newest one.
    pub(super) accepted: bool,
    /// Whether the nonce is used, as far as the node says when it refuses it.
    pub(super) taken: bool,
    /// What the node said when it last refused it.
    pub(super) refused: Option<RpcError>,
    /// When it was last handed to the node; `None` if that is due now.
    pub(super) sent_at: Option<Instant>,
    /// When its fees were set.
    pub(super) priced_at: Instant,
    /// Since when another transaction waits at its nonce.
    pub(super) occupied_at: Option<Instant>,
    /// The block that it was last seen in.
    pub(super) mined: Option<(u64, B256)>,
    /// The newest block when it was last looked for.
    pub(super) looked_at: Option<u64>,
    /// Looks that found the nonce used and no receipt, and the newest block at the first of them.
    pub(super) absent: Option<(u32, u64)>,
    /// Who waits for it; `None` for what fills a hole and for what has landed before.
    pub(super) answer: Option<Answer>,
}

/// A name that a flight may land under.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) signed: Signed,
    /// What it offers.
    fees: Fees,
    /// Whether it may be on the network.
    pub(super) out: bool,
}

impl Flight {
    pub(super) fn new(transaction: Transaction, signed: Signed, answer: Option<Answer>) -> Self {
        let now = Instant::now();
        Self {
            nonce: transaction.nonce,
            call: transaction.call,
            gas_limit: transaction.gas_limit,
            fees: transaction.fees,
            names: vec![Name {
                signed,
                fees: transaction.fees,
                out: false,
            }],
            accepted: false,
            taken: false,
            refused: None,
            sent_at: None,
            priced_at: now,
            occupied_at: None,
            mined: None,
            looked_at: None,
            absent: None,
            answer,
        }
    }

    /// The name that goes out.
    pub(super) fn newest(&self) -> Option<&Signed> {
        self.names.last().map(|name| &name.signed)
    }

    pub(super) fn newest_hash(&self) -> B256 {
        self.newest().map_or(B256::ZERO, |signed| signed.hash)
    }

    /// Whether later nonces may be given out.
    pub(super) fn is_settled(&self) -> bool {
        self.accepted || self.taken || self.mined.is_some()
    }

    /// Whether what waits at its nonce may be itself, under an earlier name.
    pub(super) fn is_in_its_own_way(&self) -> bool {
        !self.accepted && self.names.len() > 1
    }

    /// The newest name may be on the network from now on.
    pub(super) fn goes_out(&mut self) {
        if let Some(name) = self.names.last_mut() {
            name.out = true;
        }
    }

    pub(super) fn is_due(&self, resend_after: Duration) -> bool {
        self.sent_at.is_none_or(|at| at.elapsed() >= resend_after)
    }

    /// Gives it other fees, and so another name.
    pub(super) fn reprice(&mut self, fees: Fees, chain_id: u64, key: &ChainKey) {
        let transaction = Transaction {
            chain_id,
            nonce: self.nonce,
            gas_limit: self.gas_limit,
            fees,
            call: self.call.clone(),
        };
        let signed = transaction.sign(key);
        if let Some(answer) = &self.answer {
            answer.mark_renamed(signed.hash);
        }
        // What the node refused and nobody else has can not land.
        if self.names.last().is_some_and(|name| !name.out) {
            self.names.pop();
        }
        self.names.push(Name {
            signed,
            fees,
            out: false,
        });
        self.fees = fees;
        self.priced_at = Instant::now();
        self.accepted = false;
    }

    /// Back to the name before, if the newest is refused and that one may still land: it is the one
    /// that has to be kept in the pool.
    pub(super) fn fall_back(&mut self) -> bool {
        if self.names.len() < 2 || self.names.last().is_none_or(|name| name.out) {
            return false;
        }
        self.names.pop();
        if let Some(name) = self.names.last() {
            self.fees = name.fees;
        }
        self.accepted = true;
        true
    }

    /// Back to what has yet to be mined, and due now.
    pub(super) fn is_lost(&mut self) {
        self.mined = None;
        self.absent = None;
        self.sent_at = None;
    }

    /// Tells who waits for it.
    pub(super) fn end(&mut self, verdict: Verdict) {
        if let Some(answer) = self.answer.take() {
            answer.give(verdict);
        }
    }

    pub(super) fn mined_as(&self, receipt: Receipt) -> Mined {
        Mined {
            transaction: receipt.transaction,
            block_number: receipt.block_number,
            block_hash: receipt.block_hash,
            gas_used: receipt.gas_used,
            gas_limit: self.gas_limit,
            succeeded: receipt.succeeded,
            contract: receipt.contract,
            logs: receipt.logs,
        }
    }
}
