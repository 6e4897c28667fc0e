//! Why no root is published.

use evm::{Address, ConnectError, RegistryError, SendError};
use translog::{Checkpoint, SignedNote};

use crate::error::LedgerError;
use crate::shared::corrupt;
use crate::signer::SignerError;

/// Why no root is published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublisherError {
    /// The node of the chain cannot be asked, or serves another chain.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// There is not our registry at the address, or it did not do what it was asked for.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The registry does not take the log's roots from our account.
    #[error(
        "the registry takes the roots of the log {origin} from {}, not from our account {account}; \
         its owner must register the account for it",
        submitter.map_or("nobody".to_owned(), |it| it.to_string())
    )]
    WrongSubmitter {
        /// The log.
        origin: String,
        /// Who may publish; `None` when the log is not registered.
        submitter: Option<Address>,
        /// Our account.
        account: Address,
    },
    /// What stands on the chain is not of our log. Nothing is published until a person has looked.
    #[error(
        "batch {sequence} on the chain is not of this log, or this log was set back: {detail}; \
         nothing is published"
    )]
    Foreign {
        /// Number of the batch.
        sequence: u64,
        /// What does not fit.
        detail: String,
    },
    /// The log is on hold.
    #[error("the log is on hold, and nothing of it is published: {reason}")]
    Held {
        /// Why.
        reason: String,
    },
    /// The log's roots went to another contract.
    #[error(
        "the log's roots went to {contract} on chain {chain_id} so far and cannot go elsewhere; \
         set evm.contract and evm.chain_id to that"
    )]
    ContractChanged {
        /// The chain that they went to.
        chain_id: u64,
        /// The contract.
        contract: String,
    },
    /// A batch that the registry counts is not found on the chain.
    #[error("batch {sequence} is not found on the chain")]
    NotFound {
        /// Number of the batch.
        sequence: u64,
    },
    /// The checkpoint of a batch cannot be signed once more.
    #[error("the checkpoint of a published root cannot be signed again")]
    Signer(#[from] SignerError),
    /// The store cannot be read or written now.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl PublisherError {
    /// Whether it may pass by itself; if not, the configuration or what stands on the chain is
    /// wrong.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Connect(error) => matches!(error, ConnectError::Rpc(_)),
            Self::Registry(error) => match error {
                RegistryError::NoContract { .. }
                | RegistryError::OtherContract { .. }
                | RegistryError::UnknownLog { .. }
                | RegistryError::NotSubmitter { .. } => false,
                RegistryError::Send(error) => !matches!(
                    error,
                    SendError::OutOfFunds { .. }
                        | SendError::Refused { .. }
                        | SendError::Reverted { .. }
                        | SendError::TooMuchGas { .. }
                ),
                _ => true,
            },
            Self::NotFound { .. } | Self::Ledger(_) => true,
            _ => false,
        }
    }

    pub(super) fn checkpoint_in(note: &SignedNote) -> Result<Checkpoint, Self> {
        let corrupt = |error| corrupt(format!("a stored checkpoint: {error}"));
        Ok(note
            .checkpoint()
            .map_err(|error| LedgerError::from(corrupt(error)))?)
    }
}
