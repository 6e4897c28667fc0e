//! Anchoring a draft, and going on when somebody else was faster.

use bytes::Bytes;
use causes::with_causes;
use dsu::{DsuPath, Moment, SeenHead, merge};
use getrandom::SysRng;
use keyssi::{AnchorId, AnchorKind, AnchorSigner, AnchorValue, BrickHash, Timestamp};
use rand_core::UnwrapErr;

use super::Draft;
use super::changes::Changes;
use crate::dsus::DsuError;
use crate::dsus::history::history;
use crate::dsus::snapshot::{fetch_map, read_manifest};
use crate::{AnchorRefusal, Client, ClientError, Event};

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
    /// of its own, then this one's; who receives a file comes before who gives it away. A DSU
    /// without changes gets no version. Nothing is anchored before every brick is stored.
    ///
    /// When another writer was faster, the two versions are merged path by path and the result is
    /// anchored on top of theirs.
    ///
    /// # Errors
    /// [`DsuError::Conflict`] names the paths that both changed; nothing of this DSU is anchored
    /// then. [`DsuError::PartlyCommitted`] says what was anchored in other DSUs before. Else the
    /// node or the key is at fault.
    ///
    /// # Cancellation
    /// Dropped in the middle, a version may be anchored or not; never half of it.
    pub async fn commit(mut self, now: Moment) -> Result<Vec<Committed>, DsuError> {
        self.uploads.finish().await?;
        let client = self.client.clone();
        let mut committed = Vec::new();
        for at in self.order() {
            let changes = self.changes_mut(at);
            match changes.commit(&client, now).await {
                Ok(done) => committed.extend(done),
                Err(error) => {
                    let error = if changes.point.is_root() {
                        error
                    } else {
                        error.mounted(&changes.point)
                    };
                    return Err(if committed.is_empty() {
                        error
                    } else {
                        let source = Box::new(error);
                        DsuError::PartlyCommitted { committed, source }
                    });
                }
            }
        }
        Ok(committed)
    }

    /// In which order the DSUs are anchored.
    fn order(&self) -> Vec<usize> {
        let mut left: Vec<usize> = (0..self.dsus.len()).rev().collect();
        let mut order = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let waits = |giver: &usize| {
                let mut moves = self.moves.iter();
                moves.any(|(from, to)| from == giver && left.contains(to))
            };
            // Two that give to each other cannot both come last.
            let next = left.iter().position(|at| !waits(at)).unwrap_or(0);
            order.push(left.remove(next));
        }
        order
    }
}

impl Changes {
    async fn commit(
        &mut self,
        client: &Client,
        now: Moment,
    ) -> Result<Option<Committed>, DsuError> {
        for attempt in 1..=ATTEMPTS_MAX {
            if !self.is_changed {
                return Ok(None);
            }
            let refusal = match self.anchor(client, now).await? {
                Ok(committed) => return Ok(Some(committed)),
                Err(refusal) => refusal,
            };
            client.transport().pause_among_writers(attempt).await;
            self.rebase(client, refusal, now).await?;
        }
        Err(DsuError::Contended(ATTEMPTS_MAX))
    }

    /// One attempt. The inner error is a refusal that a newer version explains.
    async fn anchor(
        &self,
        client: &Client,
        now: Moment,
    ) -> Result<Result<Committed, ClientError>, DsuError> {
        let mut map = self.map.clone();
        map.finish(self.history.latest(), now);
        let sealed = self.sealer()?.seal_map(&map, &mut UnwrapErr(SysRng))?;
        let bytes = Bytes::from(sealed.bytes);
        client
            .bricks()
            .put(&sealed.domain, &sealed.hash, bytes)
            .await?;
        let value = self.value(&sealed.hash, now)?;
        let anchors = client.anchors();
        let written = if self.history.is_empty() {
            anchors.create(&self.id, &value).await
        } else {
            anchors.append(&self.id, &value).await
        };
        let version = self.history.len();
        match written {
            Ok(()) => {}
            Err(refusal) if is_refusal(&refusal) => {
                if !self.is_anchored(client, version, &value, &refusal).await? {
                    return refused(refusal);
                }
            }
            Err(error) => return Err(error.into()),
        }
        self.remember(client, version, &value);
        Ok(Ok(Committed {
            point: self.point.clone(),
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
        client: &Client,
        version: usize,
        value: &AnchorValue,
        refusal: &ClientError,
    ) -> Result<bool, DsuError> {
        let shown = match history(client, &self.id).await {
            Ok(shown) => shown,
            // The refusal tells more.
            Err(DsuError::Node(_)) => return Ok(false),
            Err(lie) => return Err(lie),
        };
        let is_there = shown.version(version).map(AnchorValue::as_str) == Some(value.as_str());
        if is_there {
            let node = client.node().url();
            client.emit(&Event::BadNode {
                url: refusal.url().cloned().unwrap_or_else(|| node.into()),
                what: format!("it refused version {version} and stored it: {refusal}"),
            });
        }
        Ok(is_there)
    }

    /// The version is anchored whatever comes of this, so a memory that fails is only told of.
    fn remember(&self, client: &Client, version: usize, value: &AnchorValue) {
        let Some(heads) = client.heads() else {
            return;
        };
        let head = SeenHead {
            versions: version + 1,
            last_value: value.as_str().to_owned(),
        };
        if let Err(error) = heads.remember(&self.id, &head) {
            let what = with_causes(&error);
            client.emit(&Event::HeadNotRemembered { what });
        }
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
    async fn rebase(
        &mut self,
        client: &Client,
        refusal: ClientError,
        now: Moment,
    ) -> Result<(), DsuError> {
        let newer = history(client, &self.id).await?;
        newer
            .extends(&self.history.seen_head())
            .map_err(|rollback| DsuError::RolledBack(Box::new(rollback)))?;
        if newer.len() == self.history.len() {
            // The node refuses and shows nothing that explains it.
            return Err(refusal.into());
        }
        self.history = newer;
        // Not ours any more?
        self.sealer()?;
        let newest = self.history.latest_brick_map();
        let (version, _) = newest.ok_or(DsuError::NoMap(self.history.len() - 1))?;
        let theirs = fetch_map(client, &self.ssi, &self.history, version).await?;
        let merged = merge(&self.base, &self.map, &theirs, now)?;
        self.is_changed = merged != theirs;
        self.manifest = read_manifest(client, &merged, version).await?;
        self.base = theirs;
        self.map = merged;
        Ok(())
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
