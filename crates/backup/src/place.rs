//! Where backups lie: a folder, or a bucket of an S3-compatible store.
//!
//! Everything here blocks. A place has a small runtime of its own for the store's client; it must
//! not be used from within another one.

use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::BackupError;

/// Newest format of a place that is known here.
const FORMAT: u32 = 1;
/// The file that says what a place is.
const MARK: &str = "backup.json";
const KIND: &str = "kiln-backup";
/// Largest small object, in bytes: the mark and snapshots.
const SMALL_BYTES_MAX: u64 = 256 << 20;
/// Size of the pieces in which a large object goes up, in bytes. S3 takes 10,000 of them.
const PART_BYTES: usize = 16 << 20;
/// Pieces of one object on their way at a time.
const PARTS_IN_FLIGHT: usize = 2;

/// How to reach an S3-compatible store. Credentials come from the environment (`AWS_…`), as with
/// other tools.
#[derive(Clone, Debug, Default)]
pub struct S3Options {
    /// Address of a store that is not Amazon's; plain `http` is taken for what it is.
    pub endpoint: Option<String>,
    /// Region, if the store has any.
    pub region: Option<String>,
}

/// A place for backups.
#[derive(Debug)]
pub struct Place {
    name: String,
    /// Where it is, if it is a folder.
    folder: Option<PathBuf>,
    prefix: Path,
    store: Arc<dyn ObjectStore>,
    runtime: Runtime,
}

/// What [`MARK`] holds.
#[derive(Serialize, Deserialize)]
struct Mark {
    kind: String,
    format: u32,
    /// Whose backups lie here; nobody's before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<String>,
}

impl Place {
    /// Opens a place that holds backups. `location` is a folder or `s3://BUCKET/PREFIX`.
    ///
    /// # Errors
    /// [`BackupError::NotAPlace`] where there are none, [`BackupError::Newer`], or what failed.
    pub fn open(location: &str, s3: &S3Options) -> Result<Self, BackupError> {
        let place = Self::reach(location, s3)?;
        if place.mark()?.is_some() {
            return Ok(place);
        }
        let detail = format!("it has no {MARK}; make one with kiln backup create");
        Err(place.not_a_place(detail))
    }

    /// Opens a place, or makes one where nothing lies yet.
    ///
    /// # Errors
    /// [`BackupError::NotAPlace`] where other things lie, [`BackupError::Newer`], or what failed.
    pub fn open_or_make(location: &str, s3: &S3Options) -> Result<Self, BackupError> {
        if is_folder(location) {
            let folder = LocalPath::new(location);
            if !folder.exists() {
                make_folder(folder).map_err(BackupError::local(folder))?;
            }
        }
        let place = Self::reach(location, s3)?;
        if place.mark()?.is_some() {
            return Ok(place);
        }
        if let Some(first) = place.first_name()? {
            let detail = format!("it has {first} and no {MARK}; name an empty place");
            return Err(place.not_a_place(detail));
        }
        place.put_mark(&Mark {
            kind: KIND.to_owned(),
            format: FORMAT,
            node: None,
        })?;
        Ok(place)
    }

    fn reach(location: &str, s3: &S3Options) -> Result<Self, BackupError> {
        let no_location = || BackupError::Location {
            place: location.to_owned(),
        };
        // Another one may be in use already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let failed = |source| BackupError::Place {
            place: location.to_owned(),
            source: Box::new(source),
        };
        let (store, prefix): (Arc<dyn ObjectStore>, Path) = if is_s3(location) {
            let below = location.strip_prefix("s3://").unwrap_or_default();
            let (bucket, prefix) = below.split_once('/').unwrap_or((below, ""));
            if bucket.is_empty() {
                return Err(no_location());
            }
            let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
            if let Some(endpoint) = &s3.endpoint {
                let plain = endpoint.starts_with("http://");
                builder = builder.with_endpoint(endpoint).with_allow_http(plain);
            }
            if let Some(region) = &s3.region {
                builder = builder.with_region(region);
            }
            let prefix = Path::parse(prefix).map_err(|_| no_location())?;
            (Arc::new(builder.build().map_err(failed)?), prefix)
        } else {
            if !is_folder(location) {
                return Err(no_location());
            }
            let folder = LocalPath::new(location);
            if !folder.is_dir() {
                return Err(BackupError::NotAPlace {
                    place: location.to_owned(),
                    detail: "there is no such folder".to_owned(),
                });
            }
            let store = LocalFileSystem::new_with_prefix(folder).map_err(failed)?;
            (Arc::new(store.with_fsync(true)), Path::default())
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(BackupError::local(LocalPath::new(location)))?;
        Ok(Self {
            name: location.to_owned(),
            folder: is_folder(location).then(|| PathBuf::from(location)),
            prefix,
            store,
            runtime,
        })
    }

    /// The place as it was named.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The permission bits with which others than its owner can use it, if it is a folder that has any.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn open_to_others(&self) -> Result<Option<u32>, BackupError> {
        let Some(folder) = &self.folder else {
            return Ok(None);
        };
        let metadata = folder.metadata().map_err(BackupError::local(folder))?;
        let mode = metadata.permissions().mode() & 0o777;
        Ok((mode & 0o077 != 0).then_some(mode))
    }

    /// Where it is, if it is a folder.
    pub(crate) fn folder(&self) -> Option<&LocalPath> {
        self.folder.as_deref()
    }

    /// Takes the place for this node, if it is nobody's.
    pub(crate) fn claim(&self, node: &str) -> Result<(), BackupError> {
        let Some(mut mark) = self.mark()? else {
            return Err(self.not_a_place(format!("its {MARK} is gone")));
        };
        match mark.node.as_deref() {
            Some(found) if found == node => Ok(()),
            Some(found) => Err(BackupError::OtherNode {
                place: self.name.clone(),
                found: found.to_owned(),
                own: node.to_owned(),
            }),
            None => {
                mark.node = Some(node.to_owned());
                self.put_mark(&mark)
            }
        }
    }

    fn put_mark(&self, mark: &Mark) -> Result<(), BackupError> {
        let text = serde_json::to_vec(mark);
        self.put(MARK, text.map_err(|error| self.broken(error.into()))?)
    }

    fn mark(&self) -> Result<Option<Mark>, BackupError> {
        let Some(text) = self.read_small(MARK)? else {
            return Ok(None);
        };
        let mark: Mark = serde_json::from_slice(&text)
            .map_err(|_| self.not_a_place(format!("its {MARK} is another program's")))?;
        if mark.kind != KIND {
            return Err(self.not_a_place(format!("its {MARK} is another program's")));
        }
        if mark.format > FORMAT {
            return Err(BackupError::Newer {
                place: self.name.clone(),
                found: mark.format,
                known: FORMAT,
            });
        }
        Ok(Some(mark))
    }

    fn not_a_place(&self, detail: String) -> BackupError {
        BackupError::NotAPlace {
            place: self.name.clone(),
            detail,
        }
    }

    pub(crate) fn failed(&self, source: object_store::Error) -> BackupError {
        BackupError::Place {
            place: self.name.clone(),
            source: Box::new(source),
        }
    }

    fn path(&self, name: &str) -> Path {
        name.split('/')
            .filter(|part| !part.is_empty())
            .fold(self.prefix.clone(), Path::join)
    }

    fn first_name(&self) -> Result<Option<String>, BackupError> {
        let listing = self.store.list(Some(&self.prefix));
        let first = self.runtime.block_on(async {
            let mut listing = listing;
            listing.try_next().await
        });
        let first = first.map_err(|error| self.failed(error))?;
        Ok(first.map(|object| object.location.to_string()))
    }

    /// The names below `folder` (all for an empty one), with their sizes in bytes.
    pub(crate) fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, BackupError> {
        let below = self.path(folder);
        let listing = self.store.list(Some(&below));
        let found: Vec<_> = self
            .runtime
            .block_on(listing.try_collect())
            .map_err(|error| self.failed(error))?;
        let names = found.into_iter().filter_map(|object| {
            let parts: Vec<_> = object.location.prefix_match(&below)?.collect();
            let parts: Vec<_> = parts.iter().map(AsRef::as_ref).collect();
            Some((parts.join("/"), object.size))
        });
        Ok(names.collect())
    }

    /// Stores a small object; it is durable on return.
    pub(crate) fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), BackupError> {
        let path = self.path(name);
        self.runtime
            .block_on(self.store.put(&path, PutPayload::from(bytes)))
            .map(drop)
            .map_err(|error| self.failed(error))
    }

    /// Takes objects away. What is gone already is as good. It is not durable: see [`Place::sync`].
    pub(crate) fn remove(&self, names: &[String]) -> Result<(), BackupError> {
        let paths: Vec<_> = names.iter().map(|name| Ok(self.path(name))).collect();
        let gone = self
            .store
            .delete_stream(futures_util::stream::iter(paths).boxed());
        let gone = gone.filter_map(|result| async {
            match result {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => None,
                Err(error) => Some(error),
            }
        });
        let failed: Vec<_> = self.runtime.block_on(gone.collect());
        match failed.into_iter().next() {
            None => Ok(()),
            Some(error) => Err(self.failed(error)),
        }
    }

    /// Makes durable what was taken away directly below `folder`. A store that is no folder does so
    /// before it answers.
    pub(crate) fn sync(&self, folder: &str) -> Result<(), BackupError> {
        let Some(place) = &self.folder else {
            return Ok(());
        };
        let path = place.join(folder);
        match sync_folder(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(BackupError::Local {
                path,
                source: error,
            }),
            _ => Ok(()),
        }
    }

    /// The bytes of a small object; `None` when there is none.
    pub(crate) fn read_small(&self, name: &str) -> Result<Option<Vec<u8>>, BackupError> {
        let Some(download) = self.download(name)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        let read = download.take(SMALL_BYTES_MAX + 1).read_to_end(&mut bytes);
        read.map_err(|error| self.broken(error))?;
        if bytes.len() as u64 > SMALL_BYTES_MAX {
            return Err(BackupError::damaged(name, "it is far too long"));
        }
        Ok(Some(bytes))
    }

    /// Reads an object as it comes; `None` when there is none.
    pub(crate) fn download(&self, name: &str) -> Result<Option<Download<'_>>, BackupError> {
        let path = self.path(name);
        match self.runtime.block_on(self.store.get(&path)) {
            Ok(found) => Ok(Some(Download {
                stream: found.into_stream(),
                runtime: &self.runtime,
                piece: Bytes::new(),
            })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Begins to store an object, which is there when [`Upload::finish`] returns, and not before.
    pub(crate) fn upload(&self, name: &str) -> Upload<'_> {
        Upload {
            place: self,
            path: self.path(name),
            begun: Vec::new(),
            parts: None,
        }
    }

    /// What failed while something was stored or a small object was read.
    pub(crate) fn broken(&self, error: io::Error) -> BackupError {
        match error.downcast::<object_store::Error>() {
            Ok(error) => self.failed(error),
            Err(source) => BackupError::Local {
                path: PathBuf::from(&self.name),
                source,
            },
        }
    }

    /// What failed while an object was read: the place, or what it holds.
    pub(crate) fn unreadable(&self, object: &str, error: io::Error) -> BackupError {
        match error.downcast::<object_store::Error>() {
            Ok(error) => self.failed(error),
            Err(error) => {
                BackupError::damaged(object, format!("it cannot be read to its end: {error}"))
            }
        }
    }
}

/// An object on its way here.
pub(crate) struct Download<'a> {
    stream: BoxStream<'static, object_store::Result<Bytes>>,
    runtime: &'a Runtime,
    piece: Bytes,
}

impl Read for Download<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.runtime.block_on(self.stream.try_next()) {
                Ok(Some(piece)) => self.piece = piece,
                Ok(None) => return Ok(0),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        let length = buffer.len().min(self.piece.len());
        let taken = self.piece.split_to(length);
        for (to, from) in buffer.iter_mut().zip(taken.iter()) {
            *to = *from;
        }
        Ok(length)
    }
}

/// An object on its way there: in one request while it is small, else in parts.
pub(crate) struct Upload<'a> {
    place: &'a Place,
    path: Path,
    begun: Vec<u8>,
    parts: Option<WriteMultipart>,
}

impl Upload<'_> {
    /// Makes the object be there, durably.
    pub(crate) fn finish(mut self) -> Result<(), BackupError> {
        let place = self.place;
        let stored = if let Some(parts) = self.parts.take() {
            place.runtime.block_on(parts.finish())
        } else {
            let bytes = PutPayload::from(std::mem::take(&mut self.begun));
            place.runtime.block_on(place.store.put(&self.path, bytes))
        };
        stored.map(drop).map_err(|error| place.failed(error))
    }
}

impl Write for Upload<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.parts.is_none() && self.begun.len() + bytes.len() <= PART_BYTES {
            self.begun.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        let place = self.place;
        let (path, begun) = (&self.path, std::mem::take(&mut self.begun));
        let parts = &mut self.parts;
        let written = place.runtime.block_on(async {
            let parts = if let Some(parts) = parts {
                parts
            } else {
                let upload = place.store.put_multipart(path).await?;
                parts.insert(WriteMultipart::new_with_chunk_size(upload, PART_BYTES))
            };
            parts.wait_for_capacity(PARTS_IN_FLIGHT).await?;
            parts.write(&begun);
            parts.write(bytes);
            Ok::<_, object_store::Error>(())
        });
        written.map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            // What is left of it costs room, nothing else; the first error is told already.
            let _ = self.place.runtime.block_on(parts.abort());
        }
    }
}

fn is_s3(location: &str) -> bool {
    location.starts_with("s3://")
}

fn is_folder(location: &str) -> bool {
    !location.is_empty() && !location.contains("://")
}

/// Makes a folder that only its owner can use and that is there after a power cut, with those above
/// it, if there is none.
pub(crate) fn make_folder(folder: &LocalPath) -> io::Result<()> {
    let missing: Vec<_> = folder.ancestors().take_while(|it| !it.exists()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if let Some(above) = folder.parent().filter(|it| *it != LocalPath::new("")) {
        std::fs::create_dir_all(above)?;
    }
    std::fs::DirBuilder::new().mode(0o700).create(folder)?;
    missing
        .into_iter()
        .try_for_each(|made| match made.parent() {
            Some(above) if above != LocalPath::new("") => sync_folder(above),
            _ => sync_folder(LocalPath::new(".")),
        })
}

/// Makes the names in a folder be there after a power cut.
pub(crate) fn sync_folder(folder: &LocalPath) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}
