//! One item on its way: its DSU is made, or brought to what the item is now.

use std::collections::BTreeSet;
use std::io;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use causes::with_causes;
use client::Client;
use client::dsus::{At, Draft, DsuError, Snapshot};
use dsu::{Depth, DsuPath, MANIFEST_PATH, NodeKind};
use keyssi::KeySsi;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, ReadBuf};

use super::source::{Place, Plan, PlannedFile};
use crate::client_failure::exit_of;
use crate::context::now;
use crate::exit::Exit;

/// Kept by the SDK beside the files of a DSU; no item's own.
const METADATA_LOG_PATH: &str = "/dsu-metadata-log";

/// Why an item was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum SendError {
    /// The source is not what it was when the item was planned.
    #[error("{0} changed while it was sent; push again")]
    Changed(DsuPath),
    /// A file of the source cannot be opened.
    #[error("{path} cannot be read")]
    Source {
        path: DsuPath,
        #[source]
        source: io::Error,
    },
    /// The DSU cannot be written.
    #[error(transparent)]
    Dsu(#[from] DsuError),
}

impl SendError {
    /// The error with its causes.
    pub(super) fn words(&self) -> String {
        with_causes(self)
    }

    /// Whether nothing at all can be sent at the moment.
    pub(super) fn is_node_away(&self) -> bool {
        matches!(self, Self::Dsu(error) if exit_of(error) == Exit::Unreachable)
    }
}

/// Brings the DSU of `ssi` to what the plan says, and gives the number of the version that holds
/// it. The DSU is made if it is not there. If it is there with this content, nothing is written:
/// so a run after a kill finds out what the killed one had done.
///
/// # Errors
/// [`SendError`]; nothing of this item was anchored then, unless a mounted DSU says otherwise.
pub(super) async fn send(client: &Client, ssi: &KeySsi, plan: &Plan) -> Result<usize, SendError> {
    let made = match Draft::create(client, ssi, now()).await {
        Ok(draft) => anchor(draft, plan).await.map(Option::unwrap_or_default),
        Err(error) => Err(error.into()),
    };
    match made {
        // There already, or made between our question and our answer by a request of a run that
        // was killed.
        Err(SendError::Dsu(DsuError::Exists)) => update(client, ssi, plan).await,
        made => made,
    }
}

async fn update(client: &Client, ssi: &KeySsi, plan: &Plan) -> Result<usize, SendError> {
    let snapshot = Snapshot::open(client, ssi, At::Latest).await?;
    let mut draft = Draft::edit(&snapshot)?;
    remove_others(&snapshot, &mut draft, plan).await?;
    let version = anchor(draft, plan).await?;
    Ok(version.unwrap_or_else(|| snapshot.version()))
}

/// Writes what is planned and anchors it; `None` if that changed nothing.
async fn anchor(mut draft: Draft, plan: &Plan) -> Result<Option<usize>, SendError> {
    for folder in &plan.folders {
        draft.create_folder(folder, now()).await?;
    }
    for file in &plan.files {
        write(&mut draft, file).await?;
    }
    let committed = draft.commit(now()).await?;
    Ok(committed.last().map(|it| it.version))
}

async fn write(draft: &mut Draft, file: &PlannedFile) -> Result<(), SendError> {
    let unreadable = |source| SendError::Source {
        path: file.path.clone(),
        source,
    };
    let sha256 = match &file.place {
        Place::File(path) => {
            let input = tokio::fs::File::open(path).await.map_err(unreadable)?;
            let mut input = Hashing {
                input,
                hasher: Sha256::new(),
            };
            draft.write(&file.path, &mut input, now()).await?;
            input.hasher.finalize()
        }
        Place::Range(range) => {
            let range = range.clone();
            let read = tokio::task::spawn_blocking(move || range.read()).await;
            let bytes = read
                .map_err(io::Error::other)
                .flatten()
                .map_err(unreadable)?;
            draft.write(&file.path, bytes.as_slice(), now()).await?;
            Sha256::digest(&bytes)
        }
    };
    if sha256[..] == file.sha256 {
        return Ok(());
    }
    Err(SendError::Changed(file.path.clone()))
}

/// Removes what the DSU holds and the plan does not.
async fn remove_others(
    snapshot: &Snapshot,
    draft: &mut Draft,
    plan: &Plan,
) -> Result<(), SendError> {
    let files: BTreeSet<&DsuPath> = plan.files.iter().map(|it| &it.path).collect();
    let folders: BTreeSet<&DsuPath> = plan.folders.iter().collect();
    let listed = snapshot
        .map()
        .list(&DsuPath::root(), Depth::Recursive)
        .unwrap_or_default();
    let mut removed: Vec<DsuPath> = Vec::new();
    let mut listed: Vec<_> = listed
        .iter()
        .map(|line| (line.path.clone(), line.kind()))
        .collect();
    listed.sort_by(|one, two| one.0.cmp(&two.0));
    for (path, kind) in listed {
        let is_kept = match kind {
            NodeKind::File => files.contains(&path),
            NodeKind::Folder => folders.contains(&path),
        };
        let is_ours = ![MANIFEST_PATH, METADATA_LOG_PATH].contains(&path.as_str());
        // What stands below something that was removed is gone with it.
        if is_kept || !is_ours || removed.iter().any(|it| path.starts_with(it)) {
            continue;
        }
        draft.remove(&path, now()).await?;
        removed.push(path);
    }
    Ok(())
}

/// Hashes what is read through it.
struct Hashing {
    input: tokio::fs::File,
    hasher: Sha256,
}

impl AsyncRead for Hashing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.input).poll_read(task, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        self.hasher.update(new);
        Poll::Ready(Ok(()))
    }
}
