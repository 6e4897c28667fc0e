//! Writing: judge, send, and then read and decide.

use std::time::Duration;

use evm::{Anchoring, AnchoringError, SendError, Sender, Status, Written};
use keyssi::AnchorValueKind;
use tokio::time::{Instant, timeout_at};

use super::error::DirectError;
use super::{Direct, odd_signature, unsupported};
use crate::contract::Entry;
use crate::error::{BatchError, LedgerError};
use crate::history::{BrokenHistory, History};
use crate::judge::{self, Route};
use crate::placed::Placed;

/// Looks that must agree before something is concluded from what is *not* there: a node may be
/// several machines, of which one is behind.
const LOOKS_MIN: u32 = 4;
/// The most gas of a transaction since the Osaka fork (EIP-7825).
const BATCH_GAS_MAX: u64 = 1 << 24;

/// An entry that is not known to stand on the chain.
struct Open {
    /// Its place in the batch.
    index: usize,
    entry: Entry,
    /// Versions of the anchor when the entry was judged.
    versions: usize,
    /// How it joins them.
    route: Route,
}

/// What came of sending. A hint: the history decides.
enum Answer {
    /// The contract says that it is stored, in a transaction that is deep enough.
    Stored(Placed),
    /// The contract says that nothing is stored.
    Refused(Status),
    /// Anything else.
    Failed(DirectError),
    /// A batch that one transaction has not gas for.
    TooMuchGas(u64),
}

/// What is done about an entry that is not there after all.
enum Next {
    /// It is sent again.
    Send,
    /// It may get there yet, or may be there and not be seen.
    Look,
    /// Nothing.
    GiveUp,
}

impl Open {
    fn at(&self, source: impl Into<LedgerError>) -> BatchError {
        BatchError {
            index: self.index,
            source: source.into(),
        }
    }
}

impl Direct {
    /// Writes entries of distinct anchors, in one transaction if there are several.
    pub(super) async fn write(
        &self,
        entries: Vec<Entry>,
        deadline: Instant,
    ) -> Result<Vec<Option<Placed>>, BatchError> {
        let mut anchors: Vec<_> = entries.iter().map(|it| it.id.clone()).collect();
        anchors.sort();
        let mut turns = Vec::new();
        for anchor in &anchors {
            let turn = timeout_at(deadline, self.turns.take(anchor.as_str())).await;
            turns.push(turn.map_err(|_| BatchError {
                index: 0,
                source: DirectError::Busy.into(),
            })?);
        }
        let mut places = vec![None; entries.len()];
        let mut open = Vec::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let at = |source| BatchError { index, source };
            // Nothing was sent: who waits for a chain that is down need not wait as long.
            let read_by = deadline.min(self.read_deadline());
            let history = self.history(&entry.id, read_by).await.map_err(at)?;
            let route = judge(&entry, &history).await.map_err(at)?;
            open.push(Open {
                index,
                versions: history.len(),
                entry,
                route,
            });
        }
        self.send_until_settled(open, &mut places, deadline).await?;
        Ok(places)
    }

    async fn send_until_settled(
        &self,
        mut open: Vec<Open>,
        places: &mut [Option<Placed>],
        deadline: Instant,
    ) -> Result<(), BatchError> {
        let mut pauses = self.options.pauses(deadline);
        let mut answer = self.send(&open, deadline).await;
        let mut looks = 0;
        loop {
            // What was sent last is read after too, however little time is left.
            let read_by = deadline.max(self.read_deadline());
            open = self.settle(open, &answer, places, read_by).await?;
            let Some(first) = open.first() else {
                return Ok(());
            };
            looks += 1;
            let next = answer.next(looks);
            if matches!(next, Next::GiveUp) || !pauses.pause(Duration::ZERO).await {
                return Err(first.at(answer.into_error(&next)));
            }
            if matches!(next, Next::Send) {
                answer = self.send(&open, deadline).await;
                looks = 0;
            }
        }
    }

    /// Reads what stands on the chain: an entry that is there is done, one that another writer came
    /// before is refused, the rest stays open.
    async fn settle(
        &self,
        open: Vec<Open>,
        answer: &Answer,
        places: &mut [Option<Placed>],
        deadline: Instant,
    ) -> Result<Vec<Open>, BatchError> {
        let mut left = Vec::new();
        for mut it in open {
            let history = self.history(&it.entry.id, deadline).await;
            let history = history.map_err(|error| it.at(error))?;
            if history.holds(&it.entry.value) {
                if let Answer::Stored(placed) = answer {
                    if let Some(place) = places.get_mut(it.index) {
                        *place = Some(placed.clone());
                    }
                    continue;
                }
                // Some transaction brought it there, which may not be deep enough.
                let deep = self.is_deep(&it.entry, deadline).await;
                if deep.map_err(|error| it.at(error))? {
                    continue;
                }
            } else if history.len() > it.versions && !matches!(answer, Answer::Stored(_)) {
                let judged = judge(&it.entry, &history).await;
                it.route = judged.map_err(|error| it.at(error))?;
                it.versions = history.len();
            }
            left.push(it);
        }
        Ok(left)
    }

    async fn send(&self, open: &[Open], deadline: Instant) -> Answer {
        let sent = timeout_at(deadline, self.send_to_contract(open)).await;
        sent.unwrap_or(Answer::Failed(DirectError::TooSlow))
    }

    async fn send_to_contract(&self, open: &[Open]) -> Answer {
        let (sender, contract) = match self.open().await {
            Ok(opened) => opened,
            Err(error) => return Answer::Failed(error),
        };
        let written = match open {
            [one] => {
                let (id, value) = (one.entry.id.plain(), one.entry.value.plain());
                match one.route {
                    Route::Create => contract.create(&sender, id, value).await,
                    Route::Append => contract.append(&sender, id, value).await,
                }
            }
            several => {
                let pair = |it: &Open| {
                    let (id, value) = (it.entry.id.plain(), it.entry.value.plain());
                    (id.to_owned(), value.to_owned())
                };
                let pairs: Vec<_> = several.iter().map(pair).collect();
                match gas_above_limit(&contract, &sender, &pairs).await {
                    Some(gas) => return Answer::TooMuchGas(gas),
                    None => contract.multiple(&sender, &pairs).await,
                }
            }
        };
        match written {
            Ok(Written {
                status: Status::Stored,
                mined,
            }) => Answer::Stored(Placed {
                chain_id: contract.chain().id(),
                contract: format!("{:#x}", contract.address()),
                block: mined.block_number,
                transaction: format!("{:#x}", mined.transaction),
            }),
            Ok(Written { status, .. }) => Answer::Refused(status),
            Err(error) => Answer::Failed(error.into()),
        }
    }
}

/// The gas that a batch needs if one transaction may not use it. What else an estimate may fail with
/// is found when it is sent.
async fn gas_above_limit(
    contract: &Anchoring,
    sender: &Sender,
    pairs: &[(String, String)],
) -> Option<u64> {
    let gas = contract.gas_of_multiple(sender.account(), pairs).await;
    gas.ok().filter(|gas| *gas >= BATCH_GAS_MAX)
}

impl Answer {
    /// What to do about an entry that was not there in this many looks.
    fn next(&self, looks: u32) -> Next {
        let after_looks = if looks < LOOKS_MIN {
            Next::Look
        } else {
            Next::GiveUp
        };
        match self {
            // It contradicts what is read: the node that was read from is behind.
            Self::Stored(_) | Self::Refused(Status::AnchorExists | Status::NoSuchAnchor) => {
                Next::Look
            }
            // It goes on by itself.
            Self::Failed(DirectError::Contract(AnchoringError::Send(SendError::MaybeSent {
                ..
            }))) => Next::Look,
            // Either may be the verdict on a state that is not read yet.
            Self::Refused(_)
            | Self::Failed(DirectError::Contract(AnchoringError::Send(SendError::Reverted {
                ..
            }))) => after_looks,
            Self::TooMuchGas(_) => Next::GiveUp,
            Self::Failed(error) => match error {
                // They do not pass soon.
                DirectError::Contract(AnchoringError::Send(
                    SendError::OutOfFunds { .. } | SendError::FeesTooHigh { .. },
                )) => Next::GiveUp,
                error if error.may_pass() => Next::Send,
                _ => Next::GiveUp,
            },
        }
    }

    fn into_error(self, next: &Next) -> LedgerError {
        let is_final = matches!(next, Next::GiveUp);
        match self {
            Self::TooMuchGas(needed) => unsupported(format!(
                "the batch needs {needed} gas, a transaction may use {BATCH_GAS_MAX}; send it in parts"
            )),
            Self::Refused(status) if is_final => unsupported(format!(
                "the contract refuses the value for good ({status:?}), although the rules of anchors \
                 allow it; this anchor needs another ledger"
            )),
            Self::Failed(DirectError::Contract(AnchoringError::Send(error))) if is_final => {
                of_send(error)
            }
            Self::Failed(error) => error.into(),
            Self::Refused(status) => DirectError::Refused(status).into(),
            Self::Stored(_) => DirectError::NotSeen.into(),
        }
    }
}

fn of_send(error: SendError) -> LedgerError {
    match error {
        SendError::Reverted { reason, .. } => unsupported(format!(
            "the contract cannot take the value ({}); this anchor needs another ledger",
            reason.as_deref().unwrap_or("it reverts")
        )),
        SendError::TooMuchGas { .. } => unsupported(
            "the contract needs more gas for this than a transaction may use; send a batch in \
             parts, an anchor with that many versions needs another ledger",
        ),
        other => DirectError::from(AnchoringError::from(other)).into(),
    }
}

/// How an entry joins the history, or the rule that it breaks, or what the contract cannot do.
async fn judge(entry: &Entry, history: &History) -> Result<Route, LedgerError> {
    let head = history.head().map_err(|source| {
        let index = history.len().saturating_sub(1);
        DirectError::from(BrokenHistory::Unreadable { index, source })
    })?;
    let was_transferred = head
        .as_ref()
        .is_some_and(|head| head.transferred_to().is_some());
    let route = judge::route(entry, head).await?;
    // It would be refused in a transaction that is paid for.
    if let Some(reason) = odd_signature(&entry.value) {
        return Err(unsupported(reason));
    }
    if was_transferred || entry.value.kind() == AnchorValueKind::Transfer {
        return Err(unsupported(
            "the contract cannot hand an anchor to another key; it needs another ledger",
        ));
    }
    Ok(route)
}
