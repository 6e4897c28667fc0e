//! Reading histories, again until there is one or the time is over.

use std::time::Duration;

use evm::{AnchoringError, BlockTag};
use keyssi::{AnchorId, AnchorValue};
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
        if texts.is_empty() {
            // Another chain would have nothing of it either.
            contract
                .chain()
                .check()
                .await
                .map_err(AnchoringError::from)?;
        }
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
        let deep = self.deep_values(&entry.id).await?;
        Ok(deep.iter().any(|value| value == entry.value.plain()))
    }

    /// How many of the first of these versions, in their wrapped form, are as deep as configured.
    pub(super) async fn settled(
        &self,
        id: &AnchorId,
        newest: &[String],
        deadline: Instant,
    ) -> Result<usize, LedgerError> {
        // In the newest block is deep enough.
        if newest.is_empty() || self.account.config().confirmations <= 1 {
            return Ok(newest.len());
        }
        let deep = self.retrying(deadline, || self.deep_values(id)).await?;
        let is_same = |(new, deep): &(&String, &String)| {
            AnchorValue::parse_stored(deep).is_ok_and(|deep| deep.as_str() == *new)
        };
        Ok(newest.iter().zip(&deep).take_while(is_same).count())
    }

    /// The values in the newest block that is as deep as configured, as the contract has them.
    async fn deep_values(&self, id: &AnchorId) -> Result<Vec<String>, DirectError> {
        let (_, contract) = self.open().await?;
        let chain = contract.chain();
        let newest = chain
            .rpc()
            .block_number()
            .await
            .map_err(AnchoringError::from)?;
        let Some(settled) = newest.saturating_add(1).checked_sub(chain.confirmations()) else {
            return Ok(Vec::new());
        };
        let block = BlockTag::Number(settled);
        match contract.all_versions_at(id.plain(), block).await {
            // The contract is younger than that block.
            Err(AnchoringError::OtherContract { .. }) => Ok(Vec::new()),
            values => Ok(values?),
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
