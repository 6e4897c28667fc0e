//! Compacted files: many small files in one brick.
//!
//! ```text
//! container brick = envelope(file 1) || envelope(file 2) || …      itself not encrypted
//! entry           = hl of the container with the hint {"embedded":"<offset>,<size>,<hl of the slice>"}
//! ```
//!
//! Each file has a key of its own. Reading is in `content`.
//!
//! **Source:** dsu specification §3.3.

use std::fmt;

use keyssi::{BrickHash, Domain, Hint, HintError, KeySsi};
use thiserror::Error;

use crate::entry::Entry;
use crate::seal::{BrickSealer, CHUNK_BYTES_DEFAULT, SealError, debug_brick};

/// A container that is being filled.
#[derive(Default)]
pub struct Container {
    bytes: Vec<u8>,
    files: Vec<CompactedFile>,
}

/// One file of a container.
struct CompactedFile {
    hash: BrickHash,
    bytes: usize,
    key: KeySsi,
}

/// A container brick as it is to be stored.
#[derive(Clone)]
pub struct SealedContainer {
    /// The name of the brick.
    pub hash: BrickHash,
    /// Where it is to be stored.
    pub domain: Domain,
    /// What is stored.
    pub bytes: Vec<u8>,
    /// What the brick map is to hold for each file, in the order of adding.
    pub entries: Vec<Entry>,
}

/// A file cannot be put into a container.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CompactError {
    /// The file does not fit into this container, but into a new one.
    #[error("the container has no room for {bytes} bytes more")]
    Full {
        /// Length of the file.
        bytes: usize,
    },
    /// The file fits into no container and is to be stored as bricks.
    #[error("a compacted file has at most {CHUNK_BYTES_DEFAULT} bytes, found {bytes}")]
    TooLarge {
        /// Length of the file.
        bytes: usize,
    },
    /// The file cannot be sealed.
    #[error("the file cannot be sealed")]
    Seal(#[source] SealError),
    /// The place of the file cannot be written.
    #[error("the place of the file in the container cannot be written")]
    Hint(#[source] HintError),
}

impl Container {
    /// An empty container.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// True if no file was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Adds a whole file.
    ///
    /// # Errors
    /// [`CompactError::Full`] if a new container is needed,
    /// [`CompactError::TooLarge`] if no container takes the file.
    pub fn add(&mut self, sealer: &BrickSealer, file: &[u8]) -> Result<(), CompactError> {
        let bytes = file.len();
        if bytes > CHUNK_BYTES_DEFAULT {
            return Err(CompactError::TooLarge { bytes });
        }
        let room = CHUNK_BYTES_DEFAULT.checked_sub(self.bytes.len());
        if room.is_none_or(|room| bytes > room) {
            return Err(CompactError::Full { bytes });
        }
        let offset = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        let (envelope, key) = sealer.envelope(offset, file).map_err(CompactError::Seal)?;
        self.bytes.extend_from_slice(&envelope);
        self.files.push(CompactedFile {
            hash: BrickHash::of(&envelope),
            bytes: envelope.len(),
            key,
        });
        Ok(())
    }

    /// The brick and the entries of the files, in the order of adding.
    ///
    /// # Errors
    /// [`CompactError`] if the entries cannot be written.
    pub fn finish(self, sealer: &BrickSealer) -> Result<SealedContainer, CompactError> {
        let hash = BrickHash::of(&self.bytes);
        let container = sealer.bare_link(&hash).map_err(CompactError::Seal)?;
        let mut entries = Vec::with_capacity(self.files.len());
        let mut offset = 0;
        for file in &self.files {
            let bytes = file.bytes;
            let slice = sealer.hash_link(&file.hash).map_err(CompactError::Seal)?;
            let slice = slice.wrapped();
            let place = format!("{{\"embedded\":\"{offset},{bytes},{}\"}}", *slice);
            let hint = Hint::parse(&place).map_err(CompactError::Hint)?;
            let link = container.clone().with_hint(Some(hint));
            entries.push(Entry::brick(&link, Some(&file.key)));
            offset += bytes;
        }
        Ok(SealedContainer {
            hash,
            domain: sealer.bricks_domain().clone(),
            bytes: self.bytes,
            entries,
        })
    }
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container")
            .field("files", &self.files.len())
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

impl fmt::Debug for SealedContainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_brick(f, "SealedContainer", &self.hash, &self.domain, &self.bytes)
    }
}
