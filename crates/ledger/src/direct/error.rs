//! Why the ledger on a chain did not do what it was asked for.

use evm::{AnchoringError, ConnectError, SendError, Status};

use crate::error::LedgerError;
use crate::history::BrokenHistory;

/// Why the ledger on a chain did not do what it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectError {
    /// The node of the chain cannot be asked, or serves another chain.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// There is no anchoring contract at the address, or it did not do what it was asked for.
    #[error(transparent)]
    Contract(#[from] AnchoringError),
    /// The contract holds what is no history by the rules.
    #[error("the contract holds a history that breaks the rules")]
    BrokenHistory(#[from] BrokenHistory),
    /// The contract said that it stores nothing, for a reason that its history does not show.
    #[error("the contract refused the entry with status {0:?}")]
    Refused(Status),
    /// The contract said that it stored the entry, and its history does not hold it.
    #[error("the contract stored the entry and does not show it")]
    NotSeen,
    /// Too many writes are under way, or one to the same anchor takes too long.
    #[error("other writes to the chain are not done")]
    Busy,
    /// It takes longer than there is time. What was sent may still take place.
    #[error("the chain takes too long")]
    TooSlow,
    /// The entry stands on the chain, and not deep enough for long.
    #[error("the entry is on the chain and not deep enough")]
    NotDeep,
}

impl DirectError {
    /// Whether the same may fare better later; if not, the configuration is wrong, or the contract
    /// holds what it should not.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Connect(ConnectError::Rpc(error))
            | Self::Contract(AnchoringError::Rpc(error)) => error.may_pass(),
            Self::Contract(AnchoringError::Send(error)) => matches!(
                error,
                SendError::NotSent { .. }
                    | SendError::MaybeSent { .. }
                    | SendError::Displaced { .. }
                    | SendError::FeesTooHigh { .. }
                    | SendError::OutOfFunds { .. }
            ),
            Self::Contract(AnchoringError::Failed { .. })
            | Self::NotSeen
            | Self::Busy
            | Self::TooSlow
            | Self::NotDeep => true,
            _ => false,
        }
    }

    /// Whether the chain could not be asked, as opposed to what one anchor or write has met.
    pub(super) fn is_of_chain(&self) -> bool {
        matches!(
            self,
            Self::Connect(_)
                | Self::TooSlow
                | Self::Contract(
                    AnchoringError::Rpc(_)
                        | AnchoringError::NoContract { .. }
                        | AnchoringError::OtherContract { .. }
                )
        )
    }
}

impl From<DirectError> for LedgerError {
    fn from(error: DirectError) -> Self {
        match error {
            broken @ DirectError::BrokenHistory(_) => Self::Broken(broken.into()),
            other => Self::Unavailable(Some(other.into())),
        }
    }
}
