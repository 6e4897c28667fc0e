//! Changes to a DSU, gathered and then anchored as one version.

mod commit;
mod graft;
mod mounts;
mod store;
mod upload;

use std::sync::Arc;

use dsu::{
    BrickMap, BrickSealer, CHUNK_BYTES_DEFAULT, DsuPath, EmbeddedContent, History, Manifest,
    Moment, Node, Timing,
};
use keyssi::{AnchorId, KeySsi, SsiKind};
use tokio::io::AsyncRead;
use zeroize::Zeroizing;

use self::graft::graft;
use self::store::read_to_end;
use self::upload::Uploads;
use super::DsuError;
use super::history::history;
use super::snapshot::Snapshot;
use crate::Client;

pub use self::commit::Committed;

/// Changes to one DSU and to those mounted in it.
///
/// Bricks are stored as content is written; nothing can be seen of the changes before
/// [`Draft::commit`]. A draft that is dropped leaves bricks that nothing refers to, and no other
/// trace.
pub struct Draft {
    client: Client,
    ssi: KeySsi,
    id: AnchorId,
    sealer: Arc<BrickSealer>,
    history: History,
    /// The map that the changes are made on, for a merge of three.
    base: BrickMap,
    map: BrickMap,
    manifest: Manifest,
    is_changed: bool,
    uploads: Uploads,
    /// Drafts of mounted DSUs, in the order in which they were first written to.
    mounted: Vec<(DsuPath, Draft)>,
    chunk_bytes: usize,
}

impl Draft {
    /// A new DSU under this very identifier. It comes into being when it is committed, empty or
    /// not.
    ///
    /// # Errors
    /// [`DsuError::Exists`], [`DsuError::NotWritable`], or the node could not be asked: that never
    /// counts as "not there" (the SDK's mistake, §14-16).
    pub async fn create(client: &Client, ssi: &KeySsi, now: Moment) -> Result<Self, DsuError> {
        let id = AnchorId::of(ssi).map_err(DsuError::Key)?;
        let history = history(client, &id).await?;
        if !history.is_empty() {
            return Err(DsuError::Exists);
        }
        let timing = match ssi.kind() {
            SsiKind::Const | SsiKind::Array => Timing::TimeFree,
            _ => Timing::Stamped,
        };
        let map = BrickMap::new(timing, now);
        Self::new(client, ssi, id, history, map, Manifest::default(), true)
    }

    /// Changes to the DSU as this snapshot shows it: its newest version, or the newest that could
    /// be recovered.
    ///
    /// # Errors
    /// [`DsuError::NotWritable`] or [`DsuError::Constant`] if the key cannot change it,
    /// [`DsuError::NotNewest`] if later versions would be undone unseen.
    pub fn edit(snapshot: &Snapshot) -> Result<Self, DsuError> {
        match snapshot.ssi().kind() {
            SsiKind::Const | SsiKind::Array | SsiKind::Wallet => return Err(DsuError::Constant),
            _ => {}
        }
        if !snapshot.is_newest() {
            return Err(DsuError::NotNewest {
                version: snapshot.version(),
                count: snapshot.history().len(),
            });
        }
        Self::new(
            snapshot.client(),
            snapshot.ssi(),
            snapshot.id().clone(),
            snapshot.history().clone(),
            snapshot.map().clone(),
            snapshot.manifest().clone(),
            false,
        )
    }

    fn new(
        client: &Client,
        ssi: &KeySsi,
        id: AnchorId,
        history: History,
        map: BrickMap,
        manifest: Manifest,
        is_changed: bool,
    ) -> Result<Self, DsuError> {
        let sealer = BrickSealer::new(ssi).map_err(|error| DsuError::sealer(ssi, error))?;
        Ok(Self {
            client: client.clone(),
            ssi: ssi.clone(),
            id,
            sealer: Arc::new(sealer),
            history,
            base: map.clone(),
            map,
            manifest,
            is_changed,
            uploads: Uploads::new(client),
            mounted: Vec::new(),
            chunk_bytes: CHUNK_BYTES_DEFAULT,
        })
    }

    /// Sets the bytes of content per brick, from 1. The default makes stored bricks of 1 MiB.
    #[must_use]
    pub fn with_chunk_bytes(mut self, bytes: usize) -> Self {
        self.chunk_bytes = bytes.max(1);
        self
    }

    /// The identifier that it writes with.
    #[must_use]
    pub fn ssi(&self) -> &KeySsi {
        &self.ssi
    }

    /// The brick map as it stands with the changes, mounted DSUs apart.
    #[must_use]
    pub fn map(&self) -> &BrickMap {
        &self.map
    }

    /// Stores a file, in place of one that is there. Writing what is there already changes
    /// nothing. Returns the bytes read.
    ///
    /// # Errors
    /// [`DsuError::Input`] if `input` cannot be read; else the path or the node is at fault. The
    /// draft stays as it was.
    pub async fn write(
        &mut self,
        path: &DsuPath,
        input: impl AsyncRead + Unpin + Send,
        now: Moment,
    ) -> Result<u64, DsuError> {
        let (draft, inner) = self.at(path).await?;
        draft.write_own(path, &inner, input, now).await
    }

    /// Waits until every brick that was written so far is stored. [`Draft::commit`] does so itself.
    ///
    /// # Errors
    /// [`DsuError::Node`] if a brick could not be stored.
    pub async fn flush(&mut self) -> Result<(), DsuError> {
        self.uploads.finish().await
    }

    /// Adds to the end of a file, which is made if it is not there.
    ///
    /// # Errors
    /// As [`Draft::write`].
    pub async fn append(
        &mut self,
        path: &DsuPath,
        input: impl AsyncRead + Unpin + Send,
        now: Moment,
    ) -> Result<u64, DsuError> {
        let (draft, inner) = self.at(path).await?;
        draft.own_file(path, &inner)?;
        if let Some(Node::File(file)) = draft.map.lookup(&inner)
            && file.embedded().is_some()
        {
            let mut more = Zeroizing::new(Vec::new());
            read_to_end(input, &mut more, path).await?;
            let bytes = more.len() as u64;
            let more = EmbeddedContent::Bytes(more);
            draft.map.append_embedded(&inner, &more, now)?;
            draft.is_changed = true;
            return Ok(bytes);
        }
        let (entries, bytes) = draft.store(path, input).await?;
        draft.map.append(&inner, entries, now)?;
        draft.is_changed = true;
        Ok(bytes)
    }

    /// Keeps a file inside the brick map, in place of one that is there: for small content only,
    /// since every version carries it. A bigger file is for [`Draft::write`].
    ///
    /// # Errors
    /// [`DsuError::IsFolder`] or [`DsuError::IsFile`] if no file can stand there,
    /// [`DsuError::Reserved`] or [`DsuError::MountedBelow`] for a place that is not a file's.
    ///
    /// **Source:** DSU specification §3.3.
    pub async fn embed(
        &mut self,
        path: &DsuPath,
        content: &EmbeddedContent,
        now: Moment,
    ) -> Result<(), DsuError> {
        let (draft, inner) = self.at(path).await?;
        draft.own_file(path, &inner)?;
        draft.map.embed(&inner, content, now)?;
        draft.is_changed = true;
        Ok(())
    }

    /// Makes a folder; one that is there stays as it is.
    ///
    /// # Errors
    /// [`DsuError::Edit`] if a file is in the way.
    pub async fn create_folder(&mut self, path: &DsuPath, now: Moment) -> Result<(), DsuError> {
        let (draft, inner) = self.at(path).await?;
        if matches!(draft.map.lookup(&inner), Some(Node::Folder(_))) {
            return Ok(());
        }
        draft.map.create_folder(&inner, now)?;
        draft.is_changed = true;
        Ok(())
    }

    /// Removes a file, or a folder with all that is in it.
    ///
    /// # Errors
    /// [`DsuError::Edit`] if nothing is there, [`DsuError::MountedBelow`] if a DSU is mounted on
    /// it or below.
    pub async fn remove(&mut self, path: &DsuPath, now: Moment) -> Result<(), DsuError> {
        let (draft, inner) = self.at(path).await?;
        draft.own_place(path, &inner)?;
        draft.map.delete(&inner, now)?;
        draft.is_changed = true;
        Ok(())
    }

    /// Moves a file or folder. Nothing is encrypted again.
    ///
    /// # Errors
    /// As [`Draft::copy`] and [`Draft::remove`].
    pub async fn rename(
        &mut self,
        from: &DsuPath,
        to: &DsuPath,
        now: Moment,
    ) -> Result<(), DsuError> {
        let (source, inner_from) = self.at(from).await?;
        source.own_place(from, &inner_from)?;
        let source_id = source.id.clone();
        let (target, inner_to) = self.at(to).await?;
        target.own_place(to, &inner_to)?;
        if target.id == source_id {
            target.map.rename(&inner_from, &inner_to, now)?;
            target.is_changed = true;
            return Ok(());
        }
        self.copy(from, to, now).await?;
        self.remove(from, now).await
    }

    /// Copies a file or folder. Nothing is encrypted again; between DSUs the copy shares its
    /// bricks.
    ///
    /// # Errors
    /// [`DsuError::Edit`] if there is nothing at `from` or something at `to`.
    pub async fn copy(
        &mut self,
        from: &DsuPath,
        to: &DsuPath,
        now: Moment,
    ) -> Result<(), DsuError> {
        let (source, inner_from) = self.at(from).await?;
        source.own_place(from, &inner_from)?;
        let source_id = source.id.clone();
        let map = source.map.clone();
        let (target, inner_to) = self.at(to).await?;
        target.own_place(to, &inner_to)?;
        if target.id == source_id {
            target.map.copy(&inner_from, &inner_to, now)?;
        } else {
            graft(&mut target.map, &map, (&inner_from, &inner_to), now)?;
        }
        target.is_changed = true;
        Ok(())
    }

    /// Takes over everything that a snapshot holds, its mounts included, in place of what is here.
    /// The bricks are shared.
    ///
    /// # Errors
    /// [`DsuError::Edit`] if its map cannot be taken over.
    pub fn take_over(&mut self, snapshot: &Snapshot, now: Moment) -> Result<(), DsuError> {
        let root = DsuPath::root();
        graft(&mut self.map, snapshot.map(), (&root, &root), now)?;
        self.manifest = snapshot.manifest().clone();
        self.is_changed = true;
        Ok(())
    }
}
