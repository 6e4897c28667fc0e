//! The files of one recorded scenario.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use dsu::{BrickRef, Content};
use keyssi::BrickHash;
use keyssi::json::Json;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// `dsu.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct DsuFile {
    #[serde(rename = "scenario")]
    _name: String,
    pub(crate) dsus: Vec<RecordedView>,
    pub(crate) bricks: Vec<RecordedBrick>,
    #[serde(default)]
    pub(crate) omit_bricks: bool,
    pub(crate) content_fill: Option<BTreeMap<String, (usize, u8)>>,
    pub(crate) content_generator: Option<String>,
    pub(crate) content_length: Option<usize>,
    pub(crate) arr: Option<Value>,
    pub(crate) cred: Option<Value>,
    pub(crate) hint: Option<RecordedHint>,
    pub(crate) listing: Option<Map<String, Value>>,
    pub(crate) stats: Option<BTreeMap<String, Value>>,
    pub(crate) write_through_s_read_error: Option<Value>,
    pub(crate) notes: Option<Map<String, Value>>,
    /// Says in words why there are no bricks.
    #[serde(rename = "note")]
    _note: Option<String>,
}

/// One DSU, seen through one identifier.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RecordedView {
    pub(crate) label: String,
    pub(crate) domain: String,
    pub(crate) bricks_domain: Option<String>,
    #[serde(rename = "keySSI")]
    pub(crate) key_ssi: RecordedSsi,
    pub(crate) derived: Vec<RecordedSsi>,
    pub(crate) encryption_key_hex: String,
    pub(crate) anchor_id: String,
    pub(crate) anchor_id_plain: String,
    pub(crate) versions: Vec<RecordedVersion>,
}

/// An identifier in all its forms.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordedSsi {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) plain: String,
}

/// One version.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RecordedVersion {
    pub(crate) index: usize,
    pub(crate) anchor_value: String,
    pub(crate) anchor_value_plain: String,
    pub(crate) brick_map_hash: String,
    pub(crate) brick_map: Value,
    pub(crate) files: BTreeMap<String, RecordedFile>,
    pub(crate) folders: Vec<String>,
}

/// What the SDK read, or that it could not.
#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum RecordedFile {
    Read {
        size: usize,
        sha256: String,
        #[serde(rename = "jsType")]
        js_type: String,
    },
    Failed {
        error: String,
    },
}

/// A brick as it was stored.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordedBrick {
    pub(crate) hash: String,
    pub(crate) size: usize,
    pub(crate) sha256: String,
}

/// An identifier that named a version.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RecordedHint {
    pub(crate) identifier_with_version_hint: String,
    pub(crate) counter: String,
}

/// A scenario and its bricks.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) file: DsuFile,
    /// `dsu.json` again, with the order of its members.
    ordered: Json,
    pub(crate) bricks: BTreeMap<BrickHash, Vec<u8>>,
}

impl Scenario {
    pub(crate) fn load(folder: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(folder.join("dsu.json"))?;
        let file: DsuFile = serde_json::from_str(&text)?;
        let ordered = Json::parse_nested(&text, 1024).context("nested too deep")?;
        let mut scenario = Self {
            file,
            ordered,
            bricks: BTreeMap::new(),
        };
        for entry in folder.read_dir()? {
            let entry = entry?;
            match entry.file_name().to_str() {
                Some("dsu.json") => {}
                Some("bricks") => scenario.load_bricks(&entry.path())?,
                other => bail!("unknown file {other:?}"),
            }
        }
        scenario.check_bricks()?;
        Ok(scenario)
    }

    /// The brick map of a version, compact, in the order of the file.
    pub(crate) fn ordered_map(&self, view: usize, version: usize) -> Result<String> {
        let list = |json: &Json, name: &str, index: usize| {
            let members = json.as_object()?.get(name)?.as_list()?;
            members.get(index).cloned()
        };
        let view = list(&self.ordered, "dsus", view).context("no view")?;
        let version = list(&view, "versions", version).context("no version")?;
        let map = version.as_object().and_then(|it| it.get("brickMap"));
        Ok(map.context("no brick map")?.print())
    }

    /// The bytes of a brick.
    pub(crate) fn brick(&self, brick: &BrickRef) -> Result<&[u8]> {
        let bytes = self.bricks.get(&brick.hash);
        Ok(bytes.with_context(|| format!("no brick {}", brick.hash))?)
    }

    /// The recorded size of a brick.
    pub(crate) fn brick_size(&self, hash: &BrickHash) -> Result<usize> {
        let name = hash.to_string();
        let brick = self.file.bricks.iter().find(|it| it.hash == name);
        Ok(brick.with_context(|| format!("no brick {name}"))?.size)
    }

    /// The whole content of a file, and where sizes are known beforehand that
    /// ranges are its slices.
    pub(crate) fn read(&self, content: &Content) -> Result<Vec<u8>> {
        let mut whole = Vec::new();
        for piece in content.pieces() {
            let bytes = piece
                .brick()
                .map_or(Ok(&[][..]), |brick| self.brick(brick))?;
            whole.extend_from_slice(&piece.open(bytes)?);
        }
        if let Some(total) = content.total_bytes() {
            ensure!(total == whole.len() as u64, "announced {total} bytes");
            self.check_ranges(content, &whole)?;
        }
        Ok(whole)
    }

    fn check_ranges(&self, content: &Content, whole: &[u8]) -> Result<()> {
        let length = whole.len();
        let mut near = vec![
            0,
            1,
            length / 3,
            length / 2,
            length.saturating_sub(1),
            length,
        ];
        near.retain(|place| *place <= length);
        for &start in &near {
            for &end in near.iter().filter(|end| **end >= start) {
                let range = content
                    .range(start as u64..end as u64)
                    .context("no range")?;
                let mut read = Vec::new();
                for part in range {
                    let brick = part.piece.brick();
                    let bytes = brick.map_or(Ok(&[][..]), |brick| self.brick(brick))?;
                    read.extend_from_slice(&part.open(bytes)?);
                }
                ensure!(read == whole[start..end], "range {start}..{end}");
            }
        }
        Ok(())
    }

    fn load_bricks(&mut self, folder: &Path) -> Result<()> {
        for entry in folder.read_dir()? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let hash: BrickHash = name.parse().with_context(|| name.clone())?;
            let bytes = std::fs::read(entry.path())?;
            ensure!(BrickHash::of(&bytes) == hash, "brick {name} is damaged");
            self.bricks.insert(hash, bytes);
        }
        Ok(())
    }

    /// The list and the folder of bricks say the same.
    fn check_bricks(&self) -> Result<()> {
        for recorded in &self.file.bricks {
            let hash: BrickHash = recorded.hash.parse()?;
            ensure!(hex(hash.as_bytes()) == recorded.sha256, "{hash}: sha256");
            match self.bricks.get(&hash) {
                Some(bytes) => ensure!(bytes.len() == recorded.size, "{hash}: size"),
                None => ensure!(self.file.omit_bricks, "{hash} is not in the folder"),
            }
        }
        let listed = self.file.bricks.len();
        let stored = if self.file.omit_bricks { 0 } else { listed };
        ensure!(self.bricks.len() == stored, "{listed} bricks listed");
        Ok(())
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    halves
        .filter_map(|half| char::from_digit(u32::from(half), 16))
        .collect()
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
