//! Reading histories, again until there is one or the time is over.

use std::time::Duration;

use evm::{AnchoringError, BlockTag};
use keyssi::AnchorId;
use tokio::time::{Instant, timeout_at};

use super::error::DirectError;
use super::{Direct, DirectOptions};
use crate::contract::Entry;
use crate::error::LedgerError;
use crate::history::History;
use crate::pauses::Pauses;

impl Direct {
    /// The history of an anchor in the newest block, checked.
    pub(super) async fn history(
        &self,
        id: &AnchorId,
        deadline: Instant,
    ) -> Result<History, LedgerError> {
        self.retrying(deadline, || self.history_now(id)).await
    }

    async fn history_now(&self, id: &AnchorId) -> Result<History, DirectError> {
        let (_, contract) = self.open().await?;
        let texts = contract.all_versions(id.plain()).await?;
        let id = id.clone();
        // A signature for each.
        let checked = tokio::task::spawn_blocking(move || History::checked(&id, &texts));
        Ok(checked.await.map_err(|_| DirectError::Busy)??)
    }

    /// Waits until an entry that stands in the newest block is as deep as configured; false when it
    /// has left the chain again.
    pub(super) async fn is_deep(
        &self,
        entry: &Entry,
        deadline: Instant,
    ) -> Result<bool, LedgerError> {
        let poll = self.account.config().timing.poll;
        loop {
            if self.retrying(deadline, || self.is_deep_now(entry)).await? {
                return Ok(true);
            }
            if !self.history(&entry.id, deadline).await?.holds(&entry.value) {
                return Ok(false);
            }
            if Instant::now() + poll >= deadline {
                return Err(DirectError::NotDeep.into());
            }
            tokio::time::sleep(poll).await;
        }
    }

    async fn is_deep_now(&self, entry: &Entry) -> Result<bool, DirectError> {
        let (_, contract) = self.open().await?;
        let chain = contract.chain();
        let newest = chain
            .rpc()
            .block_number()
            .await
            .map_err(AnchoringError::from)?;
        let Some(settled) = (newest + 1).checked_sub(chain.confirmations()) else {
            return Ok(false);
        };
        let id = entry.id.plain();
        match contract
            .all_versions_at(id, BlockTag::Number(settled))
            .await
        {
            Ok(values) => Ok(values.iter().any(|value| value == entry.value.plain())),
            // The contract is younger than that block.
            Err(AnchoringError::OtherContract { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks what can be asked again safely, until there is an answer or the time is over.
    pub(super) async fn retrying<T, F: Future<Output = Result<T, DirectError>>>(
        &self,
        deadline: Instant,
        ask: impl Fn() -> F,
    ) -> Result<T, LedgerError> {
        let mut pauses = self.options.pauses(deadline);
        loop {
            let answer = timeout_at(deadline, ask()).await;
            let answer = answer.unwrap_or(Err(DirectError::TooSlow));
            self.note(answer.as_ref().err());
            let failure = match answer {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if !failure.may_pass() || !pauses.pause(Duration::ZERO).await {
                return Err(failure.into());
            }
        }
    }
}

impl DirectOptions {
    pub(super) const fn pauses(&self, deadline: Instant) -> Pauses {
        Pauses {
            first: self.retry_wait,
            longest: self.retry_wait_max,
            deadline,
            waited: 0,
        }
    }
}
