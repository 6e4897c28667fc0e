//! One DSU brought to one folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use client::dsus::{At, Snapshot};
use dsu::{Content, Depth, DsuPath, NodeKind, PieceSource};
use keyssi::KeySsi;
use sha2::{Digest, Sha256};

use super::state::{FileState, STATE_NAME, State};
use crate::context::Context;
use crate::dsu::list::without_manifests;
use crate::dsu::target::{Existing, NewFile, local_path, make_folders};
use crate::exit::{Exit, Failure};
use crate::hex::hex;

/// Bytes read at a time.
const BUFFER_BYTES: usize = 256 * 1024;

/// What happens to files that somebody changed in the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Local {
    /// They stay.
    Keep,
    /// They become what the DSU holds.
    Replace,
}

/// What a pull did.
#[derive(Debug)]
pub(super) struct Pulled {
    pub(super) anchor: String,
    pub(super) version: usize,
    /// Files written.
    pub(super) fetched: usize,
    /// Files that were there already.
    pub(super) unchanged: usize,
    /// Files removed, as they were in the DSU.
    pub(super) removed: usize,
    /// Paths at which something else is in the folder than in the DSU, and why it stays.
    pub(super) kept: Vec<(String, &'static str)>,
}

/// A file that the DSU holds.
struct Wanted {
    path: DsuPath,
    local: PathBuf,
    /// See [`FileState::content`].
    content: String,
}

/// A file to be fetched.
struct Fetch {
    wanted: Wanted,
    place: Place,
}

/// The state of a folder while it is changed. Ctrl-C drops the pull where it waits: what was
/// finished by then is noted all the same, else it would look like somebody's change.
struct Noted<'a> {
    folder: &'a Path,
    state: State,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        // The command has ended; a failure to note would hide why.
        let _ = self.state.write(self.folder);
    }
}

/// What stands where a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing.
    Free,
    /// What may be overwritten.
    Ours,
    /// A file that is not what was brought; it may be what is to be brought now.
    Unknown,
}

/// Brings the newest version of a DSU to a folder.
///
/// # Errors
/// A name that is no local one, a failure of the client or of the disk. Files that were finished
/// by then stay, and the next pull knows them.
pub(super) async fn pull(
    context: &Context<'_>,
    key: &KeySsi,
    folder: &Path,
    local: Local,
) -> Result<Pulled, Failure> {
    let snapshot = Snapshot::open(&context.client, key, At::Latest).await?;
    let anchor = snapshot.id().as_str().to_owned();
    let mut noted = Noted {
        folder,
        state: State::read(folder, &anchor)?,
    };
    let state = &mut noted.state;
    let mut pulled = Pulled {
        anchor,
        version: snapshot.version(),
        fetched: 0,
        unchanged: 0,
        removed: 0,
        kept: Vec::new(),
    };
    let (folders, wanted) = wanted(&snapshot, folder).await?;
    // First what is gone: a file may have become a folder.
    remove_gone(state, &mut pulled, folder, &folders, &wanted, local)?;
    make_folders(folder, folder)?;
    for (path, place) in &folders {
        make_folders(folder, place)?;
        state.folders.insert(path.as_str().to_owned());
    }
    let fetches = choose(state, &mut pulled, folder, wanted, local)?;
    let outcome = fetch(context, &snapshot, state, &mut pulled, fetches).await;
    state.version = snapshot.version();
    state.write(folder)?;
    outcome?;
    pulled.kept.sort();
    Ok(pulled)
}

/// The folders and files of the DSU with their local places; nothing is written before every name
/// has been looked at.
async fn wanted(
    snapshot: &Snapshot,
    folder: &Path,
) -> Result<(BTreeMap<DsuPath, PathBuf>, Vec<Wanted>), Failure> {
    let root = DsuPath::root();
    let listed = without_manifests(snapshot.list(&root, Depth::Recursive).await?, &root);
    let (mut folders, mut files) = (BTreeMap::new(), Vec::new());
    for line in listed {
        let local = local_path(folder, &line.path)?;
        if local == folder.join(STATE_NAME) {
            let message = format!("{} is not written: this name is kiln's own", line.path);
            return Err(Failure::new(Exit::Usage, message)
                .next("read it with `kiln dsu cat`, or have its owner rename it"));
        }
        if line.kind == NodeKind::Folder {
            folders.insert(line.path, local);
            continue;
        }
        // A folder that holds files need not be listed itself.
        let mut parent = line.path.parent();
        while let Some(path) = parent.filter(|path| !path.is_root()) {
            let place = local_path(folder, &path)?;
            parent = path.parent();
            folders.insert(path, place);
        }
        let (_, content) = snapshot.content(&line.path).await?;
        let content = digest(&content);
        files.push(Wanted {
            path: line.path,
            local,
            content,
        });
    }
    Ok((folders, files))
}

/// Removes what the last pull brought and the DSU holds no more.
fn remove_gone(
    state: &mut State,
    pulled: &mut Pulled,
    folder: &Path,
    folders: &BTreeMap<DsuPath, PathBuf>,
    wanted: &[Wanted],
    local: Local,
) -> Result<(), Failure> {
    let wanted: BTreeSet<&str> = wanted.iter().map(|it| it.path.as_str()).collect();
    let folders: BTreeSet<&str> = folders.keys().map(DsuPath::as_str).collect();
    let gone: Vec<(String, FileState)> = state
        .files
        .iter()
        .filter(|(path, _)| !wanted.contains(path.as_str()))
        .map(|(path, file)| (path.clone(), file.clone()))
        .collect();
    for (path, file) in gone {
        state.files.remove(&path);
        let Ok(dsu_path) = DsuPath::parse(&path) else {
            continue;
        };
        let place = local_path(folder, &dsu_path)?;
        if !is_file_inside(folder, &place) {
            continue;
        }
        if local == Local::Replace || sha256_of(&place)? == file.sha256 {
            fs::remove_file(&place).map_err(|error| {
                Failure::io(format!("{} cannot be removed", place.display()), error)
            })?;
            pulled.removed += 1;
        } else {
            pulled
                .kept
                .push((path, "removed in the DSU and changed here"));
        }
    }
    let gone: Vec<String> = state
        .folders
        .iter()
        .filter(|path| !folders.contains(path.as_str()))
        .cloned()
        .collect();
    // Inner ones first; one that holds something of somebody else stays.
    for path in gone.iter().rev() {
        state.folders.remove(path);
        if let Ok(dsu_path) = DsuPath::parse(path) {
            let _ = fs::remove_dir(local_path(folder, &dsu_path)?);
        }
    }
    Ok(())
}

/// Chooses the files that are to be fetched.
fn choose(
    state: &State,
    pulled: &mut Pulled,
    folder: &Path,
    wanted: Vec<Wanted>,
    local: Local,
) -> Result<Vec<Fetch>, Failure> {
    let mut fetches = Vec::new();
    for wanted in wanted {
        let known = state.files.get(wanted.path.as_str());
        let place = match fs::symlink_metadata(&wanted.local) {
            Err(_) => Place::Free,
            Ok(_) if !is_file_inside(folder, &wanted.local) => {
                let why = "something that is no file is in its place";
                pulled.kept.push((wanted.path.to_string(), why));
                continue;
            }
            Ok(_) if local == Local::Replace => Place::Ours,
            Ok(_) if known.is_some_and(|it| it.content == wanted.content) => {
                pulled.unchanged += 1;
                continue;
            }
            Ok(_) => match known {
                Some(known) if known.sha256 == sha256_of(&wanted.local)? => Place::Ours,
                _ => Place::Unknown,
            },
        };
        fetches.push(Fetch { wanted, place });
    }
    Ok(fetches)
}

/// Fetches files one after the other, their bricks asked for together.
async fn fetch(
    context: &Context<'_>,
    snapshot: &Snapshot,
    state: &mut State,
    pulled: &mut Pulled,
    fetches: Vec<Fetch>,
) -> Result<(), Failure> {
    let paths: Vec<DsuPath> = fetches.iter().map(|it| it.wanted.path.clone()).collect();
    let mut reader = snapshot.read_many(&paths).await?;
    context.progress.begin("pulling", reader.total_bytes());
    let mut next = reader.next().await?;
    for (number, fetch) in fetches.into_iter().enumerate() {
        let mut file = NewFile::create(&fetch.wanted.local)?;
        let mut hasher = Sha256::new();
        while let Some((index, bytes)) = next.take() {
            if index != number {
                next = Some((index, bytes));
                break;
            }
            hasher.update(&bytes);
            file.write(&bytes)?;
            next = reader.next().await?;
        }
        let sha256 = hex(&hasher.finalize());
        let existing = match fetch.place {
            Place::Free => Existing::Keep,
            Place::Ours => Existing::Replace,
            Place::Unknown if sha256_of(&fetch.wanted.local)? == sha256 => {
                pulled.unchanged += 1;
                remember(state, fetch.wanted, sha256);
                continue;
            }
            Place::Unknown => {
                let why = "changed here, and not what the DSU holds";
                pulled.kept.push((fetch.wanted.path.to_string(), why));
                continue;
            }
        };
        file.finish(existing)?;
        pulled.fetched += 1;
        remember(state, fetch.wanted, sha256);
    }
    Ok(())
}

fn remember(state: &mut State, wanted: Wanted, sha256: String) {
    let content = wanted.content;
    state.files.insert(
        wanted.path.as_str().to_owned(),
        FileState { content, sha256 },
    );
}

/// A SHA-256 over what a file is made of. The same bricks are the same bytes.
fn digest(content: &Content) -> String {
    let mut hasher = Sha256::new();
    for piece in content.pieces() {
        match piece.source() {
            PieceSource::Inline(bytes) => {
                hasher.update([0]);
                hasher.update(Sha256::digest(bytes.as_slice()));
            }
            PieceSource::Brick { brick, slice } => {
                hasher.update([1]);
                hasher.update(brick.hash.as_bytes());
                let offset = slice.map_or(u64::MAX, |slice| slice.offset as u64);
                hasher.update(offset.to_be_bytes());
            }
        }
    }
    hex(&hasher.finalize())
}

/// Whether a file is there, and no link on the way to it leads elsewhere.
fn is_file_inside(folder: &Path, place: &Path) -> bool {
    let mut parent = place.parent();
    while let Some(path) = parent.filter(|path| *path != folder) {
        if !fs::symlink_metadata(path).is_ok_and(|it| it.is_dir()) {
            return false;
        }
        parent = path.parent();
    }
    fs::symlink_metadata(place).is_ok_and(|it| it.is_file())
}

fn sha256_of(path: &Path) -> Result<String, Failure> {
    let failed = |error| Failure::io(format!("{} cannot be read", path.display()), error);
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
    }
}
