//! What a caller and the task of the sender know of each other.
//!
//! Whether a call was sent is decided in one place, under one lock: either the caller withdraws it
//! or the task gives it a nonce, never both.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alloy_primitives::B256;
use tokio::sync::oneshot;

use super::{Mined, SendError};
use crate::rpc::Call;

/// How a call ended.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is deep enough in the chain.
    Mined(Mined),
    /// It is not.
    Failed(SendError),
}

/// Where a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It waits for a nonce.
    Waiting,
    /// The caller does not want it any more, and it was never sent.
    Withdrawn,
    /// It may be on its way under this name.
    Sent(B256),
}

/// A call on its way to the task.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) call: Call,
    pub(super) gas_limit: u64,
    pub(super) answer: Answer,
}

/// The end of the task.
#[derive(Debug)]
pub(super) struct Answer {
    stage: Arc<Mutex<Stage>>,
    reply: oneshot::Sender<Verdict>,
}

/// The end of the caller.
#[derive(Debug)]
pub(super) struct Ticket {
    stage: Arc<Mutex<Stage>>,
    verdict: oneshot::Receiver<Verdict>,
}

impl Request {
    pub(super) fn new(call: Call, gas_limit: u64) -> (Self, Ticket) {
        let stage = Arc::new(Mutex::new(Stage::Waiting));
        let (reply, verdict) = oneshot::channel();
        let answer = Answer {
            stage: Arc::clone(&stage),
            reply,
        };
        let ticket = Ticket { stage, verdict };
        let request = Self {
            call,
            gas_limit,
            answer,
        };
        (request, ticket)
    }
}

impl Answer {
    /// Whether anybody still waits for it.
    pub(super) fn is_wanted(&self) -> bool {
        !self.reply.is_closed() && *lock(&self.stage) != Stage::Withdrawn
    }

    /// Notes that it goes out under this name; false if the caller was quicker and has withdrawn it.
    pub(super) fn mark_sent(&self, transaction: B256) -> bool {
        let mut stage = lock(&self.stage);
        if *stage == Stage::Withdrawn || self.reply.is_closed() {
            return false;
        }
        *stage = Stage::Sent(transaction);
        true
    }

    /// Notes a further name of it.
    pub(super) fn mark_renamed(&self, transaction: B256) {
        *lock(&self.stage) = Stage::Sent(transaction);
    }

    /// Notes that it has certainly not gone out, and waits again.
    pub(super) fn mark_unsent(&self) {
        *lock(&self.stage) = Stage::Waiting;
    }

    pub(super) fn give(self, verdict: Verdict) {
        // Nobody waiting is no error: the call went on without its caller.
        let _ = self.reply.send(verdict);
    }
}

impl Ticket {
    /// `None` if the task is gone.
    pub(super) async fn verdict(&mut self) -> Option<Verdict> {
        (&mut self.verdict).await.ok()
    }

    /// Withdraws the call if it was not sent; else the name that it may land under.
    pub(super) fn withdraw(&self) -> Option<B256> {
        let mut stage = lock(&self.stage);
        match *stage {
            Stage::Sent(transaction) => Some(transaction),
            Stage::Waiting | Stage::Withdrawn => {
                *stage = Stage::Withdrawn;
                None
            }
        }
    }
}

fn lock(stage: &Mutex<Stage>) -> MutexGuard<'_, Stage> {
    // A word that is copied in and out is whole whatever panicked.
    stage.lock().unwrap_or_else(PoisonError::into_inner)
}
