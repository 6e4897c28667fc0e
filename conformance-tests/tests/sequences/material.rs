//! The recorded sequences, and the bricks, histories and documents that their
//! calls are about.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::members::Members;
use crate::scenario::{self, Scenario};

#[derive(Debug, Deserialize)]
struct RecoveryFile {
    notes: Members,
}

/// A named sequence of calls.
#[derive(Debug)]
pub(crate) struct Sequence {
    /// What the SDK was asked to do.
    pub(crate) name: String,
    /// The calls, in order.
    pub(crate) calls: Vec<RecordedCall>,
}

/// One call: what was sent and what came back.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecordedCall {
    /// The method.
    pub(crate) method: String,
    path: String,
    /// The status of the answer.
    pub(crate) status: u16,
    /// Bytes in the body of the request.
    pub(crate) req_len: usize,
    /// Bytes in the body of the answer.
    pub(crate) res_len: usize,
    /// The body of the answer, where it was short and is text.
    pub(crate) res_body: Option<String>,
}

impl RecordedCall {
    /// The request target: a fragment is never sent.
    pub(crate) fn target(&self) -> &str {
        self.path.split('#').next().unwrap_or_default()
    }

    /// The segments of the target.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.target().split('/').skip(1).collect()
    }

    /// The `message` in the body of the answer.
    pub(crate) fn message(&self) -> Option<String> {
        let body: Value = serde_json::from_str(self.res_body.as_deref()?).ok()?;
        Some(body.get("message")?.as_str()?.to_owned())
    }
}

/// Everything that a folder holds for the replay.
#[derive(Debug)]
pub(crate) struct Material {
    /// The sequences, in the order of recording.
    pub(crate) sequences: Vec<Sequence>,
    /// The domains that the node has to serve.
    pub(crate) domains: BTreeSet<String>,
    bricks: BTreeMap<String, PathBuf>,
    histories: BTreeMap<(String, String), Vec<String>>,
    documents: BTreeMap<String, Vec<u8>>,
    lengths: BTreeMap<String, usize>,
}

impl Material {
    /// Reads a folder.
    pub(crate) fn load(folder: &Path) -> Result<Self> {
        let scenarios = Scenario::load_all(folder)?;
        let mut material = Self {
            sequences: Vec::new(),
            domains: scenario::domains(&scenarios),
            bricks: BTreeMap::new(),
            histories: BTreeMap::new(),
            documents: BTreeMap::new(),
            lengths: BTreeMap::new(),
        };
        material.domains.insert("default".to_owned());
        for scenario in scenarios {
            let found = !scenario.anchors.is_empty();
            ensure!(found, "scenario {} has no anchor", scenario.name);
            material.bricks.extend(scenario.bricks);
            for ((domain, id), values) in scenario.anchors {
                material.learn_versions(&domain, &id, values);
            }
        }
        let read = |file: &str| {
            let path = folder.join(file);
            let text = path.is_file().then(|| std::fs::read_to_string(&path));
            text.transpose().with_context(|| file.to_owned())
        };
        if let Some(text) = read("http-sequences.json")? {
            material.take_in(serde_json::from_str(&text)?)?;
        }
        if let Some(text) = read("recovery/recovery.json")? {
            let file: RecoveryFile = serde_json::from_str(&text)?;
            material.take_in(file.notes)?;
        }
        if let Some(text) = read("versionless/versionless.json")? {
            material.take_in(serde_json::from_str(&text)?)?;
        }
        Ok(material)
    }

    /// Takes in members that are sequences, or objects with the sequence in
    /// `calls`. Those without calls are notes.
    fn take_in(&mut self, members: Members) -> Result<()> {
        for (name, member) in members.0 {
            let text = |key| member.get(key).and_then(Value::as_str);
            if let (Some(target), Some(stored)) = (text("filePath"), text("stored")) {
                let target = format!("/versionlessdsu/{target}");
                self.documents.insert(target, stored.as_bytes().to_vec());
            }
            // Other lists and texts are notes.
            let direct = member
                .as_array()
                .filter(|it| it.iter().all(Value::is_object));
            let nested = member.get("calls").and_then(Value::as_array);
            let Some(calls) = direct.or(nested) else {
                continue;
            };
            let calls: Vec<RecordedCall> = serde_json::from_value(Value::Array(calls.clone()))?;
            self.learn(&calls);
            self.sequences.push(Sequence { name, calls });
        }
        Ok(())
    }

    /// Takes from calls what they show beyond their order: domains, lengths of
    /// bricks and versions of anchors.
    fn learn(&mut self, calls: &[RecordedCall]) {
        for call in calls {
            let segments = call.segments();
            if let ["bricking" | "anchor", domain, ..] = *segments.as_slice() {
                self.domains.insert(domain.to_owned());
            }
            match *segments.as_slice() {
                ["bricking", _, "put-brick"] => {
                    let name = call.message().unwrap_or_default();
                    self.lengths.insert(name, call.req_len);
                }
                ["bricking", _, "get-brick", name] if call.status == 200 => {
                    self.lengths.insert(name.to_owned(), call.res_len);
                }
                ["anchor", domain, "create-anchor", id, value] if call.status == 201 => {
                    self.learn_versions(domain, id, vec![value.to_owned()]);
                }
                ["anchor", domain, "get-all-versions", id] if call.status == 200 => {
                    let listed = serde_json::from_str(call.res_body.as_deref().unwrap_or("[]"));
                    self.learn_versions(domain, id, listed.unwrap_or_default());
                }
                _ => {}
            }
        }
    }

    fn learn_versions(&mut self, domain: &str, id: &str, values: Vec<String>) {
        let key = (domain.to_owned(), id.to_owned());
        let known = self.histories.entry(key).or_default();
        if values.len() > known.len() {
            *known = values;
        }
    }

    /// The bytes of a brick, where they were kept.
    pub(crate) fn brick(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let file = self.bricks.get(name);
        Ok(file.map(std::fs::read).transpose()?)
    }

    /// The length of a brick that some call shows; 100 when none does.
    pub(crate) fn brick_length(&self, name: &str) -> usize {
        self.lengths.get(name).copied().unwrap_or(100)
    }

    /// All recorded versions of an anchor, oldest first.
    pub(crate) fn history(&self, domain: &str, id: &str) -> &[String] {
        let key = (domain.to_owned(), id.to_owned());
        self.histories.get(&key).map_or(&[], Vec::as_slice)
    }

    /// The last recorded body of a versionless document, if it has this length.
    pub(crate) fn document(&self, target: &str, length: usize) -> Option<Vec<u8>> {
        let stored = self.documents.get(target)?;
        (stored.len() == length).then(|| stored.clone())
    }
}

/// Bytes that stand in for a body that was not kept: `length` of them, the same
/// for the same name, others for another one.
pub(crate) fn stand_in(name: &str, length: usize) -> Vec<u8> {
    let blocks = (0_u64..).flat_map(|it| Sha256::digest(format!("{name}:{it}")));
    blocks.take(length).collect()
}

/// The name of a brick: the base58 form of its SHA-256.
pub(crate) fn brick_name(bytes: &[u8]) -> String {
    bs58::encode(Sha256::digest(bytes)).into_string()
}
