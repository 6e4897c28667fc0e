//! Changes to a DSU, gathered and then anchored as one version.

use std::collections::VecDeque;
use std::sync::Arc;

use dsu::{
    BrickMap, BrickSealer, CHUNK_BYTES_DEFAULT, ContentError, Depth, DsuPath, EmbeddedContent,
    Entry, FileNode, History, Manifest, ManifestError, Moment, Node, NodeKind, Resolution,
    SealError, SealedBrick, Timing,
};
use futures_util::future::BoxFuture;
use keyssi::{AnchorId, KeySsi, SsiKind};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::DsuError;
use super::history::history;
use super::snapshot::{At, Snapshot, check_readable, manifest_path, read_manifest};
use super::upload::Uploads;
use crate::Client;

/// Changes to one DSU and to those mounted in it.
///
/// Bricks are stored as content is written; nothing can be seen of the changes before
/// [`Draft::commit`]. A draft that is dropped leaves bricks that nothing refers to, and no other
/// trace.
pub struct Draft {
    pub(super) client: Client,
    pub(super) ssi: KeySsi,
    pub(super) id: AnchorId,
    pub(super) sealer: Arc<BrickSealer>,
    pub(super) history: History,
    /// The map that the changes are made on, for a merge of three.
    pub(super) base: BrickMap,
    pub(super) map: BrickMap,
    pub(super) manifest: Manifest,
    pub(super) is_changed: bool,
    pub(super) uploads: Uploads,
    /// Drafts of mounted DSUs, in the order in which they were first written to.
    pub(super) mounted: Vec<(DsuPath, Draft)>,
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
    /// [`DsuError::NotWritable`] or [`DsuError::Constant`] if the key cannot change it.
    pub fn edit(snapshot: &Snapshot) -> Result<Self, DsuError> {
        match snapshot.ssi().kind() {
            SsiKind::Const | SsiKind::Array | SsiKind::Wallet => return Err(DsuError::Constant),
            _ => {}
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

    /// Mounts a DSU. Who can read this DSU can then do with the mounted one what `ssi` allows.
    ///
    /// # Errors
    /// [`DsuError::MountedAlready`], [`DsuError::MountedBelow`], [`DsuError::NotEmpty`],
    /// [`DsuError::IsFile`].
    ///
    /// **Source:** DSU specification §8, §14-14.
    pub async fn mount(
        &mut self,
        path: &DsuPath,
        ssi: &KeySsi,
        now: Moment,
    ) -> Result<(), DsuError> {
        check_readable(ssi)?;
        let (draft, inner) = self.at(path).await?;
        if inner.is_root() {
            return Err(DsuError::MountedAlready(path.clone()));
        }
        draft.own_place(path, &inner)?;
        match draft.map.lookup(&inner) {
            Some(Node::File(_)) => return Err(DsuError::IsFile(path.clone())),
            Some(Node::Folder(_)) => {
                let listed = draft.map.list(&inner, Depth::Recursive).unwrap_or_default();
                if listed.iter().any(|line| line.kind() == NodeKind::File) {
                    return Err(DsuError::NotEmpty(path.clone()));
                }
            }
            None => {}
        }
        draft
            .manifest
            .mount(&inner, ssi)
            .map_err(|source| draft.manifest_error(source))?;
        draft.write_manifest(now)
    }

    /// Takes a mount away. The DSU that was mounted stays as it is.
    ///
    /// # Errors
    /// [`DsuError::NotMounted`] if nothing is mounted there.
    pub async fn unmount(&mut self, path: &DsuPath, now: Moment) -> Result<(), DsuError> {
        let holder = self.holder(path).await?;
        let Some((draft, inner)) = holder else {
            return Err(DsuError::NotMounted(path.clone()));
        };
        draft
            .manifest
            .unmount(&inner)
            .map_err(|source| draft.manifest_error(source))?;
        draft.mounted.retain(|(point, _)| *point != inner);
        draft.write_manifest(now)
    }

    /// The draft that holds a path, and the path inside it. Opens mounted DSUs on the way.
    fn at<'a>(
        &'a mut self,
        path: &DsuPath,
    ) -> BoxFuture<'a, Result<(&'a mut Draft, DsuPath), DsuError>> {
        let path = path.clone();
        Box::pin(async move {
            match self.resolve(&path)? {
                Resolution::Own(path) => Ok((self, path)),
                Resolution::Mounted { point, ssi, rest } => {
                    let inner = self.open_mounted(&point, &ssi).await?;
                    inner.at(&rest).await.map_err(|error| error.mounted(&point))
                }
            }
        })
    }

    /// The draft in whose manifest `path` is a mount point.
    fn holder<'a>(
        &'a mut self,
        path: &DsuPath,
    ) -> BoxFuture<'a, Result<Option<(&'a mut Draft, DsuPath)>, DsuError>> {
        let path = path.clone();
        Box::pin(async move {
            match self.resolve(&path)? {
                Resolution::Own(_) => Ok(None),
                Resolution::Mounted { point, rest, .. } if rest.is_root() => {
                    Ok(Some((self, point)))
                }
                Resolution::Mounted { point, ssi, rest } => {
                    let inner = self.open_mounted(&point, &ssi).await?;
                    inner
                        .holder(&rest)
                        .await
                        .map_err(|error| error.mounted(&point))
                }
            }
        })
    }

    async fn open_mounted(
        &mut self,
        point: &DsuPath,
        ssi: &KeySsi,
    ) -> Result<&mut Draft, DsuError> {
        let known = self
            .mounted
            .iter()
            .position(|(mounted, _)| mounted == point);
        let index = if let Some(index) = known {
            index
        } else {
            let opened = Snapshot::open(&self.client, ssi, At::Latest).await;
            let draft = opened.and_then(|snapshot| Draft::edit(&snapshot));
            let draft = draft.map_err(|error| error.mounted(point))?;
            self.mounted
                .push((point.clone(), draft.with_chunk_bytes(self.chunk_bytes)));
            self.mounted.len() - 1
        };
        match self.mounted.get_mut(index) {
            Some((_, draft)) => Ok(draft),
            None => Err(DsuError::NotMounted(point.clone())),
        }
    }

    fn resolve(&self, path: &DsuPath) -> Result<Resolution, DsuError> {
        let resolved = self.manifest.resolve(path);
        resolved.map_err(|source| self.manifest_error(source))
    }

    fn manifest_error(&self, source: ManifestError) -> DsuError {
        DsuError::Manifest {
            version: self.history.len().saturating_sub(1),
            source: Box::new(source),
        }
    }

    async fn write_own(
        &mut self,
        path: &DsuPath,
        inner: &DsuPath,
        input: impl AsyncRead + Unpin + Send,
        now: Moment,
    ) -> Result<u64, DsuError> {
        self.own_file(path, inner)?;
        let (entries, bytes) = self.store(path, input).await?;
        let is_same = match self.map.lookup(inner) {
            Some(Node::File(file)) => file.embedded().is_none() && file.entries() == entries,
            _ => false,
        };
        if !is_same {
            self.map.write(inner, entries, now)?;
            self.is_changed = true;
        }
        Ok(bytes)
    }

    /// Refuses places that are not the draft's own to change: its root, mounts below, the manifest.
    fn own_place(&self, path: &DsuPath, inner: &DsuPath) -> Result<(), DsuError> {
        if inner.is_root() || *inner == manifest_path() {
            return Err(DsuError::Reserved(path.clone()));
        }
        if self
            .manifest
            .mounts()
            .iter()
            .any(|mount| mount.point().starts_with(inner))
        {
            return Err(DsuError::MountedBelow(path.clone()));
        }
        Ok(())
    }

    /// Refuses a file where none can stand, before its content is read and stored.
    fn own_file(&self, path: &DsuPath, inner: &DsuPath) -> Result<(), DsuError> {
        self.own_place(path, inner)?;
        match self.map.lookup(inner) {
            Some(Node::Folder(_)) => return Err(DsuError::IsFolder(path.clone())),
            Some(Node::File(_)) => return Ok(()),
            None => {}
        }
        let mut parent = inner.parent();
        while let Some(folder) = parent {
            if matches!(self.map.lookup(&folder), Some(Node::File(_))) {
                return Err(DsuError::IsFile(folder));
            }
            parent = folder.parent();
        }
        Ok(())
    }

    /// Cuts content into bricks and stores them, several at a time. Memory: `parallel` chunks being
    /// encrypted and the batches in flight, whatever the size of the content.
    async fn store(
        &mut self,
        path: &DsuPath,
        mut input: impl AsyncRead + Unpin + Send,
    ) -> Result<(Vec<Entry>, u64), DsuError> {
        let parallel = self.client.options().parallel.max(1);
        let mut sealing = VecDeque::new();
        let mut entries = Vec::new();
        let mut offset = 0_u64;
        loop {
            let chunk = read_chunk(&mut input, self.chunk_bytes, path).await?;
            let bytes = chunk.len();
            // Content of no bytes is one empty brick; nothing follows a last brick that is full.
            if bytes == 0 && offset > 0 {
                break;
            }
            let sealer = Arc::clone(&self.sealer);
            sealing.push_back(tokio::task::spawn_blocking(move || {
                sealer.seal(offset, &chunk)
            }));
            offset += bytes as u64;
            if sealing.len() >= parallel {
                self.upload_next(&mut sealing, &mut entries).await?;
            }
            if bytes < self.chunk_bytes {
                break;
            }
        }
        while !sealing.is_empty() {
            self.upload_next(&mut sealing, &mut entries).await?;
        }
        Ok((entries, offset))
    }

    async fn upload_next(
        &mut self,
        sealing: &mut VecDeque<JoinHandle<Result<SealedBrick, SealError>>>,
        entries: &mut Vec<Entry>,
    ) -> Result<(), DsuError> {
        if let Some(sealed) = sealing.pop_front() {
            let brick = sealed.await.map_err(DsuError::Task)??;
            entries.push(brick.entry.clone());
            self.uploads.push(brick).await?;
        }
        Ok(())
    }

    fn write_manifest(&mut self, now: Moment) -> Result<(), DsuError> {
        let text = EmbeddedContent::Text(self.manifest.to_json());
        self.map.embed(&manifest_path(), &text, now)?;
        self.is_changed = true;
        Ok(())
    }

    pub(super) async fn reload_manifest(&mut self) -> Result<(), DsuError> {
        let version = self.history.len().saturating_sub(1);
        self.manifest = read_manifest(&self.client, &self.map, version).await?;
        Ok(())
    }
}

/// Copies what stands at a path of one map to a path of another; the bricks are shared.
fn graft(
    target: &mut BrickMap,
    source: &BrickMap,
    (from, to): (&DsuPath, &DsuPath),
    now: Moment,
) -> Result<(), DsuError> {
    let not_there = || DsuError::NotFound(from.clone());
    match source.lookup(from).ok_or_else(not_there)? {
        Node::File(file) => graft_file(target, to, file, now)?,
        Node::Folder(_) => {
            if !to.is_root() {
                target.create_folder(to, now)?;
            }
            for listed in source
                .list(from, Depth::Recursive)
                .map_err(|_| not_there())?
            {
                let below = listed.path.strip(from).ok_or_else(not_there)?;
                let place = below.under(to);
                match source.lookup(&listed.path) {
                    Some(Node::File(file)) => graft_file(target, &place, file, now)?,
                    Some(Node::Folder(_)) if target.lookup(&place).is_none() => {
                        target.create_folder(&place, now)?;
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

fn graft_file(
    target: &mut BrickMap,
    to: &DsuPath,
    file: FileNode<'_>,
    now: Moment,
) -> Result<(), DsuError> {
    match file.embedded() {
        Some(Ok(content)) => target.embed(to, &content, now)?,
        Some(Err(unreadable)) => {
            let source = ContentError::Embedded(unreadable);
            return Err(DsuError::Content {
                path: to.clone(),
                version: 0,
                source: Box::new(source),
            });
        }
        None => target.write(to, file.entries(), now)?,
    }
    Ok(())
}

/// A whole chunk, or what is left of the input.
async fn read_chunk(
    input: &mut (impl AsyncRead + Unpin),
    bytes_max: usize,
    path: &DsuPath,
) -> Result<Zeroizing<Vec<u8>>, DsuError> {
    let mut chunk = Zeroizing::new(Vec::with_capacity(bytes_max));
    let mut limited = input.take(bytes_max as u64);
    read_to_end(&mut limited, &mut chunk, path).await?;
    Ok(chunk)
}

async fn read_to_end(
    mut input: impl AsyncRead + Unpin,
    buffer: &mut Vec<u8>,
    path: &DsuPath,
) -> Result<(), DsuError> {
    let read = input.read_to_end(buffer).await;
    read.map(drop).map_err(|source| DsuError::Input {
        path: path.clone(),
        source,
    })
}
