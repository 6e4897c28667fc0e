//! What is pushed: the items of a folder or of an NDJSON file, and what each is made of.
//!
//! An item is planned before anything of it is sent: its files are read once for their SHA-256,
//! which make the fingerprint of the item. While they are sent they are hashed again, so that a
//! file that changes in between is noticed before anything is anchored.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use dsu::DsuPath;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::dsu::target::check_name;
use crate::exit::{Exit, Failure};
use crate::hex::hex;
use crate::pull::STATE_NAME;

/// Where the content of a line stands in its DSU.
const LINE_PATH: &str = "/record.json";
/// Longest line of an NDJSON file. It is held in memory, once for each item in work.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Longest `id` of a line: it is the item's name, which stands in each line of the journal.
const ID_BYTES_MAX: usize = 1024;
/// Bytes read at a time.
const BUFFER_BYTES: usize = 256 * 1024;
/// Folders in folders; brick maps go no deeper.
const DEPTH_MAX: usize = 200;

/// What becomes a DSU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Per {
    /// Each folder in DIR, with all that is in it
    Folder,
    /// Each file in DIR, at any depth, or FILE itself
    File,
    /// Each line of the NDJSON file
    Line,
}

/// A future DSU.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Its name, the same in every run: the path below DIR, or the id in the line.
    pub(super) name: String,
    /// Where its content is.
    pub(super) origin: Origin,
}

/// Where the content of an item is.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// A folder with all that is in it.
    Folder(PathBuf),
    /// One file.
    File(PathBuf),
    /// One line of a file, without its line feed.
    Line(Range),
    /// There is nothing to send, and that is no fault.
    Nothing(&'static str),
    /// It cannot be an item.
    Unusable(String),
}

/// A part of an open file.
#[derive(Debug, Clone)]
pub(super) struct Range {
    pub(super) file: Arc<File>,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    /// What stood there when the file was cut into lines.
    pub(super) sha256: [u8; 32],
}

/// What an item's DSU will hold.
#[derive(Debug)]
pub(super) struct Plan {
    /// Its folders, outer ones first.
    pub(super) folders: Vec<DsuPath>,
    /// Its files, by path.
    pub(super) files: Vec<PlannedFile>,
    /// A SHA-256 over paths and contents, hexadecimal.
    pub(super) fingerprint: String,
}

/// A file of a DSU.
#[derive(Debug)]
pub(super) struct PlannedFile {
    pub(super) path: DsuPath,
    pub(super) place: Place,
    pub(super) sha256: [u8; 32],
    pub(super) bytes: u64,
}

/// Where the content of a file is.
#[derive(Debug, Clone)]
pub(super) enum Place {
    File(PathBuf),
    Range(Range),
}

/// The items of a source, by name, and how it is cut if that was not said.
///
/// # Errors
/// [`Exit::Usage`] if the source cannot be cut in this way, [`Exit::Local`] if it cannot be read.
pub(super) fn items(source: &Path, per: Per) -> Result<Vec<Item>, Failure> {
    let is_folder = fs::metadata(source)
        .map_err(|error| cannot_read(source, error))?
        .is_dir();
    let mut items = match (per, is_folder) {
        (Per::Folder, true) => folders_in(source)?,
        (Per::File, true) => {
            let mut items = Vec::new();
            files_in(source, "", 0, &mut items)?;
            items
        }
        (Per::File, false) => vec![file_item(source)],
        (Per::Line, false) => return lines_of(source),
        (Per::Folder, false) => {
            let message = format!("{} is a file", source.display());
            return Err(Failure::new(Exit::Usage, message).next("use --per line or --per file"));
        }
        (Per::Line, true) => {
            let message = format!("{} is a folder", source.display());
            return Err(Failure::new(Exit::Usage, message).next("use --per folder or --per file"));
        }
    };
    items.sort_by(|one, two| one.name.cmp(&two.name));
    Ok(items)
}

/// What a source is cut into when nothing is said.
pub(super) fn per_default(source: &Path) -> Per {
    if source.is_dir() {
        Per::Folder
    } else {
        Per::Line
    }
}

fn file_item(source: &Path) -> Item {
    let name = source
        .file_name()
        .map_or_else(|| "file".into(), |it| it.to_string_lossy());
    Item {
        name: name.into_owned(),
        origin: Origin::File(source.to_owned()),
    }
}

fn folders_in(source: &Path) -> Result<Vec<Item>, Failure> {
    let mut items = Vec::new();
    for entry in entries(source).map_err(|error| cannot_read(source, error))? {
        let (name, path, kind) = entry;
        let origin = match (&name, kind) {
            (Err(why), _) => Origin::Unusable(why.clone()),
            (_, Kind::Folder) => Origin::Folder(path),
            (_, Kind::File) => Origin::Nothing("a file beside the folders; --per file pushes it"),
            (_, Kind::Other(why)) => Origin::Unusable(why.to_owned()),
        };
        items.push(Item {
            name: shown(name, &origin),
            origin,
        });
    }
    Ok(items)
}

fn files_in(
    folder: &Path,
    below: &str,
    depth: usize,
    items: &mut Vec<Item>,
) -> Result<(), Failure> {
    let listed = match entries(folder) {
        Err(error) if below.is_empty() => return Err(cannot_read(folder, error)),
        Err(error) => {
            let origin = Origin::Unusable(format!("the folder cannot be read: {error}"));
            items.push(Item {
                name: below.trim_end_matches('/').to_owned(),
                origin,
            });
            return Ok(());
        }
        Ok(listed) => listed,
    };
    if listed.is_empty() && !below.is_empty() {
        let name = below.trim_end_matches('/').to_owned();
        items.push(Item {
            name,
            origin: Origin::Nothing("an empty folder"),
        });
    }
    for (name, path, kind) in listed {
        let origin = match (&name, kind) {
            (Err(why), _) => Origin::Unusable(why.clone()),
            (Ok(_), Kind::Folder) if depth >= DEPTH_MAX => {
                Origin::Unusable("folders are nested too deep".to_owned())
            }
            (Ok(name), Kind::Folder) => {
                files_in(&path, &format!("{below}{name}/"), depth + 1, items)?;
                continue;
            }
            (Ok(_), Kind::File) => Origin::File(path),
            (Ok(_), Kind::Other(why)) => Origin::Unusable(why.to_owned()),
        };
        items.push(Item {
            name: format!("{below}{}", shown(name, &origin)),
            origin,
        });
    }
    Ok(())
}

/// The lines of an NDJSON file, in their order. The name of a line is its member `id`, so that it
/// stays the same when lines are added before it; without one it is a hash of its content. A number
/// would make another record of tomorrow's file a new version of this one's DSU, for its readers.
fn lines_of(source: &Path) -> Result<Vec<Item>, Failure> {
    let failed = |error| cannot_read(source, error);
    let file = Arc::new(File::open(source).map_err(failed)?);
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, file.as_ref());
    let mut items = Vec::new();
    let mut seen: HashMap<String, u64> = HashMap::new();
    let (mut offset, mut number) = (0, 0_u64);
    let mut line = Vec::new();
    loop {
        line.clear();
        let limited = (&mut reader).take(LINE_BYTES_MAX);
        let read = { limited }.read_until(b'\n', &mut line).map_err(failed)?;
        if read == 0 {
            return Ok(items);
        }
        number += 1;
        let start = offset;
        offset += count(read);
        let is_too_long = count(read) == LINE_BYTES_MAX && line.last() != Some(&b'\n');
        if is_too_long {
            offset += skip_line(&mut reader).map_err(failed)?;
        }
        let text = line.trim_ascii_end();
        if text.is_empty() {
            continue;
        }
        let range = Range {
            file: Arc::clone(&file),
            offset: start,
            bytes: count(text.len()),
            sha256: Sha256::digest(text).into(),
        };
        let item = if is_too_long {
            let why = format!("the line has more than {LINE_BYTES_MAX} bytes");
            Item {
                name: format!("line-{number}"),
                origin: Origin::Unusable(why),
            }
        } else {
            line_item(text, number, range, &mut seen)
        };
        items.push(item);
    }
}

fn line_item(text: &[u8], number: u64, range: Range, seen: &mut HashMap<String, u64>) -> Item {
    let unusable = |why: String| Item {
        name: format!("line-{number}"),
        origin: Origin::Unusable(why),
    };
    let value: Value = match serde_json::from_slice(text) {
        Ok(value) => value,
        // Where it goes wrong, and nothing of what stands there.
        Err(error) => return unusable(format!("not JSON from column {} on", error.column())),
    };
    let id = value
        .get("id")
        .and_then(Value::as_str)
        .filter(|it| !it.is_empty());
    if id.is_some_and(|it| it.len() > ID_BYTES_MAX) {
        return unusable(format!("its id has more than {ID_BYTES_MAX} bytes"));
    }
    let name = id.map_or_else(|| name_by_content(&range), str::to_owned);
    if let Some(first) = seen.get(&name) {
        return unusable(format!("line {first} has the same name, {name}"));
    }
    seen.insert(name.clone(), number);
    Item {
        name,
        origin: Origin::Line(range),
    }
}

/// The name of a line without an id.
fn name_by_content(line: &Range) -> String {
    format!("line-{}", hex(line.sha256.get(..16).unwrap_or_default()))
}

/// Reads to the end of a line and gives the bytes passed over.
fn skip_line(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = reader.fill_buf()?;
        let end = buffer.iter().position(|it| *it == b'\n');
        let taken = end.map_or(buffer.len(), |it| it + 1);
        if taken == 0 {
            return Ok(skipped);
        }
        reader.consume(taken);
        skipped += count(taken);
        if end.is_some() {
            return Ok(skipped);
        }
    }
}

/// Reads an item and says what its DSU will hold.
///
/// # Errors
/// Why not, in words, naming the file.
pub(super) fn plan(origin: &Origin) -> Result<Plan, String> {
    let (mut folders, mut places) = (Vec::new(), Vec::new());
    match origin {
        Origin::Folder(path) => walk(path, &DsuPath::root(), 0, &mut folders, &mut places)?,
        Origin::File(path) => {
            let name = path.file_name().and_then(|it| it.to_str());
            let name = name.ok_or_else(|| NOT_UTF8.to_owned())?;
            places.push((child(&DsuPath::root(), name)?, Place::File(path.clone())));
        }
        Origin::Line(range) => {
            let path = DsuPath::parse(LINE_PATH).map_err(|error| error.to_string())?;
            places.push((path, Place::Range(range.clone())));
        }
        Origin::Nothing(why) => return Err((*why).to_owned()),
        Origin::Unusable(why) => return Err(why.clone()),
    }
    folders.sort();
    places.sort_by(|one, two| one.0.cmp(&two.0));
    let mut files = Vec::with_capacity(places.len());
    for (path, place) in places {
        let hashed = hash(&place);
        let (sha256, bytes) = hashed.map_err(|error| format!("{path} cannot be read: {error}"))?;
        // Names and places are as old as the run; another record may stand there by now.
        if let Place::Range(range) = &place
            && range.sha256 != sha256
        {
            return Err("the file changed since its lines were read; push again".to_owned());
        }
        files.push(PlannedFile {
            path,
            place,
            sha256,
            bytes,
        });
    }
    let fingerprint = fingerprint(&folders, &files);
    Ok(Plan {
        folders,
        files,
        fingerprint,
    })
}

/// Gathers a folder. One thing in it that cannot be stored stops it: a record that lacks a part
/// without saying so would be worse than none.
fn walk(
    folder: &Path,
    point: &DsuPath,
    depth: usize,
    folders: &mut Vec<DsuPath>,
    places: &mut Vec<(DsuPath, Place)>,
) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("{point}: folders are nested too deep"));
    }
    let listed = entries(folder).map_err(|error| format!("{point} cannot be read: {error}"))?;
    for (name, path, kind) in listed {
        let name = name.map_err(|why| format!("in {point}: {why}"))?;
        let inner = child(point, &name)?;
        match kind {
            Kind::Folder => {
                folders.push(inner.clone());
                walk(&path, &inner, depth + 1, folders, places)?;
            }
            Kind::File => places.push((inner, Place::File(path))),
            Kind::Other(why) => return Err(format!("{inner} is {why}")),
        }
    }
    Ok(())
}

/// The path of a name in a folder. Names that could not be brought back to a disk are refused.
fn child(folder: &DsuPath, name: &str) -> Result<DsuPath, String> {
    check_name(name).map_err(|reason| format!("the name {name:?} {reason}"))?;
    folder
        .join(name)
        .map_err(|error| format!("{name}: {error}"))
}

fn hash(place: &Place) -> io::Result<([u8; 32], u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut bytes = 0;
    let file = match place {
        Place::File(path) => Some(File::open(path)?),
        Place::Range(_) => None,
    };
    loop {
        let read = match (&file, place) {
            (Some(file), _) => { file }.read(&mut buffer)?,
            (None, Place::Range(range)) => range.read_at(&mut buffer, bytes)?,
            (None, Place::File(_)) => 0,
        };
        if read == 0 {
            return Ok((hasher.finalize().into(), bytes));
        }
        bytes += count(read);
        hasher.update(buffer.get(..read).unwrap_or_default());
    }
}

impl Range {
    /// Reads from `place` bytes after the beginning on.
    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize> {
        let left = usize::try_from(self.bytes.saturating_sub(place)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let buffer = buffer.get_mut(..wanted).unwrap_or_default();
        self.file.read_at(buffer, self.offset.saturating_add(place))
    }

    /// All of it.
    pub(super) fn read(&self) -> io::Result<Vec<u8>> {
        let mut all = vec![0; usize::try_from(self.bytes).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut all, self.offset)?;
        Ok(all)
    }
}

fn fingerprint(folders: &[DsuPath], files: &[PlannedFile]) -> String {
    let mut hasher = Sha256::new();
    for folder in folders {
        hasher.update([b'd']);
        hasher.update(folder.as_str());
        hasher.update([0]);
    }
    for file in files {
        hasher.update([b'f']);
        hasher.update(file.path.as_str());
        hasher.update([0]);
        hasher.update(file.sha256);
    }
    hex(&hasher.finalize())
}

/// What stands in a folder.
enum Kind {
    Folder,
    File,
    /// Neither; in words.
    Other(&'static str),
}

const NOT_UTF8: &str = "a name that is not UTF-8";

type Entry = (Result<String, String>, PathBuf, Kind);

fn entries(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Left there by a pull, and of no use anywhere else.
        if entry.file_name() == STATE_NAME {
            continue;
        }
        let kind = entry.file_type()?;
        let kind = if kind.is_dir() {
            Kind::Folder
        } else if kind.is_file() {
            Kind::File
        } else if kind.is_symlink() {
            // What it points to may lie outside, where nobody meant to publish anything.
            Kind::Other("a symbolic link, which is not followed")
        } else {
            Kind::Other("no file and no folder")
        };
        let name = entry.file_name().into_string();
        let name = name.map_err(|name| format!("{NOT_UTF8}: {}", name.to_string_lossy()));
        all.push((name, entry.path(), kind));
    }
    all.sort_by(|one, two| one.1.cmp(&two.1));
    Ok(all)
}

/// The name for the report, also where it cannot be a name.
fn shown(name: Result<String, String>, origin: &Origin) -> String {
    name.unwrap_or_else(|why| match origin {
        Origin::Unusable(_) => why,
        _ => NOT_UTF8.to_owned(),
    })
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn cannot_read(path: &Path, error: io::Error) -> Failure {
    Failure::io(format!("{} cannot be read", path.display()), error)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// In place: the file stays the same one.
    fn write(path: &Path, text: &str) {
        let mut options = File::options();
        let file = options.write(true).create(true).truncate(true).open(path);
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn lines(folder: &tempfile::TempDir, text: &str) -> Vec<Item> {
        let path = folder.path().join("in.ndjson");
        write(&path, text);
        items(&path, Per::Line).unwrap()
    }

    #[test]
    fn a_line_without_an_id_keeps_its_name_wherever_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        let one = lines(&folder, "{\"x\":1}\n{\"x\":2}\n");
        let other = lines(&folder, "{\"x\":3}\n\n{\"x\":1} \n");
        assert_eq!(one[0].name, other[1].name);
        assert!(one.iter().all(|it| it.name != other[0].name));
        let same = lines(&folder, "{\"x\":1}\n{\"x\":1}\n");
        let Origin::Unusable(why) = &same[1].origin else {
            panic!("the same line twice is one item");
        };
        assert!(why.contains("line 1 has the same name"), "{why}");
    }

    #[test]
    fn a_line_of_a_file_that_was_written_anew_is_not_sent() {
        let folder = tempfile::tempdir().unwrap();
        let old = lines(&folder, "{\"id\":\"p1\"}\n{\"id\":\"p2\"}\n");
        assert!(old.iter().all(|it| plan(&it.origin).is_ok()));
        // In place, as `cp` does: the open file is the new one.
        let new = lines(&folder, "{\"id\":\"p2\"}\n{\"id\":\"p2\"}\n");
        let why = plan(&old[0].origin).unwrap_err();
        assert!(why.contains("changed since"), "{why}");
        assert!(plan(&old[1].origin).is_ok() && plan(&new[0].origin).is_ok());
        write(&folder.path().join("in.ndjson"), "{}");
        assert!(plan(&old[1].origin).is_err());
    }

    #[test]
    fn an_id_that_is_too_long_for_a_name_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (length, is_taken) in [(ID_BYTES_MAX, true), (ID_BYTES_MAX + 1, false)] {
            let id = "x".repeat(length);
            let items = lines(&folder, &format!("{{\"id\":\"{id}\"}}\n"));
            let taken = matches!(items[0].origin, Origin::Line(_));
            assert_eq!(taken, is_taken, "{length} bytes");
        }
    }
}
