//! What stands on the chain, compared with the log, recorded, and continued.

use std::cmp::Ordering;

use evm::{Batch, BlockTag, Head, Registry, RegistryError, Sender, Statement};
use translog::{OnChain, SignedNote};

use super::Inner;
use super::error::PublisherError;
use super::pending::Pending;
use crate::log::Publication;
use crate::outside::{Fit, Outside};

/// A node may be several machines, of which one was behind when a height was noted.
const BLOCKS_BEHIND: u64 = 64;

/// What reading the chain has led to.
pub(super) enum Recorded {
    /// All that is on the chain was recorded before.
    All {
        /// Number of the last batch, 0 when there is none.
        sequence: u64,
    },
    /// Something was missing and is recorded now.
    Some,
    /// Something is on the chain and not deep enough to be recorded.
    NotDeep,
}

impl Inner {
    async fn open(&self) -> Result<(Sender, Registry), PublisherError> {
        let sender = self.account.sender().await?;
        let open = || Registry::open(sender.chain(), self.address);
        let registry = self.registry.get_or_try_init(open).await?;
        Ok((sender.clone(), registry.clone()))
    }

    /// Compares the head on the chain with the log, and records what is missing here.
    pub(super) async fn read_back(&self) -> Result<Recorded, PublisherError> {
        let last = self.log().last_publication().await?;
        if let Some(last) = &last {
            self.check_contract(&last.chain)?;
        }
        let (sender, registry) = self.open().await?;
        let head = registry.head(self.origin_id).await?;
        if head.submitter != Some(sender.account()) {
            return Err(PublisherError::WrongSubmitter {
                origin: self.keeper.signer().origin().to_string(),
                submitter: head.submitter,
                account: sender.account(),
            });
        }
        if let Some(outside) = self.outside_of(&head) {
            // What our own account published is ours. If the store does not contain it, it is older
            // than it was, or another process goes on with its log.
            let fit = self.keeper.signer().weigh(&outside).await?;
            if fit != Fit::Contained {
                return Err(foreign(head.sequence, format!("{outside}, and {fit}")));
            }
        }
        let sequence = last.as_ref().map_or(0, |last| last.chain.sequence);
        match head.sequence.cmp(&sequence) {
            Ordering::Less => {
                // Another chain lacks them all.
                let checked = registry.chain().check().await;
                checked.map_err(RegistryError::from)?;
                self.take_back(&head, sequence).await?;
                Ok(Recorded::Some)
            }
            Ordering::Equal => {
                if let Some(last) = &last {
                    check_last(last, &head)?;
                }
                Ok(Recorded::All { sequence })
            }
            Ordering::Greater => {
                self.check_root(head.sequence, head.size, head.root.0)
                    .await?;
                self.record_missing(&registry, last.as_ref(), &head).await
            }
        }
    }

    /// The newest batch on the chain, as a checkpoint from outside; `None` when there is none. It shows
    /// what the store lacks, and never that the store lacks nothing: it is behind what was signed last
    /// by as much as a batch takes.
    fn outside_of(&self, head: &Head) -> Option<Outside> {
        let source = format!(
            "the registry {:#x} on chain {}",
            self.address,
            self.account.config().chain_id
        );
        (head.sequence > 0).then(|| Outside::published(head.size, &head.root.0, source))
    }

    fn check_contract(&self, chain: &OnChain) -> Result<(), PublisherError> {
        let contract = chain.contract.parse();
        if chain.chain_id == self.account.config().chain_id && contract == Ok(self.address) {
            return Ok(());
        }
        Err(PublisherError::ContractChanged {
            chain_id: chain.chain_id,
            contract: chain.contract.clone(),
        })
    }

    /// Takes back what was recorded of batches that have left the chain: it was replaced deeper than
    /// configured, or its node has fallen behind. Their roots are published again, or recorded again
    /// when they are back.
    async fn take_back(&self, head: &Head, recorded: u64) -> Result<(), PublisherError> {
        match self.log().publication(head.sequence).await? {
            Some(still) => check_last(&still, head)?,
            None if head.sequence == 0 => {}
            None => {
                let detail = format!("{recorded} batches were recorded, and this one is not");
                return Err(foreign(head.sequence, detail));
            }
        }
        tracing::error!(
            domain = %self.domain(),
            "roots of batches {} to {recorded} have left the chain",
            head.sequence + 1
        );
        self.log()
            .forget_publications(head.sequence, recorded)
            .await?;
        Ok(())
    }

    /// Whether our log has this root at this size.
    async fn check_root(
        &self,
        sequence: u64,
        size: u64,
        root: [u8; 32],
    ) -> Result<(), PublisherError> {
        match self.log().root_at(size).await? {
            Some(ours) if ours == root => Ok(()),
            Some(_) => Err(foreign(
                sequence,
                format!("its root of {size} entries is not ours"),
            )),
            None => Err(foreign(
                sequence,
                format!("it has {size} entries, which is more than we have signed"),
            )),
        }
    }

    /// Records the batches after the last recorded one, as far as they are deep enough.
    async fn record_missing(
        &self,
        registry: &Registry,
        last: Option<&Publication>,
        head: &Head,
    ) -> Result<Recorded, PublisherError> {
        let rpc = registry.chain().rpc();
        let newest = rpc.block_number().await.map_err(RegistryError::from)?;
        let after = last.map_or(0, |last| last.chain.sequence);
        let pending = self.log().pending().await?;
        // No batch is older than the one before it, or than what was to be published first.
        let known = last.map(|last| last.chain.block);
        let from = known.or_else(|| pending.first().map(|it| it.block));
        let from = from.unwrap_or(0).saturating_sub(BLOCKS_BEHIND);
        let blocks = newest.saturating_sub(from).saturating_add(1);
        for sequence in after + 1..=head.sequence {
            let found = registry
                .find_batch(self.origin_id, sequence, blocks)
                .await?;
            match found {
                Some(batch) => self.record(registry, &batch).await?,
                None if is_deep(registry, head, newest).await? => {
                    return Err(PublisherError::NotFound { sequence });
                }
                None => return Ok(Recorded::NotDeep),
            }
        }
        Ok(Recorded::Some)
    }

    /// Records a batch that is deep enough on the chain.
    pub(super) async fn record(
        &self,
        registry: &Registry,
        batch: &Batch,
    ) -> Result<(), PublisherError> {
        self.check_root(batch.sequence, batch.size, batch.root.0)
            .await?;
        let publication = Publication {
            size: batch.size,
            note: self.note_of(batch).await?,
            chain: OnChain {
                chain_id: registry.chain().id(),
                contract: format!("{:#x}", registry.address()),
                block: batch.block,
                transaction: format!("{:#x}", batch.transaction),
                sequence: batch.sequence,
            },
        };
        self.log().record_publication(&publication).await?;
        // After a crash here they are forgotten with the next one.
        self.log().forget_pending(batch.size).await?;
        let domain = self.domain();
        tracing::info!(%domain, size = batch.size, sequence = batch.sequence, block = batch.block, "a root is on the chain");
        Ok(())
    }

    /// The signed checkpoint of a batch: the one that was kept for it, or the same signed again.
    async fn note_of(&self, batch: &Batch) -> Result<String, PublisherError> {
        let pending = self.log().pending().await?;
        let kept = pending.iter().find(|it| it.size == batch.size);
        if let Some(note) = kept.and_then(|it| it.note_of(&batch.root.0)) {
            return Ok(note);
        }
        let domain = self.domain();
        tracing::warn!(%domain, size = batch.size, "a published checkpoint was lost and is signed again");
        let signer = self.keeper.signer();
        let note = signer.sign_again(batch.size, batch.root.0).await?;
        Ok(note.to_string())
    }

    /// Publishes a checkpoint as the next batch, and records it when it is deep enough.
    pub(super) async fn publish(
        &self,
        note: &SignedNote,
        sequence: u64,
    ) -> Result<(), PublisherError> {
        if let Some(hold) = self.log().hold() {
            return Err(PublisherError::Held {
                reason: hold.words(),
            });
        }
        let (sender, registry) = self.open().await?;
        let checkpoint = PublisherError::checkpoint_in(note)?;
        let rpc = registry.chain().rpc();
        let block = rpc.block_number().await.map_err(RegistryError::from)?;
        let pending = Pending {
            size: checkpoint.size,
            block,
            note: note.to_string(),
        };
        self.log().keep_pending(&pending).await?;
        let statement = Statement {
            origin_id: self.origin_id,
            sequence,
            size: checkpoint.size,
            root: checkpoint.root.into(),
        };
        let batch = registry.publish(&sender, &statement).await?;
        self.record(&registry, &batch).await
    }
}

/// Whether the newest batch is the one that was recorded last.
fn check_last(last: &Publication, head: &Head) -> Result<(), PublisherError> {
    let note = SignedNote::parse(&last.note).map_err(|error| {
        foreign(
            head.sequence,
            format!("its recorded checkpoint cannot be read: {error}"),
        )
    })?;
    let ours = PublisherError::checkpoint_in(&note)?;
    if (ours.size, ours.root) == (head.size, head.root.0) {
        return Ok(());
    }
    Err(foreign(
        head.sequence,
        format!(
            "it has {} entries or another root than the {} that were published",
            head.size, ours.size
        ),
    ))
}

/// Whether the newest batch is deep enough, as the times of the blocks tell.
async fn is_deep(registry: &Registry, head: &Head, newest: u64) -> Result<bool, PublisherError> {
    let confirmations = registry.chain().confirmations();
    let Some(settled) = newest.saturating_add(1).checked_sub(confirmations) else {
        return Ok(false);
    };
    let rpc = registry.chain().rpc();
    let block = rpc.block(BlockTag::Number(settled)).await;
    let block = block.map_err(RegistryError::from)?;
    Ok(block.is_some_and(|block| block.timestamp_s > head.time_s))
}

fn foreign(sequence: u64, detail: String) -> PublisherError {
    PublisherError::Foreign { sequence, detail }
}
