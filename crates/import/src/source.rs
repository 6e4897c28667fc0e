//! The folder of an `ApiHub`, as it lies on disk. Only read: files are opened for reading and
//! symbolic links are not followed.
//!
//! **Source:** dsu specification §15, reference-defects.md §3.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use keyssi::Domain;
use node::apihub::ApiHub;
use rustix::fs::OFlags;

use crate::finding::{Finding, Reason, Subject};

/// The folder with what an `ApiHub` stores.
#[derive(Debug, Clone)]
pub struct ApiHubFolder {
    volume: PathBuf,
}

/// The folder is none of an `ApiHub`, or cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It holds none of what an `ApiHub` stores.
    #[error(
        "{} holds neither external-volume nor domains, config or versionlessdsu; name the folder \
         of an ApiHub's installation, or its external-volume", .0.display()
    )]
    NotAnApiHub(PathBuf),
    /// It cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Its configuration cannot be read; the message names the file.
    #[error("{0}")]
    Config(String),
    /// It has neither data nor a configuration of a domain that was named.
    #[error("the ApiHub has no domain {wanted}; {}", has(known))]
    NoSuchDomain {
        /// The name.
        wanted: Domain,
        /// Those that it has, by their names.
        known: Vec<Domain>,
    },
}

/// The domains in words.
fn has(known: &[Domain]) -> String {
    if known.is_empty() {
        return "it has none".to_owned();
    }
    let names: Vec<_> = known.iter().map(Domain::as_str).collect();
    format!("it has {}", names.join(", "))
}

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    File,
    Folder,
    Symlink,
    Other,
}

/// An entry of a folder.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) path: PathBuf,
    pub(crate) name: OsString,
    pub(crate) shape: Shape,
    pub(crate) mark: Mark,
}

/// By what a change of a file is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Mark {
    /// Bytes.
    pub(crate) size: u64,
    /// Time of the last change of the content, in nanoseconds since the epoch.
    pub(crate) modified_ns: i128,
}

/// Why a file could not be read.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) reason: Reason,
    pub(crate) detail: String,
}

impl ApiHubFolder {
    /// Finds out where in `dir` the data are: below `external-volume`, or right there.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn open(dir: &Path) -> Result<Self, SourceError> {
        let read = |source| SourceError::Read {
            path: dir.to_owned(),
            source,
        };
        let dir = dir.canonicalize().map_err(read)?;
        fs::read_dir(&dir).map_err(read)?;
        let inner = dir.join("external-volume");
        let volume = if inner.is_dir() { inner } else { dir.clone() };
        let known = ["domains", "config", "versionlessdsu"];
        if known.iter().any(|name| volume.join(name).is_dir()) {
            Ok(Self { volume })
        } else {
            Err(SourceError::NotAnApiHub(dir))
        }
    }

    /// The folder `external-volume`, without symbolic links in its path.
    #[must_use]
    pub fn volume(&self) -> &Path {
        &self.volume
    }

    /// The configuration, if there is a folder with one.
    #[must_use]
    pub fn config(&self) -> Option<ApiHub> {
        ApiHub::in_volume(&self.volume)
    }

    /// What is in the volume that no node of ours has a use for: names of folders and files.
    ///
    /// # Errors
    /// When the volume cannot be read.
    pub fn left_alone(&self) -> Result<Vec<String>, SourceError> {
        let known = ["domains", "config", "versionlessdsu"];
        let items = listed(&self.volume)?;
        let names = items
            .into_iter()
            .map(|item| item.name.to_string_lossy().into_owned());
        Ok(names.filter(|it| !known.contains(&it.as_str())).collect())
    }

    /// The folders of domains to be taken, and a finding for each of the others. `named` are the
    /// domains that the configuration names; `None` takes all.
    pub(crate) fn domains(
        &self,
        named: Option<&BTreeSet<Domain>>,
    ) -> Result<(Vec<Domain>, Vec<Finding>), SourceError> {
        let folder = self.volume.join("domains");
        let (mut domains, mut findings) = (Vec::new(), Vec::new());
        if !folder.exists() {
            return Ok((domains, findings));
        }
        for item in listed(&folder)? {
            let skip = |reason, detail: &str| {
                Finding::skipped(Subject::Domain, self.shown(&item.path), reason, detail)
            };
            let name = item.name.to_string_lossy();
            match (item.shape, name.parse::<Domain>()) {
                (Shape::Symlink, _) => findings.push(skip(Reason::Symlink, "not followed")),
                (Shape::File | Shape::Other, _) => {
                    findings.push(skip(Reason::NotAFile, "it is not the folder of a domain"));
                }
                (Shape::Folder, Err(error)) => {
                    findings.push(skip(Reason::ForeignName, &error.to_string()));
                }
                (Shape::Folder, Ok(domain)) if named.is_some_and(|it| !it.contains(&domain)) => {
                    findings.push(skip(
                        Reason::UnknownDomain,
                        "no file config/domains names it; --domain takes it all the same",
                    ));
                }
                (Shape::Folder, Ok(domain)) => domains.push(domain),
            }
        }
        Ok((domains, findings))
    }

    /// Refuses names of domains that the folder does not know: a mistyped one would be found empty.
    /// `configured` are those that its configuration names.
    pub(crate) fn require(
        &self,
        wanted: &[Domain],
        configured: &BTreeSet<Domain>,
    ) -> Result<(), SourceError> {
        let folder = self.volume.join("domains");
        // Whatever it is that lies there: a finding says what is wrong with it.
        let is_there = |domain: &Domain| folder.join(domain.as_str()).symlink_metadata().is_ok();
        let mut unknown = wanted.iter();
        let unknown = unknown.find(|it| !configured.contains(*it) && !is_there(it));
        let Some(wanted) = unknown.cloned() else {
            return Ok(());
        };
        let (mut known, _) = self.domains(None)?;
        known.extend(configured.iter().cloned());
        known.sort_unstable();
        known.dedup();
        Err(SourceError::NoSuchDomain { wanted, known })
    }

    /// The path as reports name it: from the volume on.
    pub(crate) fn shown(&self, path: &Path) -> String {
        let inner = path.strip_prefix(&self.volume).unwrap_or(path);
        inner.display().to_string()
    }
}

impl Mark {
    fn of(metadata: &Metadata) -> Self {
        let seconds = i128::from(metadata.mtime()) * 1_000_000_000;
        Self {
            size: metadata.len(),
            modified_ns: seconds + i128::from(metadata.mtime_nsec()),
        }
    }
}

impl Unread {
    fn io(error: &io::Error) -> Self {
        Self {
            reason: Reason::Unreadable,
            detail: error.to_string(),
        }
    }

    fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }
}

/// The entries of a folder that must be readable.
fn listed(folder: &Path) -> Result<Vec<Item>, SourceError> {
    items(folder).map_err(|source| SourceError::Read {
        path: folder.to_owned(),
        source,
    })
}

/// The entries of a folder, by name. For folders that are not large: it holds all of them.
pub(crate) fn items(folder: &Path) -> io::Result<Vec<Item>> {
    let mut items = Vec::new();
    each_item(folder, &mut |item| {
        items.push(item);
        Some(())
    })?;
    items.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(items)
}

/// Gives the entries of a folder, in no order, none that vanished meanwhile, until `take` wants no
/// more.
pub(crate) fn each_item(folder: &Path, take: &mut dyn FnMut(Item) -> Option<()>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Of the entry itself: links are not followed.
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let kind = metadata.file_type();
        let shape = if kind.is_symlink() {
            Shape::Symlink
        } else if kind.is_dir() {
            Shape::Folder
        } else if kind.is_file() {
            Shape::File
        } else {
            Shape::Other
        };
        let item = Item {
            path: entry.path(),
            name: entry.file_name(),
            shape,
            mark: Mark::of(&metadata),
        };
        if take(item).is_none() {
            break;
        }
    }
    Ok(())
}

/// All of a file of at most `bytes_max` bytes that does not change while it is read.
pub(crate) fn read_whole(item: &Item, bytes_max: u64) -> Result<Vec<u8>, Unread> {
    let changing = || Unread::new(Reason::Changing, "it changed while it was read");
    match item.shape {
        Shape::File => {}
        Shape::Symlink => return Err(Unread::new(Reason::Symlink, "not followed")),
        Shape::Folder => return Err(Unread::new(Reason::NotAFile, "it is a folder")),
        Shape::Other => return Err(Unread::new(Reason::NotAFile, "it is no file")),
    }
    if item.mark.size > bytes_max {
        let detail = format!(
            "it has {} bytes; at most {bytes_max} are stored",
            item.mark.size
        );
        return Err(Unread::new(Reason::TooLarge, detail));
    }
    // A link or a pipe that took the file's place meanwhile is not followed and not waited for.
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or(0);
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(&item.path);
    let mut file = opened.map_err(|error| Unread::io(&error))?;
    let mark = |file: &File| -> Result<Mark, Unread> {
        let metadata = file.metadata().map_err(|error| Unread::io(&error))?;
        if metadata.is_file() {
            Ok(Mark::of(&metadata))
        } else {
            Err(Unread::new(Reason::NotAFile, "it is no file any more"))
        }
    };
    if mark(&file)? != item.mark {
        return Err(changing());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(item.mark.size).unwrap_or(0) + 1);
    let read = (&mut file).take(item.mark.size + 1).read_to_end(&mut bytes);
    read.map_err(|error| Unread::io(&error))?;
    if mark(&file)? != item.mark || bytes.len() as u64 != item.mark.size {
        return Err(changing());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_that_is_not_there_is_told_from_those_that_are() {
        let folder = tempfile::tempdir().unwrap();
        // One with bricks alone is one.
        fs::create_dir_all(folder.path().join("domains/half/brick-storage")).unwrap();
        fs::create_dir_all(folder.path().join("domains/whole/anchors")).unwrap();
        let source = ApiHubFolder::open(folder.path()).unwrap();
        let named = |names: &[&str]| -> Vec<Domain> {
            names.iter().map(|it| it.parse().unwrap()).collect()
        };
        let configured = BTreeSet::from_iter(named(&["default", "half"]));
        let check = |wanted: &[&str]| source.require(&named(wanted), &configured);
        check(&[]).unwrap();
        check(&["half", "whole", "default"]).unwrap();
        let said = check(&["half", "nosuch"]).unwrap_err().to_string();
        let expected = "the ApiHub has no domain nosuch; it has default, half, whole";
        assert_eq!(said, expected);
    }
}
