//! Random operations on a model of a DSU, clear of what the SDK is known to do wrong (dsu §14 and
//! the module doc of `brick_map::edit`): embedded files stand in the root and are not deleted or
//! renamed, names of files and folders differ, nothing is put into itself or over another kind.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use testkit::random::Random;

use crate::operation::Operation;
use crate::tree::{Tree, digest};

/// Where the inner DSU is mounted.
pub(super) const POINT: &str = "/mnt";
/// Names of files: Unicode, quotes, digits (which JSON objects of JavaScript put first).
const FILES: [&str; 6] = ["a.txt", "7", "é x", "q\"n", ".h", "漢.bin"];
/// Names of folders.
const FOLDERS: [&str; 4] = ["d", "10", "ż z", ".e"];
/// Names of embedded files; no folder's name is a beginning of one.
const EMBEDDED: [&str; 3] = ["/~text", "/~bytes", "/~more"];
/// The longest content, in bytes.
const CONTENT_BYTES_MAX: u64 = 200;
/// Bytes per brick that are tried; the default is larger than any content.
const BRICK_BYTES: [Option<usize>; 4] = [None, Some(16), Some(40), Some(64)];
/// Versions of one DSU at most.
const BATCHES_MAX: u64 = 4;
/// Operations of one version at most.
const OPERATIONS_MAX: u64 = 7;

/// One step; the inner DSU is another one for each writer.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Do(Operation),
    MountInner,
}

/// What is done to two DSUs.
pub(super) struct Plan {
    /// The versions, and what the DSU holds after each. The last one is made by the other writer.
    pub(super) batches: Vec<(Vec<Step>, Tree)>,
    /// Whether an inner DSU is mounted at some time.
    pub(super) mounts: bool,
}

/// The operations of each version.
impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.batches.iter().map(|(steps, _)| steps);
        f.debug_list().entries(steps).finish()
    }
}

/// The DSU as it should be.
#[derive(Debug, Default)]
struct Model {
    files: BTreeMap<String, Vec<u8>>,
    folders: BTreeSet<String>,
    texts: BTreeMap<String, String>,
    bytes: BTreeMap<String, Vec<u8>>,
    /// The files of the inner DSU, while it is mounted.
    inner: Option<BTreeMap<String, Vec<u8>>>,
}

impl Plan {
    pub(super) fn draw(random: &mut Random) -> Self {
        let mut model = Model::default();
        let mut mounts_at = random.below(12);
        let count = 2 + random.below(BATCHES_MAX);
        let mut plan = Self {
            batches: Vec::new(),
            mounts: mounts_at < count,
        };
        for number in 0..count {
            let mut steps = Vec::new();
            if model.inner.is_some() && random.below(4) == 0 {
                model.inner = None;
                steps.push(Step::Do(Operation::Unmount(POINT.to_owned())));
            }
            for _ in 0..=random.below(OPERATIONS_MAX) {
                steps.push(Step::Do(model.operation(random)));
            }
            if number == mounts_at {
                mounts_at = count;
                model.inner = Some(BTreeMap::new());
                steps.push(Step::MountInner);
            }
            plan.batches.push((steps, model.tree()));
        }
        plan
    }
}

impl Model {
    fn tree(&self) -> Tree {
        let mut tree = Tree::default();
        let texts = self.texts.iter().map(|(place, it)| (place, it.as_bytes()));
        let bytes = self.bytes.iter().chain(&self.files);
        let all = texts.chain(bytes.map(|(place, it)| (place, it.as_slice())));
        tree.files = all.map(|(place, it)| (place.clone(), digest(it))).collect();
        for (place, bytes) in self.inner.iter().flatten() {
            tree.files.insert(format!("{POINT}{place}"), digest(bytes));
        }
        tree.folders.clone_from(&self.folders);
        tree
    }

    /// One operation that can be carried out now.
    fn operation(&mut self, random: &mut Random) -> Operation {
        loop {
            let drawn = match random.below(12) {
                0..3 => Some(self.write(random)),
                3 => Some(self.append(random)),
                4 => Some(self.embed(random)),
                5 => self.append_text(random),
                6 => self.create_folder(random),
                7 => self.delete(random),
                8 | 9 => self.relocate(random, Operation::Rename),
                10 => self.relocate(random, Operation::Copy),
                _ => self.change_inner(random),
            };
            if let Some(operation) = drawn {
                return operation;
            }
        }
    }

    fn write(&mut self, random: &mut Random) -> Operation {
        let (place, bytes) = (file_place(random), content(random));
        self.make_way(&place);
        self.files.insert(place.clone(), bytes.clone());
        Operation::Write(place, bytes, pick(random, &BRICK_BYTES))
    }

    /// To a file that is there, mostly; else it is made.
    fn append(&mut self, random: &mut Random) -> Operation {
        let known = pick_key(random, &self.files).filter(|_| random.below(4) > 0);
        let (place, bytes) = (known.unwrap_or_else(|| file_place(random)), content(random));
        self.make_way(&place);
        let file = self.files.entry(place.clone()).or_default();
        file.extend_from_slice(&bytes);
        Operation::Append(place, bytes, pick(random, &BRICK_BYTES))
    }

    fn embed(&mut self, random: &mut Random) -> Operation {
        let place = pick(random, &EMBEDDED).to_owned();
        self.texts.remove(&place);
        self.bytes.remove(&place);
        if random.below(3) == 0 {
            let bytes = content(random);
            self.bytes.insert(place.clone(), bytes.clone());
            return Operation::EmbedBytes(place, bytes);
        }
        let text = text(random);
        self.texts.insert(place.clone(), text.clone());
        Operation::EmbedText(place, text)
    }

    fn append_text(&mut self, random: &mut Random) -> Option<Operation> {
        let place = pick_key(random, &self.texts)?;
        let more = text(random);
        self.texts.get_mut(&place)?.push_str(&more);
        Some(Operation::AppendText(place, more))
    }

    fn create_folder(&mut self, random: &mut Random) -> Option<Operation> {
        let place = folder_place(random);
        if self.folders.contains(&place) {
            return None;
        }
        self.make_way(&format!("{place}/."));
        Some(Operation::CreateFolder(place))
    }

    fn delete(&mut self, random: &mut Random) -> Option<Operation> {
        let place = self.existing(random)?;
        self.files.retain(|it, _| !is_in(it, &place));
        self.folders.retain(|it| !is_in(it, &place));
        Some(Operation::Delete(place))
    }

    /// Renames or copies a file onto a free or a file's place, a folder onto a free one.
    fn relocate(
        &mut self,
        random: &mut Random,
        make: fn(String, String) -> Operation,
    ) -> Option<Operation> {
        let from = self.existing(random)?;
        let is_file = self.files.contains_key(&from);
        let to = if is_file {
            file_place(random)
        } else {
            folder_place(random)
        };
        if is_in(&to, &from) || self.folders.contains(&to) {
            return None;
        }
        // A file's place may lie in a folder that the folder's move takes away; a folder's place
        // must not be above its source, which is a folder and so is there.
        let below = |it: &String| Some(format!("{to}{}", it.strip_prefix(&from)?));
        let inside = |it: &String| is_in(it, &from);
        let files: Vec<_> = self.files.iter().filter(|(it, _)| inside(it)).collect();
        let files: Vec<_> = files
            .into_iter()
            .filter_map(|(it, bytes)| Some((below(it)?, bytes.clone())))
            .collect();
        let folders: Vec<_> = self
            .folders
            .iter()
            .filter(|it| inside(it))
            .filter_map(below)
            .collect();
        let operation = make(from.clone(), to.clone());
        self.make_way(&to);
        if matches!(operation, Operation::Rename(..)) {
            self.files.retain(|it, _| !is_in(it, &from));
            self.folders.retain(|it| !is_in(it, &from));
        }
        self.files.extend(files);
        self.folders.extend(folders);
        Some(operation)
    }

    /// Something done through the mount.
    fn change_inner(&mut self, random: &mut Random) -> Option<Operation> {
        let inner = self.inner.as_mut()?;
        let outside = |place: &str| format!("{POINT}{place}");
        let known = pick_key(random, inner);
        let place = format!("/{}", pick(random, &FILES));
        match (random.below(6), known) {
            (0, Some(known)) => {
                inner.remove(&known);
                Some(Operation::Delete(outside(&known)))
            }
            (1, Some(known)) if known != place => {
                let bytes = inner.remove(&known)?;
                inner.insert(place.clone(), bytes);
                Some(Operation::Rename(outside(&known), outside(&place)))
            }
            (2, Some(known)) => {
                let more = content(random);
                inner.get_mut(&known)?.extend_from_slice(&more);
                Some(Operation::Append(outside(&known), more, None))
            }
            _ => {
                let bytes = content(random);
                inner.insert(place.clone(), bytes.clone());
                Some(Operation::Write(outside(&place), bytes, None))
            }
        }
    }

    /// A file or folder that is there; embedded files are not.
    fn existing(&self, random: &mut Random) -> Option<String> {
        let places: Vec<&String> = self.files.keys().chain(&self.folders).collect();
        places
            .get(random.index(places.len()))
            .map(|it| (*it).clone())
    }

    /// The folders on the way to a place come into being.
    fn make_way(&mut self, place: &str) {
        for (at, _) in place.match_indices('/').skip(1) {
            self.folders.insert(place[..at].to_owned());
        }
    }
}

fn is_in(place: &str, folder: &str) -> bool {
    place
        .strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn folder_place(random: &mut Random) -> String {
    let depth = 1 + random.below(3);
    let names: Vec<&str> = (0..depth).map(|_| pick(random, &FOLDERS)).collect();
    format!("/{}", names.join("/"))
}

fn file_place(random: &mut Random) -> String {
    let folder = if random.below(3) == 0 {
        String::new()
    } else {
        folder_place(random)
    };
    format!("{folder}/{}", pick(random, &FILES))
}

/// Content that no other operation has, unless it is empty.
fn content(random: &mut Random) -> Vec<u8> {
    let length = random.below(CONTENT_BYTES_MAX);
    random.bytes(usize::try_from(length).unwrap_or(0))
}

fn text(random: &mut Random) -> String {
    format!("text {} € 漢 \"\\\n", random.below(1000))
}

fn pick<T: Copy>(random: &mut Random, choices: &[T]) -> T {
    choices[random.index(choices.len())]
}

fn pick_key<T>(random: &mut Random, map: &BTreeMap<String, T>) -> Option<String> {
    map.keys().nth(random.index(map.len())).cloned()
}
