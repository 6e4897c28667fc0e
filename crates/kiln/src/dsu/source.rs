//! What is to be stored, found on the disk before anything is sent.
//!
//! Symbolic links inside a folder are followed to files inside that folder only; what leads out of
//! it, pipes, sockets and devices are refused, and so are names that could not be brought back to
//! a disk. Nothing is left out in silence.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use dsu::{DsuPath, Moment};
use rustix::fs::OFlags;

use super::draft::Changes;
use super::target::check_name;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::pull::STATE_NAME;

/// Deeper folders are refused: paths in a DSU have a limit, and so has the stack.
const DEPTH_MAX: usize = dsu::SEGMENTS_MAX;

/// Files and folders with their places in the DSU, folders before what is in them.
#[derive(Default)]
pub(crate) struct Sources {
    items: Vec<Item>,
    bytes: u64,
}

struct Item {
    place: DsuPath,
    content: Content,
}

enum Content {
    Folder,
    File(PathBuf),
    Stdin,
}

/// What was written into a draft.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

impl Sources {
    /// All sources below or at `target`. One that ends with `/`, the root too, takes each source
    /// under its own name; any other is the place of the one source itself.
    ///
    /// # Errors
    /// [`Exit::Usage`] for a call that makes no sense, else what is wrong with a file.
    pub(crate) fn find(sources: &[String], target: &str) -> Result<Self, Failure> {
        let folder = place(&DsuPath::root(), target)?;
        let takes_names = folder.is_root() || target.ends_with('/');
        if !takes_names && sources.len() > 1 {
            let message = format!("several sources cannot all be stored at {folder}");
            return Err(Failure::new(Exit::Usage, message)
                .next(format!("name a folder for them, as {folder}/")));
        }
        let mut found = Self::default();
        for source in sources {
            if source == "-" {
                if takes_names {
                    return Err(
                        Failure::new(Exit::Usage, "what comes from stdin has no name")
                            .next("give the whole path of the file in the DSU as the target"),
                    );
                }
                found.push(folder.clone(), Content::Stdin);
                continue;
            }
            let path = Path::new(source);
            let place = match own_name(source)? {
                Some(name) if takes_names => place_of(&folder, name, path)?,
                _ => folder.clone(),
            };
            found.add(path, place)?;
        }
        found.check_places()?;
        Ok(found)
    }

    /// Refuses two files for one place: the first would be lost.
    fn check_places(&self) -> Result<(), Failure> {
        let mut taken = BTreeSet::new();
        for item in &self.items {
            if !matches!(item.content, Content::Folder) && !taken.insert(&item.place) {
                let message = format!("two sources would both be stored at {}", item.place);
                return Err(Failure::new(Exit::Usage, message)
                    .next("store them in two folders, one command for each"));
            }
        }
        Ok(())
    }

    /// Writes everything into the draft. Files are opened one after the other.
    ///
    /// # Errors
    /// What is wrong with a file, the path in the DSU or the node.
    pub(crate) async fn write(
        &self,
        changes: &mut Changes,
        now: Moment,
        context: &Context<'_>,
    ) -> Result<Written, Failure> {
        let is_known = !self
            .items
            .iter()
            .any(|it| matches!(it.content, Content::Stdin));
        context
            .progress
            .begin("storing", is_known.then_some(self.bytes));
        let mut written = Written::default();
        for item in &self.items {
            let place = changes.inner(&item.place)?;
            let draft = &mut changes.draft;
            match &item.content {
                Content::Folder => {
                    draft.create_folder(&place, now).await?;
                    continue;
                }
                Content::File(path) => {
                    let file = tokio::fs::File::from_std(open(path)?);
                    written.bytes += draft.write(&place, file, now).await?;
                }
                Content::Stdin => {
                    written.bytes += draft.write(&place, stdin()?, now).await?;
                }
            }
            written.files += 1;
        }
        Ok(written)
    }

    fn add(&mut self, path: &Path, place: DsuPath) -> Result<(), Failure> {
        let found = fs::metadata(path).map_err(|error| cannot_read(path, error))?;
        if found.is_dir() {
            let root = fs::canonicalize(path).map_err(|error| cannot_read(path, error))?;
            return self.add_folder(path, &place, &root, 0);
        }
        self.add_file(path, place, &found)
    }

    fn add_file(
        &mut self,
        path: &Path,
        place: DsuPath,
        found: &fs::Metadata,
    ) -> Result<(), Failure> {
        if !found.is_file() {
            let message = format!("{} is neither a file nor a folder", path.display());
            return Err(Failure::new(Exit::Local, message)
                .next("leave it out; a pipe's content can be given on stdin, as -"));
        }
        if place.is_root() {
            let message = format!("{} has no name of its own", path.display());
            return Err(Failure::new(Exit::Usage, message)
                .next("give the whole path of the file in the DSU as the target"));
        }
        self.bytes = self.bytes.saturating_add(found.len());
        // The link was judged; what is opened later must be what was judged.
        let path = fs::canonicalize(path).map_err(|error| cannot_read(path, error))?;
        self.push(place, Content::File(path));
        Ok(())
    }

    fn add_folder(
        &mut self,
        path: &Path,
        place: &DsuPath,
        root: &Path,
        depth: usize,
    ) -> Result<(), Failure> {
        if depth > DEPTH_MAX {
            let message = format!("{} lies too deep", path.display());
            return Err(Failure::new(Exit::Usage, message).next("store a folder further down"));
        }
        if !place.is_root() {
            self.push(place.clone(), Content::Folder);
        }
        let read = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = read.map_err(|error| cannot_read(path, error))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let name = entry.file_name();
            let name = name
                .to_str()
                .ok_or_else(|| unfit(&path, "is no UTF-8 text"))?;
            // What `kiln pull` notes in a folder is of that folder, not of the record.
            if name == STATE_NAME {
                continue;
            }
            let place = place_of(place, name, &path)?;
            let kind = entry
                .file_type()
                .map_err(|error| cannot_read(&path, error))?;
            if kind.is_dir() {
                self.add_folder(&path, &place, root, depth + 1)?;
                continue;
            }
            if kind.is_symlink() {
                check_link(&path, root)?;
            }
            let found = fs::metadata(&path).map_err(|error| cannot_read(&path, error))?;
            self.add_file(&path, place, &found)?;
        }
        Ok(())
    }

    fn push(&mut self, place: DsuPath, content: Content) {
        self.items.push(Item { place, content });
    }
}

/// The name that a source goes by; `None` for `.`, `..` and what ends with `/.`, whose contents
/// are meant.
fn own_name(source: &str) -> Result<Option<&str>, Failure> {
    let trimmed = source.trim_end_matches('/');
    let name = trimmed.rsplit('/').next().unwrap_or_default();
    match name {
        "." | ".." => Ok(None),
        "" => Err(Failure::new(Exit::Usage, "the root folder has no name")
            .next("name the folders in it that are meant")),
        name => Ok(Some(name)),
    }
}

/// A symbolic link in a folder must lead to a file in that folder.
fn check_link(path: &Path, root: &Path) -> Result<(), Failure> {
    let end = fs::canonicalize(path).map_err(|error| cannot_read(path, error))?;
    if end.starts_with(root) && end.is_file() {
        return Ok(());
    }
    let message = format!(
        "{} is a symbolic link to something that is no file in the same folder",
        path.display()
    );
    Err(Failure::new(Exit::Local, message)
        .next("put a copy in its place, or store what it leads to by its own path"))
}

fn place(folder: &DsuPath, path: &str) -> Result<DsuPath, Failure> {
    folder.join(path).map_err(|error| {
        Failure::new(Exit::Usage, format!("{path} is no path in a DSU"))
            .because(error)
            .next("write it as in /folder/file")
    })
}

fn place_of(folder: &DsuPath, name: &str, path: &Path) -> Result<DsuPath, Failure> {
    check_name(name).map_err(|reason| unfit(path, reason))?;
    place(folder, name)
}

fn open(path: &Path) -> Result<File, Failure> {
    // A pipe that was put in the place of the file since must not block.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = file.map_err(|error| cannot_read(path, error))?;
    let is_file = file.metadata().is_ok_and(|it| it.is_file());
    if is_file {
        return Ok(file);
    }
    let message = format!("{} is no file any more", path.display());
    Err(Failure::new(Exit::Local, message).next("try again when nothing changes the folder"))
}

fn stdin() -> Result<tokio::fs::File, Failure> {
    let owned = std::io::stdin().as_fd().try_clone_to_owned();
    let owned = owned.map_err(|error| Failure::io("stdin cannot be read", error))?;
    Ok(tokio::fs::File::from_std(File::from(owned)))
}

fn unfit(path: &Path, reason: &str) -> Failure {
    let message = format!("the name of {} {reason}", path.display());
    Failure::new(Exit::Usage, message).next("give it another name, or leave it out")
}

fn cannot_read(path: &Path, error: std::io::Error) -> Failure {
    Failure::io(format!("{} cannot be read", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local_file::create_private;
    use std::os::unix::fs::symlink;

    fn places(sources: &[String], target: &str) -> Result<Vec<String>, Failure> {
        let found = Sources::find(sources, target)?;
        Ok(found.items.iter().map(|it| it.place.to_string()).collect())
    }

    fn at(folder: &Path, path: &str) -> String {
        folder.join(path).to_str().unwrap().to_owned()
    }

    #[test]
    fn every_source_has_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("docs/deep/empty")).unwrap();
        create_private(&root.join("a.txt"), b"a").unwrap();
        create_private(&root.join("docs/b.txt"), b"b").unwrap();
        symlink("b.txt", root.join("docs/same.txt")).unwrap();
        let file = at(root, "a.txt");
        let docs = at(root, "docs");
        let below = ["", "/b.txt", "/deep", "/deep/empty", "/same.txt"];
        let under = |place: &str| below.map(|it| format!("{place}{it}")).to_vec();
        let check = |sources: &[&String], target: &str, expected: &[String]| {
            let sources: Vec<String> = sources.iter().map(|it| (*it).clone()).collect();
            assert_eq!(places(&sources, target).unwrap(), expected, "{target}");
        };
        check(&[&file], "/", &["/a.txt".into()]);
        check(&[&file], "/x", &["/x".into()]);
        check(&[&file], "/x/", &["/x/a.txt".into()]);
        check(&[&docs], "/", &under("/docs"));
        check(&[&format!("{docs}/")], "/", &under("/docs"));
        check(&[&docs], "/x", &under("/x"));
        check(&[&docs], "/x/", &under("/x/docs"));
        let all = under("");
        check(&[&format!("{docs}/.")], "/", all.get(1..).unwrap());
        check(&[&"-".to_owned()], "/x", &["/x".into()]);
        for (sources, target) in [
            (vec![file.clone(), docs.clone()], "/x"),
            (vec!["-".into()], "/"),
            (vec![at(root, "none")], "/"),
            (vec![file.clone()], "/../x"),
            (vec!["/dev/null".into()], "/"),
        ] {
            assert!(places(&sources, target).is_err(), "{sources:?} {target}");
        }
    }

    #[test]
    fn links_that_lead_elsewhere_and_names_that_no_disk_takes_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let docs = folder.path().join("docs");
        fs::create_dir_all(docs.join("deep")).unwrap();
        create_private(&folder.path().join("secret"), b"a").unwrap();
        for end in ["../secret", "deep", "none", "/etc/hostname", "link"] {
            let link = docs.join("link");
            symlink(end, &link).unwrap();
            assert!(places(&[at(folder.path(), "docs")], "/").is_err(), "{end}");
            fs::remove_file(link).unwrap();
        }
        for name in ["a\\b", "a\nb"] {
            create_private(&docs.join(name), b"a").unwrap();
            let failure = places(&[at(folder.path(), "docs")], "/").unwrap_err();
            assert!(failure.to_string().contains("the name of"), "{failure}");
            fs::remove_file(docs.join(name)).unwrap();
        }
        assert!(places(&[at(folder.path(), "docs")], "/").is_ok());
    }
}
