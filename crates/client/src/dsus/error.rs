//! What can go wrong with a DSU, named by what its user can do about it.

use dsu::diff_strategy::ReplayError;
use dsu::{
    ContentError, DsuPath, EditError, HistoryFault, ManifestError, MergeConflicts, OpenError,
    OpenMapError, Rollback, SealError, SealerError, VersionlessParseError,
};
use keyssi::envelope::EnvelopeError;
use keyssi::{AnchorId, AnchorValueError, BrickHash, SignError, SsiError, SsiKind, UseError};

use super::Committed;
use crate::{ClientError, HeadError};

/// Why a DSU could not be opened, read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DsuError {
    /// Nothing is anchored under this key. A mistyped key looks the same.
    #[error("no DSU is anchored under this key ({})", .0.plain())]
    NotAnchored(Box<AnchorId>),
    /// A DSU was to be made and is there already.
    #[error("a DSU is anchored under this key already")]
    Exists,
    /// There is no such version.
    #[error("there is no version {asked}; the DSU has {count}, counted from 0")]
    NoSuchVersion {
        /// The version asked for.
        asked: usize,
        /// How many there are.
        count: usize,
    },
    /// Changes made on an older version would undo the later ones.
    #[error("version {version} is not the newest of {count}: changes are made on the newest only")]
    NotNewest {
        /// The version.
        version: usize,
        /// How many there are.
        count: usize,
    },
    /// Not one version can be opened.
    #[error("none of the {0} versions can be opened")]
    NothingToRecover(usize),
    /// The DSU did not exist at that time, or its versions carry no times.
    #[error("there was no version at {0}")]
    NothingAtTime(String),
    /// No file or folder has this path.
    #[error("{0} does not exist")]
    NotFound(DsuPath),
    /// A file was expected.
    #[error("{0} is a folder")]
    IsFolder(DsuPath),
    /// A folder was expected.
    #[error("{0} is a file")]
    IsFile(DsuPath),
    /// This kind of identifier opens no DSU.
    #[error("a key of type {0} cannot open a DSU")]
    NotReadable(SsiKind),
    /// This kind of identifier can only read.
    #[error("a key of type {0} can read this DSU and not change it")]
    NotWritable(SsiKind),
    /// A constant DSU has its one version already.
    #[error("a constant DSU never changes once it is written")]
    Constant,
    /// The anchor was handed over to another key.
    #[error("the DSU was handed over: another key signs its versions now")]
    HandedOver,
    /// Something is mounted there already.
    #[error("a DSU is mounted at {0} already")]
    MountedAlready(DsuPath),
    /// A mount point stands on or below the path.
    #[error("a DSU is mounted at or below {0}: unmount it first")]
    MountedBelow(DsuPath),
    /// There is no versionless document of this name.
    #[error("there is no versionless document {0:?}")]
    NoDocument(String),
    /// The versionless document cannot be opened.
    #[error("the versionless document cannot be opened")]
    Document(#[source] VersionlessParseError),
    /// The versionless document cannot be encrypted.
    #[error("the versionless document cannot be encrypted")]
    Envelope(#[source] EnvelopeError),
    /// The DSU would be mounted in itself.
    #[error("{0} lies in the DSU that would be mounted there")]
    MountCircle(DsuPath),
    /// Some of the DSUs of a draft were anchored, one could not be.
    #[error("{} of the DSUs that were changed were anchored, the next was not", committed.len())]
    PartlyCommitted {
        /// What was anchored, and stays.
        committed: Vec<Committed>,
        /// Why the next one was not.
        #[source]
        source: Box<DsuError>,
    },
    /// Bricks of the draft were lost on their way; the draft cannot be anchored.
    #[error("bricks were lost on their way; write the files again with a new draft")]
    BricksLost,
    /// Nothing is mounted there.
    #[error("nothing is mounted at {0}")]
    NotMounted(DsuPath),
    /// Mounting or copying onto the folder would hide what it holds.
    #[error("{0} is not empty: nothing can be put in its place")]
    NotEmpty(DsuPath),
    /// The root and the manifest are not written like files.
    #[error("{0} cannot be written, moved or removed itself")]
    Reserved(DsuPath),
    /// No identifier can be made.
    #[error("no key can be made")]
    Identifier(#[source] SsiError),
    /// The identifier cannot be used.
    #[error("the key cannot be used")]
    Key(#[source] UseError),
    /// An anchor value is forged, damaged or out of order.
    #[error("the history that the node shows is not genuine: version {} does not hold", .0.version)]
    Forged(#[source] Box<HistoryFault>),
    /// The node shows an older history than it did before.
    #[error("the node shows an older history than before")]
    RolledBack(#[source] Box<Rollback>),
    /// The brick map of a version is damaged, or the key is not the one it was written with.
    #[error("version {version} cannot be opened (brick map {hash})")]
    Map {
        /// The version, counted from 0.
        version: usize,
        /// The brick.
        hash: BrickHash,
        /// What is wrong with it.
        #[source]
        source: Box<OpenMapError>,
    },
    /// The bricks of a version's map could not be had.
    #[error("the brick map of version {version} cannot be fetched")]
    FetchMap {
        /// The version, counted from 0.
        version: usize,
        /// Why.
        #[source]
        source: Box<ClientError>,
    },
    /// The versions of a DSU of the Diff strategy do not add up.
    #[error("the changes of the versions do not add up to a brick map")]
    Replay(#[source] ReplayError),
    /// A version's value names no brick that could be asked for.
    #[error("version {0} names no brick map")]
    NoMap(usize),
    /// An entry of the brick map cannot be understood.
    #[error("{path} (version {version}): its entry in the brick map makes no sense")]
    Content {
        /// The file.
        path: DsuPath,
        /// The version, counted from 0.
        version: usize,
        /// What is wrong with the entry.
        #[source]
        source: Box<ContentError>,
    },
    /// A brick is damaged.
    #[error("{path} (version {version}): brick {hash} is damaged")]
    Brick {
        /// The file.
        path: DsuPath,
        /// The version, counted from 0.
        version: usize,
        /// The brick.
        hash: BrickHash,
        /// What is wrong with it.
        #[source]
        source: Box<OpenError>,
    },
    /// A brick could not be fetched.
    #[error("{path} (version {version}): brick {hash} cannot be fetched")]
    FetchBrick {
        /// The file.
        path: DsuPath,
        /// The version, counted from 0.
        version: usize,
        /// The brick.
        hash: BrickHash,
        /// Why.
        #[source]
        source: Box<ClientError>,
    },
    /// The manifest with the mounts cannot be read.
    #[error("the manifest of version {version} cannot be read")]
    Manifest {
        /// The version, counted from 0.
        version: usize,
        /// What is wrong with it.
        #[source]
        source: Box<ManifestError>,
    },
    /// Something went wrong in a mounted DSU.
    #[error("in the DSU mounted at {point}")]
    Mounted {
        /// Where it is mounted.
        point: DsuPath,
        /// What went wrong.
        #[source]
        source: Box<DsuError>,
    },
    /// Mounts lead into one another without end.
    #[error("mounts are nested more than {0} deep")]
    MountedTooDeep(usize),
    /// A change that cannot be made.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// Somebody else changed the same paths.
    #[error(transparent)]
    Conflict(#[from] MergeConflicts),
    /// Others kept winning.
    #[error("other writers were faster {0} times in a row")]
    Contended(u32),
    /// No bricks can be made with this identifier.
    #[error("no bricks can be made with this key")]
    Sealer(#[source] SealerError),
    /// The version could not be signed.
    #[error("the version cannot be signed")]
    Sign(#[source] SignError),
    /// The value of a constant anchor could not be written.
    #[error("the anchor value cannot be written")]
    Value(#[source] AnchorValueError),
    /// A brick could not be made.
    #[error("cannot encrypt")]
    Seal(#[from] SealError),
    /// What was to be stored could not be read.
    #[error("cannot read what is to be stored at {path}")]
    Input {
        /// The file.
        path: DsuPath,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The memory of heads cannot be used.
    #[error(transparent)]
    Heads(#[from] HeadError),
    /// A node did not do what was asked of it.
    #[error(transparent)]
    Node(#[from] ClientError),
    /// A task of this process ended early.
    #[error("a task of this process ended early")]
    Task(#[source] tokio::task::JoinError),
}

impl DsuError {
    /// The same error, seen from the DSU that has this one mounted at `point`.
    pub(crate) fn mounted(self, point: &DsuPath) -> Self {
        Self::Mounted {
            point: point.clone(),
            source: Box::new(self),
        }
    }
}
