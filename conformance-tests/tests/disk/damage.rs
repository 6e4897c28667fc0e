//! Damage to one file of a data folder.

use std::fmt;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use testkit::random::Random;

/// Bytes of a page, which is what a disk loses at a time.
const PAGE_BYTES: u64 = 4096;

/// What a file of RocksDB holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The write-ahead log (`*.log`).
    Log,
    /// A table (`*.sst`).
    Table,
    /// A blob file (`*.blob`).
    Blob,
    /// The list of files (`MANIFEST-*`).
    Manifest,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Log, Self::Table, Self::Blob, Self::Manifest];

    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        match path.extension().and_then(|it| it.to_str()) {
            Some("log") => Some(Self::Log),
            Some("sst") => Some(Self::Table),
            Some("blob") => Some(Self::Blob),
            _ if name.starts_with("MANIFEST-") => Some(Self::Manifest),
            _ => None,
        }
    }
}

/// What is done to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deed {
    /// One bit is turned over.
    FlipBit,
    /// One bit is turned over in the length or the type of a record (logs and manifests only).
    FlipFrame,
    /// One page reads as zeros.
    ZeroPage,
    /// The end is missing.
    Truncate,
}

impl Deed {
    /// What can be done to a file of `kind`.
    fn possible(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Log | Kind::Manifest => &[
                Self::FlipBit,
                Self::FlipFrame,
                Self::ZeroPage,
                Self::Truncate,
            ],
            Kind::Table | Kind::Blob => &[Self::FlipBit, Self::ZeroPage, Self::Truncate],
        }
    }
}

/// A damage that was done.
#[derive(Debug)]
pub(crate) struct Damage {
    pub(crate) kind: Kind,
    pub(crate) deed: Deed,
    file: String,
    at: u64,
    length: u64,
}

impl fmt::Display for Damage {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            deed,
            file,
            at,
            length,
            ..
        } = self;
        write!(to, "{deed:?} at {at} of {length} of {file}")
    }
}

/// Damages a file of `kind` in one of the stores under `data`, at a random place.
pub(crate) fn damage(data: &Path, kind: Kind, random: &mut Random) -> Result<Damage> {
    let files = files_of(data, kind)?;
    let path = files.get(random.index(files.len()));
    let path = path.with_context(|| format!("there is no {kind:?}"))?;
    let name = path
        .strip_prefix(data)
        .unwrap_or(path)
        .display()
        .to_string();
    let deeds = Deed::possible(kind);
    let deed = *deeds.get(random.index(deeds.len())).context("no deed")?;
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let at = if deed == Deed::FlipFrame {
        let frames = frames(&std::fs::read(path)?);
        let frame = frames.get(random.index(frames.len()));
        // After the checksum: two bytes of length, one of type.
        frame.context("a log without records")? + 4 + random.below(3)
    } else {
        random.below(length)
    };
    let done = Damage {
        kind,
        deed,
        file: name,
        at,
        length,
    };
    match deed {
        Deed::FlipBit | Deed::FlipFrame => {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at)?;
            byte = byte.map(|it| it ^ (1 << random.below(8)));
            file.write_all_at(&byte, at)?;
        }
        Deed::ZeroPage => {
            let begin = at / PAGE_BYTES * PAGE_BYTES;
            let zeros = vec![0; usize::try_from(PAGE_BYTES.min(length - begin))?];
            file.write_all_at(&zeros, begin)?;
        }
        Deed::Truncate => file.set_len(at)?,
    }
    Ok(done)
}

/// Where the records of a log begin (RocksDB, "Write Ahead Log File Format"): blocks of 32 KiB,
/// each record with a checksum of 4 bytes, a length of 2 and a type of 1; no record begins in the
/// last 6 bytes of a block.
fn frames(log: &[u8]) -> Vec<u64> {
    const BLOCK: usize = 32 << 10;
    const HEADER: usize = 7;
    let (mut frames, mut at) = (Vec::new(), 0);
    while let Some(header) = log.get(at..at + HEADER) {
        let left = BLOCK - at % BLOCK;
        if left < HEADER {
            at += left;
            continue;
        }
        frames.push(at as u64);
        let length = header.get(4..6).and_then(|it| it.try_into().ok());
        at += HEADER + usize::from(u16::from_le_bytes(length.unwrap_or_default()));
    }
    frames
}

/// The files of a kind that hold something.
pub(crate) fn files_of(data: &Path, kind: Kind) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for store in ["bricks", "anchors"] {
        for entry in data.join(store).read_dir()? {
            let path = entry?.path();
            if Kind::of(&path) == Some(kind) && path.metadata()?.len() > 0 {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Copies a data folder with its stores.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in from.read_dir()? {
        let path = entry?.path();
        let target = to.join(path.file_name().context("no name")?);
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            std::fs::copy(&path, &target)?;
        }
    }
    ensure!(to.is_dir(), "the copy is gone");
    Ok(())
}
