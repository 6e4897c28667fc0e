//! Versionless DSUs (`vs`): one document that is replaced as a whole, without
//! bricks, anchors or history. Who may write may also forget: nothing here can
//! be verified later.
//!
//! ```text
//! body = base64url without padding ( JSON )                       without a key
//! body = base64url without padding ( envelope( JSON, key ) )      with one
//! JSON = {"folders":{"/":T,"d":T},"files":{"d/f":{"content":base64url,…T}}}
//! T    = {"ctime":ms,"mtime":ms,"atime":ms}
//! ```
//!
//! The same operations at the same times give the same text as the reference.
//! Unlike it, writing below a file or over a folder and deleting what is not
//! there are errors, and reading changes no `atime`.
//!
//! **Source:** dsu specification §13.

use std::fmt;

use keyssi::envelope::{self, EnvelopeError};
use keyssi::json::{Json, Object};
use keyssi::{Base64Error, EncryptionKey, KeySsi, base64};
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::brick_map::{Depth, NodeKind};
use crate::manifest::{MANIFEST_NAME, Manifest, ManifestError};
use crate::moment::Moment;
use crate::path::DsuPath;

const FOLDERS: &str = "folders";
const FILES: &str = "files";
const CONTENT: &str = "content";
/// The root is the one folder whose key has a slash.
const ROOT_KEY: &str = "/";
/// All three are set when something is written.
const TIMES: [&str; 3] = ["ctime", "mtime", "atime"];
/// When the content was last changed.
const MODIFIED: &str = "mtime";

/// A versionless DSU. `Debug` shows how much there is, not what.
#[derive(Clone, PartialEq)]
pub struct VersionlessDocument {
    root: Object,
}

/// One file or folder of a versionless DSU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionlessListed {
    /// Its absolute path.
    pub path: DsuPath,
    /// What it is.
    pub kind: NodeKind,
    /// When it was last changed, if the document says so.
    pub modified_at: Option<Moment>,
}

/// The body is not a versionless DSU.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VersionlessParseError {
    /// Other characters than base64url has.
    #[error("the document is not base64url text")]
    NotBase64(#[source] Base64Error),
    /// Altered, or sealed with another key.
    #[error("the document was not sealed with this key")]
    WrongKey(#[source] EnvelopeError),
    /// Not the JSON of a document; perhaps it needs a key.
    #[error("the document is not JSON with folders and files")]
    Malformed,
}

/// What was asked for cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VersionlessError {
    /// Nothing is at this path.
    #[error("there is nothing at {path}")]
    NotFound {
        /// The path.
        path: DsuPath,
    },
    /// A folder where a file is needed.
    #[error("{path} is a folder")]
    IsFolder {
        /// The path.
        path: DsuPath,
    },
    /// A file where a folder is needed.
    #[error("{path} is a file")]
    IsFile {
        /// The path.
        path: DsuPath,
    },
    /// The content of the file is no base64url text.
    #[error("the content of {path} is malformed")]
    MalformedFile {
        /// The path.
        path: DsuPath,
    },
    /// The mounts cannot be read or changed as asked.
    #[error("the mounts of the document")]
    Manifest(#[source] ManifestError),
}

impl Default for VersionlessDocument {
    fn default() -> Self {
        Self::new()
    }
}

impl VersionlessDocument {
    /// A document without files and folders.
    #[must_use]
    pub fn new() -> Self {
        let mut root = Object::new();
        root.set(FOLDERS, Object::new());
        root.set(FILES, Object::new());
        Self { root }
    }

    /// Reads a stored body with the key of the `vs`, if it has one
    /// ([`KeySsi::encryption_key`]).
    ///
    /// # Errors
    /// [`VersionlessParseError`] if the body is something else, or needs
    /// another key.
    pub fn parse(body: &[u8], key: Option<&EncryptionKey>) -> Result<Self, VersionlessParseError> {
        let body = str::from_utf8(body).map_err(|_| VersionlessParseError::Malformed)?;
        let stored = decode(body).map_err(VersionlessParseError::NotBase64)?;
        let plain = match key {
            Some(key) => envelope::open(key, &stored).map_err(VersionlessParseError::WrongKey)?,
            None => stored,
        };
        let text = str::from_utf8(&plain).map_err(|_| VersionlessParseError::Malformed)?;
        let Some(Json::Object(mut root)) = Json::parse(text) else {
            return Err(VersionlessParseError::Malformed);
        };
        for section in [FOLDERS, FILES] {
            match root.get(section) {
                None => root.set(section, Object::new()),
                Some(Json::Object(_)) => {}
                Some(_) => return Err(VersionlessParseError::Malformed),
            }
        }
        Ok(Self { root })
    }

    /// The body as it is to be stored, sealed if there is a key.
    ///
    /// # Errors
    /// [`EnvelopeError`] beyond 64 GiB.
    pub fn to_body(
        &self,
        key: Option<&EncryptionKey>,
        random: &mut impl CryptoRng,
    ) -> Result<String, EnvelopeError> {
        let json = Zeroizing::new(Json::Object(self.root.clone()).print());
        match key {
            Some(key) => Ok(encode(&envelope::seal(key, json.as_bytes(), random)?)),
            None => Ok(encode(json.as_bytes())),
        }
    }

    /// The content of a file.
    ///
    /// # Errors
    /// [`VersionlessError`] if there is no file at this path, or a broken one.
    pub fn read(&self, path: &DsuPath) -> Result<Zeroizing<Vec<u8>>, VersionlessError> {
        let Some(file) = self.member(FILES, file_key(path)) else {
            let path = path.clone();
            return Err(match self.kind(&path) {
                Some(_) => VersionlessError::IsFolder { path },
                None => VersionlessError::NotFound { path },
            });
        };
        let malformed = || VersionlessError::MalformedFile { path: path.clone() };
        let content = file.as_object().ok_or_else(malformed)?.get(CONTENT);
        match content {
            None | Some(Json::Null) => Ok(Zeroizing::default()),
            Some(Json::Text(text)) => {
                let text = text.decoded().map(Zeroizing::new).ok_or_else(malformed)?;
                decode(&text).map_err(|_| malformed())
            }
            Some(_) => Err(malformed()),
        }
    }

    /// What is at a path; folders count also if only a file below names them.
    #[must_use]
    pub fn kind(&self, path: &DsuPath) -> Option<NodeKind> {
        if self.member(FILES, file_key(path)).is_some() {
            return Some(NodeKind::File);
        }
        let mut below = self.paths(FOLDERS).chain(self.paths(FILES));
        let is_folder = path.is_root() || below.any(|(it, _)| it.starts_with(path));
        is_folder.then_some(NodeKind::Folder)
    }

    /// The folders, then the files below a folder, as stored.
    ///
    /// # Errors
    /// [`VersionlessError`] if there is no folder at this path.
    pub fn list(
        &self,
        folder: &DsuPath,
        depth: Depth,
    ) -> Result<Vec<VersionlessListed>, VersionlessError> {
        let path = folder.clone();
        match self.kind(folder) {
            None => return Err(VersionlessError::NotFound { path }),
            Some(NodeKind::File) => return Err(VersionlessError::IsFile { path }),
            Some(NodeKind::Folder) => {}
        }
        let mut found = Vec::new();
        for (section, kind) in [(FOLDERS, NodeKind::Folder), (FILES, NodeKind::File)] {
            for (path, record) in self.paths(section) {
                let is_child = match path.strip(folder) {
                    Some(rest) if rest.is_root() => false,
                    Some(rest) => depth == Depth::Recursive || rest.segments().count() == 1,
                    None => false,
                };
                if is_child {
                    let modified_at = modified_at(record);
                    found.push(VersionlessListed {
                        path,
                        kind,
                        modified_at,
                    });
                }
            }
        }
        Ok(found)
    }

    /// Creates or replaces a file; folders on the way are made.
    ///
    /// # Errors
    /// [`VersionlessError`] if a folder is there, or a file is on the way.
    pub fn write(
        &mut self,
        path: &DsuPath,
        bytes: &[u8],
        now: Moment,
    ) -> Result<(), VersionlessError> {
        let parent = self.check_file_place(path)?;
        self.make_folders(&parent, now);
        if self.member(FILES, file_key(path)).is_none() {
            self.touch(FOLDERS, folder_key(&parent), now);
        }
        self.put(path, bytes, now);
        Ok(())
    }

    /// Adds to the end of a file, which is created if it is not there.
    ///
    /// # Errors
    /// [`VersionlessError`] as for writing, or if the file is broken.
    pub fn append(
        &mut self,
        path: &DsuPath,
        bytes: &[u8],
        now: Moment,
    ) -> Result<(), VersionlessError> {
        let parent = self.check_file_place(path)?;
        let mut content = match self.read(path) {
            Err(VersionlessError::NotFound { .. }) => Zeroizing::default(),
            read => read?,
        };
        self.make_folders(&parent, now);
        content.extend_from_slice(bytes);
        self.put(path, &content, now);
        Ok(())
    }

    /// Creates a folder and those on the way. One that is there is only
    /// touched.
    ///
    /// # Errors
    /// [`VersionlessError::IsFile`] if a file is there or on the way.
    pub fn create_folder(&mut self, path: &DsuPath, now: Moment) -> Result<(), VersionlessError> {
        self.check_folder_place(path)?;
        self.make_folders(&path.parent().unwrap_or_else(DsuPath::root), now);
        self.touch(FOLDERS, folder_key(path), now);
        Ok(())
    }

    /// Deletes a file, or a folder with all below it.
    ///
    /// # Errors
    /// [`VersionlessError::NotFound`] if nothing is there,
    /// [`VersionlessError::IsFolder`] for the root.
    pub fn delete(&mut self, path: &DsuPath) -> Result<(), VersionlessError> {
        if path.is_root() {
            let path = path.clone();
            return Err(VersionlessError::IsFolder { path });
        }
        if self.kind(path).is_none() {
            let path = path.clone();
            return Err(VersionlessError::NotFound { path });
        }
        for section in [FOLDERS, FILES] {
            if let Some(members) = self.section(section) {
                members.retain(|key| {
                    let name = key.decoded().and_then(|key| DsuPath::parse(&key).ok());
                    name.is_none_or(|name| !name.starts_with(path))
                });
            }
        }
        Ok(())
    }

    /// The mounts.
    ///
    /// # Errors
    /// [`VersionlessError`] if the manifest is broken.
    pub fn manifest(&self) -> Result<Manifest, VersionlessError> {
        let json = match self.read(&manifest_path()) {
            Err(VersionlessError::NotFound { .. }) => Zeroizing::default(),
            read => read?,
        };
        Manifest::parse_relative(&json).map_err(VersionlessError::Manifest)
    }

    /// Mounts a DSU.
    ///
    /// # Errors
    /// [`VersionlessError`] if files are there, or [`Manifest::mount`] refuses.
    pub fn mount(
        &mut self,
        point: &DsuPath,
        ssi: &KeySsi,
        now: Moment,
    ) -> Result<(), VersionlessError> {
        let path = point.clone();
        match self.list(point, Depth::Recursive) {
            Ok(listed) if !listed.is_empty() => return Err(VersionlessError::IsFolder { path }),
            Err(VersionlessError::IsFile { .. }) => return Err(VersionlessError::IsFile { path }),
            _ => {}
        }
        let mut manifest = self.manifest()?;
        manifest
            .mount(point, ssi)
            .map_err(VersionlessError::Manifest)?;
        self.write(&manifest_path(), manifest.to_json().as_bytes(), now)
    }

    /// Takes a mount away.
    ///
    /// # Errors
    /// [`VersionlessError`] if there is none.
    pub fn unmount(&mut self, point: &DsuPath, now: Moment) -> Result<(), VersionlessError> {
        let mut manifest = self.manifest()?;
        manifest
            .unmount(point)
            .map_err(VersionlessError::Manifest)?;
        self.write(&manifest_path(), manifest.to_json().as_bytes(), now)
    }

    /// The folder of a file that is to be written.
    fn check_file_place(&self, path: &DsuPath) -> Result<DsuPath, VersionlessError> {
        let Some(parent) = path.parent() else {
            let path = path.clone();
            return Err(VersionlessError::IsFolder { path });
        };
        if self.kind(path) == Some(NodeKind::Folder) {
            let path = path.clone();
            return Err(VersionlessError::IsFolder { path });
        }
        self.check_folder_place(&parent)?;
        Ok(parent)
    }

    /// Neither the path nor any folder above it may be a file.
    fn check_folder_place(&self, path: &DsuPath) -> Result<(), VersionlessError> {
        let mut folder = Some(path.clone());
        while let Some(path) = folder {
            if self.kind(&path) == Some(NodeKind::File) {
                return Err(VersionlessError::IsFile { path });
            }
            folder = path.parent();
        }
        Ok(())
    }

    /// Creates the folder and those above it that are not there, root first.
    fn make_folders(&mut self, folder: &DsuPath, now: Moment) {
        if let Some(parent) = folder.parent() {
            self.make_folders(&parent, now);
        }
        if self.member(FOLDERS, folder_key(folder)).is_none() {
            self.touch(FOLDERS, folder_key(folder), now);
        }
    }

    fn put(&mut self, path: &DsuPath, bytes: &[u8], now: Moment) {
        let key = file_key(path);
        if self.member(FILES, key).is_none()
            && let Some(files) = self.section(FILES)
        {
            // The reference writes the content before the times.
            let mut file = Object::new();
            file.set(CONTENT, Json::Null);
            files.set(key, file);
        }
        self.touch(FILES, key, now);
        let file = self.section(FILES).and_then(|files| files.get_mut(key));
        if let Some(file) = file.and_then(Json::as_object_mut) {
            file.set(CONTENT, encode(bytes).as_str());
        }
    }

    /// Sets the times of a file or folder, which is created if it is not there.
    fn touch(&mut self, section: &str, key: &str, now: Moment) {
        let Some(members) = self.section(section) else {
            return;
        };
        if members.get(key).and_then(Json::as_object).is_none() {
            members.set(key, Object::new());
        }
        if let Some(record) = members.get_mut(key).and_then(Json::as_object_mut) {
            let now = now.millis().to_string();
            let now = Json::parse(&now).unwrap_or(Json::Null);
            for time in TIMES {
                record.set(time, now.clone());
            }
        }
    }

    /// The files or the folders. Both are there since the document was made.
    fn section(&mut self, name: &str) -> Option<&mut Object> {
        self.root.get_mut(name).and_then(Json::as_object_mut)
    }

    fn member(&self, section: &str, key: &str) -> Option<&Json> {
        self.root.get(section)?.as_object()?.get(key)
    }

    /// Everything in a section whose key can be a path.
    fn paths(&self, section: &str) -> impl Iterator<Item = (DsuPath, &Json)> {
        let members = self.root.get(section).and_then(Json::as_object);
        let members = members.into_iter().flat_map(Object::iter);
        members.filter_map(|(key, record)| {
            let path = DsuPath::parse(&key.decoded()?).ok()?;
            Some((path, record))
        })
    }
}

impl fmt::Debug for VersionlessDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VersionlessDocument")
            .field("folders", &self.paths(FOLDERS).count())
            .field("files", &self.paths(FILES).count())
            .finish_non_exhaustive()
    }
}

fn manifest_path() -> DsuPath {
    DsuPath::root().child(MANIFEST_NAME)
}

/// Keys have no leading slash.
fn file_key(path: &DsuPath) -> &str {
    path.as_str().trim_start_matches('/')
}

fn folder_key(path: &DsuPath) -> &str {
    if path.is_root() {
        ROOT_KEY
    } else {
        file_key(path)
    }
}

fn modified_at(record: &Json) -> Option<Moment> {
    let millis = record.as_object()?.get(MODIFIED)?.print();
    millis.parse().ok().map(Moment::from_millis)
}

/// Base64url without padding.
fn encode(bytes: &[u8]) -> String {
    let text = base64::encode(bytes);
    let digits = text.trim_end_matches('=').chars();
    digits
        .map(|digit| match digit {
            '+' => '-',
            '/' => '_',
            digit => digit,
        })
        .collect()
}

/// Either alphabet, with or without padding; nothing else.
fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, Base64Error> {
    let digits = text.trim_end_matches('=');
    let mut standard = Zeroizing::new(String::with_capacity(digits.len() + 3));
    standard.extend(digits.chars().map(|digit| match digit {
        '-' => '+',
        '_' => '/',
        digit => digit,
    }));
    while !standard.len().is_multiple_of(4) {
        standard.push('=');
    }
    base64::decode_canonical(&standard).map(Zeroizing::new)
}

#[cfg(test)]
mod tests;
