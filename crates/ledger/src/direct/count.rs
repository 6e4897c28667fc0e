//! Counting the anchors of a domain in a contract that holds those of several.

use evm::{Anchoring, AnchoringError, DumpRange};
use keyssi::{AnchorId, Domain};
use tokio::time::{Instant, timeout_at};

use super::Direct;
use super::error::DirectError;
use crate::error::LedgerError;

/// Anchors of one answer.
const PAGE: u64 = 200;
/// Characters of one answer: a quarter of what is read, since they come in hexadecimal.
const PAGE_CHARS: u64 = 1 << 20;
/// The same for an anchor that alone is longer.
const PAGE_CHARS_MAX: u64 = 4 << 20;

/// How far the contract's list was counted. It only grows, unless the chain goes back.
pub(super) struct Counted {
    domain: Domain,
    /// Items that were counted.
    items: u64,
    /// Those of the domain.
    found: u64,
    /// The last of them.
    last: Option<String>,
}

impl Direct {
    pub(super) async fn count(
        &self,
        domain: &Domain,
        deadline: Instant,
    ) -> Result<u64, LedgerError> {
        let Ok(mut counted) = timeout_at(deadline, self.counted.lock()).await else {
            return Err(DirectError::Busy.into());
        };
        let known = counted.as_ref().filter(|it| it.domain == *domain);
        let is_known = match known {
            Some(known) => self.retrying(deadline, || self.still_holds(known)).await?,
            None => false,
        };
        if !is_known {
            *counted = None;
        }
        let counted = counted.get_or_insert_with(|| Counted {
            domain: domain.clone(),
            items: 0,
            found: 0,
            last: None,
        });
        loop {
            let from = counted.items;
            let ids = self.retrying(deadline, || self.ids(from)).await?;
            let Some(last) = ids.last() else {
                return Ok(counted.found);
            };
            let of_domain = |id: &&String| {
                // What is no anchor id is of no domain.
                AnchorId::parse_plain(id).is_ok_and(|id| id.domain() == domain)
            };
            counted.found += ids.iter().filter(of_domain).count() as u64;
            counted.items += ids.len() as u64;
            counted.last = Some(last.clone());
        }
    }

    /// Whether the last item that was counted is where it was: else the chain went back behind it.
    async fn still_holds(&self, counted: &Counted) -> Result<bool, DirectError> {
        let Some(place) = counted.items.checked_sub(1) else {
            return Ok(true);
        };
        let (_, contract) = self.open().await?;
        let found = page(&contract, place, 1).await?;
        Ok(found.first() == counted.last.as_ref())
    }

    /// The next ids; none behind the end.
    async fn ids(&self, from: u64) -> Result<Vec<String>, DirectError> {
        let (_, contract) = self.open().await?;
        page(&contract, from, PAGE).await
    }
}

async fn page(contract: &Anchoring, from: u64, limit: u64) -> Result<Vec<String>, DirectError> {
    let mut size_max = PAGE_CHARS;
    loop {
        let range = DumpRange {
            from,
            limit,
            size_max,
        };
        let items = contract.dump(range).await?;
        if !items.is_empty() || from >= contract.total().await? {
            return Ok(items.into_iter().map(|item| item.anchor_id).collect());
        }
        // One anchor is longer than the whole page.
        size_max *= 2;
        if size_max > PAGE_CHARS_MAX {
            let address = contract.address();
            return Err(AnchoringError::OtherContract { address }.into());
        }
    }
}
