//! The folder of an ApiHub, made from a seed, sound and not: and what an import must say of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use keyssi::{AnchorValue, BrickHash, Domain, KeySsi, PrivateKey};
use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use testkit::owner::FIRST_MS;
use testkit::random::Random;
use testkit::server::write_file;

use crate::made::{MadeBrick, MadeDsu, Wish, make, sign};

/// Characters of a shard folder's name: as today, and as older installations have it.
const SHARDS: [(&str, usize); 2] = [("default", 2), ("older", 5)];
/// A domain whose folder has both.
const MIXED: &str = "mixed";
/// A domain that no configuration names.
const UNKNOWN: &str = "unknown";
/// Over the limit that a node has for clients (16 MiB).
const OVERSIZED_BYTES: usize = 17 << 20;
/// Over what is ever taken (64 MiB).
const TOO_LARGE_BYTES: u64 = (64 << 20) + 1;
const ERROR_TEXT: &[u8] = br#"{"message":"Brick not found"}"#;

/// A folder, and what must be said of it.
pub(crate) struct Tree {
    root: TempDir,
    /// Lines of the report, without their details, in order.
    pub(crate) findings: Vec<Value>,
    /// DSUs that the report does not name.
    pub(crate) good: Vec<Sound>,
    /// Bricks that are taken, one that lies there twice counted once, by domain and in all.
    pub(crate) bricks: u64,
    /// Files of bricks that are taken.
    pub(crate) brick_files: u64,
    /// Anchors that are taken, whole or not, and their versions.
    pub(crate) anchors: u64,
    pub(crate) versions: u64,
    pub(crate) documents: u64,
    /// Bytes of bricks that are taken.
    pub(crate) bytes: u64,
}

/// A DSU that must open.
pub(crate) struct Sound {
    pub(crate) ssi: KeySsi,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) versions: usize,
}

/// What is done to a DSU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    None,
    /// Ends of lines as another system writes them, empty lines, no end of the last one.
    OddLines,
    BrickTorn,
    BrickAltered,
    BrickEmpty,
    BrickPoisoned,
    MapGone,
    MapTorn,
    AnchorTorn,
    AnchorZeros,
    AnchorForked,
    AnchorNotSigned,
    AnchorGarbage,
    AnchorPlain,
    AnchorEmpty,
}

impl Deed {
    const ALL: [Self; 15] = [
        Self::OddLines,
        Self::BrickTorn,
        Self::BrickAltered,
        Self::BrickEmpty,
        Self::BrickPoisoned,
        Self::MapGone,
        Self::MapTorn,
        Self::AnchorTorn,
        Self::AnchorZeros,
        Self::AnchorForked,
        Self::AnchorNotSigned,
        Self::AnchorGarbage,
        Self::AnchorPlain,
        Self::AnchorEmpty,
        Self::None,
    ];
}

impl Tree {
    /// A folder without anything, configuration included.
    pub(crate) fn bare() -> Result<Self> {
        Ok(Self {
            root: tempfile::tempdir()?,
            findings: Vec::new(),
            good: Vec::new(),
            bricks: 0,
            brick_files: 0,
            anchors: 0,
            versions: 0,
            documents: 0,
            bytes: 0,
        })
    }

    /// A folder with so many bricks, a few more or less.
    pub(crate) fn generate(bricks: u64, random: &mut Random) -> Result<Self> {
        let mut tree = Self::bare()?;
        tree.configure()?;
        let mut number = 0;
        while tree.bricks < bricks {
            let (domain, shard) = match number % 3 {
                2 => (MIXED, [2, 5][random.index(2)]),
                layout => SHARDS[layout],
            };
            // The first ones suffer each deed once, of the others one in four.
            let deed = match Deed::ALL.get(number) {
                Some(deed) => *deed,
                None if random.below(4) == 0 => Deed::ALL[random.index(Deed::ALL.len())],
                None => Deed::None,
            };
            tree.dsu(&domain.parse()?, shard, deed, random)?;
            number += 1;
        }
        tree.strangers(random)?;
        tree.documents(random)?;
        tree.findings.sort_by_key(Value::to_string);
        Ok(tree)
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root().join("external-volume").join(below)
    }

    pub(crate) fn write(&self, below: &str, bytes: &[u8]) -> Result<()> {
        Ok(write_file(&self.path(below), bytes)?)
    }

    /// Takes everybody's right to write, and gives what the folder holds: of each file its digest,
    /// its time and its rights.
    pub(crate) fn seal(&self) -> Result<BTreeMap<PathBuf, String>> {
        let mut held = BTreeMap::new();
        let mut folders = vec![self.root().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                let metadata = path.symlink_metadata()?;
                let mut digest = String::new();
                if metadata.is_dir() {
                    folders.push(path.clone());
                } else if metadata.is_file() && metadata.len() < TOO_LARGE_BYTES {
                    digest = format!("{:?}", Sha256::digest(fs::read(&path)?));
                }
                if !metadata.is_symlink() {
                    let mode = if metadata.is_dir() { 0o555 } else { 0o444 };
                    fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
                }
                let (size, time) = (metadata.len(), metadata.modified()?);
                held.insert(path, format!("{size} {time:?} {digest}"));
            }
        }
        Ok(held)
    }

    fn configure(&self) -> Result<()> {
        for domain in ["default", "older", MIXED] {
            self.write(&format!("config/domains/{domain}.json"), b"{}")?;
        }
        self.write(
            "config/apihub.json",
            br#"{"port": 8081, "enableOAuth": true}"#,
        )?;
        let bdns =
            json!({"default": {"brickStorages": ["$ORIGIN"], "anchoringServices": ["$ORIGIN"]}});
        self.write("config/bdns.hosts", bdns.to_string().as_bytes())
    }

    /// One DSU with a deed.
    fn dsu(
        &mut self,
        domain: &Domain,
        shard: usize,
        deed: Deed,
        random: &mut Random,
    ) -> Result<()> {
        // Two versions at least where the last one suffers.
        let is_constant = deed == Deed::None && random.below(8) == 0;
        let versions = if is_constant { 1 } else { 2 + random.index(3) };
        let wish = Wish {
            domain,
            versions,
            bricks: 3 + random.index(5),
            is_constant,
        };
        let mut dsu = make(&wish, random)?;
        self.damage_bricks(&mut dsu, shard, deed, random);
        for brick in &dsu.bricks {
            self.put_brick(domain, shard, brick, random)?;
        }
        self.anchor(&dsu, deed, random)?;
        if matches!(deed, Deed::None | Deed::OddLines) {
            self.good.push(Sound {
                ssi: dsu.ssi,
                files: dsu.files,
                versions,
            });
        }
        Ok(())
    }

    /// Damages one brick, if that is the deed; says so in the findings.
    fn damage_bricks(&mut self, dsu: &mut MadeDsu, shard: usize, deed: Deed, random: &mut Random) {
        let is_map = matches!(deed, Deed::MapGone | Deed::MapTorn);
        let newest = dsu.values.len() - 1;
        let fits: Vec<usize> = (0..dsu.bricks.len())
            .filter(|index| match dsu.bricks[*index].map_of {
                Some(version) => is_map && version == newest,
                None => !is_map,
            })
            .collect();
        let index = fits[random.index(fits.len())];
        let brick = &mut dsu.bricks[index];
        let path = brick_path(dsu.anchor.domain(), shard, &brick.hash);
        let (bytes, reason) = match deed {
            Deed::BrickTorn | Deed::MapTorn => {
                let length = 1 + random.index(brick.bytes.len() - 1);
                (brick.bytes[..length].to_vec(), "torn-or-altered")
            }
            Deed::BrickAltered => {
                let mut bytes = brick.bytes.clone();
                let place = random.index(bytes.len());
                bytes[place] ^= 1;
                (bytes, "torn-or-altered")
            }
            Deed::BrickEmpty => (Vec::new(), "empty"),
            Deed::BrickPoisoned => (ERROR_TEXT.to_vec(), "poisoned"),
            Deed::MapGone => {
                dsu.bricks.remove(index);
                return;
            }
            _ => return,
        };
        brick.bytes = bytes;
        self.skipped("brick", &path, reason);
    }

    fn put_brick(
        &mut self,
        domain: &Domain,
        shard: usize,
        brick: &MadeBrick,
        random: &mut Random,
    ) -> Result<()> {
        self.write(&brick_path(domain, shard, &brick.hash), &brick.bytes)?;
        if BrickHash::of(&brick.bytes) != brick.hash {
            return Ok(());
        }
        self.bricks += 1;
        self.brick_files += 1;
        self.bytes += brick.bytes.len() as u64;
        // Some lie there in both layouts.
        if domain.as_str() == MIXED && random.below(10) == 0 {
            self.write(&brick_path(domain, 7 - shard, &brick.hash), &brick.bytes)?;
            self.brick_files += 1;
        }
        Ok(())
    }

    /// Writes the anchor's file as the deed wants it.
    fn anchor(&mut self, dsu: &MadeDsu, deed: Deed, random: &mut Random) -> Result<()> {
        let path = anchor_path(dsu);
        let count = dsu.values.len() as u64;
        let lines: Vec<&str> = dsu.values.iter().map(AnchorValue::as_str).collect();
        let last = lines[lines.len() - 1];
        let all = format!("{}\n", lines.join("\n"));
        let before = format!("{}\n", lines[..lines.len() - 1].join("\n"));
        let hash = BrickHash::of(b"other").to_string();
        let (text, taken, reason) = match deed {
            Deed::OddLines => {
                let text = match random.below(3) {
                    0 => format!("{}\r\n", lines.join("\r\n")),
                    1 => format!("\n{}\n\n", lines.join("\n\n")),
                    _ => lines.join("\n"),
                };
                (text, count, None)
            }
            Deed::AnchorTorn => {
                let torn = &last[..=random.index(last.len() - 1)];
                (format!("{before}{torn}"), count - 1, Some("torn-tail"))
            }
            Deed::AnchorZeros => {
                let zeros = "\0".repeat(last.len());
                (format!("{before}{zeros}"), count - 1, Some("torn-tail"))
            }
            Deed::AnchorForked => {
                let key = dsu.ssi.private_key()?;
                let other = sign(&dsu.anchor, &key, None, &hash, FIRST_MS + 7)?;
                (format!("{all}{other}\n"), 0, Some("forked"))
            }
            Deed::AnchorNotSigned => {
                let key = PrivateKey::from_bytes(&random.bytes(32))?;
                let other = sign(&dsu.anchor, &key, None, &hash, FIRST_MS + 60_000)?;
                (format!("{all}{other}\n"), 0, Some("breaks-rules"))
            }
            Deed::AnchorGarbage => {
                let garbage = "garbage".repeat(4);
                (
                    format!("{before}{garbage}\n{last}\n"),
                    0,
                    Some("not-a-value"),
                )
            }
            Deed::AnchorPlain => {
                let plain = dsu.values[lines.len() - 1].plain();
                (format!("{before}{plain}\n"), 0, Some("not-canonical"))
            }
            Deed::AnchorEmpty => (String::new(), 0, Some("empty")),
            Deed::MapGone | Deed::MapTorn => {
                let mut line = finding("anchor", &path, "brick-map-missing");
                line["effect"] = "taken".into();
                self.findings.push(line);
                (all, count, None)
            }
            _ => (all, count, None),
        };
        self.write(&path, text.as_bytes())?;
        if taken > 0 {
            self.anchors += 1;
            self.versions += taken;
        }
        if let Some(reason) = reason {
            self.left_out(&path, reason, taken);
        }
        Ok(())
    }

    /// Notes that of an anchor's history only the first entries are taken, if any.
    fn left_out(&mut self, path: &str, reason: &str, taken: u64) {
        let mut line = finding("anchor", path, reason);
        if taken > 0 {
            line["effect"] = "partly".into();
            line["taken"] = taken.into();
            line["left_out"] = 1.into();
        }
        self.findings.push(line);
    }

    /// What does not belong there, and what is larger than others.
    fn strangers(&mut self, random: &mut Random) -> Result<()> {
        self.strange_bricks(random)?;
        self.strange_anchors(random)
    }

    fn strange_bricks(&mut self, random: &mut Random) -> Result<()> {
        let bricks = "domains/default/brick-storage";
        let error_text = brick_path(&"default".parse()?, 2, &BrickHash::of(ERROR_TEXT));
        self.write(&error_text, ERROR_TEXT)?;
        self.skipped("brick", &error_text, "poisoned");
        for (name, reason) in [
            ("22/.DS_Store", "foreign-name"),
            ("22/abc", "foreign-name"),
            ("README.txt", "foreign-name"),
        ] {
            let path = format!("{bricks}/{name}");
            self.write(&path, b"stranger")?;
            self.skipped("brick", &path, reason);
        }
        let outside = self.root().join("outside");
        write_file(&outside, b"outside")?;
        for (name, target) in [
            (BrickHash::of(b"outside").to_string(), outside),
            ("link".to_owned(), self.root().to_owned()),
        ] {
            let path = format!("{bricks}/22/{name}");
            symlink(target, self.path(&path))?;
            self.skipped("brick", &path, "symlink");
        }
        let pipe = format!("{bricks}/22/{}", BrickHash::of(b"pipe"));
        mkfifoat(CWD, self.path(&pipe), Mode::from_raw_mode(0o600))?;
        self.skipped("brick", &pipe, "not-a-file");
        let folder = format!("{bricks}/22/{}", BrickHash::of(b"folder"));
        fs::create_dir_all(self.path(&folder))?;
        self.skipped("brick", &folder, "not-a-file");
        let large = format!("{bricks}/22/{}", BrickHash::of(b"large"));
        self.write(&large, b"")?;
        fs::File::options()
            .write(true)
            .open(self.path(&large))?
            .set_len(TOO_LARGE_BYTES)?;
        self.skipped("brick", &large, "too-large");
        let oversized = random.bytes(OVERSIZED_BYTES);
        let hash = BrickHash::of(&oversized);
        let brick = MadeBrick {
            hash,
            bytes: oversized,
            map_of: None,
        };
        self.put_brick(&"older".parse()?, 5, &brick, random)
    }

    fn strange_anchors(&mut self, random: &mut Random) -> Result<()> {
        // The anchor of one domain in the folder of another.
        let wish = Wish {
            domain: &"older".parse()?,
            versions: 1,
            bricks: 1,
            is_constant: false,
        };
        let lost = make(&wish, random)?;
        let name = anchor_path(&lost).replace("domains/older", "domains/default");
        self.write(&name, format!("{}\n", lost.values[0]).as_bytes())?;
        self.skipped("anchor", &name, "wrong-domain");
        let notes = "domains/default/anchors/notes.txt";
        self.write(notes, b"stranger")?;
        self.skipped("anchor", notes, "foreign-name");
        // The lock of an append is no anchor and no finding.
        fs::create_dir_all(self.path("domains/default/anchors/abc.lock"))?;
        let unknown = format!("domains/{UNKNOWN}");
        self.write(&format!("{unknown}/anchors/x"), b"x")?;
        self.skipped("domain", &unknown, "unknown-domain");
        let no_name = "domains/$HOME";
        fs::create_dir_all(self.path(no_name))?;
        self.skipped("domain", no_name, "foreign-name");
        Ok(())
    }

    fn documents(&mut self, random: &mut Random) -> Result<()> {
        for number in 0..5 {
            let name = BrickHash::of(format!("document {number}").as_bytes()).to_string();
            let bytes = random.bytes(2000 * number);
            self.write(&document_path(&name), &bytes)?;
            self.documents += 1;
        }
        let stranger = "versionlessdsu/abc/abcdef";
        self.write(stranger, b"stranger")?;
        self.skipped("document", stranger, "foreign-name");
        Ok(())
    }

    fn skipped(&mut self, subject: &str, path: &str, reason: &str) {
        self.findings.push(finding(subject, path, reason));
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // Only who may write into a folder can remove what is in it.
        let mut folders = vec![self.root().to_owned()];
        while let Some(folder) = folders.pop() {
            let _ = fs::set_permissions(&folder, fs::Permissions::from_mode(0o755));
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|it| it.is_dir()) {
                    folders.push(entry.path());
                }
            }
        }
    }
}

/// A line of the report without its details.
fn finding(subject: &str, path: &str, reason: &str) -> Value {
    json!({"subject": subject, "path": path, "reason": reason, "effect": "skipped"})
}

pub(crate) fn brick_path(domain: &Domain, shard: usize, hash: &BrickHash) -> String {
    let name = hash.to_string();
    format!("domains/{domain}/brick-storage/{}/{name}", &name[..shard])
}

pub(crate) fn anchor_path(dsu: &MadeDsu) -> String {
    format!("domains/{}/anchors/{}", dsu.anchor.domain(), dsu.anchor)
}

pub(crate) fn document_path(name: &str) -> String {
    format!("versionlessdsu/{}/{name}", &name[..3])
}

/// The findings of a report without their details, in order, and its last line.
pub(crate) fn read_report(path: &Path) -> Result<(Vec<Value>, Value)> {
    let text = fs::read_to_string(path)?;
    let mut lines = Vec::new();
    for line in text.lines() {
        lines.push(serde_json::from_str::<Value>(line)?);
    }
    let summary = lines.pop().unwrap_or_default()["summary"].take();
    ensure!(summary.is_object(), "the report has no numbers");
    for line in &mut lines {
        let detail = line.as_object_mut().and_then(|it| it.remove("detail"));
        ensure!(detail.is_some_and(|it| it != ""), "no detail: {line}");
    }
    lines.sort_by_key(Value::to_string);
    Ok((lines, summary))
}
