//! Changes to a DSU, gathered and then anchored as one version.

mod changes;
mod commit;
mod graft;
mod mounts;
mod store;
mod upload;

use dsu::{BrickMap, CHUNK_BYTES_DEFAULT, DsuPath, EmbeddedContent, Moment, Node, Timing};
use keyssi::{AnchorId, KeySsi, SsiKind};
use tokio::io::AsyncRead;
use zeroize::Zeroizing;

use self::changes::Changes;
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
    uploads: Uploads,
    chunk_bytes: usize,
    /// The DSU itself, then the mounted ones in the order in which they were first reached; each
    /// once, however often it is mounted.
    dsus: Vec<Changes>,
    /// Moves from one DSU to another, as places in `dsus`: who receives is anchored first, so that
    /// nothing is removed before it is there.
    moves: Vec<(usize, usize)>,
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
        if !history(client, &id).await?.is_empty() {
            return Err(DsuError::Exists);
        }
        let timing = match ssi.kind() {
            SsiKind::Const | SsiKind::Array => Timing::TimeFree,
            _ => Timing::Stamped,
        };
        let changes = Changes::of_new(ssi, id, BrickMap::new(timing, now))?;
        changes.sealer()?;
        Ok(Self::new(client, changes))
    }

    /// Changes to the DSU as this snapshot shows it: its newest version, or the newest that could
    /// be recovered. A DSU that the key cannot change may have others mounted that can be changed
    /// through it.
    ///
    /// # Errors
    /// [`DsuError::NotWritable`], [`DsuError::Constant`] or [`DsuError::HandedOver`] if the key
    /// cannot change it and nothing is mounted in it; [`DsuError::NotNewest`] if later versions
    /// would be undone unseen.
    pub fn edit(snapshot: &Snapshot) -> Result<Self, DsuError> {
        let changes = Changes::of(snapshot, DsuPath::root())?;
        if snapshot.manifest().is_empty() {
            changes.sealer()?;
        }
        Ok(Self::new(snapshot.client(), changes))
    }

    fn new(client: &Client, changes: Changes) -> Self {
        Self {
            client: client.clone(),
            uploads: Uploads::new(client),
            chunk_bytes: CHUNK_BYTES_DEFAULT,
            dsus: vec![changes],
            moves: Vec::new(),
        }
    }

    /// Sets the bytes of content per brick: from 1 to what a client takes back as one brick. The
    /// default makes stored bricks of 1 MiB.
    #[must_use]
    pub fn with_chunk_bytes(mut self, bytes: usize) -> Self {
        let brick_bytes_max = self.client.options().limits.brick_bytes_max;
        let most = brick_bytes_max.saturating_sub(keyssi::envelope::OVERHEAD_BYTES);
        self.chunk_bytes = bytes.clamp(1, most.max(1));
        self
    }

    /// The identifier that it writes with.
    #[must_use]
    pub fn ssi(&self) -> &KeySsi {
        &self.changes(0).ssi
    }

    /// The brick map as it stands with the changes, mounted DSUs apart.
    #[must_use]
    pub fn map(&self) -> &BrickMap {
        &self.changes(0).map
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
        let (at, inner) = self.locate(path).await?;
        self.changes(at).check_file(path, &inner)?;
        let (entries, bytes) = self.store(at, path, input, 0).await?;
        self.changes_mut(at).write(&inner, entries, now)?;
        Ok(bytes)
    }

    /// Waits until every brick that was written so far is stored. [`Draft::commit`] does so itself.
    ///
    /// # Errors
    /// [`DsuError::Node`] if a brick could not be stored; the next call tries again.
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
        let (at, inner) = self.locate(path).await?;
        let changes = self.changes(at);
        changes.check_file(path, &inner)?;
        let file = changes.map.file(&inner);
        if file.is_some_and(|file| file.embedded().is_some()) {
            let mut more = Zeroizing::new(Vec::new());
            read_to_end(input, &mut more, path).await?;
            let bytes = more.len() as u64;
            let changes = self.changes_mut(at);
            let more = EmbeddedContent::Bytes(more);
            changes.map.append_embedded(&inner, &more, now)?;
            changes.is_changed = true;
            return Ok(bytes);
        }
        // Each piece that is appended counts its bytes from a place of its own, a tebibyte apart:
        // what is appended twice makes two bricks, as tools expect that refuse one twice in a file.
        let pieces = file.map_or(0, |file| file.entries().len() as u64);
        let (entries, bytes) = self.store(at, path, input, pieces << 40).await?;
        let changes = self.changes_mut(at);
        changes.map.append(&inner, entries, now)?;
        changes.is_changed = true;
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
        let (at, inner) = self.locate(path).await?;
        let changes = self.changes_mut(at);
        changes.check_file(path, &inner)?;
        changes.map.embed(&inner, content, now)?;
        changes.is_changed = true;
        Ok(())
    }

    /// Makes a folder; one that is there stays as it is.
    ///
    /// # Errors
    /// [`DsuError::Edit`] if a file is in the way.
    pub async fn create_folder(&mut self, path: &DsuPath, now: Moment) -> Result<(), DsuError> {
        let (at, inner) = self.locate(path).await?;
        let changes = self.changes_mut(at);
        if matches!(changes.map.lookup(&inner), Some(Node::Folder(_))) {
            return Ok(());
        }
        changes.check_change(path, &inner)?;
        changes.map.create_folder(&inner, now)?;
        changes.is_changed = true;
        Ok(())
    }

    /// Removes a file, or a folder with all that is in it.
    ///
    /// # Errors
    /// [`DsuError::Edit`] if nothing is there, [`DsuError::MountedBelow`] if a DSU is mounted on
    /// it or below.
    pub async fn remove(&mut self, path: &DsuPath, now: Moment) -> Result<(), DsuError> {
        let (at, inner) = self.locate(path).await?;
        let changes = self.changes_mut(at);
        changes.check_change(path, &inner)?;
        changes.map.delete(&inner, now)?;
        changes.is_changed = true;
        Ok(())
    }

    /// Moves a file or folder. Nothing is encrypted again. Between DSUs it is a copy that is
    /// anchored before the removal.
    ///
    /// # Errors
    /// As [`Draft::copy`] and [`Draft::remove`].
    pub async fn rename(
        &mut self,
        from: &DsuPath,
        to: &DsuPath,
        now: Moment,
    ) -> Result<(), DsuError> {
        let (source, inner_from) = self.locate(from).await?;
        let (target, inner_to) = self.locate(to).await?;
        self.changes(source).check_change(from, &inner_from)?;
        self.changes(target).check_change(to, &inner_to)?;
        if source == target {
            let changes = self.changes_mut(source);
            changes.map.rename(&inner_from, &inner_to, now)?;
            changes.is_changed = true;
            return Ok(());
        }
        self.graft((source, &inner_from), (target, &inner_to), now)?;
        let changes = self.changes_mut(source);
        changes.map.delete(&inner_from, now)?;
        changes.is_changed = true;
        self.moves.push((source, target));
        Ok(())
    }

    /// Copies a file or folder; an existing file is replaced by a file, an empty folder by a
    /// folder. Nothing is encrypted again; between DSUs the copy shares its bricks, and the source
    /// need only be readable.
    ///
    /// # Errors
    /// [`DsuError::Edit`], [`DsuError::NotFound`] or [`DsuError::NotEmpty`] if there is nothing at
    /// `from`, or something else at `to`.
    pub async fn copy(
        &mut self,
        from: &DsuPath,
        to: &DsuPath,
        now: Moment,
    ) -> Result<(), DsuError> {
        let (source, inner_from) = self.locate(from).await?;
        let (target, inner_to) = self.locate(to).await?;
        self.changes(source).check_place(from, &inner_from)?;
        self.changes(target).check_change(to, &inner_to)?;
        if source == target {
            let changes = self.changes_mut(source);
            changes.map.copy(&inner_from, &inner_to, now)?;
            changes.is_changed = true;
            return Ok(());
        }
        self.graft((source, &inner_from), (target, &inner_to), now)
    }

    /// Takes over everything that a snapshot holds, its mounts included, in place of all that is
    /// here. The bricks are shared.
    ///
    /// # Errors
    /// [`DsuError::Edit`] if its map cannot be taken over.
    pub fn take_over(&mut self, snapshot: &Snapshot, now: Moment) -> Result<(), DsuError> {
        let root = DsuPath::root();
        let changes = self.changes_mut(0);
        changes.sealer()?;
        let mut map = BrickMap::new(changes.map.timing(), now);
        graft(&mut map, snapshot.map(), (&root, &root), now)?;
        changes.map = map;
        changes.manifest = snapshot.manifest().clone();
        changes.is_changed = true;
        Ok(())
    }

    /// Copies from one DSU of the draft to another; fails wholly or not at all.
    fn graft(
        &mut self,
        (source, from): (usize, &DsuPath),
        (target, to): (usize, &DsuPath),
        now: Moment,
    ) -> Result<(), DsuError> {
        let mut map = self.changes(target).map.clone();
        graft(&mut map, &self.changes(source).map, (from, to), now)?;
        let changes = self.changes_mut(target);
        changes.map = map;
        changes.is_changed = true;
        Ok(())
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "places come from `locate`, and no DSU is taken out again"
    )]
    fn changes(&self, at: usize) -> &Changes {
        &self.dsus[at]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "places come from `locate`, and no DSU is taken out again"
    )]
    fn changes_mut(&mut self, at: usize) -> &mut Changes {
        &mut self.dsus[at]
    }
}
