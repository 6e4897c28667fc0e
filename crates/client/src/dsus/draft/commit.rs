//! Anchoring a draft, and going on when somebody else was faster.

use bytes::Bytes;
use dsu::{DsuPath, Moment, SeenHead, merge};
use futures_util::future::BoxFuture;
use getrandom::SysRng;
use keyssi::{AnchorId, AnchorKind, AnchorSigner, AnchorValue, BrickHash, Timestamp};
use rand_core::UnwrapErr;

use super::Draft;
use crate::dsus::DsuError;
use crate::dsus::history::history;
use crate::dsus::snapshot::fetch_map;
use crate::{AnchorRefusal, ClientError, Event};

/// How often a commit is made again on top of other writers' versions. Each time somebody else got
/// further, so this ends a commit only among dozens of writers that never pause.
const ATTEMPTS_MAX: u32 = 64;

/// A version that was anchored.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Where the DSU is mounted, seen from the one that was committed; the root for that one.
    pub point: DsuPath,
    /// The anchor.
    pub id: AnchorId,
    /// The number of the new version, counted from 0.
    pub version: usize,
    /// The brick map of the new version.
    pub brick_map: BrickHash,
    /// The value that was anchored.
    pub value: AnchorValue,
}

impl Draft {
    /// Anchors the changes: those of mounted DSUs first (the last opened first), each as a version
    /// of its own, then this one's. A DSU without changes gets no version.
    ///
    /// When another writer was faster, the two versions are merged path by path and the result is
    /// anchored on top of theirs.
    ///
    /// # Errors
    /// [`DsuError::Conflict`] names the paths that both changed; nothing of this DSU is anchored
    /// then, what was anchored in mounted DSUs before stays. Else the node or the key is at fault.
    ///
    /// # Cancellation
    /// Dropped in the middle, the version may be anchored or not; never half of it.
    pub async fn commit(mut self, now: Moment) -> Result<Vec<Committed>, DsuError> {
        let mut committed = Vec::new();
        self.commit_tree(&DsuPath::root(), now, &mut committed)
            .await?;
        Ok(committed)
    }

    fn commit_tree<'a>(
        &'a mut self,
        point: &'a DsuPath,
        now: Moment,
        committed: &'a mut Vec<Committed>,
    ) -> BoxFuture<'a, Result<(), DsuError>> {
        Box::pin(async move {
            for (inner, draft) in self.mounted.iter_mut().rev() {
                let place = inner.under(point);
                let done = draft.commit_tree(&place, now, committed).await;
                done.map_err(|error| error.mounted(inner))?;
            }
            committed.extend(self.commit_own(point, now).await?);
            Ok(())
        })
    }

    async fn commit_own(
        &mut self,
        point: &DsuPath,
        now: Moment,
    ) -> Result<Option<Committed>, DsuError> {
        // Bricks first: an anchored version whose bricks are missing would be damage.
        self.uploads.finish().await?;
        for attempt in 1..=ATTEMPTS_MAX {
            if !self.is_changed {
                return Ok(None);
            }
            let refusal = match self.anchor(point, now).await? {
                Ok(committed) => return Ok(Some(committed)),
                Err(refusal) => refusal,
            };
            self.client.transport().pause_among_writers(attempt).await;
            self.rebase(refusal, now).await?;
        }
        Err(DsuError::Contended(ATTEMPTS_MAX))
    }

    /// One attempt. The inner error is a refusal that a newer version explains.
    async fn anchor(
        &mut self,
        point: &DsuPath,
        now: Moment,
    ) -> Result<Result<Committed, ClientError>, DsuError> {
        let mut map = self.map.clone();
        map.finish(self.history.latest(), now);
        let sealed = self.sealer.seal_map(&map, &mut UnwrapErr(SysRng))?;
        let bytes = Bytes::from(sealed.bytes);
        self.client
            .bricks()
            .put(&sealed.domain, &sealed.hash, bytes)
            .await?;
        let value = self.value(&sealed.hash, now)?;
        let anchors = self.client.anchors();
        let written = if self.history.is_empty() {
            anchors.create(&self.id, &value).await
        } else {
            anchors.append(&self.id, &value).await
        };
        let version = self.history.len();
        match written {
            Ok(()) => {}
            Err(refusal) if is_refusal(&refusal) => {
                if !self.is_anchored(version, &value, &refusal).await? {
                    return refused(refusal);
                }
            }
            Err(error) => return Err(error.into()),
        }
        if let Some(heads) = self.client.heads() {
            let last_value = value.as_str().to_owned();
            heads.remember(
                &self.id,
                &SeenHead {
                    versions: version + 1,
                    last_value,
                },
            )?;
        }
        Ok(Ok(Committed {
            point: point.clone(),
            id: self.id.clone(),
            version,
            brick_map: sealed.hash,
            value,
        }))
    }

    /// Whether a value that was refused stands in the history all the same. It was signed a moment
    /// ago, so nobody but the node that refused it can have put it there.
    async fn is_anchored(
        &self,
        version: usize,
        value: &AnchorValue,
        refusal: &ClientError,
    ) -> Result<bool, DsuError> {
        let shown = match history(&self.client, &self.id).await {
            Ok(shown) => shown,
            // The refusal tells more.
            Err(DsuError::Node(_)) => return Ok(false),
            Err(lie) => return Err(lie),
        };
        let is_there = shown.version(version).map(AnchorValue::as_str) == Some(value.as_str());
        if is_there {
            let node = self.client.node().url();
            self.client.emit(&Event::BadNode {
                url: refusal.url().cloned().unwrap_or_else(|| node.into()),
                what: format!("it refused version {version} and stored it: {refusal}"),
            });
        }
        Ok(is_there)
    }

    fn value(&self, brick_map: &BrickHash, now: Moment) -> Result<AnchorValue, DsuError> {
        let hash = brick_map.to_string();
        if self.id.kind() == AnchorKind::Constant {
            return AnchorValue::constant(&self.ssi, &hash).map_err(DsuError::Value);
        }
        let owner = AnchorSigner::of_seed(&self.ssi).map_err(DsuError::Key)?;
        let time = Timestamp::from_millis(now.millis());
        let signed = match self.history.head() {
            Some(head) if head.transferred_to().is_some() => return Err(DsuError::HandedOver),
            Some(head) => owner.append(head, &hash, &time),
            None => owner.create(&hash, &time),
        };
        signed.map_err(DsuError::Sign)
    }

    /// Merges the changes into the version that another writer anchored meanwhile.
    async fn rebase(&mut self, refusal: ClientError, now: Moment) -> Result<(), DsuError> {
        let newer = history(&self.client, &self.id).await?;
        newer
            .extends(&self.history.seen_head())
            .map_err(|rollback| DsuError::RolledBack(Box::new(rollback)))?;
        if newer.len() == self.history.len() {
            // The node refuses and shows nothing that explains it.
            return Err(refusal.into());
        }
        let theirs = fetch_map(&self.client, &self.ssi, &newer, newer.len() - 1).await?;
        let merged = merge(&self.base, &self.map, &theirs, now)?;
        self.is_changed = merged != theirs;
        self.base = theirs;
        self.map = merged;
        self.history = newer;
        self.reload_manifest().await
    }
}

/// The node has answered, and says that it does not write the value.
fn is_refusal(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Anchor(_) | ClientError::Refused { .. } | ClientError::UnknownDomain { .. }
    )
}

/// What a refusal means that is none of a value that stands there. The inner error is one that a
/// newer version explains.
fn refused(refusal: ClientError) -> Result<Result<Committed, ClientError>, DsuError> {
    match refusal {
        ClientError::Anchor(AnchorRefusal::OutOfSync | AnchorRefusal::OlderTimestamp) => {
            Ok(Err(refusal))
        }
        ClientError::Anchor(AnchorRefusal::Exists) => Err(DsuError::Exists),
        other => Err(other.into()),
    }
}
